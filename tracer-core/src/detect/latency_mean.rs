//! `latency-mean`: a call is slower than normal, by more than chance and daily variation explain.
//!
//! `observed` and `limit` are milliseconds. The limit is the expected mean plus the largest of: so many median absolute
//! deviations of the windows' means while learning, a share of the mean, a floor, and so many standard errors of the
//! difference of two means, `s * sqrt(1/n + 1/N)` for n exchanges in the window and N in the baseline. `s` is estimated
//! from the baseline: (p99 - mean) / 2.33, as for a normal distribution, which overstates it for the skewed ones that
//! latencies have; and at least the mean itself, as for an exponential one. So few exchanges are judged by a wide margin
//! (one alone must exceed four times the mean). Where p99 is below half the mean, the mean is made by fewer than one
//! exchange in a hundred, and how many of those a window has is chance: not judged. Where there is no baseline, or it
//! knows no mean, an absolute limit holds. Windows without exchanges neither count nor reset. Memory: one counter, one tally.

use super::tally::Tally;
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
    above: Tally,
}

/// What a mean is compared with, milliseconds.
struct Normal {
    expected: Option<f64>,
    limit: f64,
}

impl Detector for LatencyMean {
    fn kind(&self) -> &'static str {
        "latency-mean"
    }

    fn judge(&self, window: &CallWindow<'_>, limits: &Limits, memory: &mut CallMemory) -> Verdict {
        let Memory { windows_above, above } = &mut memory.latency_mean;
        let Some(latency) = window.latency else {
            above.wait(window.length);
            return Verdict::NotJudged;
        };
        let Some(normal) = normal(window.standing, latency.samples, limits) else {
            return Verdict::NotJudged;
        };
        let mean = latency.mean.as_millis();
        if mean <= normal.limit {
            (*windows_above, *above) = (0, Tally::default());
            return Verdict::Clean;
        }
        *windows_above = windows_above.saturating_add(1);
        above.add(latency.samples, latency.samples, window.length, limits);
        if *windows_above < limits.latency_mean_windows || above.of < limits.least_samples {
            return Verdict::NotJudged;
        }
        let baseline =
            normal.expected.map(|mean| format!(", baseline {}", text::span(millis(mean)))).unwrap_or_default();
        let message = format!(
            "mean {}{baseline}, limit {}, {windows_above} windows in a row ({} in the last {})",
            text::span(latency.mean),
            text::span(millis(normal.limit)),
            text::count(latency.samples, "request"),
            text::span(window.length),
        );
        Verdict::Anomalous(Finding { observed: Some(mean), limit: Some(normal.limit), message })
    }
}

fn normal(standing: Standing<'_>, samples: u64, limits: &Limits) -> Option<Normal> {
    let absolute = Normal { expected: None, limit: limits.latency_mean_absolute.as_millis() };
    match standing {
        Standing::Expected(expected) if expected.samples > 0 => match (expected.mean_ms, expected.p99_ms) {
            (Some(mean), Some(p99)) => learned(expected, (mean, p99), samples, limits),
            _ => Some(absolute),
        },
        _ => Some(absolute),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count of samples, exact below 2^53")]
fn learned(expected: &ExpectedCall, (mean, p99): (f64, f64), samples: u64, limits: &Limits) -> Option<Normal> {
    if samples == 0 || p99 < mean / 2.0 {
        return None;
    }
    let deviation = mean.max((p99 - mean) / P99_DEVIATIONS);
    let standard_error = deviation * (1.0 / samples as f64 + 1.0 / expected.samples as f64).sqrt();
    let spread = expected.mean_spread.map_or(0.0, |spread| spread.mad);
    let margin = (limits.latency_mean_share * mean)
        .max(limits.latency_mean_mads * spread)
        .max(limits.latency_mean_floor.as_millis())
        .max(limits.latency_mean_errors * standard_error);
    Some(Normal { expected: Some(mean), limit: mean + margin })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, for display")]
fn millis(millis: f64) -> Span {
    Span((millis * 1e6) as u64)
}
