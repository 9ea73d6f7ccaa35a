//! `cargo xtask demo`: from a fresh clone to the demo in one command.
//!
//! Invariant: the tracer that is shown is the one that was just built. Memory: none.

use crate::{build, setup};
use anyhow::{Context as _, Result};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Install what is missing without asking
    #[arg(long)]
    yes: bool,
    /// Options of the demo: --seconds N, --faults, --out DIR, --keep
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let mut words = options.options.clone();
    let help = words.iter().any(|word| word == "--help" || word == "-h");
    if !help && !words.iter().any(|word| word == "--tracer") {
        setup::run(&setup::Options { yes: options.yes, tests: true, benches: false })?;
        let binary = build::run(&build::Options { release: true })?;
        let binary = binary.to_str().context("the path of the target directory is not UTF-8")?;
        words.extend(["--tracer".to_owned(), binary.to_owned()]);
    }
    xtask::demo::run(&words)
}
