//! The kinds of sinks: one file and one row for each.
//!
//! Invariant: a key that is in no row is refused, and every row is in the reference. Memory: static tables.

use super::settings::{Form, SinkKey, SinkSettings};
use super::{Deliver, alertmanager, command, file, journald, terminal, webhook};
use anyhow::Result;

/// Makes a sink; what cannot be used is an error.
type Make = fn(&SinkSettings) -> Result<Box<dyn Deliver>>;

/// A kind of sink.
#[derive(Debug)]
pub(crate) struct SinkKind {
    /// The value of `type`.
    pub(crate) name: &'static str,
    /// One sentence.
    pub(crate) about: &'static str,
    own_keys: &'static [&'static [SinkKey]],
    /// Whether what it could not deliver is kept on disk.
    pub(crate) spools: bool,
    /// Makes one; `None` for what shows alerts itself.
    pub(crate) make: Option<Make>,
}

/// All kinds, in the order in which they are documented.
pub(crate) static SINKS: [SinkKind; 6] = [
    SinkKind { name: "terminal", about: terminal::ABOUT, own_keys: &[], spools: false, make: None },
    SinkKind {
        name: "file",
        about: file::ABOUT,
        own_keys: &[&file::KEYS, &RETRY],
        spools: false,
        make: Some(file::make),
    },
    SinkKind {
        name: "journald",
        about: journald::ABOUT,
        own_keys: &[&journald::KEYS, &RETRY],
        spools: false,
        make: Some(journald::make),
    },
    SinkKind {
        name: "webhook",
        about: webhook::ABOUT,
        own_keys: &[&super::http::KEYS, &RETRY, &SPOOL],
        spools: true,
        make: Some(webhook::make),
    },
    SinkKind {
        name: "alertmanager",
        about: alertmanager::ABOUT,
        own_keys: &[&alertmanager::KEYS, &super::http::KEYS, &RETRY],
        spools: false,
        make: Some(alertmanager::make),
    },
    SinkKind {
        name: "command",
        about: command::ABOUT,
        own_keys: &[&command::KEYS, &RETRY, &SPOOL],
        spools: true,
        make: Some(command::make),
    },
];

/// What every sink has.
pub(crate) static COMMON: [(&str, &str); 8] = [
    ("type", "What it is: see below. Must be given."),
    (
        "name",
        "What it is called where something is said of it, and its folder of the spool; else its type. Must be its own.",
    ),
    ("severity", "Tell nothing below it: `warning` (the default) or `critical`."),
    ("kinds", "Tell only these kinds of anomalies: a list."),
    ("from", "Tell only of calls of this client: a pattern, as in `[[call]]`."),
    ("to", "Tell only of calls to this server."),
    ("port", "Tell only of calls to this port, or this path of a Unix socket."),
    ("transport", "Tell only of calls by `tcp`, `udp` or `unix`."),
];

static RETRY: [SinkKey; 2] = [
    SinkKey {
        name: "backoff",
        about: "The wait after the first failure; it doubles with each further one, and a random part keeps tracers out of step.",
        form: Form::Time,
        default: Some("1s"),
    },
    SinkKey { name: "backoff_most", about: "The longest wait.", form: Form::Time, default: Some("1m") },
];

static SPOOL: [SinkKey; 2] = [
    SinkKey {
        name: "spool_entries",
        about: "Messages kept on disk at most; the oldest is dropped and counted.",
        form: Form::Count,
        default: Some("10000"),
    },
    SinkKey {
        name: "spool_kib",
        about: "KiB kept on disk at most; the oldest is dropped and counted.",
        form: Form::Count,
        default: Some("65536"),
    },
];

/// Each has its own name.
impl PartialEq for SinkKind {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl SinkKind {
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        SINKS.iter().find(|kind| kind.name == name)
    }

    /// Its keys beside [`COMMON`].
    pub(crate) fn keys(&self) -> impl Iterator<Item = &'static SinkKey> + use<> {
        self.own_keys.iter().copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::alerts::settings::Value;

    #[test]
    fn keys_of_a_kind_are_its_own_and_their_defaults_are_values() {
        for kind in &SINKS {
            let mut names: Vec<&str> = COMMON.iter().map(|(name, _)| *name).collect();
            for key in kind.keys() {
                assert!(!names.contains(&key.name), "{} {}", kind.name, key.name);
                names.push(key.name);
                assert!(key.about.ends_with('.'), "{} {}", kind.name, key.name);
                let default = key.default.map(|text| Value::Text(text.to_owned()));
                assert!(default.is_none_or(|value| key.form.takes(&value)), "{} {}", kind.name, key.name);
            }
        }
    }
}
