//! `cargo xtask protocols`: docs/protocols.md, made of the parsers and their tests by a test of `tracer-core`.
//!
//! Invariant: without `--write` nothing is written. Memory: none.

use anyhow::Result;

use crate::host;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Write docs/protocols.md; without it, say whether the page agrees with the parsers and their tests
    #[arg(long)]
    write: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let mut cargo = host::cargo();
    cargo.args(["test", "--quiet", "--package", "tracer-core", "--test", "protocols", "--", "page::"]);
    if options.write {
        cargo.env("TRACER_BLESS", "1");
    }
    host::run(&mut cargo)?;
    eprintln!("{}: docs/protocols.md", if options.write { "written" } else { "agrees" });
    Ok(())
}
