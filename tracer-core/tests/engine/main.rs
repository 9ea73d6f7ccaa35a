//! From the bytes of records to the graph and the alerts, without root and without a kernel.
//!
//! Invariant: inputs come from `sim` alone, so every expectation follows from what is written here. Memory: one run.
#![expect(clippy::unwrap_used, reason = "a test ends by panicking")]

use proptest::prelude::*;
use tracer_common::{ProcessId, Role, SocketCause, SocketRecord};
use tracer_core::alert::AlertState;
use tracer_core::baseline::Baseline;
use tracer_core::engine::Config;
use tracer_core::graph::snapshot::CallState;
use tracer_core::input::Loss;
use tracer_core::sim::{self, Connection, Timing};
use tracer_core::time::Span;
use tracer_core::{Engine, Input, Output};
mod configured;
mod counted;
mod merged;
mod rerun;
mod restart;
mod run;
mod said;
mod sparse;

use run::{Run, TIMING, WINDOW, client, server};

/// A baseline learned from a minute of the client asking the server ten times a second.
fn learned() -> Baseline {
    let mut run = Run::new(None);
    let mut connection = run.open(client(), server());
    for _ in 0..600 {
        run.exchange(&mut connection, TIMING);
        run.pass(Span::from_millis(100));
    }
    Baseline::learn(&run.graph()).unwrap()
}

#[test]
fn both_ends_of_a_connection_are_one_call_with_the_wait_between_them() {
    let mut run = Run::new(None);
    let mut connection = run.open(client(), server());
    for _ in 0..5 {
        run.exchange(&mut connection, TIMING);
    }
    run.close(connection);
    run.pass(Span::from_millis(200));
    let call = run.only_call();
    assert_eq!(
        (call.from.as_str(), call.to.as_str(), call.port.clone()),
        ("program:client", "program:server", 80.into())
    );
    assert_eq!((call.connections, call.requests, call.bytes_sent, call.bytes_received), (1, 5, 500, 1500));
    let [latency, at_server, wait] = [call.latency_ms, call.server_latency_ms, call.wait_ms].map(Option::unwrap);
    assert_eq!((latency.samples, at_server.samples, wait.samples), (5, 5, 5));
    for (figure, expected) in [(latency.mean, 10.0), (at_server.mean, 8.0), (wait.mean, 2.0)] {
        assert!((figure - expected).abs() < 0.01, "{figure} is not {expected}");
    }
    assert_eq!(call.errors, 0);
}

#[test]
fn a_response_that_comes_in_parts_is_there_with_its_first_byte_and_complete_with_its_last() {
    let mut run = Run::new(None);
    let mut connection = run.open(client(), server());
    for _ in 0..3 {
        run.exchange(&mut connection, TIMING);
        run.now = run.now.after(Span::from_millis(30));
        let mut out = Vec::new();
        connection.server.send(700, run.now, &mut out);
        connection.client.receive(700, run.now, &mut out);
        run.give(out);
    }
    run.close(connection);
    run.pass(Span::from_millis(200));
    let call = run.only_call();
    let [latency, complete] = [call.latency_ms, call.complete_ms].map(Option::unwrap);
    assert_eq!((latency.samples, complete.samples), (3, 3));
    assert!((latency.mean - 10.0).abs() < 0.01 && (complete.mean - 40.0).abs() < 0.5, "{latency:?} {complete:?}");
}

#[test]
fn what_the_ring_lost_is_made_up_for_by_the_next_snapshot_and_called_lost() {
    let mut run = Run::new(None);
    let mut connection = run.open(client(), server());
    run.exchange(&mut connection, TIMING);
    run.pass(Span::from_millis(200));
    let mut lost = Vec::new();
    for _ in 0..50 {
        run.now = connection.exchange(100, 300, TIMING, run.now, &mut lost);
    }
    run.give(vec![Input::Loss(Loss { ring_full: 100, ..Loss::default() })]);
    let mut out = Vec::new();
    connection.client.snapshot(run.now, &mut out);
    connection.client.close(run.now, &mut out);
    run.give(out);
    run.pass(Span::from_millis(1_500));
    let call = run.only_call();
    assert_eq!((call.requests, call.bytes_received), (51, 51 * 300));
    let completeness = run.graph().completeness;
    assert_eq!(completeness.records_lost, 100);
    let timed = call.latency_ms.map_or(0, |latency| latency.samples);
    assert_eq!(timed + completeness.exchanges_lost, 51);
}

#[test]
fn a_client_whose_port_is_told_only_at_its_end_keeps_what_was_measured_before() {
    let mut run = Run::new(None);
    let ends = sim::tuple(([127, 0, 0, 1], 40_001).into(), ([127, 0, 0, 1], 80).into());
    let mut out = Vec::new();
    let mut connection = Connection::open(10, client(), server(), ends, run.now, &mut out);
    // The record that tells the port is lost.
    out.truncate(1);
    for _ in 0..3 {
        run.now = connection.exchange(100, 300, TIMING, run.now, &mut out);
    }
    connection.close(run.now, &mut out);
    run.give(out);
    run.pass(Span::from_millis(1_500));
    let call = run.only_call();
    assert_eq!((call.connections, call.requests), (1, 3));
    let samples = [call.latency_ms, call.server_latency_ms, call.wait_ms].map(|found| found.unwrap().samples);
    assert_eq!((samples, run.graph().completeness.exchanges_lost), ([3, 3, 3], 0));
}

#[test]
fn a_connection_whose_end_was_lost_is_closed_when_two_looks_do_not_find_it_and_that_is_said() {
    let mut run = Run::new(None);
    let mut connection = run.open(client(), server());
    run.exchange(&mut connection, TIMING);
    run.pass(Span::from_seconds(2));
    for (look, open) in [(1, 1), (2, 0)] {
        run.give(vec![Input::Looked { began: run.now }]);
        run.pass(Span::from_millis(200));
        assert_eq!(run.only_call().open_connections, open, "after look {look}");
    }
    let degraded = run.graph().completeness.degraded;
    assert!(degraded.iter().any(|one| one.name.contains("end was lost") && one.reason == "2 times"), "{degraded:?}");
    assert_eq!(run.only_call().errors, 0);
}

#[test]
fn an_unexpected_call_alerts_once_with_evidence_and_an_expected_one_never() {
    let mut run = Run::new(Some(learned()));
    for process in [client(), sim::process(30), sim::process(30)] {
        let mut connection = run.open(process, server());
        run.exchange(&mut connection, TIMING);
        run.close(connection);
        run.pass(Span::from_seconds(3));
    }
    assert_eq!(run.alerts("unexpected-call"), [AlertState::Firing]);
    let graph = run.graph();
    let states: Vec<CallState> = graph.calls.iter().map(|call| call.state).collect();
    assert_eq!(states, [CallState::Expected, CallState::Unexpected]);
    let alert = run.outputs.iter().find_map(|output| match output {
        Output::Alert(alert) if alert.kind == "unexpected-call" => Some(alert),
        _ => None,
    });
    let evidence = &alert.unwrap().evidence;
    assert_eq!((evidence.from_name.as_str(), evidence.connections), ("other", 1));
    assert_eq!(evidence.client.as_ref().unwrap().exe.as_deref(), Some("/usr/bin/other"));
}

#[test]
fn a_request_that_hangs_is_shown_with_its_age_and_the_alert_ends_with_the_answer() {
    let mut run = Run::new(None);
    let mut connection = run.open(client(), server());
    run.exchange(&mut connection, TIMING);
    let mut out = Vec::new();
    connection.client.send(100, run.now, &mut out);
    run.give(out);
    for second in 0..32 {
        assert!(second > 30 || run.alerts("stalled").is_empty());
        let mut out = Vec::new();
        connection.client.snapshot(run.now, &mut out);
        run.give(out);
        run.pass(Span::from_seconds(1));
    }
    let call = run.only_call();
    assert_eq!(call.in_flight, 1);
    assert!(call.oldest_in_flight_ms.unwrap() >= 31_900.0, "{:?}", call.oldest_in_flight_ms);
    assert_eq!(run.alerts("stalled"), [AlertState::Firing]);
    let mut out = Vec::new();
    connection.client.receive(300, run.now, &mut out);
    connection.client.snapshot(run.now, &mut out);
    run.give(out);
    run.pass(Span::from_seconds(3));
    assert_eq!(run.alerts("stalled"), [AlertState::Firing, AlertState::Resolved]);
    assert_eq!(run.only_call().in_flight, 0);
}

#[test]
fn a_slow_call_a_failing_call_and_a_call_gone_quiet_are_anomalies_of_their_kinds() {
    let mut run = Run::new(Some(learned()));
    let mut connection = run.open(client(), server());
    let slow = Timing { server: Span::from_seconds(2), ..TIMING };
    for _ in 0..6 {
        run.exchange(&mut connection, slow);
        run.pass(Span::from_millis(100));
    }
    run.pass(Span::from_seconds(1));
    assert_eq!(run.alerts("latency-p99"), [AlertState::Firing]);
    for number in 0..10 {
        let ends = sim::tuple(([127, 0, 0, 1], 0).into(), ([127, 0, 0, 1], 80).into());
        let mut out = Vec::new();
        let mut refused = sim::SimSocket::connect(9_000 + number, client(), ends, run.now, &mut out);
        refused.fail(111, run.now, &mut out);
        run.give(out);
    }
    run.pass(Span::from_seconds(30));
    let graph = run.graph();
    // Nothing ever listened on the port in this run, so whom the refused connects were for is not known.
    let refused = graph.calls.iter().find(|call| call.errors_by_kind.refused == 10).unwrap();
    assert_eq!((refused.failed_connections, refused.connections), (10, 0));
    assert_eq!(run.alerts("error-rate").first(), Some(&AlertState::Firing));
    assert_eq!(run.alerts("missing-call").first(), Some(&AlertState::Firing));
}

#[test]
fn what_a_socket_did_before_it_changed_hands_stays_with_the_process_that_did_it() {
    let mut run = Run::new(None);
    let mut connection = run.open(client(), server());
    run.exchange(&mut connection, TIMING);
    run.pass(Span::from_millis(200));
    connection.client.hand_to(sim::process(30));
    run.exchange(&mut connection, TIMING);
    run.exchange(&mut connection, TIMING);
    run.close(connection);
    run.pass(Span::from_millis(200));
    let graph = run.graph();
    let requests: Vec<(&str, u64)> = graph.calls.iter().map(|call| (call.from.as_str(), call.requests)).collect();
    assert_eq!(requests, [("program:client", 1), ("program:other", 2)]);
}

/// A process listens on the port of the server.
fn listen(run: &mut Run, process: ProcessId) {
    let ends = sim::tuple(([127, 0, 0, 1], 80).into(), ([0, 0, 0, 0], 0).into());
    let socket = sim::socket(SocketCause::OWNER, run.now);
    let listener = SocketRecord { cookie: 7, owner: process, role: Role::LISTENER, tuple: ends, ..socket };
    run.give(vec![sim::input(&listener)]);
}

/// What the looks at all sockets tell of a server's end that nobody has used.
fn look(run: &mut Run, connection: &Connection) {
    let mut out = Vec::new();
    connection.client.snapshot(run.now, &mut out);
    connection.server.snapshot(run.now, &mut out);
    run.give(out);
}

#[test]
fn a_connection_that_nobody_has_used_is_shown_under_who_listens_and_counted_for_who_serves_it() {
    let mut run = Run::new(Some(learned()));
    let worker = sim::process(30);
    listen(&mut run, server());
    let mut connection = run.open(client(), worker);
    let mut out = Vec::new();
    connection.client.send(100, run.now, &mut out);
    run.give(out);
    for _ in 0..6 {
        look(&mut run, &connection);
        run.pass(Span::from_seconds(1));
        let shown = run.only_call();
        assert_eq!((shown.to.as_str(), shown.open_connections, shown.in_flight), ("program:server", 1, 1));
        assert_eq!((shown.connections, shown.requests), (0, 0));
    }
    let mut out = Vec::new();
    connection.server.receive(100, run.now, &mut out);
    connection.server.send(300, run.now, &mut out);
    connection.client.receive(300, run.now, &mut out);
    run.give(out);
    run.close(connection);
    run.pass(Span::from_seconds(2));
    let call = run.only_call();
    assert_eq!((call.to.as_str(), call.connections, call.requests), ("program:other", 1, 1));
    assert_eq!(call.latency_ms.unwrap().samples, 1);
    let told = run.outputs.iter().filter(|output| matches!(output, Output::NewCall(_))).count();
    assert_eq!((told, run.alerts("unexpected-call").len()), (1, 1));
}

#[test]
fn a_connection_that_nobody_serves_is_a_call_to_who_listens_once_it_is_left() {
    let mut run = Run::new(None);
    listen(&mut run, server());
    // Accepted by nobody; and one whose client gives up while its end stays in the queue of the listener.
    for _ in 0..2 {
        let mut connection = run.open(client(), server());
        let mut out = Vec::new();
        connection.client.send(100, run.now, &mut out);
        connection.client.close(run.now.after(Span::from_seconds(1)), &mut out);
        run.give(out);
        let mut out = Vec::new();
        connection.server.snapshot(run.now, &mut out);
        run.give(out);
    }
    run.pass(Span::from_seconds(4));
    let call = run.only_call();
    assert_eq!((call.to.as_str(), call.connections, call.requests), ("program:server", 2, 2));
    let told = run.outputs.iter().filter(|output| matches!(output, Output::NewCall(_))).count();
    assert_eq!(told, 1);
}

#[test]
fn a_connection_that_nobody_has_used_at_the_end_of_the_run_is_a_call_to_who_listens() {
    let mut run = Run::new(None);
    listen(&mut run, server());
    let connection = run.open(client(), server());
    run.pass(Span::from_seconds(2));
    look(&mut run, &connection);
    run.give(vec![Input::End]);
    run.pass(Span::from_millis(100));
    let call = run.only_call();
    assert_eq!((call.to.as_str(), call.connections, call.open_connections), ("program:server", 1, 1));
}

#[test]
fn a_peer_outside_is_named_by_its_address_and_an_unknown_local_one_is_called_unknown() {
    let mut run = Run::new(None);
    for (number, remote) in ["203.0.113.7:443", "127.0.0.1:9999"].into_iter().enumerate() {
        let local = if number == 0 { "10.0.0.1:40000" } else { "127.0.0.1:40001" };
        let ends = sim::tuple(local.parse().unwrap(), remote.parse().unwrap());
        let mut out = Vec::new();
        let mut socket = sim::SimSocket::connect(50 + number as u64, client(), ends, run.now, &mut out);
        socket.established(run.now, &mut out);
        run.give(out);
    }
    run.pass(Span::from_seconds(2));
    let graph = run.graph();
    let servers: Vec<&str> = graph.calls.iter().map(|call| call.to.as_str()).collect();
    assert_eq!(servers, ["peer:203.0.113.7", "unknown:127.0.0.1"]);
    assert_eq!(graph.completeness.unresolved_peers, 1);
}

proptest! {
    #[test]
    fn the_same_inputs_give_the_same_graph_and_outputs(steps in proptest::collection::vec((0_u8..4, 1_u64..40), 1..40)) {
        let mut run = Run::new(Some(learned_once()));
        let mut open: Vec<Connection> = Vec::new();
        for (step, amount) in steps {
            match (step, open.pop()) {
                (0, held) => {
                    open.extend(held);
                    open.push(run.open(client(), server()));
                }
                (1, Some(mut connection)) => {
                    run.exchange(&mut connection, Timing { server: Span::from_millis(amount * 60), ..TIMING });
                    open.push(connection);
                }
                (2, Some(connection)) => run.close(connection),
                (_, held) => {
                    open.extend(held);
                    run.pass(Span::from_millis(amount * 100));
                }
            }
        }
        let mut again = Engine::new(Config { window: WINDOW, baseline: Some(learned_once()), ..Config::default() });
        let mut outputs = Vec::new();
        run.inputs.iter().for_each(|input| again.handle(input, &mut outputs));
        prop_assert_eq!(&run.outputs, &outputs);
        let (first, second) = (serde_json::to_string(&run.graph()), serde_json::to_string(&again.snapshot()));
        prop_assert_eq!(first.unwrap(), second.unwrap());
    }

    #[test]
    fn no_bytes_make_the_engine_panic(records in proptest::collection::vec((0_u8..4, proptest::collection::vec(any::<u8>(), 0..720)), 0..20)) {
        let mut run = Run::new(None);
        for (kind, mut bytes) in records {
            // A right header, so that the rest is looked at.
            let length = [0_u16, 216, 160, 712][usize::from(kind)];
            bytes.resize(usize::from(length), 0);
            if let Some(header) = bytes.get_mut(..4) {
                header.copy_from_slice(&[kind, 0, length.to_le_bytes()[0], length.to_le_bytes()[1]]);
            }
            run.give(vec![Input::Record(bytes)]);
        }
        run.pass(Span::from_seconds(5));
        run.graph();
    }
}

/// The learned baseline, made once.
fn learned_once() -> Baseline {
    static LEARNED: std::sync::OnceLock<Baseline> = std::sync::OnceLock::new();
    LEARNED.get_or_init(learned).clone()
}
