//! `tracer export`: the graph of a tape, of a file, or of a tracer that listens, in other formats.
//!
//! Invariant: needs no privilege. Memory: as `observed` says.

use super::observed;
use super::options::ExportFile;
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Write the graph of a tape, or of a running tracer, to files (needs no root)
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tracer export --from day.tape calls.dot
  tracer export --from http://127.0.0.1:9464 calls.mmd        of `tracer watch --listen 9464`")]
pub(super) struct Export {
    /// The tape, a graph (.json), or where a tracer listens: http://ADDRESS:PORT
    #[arg(long, value_name = "TAPE|GRAPH|URL")]
    from: PathBuf,

    /// The files to write; the ending picks the format: .dot .mmd .json
    #[arg(required = true, value_parser = ExportFile::parse)]
    files: Vec<ExportFile>,
}

impl Export {
    pub(super) fn run(self) -> Result<ExitCode> {
        self.files.iter().try_for_each(ExportFile::check)?;
        let graph = observed::graph(&self.from)?;
        self.files.iter().try_for_each(|file| file.write(&graph))?;
        Ok(ExitCode::SUCCESS)
    }
}
