//! `stalled`: a request has hung for longer than a limit. Needs no baseline, and no window to end.
//!
//! `observed` and `limit` are milliseconds. A call that has never had an answer is not judged: it may be one-way, or a
//! subscription. Memory: none.

use super::{CallMemory, CallWindow, Detector, Finding, Limits, Verdict, text};

#[derive(Debug)]
pub(super) struct Stalled;

impl Detector for Stalled {
    fn kind(&self) -> &'static str {
        "stalled"
    }

    fn is_immediate(&self) -> bool {
        true
    }

    fn judge(&self, window: &CallWindow<'_>, limits: &Limits, _: &mut CallMemory) -> Verdict {
        if !window.ever_answered {
            return Verdict::NotJudged;
        }
        let limit = limits.stalled_after;
        match window.oldest_in_flight {
            Some(age) if age > limit => Verdict::Anomalous(Finding {
                observed: Some(age.as_millis()),
                limit: Some(limit.as_millis()),
                message: format!(
                    "a request has waited {} for its answer, limit {}",
                    text::span(age),
                    text::span(limit)
                ),
            }),
            _ => Verdict::Clean,
        }
    }
}
