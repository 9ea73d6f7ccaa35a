//! What calls are held to, what is judged without a call, and what windows teach.
//!
//! Invariant: inputs come from `sim` alone. Memory: one run.

use crate::run::{Run, TIMING, client, server};
use tracer_core::Input;
use tracer_core::alert::AlertState;
use tracer_core::baseline::Baseline;
use tracer_core::graph::snapshot::Anomaly;
use tracer_core::input::Settings;
use tracer_core::time::Span;

/// One call, ten times a second.
fn baseline(port: u16) -> Baseline {
    let json = format!(
        r#"{{"schema":"tracer.baseline/1","learned":{{"host":"h","from":"a","until":"b","seconds":60.0,"calls_left_out":0}},
        "calls":[{{"from":"program:client","to":"program:server","port":{port},"transport":"tcp","protocol":null,
        "requests":6000,"requests_per_second":10.0,"mean_ms":null,"p99_ms":null,"error_rate":null,"samples":0}}]}}"#
    );
    Baseline::parse(json.as_bytes()).unwrap()
}

fn settings(policy: &str) -> Input {
    let text = format!(r#"{{"rules":[],"policy":{policy}}}"#);
    Input::Settings(Box::new(Settings::try_from(text).unwrap()))
}

#[test]
fn an_expected_call_that_never_came_is_missing_until_it_comes() {
    let mut run = Run::new(Some(baseline(80)));
    run.pass(Span::from_seconds(21));
    assert_eq!(run.alerts("missing-call"), [], "twenty seconds are not over in whole windows");
    run.pass(Span::from_seconds(4));
    assert_eq!(run.alerts("missing-call"), [AlertState::Firing]);
    let alert = run.outputs.iter().find_map(|output| match output {
        tracer_core::Output::Alert(alert) => Some(alert),
        _ => None,
    });
    let alert = alert.unwrap();
    assert_eq!((alert.from.as_str(), alert.evidence.to_name.as_str()), ("program:client", "server"));
    assert_eq!(alert.message, "no request in 20 s, baseline 10 per second");

    let mut connection = run.open(client(), server());
    run.exchange(&mut connection, TIMING);
    let mut out = Vec::new();
    connection.client.snapshot(run.now, &mut out);
    run.give(out);
    run.pass(Span::from_seconds(4));
    assert_eq!(run.alerts("missing-call"), [AlertState::Firing, AlertState::Resolved]);
}

#[test]
fn a_changed_limit_holds_from_then_on_and_what_is_switched_off_is_resolved() {
    let mut run = Run::new(None);
    let mut connection = run.open(client(), server());
    run.exchange(&mut connection, TIMING);
    let mut out = Vec::new();
    connection.client.send(100, run.now, &mut out);
    connection.client.snapshot(run.now, &mut out);
    run.give(out);
    run.pass(Span::from_seconds(10));
    assert_eq!(run.alerts("stalled"), []);
    run.give(vec![settings(r#"{"all":{"stalled_after":"5s"}}"#)]);
    run.pass(Span::from_seconds(2));
    assert_eq!(run.alerts("stalled"), [AlertState::Firing]);
    run.give(vec![settings(
        r#"{"calls":[{"to":"server","port":80,"limits":{"stalled_after":"5s","off":"stalled"}}]}"#,
    )]);
    run.pass(Span::from_seconds(2));
    assert_eq!(run.alerts("stalled"), [AlertState::Firing, AlertState::Resolved]);
    let anomalies: Vec<Anomaly> = run.only_call().anomalies;
    assert!(anomalies.is_empty(), "{anomalies:?}");
}

#[test]
fn a_service_that_hangs_for_all_its_clients_is_told_as_a_service() {
    let mut run = Run::new(None);
    let mut connection = run.open(client(), server());
    run.exchange(&mut connection, TIMING);
    run.pass(Span::from_seconds(3));
    let mut out = Vec::new();
    connection.client.send(100, run.now, &mut out);
    connection.client.snapshot(run.now, &mut out);
    run.give(out);
    run.pass(Span::from_seconds(34));
    assert_eq!(run.alerts("silent-service"), [AlertState::Firing]);
    let mut out = Vec::new();
    connection.client.receive(300, run.now, &mut out);
    connection.client.snapshot(run.now, &mut out);
    run.give(out);
    run.pass(Span::from_seconds(3));
    assert_eq!(run.alerts("silent-service"), [AlertState::Firing, AlertState::Resolved]);
}
