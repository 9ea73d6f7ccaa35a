//! A host on which processes and connections come and go for hours: what user space holds must not grow.
//!
//! Invariant: one test, so that nothing else allocates meanwhile. Memory: one simulated host.

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use tracer_common::ProcessId;
use tracer_core::engine::Config;
use tracer_core::sim::{Host, Size};
use tracer_core::time::Span;
use tracer_core::{Engine, Input, limits, sim};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Long enough to fill the table of processes a dozen times.
const HOURS: usize = 6;
const WINDOWS: usize = 360;
/// In each window.
const PROCESSES: usize = 40;
const CONNECTIONS: usize = 60;

/// A host, the engine that follows it, and what that holds.
struct Run {
    host: Host,
    engine: Engine,
    executed: u32,
    held: i64,
}

impl Run {
    #[expect(clippy::cast_possible_wrap, reason = "some megabytes")]
    fn give(&mut self, inputs: &[Input]) {
        let region = Region::new(ALLOCATOR);
        let mut out = Vec::new();
        inputs.iter().for_each(|input| self.engine.handle(input, &mut out));
        drop(out);
        let change = region.change();
        self.held += change.bytes_allocated as i64 - change.bytes_deallocated as i64;
    }

    /// Programs that run with arguments of their own, and own nothing.
    fn execute(&mut self, count: usize) {
        for _ in 0..count {
            self.executed += 1;
            let process =
                ProcessId { started: u64::from(self.executed), ..sim::process(60_000 + self.executed % 1_000) };
            let number = self.executed.to_string();
            let arguments: [&[u8]; 4] = [b"sh", b"-c", b"/usr/lib/job --with several --arguments", number.as_bytes()];
            let Input::Tick { at, .. } = self.host.tick(Span::ZERO) else { unreachable!() };
            self.give(&[sim::input(&sim::exec(process, b"/usr/bin/dash", &arguments, at))]);
        }
    }

    /// Ten seconds.
    fn window(&mut self) {
        let comers = self.host.brief_processes(PROCESSES);
        self.give(&comers);
        self.execute(PROCESSES);
        let brief = self.host.churn(CONNECTIONS);
        self.give(&brief);
        let steady = self.host.exchanges(100);
        self.give(&steady);
        for _ in 0..2 {
            let tick = self.host.tick(Span::from_seconds(5));
            self.give(&[tick]);
        }
    }
}

#[test]
fn what_is_held_is_flat_when_processes_and_connections_have_come_and_gone_for_hours() {
    let mut run = {
        let mut inputs = Vec::new();
        let host = Host::start(Size { calls: 20, connections: 100 }, |input| inputs.push(input.clone()));
        let mut run = Run { host, engine: Engine::new(Config::default()), executed: 0, held: 0 };
        run.give(&inputs);
        run
    };
    let begin = run.held;
    let mut hours = Vec::new();
    for _ in 0..HOURS {
        let mut most = 0;
        for _ in 0..WINDOWS {
            run.window();
            most = most.max(run.held);
        }
        hours.push(most);
    }
    let gone = i64::try_from(HOURS * WINDOWS * PROCESSES * 2).unwrap();
    let remembered = i64::try_from(limits::PROCESSES).unwrap();
    assert!(gone > 8 * remembered);
    let Some(last) = hours.last().copied() else { unreachable!() };
    let each = (last - begin) / remembered;
    assert!(each <= 320, "{each} bytes for each process remembered, half of them with arguments of their own");
    let before = hours.get(HOURS / 2).copied().unwrap();
    assert!(last - before <= 65_536, "{} bytes more in the last hours: {hours:?}", last - before);
}
