//! Every limit can be another one for some calls: a rule with patterns changes the verdict on the calls that it matches, and on
//! no other.

use super::kinds_tests::pool;
use super::tests::{counted, expected, failing, judged, latency, timed, window};
use super::*;
use crate::baseline::{CallKey, ExpectedCall, Spread, Standing};
use crate::time::Span;
use std::collections::BTreeSet;

/// A key of the configuration, a value that is not its default, and what is said with each.
struct Case<'a> {
    key: &'static str,
    value: &'static str,
    kind: &'static str,
    windows: Vec<CallWindow<'a>>,
    by_default: &'static str,
    with_value: &'static str,
}

/// What is said of a call in windows that follow each other: c(lean), n(ot judged), A(nomalous).
fn said(kind: &str, windows: &[CallWindow<'_>], limits: &Limits) -> String {
    let (mut call, mut service) = (CallJudge::default(), ServiceJudge::default());
    let letter = |window: &CallWindow<'_>| {
        let mut sum = ServiceWindow::default();
        // Of those of a service nobody is answered.
        sum.add(window, 0);
        let judgements = call.close_window(window, limits).into_iter().chain(service.close_window(&sum, limits));
        let judgement = judgements.into_iter().find(|judgement| judgement.kind == kind).unwrap();
        match judgement.verdict {
            Verdict::Clean => 'c',
            Verdict::NotJudged => 'n',
            Verdict::Anomalous(_) => 'A',
        }
    };
    windows.iter().map(letter).collect()
}

/// One case for each key. `often` is called 200 times a second, `usual` 20 times, `steady` has a spread.
fn cases<'a>(usual: &'a ExpectedCall, often: &'a ExpectedCall, steady: &'a ExpectedCall) -> Vec<Case<'a>> {
    let hanging = CallWindow { oldest_in_flight: Some(Span::from_seconds(31)), ..window() };
    let slow = timed(latency(2_010, 2_034, 12, 4));
    let mean = |mean, samples| judged(usual, latency(mean, 30, samples, 0));
    let overflow = CallWindow { accept_queue_drops: Some(1), ..window() };
    let case =
        |key, value, kind, windows, by_default, with_value| Case { key, value, kind, windows, by_default, with_value };
    vec![
        case("off", "stalled", "stalled", vec![hanging], "A", "c"),
        case("least_samples", "6", "error-rate", vec![failing(5, 0, 3)], "A", "n"),
        case("evidence_time", "10s", "error-rate", vec![failing(3, 0, 1); 3], "nnA", "nnn"),
        case("missing_after", "1m", "missing-call", vec![counted(usual, 0); 6], "nAAAAA", "nnnnnA"),
        case("stalled_after", "1m", "stalled", vec![hanging], "A", "c"),
        case("latency_p99", "5s", "latency-p99", vec![slow], "A", "c"),
        case("latency_p99_exchanges", "5", "latency-p99", vec![slow], "A", "n"),
        case(
            "latency_mean_mads",
            "2",
            "latency-mean",
            vec![judged(steady, latency(15, 30, 10_000, 0)); 3],
            "ccc",
            "nnA",
        ),
        case("latency_mean_share", "100%", "latency-mean", vec![mean(13, 10_000); 3], "nnA", "ccc"),
        case("latency_mean_floor", "5ms", "latency-mean", vec![mean(13, 10_000); 3], "nnA", "ccc"),
        case("latency_mean_errors", "10", "latency-mean", vec![mean(15, 100); 3], "nnA", "ccc"),
        case("latency_mean_absolute", "100ms", "latency-mean", vec![timed(latency(300, 400, 30, 0)); 3], "ccc", "nnA"),
        case("latency_mean_windows", "5", "latency-mean", vec![mean(13, 10_000); 5], "nnAAA", "nnnnA"),
        case("error_rate", "10%", "error-rate", vec![failing(100, 0, 6)], "A", "c"),
        case("error_rate_errors", "7", "error-rate", vec![failing(100, 0, 6)], "A", "n"),
        case("call_rate", "300%", "call-rate", vec![counted(usual, 400); 2], "nA", "cc"),
        case("call_rate_warning", "40%", "call-rate-drift", vec![counted(often, 2_500); 2], "nA", "cc"),
        case("call_rate_surprise", "1000", "call-rate", vec![counted(usual, 400); 2], "nA", "nn"),
        case("call_rate_windows", "3", "call-rate", vec![counted(usual, 400); 3], "nAA", "nnA"),
        case("pool_wait", "2", "pool-saturation", vec![pool(8, 8, 11); 2], "nA", "cc"),
        case("pool_windows", "3", "pool-saturation", vec![pool(8, 8, 11); 3], "nAA", "nnA"),
        case("listener_drops", "2", "listener-overflow", vec![overflow], "A", "c"),
        case("silent_windows", "4", "silent-service", vec![failing(9, 0, 0); 4], "nAAA", "nnnA"),
    ]
}

fn calls() -> [ExpectedCall; 3] {
    let spread = Spread { median: 10.0, mad: 1.0, samples: 360 };
    [
        expected(),
        ExpectedCall { requests: 720_000, requests_per_second: 200.0, ..expected() },
        ExpectedCall { mean_spread: Some(spread), ..expected() },
    ]
}

fn key(from: &str, to: &str, port: u16) -> CallKey {
    CallKey { from: from.into(), to: to.into(), port: port.into(), transport: "tcp".into() }
}

/// The limits of a call that the rule matches, and of some that it does not, each for another reason.
fn of(limit: &str, value: &str) -> (Limits, Vec<Limits>) {
    let json = format!(r#"{{"calls":[{{"from":"web-*","to":"db*","port":5432,"limits":{{"{limit}":"{value}"}}}}]}}"#);
    let policy: Policy = serde_json::from_str(&json).unwrap();
    let of = |from, to, port| (*policy.of(&key(from, to, port))).clone();
    let others = [("program:web", "program:db-1", 5432), ("program:web-2", "program:cache", 5432)];
    let mut others: Vec<Limits> = others.into_iter().map(|(from, to, port)| of(from, to, port)).collect();
    others.push(of("program:web-2", "program:db-1", 5433));
    (of("program:web-2", "program:db-1", 5432), others)
}

#[test]
fn each_key_changes_what_is_said_of_the_calls_that_its_patterns_match_and_of_no_other() {
    let [usual, often, steady] = calls();
    let cases = cases(&usual, &often, &steady);
    for Case { key, value, kind, windows, by_default, with_value } in &cases {
        assert_ne!(by_default, with_value, "{key}");
        let (own, others) = of(key, value);
        assert_eq!(said(kind, windows, &own), *with_value, "{key}");
        for other in others {
            assert_eq!(said(kind, windows, &other), *by_default, "{key}, of another call");
        }
    }
    let covered: Vec<&str> = cases.iter().map(|case| case.key).collect();
    assert_eq!(covered, KNOBS.iter().map(|knob| knob.name).collect::<Vec<_>>());
}

#[test]
fn each_kind_of_anomaly_can_be_switched_off_for_the_calls_that_patterns_match_alone() {
    let [usual, often, steady] = calls();
    let listing = ExpectedCall { operations: Some(BTreeSet::from(["GET /a".to_owned()])), ..expected() };
    let standing = Standing::Expected(&listing);
    let unlisted = Unlisted::of(standing, ["GET /b"].into_iter());
    let mut windows: Vec<(&str, Vec<CallWindow<'_>>)> = cases(&usual, &often, &steady)
        .into_iter()
        .filter(|case| case.by_default.ends_with('A'))
        .map(|case| (case.kind, case.windows))
        .collect();
    windows.push(("unexpected-call", vec![CallWindow { standing: Standing::Unexpected, ..window() }]));
    windows.push(("unexpected-operation", vec![CallWindow { standing, unlisted, ..window() }]));
    for (kind, windows) in &windows {
        let (own, others) = of("off", kind);
        assert_eq!(said(kind, windows, &own), "c".repeat(windows.len()), "{kind}");
        for other in others {
            assert!(said(kind, windows, &other).ends_with('A'), "{kind}, of another call");
        }
    }
    let covered: BTreeSet<&str> = windows.iter().map(|(kind, _)| *kind).collect();
    // Of chains see the tests beside these.
    assert_eq!(covered, kinds().into_iter().filter(|kind| *kind != "unexpected-path").collect());
}
