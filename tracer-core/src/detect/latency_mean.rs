//! `latency-mean`: a call is slower than the baseline, by more than chance and daily variation explain.
//!
//! `observed` and `limit` are milliseconds. The limit is the expected mean plus the largest of: a share of it, a floor,
//! and so many standard errors of the difference of two means, `s * sqrt(1/n + 1/N)` for n exchanges in the window and
//! N in the baseline. `s` is estimated from the baseline: (p99 - mean) / 2.33, as for a normal distribution, which
//! overstates it for the skewed ones that latencies have; and at least the mean itself, as for an exponential one.
//! So few exchanges are judged by a wide margin (one alone must exceed four times the mean), and no minimum is needed.
//! Where p99 is below half the mean, the mean is made by fewer than one exchange in a hundred, and how many of those
//! a window has is chance: not judged. Windows without exchanges neither count nor reset. Memory: one counter.

use super::{CallMemory, CallWindow, Detector, Finding, Limits, Verdict, text};
use crate::baseline::{ExpectedCall, Standing};
use crate::time::Span;

/// The 99th percentile of the normal distribution in standard deviations.
const P99_DEVIATIONS: f64 = 2.33;

#[derive(Debug)]
pub(super) struct LatencyMean;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    windows_above: u32,
}

impl Detector for LatencyMean {
    fn kind(&self) -> &'static str {
        "latency-mean"
    }

    fn judge(&self, window: &CallWindow<'_>, limits: &Limits, memory: &mut CallMemory) -> Verdict {
        let Memory { windows_above } = &mut memory.latency_mean;
        let (Standing::Expected(expected), Some(latency)) = (window.standing, window.latency) else {
            return Verdict::NotJudged;
        };
        let Some((expected, limit)) = limit(expected, latency.samples, limits) else {
            return Verdict::NotJudged;
        };
        let mean = latency.mean.as_millis();
        if mean <= limit {
            *windows_above = 0;
            return Verdict::Clean;
        }
        *windows_above = windows_above.saturating_add(1);
        if *windows_above < limits.latency_mean_windows {
            return Verdict::NotJudged;
        }
        let message = format!(
            "mean {}, baseline {}, limit {}, {windows_above} windows in a row ({} in the last {})",
            text::span(latency.mean),
            text::span(millis(expected)),
            text::span(millis(limit)),
            text::count(latency.samples, "request"),
            text::span(window.length),
        );
        Verdict::Anomalous(Finding { observed: Some(mean), limit: Some(limit), message })
    }
}

/// The expected mean and the limit, milliseconds.
#[expect(clippy::cast_precision_loss, reason = "a count of samples, exact below 2^53")]
fn limit(expected: &ExpectedCall, samples: u64, limits: &Limits) -> Option<(f64, f64)> {
    let (mean, p99) = (expected.mean_ms?, expected.p99_ms?);
    if expected.samples == 0 || samples == 0 || p99 < mean / 2.0 {
        return None;
    }
    let deviation = mean.max((p99 - mean) / P99_DEVIATIONS);
    let standard_error = deviation * (1.0 / samples as f64 + 1.0 / expected.samples as f64).sqrt();
    let margin = (limits.latency_mean_share * mean)
        .max(limits.latency_mean_floor.as_millis())
        .max(limits.latency_mean_errors * standard_error);
    Some((mean, mean + margin))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, for display")]
fn millis(millis: f64) -> Span {
    Span((millis * 1e6) as u64)
}
