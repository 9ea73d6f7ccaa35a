//! What the detectors hold calls to, and why these are the defaults.
//!
//! Invariant: a detector has no number of its own: whatever decides is here, and has a key in `knobs`. Memory: one small
//! struct.

use crate::time::Span;
use std::collections::BTreeSet;

/// Thresholds of all detectors.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Detectors that do not judge: their kinds.
    pub off: BTreeSet<&'static str>,
    /// Attempts or exchanges that evidence must rest on. 5: three requests a minute never have as many within
    /// `evidence_time`, so no statistics are made of them.
    pub least_samples: u64,
    /// How far back evidence goes that is too little by itself. 60 s.
    pub evidence_time: Span,
    /// `missing-call`: how long a call must be silent in any case. 20 s: two windows, as a restart takes a part of one.
    pub missing_after: Span,
    /// `stalled`: how long a request may wait for its answer. 30 s: longer than what is slow on purpose, as long as most
    /// clients wait before they give up.
    pub stalled_after: Span,
    /// `latency-p99`: the 99th percentile that a person notices. 1 s.
    pub latency_p99: Span,
    /// `latency-p99`: exchanges over the limit that make a finding, collected over windows that are all over it. 3: one
    /// slow exchange is the 99th percentile of any window with fewer than a hundred, so it alone says nothing; and a
    /// client that waits 2 s for each answer has one exchange in a window of 2 s, so one window cannot be asked for 3.
    pub latency_p99_exchanges: u64,
    /// `latency-mean`: median absolute deviations of the windows' means, as learned, by which it may rise. 6: four
    /// standard deviations of a normal distribution.
    pub latency_mean_mads: f64,
    /// `latency-mean`: share of the expected mean by which it may rise. 0.2: that much is lost to CPU frequency, caches
    /// and neighbours from one day to the next.
    pub latency_mean_share: f64,
    /// `latency-mean`: what it may rise in any case. 1 ms: a busy neighbour holds a CPU for a scheduler's slice of a few.
    pub latency_mean_floor: Span,
    /// `latency-mean`: standard errors by which it may rise. 3: once in 700 windows by chance, so three windows in a row
    /// once in hundreds of millions.
    pub latency_mean_errors: f64,
    /// `latency-mean`: the limit where no baseline tells what is normal. 500 ms: a person notices, and half of what is
    /// asked of the 99th percentile.
    pub latency_mean_absolute: Span,
    /// `latency-mean`: windows in a row above the limit that make a finding. 3.
    pub latency_mean_windows: u32,
    /// `error-rate`: share of attempts that may fail. 0.05.
    pub error_rate: f64,
    /// `error-rate`: failures that make a finding, collected over windows that are all over the limit. 3: where one
    /// attempt in a hundred fails, two of twenty fail in every sixtieth window, three in every thousandth.
    pub error_rate_errors: u64,
    /// `call-rate`: share of the expected rate by which it may differ, either way. 0.5.
    pub call_rate: f64,
    /// `call-rate-drift`: the same for a warning. 0.2.
    pub call_rate_warning: f64,
    /// `call-rate`, `call-rate-drift`, `missing-call`: surprise a deviation must exceed, as minus the natural logarithm
    /// of its chance. 14: one in a million, which for a window of 10 s is once in four months for each call.
    pub call_rate_surprise: f64,
    /// `call-rate`, `call-rate-drift`: deviations in a row, in the same direction, that make a finding. 2: a stop or a
    /// restart within a window leaves one window that is neither silent nor as usual.
    pub call_rate_windows: u32,
    /// `pool-saturation`: how long requests wait for a free place, as a share of the time that serving them takes. 1.
    pub pool_wait: f64,
    /// `pool-saturation`: windows in a row that make a finding. 2: one burst fills a pool for a moment.
    pub pool_windows: u32,
    /// `listener-overflow`: connections dropped in a window because the accept queue was full. 1: each is a client that
    /// waits a second for its first retransmit.
    pub listener_drops: u64,
    /// `silent-service`: windows in a row without any answer that make a finding. 2.
    pub silent_windows: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            off: BTreeSet::new(),
            least_samples: 5,
            evidence_time: Span::from_seconds(60),
            missing_after: Span::from_seconds(20),
            stalled_after: Span::from_seconds(30),
            latency_p99: Span::from_seconds(1),
            latency_p99_exchanges: 3,
            latency_mean_mads: 6.0,
            latency_mean_share: 0.2,
            latency_mean_floor: Span::from_millis(1),
            latency_mean_errors: 3.0,
            latency_mean_absolute: Span::from_millis(500),
            latency_mean_windows: 3,
            error_rate: 0.05,
            error_rate_errors: 3,
            call_rate: 0.5,
            call_rate_warning: 0.2,
            call_rate_surprise: 14.0,
            call_rate_windows: 2,
            pool_wait: 1.0,
            pool_windows: 2,
            listener_drops: 1,
            silent_windows: 2,
        }
    }
}
