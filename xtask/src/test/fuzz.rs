//! Inputs that were kept, and a short look for more with each fuzzing target.
//!
//! Invariant: without the engine, the look is counted as not run. Memory: that of [`short`].

use anyhow::Result;

use super::outcome::{Counts, Report};
use super::steps;
use crate::fuzz;
use crate::fuzz::engine::Engine;
use crate::fuzz::short;

/// Every kept input, and that the seeds are what the tests' conversations give: with any stable compiler.
pub(super) fn corpora(filter: Option<&str>) -> Result<Report> {
    let mut cargo = fuzz::corpora();
    cargo.arg("--no-fail-fast").arg("--").args(filter);
    steps::counted(&mut cargo)
}

/// A short look for more.
pub(super) fn run() -> Result<Report> {
    match Engine::build()? {
        Ok(engine) => {
            let (passed, failures) = short::run(&engine)?;
            let counts = Counts { passed, failed: failures.len() as u64, ..Counts::default() };
            Ok(Report::from(counts).with_failures(failures))
        }
        Err(obstacle) => {
            eprintln!("fuzzing did not run: {obstacle}");
            Ok(Counts { not_run: 1, ..Counts::default() }.into())
        }
    }
}
