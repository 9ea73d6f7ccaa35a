//! What is judged though no call of the graph stands for it: expected calls that were never seen, and services.
//!
//! Invariant: an expected call is judged here until it is first seen, and then with the other calls; both under its own
//! key, so an alert that began here ends there. Memory: a judge for each call of the baseline that was not seen, and for
//! each port of a service that answered nobody lately, at most `limits::CALLS` of both, and for each alert from before the
//! start.

use super::Engine;
use crate::alert::Alert;
use crate::baseline::{Baseline, CallKey, Standing};
use crate::detect::{CallJudge, CallWindow, Judgement, Limits, ServiceJudge, ServiceWindow};
use crate::graph::snapshot::ServiceKind;
use crate::input::Output;
use crate::limits;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// In place of a client: every client of a service.
const EVERYBODY: &str = "*";

/// Services that are called, each port by itself: those that did not answer all of their clients in this window or that
/// have something to remember. The others are as they should be, and need no judge.
#[derive(Debug, Default)]
pub(super) struct Services {
    judged: BTreeMap<CallKey, Service>,
    /// Who left a client without an answer in the window that ends.
    doubted: HashSet<CallKey>,
}

#[derive(Debug, Default)]
struct Service {
    window: ServiceWindow,
    judge: ServiceJudge,
    /// What it is held to; `None` until it is judged, and after a change of the configuration.
    limits: Option<Arc<Limits>>,
}

/// Expected calls that have not been seen.
pub(super) type Absent = BTreeMap<CallKey, AbsentCall>;

#[derive(Debug, Default)]
pub(super) struct AbsentCall {
    judge: CallJudge,
    limits: Option<Arc<Limits>>,
}

impl Services {
    /// Notes that a call was left without an answer in the window that has ended. To be told of every such call before the
    /// first call is added.
    pub(super) fn doubt(&mut self, call: CallKey) {
        self.doubted.insert(of_everybody(call));
    }

    /// Adds a call in the window that has ended.
    pub(super) fn add(&mut self, call: &CallKey, ends: [ServiceKind; 2], window: &CallWindow<'_>, answers: u64) {
        let [_, server] = ends;
        if server == ServiceKind::Other || (self.doubted.is_empty() && self.judged.is_empty()) {
            return;
        }
        let key = of_everybody(call.clone());
        let known = self.judged.contains_key(&key);
        if known || (self.doubted.contains(&key) && self.judged.len() < limits::CALLS) {
            self.judged.entry(key).or_default().window.add(window, answers);
        }
    }
}

/// The key under which the server of a call is judged.
fn of_everybody(call: CallKey) -> CallKey {
    CallKey { from: EVERYBODY.to_owned(), ..call }
}

/// The calls of a baseline, none of them seen yet.
pub(super) fn expected(baseline: Option<&Baseline>) -> Absent {
    let calls = baseline.map(Baseline::calls).unwrap_or_default();
    calls.iter().filter(|call| call.requests > 0).map(|call| (call.key(), AbsentCall::default())).collect()
}

impl Engine {
    /// The limits have changed.
    pub(super) fn forget_limits(&mut self) {
        self.services.judged.values_mut().for_each(|service| service.limits = None);
        self.absent.values_mut().for_each(|call| call.limits = None);
    }

    /// Judges services by the window that has ended.
    pub(super) fn judge_services(&mut self, out: &mut Vec<Output>) {
        let mut services = std::mem::take(&mut self.services);
        for (key, service) in &mut services.judged {
            let window = std::mem::take(&mut service.window);
            let limits = service.limits.get_or_insert_with(|| self.config.policy.of(key));
            let judgements = service.judge.close_window(&window, limits);
            self.raise_without_call(key, judgements, window.attempts, out);
        }
        services.doubted = HashSet::new();
        services.judged.retain(|key, service| service.judge != ServiceJudge::default() || self.alerts.fires(key));
        self.services = services;
    }

    /// Judges expected calls that were never seen.
    pub(super) fn judge_absent(&mut self, complete: bool, loss: bool, out: &mut Vec<Output>) {
        let (at, length) = (self.middle(), self.moments.window);
        let mut absent = std::mem::take(&mut self.absent);
        for (key, call) in &mut absent {
            let limits = call.limits.get_or_insert_with(|| self.config.policy.of(key));
            let expected = self.config.baseline.as_ref().and_then(|baseline| baseline.expectation(key));
            let standing = expected.map_or(Standing::Unjudged, Standing::Expected);
            let window = CallWindow { length, at, complete, loss, standing, ..CallWindow::default() };
            let judgements = call.judge.close_window(&window, limits);
            self.raise_without_call(key, judgements, 0, out);
        }
        self.absent = absent;
    }

    fn raise_without_call(&mut self, key: &CallKey, judgements: Vec<Judgement>, requests: u64, out: &mut Vec<Output>) {
        let transitions = self.alerts.enter(key, judgements);
        if !transitions.is_empty() {
            let evidence = self.evidence_without_call(key, requests);
            self.tell(key, transitions, &evidence, out);
        }
    }

    /// Goes on with an alert that fired before the start: its call is judged from the start on, seen or not.
    pub(super) fn restore(&mut self, alert: &Alert) {
        let key = alert.call();
        if !self.alerts.restore(alert.clone()) {
            return;
        }
        if key.from == EVERYBODY {
            self.services.judged.entry(key).or_default();
        } else {
            self.absent.entry(key).or_default();
        }
    }
}
