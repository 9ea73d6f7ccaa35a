//! `stalled`: a request has hung for longer than a window. Needs no baseline, and no window to end.
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

    fn judge(&self, window: &CallWindow<'_>, _: &Limits, _: &mut CallMemory) -> Verdict {
        if !window.ever_answered {
            return Verdict::NotJudged;
        }
        match window.oldest_in_flight {
            Some(age) if age > window.length => Verdict::Anomalous(Finding {
                observed: Some(age.as_millis()),
                limit: Some(window.length.as_millis()),
                message: format!(
                    "a request has waited {} for its answer, limit {}",
                    text::span(age),
                    text::span(window.length)
                ),
            }),
            _ => Verdict::Clean,
        }
    }
}
