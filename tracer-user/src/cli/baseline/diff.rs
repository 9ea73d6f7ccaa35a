//! `tracer baseline diff`: what is new, gone and changed.
//!
//! Invariant: the exit code is 0 only if both were read and nothing differs. Memory: the two baselines, and for a tape the
//! engine's.

use super::super::{DEVIATIONS, observed};
use crate::console;
use anyhow::Result;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;
use tracer_core::baseline::Difference;
use tracer_core::baseline::difference::{self, Paint};

/// Show the calls that are new, gone or changed between two baselines (needs no root)
///
/// A rate, latency or error rate has changed if it moved by more than its own scatter and chance explain: the rules stand in
/// docs/baseline.md. In place of a baseline, a graph (`--export x.json`) or a tape can be given.
#[derive(Args, Debug)]
#[command(after_help = "\
Exit codes:
  0   nothing differs
  1   there are differences
  2   one of the two cannot be read
  64  wrong usage

Examples:
  tracer baseline diff old.json new.json
  tracer baseline diff baseline.json day.tape
  git show HEAD~1:calls.json | tracer baseline diff /dev/stdin calls.json --output mermaid > change.mmd")]
pub(super) struct Diff {
    /// The older baseline, graph or tape
    #[arg(value_name = "A")]
    older: PathBuf,

    /// The newer one
    #[arg(value_name = "B")]
    newer: PathBuf,

    /// Lines for people, `tracer.baseline-diff/1`, or a flowchart: new calls green, gone ones red, changed ones amber
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Output {
    #[default]
    Text,
    Json,
    Mermaid,
}

impl Diff {
    pub(super) fn run(self) -> Result<ExitCode> {
        let (older, newer) = (observed::expected(&self.older)?, observed::expected(&self.newer)?);
        let [older_name, newer_name] = [&self.older, &self.newer].map(|path| path.to_string_lossy());
        // A graph and a tape have no entries that could be gone.
        let entries = older.is_reviewed && newer.is_reviewed;
        let difference = Difference::of((&older_name, &older.baseline), (&newer_name, &newer.baseline), entries);
        let text = match self.output {
            Output::Text => difference::text(&difference, paint()),
            Output::Json => difference::json(&difference),
            Output::Mermaid => difference::mermaid(&difference),
        };
        console::print(&text)?;
        Ok(if difference.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(DEVIATIONS) })
    }
}

fn paint() -> Paint {
    if console::is_terminal() && std::env::var_os("NO_COLOR").is_none() { Paint::Coloured } else { Paint::Plain }
}
