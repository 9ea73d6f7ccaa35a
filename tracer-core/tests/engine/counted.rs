//! What the kernel counts in place of telling it.
//!
//! Invariant: counted, sampled and lost add up to what was answered. Memory: one run.

use super::run::{Run, TIMING, client, server};
use tracer_common::{Exchange, ExchangeRecord, LatencySlot};
use tracer_core::input::{Detail, Input, SocketLatencies};
use tracer_core::sim;
use tracer_core::time::Span;
use zerocopy::FromBytes as _;

/// Of the exchanges among the inputs every `share`th, as one that the kernel has counted; everything else as it is.
fn counted(inputs: Vec<Input>, share: u64) -> Vec<Input> {
    let keep = |input: Input| {
        let Input::Record(bytes) = &input else { return Some(input) };
        let Ok(mut record) = ExchangeRecord::read_from_bytes(bytes) else { return Some(input) };
        record.exchange.flags |= Exchange::COUNTED;
        (record.exchange.index % share == 0).then(|| sim::input(&record))
    };
    inputs.into_iter().filter_map(keep).collect()
}

fn latencies(cookie: u64, millis: u64, count: u32) -> Input {
    let bucket = u16::try_from(LatencySlot::index(millis * 1_000_000)).unwrap();
    let sum = millis * 1_000_000 * u64::from(count);
    Input::Latencies(SocketLatencies { cookie, sum, counts: vec![(bucket, count)] })
}

#[test]
fn latencies_that_the_kernel_counted_are_all_there_and_the_wait_is_that_of_a_sample() {
    let mut run = Run::new(None);
    let mut connection = run.open(client(), server());
    let mut out = Vec::new();
    for _ in 0..64 {
        run.now = connection.exchange(100, 300, TIMING, run.now, &mut out);
    }
    connection.client.snapshot(run.now, &mut out);
    connection.server.snapshot(run.now, &mut out);
    run.give(counted(out, 8));
    run.give(vec![latencies(10, 10, 64), latencies(11, 8, 64)]);
    run.pass(Span::from_millis(200));
    let call = run.only_call();
    let [latency, at_server, wait] = [call.latency_ms, call.server_latency_ms, call.wait_ms].map(Option::unwrap);
    assert_eq!((call.requests, latency.samples, at_server.samples), (64, 64, 64));
    assert_eq!((latency.sampled, at_server.sampled, wait.sampled), (false, false, true));
    assert!(wait.samples >= 6, "{wait:?}");
    for (figure, expected) in [(latency.mean, 10.0), (at_server.mean, 8.0), (wait.mean, 2.0)] {
        assert!((figure - expected).abs() < 0.1, "{figure} is not {expected}");
    }
    assert_eq!(call.recent_latency_ms.unwrap().samples, 64);
    let completeness = run.graph().completeness;
    assert_eq!((completeness.exchanges_lost, completeness.exchanges_counted), (0, 128));
}

#[test]
fn counted_latencies_that_are_missing_are_exchanges_lost() {
    let mut run = Run::new(None);
    let mut connection = run.open(client(), server());
    let mut out = Vec::new();
    for _ in 0..64 {
        run.now = connection.exchange(100, 300, TIMING, run.now, &mut out);
    }
    connection.client.snapshot(run.now, &mut out);
    run.give(counted(out, 8));
    run.give(vec![latencies(10, 10, 60)]);
    run.pass(Span::from_millis(200));
    // The last one goes on.
    assert_eq!(run.graph().completeness.exchanges_lost, 3);
}

#[test]
fn where_only_counts_are_asked_for_no_time_is_missing_and_that_is_said() {
    let mut run = Run::new(None);
    run.give(vec![Input::Detail(Detail::Counts)]);
    let mut connection = run.open(client(), server());
    let mut out = Vec::new();
    for _ in 0..10 {
        run.now = connection.exchange(100, 300, TIMING, run.now, &mut out);
    }
    connection.client.snapshot(run.now, &mut out);
    run.give(counted(out, 1_000));
    run.pass(Span::from_millis(200));
    let completeness = run.graph().completeness;
    assert_eq!((run.only_call().requests, completeness.exchanges_lost), (10, 0));
    assert!(completeness.degraded.iter().any(|what| what.name == "latencies are not measured"), "{completeness:?}");
}
