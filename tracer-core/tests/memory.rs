//! What user space may take for each record, connection and call: counts that depend on no machine and on no clock.
//!
//! Invariant: one test, so that nothing else allocates meanwhile. Memory: one simulated host.

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use tracer_core::engine::Config;
use tracer_core::sim::{Host, Size};
use tracer_core::time::Span;
use tracer_core::{Engine, Input, limits};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const CONNECTIONS: u32 = 1_000;
const CALLS: u32 = 100;

/// Handles inputs; the bytes that are in use more than before, and how often the allocator was asked.
#[expect(clippy::cast_possible_wrap, reason = "some megabytes")]
fn give(engine: &mut Engine, inputs: &[Input]) -> (i64, usize) {
    let mut out = Vec::with_capacity(64);
    let region = Region::new(ALLOCATOR);
    inputs.iter().for_each(|input| engine.handle(input, &mut out));
    out.clear();
    let change = region.change();
    let bytes = change.bytes_allocated as i64 - change.bytes_deallocated as i64;
    (bytes, change.allocations + change.reallocations)
}

#[test]
fn memory_for_each_connection_and_call_and_allocations_for_each_record_are_bounded() {
    let mut inputs = Vec::new();
    let mut host = Host::start(Size { calls: CALLS, connections: CONNECTIONS }, |input| inputs.push(input.clone()));
    let mut engine = Engine::new(Config::default());
    let (bytes, _) = give(&mut engine, &inputs);
    let each = bytes / i64::from(CONNECTIONS);
    assert!(each <= 1_024, "{each} bytes for each connection and its share of a tenth of a call");

    let before = bytes;
    let mut grown = 0;
    for _ in 0..7 {
        grown += give(&mut engine, &host.exchanges(10_000)).0;
        grown += give(&mut engine, &[host.tick(Span::from_seconds(10))]).0;
    }
    let each = grown / i64::from(CALLS);
    assert!(each <= 4_096, "{each} bytes for each call with 700 exchanges, after {before} for all connections");

    give(&mut engine, &host.exchanges(100_000));
    let (_, allocations) = give(&mut engine, &host.exchanges(50_000));
    assert!(allocations <= 2_000, "{allocations} allocations for 100,000 records of exchanges");

    // Brief processes: when as many are remembered as may be, more of them take nothing more.
    let mut grown = [0; 4];
    for grown in &mut grown {
        for _ in 0..limits::PROCESSES / 1_024 {
            *grown += give(&mut engine, &host.brief_processes(1_024)).0;
            *grown += give(&mut engine, &[host.tick(Span::from_seconds(2))]).0;
        }
    }
    let [first, .., last] = grown;
    let each = first / i64::try_from(limits::PROCESSES).unwrap();
    assert!(each <= 420, "{each} bytes for each process that has ended");
    assert!(last.abs() <= 16_384, "{last} bytes more for processes like those before: {grown:?}");

    let look = host.look();
    give(&mut engine, &look);
    assert_eq!(give(&mut engine, &look), (0, 0), "for {} records of sockets", look.len());
}
