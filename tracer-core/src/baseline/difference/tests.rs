//! Tests of the difference: what counts as a change, what does not, and how it is written down.

use super::*;
use crate::baseline::Spread;
use crate::baseline::tests::{any_call, learned};
use proptest::prelude::*;

/// A call of 6,000 requests in 60 s, 10 ms each.
fn steady() -> ExpectedCall {
    ExpectedCall {
        requests: 6_000,
        requests_per_second: 100.0,
        mean_ms: Some(10.0),
        p99_ms: Some(20.0),
        error_rate: Some(0.0),
        samples: 6_000,
        rate_spread: Some(Spread { median: 1.0, mad: 0.02, samples: 6 }),
        mean_spread: Some(Spread { median: 10.0, mad: 0.1, samples: 6 }),
        ..learned().calls[0].clone()
    }
}

fn with(mut calls: Vec<ExpectedCall>) -> Baseline {
    calls.sort_by_cached_key(ExpectedCall::key);
    Baseline { calls, ..learned() }
}

fn difference(older: &Baseline, newer: &Baseline) -> Difference {
    Difference::of(("old.json", older), ("new.json", newer), true)
}

/// What has changed of a call, by name.
fn changed(before: ExpectedCall, after: ExpectedCall) -> Vec<&'static str> {
    let difference = difference(&with(vec![before]), &with(vec![after]));
    difference.changed.iter().flat_map(|it| it.changes.iter().map(|change| change.figure)).collect()
}

/// So many requests in 60 s.
fn rate(requests: u64) -> ExpectedCall {
    #[expect(clippy::cast_precision_loss, reason = "small")]
    ExpectedCall { requests, requests_per_second: requests as f64 / 60.0, ..steady() }
}

#[test]
fn a_rate_has_changed_if_neither_scatter_nor_chance_nor_a_day_explains_it() {
    assert_eq!(changed(steady(), rate(7_100)), [""; 0], "18 %: from one day to the next");
    assert_eq!(changed(steady(), rate(7_400)), ["requests_per_second"]);
    assert_eq!(changed(steady(), rate(4_800)), ["requests_per_second"]);
    assert_eq!(changed(steady(), rate(0)), ["requests_per_second"], "it fell silent");
    let few = |requests| ExpectedCall { rate_spread: None, ..rate(requests) };
    assert_eq!(changed(few(6), few(12)), [""; 0], "twice as many, by chance");
    assert_eq!(changed(few(60), few(180)), ["requests_per_second"]);
    let bursts =
        |requests| ExpectedCall { rate_spread: Some(Spread { median: 1.0, mad: 0.5, samples: 6 }), ..rate(requests) };
    assert_eq!(changed(bursts(6_000), bursts(12_000)), [""; 0], "its windows scatter by more than that");
}

#[test]
fn a_mean_has_changed_if_it_moved_by_more_than_its_windows_scatter_and_than_its_error() {
    let mean = |mean_ms, samples| ExpectedCall { mean_ms: Some(mean_ms), samples, ..steady() };
    assert_eq!(changed(steady(), mean(11.9, 6_000)), [""; 0]);
    assert_eq!(changed(steady(), mean(12.1, 6_000)), ["mean_ms"]);
    assert_eq!(changed(steady(), mean(15.0, 6)), [""; 0], "six exchanges say little");
    let wide = |mean_ms| ExpectedCall {
        mean_spread: Some(Spread { median: 10.0, mad: 1.0, samples: 6 }),
        ..mean(mean_ms, 6_000)
    };
    assert_eq!(changed(wide(10.0), wide(15.9)), [""; 0]);
    assert_eq!(changed(wide(10.0), wide(16.1)), ["mean_ms"]);
    let quick = |mean_ms| ExpectedCall { mean_ms: Some(mean_ms), p99_ms: Some(1.0), mean_spread: None, ..steady() };
    assert_eq!(changed(quick(0.1), quick(0.9)), [""; 0], "within a millisecond");
}

#[test]
fn a_99th_percentile_needs_a_thousand_exchanges_and_to_double() {
    let p99 = |p99, samples| ExpectedCall { p99_ms: Some(p99), samples, ..steady() };
    assert_eq!(changed(steady(), p99(39.0, 6_000)), [""; 0]);
    assert_eq!(changed(steady(), p99(41.0, 6_000)), ["p99_ms"]);
    assert_eq!(changed(steady(), p99(41.0, 999)), [""; 0]);
}

#[test]
fn an_error_rate_needs_a_point_of_a_hundred_and_more_errors_than_chance_makes() {
    let errors = |rate, requests| ExpectedCall {
        requests,
        error_rate: Some(rate),
        rate_spread: None,
        requests_per_second: 100.0,
        ..steady()
    };
    assert_eq!(changed(errors(0.0, 6_000), errors(0.009, 6_000)), [""; 0]);
    assert_eq!(changed(errors(0.0, 6_000), errors(0.011, 6_000)), ["error_rate"]);
    assert_eq!(changed(errors(0.0, 30), errors(0.1, 30)), [""; 0], "three of thirty");
    assert_eq!(changed(errors(1.0, 6_000), errors(0.5, 6_000)), ["error_rate"]);
}

#[test]
fn what_only_one_of_the_two_saw_has_not_changed() {
    let blank = ExpectedCall {
        protocol: None,
        mean_ms: None,
        p99_ms: None,
        error_rate: None,
        rate_spread: None,
        mean_spread: None,
        operations: None,
        ..steady()
    };
    assert_eq!(changed(steady(), blank.clone()), [""; 0]);
    assert_eq!(changed(blank, steady()), [""; 0]);
}

#[test]
fn protocol_and_operations_have_changed_whatever_the_figures_say() {
    let names = |names: &[&str]| Some(names.iter().map(ToString::to_string).collect());
    let before = ExpectedCall { operations: names(&["GET /a", "GET /b"]), ..steady() };
    let after = ExpectedCall { operations: names(&["GET /b", "GET /c"]), protocol: Some("h2".into()), ..steady() };
    let difference = difference(&with(vec![before]), &with(vec![after]));
    let [protocol, operations] = difference.changed[0].changes.as_slice() else { panic!("two") };
    assert_eq!((protocol.figure, &protocol.after), ("protocol", &Value::Protocol("h2".into())));
    assert_eq!(operations.before, Value::Operations(vec!["GET /a".into()]));
    assert_eq!(operations.after, Value::Operations(vec!["GET /c".into()]));
}

#[test]
fn a_call_that_only_moved_to_another_port_has_changed_and_two_of_them_are_new_and_gone() {
    let port = |port: u16| ExpectedCall { port: port.into(), ..steady() };
    assert_eq!(changed(port(5432), port(5433)), ["port"]);
    let difference = difference(&with(vec![port(1), port(2)]), &with(vec![port(3), port(4)]));
    assert_eq!((difference.new.len(), difference.gone.len(), difference.changed.len()), (2, 2, 0));
}

#[test]
fn a_short_run_is_compared_with_the_hour_in_which_it_was_made() {
    let rhythm = serde_json::from_str(&format!("[{}{}]", "0.5,".repeat(12), ["1.5"; 12].join(","))).unwrap();
    let day = with(vec![ExpectedCall { rhythm: Some(rhythm), requests: 8_640_000, ..steady() }]);
    let learned_at = |hour: u8| Learned {
        from: format!("2025-01-01T{hour:02}:00:00Z"),
        until: format!("2025-01-01T{hour:02}:30:00Z"),
        ..learned().learned
    };
    let run = |hour, rate: f64, requests| Baseline {
        learned: learned_at(hour),
        calls: vec![ExpectedCall { requests_per_second: rate, requests, ..steady() }],
        ..learned()
    };
    assert!(difference(&day, &run(18, 150.0, 270_000)).is_empty());
    assert!(!difference(&day, &run(6, 150.0, 270_000)).is_empty());
    assert!(difference(&run(6, 50.0, 90_000), &day).is_empty());
}

#[test]
fn entries_are_compared_where_there_can_be_some() {
    let entry = Entry { port: Some(1.into()), ..Entry::default() };
    let with_entry = Baseline { allow: vec![entry.clone()], ..learned() };
    assert_eq!(difference(&learned(), &with_entry).allow.new.as_slice(), std::slice::from_ref(&entry));
    assert_eq!(difference(&with_entry, &learned()).allow.gone, [entry]);
    assert!(Difference::of(("a", &with_entry), ("b", &learned()), false).is_empty());
}

/// One of each.
fn sample() -> Difference {
    let port = |port: u16| ExpectedCall { port: port.into(), ..steady() };
    let slower = ExpectedCall { mean_ms: Some(30.0), protocol: Some("h2".into()), ..port(1) };
    let other = |to: &str| ExpectedCall { to: to.into(), ..port(3) };
    let newer = Baseline {
        deny: vec![Entry { port: Some(23.into()), ..Entry::default() }],
        ..with(vec![other("peer:10.0.0.9"), slower, port(9)])
    };
    difference(&with(vec![port(1), port(9), other("program:old")]), &newer)
}

#[test]
fn the_text_has_a_line_for_each_and_says_what_moved_and_how_far_it_could() {
    let text = text(&sample(), Paint::Plain);
    let expected = "\
before  old.json  shop, 2025-01-01T00:00:00.000Z – 2025-01-01T00:01:00.000Z, 60.0 s
after   new.json  shop, 2025-01-01T00:00:00.000Z – 2025-01-01T00:01:00.000Z, 60.0 s

+ program:nginx -> peer:10.0.0.9 port 3/tcp  100 req/s, mean 10.0 ms
- program:nginx -> program:old port 3/tcp    100 req/s, mean 10.0 ms
~ program:nginx -> program:php port 1/tcp
      protocol    http/1.1 → h2
      mean        10.0 → 30.0 ms  (may differ by 2.00 ms)
+ deny   {\"port\":23}

1 new, 1 gone, 1 changed, 1 entry of allow and deny; 1 call is as it was
";
    assert_eq!(text, expected);
    let coloured = super::text(&sample(), Paint::Coloured);
    assert!(coloured.contains("\x1b[32m+ program:nginx") && coloured.contains("\x1b[31m- program:nginx"));
    let plain =
        ["\x1b[32m", "\x1b[31m", "\x1b[33m", "\x1b[0m"].iter().fold(coloured, |text, code| text.replace(code, ""));
    assert_eq!(plain, expected);
}

#[test]
fn the_chart_has_new_calls_green_gone_ones_red_and_dashed_and_changed_ones_amber() {
    let expected = "\
---
title: \"old.json → new.json\"
---
graph LR
    n0(\"10.0.0.9\")
    n1(\"nginx\")
    n2(\"old\")
    n3(\"php\")
    n1 -- \"new :3\" --> n0
    n1 -. \"gone :3\" .-> n2
    n1 -- \"changed :1<br/>http/1.1 #8594; h2<br/>mean 10.0 #8594; 30.0 ms\" --> n3
    linkStyle 0 stroke:#1a7f37,color:#1a7f37,stroke-width:2px
    linkStyle 1 stroke:#cf222e,color:#cf222e,stroke-width:2px,stroke-dasharray:5 4
    linkStyle 2 stroke:#bf8700,color:#bf8700,stroke-width:2px
";
    assert_eq!(mermaid(&sample()), expected);
}

#[test]
fn no_name_breaks_a_line_or_reaches_the_terminal() {
    let hostile =
        ExpectedCall { from: "program:\x1b[2J\n\u{202e}\"]; x".into(), protocol: Some("\x07".into()), ..steady() };
    let renamed = ExpectedCall { protocol: Some("\x1b".into()), ..hostile.clone() };
    let difference = difference(&with(vec![hostile]), &with(vec![renamed]));
    for text in [text(&difference, Paint::Plain), json(&difference), mermaid(&difference)] {
        assert!(!text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{text:?}");
    }
    let read: serde_json::Value = serde_json::from_str(&json(&difference)).unwrap();
    assert_eq!(read["changed"][0]["before"]["from"], "program:\x1b[2J\n\u{202e}\"]; x");
}

proptest! {
    #[test]
    fn a_baseline_does_not_differ_from_itself(calls in prop::collection::vec(any_call(), 0..6)) {
        let calls: std::collections::BTreeMap<_, _> = calls.into_iter().map(|call| (call.key(), call)).collect();
        let baseline = with(calls.into_values().collect());
        let difference = difference(&baseline, &baseline);
        prop_assert!(difference.is_empty());
        prop_assert_eq!(difference.same, baseline.calls().len());
    }

    #[test]
    fn turned_round_the_same_calls_have_changed_and_new_is_gone(
        pairs in prop::collection::vec((any_call(), any_call(), 0_u8..4), 0..6),
    ) {
        let (mut one, mut two) = (std::collections::BTreeMap::new(), std::collections::BTreeMap::new());
        for (place, (mut before, mut after, which)) in pairs.into_iter().enumerate() {
            for call in [&mut before, &mut after] {
                call.requests %= 1_000_000;
                call.requests_per_second %= 1e6;
                call.samples %= 1_000_000;
            }
            let port = u16::try_from(place).unwrap();
            let to = |call: ExpectedCall| ExpectedCall { from: "a".into(), to: format!("b{port}"), port: port.into(), transport: "tcp".into(), ..call };
            let (before, after) = (to(before), to(after));
            if which != 0 { one.insert(before.key(), before); }
            if which != 1 { two.insert(after.key(), after); }
        }
        let (one, two) = (with(one.into_values().collect()), with(two.into_values().collect()));
        let (there, back) = (difference(&one, &two), difference(&two, &one));
        prop_assert_eq!((&there.new, &there.gone), (&back.gone, &back.new));
        let figures = |it: &Difference| -> Vec<_> {
            it.changed.iter().map(|it| (it.before.key(), it.changes.iter().map(|change| change.figure).collect::<Vec<_>>())).collect()
        };
        prop_assert_eq!(figures(&there), figures(&back));
    }
}
