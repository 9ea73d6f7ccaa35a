//! The alerts that fire now: when one begins, goes on and ends.
//!
//! An anomaly begins an alert, further ones of its kind only bring it up to date and are counted, the first clean
//! judgement ends it, and a window that could not be judged changes nothing. So what never becomes clean, as a call that
//! the baseline does not list, is told once and stays. What fired before a restart of the tracer goes on: it is not told
//! again, and only a whole window may end it.
//! Invariant: for one (kind, call) `Firing` and `Resolved` take turns, `Firing` first.
//! Memory: at most `limits::FIRING_ALERTS` alerts, [`WITH_EVIDENCE`] of them with up to 10 KiB of evidence; what finds no
//! room is counted, not told, and fires when there is room and it is found again.

use super::Alert;
use crate::baseline::CallKey;
use crate::detect::{Judgement, Verdict};
use crate::graph::snapshot::Anomaly;
use crate::limits;
use std::collections::BTreeMap;

/// Alerts that fire whose whole evidence is kept; it is told of each.
const WITH_EVIDENCE: usize = 4_096;

/// An alert that begins or ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Transition {
    Firing(Anomaly),
    /// With what was found last, and the alert as it was told when it began.
    Resolved(Anomaly, Option<Box<Alert>>),
}

/// One alert that fires.
#[derive(Clone, Debug)]
struct Entry {
    /// As found last.
    anomaly: Anomaly,
    /// How often it was found.
    count: u64,
    /// As it was told; `None` until that is entered.
    told: Option<Box<Alert>>,
    /// Whether it fired before this run, and no whole window has been seen since.
    unsettled: bool,
}

/// All alerts that fire.
#[derive(Clone, Debug)]
pub struct AlertBook {
    /// No list is empty; at most one entry of each kind.
    firing: BTreeMap<CallKey, Vec<Entry>>,
    count: usize,
    capacity: usize,
    untold: u64,
    changes: u64,
}

impl Default for AlertBook {
    fn default() -> Self {
        Self::with_capacity(limits::FIRING_ALERTS)
    }
}

impl AlertBook {
    /// A book in which at most `capacity` alerts fire at once.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { firing: BTreeMap::new(), count: 0, capacity, untold: 0, changes: 0 }
    }

    /// Enters the judgements on a call and says which alerts begin and end, in the order of the judgements.
    pub fn enter(&mut self, call: &CallKey, judgements: Vec<Judgement>) -> Vec<Transition> {
        let mut firing = self.firing.remove(call).unwrap_or_default();
        let before = firing.len();
        let others = self.count.saturating_sub(before);
        let mut transitions = Vec::new();
        for Judgement { kind, verdict } in judgements {
            let at = firing.iter().position(|entry| entry.anomaly.kind == kind);
            match verdict {
                Verdict::NotJudged => {}
                Verdict::Clean => {
                    if let Some(at) = at.filter(|at| firing.get(*at).is_some_and(|entry| !entry.unsettled)) {
                        let Entry { anomaly, count, told, .. } = firing.remove(at);
                        let told = told.map(|alert| Box::new(Alert { count, ..*alert }));
                        transitions.push(Transition::Resolved(anomaly, told));
                    }
                }
                Verdict::Anomalous(finding) => {
                    let anomaly = finding.into_anomaly(kind);
                    if let Some(known) = at.and_then(|at| firing.get_mut(at)) {
                        known.anomaly = anomaly;
                        known.count = known.count.saturating_add(1);
                    } else if others.saturating_add(firing.len()) < self.capacity {
                        firing.push(Entry { anomaly: anomaly.clone(), count: 1, told: None, unsettled: false });
                        transitions.push(Transition::Firing(anomaly));
                    } else {
                        self.untold = self.untold.saturating_add(1);
                    }
                }
            }
        }
        self.count = others.saturating_add(firing.len());
        if !firing.is_empty() {
            self.firing.insert(call.clone(), firing);
        }
        self.changes = self.changes.saturating_add(u64::try_from(transitions.len()).unwrap_or(u64::MAX));
        transitions
    }

    /// Keeps the alert as it is told, for as long as it fires.
    pub fn told(&mut self, call: &CallKey, alert: &Alert) {
        let whole = self.count <= WITH_EVIDENCE;
        let entries = self.firing.get_mut(call).into_iter().flatten();
        for entry in entries.filter(|entry| entry.anomaly.kind == alert.kind) {
            let evidence = if whole { alert.evidence.clone() } else { alert.evidence.short() };
            entry.told = Some(Box::new(Alert { evidence, ..alert.clone() }));
        }
    }

    /// Takes over an alert that fired when the tracer ended; `false` if there is no room, or it fires already.
    pub fn restore(&mut self, alert: Alert) -> bool {
        let call = alert.call();
        let known =
            self.firing.get(&call).is_some_and(|entries| entries.iter().any(|it| it.anomaly.kind == alert.kind));
        if known || self.count >= self.capacity {
            return false;
        }
        let anomaly = Anomaly {
            kind: alert.kind.clone(),
            observed: alert.observed,
            limit: alert.limit,
            message: alert.message.clone(),
        };
        let entry = Entry { anomaly, count: alert.count, told: Some(Box::new(alert)), unsettled: true };
        self.firing.entry(call).or_default().push(entry);
        self.count += 1;
        self.changes = self.changes.saturating_add(1);
        true
    }

    /// A whole window is about to be judged: from now on it may end what fired before this run.
    pub fn settle(&mut self) {
        self.firing.values_mut().flatten().for_each(|entry| entry.unsettled = false);
    }

    /// Whether something of a call fires.
    #[must_use]
    pub fn fires(&self, call: &CallKey) -> bool {
        self.firing.contains_key(call)
    }

    /// What holds of a call now, in the order in which it began.
    #[must_use]
    pub fn anomalies(&self, call: &CallKey) -> Vec<Anomaly> {
        self.firing.get(call).into_iter().flatten().map(|entry| entry.anomaly.clone()).collect()
    }

    /// Alerts that fire now.
    #[must_use]
    pub fn firing(&self) -> usize {
        self.count
    }

    /// The alerts that fire now, by call, with what was found last and how often.
    pub fn alerts(&self) -> impl Iterator<Item = Alert> + '_ {
        self.firing.values().flatten().filter_map(|entry| {
            let Anomaly { observed, limit, message, .. } = entry.anomaly.clone();
            let told = entry.told.as_deref()?.clone();
            Some(Alert { observed, limit, message, count: entry.count, ..told })
        })
    }

    /// Grows with every alert that begins or ends.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Findings that began no alert for want of room; one that lasts counts each time it is found.
    #[must_use]
    pub fn untold(&self) -> u64 {
        self.untold
    }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
