//! What a detector sees of a service: all calls to one of its ports in the window that has just ended.
//!
//! Invariant: the figures are sums over the calls, so they hold what the calls' own windows do. Memory: one
//! [`ServiceJudge`] for each port of a service that is called, of fixed size.

use super::silent_service::SilentService;
use super::{CallWindow, Finding, Judgement, Limits, Verdict};
use crate::time::Span;
use std::fmt::Debug;

/// All detectors of services, in the order in which they judge.
pub static SERVICE_DETECTORS: [&dyn ServiceDetector; 1] = [&SilentService];

/// Finds one kind of anomaly of a service.
pub trait ServiceDetector: Debug + Sync {
    /// The name in anomalies and alerts, such as `silent-service`.
    fn kind(&self) -> &'static str;

    fn judge(&self, window: &ServiceWindow, limits: &Limits, memory: &mut ServiceMemory) -> Verdict;
}

/// One port of a service in one window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceWindow {
    pub length: Span,
    /// Records were lost in it.
    pub loss: bool,
    /// Calls with an attempt in the window or a request in flight at its end.
    pub clients: u64,
    /// Requests and failed connections.
    pub attempts: u64,
    /// Exchanges that ended with an answer.
    pub answers: u64,
    pub oldest_in_flight: Option<Span>,
    /// It has answered somebody, in this window or before.
    pub ever_answered: bool,
}

impl ServiceWindow {
    /// Adds a call to the service, with the answers that it had in the window.
    pub fn add(&mut self, window: &CallWindow<'_>, answers: u64) {
        let attempts = window.attempts();
        self.length = window.length;
        self.loss |= window.loss;
        self.clients = self.clients.saturating_add(u64::from(attempts > 0 || window.oldest_in_flight.is_some()));
        self.attempts = self.attempts.saturating_add(attempts);
        self.answers = self.answers.saturating_add(answers);
        self.oldest_in_flight = self.oldest_in_flight.max(window.oldest_in_flight);
        self.ever_answered |= window.ever_answered;
    }
}

/// What the detectors remember of one service between windows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceMemory {
    pub(super) silent_service: super::silent_service::Memory,
}

/// Judges one port of a service, window after window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceJudge {
    memory: ServiceMemory,
}

impl ServiceJudge {
    /// The judgement of every detector on a window that has ended.
    pub fn close_window(&mut self, window: &ServiceWindow, limits: &Limits) -> Vec<Judgement> {
        let Self { memory } = self;
        let judge = |detector: &&dyn ServiceDetector| {
            let kind = detector.kind();
            let verdict =
                if limits.off.contains(kind) { Verdict::Clean } else { detector.judge(window, limits, memory) };
            Judgement { kind, verdict }
        };
        SERVICE_DETECTORS.iter().map(judge).collect()
    }
}

/// A finding without figures.
pub(super) fn finding(message: String) -> Verdict {
    Verdict::Anomalous(Finding { observed: None, limit: None, message })
}
