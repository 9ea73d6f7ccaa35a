//! `cargo xtask test`: every check and every test, and a table of what came out.
//!
//! Invariant: what did not run is counted and named, and under CI it is a failure; a step never hides another's
//! outcome. Memory: one row per step.

mod fuzz;
mod kernels;
mod live;
mod outcome;
mod steps;
mod tidy;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;

use crate::{coverage, host, setup};
use outcome::{Counts, Report, Row};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Run only the tests whose names contain this, and none of the checks
    filter: Option<String>,
    /// Install what is missing without asking
    #[arg(long)]
    yes: bool,
}

/// Whether docs/coverage.md says what the live tests have just shown.
fn covered() -> Result<Counts> {
    coverage::run(&coverage::Options { write: false }).map(|()| Counts::PASSED)
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    setup::run(&setup::Options { yes: options.yes, tests: true, benches: false })?;
    let filter = options.filter.as_deref();
    let mut rows = Vec::new();
    let mut step = |name: &'static str, run: &mut dyn FnMut() -> Result<Report>| {
        eprintln!("\n=== {name}");
        let begun = Instant::now();
        let report = run().unwrap_or_else(|error| {
            eprintln!("{name}: {error:#}");
            Report::of_error(&error)
        });
        rows.push(Row { name, took: begun.elapsed(), report });
    };
    if filter.is_none() {
        step("tidy", &mut || Ok(tidy::run(&host::workspace())?.into()));
        step("format", &mut || Ok(steps::format()?.into()));
        step("clippy", &mut || Ok(steps::clippy()?.into()));
        step("documentation", &mut || Ok(steps::documentation()?.into()));
    }
    step("unit and integration tests", &mut || steps::libraries(filter));
    step("tests of the binary", &mut || steps::binary(filter));
    step("kept inputs", &mut || fuzz::corpora(filter));
    if filter.is_none() {
        step("fuzzing", &mut fuzz::run);
    }
    if filter.is_none() {
        coverage::clear()?;
    }
    step("live tests, sockets", &mut || live::run(filter, live::PLANES[0]));
    step("live tests, system calls", &mut || live::run(filter, live::PLANES[1]));
    if filter.is_none() {
        step("coverage", &mut || Ok(covered()?.into()));
    }
    if filter.is_none() {
        step("kernels", &mut kernels::run);
    }

    println!("\n{}", outcome::table(&rows));
    print!("{}", outcome::failures(&rows));
    let total = rows.iter().fold(Counts::default(), |sum, row| sum + row.report.counts);
    if host::is_ci() && total.not_run > 0 {
        println!("{} could not run on this machine, which under CI is a failure", total.not_run);
    }
    println!("{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped());
    let good = total.failed == 0 && !(host::is_ci() && total.not_run > 0);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
