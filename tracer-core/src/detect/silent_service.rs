//! `silent-service`: a service that is asked and answers nobody any more. Needs no baseline.
//!
//! No figures: it is all or nothing. A service that has never answered may be one-way. It takes several windows in a
//! row without an answer and, as for all statistics, enough attempts; or a request that hangs for longer than `stalled`
//! allows, for clients that wait do not ask again. A window in which nobody asked and nothing hangs neither counts nor
//! resets. Memory: one counter and one tally.

use super::service::{ServiceDetector, ServiceMemory, ServiceWindow, finding};
use super::tally::Tally;
use super::{Limits, Verdict, text};

#[derive(Debug)]
pub(super) struct SilentService;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    windows: u32,
    unanswered: Tally,
}

impl ServiceDetector for SilentService {
    fn kind(&self) -> &'static str {
        "silent-service"
    }

    fn judge(&self, window: &ServiceWindow, limits: &Limits, memory: &mut ServiceMemory) -> Verdict {
        let Memory { windows, unanswered } = &mut memory.silent_service;
        if window.answers > 0 {
            (*windows, *unanswered) = (0, Tally::default());
            return Verdict::Clean;
        }
        if !window.ever_answered || window.loss || window.clients == 0 {
            return Verdict::NotJudged;
        }
        *windows = windows.saturating_add(1);
        unanswered.add(window.attempts, window.attempts, window.length, limits);
        let hangs = window.oldest_in_flight.is_some_and(|age| age > limits.stalled_after);
        if *windows < limits.silent_windows || (unanswered.of < limits.least_samples && !hangs) {
            return Verdict::NotJudged;
        }
        let clients = text::count(window.clients, "client");
        let asked = text::count(unanswered.of, "attempt");
        let hanging =
            window.oldest_in_flight.map(|age| format!(", one hangs for {}", text::span(age))).unwrap_or_default();
        finding(format!("it answers nobody any more: {asked} of {clients} in {windows} windows{hanging}"))
    }
}
