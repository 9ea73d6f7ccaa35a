//! A run of the engine with simulated kernel records.
//!
//! Invariant: its clock stands where the last input left it. Memory: its inputs and outputs.

use tracer_common::ProcessId;
use tracer_core::alert::AlertState;
use tracer_core::baseline::Baseline;
use tracer_core::engine::Config;
use tracer_core::graph::snapshot::{Call, GraphSnapshot};
use tracer_core::input::Start;
use tracer_core::sim::{self, Connection, Timing};
use tracer_core::time::{Moment, Span, Wall};
use tracer_core::{Engine, Input, Output};

pub(crate) const WINDOW: Span = Span::from_seconds(2);
pub(crate) const TIMING: Timing = Timing { one_way: Span::from_millis(1), server: Span::from_millis(8) };

/// A run whose clock stands where the last input left it.
pub(crate) struct Run {
    pub(crate) engine: Engine,
    pub(crate) inputs: Vec<Input>,
    pub(crate) outputs: Vec<Output>,
    pub(crate) now: Moment,
    pub(crate) connections: u64,
}

impl Run {
    pub(crate) fn new(baseline: Option<Baseline>) -> Self {
        let mut run = Self {
            engine: Engine::new(Config { window: WINDOW, baseline, ..Config::default() }),
            inputs: Vec::new(),
            outputs: Vec::new(),
            now: Moment(1_000_000_000),
            connections: 0,
        };
        let start = Start { host: "host".to_owned(), at: run.now, wall: Wall(0), boottime_ahead: 0 };
        run.give(vec![Input::Start(start)]);
        for (pid, program) in [(10, "/usr/bin/client"), (20, "/usr/bin/server"), (30, "/usr/bin/other")] {
            let exec = sim::exec(sim::process(pid), program.as_bytes(), &[program.as_bytes()], run.now);
            run.give(vec![sim::input(&exec)]);
        }
        run
    }

    pub(crate) fn give(&mut self, inputs: Vec<Input>) {
        for input in inputs {
            self.engine.handle(&input, &mut self.outputs);
            self.inputs.push(input);
        }
    }

    /// Lets time pass, with a tick every 100 ms.
    pub(crate) fn pass(&mut self, span: Span) {
        for _ in 0..span.0 / 100_000_000 {
            self.now = self.now.after(Span::from_millis(100));
            self.give(vec![Input::Tick { at: self.now, wall: Wall(0) }]);
        }
    }

    pub(crate) fn open(&mut self, client: ProcessId, server: ProcessId) -> Connection {
        self.connections += 1;
        let port = 40_000 + u16::try_from(self.connections).unwrap();
        let ends = sim::tuple(([127, 0, 0, 1], port).into(), ([127, 0, 0, 1], 80).into());
        let mut out = Vec::new();
        let connection = Connection::open(self.connections * 10, client, server, ends, self.now, &mut out);
        self.give(out);
        connection
    }

    pub(crate) fn exchange(&mut self, connection: &mut Connection, timing: Timing) {
        let mut out = Vec::new();
        self.now = connection.exchange(100, 300, timing, self.now, &mut out);
        self.give(out);
    }

    pub(crate) fn close(&mut self, mut connection: Connection) {
        let mut out = Vec::new();
        connection.close(self.now, &mut out);
        self.give(out);
    }

    pub(crate) fn graph(&self) -> GraphSnapshot {
        self.engine.snapshot()
    }

    pub(crate) fn only_call(&self) -> Call {
        let graph = self.graph();
        assert_eq!(graph.calls.len(), 1, "{:#?}", graph.calls);
        graph.calls.into_iter().next().unwrap()
    }

    pub(crate) fn alerts(&self, kind: &str) -> Vec<AlertState> {
        let of_kind = |output: &Output| match output {
            Output::Alert(alert) if alert.kind == kind => Some(alert.state),
            _ => None,
        };
        self.outputs.iter().filter_map(of_kind).collect()
    }
}

pub(crate) fn client() -> ProcessId {
    sim::process(10)
}

pub(crate) fn server() -> ProcessId {
    sim::process(20)
}
