//! Every key with a single value: what it means, what it may be, and where else it can be set.
//!
//! Invariant: a value is a text that its key's `check` takes; keys of `[detect]` are the limits of the detectors, so a new
//! limit needs no row here. Memory: a table.

use super::values::{self, DetailChoice, OutputKind};
use crate::bpf::PlaneChoice;
use clap::ValueEnum;
use std::sync::OnceLock;
use tracer_core::detect::{KNOBS, Knob, Limits};

/// One key.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    /// The table that it stands in.
    pub(crate) section: &'static str,
    pub(crate) name: &'static str,
    /// One sentence.
    pub(crate) about: &'static str,
    /// What a value must be.
    pub(crate) expected: String,
    pub(crate) default: Option<String>,
    /// The option of the command line that sets it too.
    pub(crate) option: Option<&'static str>,
    /// Whether a change takes effect at a reload; else at the next start.
    pub(crate) reloads: bool,
    check: Check,
}

#[derive(Clone, Copy, Debug)]
enum Check {
    Limit(&'static Knob),
    Text(fn(&str) -> Result<(), String>),
}

impl Key {
    /// As in `detect.stalled_after`.
    pub(crate) fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// The variable of the environment that sets it, as in `TRACER_DETECT_STALLED_AFTER`.
    pub(crate) fn variable(&self) -> String {
        format!("TRACER_{}_{}", self.section, self.name).to_uppercase()
    }

    /// Whether a text is a value; else what is wrong with it.
    pub(crate) fn check(&self, text: &str) -> Result<(), String> {
        match self.check {
            Check::Limit(knob) => knob.set(&mut Limits::default(), text).map_err(|error| error.to_string()),
            Check::Text(check) => check(text).map_err(|reason| {
                format!("`{}` is no value of `{}`: {reason}", tracer_core::escape::printable(text, 60), self.name)
            }),
        }
    }
}

/// All keys, in the order in which they are documented.
pub(crate) fn keys() -> &'static [Key] {
    static KEYS: OnceLock<Vec<Key>> = OnceLock::new();
    KEYS.get_or_init(|| watch().into_iter().chain(KNOBS.iter().map(limit)).chain(alerts()).collect())
}

/// The key of that name in that table.
pub(crate) fn find(section: &str, name: &str) -> Option<&'static Key> {
    keys().iter().find(|key| key.section == section && key.name == name)
}

fn limit(knob: &'static Knob) -> Key {
    Key {
        section: "detect",
        name: knob.name,
        about: knob.about,
        expected: knob.expected(),
        default: Some(knob.get(&Limits::default())).filter(|text| !text.is_empty()),
        option: None,
        reloads: true,
        check: Check::Limit(knob),
    }
}

fn watch() -> [Key; 8] {
    let key = |name, about, expected: &str, default: Option<&str>, option, check| Key {
        section: "watch",
        name,
        about,
        expected: expected.to_owned(),
        default: default.map(str::to_owned),
        option: Some(option),
        reloads: false,
        check: Check::Text(check),
    };
    [
        key(
            "window",
            "Length of a window; detectors judge each window, views show the last six.",
            "a time of at least 100ms, such as \"10s\"",
            Some("10s"),
            "--window",
            |text| values::window(text).map(drop),
        ),
        key("baseline", "The file of expected calls.", "a path", None, "--baseline", any_text),
        key(
            "output",
            "How to show what happens.",
            "\"auto\", \"tui\", \"text\" or \"json\"",
            Some("auto"),
            "--output",
            one_of::<OutputKind>,
        ),
        key(
            "plane",
            "How to hook into the kernel.",
            "\"auto\", \"socket\" or \"syscall\"",
            Some("auto"),
            "--plane",
            one_of::<PlaneChoice>,
        ),
        key(
            "detail",
            "What to tell of requests; counts are exact with each.",
            "\"counts\", \"latencies\" or \"exchanges\"",
            Some("latencies"),
            "--detail",
            one_of::<DetailChoice>,
        ),
        key(
            "budget",
            "What the tracer may cost, percent of one CPU; beyond it less is told of requests.",
            "a percentage from 0.1 to 100, such as \"3%\"",
            None,
            "--budget",
            |text| values::percent(text).map(drop),
        ),
        key(
            "ring_kib",
            "Size of the buffer between the kernel and the tracer, KiB.",
            "a power of two from 4 to 1048576",
            Some("4096"),
            "--ring-kib",
            |text| values::ring_kib(text).map(drop),
        ),
        key(
            "listen",
            "Where to answer over HTTP: health, metrics, the graph, alerts. Without authentication.",
            "a port of loopback, or an address and a port, such as \"127.0.0.1:9464\"",
            None,
            "--listen",
            |text| crate::listen::address::parse(text).map(drop),
        ),
    ]
}

fn alerts() -> [Key; 3] {
    let key = |name, about, expected: &str, default: Option<&str>, check| Key {
        section: "alerts",
        name,
        about,
        expected: expected.to_owned(),
        default: default.map(str::to_owned),
        option: None,
        reloads: false,
        check: Check::Text(check),
    };
    [
        key(
            "directory",
            "Where to keep what fires and what could not be delivered, over restarts; of this tracer alone.",
            "a path, such as \"/var/lib/tracer\"",
            None,
            any_text,
        ),
        key(
            "rate_limit",
            "Alerts that may begin in a minute; others are held back until there is room.",
            "a whole number of 1 or more",
            Some("60"),
            |text| values::count(text).map(drop),
        ),
        key(
            "rate_limit_per_call",
            "The same of one call, so that one that flaps leaves room for the others.",
            "a whole number of 1 or more",
            Some("6"),
            |text| values::count(text).map(drop),
        ),
    ]
}

fn any_text(text: &str) -> Result<(), String> {
    if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(()) }
}

fn one_of<T: ValueEnum>(text: &str) -> Result<(), String> {
    T::from_str(text, false).map(drop).map_err(|_| {
        let names: Vec<String> =
            T::value_variants().iter().filter_map(|it| Some(it.to_possible_value()?.get_name().to_owned())).collect();
        format!("it must be one of {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_paths_of_their_own_sentences_and_defaults_that_are_values() {
        let paths: std::collections::BTreeSet<String> = keys().iter().map(Key::path).collect();
        assert_eq!(paths.len(), keys().len());
        for key in keys() {
            assert!(key.about.ends_with('.'), "{}", key.path());
            assert_eq!(key.default.as_deref().map(|text| key.check(text)).unwrap_or(Ok(())), Ok(()), "{}", key.path());
        }
        assert_eq!(find("detect", "stalled_after").unwrap().variable(), "TRACER_DETECT_STALLED_AFTER");
    }

    #[test]
    fn what_is_no_value_is_refused_with_what_is_one() {
        let refused = |section, name, text| find(section, name).unwrap().check(text).unwrap_err();
        assert!(refused("watch", "plane", "kprobe").contains("it must be one of auto, socket, syscall"));
        assert!(refused("watch", "window", "1ms").contains("at least 100ms"));
        assert!(refused("watch", "ring_kib", "5").contains("a power of two"));
        assert!(refused("watch", "baseline", "").contains("it is empty"));
        assert!(refused("detect", "error_rate", "2").contains("from 0 to 1"));
    }
}
