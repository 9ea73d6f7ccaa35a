//! `tracer export`: the graph of a tape, in other formats.
//!
//! Invariant: needs no privilege. Memory: the engine's.

use super::options::ExportFile;
use crate::console;
use crate::run::Observation;
use crate::source::tape::Tape;
use crate::stop::Stop;
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use tracer_core::Engine;
use tracer_core::engine::Config;

/// Write the graph of a tape to files (needs no root)
#[derive(Args, Debug)]
pub(super) struct Export {
    /// The tape
    #[arg(long, value_name = "TAPE")]
    from: PathBuf,

    /// The files to write; the ending picks the format: .dot .mmd .json
    #[arg(required = true, value_parser = ExportFile::parse)]
    files: Vec<ExportFile>,
}

impl Export {
    pub(super) fn run(self) -> Result<ExitCode> {
        self.files.iter().try_for_each(ExportFile::check)?;
        let (tape, header) = Tape::open(&self.from)?;
        let stop = Stop::on_signals()?;
        let engine = Engine::new(Config {
            window: header.window,
            rules: header.rules,
            policy: header.policy,
            ..Config::default()
        });
        let source = Box::new(tape);
        let console = console::quiet();
        let graph = Observation {
            source,
            engine,
            recording: None,
            console,
            alerts: None,
            reload: None,
            stop: &stop,
            length: None,
        }
        .run()?;
        self.files.iter().try_for_each(|file| file.write(&graph))?;
        Ok(ExitCode::SUCCESS)
    }
}
