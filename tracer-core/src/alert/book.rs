//! The alerts that fire now, and when one begins and ends.
//!
//! An anomaly begins an alert, further ones of its kind only bring it up to date, the first clean judgement ends it, and
//! a window that could not be judged changes nothing. So what never becomes clean, as a call that the baseline does not
//! list, is told once and stays. Invariant: for one (kind, call) `Firing` and `Resolved` take turns, `Firing` first.
//! Memory: at most `limits::FIRING_ALERTS` anomalies; what finds no room is counted, not told, and fires when there is
//! room and it is found again.

use crate::baseline::CallKey;
use crate::detect::{Judgement, Verdict};
use crate::graph::snapshot::Anomaly;
use crate::limits;
use std::collections::BTreeMap;

/// An alert that begins or ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Transition {
    Firing(Anomaly),
    /// With what was found last.
    Resolved(Anomaly),
}

/// All alerts that fire.
#[derive(Clone, Debug)]
pub struct AlertBook {
    /// No list is empty; at most one anomaly of each kind.
    firing: BTreeMap<CallKey, Vec<Anomaly>>,
    count: usize,
    capacity: usize,
    untold: u64,
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
        Self { firing: BTreeMap::new(), count: 0, capacity, untold: 0 }
    }

    /// Enters the judgements on a call and says which alerts begin and end, in the order of the judgements.
    pub fn enter(&mut self, call: &CallKey, judgements: Vec<Judgement>) -> Vec<Transition> {
        let mut firing = self.firing.remove(call).unwrap_or_default();
        let before = firing.len();
        let others = self.count.saturating_sub(before);
        let mut transitions = Vec::new();
        for Judgement { kind, verdict } in judgements {
            let at = firing.iter().position(|anomaly| anomaly.kind == kind);
            match verdict {
                Verdict::NotJudged => {}
                Verdict::Clean => {
                    if let Some(at) = at {
                        transitions.push(Transition::Resolved(firing.remove(at)));
                    }
                }
                Verdict::Anomalous(finding) => {
                    let anomaly = finding.into_anomaly(kind);
                    if let Some(known) = at.and_then(|at| firing.get_mut(at)) {
                        *known = anomaly;
                    } else if others.saturating_add(firing.len()) < self.capacity {
                        firing.push(anomaly.clone());
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
        transitions
    }

    /// What holds of a call now, in the order in which it began.
    #[must_use]
    pub fn anomalies(&self, call: &CallKey) -> &[Anomaly] {
        self.firing.get(call).map_or(&[], Vec::as_slice)
    }

    /// Alerts that fire now.
    #[must_use]
    pub fn firing(&self) -> usize {
        self.count
    }

    /// Findings that began no alert for want of room; one that lasts counts each time it is found.
    #[must_use]
    pub fn untold(&self) -> u64 {
        self.untold
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{Alert, AlertState, Evidence};
    use crate::baseline::Standing;
    use crate::detect::{CallJudge, CallWindow, Finding, Limits};
    use crate::time::{Span, Wall};

    fn call(port: u16) -> CallKey {
        CallKey { from: "program:web".into(), to: "program:db".into(), port: port.into(), transport: "tcp".into() }
    }

    fn finding(message: &str) -> Verdict {
        Verdict::Anomalous(Finding { observed: Some(0.5), limit: Some(0.05), message: message.into() })
    }

    fn anomaly(kind: &str, message: &str) -> Anomaly {
        Anomaly { kind: kind.into(), observed: Some(0.5), limit: Some(0.05), message: message.into() }
    }

    fn judged(kind: &'static str, verdict: Verdict) -> Vec<Judgement> {
        vec![Judgement { kind, verdict }]
    }

    #[test]
    fn an_anomaly_fires_once_is_kept_up_to_date_and_is_resolved_once_with_what_was_found_last() {
        let mut book = AlertBook::default();
        let first = book.enter(&call(1), judged("error-rate", finding("first")));
        assert_eq!(first, [Transition::Firing(anomaly("error-rate", "first"))]);
        assert_eq!(book.enter(&call(1), judged("error-rate", finding("second"))), []);
        assert_eq!(book.anomalies(&call(1)), [anomaly("error-rate", "second")]);
        assert_eq!(book.firing(), 1);

        let end = book.enter(&call(1), judged("error-rate", Verdict::Clean));
        assert_eq!(end, [Transition::Resolved(anomaly("error-rate", "second"))]);
        assert_eq!(book.enter(&call(1), judged("error-rate", Verdict::Clean)), []);
        assert_eq!(book.anomalies(&call(1)), []);
        assert_eq!(book.firing(), 0);

        let again = book.enter(&call(1), judged("error-rate", finding("third")));
        assert_eq!(again, [Transition::Firing(anomaly("error-rate", "third"))]);
    }

    #[test]
    fn a_window_that_could_not_be_judged_neither_begins_nor_ends_an_alert() {
        let mut book = AlertBook::default();
        assert_eq!(book.enter(&call(1), judged("stalled", Verdict::NotJudged)), []);
        book.enter(&call(1), judged("stalled", finding("hangs")));
        assert_eq!(book.enter(&call(1), judged("stalled", Verdict::NotJudged)), []);
        assert_eq!(book.anomalies(&call(1)), [anomaly("stalled", "hangs")]);
    }

    #[test]
    fn kinds_and_calls_have_alerts_of_their_own() {
        let mut book = AlertBook::default();
        for (call, kind) in [(call(1), "stalled"), (call(1), "error-rate"), (call(2), "stalled")] {
            assert_eq!(book.enter(&call, judged(kind, finding("x"))), [Transition::Firing(anomaly(kind, "x"))]);
        }
        assert_eq!(book.firing(), 3);
        let end = book.enter(&call(1), judged("stalled", Verdict::Clean));
        assert_eq!(end, [Transition::Resolved(anomaly("stalled", "x"))]);
        assert_eq!(book.anomalies(&call(1)), [anomaly("error-rate", "x")]);
        assert_eq!(book.anomalies(&call(2)), [anomaly("stalled", "x")]);
    }

    #[test]
    fn a_full_book_counts_what_it_does_not_tell_and_tells_it_when_there_is_room() {
        let mut book = AlertBook::with_capacity(2);
        book.enter(&call(1), judged("stalled", finding("x")));
        book.enter(&call(2), judged("stalled", finding("x")));
        assert_eq!(book.enter(&call(3), judged("stalled", finding("x"))), []);
        assert_eq!((book.firing(), book.untold()), (2, 1));
        assert_eq!(book.enter(&call(2), judged("stalled", finding("y"))), [], "a known one is still kept up to date");
        assert_eq!((book.firing(), book.untold()), (2, 1));

        book.enter(&call(1), judged("stalled", Verdict::Clean));
        let told = book.enter(&call(3), judged("stalled", finding("x")));
        assert_eq!(told, [Transition::Firing(anomaly("stalled", "x"))]);
        assert_eq!((book.firing(), book.untold()), (2, 1));
    }

    #[test]
    fn a_server_that_stops_and_comes_back_is_told_once_and_resolved_once() {
        let limits = Limits::default();
        let window = CallWindow { length: Span::from_seconds(10), complete: true, ..CallWindow::default() };
        let refused = CallWindow { failed_connections: 4, errors: 4, ..window };
        let quiet = window;
        let served = CallWindow { requests: 9, ..window };

        let (mut book, mut judge) = (AlertBook::default(), CallJudge::default());
        let mut told = String::new();
        for window in [served, refused, refused, quiet, refused, served, served] {
            let transitions = book.enter(&call(1), judge.close_window(&window, &limits));
            told.push(match transitions.as_slice() {
                [] => '-',
                [Transition::Firing(anomaly)] if anomaly.kind == "error-rate" => 'F',
                [Transition::Resolved(anomaly)] if anomaly.kind == "error-rate" => 'R',
                other => panic!("{other:?}"),
            });
        }
        assert_eq!(told, "-F---R-");
    }

    #[test]
    fn an_unexpected_call_is_told_once_and_never_resolved_by_itself() {
        let limits = Limits::default();
        let window = CallWindow { standing: Standing::Unexpected, complete: true, ..CallWindow::default() };
        let (mut book, mut judge) = (AlertBook::default(), CallJudge::default());
        let first = book.enter(&call(1), judge.between_windows(&window, &limits));
        assert!(matches!(first.as_slice(), [Transition::Firing(anomaly)] if anomaly.kind == "unexpected-call"));
        for _ in 0..100 {
            assert_eq!(book.enter(&call(1), judge.close_window(&window, &limits)), []);
        }
        assert_eq!(book.firing(), 1);
    }

    #[test]
    fn an_alert_names_the_call_the_finding_and_whether_it_begins_or_ends() {
        let evidence = Evidence {
            from_name: "web".into(),
            to_name: "db".into(),
            first_seen: "2025-01-01T00:00:00.000Z".into(),
            connections: 1,
            requests: 2,
            client: None,
            client_parents: Vec::new(),
            server: None,
        };
        let firing = Transition::Firing(anomaly("error-rate", "error rate 50 %"));
        let alert = Alert::new(call(5432), Some("postgresql".into()), firing, Wall(0), evidence.clone());
        assert_eq!((alert.kind.as_str(), alert.state), ("error-rate", AlertState::Firing));
        assert_eq!((alert.from.as_str(), alert.to.as_str(), alert.port), ("program:web", "program:db", 5432.into()));
        assert_eq!((alert.observed, alert.limit), (Some(0.5), Some(0.05)));
        assert_eq!(alert.message, "error rate 50 %");
        assert_eq!(alert.at, "1970-01-01T00:00:00.000Z");
        assert_eq!(alert.evidence, evidence);

        let resolved = Transition::Resolved(anomaly("error-rate", "error rate 50 %"));
        let alert = Alert::new(call(5432), None, resolved, Wall(0), evidence);
        assert_eq!((alert.state, alert.message.as_str()), (AlertState::Resolved, "no longer: error rate 50 %"));
    }
}
