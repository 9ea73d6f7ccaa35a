//! The configuration file: TOML, today the user's names for services.
//!
//! ```toml
//! [[service]]              # the first that matches names a process
//! name = "shop"
//! exe = "python3*"         # a glob for the file's name, or with a slash for its path; /…/ is a regular expression
//! command = "/gunicorn .* shop/"
//! unit = "shop-*"
//! port = 8000              # that it listens on; or the path of a Unix socket
//! ```
//!
//! Invariant: a file is taken whole or refused with the line and the next step; a key that means nothing is an error.
//! Memory: a file of at most [`MOST_BYTES`], so that its rules fit the header of a tape.

use crate::files;
use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};
use tracer_core::identity::Rules;
use tracer_core::identity::rules::Rule;

/// Bytes of a configuration file. Half of a tape's frame, as JSON may write a backslash as two.
const MOST_BYTES: usize = 28 << 10;

/// The keys at the top.
const KEYS: [&str; 1] = ["service"];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    service: Rules,
}

/// Reads the rules of a configuration file.
pub(crate) fn read(path: &Path) -> Result<Rules> {
    let contents = files::read_whole(path)?;
    parse(&contents).with_context(|| format!("the configuration {} cannot be used", path.display()))
}

fn parse(contents: &[u8]) -> Result<Rules> {
    if contents.len() > MOST_BYTES {
        bail!("it has {} bytes, the most is {MOST_BYTES}", contents.len());
    }
    let text = std::str::from_utf8(contents).context("it is not UTF-8")?;
    let at_line = |error: &toml::de::Error| {
        let place = error.span().map(|span| format!("line {}: ", line(text, span.start))).unwrap_or_default();
        anyhow::anyhow!("{place}{}", error.message())
    };
    check_keys(text, DeTable::parse(text).map_err(|error| at_line(&error))?.get_ref())?;
    let config: Config = toml::from_str(text).map_err(|error| at_line(&error))?;
    Ok(config.service)
}

/// Refuses keys that mean nothing: misspelt, a rule would hold for more than was meant.
fn check_keys(text: &str, top: &DeTable<'_>) -> Result<()> {
    let check = |table: &DeTable<'_>, known: &[&str], place: &str| {
        table.keys().try_for_each(|key| check_key(text, key, known, place))
    };
    check(top, &KEYS, "the configuration")?;
    let services = top.values().filter_map(|value| value.get_ref().as_array()).flat_map(|array| array.iter());
    services
        .filter_map(|service| if let DeValue::Table(table) = service.get_ref() { Some(table) } else { None })
        .try_for_each(|service| check(service, &Rule::KEYS, "a [[service]]"))
}

fn check_key(text: &str, key: &Spanned<DeString<'_>>, known: &[&str], place: &str) -> Result<()> {
    let name = key.get_ref().as_ref();
    if known.contains(&name) {
        return Ok(());
    }
    let line = line(text, key.span().start);
    let nearest = known.iter().min_by_key(|known| strsim::damerau_levenshtein(known, name)).copied();
    let nearest = nearest.map(|key| format!("; did you mean `{key}`?")).unwrap_or_default();
    bail!("line {line}: `{}` is no key of {place}{nearest}", name.escape_debug())
}

/// The number of the line that a byte is in, from 1.
fn line(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        format!("{:#}", parse(text.as_bytes()).unwrap_err())
    }

    #[test]
    fn rules_are_read_in_their_order() {
        let text = "[[service]]\nname = 'a'\nexe = '/x\\d+/'\n\n[[service]]\nname = 'b'\nport = '/run/b.sock'\n";
        let rules = parse(text.as_bytes()).unwrap();
        let json = r#"[{"name":"a","exe":"/x\\d+/"},{"name":"b","port":"/run/b.sock"}]"#;
        assert_eq!(serde_json::to_string(&rules).unwrap(), json);
        assert!(parse(b"").unwrap().is_empty());
    }

    #[test]
    fn the_example_of_this_file_is_a_configuration() {
        let source = include_str!("mod.rs");
        let example: Vec<&str> = source
            .lines()
            .skip_while(|line| *line != "//! ```toml")
            .skip(1)
            .take_while(|line| *line != "//! ```")
            .collect();
        let example: String = example.iter().map(|line| format!("{}\n", line.trim_start_matches("//! "))).collect();
        assert_eq!(parse(example.as_bytes()).unwrap().len(), 1);
    }

    #[test]
    fn a_key_that_means_nothing_is_refused_with_its_line_and_the_nearest_that_does() {
        let misspelt = error("[[service]]\nname = 'a'\ncomand = 'x'\n");
        assert_eq!(misspelt, "line 3: `comand` is no key of a [[service]]; did you mean `command`?");
        assert_eq!(
            error("[[services]]\nname = 'a'\n"),
            "line 1: `services` is no key of the configuration; did you mean `service`?"
        );
        assert!(error("service = [{ name = 'a', exe = 'b', prot = 1 }]").contains("did you mean `port`?"));
        assert!(error("'\\x1b' = 1\n").starts_with("line 1: "));
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_its_line() {
        for (expected, text) in [
            ("line 3: the pattern `[x` cannot be used", "[[service]]\nname = 'a'\nexe = '[x'\n"),
            ("line 2: ", "[[service]]\nname = \n"),
            ("line 3: invalid value: integer `70000`", "[[service]]\nname = 'a'\nport = 70000\n"),
            ("line 1: the service `a` has no condition", "[[service]]\nname = 'a'\n"),
            ("missing field `name`", "[[service]]\nexe = 'a'\n"),
            ("line 1: invalid type", "service = 1\n"),
        ] {
            assert!(error(text).contains(expected), "{}", error(text));
        }
        assert!(format!("{:#}", parse(&vec![b'#'; MOST_BYTES + 1]).unwrap_err()).contains("the most is"));
        assert!(format!("{:#}", parse(b"\xff").unwrap_err()).contains("not UTF-8"));
    }

    #[test]
    fn the_rules_of_the_largest_file_fit_the_header_of_a_tape() {
        let mut text = String::new();
        let rule = format!("[[service]]\nname='a'\nexe='{}'\n", "\\\\".repeat(400));
        while text.len() + rule.len() <= MOST_BYTES {
            text.push_str(&rule);
        }
        let rules = parse(text.as_bytes()).unwrap();
        let header = tracer_core::tape::TapeHeader::new(
            "0.1.0",
            "host",
            "6.18",
            tracer_core::time::Span::ZERO,
            tracer_core::time::Wall(0),
        );
        assert!(tracer_core::tape::Writer::header(&header.with_rules(rules)).is_ok());
    }
}
