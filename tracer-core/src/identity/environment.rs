//! The name that a process is given by its environment.
//!
//! Sources: OpenTelemetry's environment variables (`OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`), and
//! `SERVICE_NAME`, which many deployments set.
//! Invariant: of the environment only the name leaves this file. Memory: one name of at most `limits::NAME_BYTES`.

use crate::limits;

/// The variables that name a service, the strongest first.
pub const VARIABLES: [&str; 3] = ["OTEL_SERVICE_NAME", "SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"];

/// The service's name in `/proc/PID/environ`: `NAME=value`, each ended by a NUL.
///
/// What the last NUL does not end is cut, and not looked at.
#[must_use]
pub fn service_name(environment: &[u8]) -> Option<Vec<u8>> {
    let whole = environment.iter().rposition(|byte| *byte == 0)?;
    let entries = || environment.get(..whole).unwrap_or_default().split(|byte| *byte == 0);
    VARIABLES.into_iter().find_map(|variable| {
        let value = |entry: &'_ [u8]| -> Option<usize> {
            entry.strip_prefix(variable.as_bytes())?.strip_prefix(b"=").map(<[u8]>::len)
        };
        // As getenv(3) does, the first of several is taken.
        let (entry, length) = entries().find_map(|entry| value(entry).map(|length| (entry, length)))?;
        let value = entry.get(entry.len() - length..)?;
        let name = if variable == "OTEL_RESOURCE_ATTRIBUTES" { attribute(value)? } else { value.to_vec() };
        let name = name.trim_ascii();
        let name = name.get(..limits::NAME_BYTES).unwrap_or(name);
        (!name.is_empty()).then(|| name.to_vec())
    })
}

/// `service.name` of `key=value,key=value`; values are percent-encoded (OpenTelemetry, Resource SDK, "Specifying
/// resource information via an environment variable").
fn attribute(attributes: &[u8]) -> Option<Vec<u8>> {
    let value = attributes.split(|byte| *byte == b',').find_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let (key, value) = pair.split_at_checked(at)?;
        (key.trim_ascii() == b"service.name").then(|| value.get(1..)).flatten()
    })?;
    let mut decoded = Vec::new();
    let mut rest = value;
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|digits| byte == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        match digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                decoded.push(byte);
                rest = after;
            }
        }
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(environment: &[u8]) -> Option<String> {
        service_name(environment).map(|name| String::from_utf8_lossy(&name).into_owned())
    }

    #[test]
    fn the_strongest_variable_that_names_anything_is_taken() {
        for (expected, environment) in [
            (Some("a"), &b"OTEL_RESOURCE_ATTRIBUTES=service.name=c\0SERVICE_NAME=b\0OTEL_SERVICE_NAME=a\0"[..]),
            (Some("b"), b"OTEL_RESOURCE_ATTRIBUTES=service.name=c\0SERVICE_NAME=b\0OTEL_SERVICE_NAME= \0"),
            (Some("c d"), b"OTEL_RESOURCE_ATTRIBUTES=service.version=1, service.name =c%20d,x=y\0"),
            (Some("c%2"), b"OTEL_RESOURCE_ATTRIBUTES=service.name=c%2\0"),
            (Some("first"), b"SERVICE_NAME=first\0SERVICE_NAME=second\0"),
            (None, b"MY_SERVICE_NAME=a\0SERVICE_NAMES=b\0OTEL_RESOURCE_ATTRIBUTES=service.namespace=c\0"),
            (None, b""),
        ] {
            assert_eq!(named(environment).as_deref(), expected, "{}", environment.escape_ascii());
        }
    }

    #[test]
    fn a_value_that_is_cut_names_nothing() {
        assert_eq!(named(b"A=b\0SERVICE_NAME=half"), None);
        assert_eq!(named(b"SERVICE_NAME=half"), None);
    }

    #[test]
    fn a_hostile_environment_gives_a_bounded_name() {
        let mut environment = b"SERVICE_NAME=".to_vec();
        environment.extend(vec![b'\x1b'; 64 << 10]);
        environment.push(0);
        assert_eq!(service_name(&environment).unwrap().len(), limits::NAME_BYTES);
        assert_eq!(named(b"\xff\xff=\0\0\0=\0SERVICE_NAME\0"), None);
    }
}
