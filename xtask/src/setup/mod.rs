//! `cargo xtask setup`: install what building (and, with `--tests`, testing) needs and this machine lacks.
//!
//! Look (`machine`), decide (`plan`), ask, act (`install`), and look again, because what one round installs decides
//! what the next needs. Invariant: where nothing is missing, nothing is asked and the network is not touched; nothing
//! is installed that was not announced first. Memory: none.

mod install;
mod machine;
mod packages;
mod plan;

use std::io::{self, Write};

use anyhow::{Context, Result, bail};

use crate::host;
use plan::{Plan, Step};
use xtask::toolchain::program;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Install without asking (implied where the variable CI is set)
    #[arg(long)]
    pub(crate) yes: bool,
    /// Also install what the tests and the demo run
    #[arg(long)]
    pub(crate) tests: bool,
    /// Also install the servers, clients and tools that the tracer is measured with (cargo xtask bench)
    #[arg(long)]
    pub(crate) benches: bool,
}

/// Rounds of looking and installing: package lists, compiler, linker, and one to see that nothing is missing.
const ROUNDS: usize = 6;

pub(crate) fn run(options: &Options) -> Result<()> {
    let mut previous: Vec<Step> = Vec::new();
    let mut updated = false;
    for _ in 0..ROUNDS {
        let steps = match plan::plan(&machine::look(options, updated)) {
            Plan::Ready(family) => {
                eprintln!("set up: the kernel programs are built with the {} toolchain", family.name());
                return Ok(());
            }
            Plan::Steps(steps) => steps,
            Plan::Impossible(reason) => bail!(reason),
        };
        if steps == previous {
            bail!("installed, and yet still missing; this did not help: {}", joined(&steps));
        }
        announce(&steps);
        root_is_reachable(&steps)?;
        consent(options)?;
        for step in &steps {
            install::install(step).with_context(|| format!("while trying to {step}"))?;
        }
        updated |= steps.contains(&Step::AptUpdate);
        previous = steps;
    }
    bail!("still not set up after {ROUNDS} rounds; `cargo xtask setup` shows what is missing")
}

fn joined(steps: &[Step]) -> String {
    steps.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn announce(steps: &[Step]) {
    eprintln!("setup will:");
    for step in steps {
        eprintln!("  - {step}");
    }
}

fn root_is_reachable(steps: &[Step]) -> Result<()> {
    let commands: Vec<_> = steps.iter().filter_map(Step::for_root).collect();
    if commands.is_empty() || host::is_root() || program("sudo").is_some() {
        return Ok(());
    }
    bail!("this needs root and there is no sudo; run this as root, then this task again: {}", commands.join(" && "))
}

fn consent(options: &Options) -> Result<()> {
    if options.yes || host::is_ci() {
        return Ok(());
    }
    if !host::is_interactive() {
        let tests = if options.tests { " --tests" } else { "" };
        let benches = if options.benches { " --benches" } else { "" };
        bail!("there is no terminal to ask on; to agree, run: cargo xtask setup --yes{tests}{benches}");
    }
    eprint!("go on? [y/N] ");
    io::stderr().flush().context("writing to the terminal")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context("reading the answer")?;
    if !matches!(answer.trim(), "y" | "Y" | "yes") {
        bail!("not agreed; nothing was installed");
    }
    Ok(())
}
