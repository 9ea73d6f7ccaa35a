//! The simulated day: everything that goes wrong is found in time, and nothing else is told.
//!
//! Invariant: the baseline is learned on a day of another seed, through the same path. Memory: one window of inputs.

#![expect(clippy::unwrap_used, reason = "a test ends by panicking")]

use std::sync::OnceLock;
use tracer_core::alert::{Alert, AlertBook, AlertState, Transition};
use tracer_core::baseline::{Baseline, CallKey};
use tracer_core::detect::{CallJudge, Limits};
use tracer_core::engine::Config;
use tracer_core::sim::day::pressure::{self, squeezes};
use tracer_core::sim::day::{DAY, Day, Deviation, WINDOW, date, plan};
use tracer_core::tape::{Reader, TapeHeader, Writer};
use tracer_core::time::Span;
use tracer_core::{Engine, Output};

const DEVIATIONS: u64 = 50;
const YESTERDAY: u64 = 1_000;

/// Runs a day, or its beginning, through an engine, window by window.
fn run(engine: &mut Engine, seed: u64, plan: &[Deviation], until: Span, mut each: impl FnMut(&Output)) {
    let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
    let mut day = Day::begin(seed, plan.to_vec(), &mut inputs);
    for _ in 0..=until.0 / WINDOW.0 {
        for input in inputs.drain(..) {
            engine.handle(&input, &mut outputs);
        }
        outputs.drain(..).for_each(|output| each(&output));
        day.window(&mut inputs);
    }
}

fn config() -> Config {
    Config { window: WINDOW, ..Config::default() }
}

/// What was learned on the day before, on which nothing went wrong.
fn baseline() -> &'static Baseline {
    static LEARNED: OnceLock<Baseline> = OnceLock::new();
    LEARNED.get_or_init(|| {
        let mut engine = Engine::new(Config { learn: true, ..config() });
        run(&mut engine, YESTERDAY, &[], DAY, |_| {});
        let learned = engine.learned().unwrap();
        // Through the file, as an operator would.
        Baseline::parse(learned.render().as_bytes()).unwrap()
    })
}

fn alerts(baseline: Baseline, seed: u64, plan: &[Deviation], until: Span) -> Vec<Alert> {
    let mut engine = Engine::new(Config { baseline: Some(baseline), ..config() });
    let mut alerts = Vec::new();
    run(&mut engine, seed, plan, until, |output| {
        if let Output::Alert(alert) = output {
            alerts.push((**alert).clone());
        }
    });
    alerts
}

fn call(alert: &Alert) -> CallKey {
    let Alert { from, to, port, .. } = alert.clone();
    CallKey { from, to, port, transport: "tcp".to_owned() }
}

/// The end of the third whole window after a deviation began.
fn in_time(bad: &Deviation) -> String {
    let first_whole = bad.begin.0.div_ceil(WINDOW.0) * WINDOW.0;
    date(Span(first_whole + 3 * WINDOW.0)).rfc3339()
}

/// Every deviation is found in time, and at most one alert is explained by none.
fn judge(seed: u64) {
    let plan = plan(seed, DEVIATIONS);
    let alerts = alerts(baseline().clone(), seed, &plan, DAY);
    let firing: Vec<&Alert> = alerts.iter().filter(|alert| alert.state == AlertState::Firing).collect();
    let tells = |bad: &Deviation, alert: &Alert| {
        let began = date(bad.begin).rfc3339();
        alert.kind == bad.kind.alert()
            && call(alert) == bad.kind.call()
            && alert.at >= began
            && alert.at <= in_time(bad)
    };
    let missed: Vec<String> = plan
        .iter()
        .filter(|bad| !firing.iter().any(|alert| tells(bad, alert)))
        .map(|bad| format!("{} {:?} {}", date(bad.begin).rfc3339(), bad.kind, bad.kind.call()))
        .collect();
    let explains = |bad: &Deviation, alert: &Alert| {
        let (began, over) = (date(bad.begin).rfc3339(), date(Span(bad.end.0 + 3 * WINDOW.0)).rfc3339());
        alert.at >= began && alert.at <= over && bad.kind.explains(&call(alert))
    };
    let unexplained: Vec<String> = firing
        .iter()
        .filter(|alert| !plan.iter().any(|bad| explains(bad, alert)))
        .map(|alert| format!("{} {} {} → {}: {}", alert.at, alert.kind, alert.from, alert.to, alert.message))
        .collect();
    assert!(missed.is_empty(), "not found in time:\n{}", missed.join("\n"));
    assert!(unexplained.len() <= 1, "false alerts:\n{}", unexplained.join("\n"));
}

// One test for each seed, so that they run side by side.

#[test]
fn fifty_deviations_of_a_day_are_found_within_three_windows_and_at_most_one_alert_is_false() {
    judge(1);
}

#[test]
fn fifty_deviations_of_another_day_are_found_within_three_windows_and_at_most_one_alert_is_false() {
    judge(2);
}

#[test]
fn fifty_deviations_of_a_third_day_are_found_within_three_windows_and_at_most_one_alert_is_false() {
    judge(3);
}

#[test]
fn the_tape_of_a_day_gives_the_same_alerts_as_the_day_every_time() {
    let until = Span::from_seconds(3 * 3_600);
    let plan = plan(4, DEVIATIONS);
    let live = alerts(baseline().clone(), 4, &plan, until);
    assert!(live.len() > 6, "{}", live.len());

    let header = TapeHeader::new("0", "shop", "simulated", WINDOW, date(Span::ZERO));
    let mut tape = Writer::header(&header).unwrap();
    let mut inputs = Vec::new();
    let mut day = Day::begin(4, plan, &mut inputs);
    (0..until.0 / WINDOW.0).for_each(|_| assert!(day.window(&mut inputs)));
    inputs.iter().for_each(|input| Writer::frame(input, &mut tape).unwrap());
    for _ in 0..2 {
        let mut engine = Engine::new(Config { baseline: Some(baseline().clone()), ..config() });
        let (mut reader, mut outputs, mut rest) = (Reader::default(), Vec::new(), tape.as_slice());
        while !rest.is_empty() {
            rest = reader.feed(rest);
            while let Some(input) = reader.next_input().unwrap() {
                engine.handle(&input, &mut outputs);
            }
        }
        let told = outputs.iter().filter_map(|output| match output {
            Output::Alert(alert) => Some(&**alert),
            _ => None,
        });
        assert!(told.eq(live.iter()));
    }
}

#[test]
fn without_the_rhythm_of_the_day_the_same_day_would_be_full_of_false_alerts() {
    let mut file: serde_json::Value = serde_json::from_str(&baseline().render()).unwrap();
    for call in file["calls"].as_array_mut().unwrap() {
        assert!(call.as_object_mut().unwrap().remove("rhythm").is_some());
    }
    let flat = Baseline::parse(file.to_string().as_bytes()).unwrap();
    let until = Span::from_seconds(2 * 3_600);
    assert!(alerts(flat, 77, &[], until).len() >= 15, "one for each call but the rarest");
}

#[test]
fn full_pools_and_full_accept_queues_of_a_day_are_found_within_three_windows_and_nothing_else() {
    for seed in 1..=5 {
        let plan = squeezes(seed, 24);
        let (mut judge, mut book, mut told) = (CallJudge::default(), AlertBook::default(), Vec::new());
        let key = CallKey { from: "a".into(), to: "b".into(), port: 1.into(), transport: "tcp".into() };
        for (end, window) in pressure::windows(seed, &plan) {
            for transition in book.enter(&key, judge.close_window(&window, &Limits::default())) {
                if let Transition::Firing(anomaly) = transition {
                    told.push((end, anomaly.kind));
                }
            }
        }
        assert_eq!(told.len(), plan.len(), "seed {seed}: {told:?}");
        for (bad, (at, kind)) in plan.iter().zip(&told) {
            let first_whole = bad.begin.0.div_ceil(WINDOW.0) * WINDOW.0;
            assert_eq!(kind, bad.kind.alert(), "seed {seed}");
            assert!(*at > bad.begin && at.0 <= first_whole + 3 * WINDOW.0, "seed {seed}: {bad:?} told at {at:?}");
        }
    }
}

#[test]
fn every_kind_that_records_tell_of_occurs_and_deviations_do_not_overlap() {
    for seed in 1..=20 {
        let plan = plan(seed, DEVIATIONS);
        let kinds: std::collections::BTreeSet<_> = plan.iter().map(|bad| bad.kind.alert()).collect();
        assert_eq!((plan.len(), kinds.len()), (50, 9));
        assert!(plan.windows(2).all(|pair| pair[0].end.0 + 12 * WINDOW.0 < pair[1].begin.0));
        assert!(plan.iter().all(|bad| bad.begin < bad.end && bad.end < DAY));
    }
}

#[test]
fn a_morning_of_another_seed_without_deviations_raises_no_alert() {
    let alerts = alerts(baseline().clone(), 77, &[], Span::from_seconds(9 * 3_600));
    let told: Vec<String> = alerts.iter().map(|alert| format!("{} {}", alert.at, alert.message)).collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
}
