//! Detectors: what is wrong with a call in a window, with a service, or with a chain.
//!
//! One file and one row for each: of [`DETECTORS`] for calls, of `service` or `path` for the others. A detector is a pure
//! function of the window, the limits and what it remembers of this call. Invariant: without a baseline only those that need none can find anything; a window that
//! cannot be judged is never called clean. Memory: one [`CallJudge`] for each call, of fixed size.

mod call_rate;
mod call_rate_drift;
mod error_rate;
mod knobs;
mod latency_mean;
mod latency_p99;
mod limits;
mod listener_overflow;
mod missing_call;
pub mod path;
mod policy;
mod pool_saturation;
mod rate;
mod service;
mod silent_service;
mod stalled;
mod tally;
mod text;
mod unexpected_call;
mod unexpected_operation;
mod unexpected_path;
mod window;

pub use knobs::{KNOBS, Knob, KnobError};
pub use limits::Limits;
pub use policy::{CallRule, Policy, PolicyError};
pub use service::{SERVICE_DETECTORS, ServiceJudge, ServiceWindow};
pub use window::{CallWindow, Pool, Unlisted, WindowLatency};

use crate::graph::snapshot::Anomaly;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;

/// All detectors of calls, in the order in which they judge.
pub static DETECTORS: [&dyn Detector; 11] = [
    &unexpected_call::UnexpectedCall,
    &missing_call::MissingCall,
    &stalled::Stalled,
    &error_rate::ErrorRate,
    &latency_p99::LatencyP99,
    &latency_mean::LatencyMean,
    &call_rate::CallRate,
    &call_rate_drift::CallRateDrift,
    &pool_saturation::PoolSaturation,
    &listener_overflow::ListenerOverflow,
    &unexpected_operation::UnexpectedOperation,
];

/// How bad an anomaly is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Warning,
    #[default]
    Critical,
}

/// How bad an anomaly of that kind is.
#[must_use]
pub fn severity(kind: &str) -> Severity {
    let warns = DETECTORS.iter().any(|detector| detector.kind() == kind && detector.severity() == Severity::Warning);
    if warns { Severity::Warning } else { Severity::Critical }
}

/// The kinds of all detectors: of calls, of services, of chains.
#[must_use]
pub fn kinds() -> Vec<&'static str> {
    let calls = DETECTORS.iter().map(|detector| detector.kind());
    let services = SERVICE_DETECTORS.iter().map(|detector| detector.kind());
    calls.chain(services).chain(path::PATH_DETECTORS.iter().map(|detector| detector.kind())).collect()
}

/// Finds one kind of anomaly.
pub trait Detector: Debug + Sync {
    /// The name in anomalies and alerts, such as `error-rate`.
    fn kind(&self) -> &'static str;

    /// Whether it judges by the state of this moment, so that it need not wait for the window to end. Such a detector
    /// remembers nothing.
    fn is_immediate(&self) -> bool {
        false
    }

    fn severity(&self) -> Severity {
        Severity::Critical
    }

    fn judge(&self, window: &CallWindow<'_>, limits: &Limits, memory: &mut CallMemory) -> Verdict;
}

/// What a detector says of a window.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    Clean,
    /// Nothing can be said, or not yet: what was said before stands.
    NotJudged,
    Anomalous(Finding),
}

/// What is wrong. Units are the detector's: see its file.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub observed: Option<f64>,
    pub limit: Option<f64>,
    /// For a person on call.
    pub message: String,
}

/// A verdict and whose it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    pub kind: &'static str,
    pub verdict: Verdict,
}

impl Finding {
    /// As the graph shows it.
    #[must_use]
    pub fn into_anomaly(self, kind: &str) -> Anomaly {
        Anomaly { kind: kind.to_owned(), observed: self.observed, limit: self.limit, message: self.message }
    }
}

/// What the detectors remember of one call between windows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallMemory {
    missing_call: missing_call::Memory,
    latency_p99: latency_p99::Memory,
    latency_mean: latency_mean::Memory,
    error_rate: error_rate::Memory,
    call_rate: call_rate::Memory,
    call_rate_drift: call_rate::Memory,
    pool_saturation: pool_saturation::Memory,
}

/// Judges one call, window after window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallJudge {
    /// `None` while there is nothing to remember, as for most calls.
    memory: Option<Box<CallMemory>>,
}

impl CallJudge {
    /// The judgement of every detector on a window that has ended. To be called once for each window, also when nothing
    /// happened in it: silence is judged too.
    pub fn close_window(&mut self, window: &CallWindow<'_>, limits: &Limits) -> Vec<Judgement> {
        self.judge(DETECTORS.into_iter(), window, limits)
    }

    /// The judgement of the immediate detectors between windows, as often as wanted. `window.length` is that of a whole
    /// window.
    pub fn between_windows(&mut self, window: &CallWindow<'_>, limits: &Limits) -> Vec<Judgement> {
        self.judge(DETECTORS.into_iter().filter(|detector| detector.is_immediate()), window, limits)
    }

    fn judge(
        &mut self,
        detectors: impl Iterator<Item = &'static dyn Detector>,
        window: &CallWindow<'_>,
        limits: &Limits,
    ) -> Vec<Judgement> {
        let mut fresh = CallMemory::default();
        let memory = self.memory.as_deref_mut().unwrap_or(&mut fresh);
        let judgements = detectors
            .map(|detector| {
                let kind = detector.kind();
                // What is no longer looked for is no longer wrong.
                let verdict =
                    if limits.off.contains(kind) { Verdict::Clean } else { detector.judge(window, limits, memory) };
                Judgement { kind, verdict }
            })
            .collect();
        let is_empty = *memory == CallMemory::default();
        match &self.memory {
            Some(_) if is_empty => self.memory = None,
            None if !is_empty => self.memory = Some(Box::new(fresh)),
            _ => {}
        }
        judgements
    }
}

#[cfg(test)]
mod kinds_tests;
#[cfg(test)]
mod per_call_tests;
#[cfg(test)]
mod tests;
