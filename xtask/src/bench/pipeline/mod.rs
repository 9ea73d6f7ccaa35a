//! `cargo xtask bench pipeline`: what user space takes for each record, connection and call, and how that grows.
//!
//! It runs the benchmarks of `tracer-core` on simulated hosts and makes tables of their results. Invariant: what is
//! written was measured by this run, and nothing else is. Memory: the results.

mod figures;
mod page;

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use super::pages;
use crate::host;
use figures::Figures;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask bench pipeline                    two minutes; prints the tables and whether the budget is met
  cargo xtask bench pipeline --write            the same, into docs/pipeline.md and docs/pipeline.json")]
pub(in crate::bench) struct Options {
    /// Write docs/pipeline.md and docs/pipeline.json
    #[arg(long)]
    write: bool,
}

/// Measures; the exit code says whether the budget is met.
pub(in crate::bench) fn run(options: &Options) -> Result<ExitCode> {
    let folder = tempfile::tempdir().context("making a folder for the measurement")?;
    eprintln!("time, for some two minutes");
    let mut times = bench("pipeline");
    host::run(times.env("CRITERION_HOME", folder.path()).stdout(std::process::Stdio::null()))?;
    eprintln!("memory");
    let memory = bench("memory").output().context("starting cargo bench")?;
    anyhow::ensure!(
        memory.status.success(),
        "`cargo bench --bench memory` failed: {}",
        String::from_utf8_lossy(&memory.stderr).trim_end()
    );
    let figures = Figures::read(folder.path(), &String::from_utf8_lossy(&memory.stdout))?;
    let page = page::page(&figures)?;
    println!("{page}");
    if options.write {
        pages::keep("pipeline", &figures)?;
    }
    let met = page::budget(&figures)?.iter().all(|row| row.met);
    Ok(if met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn bench(name: &str) -> Command {
    let mut cargo = host::cargo();
    cargo.args(["bench", "--quiet", "--package", "tracer-core", "--bench", name]);
    cargo
}

/// The page for figures that were kept.
pub(in crate::bench) fn page_of(json: &str) -> Result<String> {
    page::page(&serde_json::from_str(json).context("reading the figures")?)
}
