//! Tests of merging: what is combined how, and the laws that hold whatever is merged.

use super::*;
use crate::baseline::tests::{any_call, learned};
use crate::identity::Port;
use proptest::prelude::*;

/// A run of `seconds` on a host, with these calls.
fn run(host: &str, seconds: f64, calls: Vec<ExpectedCall>) -> Baseline {
    let base = learned();
    let calls: BTreeMap<CallKey, ExpectedCall> = calls.into_iter().map(|call| (call.key(), call)).collect();
    let learned = Learned { host: host.into(), seconds, calls_left_out: 1, ..base.learned.clone() };
    Baseline { learned, calls: calls.into_values().collect(), ..base }
}

fn call(port: u16) -> ExpectedCall {
    ExpectedCall { port: port.into(), rate_spread: None, ..learned().calls[0].clone() }
}

#[test]
fn figures_of_a_call_in_two_runs_are_weighted_by_what_they_rest_on() {
    let one = ExpectedCall {
        requests: 600,
        requests_per_second: 10.0,
        mean_ms: Some(1.0),
        p99_ms: Some(4.0),
        error_rate: Some(0.0),
        samples: 600,
        ..call(1)
    };
    let other = ExpectedCall {
        requests: 1_200,
        requests_per_second: 40.0,
        mean_ms: Some(4.0),
        p99_ms: Some(10.0),
        error_rate: Some(0.03),
        samples: 1_200,
        ..call(1)
    };
    let merged = merge(&[run("a", 60.0, vec![one]), run("b", 30.0, vec![other])]).unwrap();
    let [call] = merged.calls() else { panic!("one call") };
    // 1,800 requests in 90 s; latencies by a third and two thirds.
    assert_eq!((call.requests, call.requests_per_second, call.samples), (1_800, 20.0, 1_800));
    assert_eq!((call.mean_ms, call.p99_ms, call.error_rate), (Some(3.0), Some(8.0), Some(0.02)));
    let learned = merged.learned();
    assert_eq!((learned.host.as_str(), learned.seconds, learned.calls_left_out), ("a, b", 90.0, 2));
}

#[test]
fn a_call_of_one_run_alone_keeps_its_figures() {
    let merged = merge(&[run("a", 60.0, vec![call(1), call(2)]), run("b", 30.0, vec![call(3)])]).unwrap();
    assert_eq!(merged.calls(), [call(1), call(2), call(3)]);
}

#[test]
fn the_scatter_holds_that_within_the_runs_and_that_between_them() {
    let of = |median, mad, samples| Some(Spread { median, mad, samples });
    let with = |mean_spread| ExpectedCall { mean_spread, ..call(1) };
    let merged = |one, other| {
        let merged = merge(&[run("a", 60.0, vec![with(one)]), run("b", 60.0, vec![with(other)])]).unwrap();
        merged.calls()[0].mean_spread
    };
    assert_eq!(merged(of(5.0, 1.0, 6), of(5.0, 1.0, 6)), of(5.0, 1.0, 12), "alike");
    assert_eq!(merged(of(5.0, 1.0, 6), None), of(5.0, 1.0, 6), "only one knows");
    let apart = merged(of(4.0, 0.0, 6), of(8.0, 0.0, 6)).unwrap();
    assert_eq!((apart.median, apart.samples), (6.0, 12));
    assert!((apart.mad * MAD_DEVIATIONS - 2.0).abs() < 1e-5, "{apart:?}");
}

#[test]
fn operations_are_united_and_one_that_lists_none_expects_all() {
    let with = |names: Option<&[&str]>| ExpectedCall {
        operations: names.map(|names| names.iter().map(ToString::to_string).collect()),
        ..call(1)
    };
    let merged = |one, other| {
        let merged = merge(&[run("a", 60.0, vec![with(one)]), run("b", 60.0, vec![with(other)])]).unwrap();
        merged.calls()[0].operations.clone().map(|names| names.into_iter().collect::<Vec<_>>())
    };
    assert_eq!(merged(Some(&["GET /a"]), Some(&["GET /b"])), Some(vec!["GET /a".to_owned(), "GET /b".to_owned()]));
    assert_eq!(merged(Some(&["GET /a"]), None), None);
}

#[test]
fn entries_are_united_and_the_same_run_with_other_entries_is_counted_once() {
    let plain = run("a", 60.0, vec![call(1)]);
    let entry = |port: u16| Entry { port: Some(port.into()), ..Entry::default() };
    let approved = Baseline { allow: vec![entry(7), entry(5)], deny: vec![entry(23)], ..plain.clone() };
    let other = Baseline { allow: vec![entry(5)], ..run("b", 60.0, vec![call(2)]) };
    let merged = merge(&[plain.clone(), approved.clone(), other]).unwrap();
    assert_eq!((merged.allow(), merged.deny()), ([entry(5), entry(7)].as_slice(), [entry(23)].as_slice()));
    assert_eq!((merged.calls(), merged.learned.seconds), ([call(1), call(2)].as_slice(), 120.0));
    assert_eq!(merge(&[plain, approved]).unwrap().calls(), [call(1)]);
}

#[test]
fn what_is_too_large_or_nothing_is_an_error() {
    assert_eq!(merge(&[]), Err(MergeError::Nothing));
    let entries = |ports: std::ops::Range<u16>| {
        let allow = ports.map(|port| Entry { port: Some(port.into()), ..Entry::default() }).collect();
        Baseline { allow, ..run("a", 60.0, vec![call(1)]) }
    };
    let error = merge(&[entries(0..200), entries(100..300)]).unwrap_err();
    assert_eq!(error, MergeError::TooManyEntries { list: "allow", entries: 300 });
    let many = |host: &str| {
        let calls = (0..10_000).map(|n| ExpectedCall { to: format!("peer:{host}{n}"), ..call(1) });
        run(host, 60.0, calls.collect())
    };
    assert_eq!(merge(&[many("a"), many("b")]), Err(MergeError::TooManyCalls { calls: 20_000 }));
}

prop_compose! {
    /// Runs whose calls meet: few services and ports, any figures.
    fn any_run()(
        host in "[ab]",
        seconds in 1.0..1e6,
        calls in prop::collection::vec((any_call(), "[xy]", 0_u16..3), 0..5),
        spreads in prop::collection::vec((0.0..1e6, 0.0..1e6, 1_u64..1_000), 5),
        ports in prop::collection::vec(0_u16..4, 0..4),
    ) -> Baseline {
        let calls = calls.into_iter().zip(spreads).map(|((call, to, port), (median, mad, samples))| ExpectedCall {
            from: "program:a".into(),
            to,
            port: Port::from(port),
            transport: "tcp".into(),
            requests: call.requests % 1_000_000,
            samples: call.samples % 1_000_000,
            requests_per_second: call.requests_per_second % 1e6,
            mean_spread: Some(Spread { median, mad, samples }),
            ..call
        });
        let allow: BTreeMap<u16, Entry> =
            ports.into_iter().map(|port| (port, Entry { port: Some(port.into()), ..Entry::default() })).collect();
        Baseline { allow: allow.into_values().collect(), ..run(&host, seconds, calls.collect()) }
    }
}

/// Figures of a merge, without what only rounding tells apart.
fn close(one: Option<f64>, other: Option<f64>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => (one - other).abs() <= 1e-4 * one.abs().max(other.abs()) + 1e-5,
        (one, other) => one.is_none() && other.is_none(),
    }
}

proptest! {
    #[test]
    fn a_merge_with_itself_changes_nothing(one in any_run()) {
        prop_assert_eq!(merge(&[one.clone(), one.clone()]), Ok(one.clone()));
        prop_assert_eq!(merge(std::slice::from_ref(&one)), Ok(one));
    }

    #[test]
    fn the_order_makes_no_difference_to_any_byte(
        (runs, shuffled) in prop::collection::vec(any_run(), 1..5).prop_flat_map(|runs| (Just(runs.clone()), Just(runs).prop_shuffle())),
    ) {
        prop_assert_eq!(merge(&runs).unwrap().render(), merge(&shuffled).unwrap().render());
    }

    #[test]
    fn what_is_merged_is_a_file_that_can_be_read_and_lists_all_and_nothing_else(runs in prop::collection::vec(any_run(), 1..5)) {
        let merged = merge(&runs).unwrap();
        prop_assert_eq!(Baseline::parse(merged.render().as_bytes()), Ok(merged.clone()));
        let keys: BTreeSet<CallKey> = runs.iter().flat_map(|run| run.calls.iter().map(ExpectedCall::key)).collect();
        prop_assert_eq!(merged.calls().iter().map(ExpectedCall::key).collect::<BTreeSet<_>>(), keys);
        prop_assert!(runs.iter().flat_map(|run| &run.allow).all(|entry| merged.allow().contains(entry)));
    }

    #[test]
    fn a_figure_lies_between_those_it_was_made_of(runs in prop::collection::vec(any_run(), 1..5)) {
        let merged = merge(&runs).unwrap();
        for call in merged.calls() {
            let parts: Vec<_> = runs.iter().filter_map(|run| run.expectation(&call.key())).collect();
            for of in [
                (|call| call.mean_ms) as fn(&ExpectedCall) -> Option<f64>,
                |call| call.p99_ms,
                |call| call.error_rate,
                |call| Some(call.requests_per_second),
            ] {
                let known: Vec<f64> = parts.iter().filter_map(|part| of(part)).collect();
                let Some(figure) = of(call) else { prop_assert!(known.is_empty()); continue };
                let (least, most) = (known.iter().copied().reduce(f64::min).unwrap(), known.iter().copied().reduce(f64::max).unwrap());
                prop_assert!(figure >= least - 1e-6 && figure <= most + 1e-6, "{figure} of {known:?}");
            }
        }
    }

    #[test]
    fn to_merge_in_steps_gives_the_same_latencies_but_for_rounding(one in any_run(), two in any_run(), three in any_run()) {
        let at_once = merge(&[one.clone(), two.clone(), three.clone()]).unwrap();
        let in_steps = merge(&[merge(&[one.clone(), two.clone()]).unwrap(), three.clone()]).unwrap();
        prop_assert!(close(Some(at_once.learned().seconds), Some(in_steps.learned().seconds)));
        for (call, other) in at_once.calls().iter().zip(in_steps.calls()) {
            prop_assert_eq!((call.requests, call.samples, call.key()), (other.requests, other.samples, other.key()));
            // A part without a figure weighs nothing at once, but its samples count in the step.
            let parts = [&one, &two, &three].map(|run| run.expectation(&call.key()));
            if parts.iter().flatten().all(|part| part.mean_ms.is_some() && part.samples > 0) {
                prop_assert!(close(call.mean_ms, other.mean_ms), "{:?} {:?}", call.mean_ms, other.mean_ms);
            }
        }
    }
}
