//! `cargo xtask watch`: from a fresh clone to `tracer watch` in one command.
//!
//! Invariant: the last step replaces this process, so signals and the exit code are the tracer's own. Memory: none.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};

use crate::{build, host, setup};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Install what is missing without asking
    #[arg(long)]
    yes: bool,
    /// Arguments for `tracer watch`
    #[arg(last = true)]
    arguments: Vec<OsString>,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    setup::run(&setup::Options { yes: options.yes, tests: false, benches: false })?;
    let binary = build::run(&build::Options { release: true })?;
    let binary = binary.to_str().context("the path of the target directory is not UTF-8")?;
    let mut command = host::as_root(&[binary, "watch"])?;
    command.args(&options.arguments);
    let shown = host::shown(&command);
    eprintln!("running {shown}");
    // Returns only where the program could not be started.
    let error = command.exec();
    Err(anyhow!(error).context(format!("starting `{shown}`")))
}
