//! Tests of the detectors of rhythm and spread, of pools, listeners, services and paths, and of what is switched off.

use super::path::{KnownPaths, Step};
use super::tests::{counted, expected, finding, judged, latency, letters, window};
use super::*;
use crate::baseline::{CallKey, ExpectedCall, Rhythm, Spread};
use crate::time::{Span, Wall};

/// Twice the usual from noon to midnight (UTC), nothing to speak of before.
fn rhythmic() -> ExpectedCall {
    let factors: Vec<f64> = (0..24).map(|hour| if hour < 12 { 0.1 } else { 1.9 }).collect();
    let rhythm: Rhythm = serde_json::from_str(&serde_json::to_string(&factors).unwrap()).unwrap();
    ExpectedCall { rhythm: Some(rhythm), ..expected() }
}

const NIGHT: Wall = Wall(6 * 3_600_000_000_000);
const DAY: Wall = Wall(18 * 3_600_000_000_000);

#[test]
fn what_is_usual_at_night_is_not_usual_by_day() {
    let call = rhythmic();
    let at = |at, requests| letters("call-rate", [CallWindow { at, ..counted(&call, requests) }; 3]);
    assert_eq!((at(NIGHT, 20), at(NIGHT, 380)), ("ccc".into(), "nAA".into()));
    assert_eq!((at(DAY, 380), at(DAY, 20)), ("ccc".into(), "nAA".into()));
    let silent = |at| letters("missing-call", [CallWindow { at, ..counted(&call, 0) }; 2]);
    assert_eq!((silent(NIGHT), silent(DAY)), ("nA".into(), "nA".into()));
}

#[test]
fn a_rate_a_fifth_off_is_a_warning_and_one_half_off_is_none() {
    let call = ExpectedCall { requests: 720_000, requests_per_second: 200.0, ..expected() };
    let both = |requests| {
        let windows = [counted(&call, requests); 2];
        (letters("call-rate-drift", windows), letters("call-rate", windows))
    };
    assert_eq!(both(2_390), ("cc".into(), "cc".into()));
    assert_eq!(both(2_410), ("nA".into(), "cc".into()));
    assert_eq!(both(1_590), ("nA".into(), "cc".into()));
    assert_eq!(both(3_010), ("nn".into(), "nA".into()));
    let found = finding("call-rate-drift", [counted(&call, 2_500); 2]);
    assert_eq!(found.message, "250 requests per second, baseline 200, limit 240 (2500 requests in 10 s)");
}

#[test]
fn one_deviation_is_that_of_a_stop_or_a_restart_and_two_must_be_on_one_side() {
    let call = expected();
    let of = |counts: &[u64]| letters("call-rate", counts.iter().map(|count| counted(&call, *count)));
    assert_eq!(of(&[200, 40, 200, 40, 200]), "cncnc");
    assert_eq!(of(&[40, 400, 40, 40]), "nnnA");
    assert_eq!(of(&[90, 0, 0, 90, 200]), "nnnnc", "a call that stops and comes back is missing, not rare");
}

#[test]
fn traffic_in_bursts_is_judged_by_how_it_scatters() {
    let spread = |mad| ExpectedCall { rate_spread: Some(Spread { median: 1.0, mad, samples: 360 }), ..expected() };
    // Poisson would scatter by 0.07; with 0.05 at the median it does not scatter more than that.
    assert_eq!(letters("call-rate", [counted(&spread(0.05), 320); 2]), "nA");
    // With 0.5 the variance is a hundred times that of Poisson.
    assert_eq!(letters("call-rate", [counted(&spread(0.5), 320); 2]), "nn");
    assert_eq!(letters("missing-call", [counted(&spread(0.5), 0); 20]).find('A'), Some(7));
}

#[test]
fn a_mean_may_rise_by_so_many_median_deviations() {
    let call = ExpectedCall { mean_spread: Some(Spread { median: 10.0, mad: 1.0, samples: 360 }), ..expected() };
    let at = |mean| letters("latency-mean", [judged(&call, latency(mean, 30, 10_000, 0)); 3]);
    assert_eq!((at(16), at(17)), ("ccc".into(), "nnA".into()));
}

#[test]
fn three_requests_a_minute_raise_no_statistics_however_bad_they_are() {
    let call = ExpectedCall { requests: 180, requests_per_second: 0.05, samples: 180, ..expected() };
    let bad = CallWindow { requests: 1, errors: 1, ..judged(&call, latency(5_000, 5_000, 1, 1)) };
    let none = judged(&call, None);
    let minute = [none, bad, none, bad, none, bad];
    for kind in ["error-rate", "latency-p99", "latency-mean", "call-rate", "call-rate-drift"] {
        let said = letters(kind, minute.iter().copied().cycle().take(600));
        assert!(!said.contains('A'), "{kind}: {said}");
    }
}

pub(super) fn pool(open: u64, busy: u64, wait_ms: u64) -> CallWindow<'static> {
    let (wait, server) = (Span::from_millis(wait_ms), Span::from_millis(10));
    CallWindow { pool: Some(Pool { open, busy, high_water: 8, wait, server, samples: 100 }), ..window() }
}

#[test]
fn a_pool_is_saturated_when_all_of_it_is_busy_and_requests_wait_longer_than_they_are_served() {
    let of = |pool| letters("pool-saturation", [pool; 3]);
    assert_eq!(of(pool(8, 8, 11)), "nAA");
    assert_eq!(of(pool(8, 8, 10)), "ccc", "no longer than the service");
    assert_eq!(of(pool(8, 7, 11)), "ccc", "one is free");
    assert_eq!(of(pool(7, 7, 11)), "ccc", "it has been larger");
    assert_eq!(of(window()), "nnn", "not known");
    let few = Pool { samples: 4, ..pool(8, 8, 11).pool.unwrap() };
    assert_eq!(of(CallWindow { pool: Some(few), ..window() }), "nnn");
    assert_eq!(letters("pool-saturation", [pool(8, 8, 99), pool(8, 1, 1), pool(8, 8, 99)]), "ncn");
    let found = finding("pool-saturation", [pool(8, 8, 25); 2]);
    assert_eq!((found.observed, found.limit), (Some(25.0), Some(10.0)));
    let message = "all of 8 connections in use, as many as ever: requests wait 25 ms, limit 10 ms, and are served in 10 \
                   ms, 2 windows in a row";
    assert_eq!(found.message, message);
}

#[test]
fn a_listener_that_drops_a_connection_is_found_and_one_that_is_not_counted_is_not_judged() {
    let of = |drops| letters("listener-overflow", [CallWindow { accept_queue_drops: drops, ..window() }]);
    assert_eq!((of(None), of(Some(0)), of(Some(1))), ("n".into(), "c".into(), "A".into()));
    let found = finding("listener-overflow", [CallWindow { accept_queue_drops: Some(3), ..window() }]);
    assert_eq!((found.observed, found.limit), (Some(3.0), Some(1.0)));
    assert!(found.message.starts_with("the accept queue is full: 3 connections dropped in 10 s"), "{}", found.message);
}

/// What is said of a service in windows that follow each other, and the last message.
fn service(windows: &[ServiceWindow]) -> (String, String) {
    let mut judge = ServiceJudge::default();
    let mut last = String::new();
    let letters = windows.iter().map(|window| {
        let judgements = judge.close_window(window, &Limits::default());
        match judgements.into_iter().next().unwrap().verdict {
            Verdict::Clean => 'c',
            Verdict::NotJudged => 'n',
            Verdict::Anomalous(finding) => {
                last = finding.message;
                'A'
            }
        }
    });
    (letters.collect(), last)
}

#[test]
fn a_service_that_is_asked_and_answers_nobody_is_found_in_the_second_window() {
    let asked = ServiceWindow {
        length: Span::from_seconds(10),
        clients: 2,
        attempts: 9,
        ever_answered: true,
        ..ServiceWindow::default()
    };
    let (said, message) = service(&[asked; 3]);
    assert_eq!(said, "nAA");
    assert_eq!(message, "it answers nobody any more: 27 attempts of 2 clients in 3 windows");
    let of = |windows: &[ServiceWindow]| service(windows).0;
    assert_eq!(of(&[asked, ServiceWindow { answers: 1, ..asked }, asked]), "ncn");
    assert_eq!(of(&[ServiceWindow { ever_answered: false, ..asked }; 3]), "nnn", "it may be one-way");
    assert_eq!(of(&[ServiceWindow { loss: true, ..asked }; 3]), "nnn");
    assert_eq!(of(&[ServiceWindow { clients: 0, attempts: 0, ..asked }; 9]), "nnnnnnnnn", "nobody asks");
    assert_eq!(of(&[ServiceWindow { attempts: 2, ..asked }; 3]), "nnA", "few attempts");
    let waiting = |seconds| ServiceWindow {
        clients: 1,
        attempts: 0,
        oldest_in_flight: Some(Span::from_seconds(seconds)),
        ..asked
    };
    assert_eq!(of(&[waiting(10), waiting(20), waiting(30), waiting(31)]), "nnnA", "one client that waits");
}

#[test]
fn the_window_of_a_service_is_the_sum_of_the_windows_of_its_calls() {
    let mut sum = ServiceWindow::default();
    let oldest_in_flight = Some(Span::from_seconds(3));
    sum.add(&CallWindow { requests: 5, ..window() }, 4);
    sum.add(&CallWindow { failed_connections: 2, errors: 2, oldest_in_flight, ..window() }, 0);
    sum.add(&CallWindow { ever_answered: false, ..window() }, 0);
    let length = window().length;
    let all = ServiceWindow {
        length,
        loss: false,
        clients: 2,
        attempts: 7,
        answers: 4,
        oldest_in_flight,
        ever_answered: true,
    };
    assert_eq!(sum, all);
}

fn call(from: &str, to: &str) -> CallKey {
    CallKey { from: from.into(), to: to.into(), port: 80.into(), transport: "tcp".into() }
}

#[test]
fn a_path_whose_calls_are_expected_and_whose_composition_never_occurred_is_found() {
    let (web_api, admin_api, api_db, api_mail) =
        (call("web", "api"), call("admin", "api"), call("api", "db"), call("api", "mail"));
    let step = |inbound, outbound| Step { inbound, outbound, expected: true, chains: 2 };
    let mut known = KnownPaths::default();
    known.learn(&step(&web_api, &api_db));
    known.learn(&step(&admin_api, &api_mail));
    known.learn(&step(&web_api, &api_db));
    let judge = |step: &Step<'_>| path::judge(step, &known, &Limits::default()).remove(0).verdict;
    assert_eq!(judge(&step(&web_api, &api_db)), Verdict::Clean);
    let Verdict::Anomalous(found) = judge(&step(&web_api, &api_mail)) else { panic!("not found") };
    let message = "web → api → mail: each call is expected, but this path never occurred; so far mail was reached through \
                   api for admin (2 chains now)";
    assert_eq!(found.message, message);
    let not_judged = [
        Step { expected: false, ..step(&web_api, &api_mail) },
        Step { chains: 0, ..step(&web_api, &api_mail) },
        step(&web_api, &admin_api),
        step(&api_db, &api_mail),
    ];
    for step in &not_judged {
        assert_eq!(judge(step), Verdict::NotJudged, "{step:?}");
    }
    let unknown = call("api", "cache");
    assert_eq!(judge(&step(&web_api, &unknown)), Verdict::NotJudged, "no chain led there while learning");
}

#[test]
fn what_is_switched_off_is_clean_so_that_what_fired_is_resolved() {
    let limits = Limits { off: kinds().into_iter().collect(), ..Limits::default() };
    let bad = CallWindow {
        requests: 100,
        errors: 100,
        latency: latency(9_000, 9_000, 100, 100),
        oldest_in_flight: Some(Span::from_seconds(99)),
        accept_queue_drops: Some(9),
        standing: crate::baseline::Standing::Unexpected,
        ..window()
    };
    let mut judge = CallJudge::default();
    assert!(judge.close_window(&bad, &limits).iter().all(|judgement| judgement.verdict == Verdict::Clean));
    assert!(judge.close_window(&bad, &Limits::default()).iter().any(|it| matches!(it.verdict, Verdict::Anomalous(_))));
}

#[test]
fn an_operation_is_unexpected_only_where_the_baseline_lists_some_and_not_this_one() {
    let listing = |names: &[&str]| ExpectedCall {
        operations: Some(names.iter().map(ToString::to_string).collect()),
        ..expected()
    };
    let asked = ["GET /a", "POST /\u{1b}[2J", "PUT /c"];
    let judged = |call: &ExpectedCall| {
        let standing = crate::baseline::Standing::Expected(call);
        let unlisted = Unlisted::of(standing, asked.into_iter());
        let window = CallWindow { unlisted, ..counted(call, 200) };
        (letters("unexpected-operation", [window]), unlisted.map(|it| it.count))
    };
    assert_eq!(judged(&expected()), ("c".into(), None), "no list");
    assert_eq!(judged(&listing(&asked)), ("c".into(), None));
    assert_eq!(judged(&listing(&["GET /a"])), ("A".into(), Some(2)));
    assert_eq!(letters("unexpected-operation", [window()]), "n", "no baseline");
    let call = listing(&["GET /a"]);
    let unlisted = Unlisted::of(crate::baseline::Standing::Expected(&call), asked.into_iter());
    let found = finding("unexpected-operation", [CallWindow { unlisted, ..counted(&call, 200) }]);
    assert_eq!(found.message, "the baseline does not list POST /\\u{1b}[2J for this call, nor 1 more");
    assert_eq!(severity("unexpected-operation"), Severity::Warning);
}
