//! Tests of the life of alerts: judgements in, what begins and ends out.

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
    assert_eq!(end, [Transition::Resolved(anomaly("error-rate", "second"), None)]);
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
    assert_eq!(end, [Transition::Resolved(anomaly("stalled", "x"), None)]);
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
    let refused = CallWindow { failed_connections: 5, errors: 5, ..window };
    let quiet = window;
    let served = CallWindow { requests: 9, ..window };

    let (mut book, mut judge) = (AlertBook::default(), CallJudge::default());
    let mut told = String::new();
    for window in [served, refused, refused, quiet, refused, served, served] {
        let transitions = book.enter(&call(1), judge.close_window(&window, &limits));
        told.push(match transitions.as_slice() {
            [] => '-',
            [Transition::Firing(anomaly)] if anomaly.kind == "error-rate" => 'F',
            [Transition::Resolved(anomaly, _)] if anomaly.kind == "error-rate" => 'R',
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
    let evidence =
        Evidence { from_name: "web".into(), to_name: "db".into(), connections: 1, requests: 2, ..Evidence::default() };
    let firing = Transition::Firing(anomaly("error-rate", "error rate 50 %"));
    let alert = Alert::new(call(5432), Some("postgresql".into()), firing, Wall(0), evidence.clone());
    assert_eq!((alert.kind.as_str(), alert.state), ("error-rate", AlertState::Firing));
    assert_eq!((alert.from.as_str(), alert.to.as_str(), alert.port), ("program:web", "program:db", 5432.into()));
    assert_eq!((alert.observed, alert.limit), (Some(0.5), Some(0.05)));
    assert_eq!(alert.message, "error rate 50 %");
    assert_eq!(alert.at, "1970-01-01T00:00:00.000Z");
    assert_eq!(alert.evidence, evidence);

    let resolved = Transition::Resolved(anomaly("error-rate", "error rate 50 %"), None);
    let alert = Alert::new(call(5432), None, resolved, Wall(0), evidence);
    assert_eq!((alert.state, alert.message.as_str()), (AlertState::Resolved, "no longer: error rate 50 %"));
}

#[test]
fn what_fired_before_the_start_is_not_told_again_and_only_a_whole_window_ends_it() {
    let mut before = AlertBook::default();
    let [Transition::Firing(found)] = &before.enter(&call(1), judged("error-rate", finding("first")))[..] else {
        panic!("it fires");
    };
    let told = Alert::new(call(1), None, Transition::Firing(found.clone()), Wall(0), Evidence::default());
    before.told(&call(1), &told);
    before.enter(&call(1), judged("error-rate", finding("second")));
    let [kept] = &before.alerts().collect::<Vec<_>>()[..] else { panic!("one fires") };
    assert_eq!((kept.count, kept.message.as_str(), kept.since == told.at), (2, "second", true));

    let mut book = AlertBook::default();
    assert!(book.restore(kept.clone()));
    assert!(!book.restore(kept.clone()), "once is enough");
    assert_eq!(book.enter(&call(1), judged("error-rate", Verdict::Clean)), [], "nothing whole was seen yet");
    assert_eq!(book.enter(&call(1), judged("error-rate", finding("third"))), []);
    assert_eq!(book.anomalies(&call(1)), [anomaly("error-rate", "third")]);
    book.settle();
    let [end] = &book.enter(&call(1), judged("error-rate", Verdict::Clean))[..] else { panic!("it ends") };
    let end = Alert::new(call(1), None, end.clone(), Wall(9_000_000_000), Evidence::default());
    assert_eq!((end.state, end.since == told.at, end.count), (AlertState::Resolved, true, 3));
    assert_eq!(end.id, told.id);
    assert_eq!(book.firing(), 0);
}

#[test]
fn a_full_book_takes_nothing_over() {
    let mut book = AlertBook::with_capacity(0);
    assert!(!book.restore(crate::alert::sample::alert("2026-01-01T00:00:00.000Z")));
}
