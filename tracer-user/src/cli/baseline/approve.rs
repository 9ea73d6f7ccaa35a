//! `tracer baseline approve`: chosen unexpected calls of a run become expected ones.
//!
//! Invariant: the file is replaced by a whole new one, or unchanged. Memory: the baseline and the graph.

use super::super::{observed, options};
use crate::console::{self, say};
use crate::files;
use anyhow::{Context as _, Result};
use clap::{ArgGroup, Args};
use std::path::PathBuf;
use std::process::ExitCode;
use tracer_core::baseline::{Choice, Described};
use tracer_core::escape::printable;

/// Columns of a call's name, and of a reason.
const NAME: usize = 200;

/// Take chosen unexpected calls of a run into a baseline (needs no root)
///
/// Each becomes an entry of the list `allow`, which survives learning again and expects no rate of it. Whether a call is
/// unexpected is judged by this file, whatever the graph says. What is denied stays denied.
#[derive(Args, Debug)]
#[command(
    group(ArgGroup::new("which").required(true).args(["calls", "all"])),
    after_help = "\
Examples:
  tracer baseline approve calls.json --from graph.json --call 'psql -> postgres port 5432' --comment 'the migration'
  tracer baseline approve calls.json --from http://127.0.0.1:9464 --call psql --dry-run
  tracer baseline approve calls.json --from day.tape --all"
)]
pub(super) struct Approve {
    /// The baseline, which is rewritten
    file: PathBuf,

    /// The run: a graph (`--export x.json`), a tape, or where a tracer listens: http://ADDRESS:PORT
    #[arg(long, value_name = "GRAPH|TAPE|URL")]
    from: PathBuf,

    /// Calls to take: NAME of an end, or 'FROM -> TO', with ' port 5432' or ' port 5432/tcp' where that matters; names are
    /// globs, or /regex/ (may be repeated)
    #[arg(long = "call", value_name = "GLOB", value_parser = described)]
    calls: Vec<Described>,

    /// Take every unexpected call
    #[arg(long)]
    all: bool,

    /// Why; kept with each entry [default: where and when it was seen]
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,

    /// Say what would be taken, and change nothing
    #[arg(long)]
    dry_run: bool,
}

fn described(text: &str) -> Result<Described, String> {
    Described::parse(text).map_err(|error| error.to_string())
}

impl Approve {
    pub(super) fn run(self) -> Result<ExitCode> {
        let mut baseline = options::read_baseline(&self.file)?;
        let graph = observed::graph(&self.from)?;
        let choice = if self.all { Choice::All } else { Choice::Of(self.calls) };
        let file = self.file.display();
        let approval = baseline
            .approve(&graph, &choice, self.comment.as_deref())
            .with_context(|| format!("nothing is approved, {file} is unchanged"))?;
        let mut text = String::new();
        for (call, _) in &approval.taken {
            text.push_str(&format!("allowed  {}\n", printable(&call.to_string(), NAME)));
        }
        for (call, by) in &approval.denied {
            let (call, by) = (printable(&call.to_string(), NAME), printable(by, NAME));
            text.push_str(&format!("denied   {call}  ({by})\n"));
        }
        for call in &approval.left {
            text.push_str(&format!("left     {}\n", printable(&call.to_string(), NAME)));
        }
        if !self.dry_run {
            files::write_whole(&self.file, baseline.render().as_bytes())?;
        }
        console::print(&text)?;
        let (taken, left) = (approval.taken.len(), approval.denied.len() + approval.left.len());
        let would = if self.dry_run { "would be allowed (--dry-run: the file is unchanged)" } else { "allowed" };
        let taken = super::calls(u64::try_from(taken).unwrap_or(u64::MAX));
        say(&format!("{file}: {taken} {would}; unexpected still: {left}"));
        Ok(ExitCode::SUCCESS)
    }
}
