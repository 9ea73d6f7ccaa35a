//! `missing-call`: an expected call does not happen any more, or never did.
//!
//! `observed` is 0 and `limit` the expected rate, requests per second. Silence is told when chance does not explain it
//! (`rate`): after 14 expected requests, more where traffic comes in bursts, and after `missing_after` in any case. A
//! call that is tried and fails is not missing; a window in which records were lost proves no silence.
//! Memory: one figure and one span.

use super::rate::Expectation;
use super::{CallMemory, CallWindow, Detector, Finding, Limits, Verdict, text};
use crate::baseline::Standing;
use crate::time::Span;

#[derive(Debug)]
pub(super) struct MissingCall;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Memory {
    /// Requests that were expected and did not come.
    missed: f64,
    silent: Span,
}

impl Detector for MissingCall {
    fn kind(&self) -> &'static str {
        "missing-call"
    }

    fn judge(&self, window: &CallWindow<'_>, limits: &Limits, memory: &mut CallMemory) -> Verdict {
        let memory = &mut memory.missing_call;
        if !matches!(window.standing, Standing::Expected(_)) {
            return Verdict::NotJudged;
        }
        if window.attempts() > 0 {
            *memory = Memory::default();
            return Verdict::Clean;
        }
        // A request that hangs keeps its client silent: that is `stalled`.
        let hangs = window.oldest_in_flight.is_some();
        let Some(expectation) = Expectation::of(window).filter(|_| window.complete && !window.loss && !hangs) else {
            return Verdict::NotJudged;
        };
        memory.missed += expectation.count;
        memory.silent = Span(memory.silent.0.saturating_add(window.length.0));
        let surprise = expectation.surprise(0.0, memory.missed);
        if surprise <= limits.call_rate_surprise || memory.silent < limits.missing_after {
            return Verdict::NotJudged;
        }
        let rate = memory.missed / memory.silent.as_seconds();
        Verdict::Anomalous(Finding {
            observed: Some(0.0),
            limit: Some(rate),
            message: format!("no request in {}, baseline {} per second", text::span(memory.silent), text::number(rate)),
        })
    }
}
