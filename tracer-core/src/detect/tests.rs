//! Tests of the detectors: every threshold just below and just above, and what holds for any window.

use super::*;
use crate::baseline::{ExpectedCall, Standing};
use crate::time::Span;
use proptest::prelude::*;

pub(super) const WINDOW: Span = Span::from_seconds(10);

/// An hour of 20 requests per second, 10 ms each.
pub(super) fn expected() -> ExpectedCall {
    ExpectedCall {
        from: "program:web".into(),
        to: "program:db".into(),
        port: 5432.into(),
        transport: "tcp".into(),
        protocol: None,
        requests: 72_000,
        requests_per_second: 20.0,
        mean_ms: Some(10.0),
        p99_ms: Some(30.0),
        error_rate: Some(0.0),
        samples: 72_000,
        rate_spread: None,
        mean_spread: None,
        p99_spread: None,
        error_spread: None,
        rhythm: None,
        operations: None,
    }
}

pub(super) fn window() -> CallWindow<'static> {
    CallWindow { length: WINDOW, complete: true, ever_answered: true, ..CallWindow::default() }
}

pub(super) fn latency(mean_ms: u64, p99_ms: u64, samples: u64, slow: u64) -> Option<WindowLatency> {
    Some(WindowLatency { mean: Span::from_millis(mean_ms), p99: Span::from_millis(p99_ms), samples, slow })
}

/// What one detector says of windows that follow each other.
fn verdicts<'a>(kind: &str, windows: impl IntoIterator<Item = CallWindow<'a>>) -> Vec<Verdict> {
    let mut judge = CallJudge::default();
    let mut verdict_of = |window| {
        let judgements = judge.close_window(&window, &Limits::default());
        judgements.into_iter().find(|judgement| judgement.kind == kind).unwrap().verdict
    };
    windows.into_iter().map(&mut verdict_of).collect()
}

/// The same in letters: c(lean), n(ot judged), A(nomalous).
pub(super) fn letters<'a>(kind: &str, windows: impl IntoIterator<Item = CallWindow<'a>>) -> String {
    let letter = |verdict| match verdict {
        Verdict::Clean => 'c',
        Verdict::NotJudged => 'n',
        Verdict::Anomalous(_) => 'A',
    };
    verdicts(kind, windows).into_iter().map(letter).collect()
}

pub(super) fn finding<'a>(kind: &str, windows: impl IntoIterator<Item = CallWindow<'a>>) -> Finding {
    match verdicts(kind, windows).pop() {
        Some(Verdict::Anomalous(finding)) => finding,
        other => panic!("{other:?}"),
    }
}

#[test]
fn detectors_have_names_of_their_own() {
    let kinds = kinds();
    let different: std::collections::BTreeSet<_> = kinds.iter().collect();
    assert_eq!((kinds.len(), different.len()), (13, 13));
    assert!(kinds.iter().all(|kind| kind.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')));
    assert_eq!(
        kinds.iter().filter(|kind| severity(kind) == Severity::Warning).collect::<Vec<_>>(),
        [&"call-rate-drift", &"unexpected-operation"]
    );
}

#[test]
fn a_call_is_unexpected_only_if_there_is_a_baseline_and_it_is_not_in_it() {
    let call = expected();
    let of = |standing| letters("unexpected-call", [CallWindow { standing, ..window() }]);
    assert_eq!(of(Standing::Unexpected), "A");
    assert_eq!(of(Standing::Expected(&call)), "c");
    assert_eq!(of(Standing::Unjudged), "n");
}

#[test]
fn an_unexpected_call_and_a_stalled_one_are_found_before_the_window_ends() {
    let age = Some(Span::from_seconds(31));
    let window =
        CallWindow { standing: Standing::Unexpected, oldest_in_flight: age, errors: 9, complete: false, ..window() };
    let found = CallJudge::default().between_windows(&window, &Limits::default());
    let found: Vec<_> = found.iter().map(|j| (j.kind, matches!(j.verdict, Verdict::Anomalous(_)))).collect();
    assert_eq!(found, [("unexpected-call", true), ("stalled", true)]);
}

#[test]
fn a_request_is_stalled_when_it_waits_for_longer_than_the_limit_and_the_call_has_been_answered_before() {
    let of = |age: Option<u64>, ever_answered| {
        let oldest_in_flight = age.map(Span::from_millis);
        letters("stalled", [CallWindow { oldest_in_flight, ever_answered, ..window() }])
    };
    assert_eq!(of(Some(30_001), true), "A");
    assert_eq!(of(Some(30_000), true), "c");
    assert_eq!(of(None, true), "c");
    assert_eq!(of(Some(30_001), false), "n");
    let found = finding("stalled", [CallWindow { oldest_in_flight: Some(Span::from_millis(32_340)), ..window() }]);
    assert_eq!((found.observed, found.limit), (Some(32_340.0), Some(30_000.0)));
    assert_eq!(found.message, "a request has waited 32.3 s for its answer, limit 30 s");
}

pub(super) fn failing(requests: u64, failed_connections: u64, errors: u64) -> CallWindow<'static> {
    CallWindow { requests, failed_connections, errors, ..window() }
}

#[test]
fn an_error_rate_of_five_percent_is_clean_and_more_is_not() {
    assert_eq!(letters("error-rate", [failing(100, 0, 5)]), "c");
    assert_eq!(letters("error-rate", [failing(100, 0, 6)]), "A");
    assert_eq!(letters("error-rate", [failing(60, 40, 6)]), "A");
    let found = finding("error-rate", [failing(100, 0, 6)]);
    assert_eq!((found.observed, found.limit), (Some(0.06), Some(0.05)));
    assert_eq!(found.message, "error rate 6 %, limit 5 % (6 of 100 attempts failed in 10 s)");
}

#[test]
fn a_stopped_server_that_refuses_five_connections_is_found_at_once() {
    let found = finding("error-rate", [failing(0, 5, 5)]);
    assert_eq!(found.message, "error rate 100 %, limit 5 % (5 of 5 attempts failed in 10 s)");
}

#[test]
fn one_or_two_failures_are_not_statistics_unless_windows_after_it_are_no_better() {
    assert_eq!(letters("error-rate", [failing(3, 0, 1)]), "n");
    assert_eq!(letters("error-rate", [failing(3, 0, 2)]), "n");
    assert_eq!(letters("error-rate", [failing(5, 0, 3)]), "A");
    assert_eq!(letters("error-rate", [failing(3, 0, 1); 3]), "nnA");
    assert_eq!(letters("error-rate", [failing(3, 0, 2), failing(3, 0, 0), failing(3, 0, 2)]), "ncn");
}

#[test]
fn a_window_without_attempts_neither_adds_to_the_failures_nor_forgets_them() {
    let windows = [failing(0, 2, 2), failing(0, 0, 0), failing(0, 3, 3)];
    assert_eq!(letters("error-rate", windows), "nnA");
    let message = finding("error-rate", windows).message;
    assert_eq!(message, "error rate 100 %, limit 5 % (5 of 5 attempts failed in 30 s)");
}

#[test]
fn failures_of_requests_of_an_earlier_window_are_at_most_all() {
    assert_eq!(finding("error-rate", [failing(1, 0, 5)]).observed, Some(1.0));
}

pub(super) fn timed(latency: Option<WindowLatency>) -> CallWindow<'static> {
    CallWindow { latency, ..window() }
}

#[test]
fn a_p99_of_a_second_is_clean_and_more_is_not() {
    assert_eq!(letters("latency-p99", [timed(latency(500, 1_000, 12, 0))]), "c");
    assert_eq!(letters("latency-p99", [timed(latency(500, 1_001, 12, 3))]), "A");
    let found = finding("latency-p99", [timed(latency(2_010, 2_034, 12, 12))]);
    assert_eq!((found.observed, found.limit), (Some(2_034.0), Some(1_000.0)));
    assert_eq!(found.message, "p99 2.03 s, limit 1 s (12 of 12 requests in 10 s took longer)");
}

#[test]
fn one_or_two_slow_exchanges_in_a_window_of_few_are_no_finding() {
    let slow = |slow| timed(latency(100, 3_000, 50, slow));
    assert_eq!(letters("latency-p99", [slow(1)]), "n");
    assert_eq!(letters("latency-p99", [slow(2)]), "n");
    assert_eq!(letters("latency-p99", [slow(3)]), "A");
    assert_eq!(letters("latency-p99", [slow(2), timed(latency(100, 200, 50, 0)), slow(2)]), "ncn");
}

#[test]
fn a_client_that_waits_two_seconds_for_each_answer_is_found_in_windows_of_two_seconds() {
    let length = Span::from_seconds(2);
    let one = CallWindow { length, latency: latency(2_005, 2_005, 1, 1), ..window() };
    let none = CallWindow { length, ..window() };
    assert_eq!(letters("latency-p99", [one; 5]), "nnnnA");
    assert_eq!(letters("latency-p99", [none, one, none, one, one, one, one]), "nnnnnnA");
    let found = finding("latency-p99", [none, one, none, one, one, one, one]);
    assert_eq!(found.message, "p99 2 s, limit 1 s (5 of 5 requests in 12 s took longer)");
}

pub(super) fn judged(call: &ExpectedCall, latency: Option<WindowLatency>) -> CallWindow<'_> {
    CallWindow { standing: Standing::Expected(call), latency, ..window() }
}

#[test]
fn a_mean_above_the_limit_is_found_in_the_third_window_in_a_row() {
    let call = expected();
    // Of 10 000 exchanges, the standard error is 0.1 ms: the limit is the share, 12 ms.
    let below = judged(&call, latency(12, 30, 10_000, 0));
    let above = judged(&call, latency(13, 30, 10_000, 0));
    assert_eq!(letters("latency-mean", [below; 4]), "cccc");
    assert_eq!(letters("latency-mean", [above; 4]), "nnAA");
    assert_eq!(letters("latency-mean", [above, above, below, above, above, above, below]), "nncnnAc");
    let found = finding("latency-mean", [above; 4]);
    assert_eq!((found.observed, found.limit), (Some(13.0), Some(12.0)));
    let message = "mean 13 ms, baseline 10 ms, limit 12 ms, 4 windows in a row (10000 requests in the last 10 s)";
    assert_eq!(found.message, message);
}

#[test]
fn a_window_without_exchanges_neither_counts_nor_resets() {
    let call = expected();
    let (above, empty) = (judged(&call, latency(50, 60, 100, 0)), judged(&call, None));
    assert_eq!(letters("latency-mean", [above, empty, above, empty, above]), "nnnnA");
}

#[test]
fn the_fewer_exchanges_a_window_has_the_more_its_mean_must_differ() {
    let call = expected();
    // (samples, highest clean mean): 10 ms and three times 10 ms / sqrt(samples).
    for (samples, mean) in [(2, 31), (4, 25), (9, 20), (100, 13), (10_000, 12)] {
        let at = |mean| letters("latency-mean", [judged(&call, latency(mean, 2 * mean, samples, 0)); 3]);
        assert_eq!(at(mean - 1), "ccc", "{samples} samples, {mean} ms");
        assert_eq!(at(mean + 1), "nnA", "{samples} samples, {mean} ms");
    }
}

#[test]
fn a_baseline_of_few_or_widely_spread_exchanges_widens_the_margin() {
    let at = |call: &ExpectedCall, mean| letters("latency-mean", [judged(call, latency(mean, mean, 10_000, 0)); 3]);
    let few = ExpectedCall { samples: 9, ..expected() };
    assert_eq!((at(&few, 20), at(&few, 21)), ("ccc".into(), "nnA".into()));
    // Standard deviation 200 ms, so a margin of 6 ms for 10 000 exchanges.
    let spread = ExpectedCall { p99_ms: Some(476.0), samples: u64::MAX, ..expected() };
    assert_eq!((at(&spread, 15), at(&spread, 17)), ("ccc".into(), "nnA".into()));
}

#[test]
fn a_millisecond_more_is_never_told() {
    let call = ExpectedCall { mean_ms: Some(0.0), p99_ms: Some(0.0), ..expected() };
    assert_eq!(letters("latency-mean", [judged(&call, latency(1, 1, 10_000, 0)); 3]), "ccc");
    assert_eq!(letters("latency-mean", [judged(&call, latency(2, 2, 10_000, 0)); 3]), "nnA");
}

#[test]
fn a_mean_without_one_to_compare_it_with_is_held_to_an_absolute_limit() {
    let slow = latency(900, 900, 10_000, 0);
    let of = |call: &ExpectedCall| letters("latency-mean", [judged(call, slow); 3]);
    let alone = |mean| letters("latency-mean", [timed(latency(mean, mean, 10_000, 0)); 3]);
    assert_eq!((alone(500), alone(501)), ("ccc".into(), "nnA".into()));
    let found = finding("latency-mean", [timed(slow); 3]);
    let message = "mean 900 ms, limit 500 ms, 3 windows in a row (10000 requests in the last 10 s)";
    assert_eq!((found.limit, found.message.as_str()), (Some(500.0), message));
    assert_eq!(of(&ExpectedCall { mean_ms: None, ..expected() }), "nnA");
    assert_eq!(of(&ExpectedCall { p99_ms: None, ..expected() }), "nnA");
    assert_eq!(of(&ExpectedCall { samples: 0, ..expected() }), "nnA");
    assert_eq!(of(&ExpectedCall { p99_ms: Some(4.9), ..expected() }), "nnn", "the mean is that of rare exchanges");
    assert_eq!(of(&ExpectedCall { p99_ms: Some(5.0), ..expected() }), "nnA");
}

pub(super) fn counted(call: &ExpectedCall, requests: u64) -> CallWindow<'_> {
    CallWindow { standing: Standing::Expected(call), requests, ..window() }
}

#[test]
fn a_rate_that_differs_by_half_is_clean_and_one_that_differs_more_is_not() {
    let call = expected();
    let of = |requests| letters("call-rate", [counted(&call, requests); 2]);
    assert_eq!((of(99), of(100)), ("nA".into(), "cc".into()));
    assert_eq!((of(300), of(301)), ("cc".into(), "nA".into()));
    let found = finding("call-rate", [counted(&call, 310); 2]);
    assert_eq!((found.observed, found.limit), (Some(31.0), Some(30.0)));
    assert_eq!(found.message, "31 requests per second, baseline 20, limit 30 (310 requests in 10 s)");
}

#[test]
fn a_call_that_went_quiet_is_found_as_soon_as_its_silence_cannot_be_chance() {
    let call = expected();
    assert_eq!(letters("missing-call", [counted(&call, 0); 3]), "nAA");
    let found = finding("missing-call", [counted(&call, 0); 3]);
    assert_eq!((found.observed, found.limit), (Some(0.0), Some(20.0)));
    assert_eq!(found.message, "no request in 30 s, baseline 20 per second");
    assert_eq!(letters("call-rate", [counted(&call, 0); 9]), "nnnnnnnnn", "silence is told once");
    let rare = ExpectedCall { requests: 3_600, requests_per_second: 1.0, ..expected() };
    assert_eq!(letters("missing-call", [counted(&rare, 0); 2]), "nA");
    let rarer = ExpectedCall { requests: 36_000, requests_per_second: 0.1, ..expected() };
    assert_eq!(letters("missing-call", [counted(&rarer, 0); 15]), "nnnnnnnnnnnnnnA");
    assert_eq!(letters("missing-call", [counted(&call, 0), counted(&call, 0), counted(&call, 1)]), "nAc");
}

#[test]
fn a_rate_is_clean_only_after_so_long_that_silence_would_have_been_told() {
    let call = ExpectedCall { requests: 3_600, requests_per_second: 1.0, ..expected() };
    assert_eq!(letters("call-rate", [counted(&call, 10); 4]), "ncnc");
}

#[test]
fn a_verdict_on_the_rate_rests_on_the_windows_since_the_one_before() {
    let call = expected();
    assert_eq!(letters("call-rate", [counted(&call, 9), counted(&call, 9), counted(&call, 190)]), "nAc");
}

#[test]
fn a_deviation_that_chance_explains_is_no_finding_until_further_windows_confirm_it() {
    // 20 are expected in a window.
    let call = ExpectedCall { requests: 7_200, requests_per_second: 2.0, ..expected() };
    assert_eq!(letters("call-rate", [counted(&call, 9)]), "n");
    assert_eq!(letters("call-rate", [counted(&call, 9), counted(&call, 20)]), "nc");
    assert_eq!(letters("call-rate", [counted(&call, 40); 4]), "nnnA");
    assert_eq!(letters("call-rate", [counted(&call, 60); 2]), "nA");
}

#[test]
fn a_baseline_of_few_requests_proves_little() {
    let rates = |requests| ExpectedCall { requests, requests_per_second: 20.0, ..expected() };
    assert_eq!(letters("call-rate", [counted(&rates(20), 90); 2]), "cc", "collected long enough, and never certain");
    assert_eq!(letters("call-rate", [counted(&rates(20_000), 90); 2]), "nA");
    let once = ExpectedCall { requests: 1, requests_per_second: 0.1, ..expected() };
    assert!(!letters("missing-call", [counted(&once, 0); 1_000]).contains('A'));
}

#[test]
fn rates_are_not_judged_in_partial_windows_nor_in_lossy_ones_nor_right_after_them() {
    let call = expected();
    let few = counted(&call, 9);
    assert_eq!(letters("call-rate", [CallWindow { complete: false, ..few }, few, few]), "nnA");
    assert_eq!(letters("call-rate", [CallWindow { loss: true, ..few }, counted(&call, 500), few, few]), "nnnA");
    assert_eq!(letters("call-rate", [CallWindow { standing: Standing::Unexpected, ..few }; 2]), "nn");
    let silent = CallWindow { loss: true, ..counted(&call, 0) };
    assert_eq!(letters("missing-call", [silent; 9]), "nnnnnnnnn");
    let never = ExpectedCall { requests: 0, requests_per_second: 0.0, ..expected() };
    assert_eq!(letters("call-rate", [counted(&never, 1_000)]), "n");
}

#[test]
fn a_day_of_what_is_expected_is_told_by_nobody() {
    // Counts as a Poisson process has them, from a fixed seed; every rate is judged many times.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut uniform = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(state >> 32).unwrap()) / 4_294_967_296.0
    };
    let mut poisson = move |mean: f64| {
        let (mut count, mut passed) = (0_u64, 0.0);
        loop {
            passed -= (1.0 - uniform()).ln();
            if passed > mean {
                return count;
            }
            count += 1;
        }
    };
    for (rate, requests) in [(0.05, 180), (0.5, 1_800), (2.0, 7_200), (10.0, 36_000)] {
        let call = ExpectedCall { requests, requests_per_second: rate, ..expected() };
        let windows: Vec<_> = (0..8_640).map(|_| counted(&call, poisson(rate * 10.0))).collect();
        for kind in ["call-rate", "call-rate-drift", "missing-call"] {
            let said = letters(kind, windows.iter().copied());
            assert!(!said.contains('A'), "{kind} at {rate} per second");
            assert!(said.contains('c'), "{kind} at {rate} per second");
        }
    }
}

prop_compose! {
    fn any_span()(nanoseconds in prop_oneof![Just(0), Just(u64::MAX), any::<u64>(), 0..20_000_000_000_u64]) -> Span {
        Span(nanoseconds)
    }
}

prop_compose! {
    fn any_latency()(mean in any_span(), p99 in any_span(), (samples, slow) in any::<(u64, u64)>()) -> WindowLatency {
        WindowLatency { mean, p99, samples, slow }
    }
}

prop_compose! {
    fn any_window()(
        length in any_span(),
        (complete, loss, ever_answered) in any::<(bool, bool, bool)>(),
        (requests, failed_connections, errors) in prop_oneof![any::<(u64, u64, u64)>(), (0..400_u64, 0..9_u64, 0..9_u64)],
        latency in proptest::option::of(any_latency()),
        oldest_in_flight in proptest::option::of(any_span()),
    ) -> CallWindow<'static> {
        CallWindow {
            length, complete, loss, requests, failed_connections, errors, latency, oldest_in_flight, ever_answered,
            ..CallWindow::default()
        }
    }
}

proptest! {
    #[test]
    fn without_a_baseline_only_what_needs_none_is_found(windows in prop::collection::vec(any_window(), 1..8)) {
        for kind in ["unexpected-call", "missing-call", "call-rate", "call-rate-drift"] {
            prop_assert_eq!(letters(kind, windows.clone()), "n".repeat(windows.len()));
        }
    }

    #[test]
    fn equal_windows_are_judged_equally_and_figures_are_numbers(windows in prop::collection::vec(any_window(), 1..8)) {
        let call = expected();
        let standings = [Standing::Unjudged, Standing::Unexpected, Standing::Expected(&call)];
        for standing in standings {
            let (mut one, mut other) = (CallJudge::default(), CallJudge::default());
            for window in &windows {
                let window = CallWindow { standing, ..*window };
                let judgements = one.close_window(&window, &Limits::default());
                prop_assert_eq!(&judgements, &other.close_window(&window, &Limits::default()));
                for Judgement { verdict, .. } in judgements {
                    if let Verdict::Anomalous(finding) = verdict {
                        let figures = [finding.observed, finding.limit];
                        prop_assert!(figures.into_iter().flatten().all(f64::is_finite), "{:?}", finding);
                        prop_assert!(!finding.message.is_empty());
                    }
                }
            }
        }
    }

    #[test]
    fn judging_between_windows_changes_no_later_judgement(windows in prop::collection::vec(any_window(), 1..8)) {
        let (mut one, mut other) = (CallJudge::default(), CallJudge::default());
        for window in &windows {
            one.between_windows(window, &Limits::default());
            prop_assert_eq!(one.close_window(window, &Limits::default()), other.close_window(window, &Limits::default()));
        }
    }
}
