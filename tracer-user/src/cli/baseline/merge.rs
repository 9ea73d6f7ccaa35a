//! `tracer baseline merge`: one baseline of several.
//!
//! Invariant: the file is replaced by a whole new one, or unchanged. Memory: the baselines.

use super::super::options;
use crate::console::say;
use crate::files;
use anyhow::{Context as _, Result};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use tracer_core::baseline;

/// Make one baseline of several: of hosts, days or test suites (needs no root)
///
/// The union of their calls and entries, whatever their order. Figures of a call in several are combined by what they rest
/// on: rates by time, latencies by samples, error rates by requests.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  tracer baseline merge calls.json unit.json integration.json
  tracer baseline merge calls.json calls.json monday.json           takes monday into calls.json")]
pub(super) struct Merge {
    /// The file to write; it may be one of those that are read
    out: PathBuf,

    /// The baselines
    #[arg(required = true, value_name = "BASELINE")]
    files: Vec<PathBuf>,
}

impl Merge {
    pub(super) fn run(self) -> Result<ExitCode> {
        files::check_folder(&self.out)?;
        let all = self.files.iter().map(|file| options::read_baseline(file)).collect::<Result<Vec<_>>>()?;
        let out = self.out.display();
        let merged = baseline::merge(&all).with_context(|| format!("nothing is merged, {out} is unchanged"))?;
        files::write_whole(&self.out, merged.render().as_bytes())?;
        let entries = merged.allow().len() + merged.deny().len();
        say(&format!("{out}: {} calls and {entries} entries, of {} baselines", merged.calls().len(), all.len()));
        Ok(ExitCode::SUCCESS)
    }
}
