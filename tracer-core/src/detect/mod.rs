//! Detectors: what is wrong with a call in a window.
//!
//! One file and one row of [`DETECTORS`] for each. A detector is a pure function of the window, the limits and what it
//! remembers of this call. Invariant: without a baseline only those that need none can find anything; a window that
//! cannot be judged is never called clean. Memory: one [`CallJudge`] for each call, of fixed size.

mod call_rate;
mod error_rate;
mod latency_mean;
mod latency_p99;
mod limits;
mod stalled;
mod tally;
mod text;
mod unexpected_call;
mod window;

pub use limits::Limits;
pub use window::{CallWindow, WindowLatency};

use crate::graph::snapshot::Anomaly;
use std::fmt::Debug;

/// All detectors, in the order in which they judge.
pub static DETECTORS: [&dyn Detector; 6] = [
    &unexpected_call::UnexpectedCall,
    &stalled::Stalled,
    &error_rate::ErrorRate,
    &latency_p99::LatencyP99,
    &latency_mean::LatencyMean,
    &call_rate::CallRate,
];

/// Finds one kind of anomaly.
pub trait Detector: Debug + Sync {
    /// The name in anomalies and alerts, such as `error-rate`.
    fn kind(&self) -> &'static str;

    /// Whether it judges by the state of this moment, so that it need not wait for the window to end. Such a detector
    /// remembers nothing.
    fn is_immediate(&self) -> bool {
        false
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallMemory {
    latency_p99: latency_p99::Memory,
    latency_mean: latency_mean::Memory,
    error_rate: error_rate::Memory,
    call_rate: call_rate::Memory,
}

/// Judges one call, window after window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallJudge {
    memory: CallMemory,
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
        let memory = &mut self.memory;
        detectors
            .map(|detector| Judgement { kind: detector.kind(), verdict: detector.judge(window, limits, memory) })
            .collect()
    }
}

#[cfg(test)]
mod tests;
