//! What the detectors hold calls to, and why these are the defaults.
//!
//! Invariant: a detector has no number of its own: whatever decides is here. Memory: one small struct.

use crate::time::Span;

/// Thresholds of all detectors.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// `latency-p99`: the 99th percentile that a person notices. 1 s.
    pub latency_p99: Span,
    /// `latency-p99`: exchanges over the limit that make a finding, collected over windows that are all over it. 3: one
    /// slow exchange is the 99th percentile of any window with fewer than a hundred, so it alone says nothing; and a
    /// client that waits 2 s for each answer has one exchange in a window of 2 s, so one window cannot be asked for 3.
    pub latency_p99_exchanges: u64,
    /// `latency-mean`: share of the expected mean by which it may rise. 0.2: that much is lost to CPU frequency, caches
    /// and neighbours from one day to the next.
    pub latency_mean_share: f64,
    /// `latency-mean`: what it may rise in any case. 1 ms: a busy neighbour holds a CPU for a scheduler's slice of a few.
    pub latency_mean_floor: Span,
    /// `latency-mean`: standard errors by which it may rise. 3: once in 700 windows by chance, so three windows in a row
    /// once in hundreds of millions.
    pub latency_mean_errors: f64,
    /// `latency-mean`: windows in a row above the limit that make a finding. 3.
    pub latency_mean_windows: u32,
    /// `error-rate`: share of attempts that may fail. 0.05.
    pub error_rate: f64,
    /// `error-rate`: failures that make a finding, collected over windows that are all over the limit. 3: where one
    /// attempt in a hundred fails, two of twenty fail in every sixtieth window, three in every thousandth.
    pub error_rate_errors: u64,
    /// `call-rate`: share of the expected rate by which it may differ, either way. 0.5.
    pub call_rate_share: f64,
    /// `call-rate`: surprise a deviation must exceed, as minus the natural logarithm of its chance. 14: one in a
    /// million, which for a window of 10 s is once in four months for each call.
    pub call_rate_surprise: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            latency_p99: Span::from_seconds(1),
            latency_p99_exchanges: 3,
            latency_mean_share: 0.2,
            latency_mean_floor: Span::from_millis(1),
            latency_mean_errors: 3.0,
            latency_mean_windows: 3,
            error_rate: 0.05,
            error_rate_errors: 3,
            call_rate_share: 0.5,
            call_rate_surprise: 14.0,
        }
    }
}
