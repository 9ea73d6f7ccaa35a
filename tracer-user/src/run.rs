//! The whole wiring of an observation: source → tape → engine → console, until it is time to stop.
//!
//! Invariant: everything that reaches the engine is recorded first, in the same order, so a tape replays exactly.
//! Memory: the engine's; outputs are handed on every turn.

use crate::console::Console;
use crate::recording::Recording;
use crate::source::{Delivery, Source, Turn};
use crate::stop::Stop;
use anyhow::Result;
use std::time::{Duration, Instant};
use tracer_core::graph::snapshot::{Degradation, GraphSnapshot};
use tracer_core::{Engine, Input, Output};

/// Everything an observation needs.
pub(crate) struct Observation<'a> {
    pub(crate) source: Box<dyn Source + 'a>,
    pub(crate) engine: Engine,
    pub(crate) recording: Option<Recording>,
    pub(crate) console: Box<dyn Console>,
    pub(crate) stop: &'a Stop,
    /// `None`: until a signal comes, or the source is over.
    pub(crate) length: Option<Duration>,
}

impl Observation<'_> {
    /// Observes; returns the graph as it is at the end.
    pub(crate) fn run(mut self) -> Result<GraphSnapshot> {
        let mut told_begin = false;
        let ends_at = self.length.map(|length| Instant::now() + length);
        let mut outputs = Vec::new();
        loop {
            let turn = {
                let Self { source, engine, recording, .. } = &mut self;
                source.turn(&mut |delivery| deliver(&delivery, engine, recording.as_mut(), &mut outputs))?
            };
            let over = self.end_turn(turn, &mut outputs);
            if let Some(host) = self.source.host().filter(|_| !std::mem::replace(&mut told_begin, true)) {
                self.console.begin(host);
            }
            let asked = self.stop.is_asked() || self.console.wants_to_quit();
            if over || asked || ends_at.is_some_and(|end| Instant::now() >= end) {
                break;
            }
        }
        let turn = {
            let Self { source, engine, recording, .. } = &mut self;
            source.finish(&mut |delivery| deliver(&delivery, engine, recording.as_mut(), &mut outputs))?
        };
        self.end_turn(turn, &mut outputs);
        self.finish()
    }

    /// Answers what the engine asked for, then lets time pass; `true` when the source is over.
    fn end_turn(&mut self, turn: Turn, outputs: &mut Vec<Output>) -> bool {
        let asked: Vec<_> = outputs
            .iter()
            .filter_map(|output| if let Output::Need(key) = output { Some(*key) } else { None })
            .collect();
        for process in asked {
            if let Some(facts) = self.source.look_up(process) {
                self.deliver(&Delivery::Input(Input::Process(facts)), outputs);
            }
        }
        let over = match turn {
            Turn::Tick(tick) => {
                self.deliver(&Delivery::Input(tick), outputs);
                false
            }
            Turn::Over => true,
        };
        for output in outputs.drain(..) {
            self.console.tell(output);
        }
        self.console.show(&self.engine);
        over
    }

    fn deliver(&mut self, delivery: &Delivery<'_>, outputs: &mut Vec<Output>) {
        deliver(delivery, &mut self.engine, self.recording.as_mut(), outputs);
    }

    fn finish(mut self) -> Result<GraphSnapshot> {
        let mut graph = self.engine.snapshot();
        let mut failure = None;
        if let Some(Err(error)) = self.recording.take().map(Recording::finish) {
            // The graph is whole; only the tape is not.
            graph
                .completeness
                .degraded
                .push(Degradation { name: "the tape is incomplete".to_owned(), reason: format!("{error:#}") });
            failure = Some(error);
        }
        let warning = self.source.warning();
        self.console.finish(&graph, warning.as_deref())?;
        match failure {
            Some(error) => Err(error),
            None => Ok(graph),
        }
    }
}

fn deliver(delivery: &Delivery<'_>, engine: &mut Engine, recording: Option<&mut Recording>, outputs: &mut Vec<Output>) {
    if let Some(recording) = recording {
        recording.record(delivery);
    }
    match delivery {
        Delivery::Record(bytes) => engine.record(bytes, outputs),
        Delivery::Input(input) => engine.handle(input, outputs),
    }
}
