//! `latency-p99`: one exchange in a hundred takes longer than a person waits gladly. Needs no baseline.
//!
//! `observed` and `limit` are milliseconds. Windows whose p99 is over the limit collect slow exchanges until there are
//! enough; a window below it forgets them; a window without exchanges does neither. Memory: one tally.

use super::tally::Tally;
use super::{CallMemory, CallWindow, Detector, Finding, Limits, Verdict, text};

#[derive(Debug)]
pub(super) struct LatencyP99;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    slow: Tally,
}

impl Detector for LatencyP99 {
    fn kind(&self) -> &'static str {
        "latency-p99"
    }

    fn judge(&self, window: &CallWindow<'_>, limits: &Limits, memory: &mut CallMemory) -> Verdict {
        let Memory { slow } = &mut memory.latency_p99;
        let Some(latency) = window.latency else {
            slow.wait(window.length);
            return Verdict::NotJudged;
        };
        if latency.p99 <= limits.latency_p99 {
            *slow = Tally::default();
            return Verdict::Clean;
        }
        slow.add(latency.slow, latency.samples, window.length, limits);
        let Some(slow) = slow.take_if(limits.latency_p99_exchanges, limits) else {
            return Verdict::NotJudged;
        };
        let (p99, limit) = (text::span(latency.p99), text::span(limits.latency_p99));
        let (bad, of, time) = (slow.bad, text::count(slow.of, "request"), text::span(slow.time));
        Verdict::Anomalous(Finding {
            observed: Some(latency.p99.as_millis()),
            limit: Some(limits.latency_p99.as_millis()),
            message: format!("p99 {p99}, limit {limit} ({bad} of {of} in {time} took longer)"),
        })
    }
}
