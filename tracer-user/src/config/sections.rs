//! The tables that a configuration file may have.
//!
//! A new one is a row here, keys for `keys` or a struct that `document` has serde read, and a file beside this one.
//! Invariant: what is no row here, or no key of its row, is refused. Memory: a static table.

use super::{keys, sinks};
use tracer_core::detect::{CallRule, KNOBS};
use tracer_core::identity::rules::Rule;

/// One table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Section {
    pub(super) name: &'static str,
    /// Whether there may be many, as in `[[service]]`.
    pub(super) repeats: bool,
    /// Markdown for the reference.
    pub(super) about: &'static str,
    pub(super) keys: fn() -> Vec<&'static str>,
}

pub(super) static SECTIONS: [Section; 6] = [
    Section {
        name: "watch",
        repeats: false,
        about: "How to observe. What the command line says wins. A change takes effect at the next start.",
        keys: || of("watch"),
    },
    Section {
        name: "detect",
        repeats: false,
        about: "What calls are held to. A change takes effect with a reload (`SIGHUP`).",
        keys: || of("detect"),
    },
    Section {
        name: "alerts",
        repeats: false,
        about: "What becomes of alerts, whatever they are told to; see [alerts.md](alerts.md). A change takes effect at the \
                next start.",
        keys: || of("alerts"),
    },
    Section {
        name: "sink",
        repeats: true,
        about: "Where alerts go: as many as you like, each with its own filter. What a `[[sink]]` of each `type` does and \
                how, and what happens when it fails, is in [alerts.md](alerts.md). A change takes effect at the next \
                start, but secrets in files, which are read when they are used; `SIGHUP` opens files again. `tracer alerts \
                test` tries them.",
        keys: sinks::keys,
    },
    Section {
        name: "call",
        repeats: true,
        about: "Other limits for some calls: those for which all of `from`, `to`, `port` and `transport` hold that are \
                given. Beside them it takes every key of `[detect]`. Of several entries that hold for a call, the first \
                that sets a limit counts for that limit. A change takes effect with a reload (`SIGHUP`).",
        keys: || CallRule::CONDITIONS.into_iter().chain(KNOBS.iter().map(|knob| knob.name)).collect(),
    },
    Section {
        name: "service",
        repeats: true,
        about: "Your own names for services: processes for which all conditions hold that are given are the service `name`. \
                The first entry that holds counts. A change takes effect with a reload (`SIGHUP`) for processes that are \
                not named yet.",
        keys: || Rule::KEYS.to_vec(),
    },
];

fn of(section: &str) -> Vec<&'static str> {
    keys::keys().iter().filter(|key| key.section == section).map(|key| key.name).collect()
}
