//! `tracer baseline`: learning what is expected, looking at it, comparing and changing it.
//!
//! Invariant: an existing baseline is replaced only by a whole new one. Memory: the engine's, or the baselines'.

mod approve;
mod diff;
mod learn;
mod merge;
mod progress;
mod show;

use anyhow::Result;
use clap::{Args, Subcommand};
use std::process::ExitCode;

/// Learn which calls are expected; show, compare, merge and approve them
#[derive(Args, Debug)]
pub(super) struct Baseline {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Learn(learn::Learn),
    Show(show::Show),
    Diff(diff::Diff),
    Approve(approve::Approve),
    Merge(merge::Merge),
}

impl Baseline {
    pub(super) fn run(self) -> Result<ExitCode> {
        match self.command {
            Command::Learn(learn) => learn.run(),
            Command::Show(show) => show.run(),
            Command::Diff(diff) => diff.run(),
            Command::Approve(approve) => approve.run(),
            Command::Merge(merge) => merge.run(),
        }
    }
}

/// So many calls, in words.
fn calls(count: u64) -> String {
    if count == 1 { "1 call".to_owned() } else { format!("{count} calls") }
}
