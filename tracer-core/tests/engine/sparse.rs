//! Three requests a minute are no statistics, however slow they are or however many of them fail; thirty are.
//!
//! Invariant: inputs come from `sim` alone. Memory: one run.

use crate::run::{Run, TIMING, client, server};
use tracer_core::alert::AlertState;
use tracer_core::baseline::Baseline;
use tracer_core::sim;
use tracer_core::time::Span;

/// What is said by how much of something there is.
const STATISTICS: [&str; 6] =
    ["error-rate", "latency-p99", "latency-mean", "call-rate", "call-rate-drift", "pool-saturation"];

/// Ten hours of requests that take 10 ms.
fn baseline(a_minute: u32) -> Baseline {
    let (rate, requests) = (f64::from(a_minute) / 60.0, a_minute * 600);
    let json = format!(
        r#"{{"schema":"tracer.baseline/1","learned":{{"host":"h","from":"a","until":"b","seconds":36000.0,"calls_left_out":0}},
        "calls":[{{"from":"program:client","to":"program:server","port":80,"transport":"tcp","protocol":null,
        "requests":{requests},"requests_per_second":{rate},"mean_ms":10.0,"p99_ms":30.0,"error_rate":0.0,"samples":{requests}}}]}}"#
    );
    Baseline::parse(json.as_bytes()).unwrap()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Slow,
    Failing,
}

/// Ten minutes of requests, some at once and then none for a while: which statistics fired.
fn fired(baseline: Option<Baseline>, fault: Fault, at_once: u32, then: Span) -> Vec<&'static str> {
    let mut run = Run::new(baseline);
    let mut connection = run.open(client(), server());
    run.exchange(&mut connection, TIMING);
    let end = run.now.after(Span::from_seconds(600));
    while run.now < end {
        let began = run.now;
        for _ in 0..at_once {
            match fault {
                Fault::Slow => {
                    let mut out = Vec::new();
                    connection.client.send(100, run.now, &mut out);
                    connection.server.receive(100, run.now, &mut out);
                    run.give(std::mem::take(&mut out));
                    run.pass(Span::from_millis(1_500));
                    connection.server.send(300, run.now, &mut out);
                    connection.client.receive(300, run.now, &mut out);
                    run.give(out);
                }
                Fault::Failing => {
                    let ends = sim::tuple(([127, 0, 0, 1], 0).into(), ([127, 0, 0, 1], 80).into());
                    let mut out = Vec::new();
                    run.connections += 1;
                    let cookie = run.connections * 10;
                    sim::SimSocket::connect(cookie, client(), ends, run.now, &mut out).fail(111, run.now, &mut out);
                    run.give(out);
                }
            }
        }
        let took = run.now.since(began);
        run.pass(Span(then.0.saturating_sub(took.0)));
    }
    STATISTICS.into_iter().filter(|kind| run.alerts(kind).contains(&AlertState::Firing)).collect()
}

#[test]
fn three_requests_a_minute_raise_no_statistics_with_and_without_a_baseline() {
    for fault in [Fault::Slow, Fault::Failing] {
        for (at_once, then) in [(1, Span::from_seconds(20)), (3, Span::from_seconds(60))] {
            for baseline in [None, Some(baseline(3))] {
                let known = baseline.is_some();
                let fired = fired(baseline, fault, at_once, then);
                assert_eq!(fired, [""; 0], "{fault:?}, {at_once} at once, with a baseline: {known}");
            }
        }
    }
}

#[test]
fn thirty_of_the_same_requests_a_minute_do() {
    let often = |fault| fired(Some(baseline(30)), fault, 1, Span::from_seconds(2));
    assert_eq!(often(Fault::Slow), ["latency-p99", "latency-mean"]);
    assert_eq!(often(Fault::Failing), ["error-rate"]);
}
