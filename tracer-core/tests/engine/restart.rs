//! Alerts over a restart of the tracer: what fired goes on, is not told again, and ends when it is over.
//!
//! Invariant: what the second run knows of the first is what `memory` kept. Memory: two runs.

use crate::learned;
use crate::run::{Run, TIMING, client, server};
use tracer_core::Input;
use tracer_core::alert::AlertState::{Firing, Resolved};
use tracer_core::alert::memory;
use tracer_core::input::Fired;
use tracer_core::sim;
use tracer_core::time::{Span, Wall};

fn other() -> tracer_common::ProcessId {
    sim::process(30)
}

/// A run that is told what fired at the end of another, by way of the file.
fn after(before: &Run, baseline: Option<tracer_core::baseline::Baseline>) -> Run {
    let alerts: Vec<_> = before.engine.firing_alerts().collect();
    let file = memory::write(&alerts, Wall(0));
    let read = memory::read(file.as_bytes()).unwrap();
    assert_eq!((read.alerts.as_slice(), read.lost), (alerts.as_slice(), 0));
    let mut run = Run::new(baseline);
    run.give(read.alerts.into_iter().map(|alert| Input::Fired(Box::new(Fired(alert)))).collect());
    run
}

/// A run in which an unexpected call was made, and a request of the expected one hangs.
fn troubled() -> Run {
    let mut run = Run::new(Some(learned()));
    let mut expected = run.open(client(), server());
    for _ in 0..20 {
        run.exchange(&mut expected, TIMING);
        run.pass(Span::from_millis(100));
    }
    let mut unexpected = run.open(other(), server());
    run.exchange(&mut unexpected, TIMING);
    run.pass(Span::from_seconds(60));
    assert_eq!(run.alerts("unexpected-call"), [Firing]);
    assert_eq!(run.alerts("missing-call"), [Firing]);
    run
}

#[test]
fn nothing_fires_anew_that_was_firing_and_what_is_over_is_told_once() {
    let before = troubled();
    let mut run = after(&before, Some(learned()));
    let mut unexpected = run.open(other(), server());
    for _ in 0..100 {
        run.exchange(&mut unexpected, TIMING);
        run.pass(Span::from_millis(500));
    }
    assert_eq!(run.alerts("unexpected-call"), [], "it fires since before the start");
    assert_eq!(run.alerts("missing-call"), [], "still missing");
    assert_eq!(run.engine.firing(), 2);
    let graph = run.graph();
    assert_eq!(graph.calls[0].anomalies[0].kind, "unexpected-call", "the graph says that it fires");

    let mut expected = run.open(client(), server());
    for _ in 0..40 {
        run.exchange(&mut expected, TIMING);
        run.pass(Span::from_millis(100));
    }
    assert_eq!(run.alerts("missing-call"), [Resolved]);
    assert_eq!(run.engine.firing(), 1);
}

#[test]
fn an_alert_that_went_on_keeps_its_beginning_and_counts_on() {
    let before = troubled();
    let counted = |run: &Run| {
        let alerts: Vec<_> = run.engine.firing_alerts().collect();
        alerts.into_iter().find(|alert| alert.kind == "missing-call").map(|alert| (alert.since, alert.count)).unwrap()
    };
    let (since, count) = counted(&before);
    let mut run = after(&before, Some(learned()));
    run.pass(Span::from_seconds(60));
    let (still, counted_on) = counted(&run);
    assert!(still == since && counted_on > count, "{still} {counted_on}");
}

#[test]
fn a_call_that_was_approved_meanwhile_is_resolved_though_nobody_makes_it() {
    let before = troubled();
    let mut approved = Run::new(None);
    let mut call = approved.open(other(), server());
    approved.exchange(&mut call, TIMING);
    approved.pass(Span::from_seconds(10));
    let baseline = tracer_core::baseline::Baseline::learn(&approved.graph()).unwrap();
    let mut run = after(&before, Some(baseline));
    run.pass(Span::from_seconds(1));
    assert_eq!(run.alerts("unexpected-call"), [], "no whole window has been seen yet");
    run.pass(Span::from_seconds(10));
    assert_eq!(run.alerts("unexpected-call"), [Resolved]);
}

#[test]
fn a_tape_of_the_run_after_a_restart_replays_to_the_same_alerts() {
    let mut run = after(&troubled(), Some(learned()));
    let mut unexpected = run.open(other(), server());
    run.exchange(&mut unexpected, TIMING);
    run.pass(Span::from_seconds(20));
    let header = tracer_core::tape::TapeHeader::new("0", "host", "kernel", crate::run::WINDOW, Wall(0));
    let mut tape = tracer_core::tape::Writer::header(&header).unwrap();
    run.inputs.iter().for_each(|input| tracer_core::tape::Writer::frame(input, &mut tape).unwrap());
    let (mut reader, mut rest, mut inputs) = (tracer_core::tape::Reader::default(), tape.as_slice(), Vec::new());
    while !rest.is_empty() {
        rest = reader.feed(rest);
        while let Some(input) = reader.next_input().unwrap() {
            inputs.push(input);
        }
    }
    assert_eq!(inputs, run.inputs);
    assert!(inputs.iter().any(|input| matches!(input, Input::Fired(_))));
    let mut again = tracer_core::Engine::new(tracer_core::engine::Config {
        window: crate::run::WINDOW,
        baseline: Some(learned()),
        ..tracer_core::engine::Config::default()
    });
    let mut outputs = Vec::new();
    inputs.iter().for_each(|input| again.handle(input, &mut outputs));
    assert_eq!(outputs, run.outputs);
}
