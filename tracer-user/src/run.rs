//! The whole wiring of an observation: source → tape → engine → alerts → console, until it is time to stop.
//!
//! Invariant: everything that reaches the engine is recorded first, in the same order, so a tape replays exactly.
//! Memory: the engine's; outputs are handed on every turn.

use crate::config::reload::{Reload, Reloaded};
use crate::console::{self, Console};
use crate::listen::Listener;
use crate::recording::Recording;
use crate::sink::alerts::Alerts;
use crate::source::{Delivery, Source, Turn};
use crate::stop::Stop;
use anyhow::Result;
use std::time::{Duration, Instant};
use tracer_core::graph::snapshot::{Degradation, GraphSnapshot};
use tracer_core::input::Fired;
use tracer_core::{Engine, Input, Output};

/// Everything an observation needs.
pub(crate) struct Observation<'a> {
    pub(crate) source: Box<dyn Source + 'a>,
    pub(crate) engine: Engine,
    pub(crate) recording: Option<Recording>,
    pub(crate) console: Box<dyn Console>,
    /// `None`: nobody but the console is told.
    pub(crate) alerts: Option<Alerts>,
    /// Answers over HTTP.
    pub(crate) listener: Option<Listener>,
    /// Reads the configuration again when that is asked for.
    pub(crate) reload: Option<Reload>,
    pub(crate) stop: &'a Stop,
    /// `None`: until a signal comes, or the source is over.
    pub(crate) length: Option<Duration>,
}

impl<'a> Observation<'a> {
    /// An observation that nobody is told of, without an end of its own.
    pub(crate) fn quiet(source: Box<dyn Source + 'a>, engine: Engine, stop: &'a Stop) -> Self {
        let console = console::quiet();
        Self {
            source,
            engine,
            recording: None,
            console,
            alerts: None,
            listener: None,
            reload: None,
            stop,
            length: None,
        }
    }
}

impl Observation<'_> {
    /// Observes; returns the graph as it is at the end.
    pub(crate) fn run(mut self) -> Result<GraphSnapshot> {
        self.observe()?;
        self.finish()
    }

    /// Observes; returns all that is known at the end.
    pub(crate) fn engine(mut self) -> Result<Engine> {
        self.observe()?;
        let graph = self.engine.snapshot();
        self.console.finish(&graph, self.source.warning().as_deref())?;
        Ok(self.engine)
    }

    fn observe(&mut self) -> Result<()> {
        let mut told_begin = false;
        let ends_at = self.length.map(|length| Instant::now() + length);
        let mut outputs = Vec::new();
        loop {
            let turn = {
                let Self { source, engine, recording, .. } = &mut *self;
                source.turn(&mut |delivery| deliver(&delivery, engine, recording.as_mut(), &mut outputs))?
            };
            if let Some(host) = self.source.host().filter(|_| !std::mem::replace(&mut told_begin, true)) {
                self.console.begin(host);
            }
            // Behind the start, which the first turn delivers, and before time passes.
            for alert in self.alerts.as_mut().map(Alerts::fired).unwrap_or_default() {
                self.deliver(&Delivery::Input(Input::Fired(Box::new(Fired(alert)))), &mut outputs);
            }
            let over = self.end_turn(turn, &mut outputs)?;
            let hung_up = self.reload(&mut outputs);
            let asked = hung_up || self.stop.is_asked() || self.console.wants_to_quit();
            if over || asked || ends_at.is_some_and(|end| Instant::now() >= end) {
                break;
            }
        }
        let turn = {
            let Self { source, engine, recording, .. } = &mut *self;
            source.finish(&mut |delivery| deliver(&delivery, engine, recording.as_mut(), &mut outputs))?
        };
        self.end_turn(turn, &mut outputs)?;
        Ok(())
    }

    /// Takes over a configuration that was read again, or says why not; `true` when nobody is left to watch.
    fn reload(&mut self, outputs: &mut Vec<Output>) -> bool {
        let reloaded = self.reload.as_mut().and_then(Reload::take);
        if let (Some(alerts), Some(_)) = (&self.alerts, &reloaded) {
            alerts.reopen();
        }
        match reloaded {
            None => {}
            Some(Reloaded::HungUp) => return true,
            Some(Reloaded::Changed(settings, notes)) => {
                self.deliver(&Delivery::Input(Input::Settings(settings)), outputs);
                notes.iter().for_each(|note| self.console.notice(note));
            }
            Some(Reloaded::Refused(reason)) => {
                self.console.notice(&format!("warning: {reason}; the old configuration stays in force"));
                let name = "a changed configuration was refused; the old one stays in force".to_owned();
                self.deliver(&Delivery::Input(Input::Degraded(Degradation { name, reason })), outputs);
            }
        }
        false
    }

    /// Answers what the engine asked for, then lets time pass; `true` when the source is over.
    fn end_turn(&mut self, turn: Turn, outputs: &mut Vec<Output>) -> Result<bool> {
        let asked: Vec<_> = outputs
            .iter()
            .filter_map(|output| if let Output::Need(key) = output { Some(*key) } else { None })
            .collect();
        for process in asked {
            if let Some(facts) = self.source.look_up(process) {
                self.deliver(&Delivery::Input(Input::Process(facts)), outputs);
            }
        }
        for output in outputs.iter() {
            match output {
                Output::Capture(capture) => self.source.choose(*capture),
                Output::Listens { netns, by } => self.source.watch_queues(*netns, *by),
                _ => {}
            }
        }
        let over = match turn {
            Turn::Tick(tick) => {
                self.deliver(&Delivery::Input(tick), outputs);
                false
            }
            Turn::Over => true,
        };
        if let Some(listener) = &self.listener {
            listener.note(outputs);
            listener.offer(&self.engine, || self.alerts.as_ref().map(Alerts::accounts).unwrap_or_default());
        }
        self.tell(outputs);
        self.console.show(&self.engine);
        Ok(over)
    }

    /// Tells the console, and of alerts whom else they concern.
    fn tell(&mut self, outputs: &mut Vec<Output>) {
        let Some(alerts) = &mut self.alerts else {
            outputs.drain(..).for_each(|output| self.console.tell(output));
            return;
        };
        alerts.pass(outputs, &self.engine).into_iter().for_each(|output| self.console.tell(output));
        let (lines, degraded) = alerts.news();
        lines.iter().for_each(|line| self.console.notice(line));
        for degradation in degraded {
            self.deliver(&Delivery::Input(Input::Degraded(degradation)), outputs);
        }
    }

    fn deliver(&mut self, delivery: &Delivery<'_>, outputs: &mut Vec<Output>) {
        deliver(delivery, &mut self.engine, self.recording.as_mut(), outputs);
    }

    fn finish(mut self) -> Result<GraphSnapshot> {
        let said = self.alerts.take().map(|alerts| alerts.finish(&self.engine)).unwrap_or_default();
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
        said.iter().for_each(|line| console::say(line));
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
