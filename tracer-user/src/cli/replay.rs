//! `tracer replay`: a tape, through the same path as the live inputs.
//!
//! Invariant: needs no privilege and looks at nothing but the tape. Memory: the engine's.

use super::options::Options;
use crate::config::{self, Places};
use crate::console;
use crate::run::Observation;
use crate::source::tape::Tape;
use crate::stop::Stop;
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use tracer_core::Engine;
use tracer_core::input::Settings;

/// Replay a tape that `tracer watch --record` made (needs no root)
#[derive(Args, Debug)]
pub(super) struct Replay {
    /// The tape
    tape: PathBuf,

    #[command(flatten)]
    options: Options,
}

impl Replay {
    pub(super) fn run(self) -> Result<ExitCode> {
        let (tape, header) = Tape::open(&self.tape)?;
        if !header.payload {
            console::say(
                "tracer: the tape holds no payload: requests have no operations (recorded without --record-payload)",
            );
        }
        let recorded = Settings { rules: header.rules.clone(), policy: header.policy.clone() };
        let places = Places::replay(self.options.config.clone(), self.options.given(), header.window, recorded);
        let checked = self.options.check(&config::load(&places)?)?;
        let header = header.with_rules(checked.config.rules.clone()).with_policy(checked.config.policy.clone());
        let stop = Stop::on_signals()?;
        let observation = Observation {
            source: Box::new(tape),
            engine: Engine::new(checked.config.clone()),
            recording: self.options.recording(&header)?,
            console: checked.console(false)?,
            alerts: None,
            listener: None,
            reload: None,
            stop: &stop,
            length: None,
        };
        let graph = observation.run()?;
        checked.write_exports(&graph)?;
        Ok(ExitCode::SUCCESS)
    }
}
