//! `cargo xtask build`: the kernel programs and the binary that carries them.
//!
//! Invariant: installs nothing; the build script of `tracer-user` says what to run where the toolchain is missing.
//! Memory: none.

use std::path::PathBuf;

use anyhow::Result;

use crate::host;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Optimise, as for use
    #[arg(long)]
    pub(crate) release: bool,
}

/// Builds and returns the path of the binary.
pub(crate) fn run(options: &Options) -> Result<PathBuf> {
    let mut cargo = host::cargo();
    cargo.args(["build", "--package", "tracer-user", "--bin", "tracer"]);
    if options.release {
        cargo.arg("--release");
    }
    host::run(&mut cargo)?;
    let binary = host::target_directory().join(if options.release { "release" } else { "debug" }).join("tracer");
    eprintln!("built {}", binary.display());
    Ok(binary)
}
