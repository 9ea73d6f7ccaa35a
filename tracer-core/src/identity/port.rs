//! Where a service is reached: a port number, or the path of a Unix socket; and by which transport.
//!
//! Invariant: different socket names have different texts: bytes that are no printable text are written by number.
//! Memory: one text of at most four characters for each of 108 bytes (`sun_path`, unix(7)).

use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;
use tracer_common::TransportKind;

/// The "port" of a call: a number, or for a Unix socket its path (`@name` for an abstract one, empty for an unnamed).
/// In JSON a number or a string.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(untagged)]
pub enum Port {
    Number(u16),
    Path(String),
}

impl Port {
    /// That of a pair of sockets without a name.
    pub const UNNAMED: Self = Self::Path(String::new());

    /// The port that a Unix socket's name stands for. An abstract name begins with a NUL byte (unix(7)).
    #[must_use]
    pub fn of_path(name: &[u8]) -> Self {
        let (mark, rest) = match name {
            [0, rest @ ..] => ("@", rest),
            // Only an abstract name may begin with `@`.
            [b'@', rest @ ..] => ("\\x40", rest),
            all => ("", all.split(|byte| *byte == 0).next().unwrap_or_default()),
        };
        let mut text = mark.to_owned();
        for chunk in rest.utf8_chunks() {
            for c in chunk.valid().chars() {
                if c == '\\' || c.is_control() { text.extend(c.escape_default()) } else { text.push(c) }
            }
            chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
        }
        Self::Path(text)
    }

    /// The number, if it is one.
    #[must_use]
    pub fn number(&self) -> Option<u16> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }
}

impl From<u16> for Port {
    fn from(number: u16) -> Self {
        Self::Number(number)
    }
}

/// Read by hand, so that an error says where it is.
impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrPath;

        impl Visitor<'_> for NumberOrPath {
            type Value = Port;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a port number or the path of a Unix socket")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Port, E> {
                let port = u16::try_from(number);
                port.map(Port::Number).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
            }

            /// As TOML has its integers.
            fn visit_i64<E: Error>(self, number: i64) -> Result<Port, E> {
                let port = u16::try_from(number);
                port.map(Port::Number).map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
            }

            fn visit_str<E: Error>(self, path: &str) -> Result<Port, E> {
                Ok(Port::Path(path.to_owned()))
            }
        }

        deserializer.deserialize_any(NumberOrPath)
    }
}

/// Comparing with a number is what users of figures do.
impl PartialEq<u16> for Port {
    fn eq(&self, number: &u16) -> bool {
        self.number() == Some(*number)
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Path(path) if path.is_empty() => f.write_str("(unnamed)"),
            Self::Path(path) => f.write_str(path),
        }
    }
}

/// By which transport a call is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    #[default]
    Tcp,
    Udp,
    Unix,
}

impl Transport {
    /// As the kernel programs tell it.
    #[must_use]
    pub fn from_kernel(kind: u8) -> Self {
        match kind {
            TransportKind::UDP => Self::Udp,
            TransportKind::UNIX_STREAM | TransportKind::UNIX_DATAGRAM | TransportKind::UNIX_SEQPACKET => Self::Unix,
            _ => Self::Tcp,
        }
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Unix => "unix",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_path_ends_at_its_first_nul_and_an_abstract_name_does_not() {
        assert_eq!(Port::of_path(b"/run/a.sock\0junk"), Port::Path("/run/a.sock".to_owned()));
        assert_eq!(Port::of_path(b"\0bus"), Port::Path("@bus".to_owned()));
        assert_eq!(Port::of_path(b"\0a\0b"), Port::Path("@a\\u{0}b".to_owned()));
        assert_eq!(Port::of_path(b"@bus"), Port::Path("\\x40bus".to_owned()));
        assert_eq!(Port::of_path(b"/\xff"), Port::Path("/\\xff".to_owned()));
        assert_eq!(Port::of_path(b"").to_string(), "(unnamed)");
    }

    #[test]
    fn in_json_a_port_is_a_number_or_a_string() {
        let ports = vec![Port::Number(80), Port::Path("/run/a".to_owned())];
        let json = serde_json::to_string(&ports).unwrap();
        assert_eq!(json, r#"[80,"/run/a"]"#);
        assert_eq!(serde_json::from_str::<Vec<Port>>(&json).unwrap(), ports);
    }

    proptest! {
        #[test]
        fn different_abstract_names_have_different_texts(
            one in proptest::collection::vec(any::<u8>(), 0..20),
            other in proptest::collection::vec(any::<u8>(), 0..20),
        ) {
            let named = |name: &[u8]| Port::of_path(&[&[0], name].concat());
            prop_assert_eq!(one == other, named(&one) == named(&other));
        }
    }
}
