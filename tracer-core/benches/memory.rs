//! What user space's memory grows with: bytes for each connection, call and process, and allocations for each record.
//!
//! Prints one JSON object a line, which `cargo xtask bench pipeline` makes tables of. Invariant: the engine alone is counted;
//! what makes its inputs is made before. Memory: one simulated host.
#![expect(clippy::print_stdout, reason = "its results go to standard output")]

use serde::Serialize;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};
use std::alloc::System;
use tracer_core::engine::Config;
use tracer_core::sim::{Host, Size, named, process};
use tracer_core::time::Span;
use tracer_core::{Engine, Input, Output};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// One figure.
#[derive(Serialize)]
struct Figure {
    /// What there is more and more of.
    of: &'static str,
    count: u32,
    /// Bytes in use, for each.
    bytes: f64,
    /// Calls of the allocator, for each.
    allocations: f64,
}

/// An engine, and the inputs that made it what it is.
struct Run {
    host: Host,
    engine: Engine,
    out: Vec<Output>,
}

impl Run {
    fn new(size: Size) -> Self {
        let (mut inputs, mut out) = (Vec::new(), Vec::new());
        let host = Host::start(size, |input| inputs.push(input.clone()));
        let mut run = Self { host, engine: Engine::new(Config::default()), out: Vec::new() };
        inputs.drain(..).for_each(|input| run.engine.handle(&input, &mut out));
        run
    }

    /// Handles inputs; what they cost.
    fn give(&mut self, inputs: &[Input]) -> Stats {
        self.out.reserve(inputs.len());
        let region = Region::new(ALLOCATOR);
        inputs.iter().for_each(|input| self.engine.handle(input, &mut self.out));
        let cost = region.change();
        self.out.clear();
        cost
    }

    /// So many windows with so many exchanges each.
    fn windows(&mut self, windows: usize, exchanges: usize) {
        for _ in 0..windows {
            let inputs = self.host.exchanges(exchanges);
            self.give(&inputs);
            let tick = self.host.tick(Span::from_seconds(10));
            self.give(&[tick]);
        }
    }
}

/// Bytes in use of an engine that has followed a host of this size for so many windows.
fn in_use(size: Size, windows: usize, exchanges: usize) -> f64 {
    let region = Region::new(ALLOCATOR);
    let mut run = Run::new(size);
    run.windows(windows, exchanges);
    let Run { host, engine, out } = run;
    drop(host);
    drop(out);
    let used = figure(region.change().bytes_allocated) - figure(region.change().bytes_deallocated);
    drop(engine);
    used
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn figure(count: usize) -> f64 {
    count as f64
}

fn tell(of: &'static str, count: u32, bytes: f64, allocations: f64) {
    let each = f64::from(count);
    let figure = Figure { of, count, bytes: bytes / each, allocations: allocations / each };
    match serde_json::to_string(&figure) {
        Ok(line) => println!("{line}"),
        Err(error) => eprintln!("{of}: {error}"),
    }
}

/// Processes that are known and own nothing.
fn processes(count: u32) -> f64 {
    let known: Vec<Input> =
        (0..count).map(|number| named(process(number + 1), &format!("/usr/bin/program-{number}"))).collect();
    let (mut engine, mut out) = (Engine::new(Config::default()), Vec::new());
    let region = Region::new(ALLOCATOR);
    known.iter().for_each(|input| engine.handle(input, &mut out));
    figure(region.change().bytes_allocated) - figure(region.change().bytes_deallocated)
}

/// What one call of a busy host is used for.
const RATES: [(&str, usize, usize); 3] =
    [("call, silent", 0, 0), ("call, 1 exchange a second", 7, 10), ("call, 10 exchanges a second", 7, 100)];

fn main() {
    for connections in [100, 1_000, 10_000, 100_000] {
        let one = in_use(Size { calls: 1, connections: 1 }, 0, 0);
        tell("connection", connections, in_use(Size { calls: 1, connections }, 0, 0) - one, 0.0);
    }
    for calls in [10, 100, 1_000, 10_000] {
        let size = |calls, connections| Size { calls, connections };
        for (of, windows, each) in RATES {
            let exchanges = usize::try_from(calls).unwrap_or(0) * each;
            let all = in_use(size(calls, calls), windows, exchanges);
            // The connections themselves are counted above.
            tell(of, calls, all - in_use(size(1, calls), 0, 0), 0.0);
            if each == 10 {
                tell("engine, with so many calls of 1 exchange a second", calls, all, 0.0);
            }
        }
    }
    for count in [1_000, 10_000] {
        tell("process", count, processes(count), 0.0);
    }
    let mut run = Run::new(Size { calls: 100, connections: 1_000 });
    run.windows(1, 200_000);
    let inputs = run.host.exchanges(100_000);
    let cost = run.give(&inputs);
    let allocations = figure(cost.allocations + cost.reallocations);
    tell("record of an exchange", 200_000, figure(cost.bytes_allocated), allocations);
    let inputs = run.host.look();
    run.give(&inputs);
    let cost = run.give(&inputs);
    tell("record of a socket", 2_000, figure(cost.bytes_allocated), figure(cost.allocations + cost.reallocations));
}
