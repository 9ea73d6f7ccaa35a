//! `tracer export`: the graph of a tape, in other formats.
//!
//! Invariant: needs no privilege. Memory: the engine's.

use crate::console;
use crate::files;
use crate::run::Observation;
use crate::source::tape::Tape;
use crate::stop::Stop;
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use tracer_core::Engine;
use tracer_core::engine::Config;
use tracer_core::export::Format;

/// Write the graph of a tape to files (needs no root)
#[derive(Args, Debug)]
pub(super) struct Export {
    /// The tape
    #[arg(long, value_name = "TAPE")]
    from: PathBuf,

    /// The files to write; the ending picks the format: .dot .mmd .json
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

impl Export {
    pub(super) fn run(self) -> Result<ExitCode> {
        let formats = self.files.iter().map(|path| Ok((path, Format::from_path(path)?))).collect::<Result<Vec<_>>>()?;
        let (tape, header) = Tape::open(&self.from)?;
        let stop = Stop::on_signals()?;
        let engine = Engine::new(Config { window: header.window, ..Config::default() });
        let source = Box::new(tape);
        let console = console::quiet();
        let graph = Observation { source, engine, recording: None, console, stop: &stop, length: None }.run()?;
        for (path, format) in formats {
            files::write_whole(path, format.render(&graph).as_bytes())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
