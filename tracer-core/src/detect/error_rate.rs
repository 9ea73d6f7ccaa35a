//! `error-rate`: too large a share of the attempts fails. Needs no baseline.
//!
//! `observed` and `limit` are shares, 0 to 1. An attempt is a request or a connection that failed; it fails when the
//! connection is refused or times out, or when the request ends without an answer. Windows over the limit collect
//! failures until there are enough; a window below it forgets them; one without attempts does neither.
//! Memory: one tally.

use super::tally::Tally;
use super::{CallMemory, CallWindow, Detector, Finding, Limits, Verdict, text};

#[derive(Debug)]
pub(super) struct ErrorRate;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    failed: Tally,
}

impl Detector for ErrorRate {
    fn kind(&self) -> &'static str {
        "error-rate"
    }

    fn judge(&self, window: &CallWindow<'_>, limits: &Limits, memory: &mut CallMemory) -> Verdict {
        let Memory { failed } = &mut memory.error_rate;
        let attempts = window.attempts();
        if attempts == 0 {
            failed.wait(window.length);
            return Verdict::NotJudged;
        }
        if share(window.errors, attempts) <= limits.error_rate {
            *failed = Tally::default();
            return Verdict::Clean;
        }
        failed.add(window.errors, attempts, window.length, limits);
        let Some(failed) = failed.take_if(limits.error_rate_errors, limits) else {
            return Verdict::NotJudged;
        };
        let observed = share(failed.bad, failed.of);
        let (bad, of, time) = (failed.bad, text::count(failed.of, "attempt"), text::span(failed.time));
        let (rate, limit) = (text::percent(observed), text::percent(limits.error_rate));
        Verdict::Anomalous(Finding {
            observed: Some(observed),
            limit: Some(limits.error_rate),
            message: format!("error rate {rate}, limit {limit} ({bad} of {of} failed in {time})"),
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share of counts, exact below 2^53")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}
