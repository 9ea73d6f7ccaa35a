//! `cargo xtask vm`: the tracer and its live tests on other kernels, in guests.
//!
//! Invariant: nothing is installed on this machine, and nothing of it is changed but the target directory: kernels and
//! emulators are unpacked there. Memory: as in `work`.

mod apt;
mod archive;
mod binaries;
mod conditions;
mod emulator;
mod findings;
mod guest;
mod image;
mod kernels;
mod modules;
mod outcome;
mod report;
mod runs;
mod work;

use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::{host, setup};
use kernels::{KERNELS, Kernel};
pub(crate) use outcome::Totals;
use runs::CAPTURE_TESTS;
use work::Work;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Every kernel; on 6.1 and 6.12 for x86-64, every live test that a guest can run on every plane, and every fault
    #[arg(long)]
    all: bool,
    /// Only these kernels, such as 6.12-generic,6.1-rt
    #[arg(long, value_delimiter = ',')]
    kernel: Vec<String>,
    /// Only live tests whose names contain this
    #[arg(long)]
    filter: Option<String>,
    /// Write docs/kernels.md; kernels that were not asked for stay on it as they are
    #[arg(long, requires = "all", conflicts_with = "filter")]
    write: bool,
    /// Install what is missing without asking
    #[arg(long)]
    yes: bool,
}

/// How long a guest may take.
const LIMIT: Duration = Duration::from_secs(15 * 60);
/// The same with every live test and every fault.
const LIMIT_OF_ALL: Duration = Duration::from_secs(45 * 60);

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    setup::run(&setup::Options { yes: options.yes, tests: true, benches: false })?;
    let kernels = match (options.kernel.as_slice(), options.all) {
        ([], true) => KERNELS.to_vec(),
        ([], false) => always(),
        (names, _) => kernels::named(names)?,
    };
    let filters = options.filter.clone().map_or_else(capture_tests, |filter| vec![filter]);
    let limit = if options.all { LIMIT_OF_ALL } else { LIMIT };
    let (outcomes, totals) =
        work::run(&Work { kernels, thorough: options.all && options.filter.is_none(), filters, limit })?;
    println!(
        "{} passed, {} failed, {} ignored, {} kernels not run",
        totals.passed, totals.failed, totals.ignored, totals.not_run
    );
    if options.write {
        let file = host::workspace().join("docs/kernels.md");
        let previous = fs::read_to_string(&file).unwrap_or_default();
        let page = report::page(&outcomes, &previous).map_err(|kernel| {
            anyhow::anyhow!("docs/kernels.md is not written: {kernel} did not run and is not on the page there is")
        })?;
        fs::write(&file, page).with_context(|| format!("writing {}", file.display()))?;
        println!("wrote {}", file.display());
    }
    Ok(if totals.failed == 0 && totals.not_run == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The kernels and live tests that every full test run includes; and what failed, each by its name.
pub(crate) fn step() -> Result<(Totals, Vec<String>)> {
    let work = Work { kernels: always(), thorough: false, filters: capture_tests(), limit: LIMIT };
    let (outcomes, totals) = work::run(&work)?;
    Ok((totals, outcomes.iter().flat_map(outcome::Outcome::failures).collect()))
}

fn always() -> Vec<Kernel> {
    KERNELS.iter().filter(|kernel| kernel.thorough).copied().collect()
}

fn capture_tests() -> Vec<String> {
    CAPTURE_TESTS.iter().map(|name| (*name).to_owned()).collect()
}
