//! The baseline: the calls that are expected, how often and how fast. File format `tracer.baseline/1`.
//!
//! `learn` makes one of a graph, `habits` adds what windows teach (`rhythm`, `spread`), `saturation` says when enough was
//! seen, `parse` reads one that a person has reviewed, `standing` says how a call stands to it, `difference` compares two,
//! `approve` takes calls of a graph in, `merge` makes one of several. Invariant: calls are sorted by key, no key twice, every figure finite and not negative, so that
//! equal baselines are equal bytes and a change is a small change in version control.
//! Memory: at most `limits::CALLS` calls, from at most `limits::BASELINE_BYTES` bytes.

mod approve;
pub mod difference;
mod entry;
mod habits;
mod key;
mod learn;
mod merge;
mod parse;
mod rhythm;
mod saturation;
mod spread;
mod standing;

pub use approve::{Approval, ApproveError, Choice, Described};
pub use difference::Difference;
pub use entry::{Entry, hold};
pub use habits::{Habits, Observed};
pub use key::CallKey;
pub use learn::LearnError;
pub use merge::{MergeError, merge};
pub use parse::BaselineError;
pub use rhythm::Rhythm;
pub use saturation::{Progress, Saturation, TIMES as SATURATION_TIMES};
pub(crate) use spread::MAD_DEVIATIONS;
pub use spread::Spread;
pub use standing::Standing;
pub(crate) use standing::is_identified;

use crate::identity::Port;
use crate::time::Wall;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;

/// The value of the field `schema`.
pub const SCHEMA: &str = "tracer.baseline/1";

/// What is expected. Made by [`Baseline::learn`] or [`Baseline::parse`]; its [`Display`](fmt::Display) is the file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Baseline {
    schema: String,
    learned: Learned,
    /// Written by hand: calls that are expected whenever they come …
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allow: Vec<Entry>,
    /// … and calls that never are, learned or allowed as they may be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    deny: Vec<Entry>,
    calls: Vec<ExpectedCall>,
}

/// Where and when the baseline was learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Learned {
    pub host: String,
    /// RFC 3339.
    pub from: String,
    /// RFC 3339.
    pub until: String,
    /// That were observed: from `from` to `until`, or less where several runs were merged.
    #[serde(deserialize_with = "parse::figure")]
    pub seconds: f64,
    /// Calls of the graph that are not listed because one of their ends was not identified.
    pub calls_left_out: u64,
}

/// A call that is expected. What was not observed is `None` (JSON `null`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedCall {
    /// Service id of the client, such as `program:nginx`.
    pub from: String,
    /// Service id of the server.
    pub to: String,
    pub port: Port,
    pub transport: String,
    pub protocol: Option<String>,
    /// Requests counted while learning: how much is known about the rate.
    pub requests: u64,
    #[serde(deserialize_with = "parse::figure")]
    pub requests_per_second: f64,
    /// Of the client's latency.
    #[serde(deserialize_with = "parse::optional_figure")]
    pub mean_ms: Option<f64>,
    /// Of the client's latency.
    #[serde(deserialize_with = "parse::optional_figure")]
    pub p99_ms: Option<f64>,
    /// `errors / (requests + failed connections)`, 0 to 1.
    #[serde(deserialize_with = "parse::optional_fraction")]
    pub error_rate: Option<f64>,
    /// Exchanges behind `mean_ms` and `p99_ms`.
    pub samples: u64,
    /// Of the windows' rates, each divided by what is usual at that hour: its median is about 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_spread: Option<Spread>,
    /// Of the windows' mean latencies, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_spread: Option<Spread>,
    /// Of the windows' 99th percentiles, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99_spread: Option<Spread>,
    /// Of the windows' error rates, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_spread: Option<Spread>,
    /// How the rate goes with the hour; `None` unless a whole day was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rhythm: Option<Rhythm>,
    /// What is asked for, as the graph names it; `None`: whatever it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations: Option<BTreeSet<String>>,
}

impl Baseline {
    #[must_use]
    pub fn learned(&self) -> &Learned {
        &self.learned
    }

    /// All expected calls, sorted by key.
    #[must_use]
    pub fn calls(&self) -> &[ExpectedCall] {
        &self.calls
    }

    /// What was written by hand into another baseline holds in this one too.
    #[must_use]
    pub fn with_entries_of(self, other: &Self) -> Self {
        Self { allow: other.allow.clone(), deny: other.deny.clone(), ..self }
    }

    /// Calls that are expected whenever they come.
    #[must_use]
    pub fn allow(&self) -> &[Entry] {
        &self.allow
    }

    /// Calls that never are expected.
    #[must_use]
    pub fn deny(&self) -> &[Entry] {
        &self.deny
    }

    /// What is expected of a call; `None` if the call itself is not.
    #[must_use]
    pub fn expectation(&self, key: &CallKey) -> Option<&ExpectedCall> {
        let at = self.calls.binary_search_by(|call| call.compare(key)).ok()?;
        self.calls.get(at)
    }

    /// The file: JSON over several lines, with a newline at its end.
    #[must_use]
    pub fn render(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_json::to_string_pretty(self).map_err(|_| fmt::Error)?;
        writeln!(f, "{text}")
    }
}

impl ExpectedCall {
    /// Requests a second that are usual at a moment; `None` for a call that never had any.
    #[must_use]
    pub fn rate_at(&self, at: Wall) -> Option<f64> {
        let factor = self.rhythm.map_or(1.0, |rhythm| rhythm.factor(at));
        (self.requests_per_second > 0.0).then_some(self.requests_per_second * factor)
    }

    #[must_use]
    pub fn key(&self) -> CallKey {
        CallKey::new(&self.from, &self.to, &self.port, &self.transport)
    }

    fn compare(&self, key: &CallKey) -> Ordering {
        (self.from.as_str(), self.to.as_str(), &self.port, self.transport.as_str()).cmp(&(
            key.from.as_str(),
            key.to.as_str(),
            &key.port,
            key.transport.as_str(),
        ))
    }
}

#[cfg(test)]
mod tests;
