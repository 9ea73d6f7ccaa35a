//! Carries out one step of a plan.
//!
//! Invariant: each step is repeatable, and leaves services as it found them: what an installed package would start
//! (now or at boot) stays off. Memory: none.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use xtask::toolchain::program;

use super::packages::services;
use super::plan::Step;
use crate::host;

pub(super) fn install(step: &Step) -> Result<()> {
    match step {
        Step::AptUpdate => host::run(&mut host::as_root(&["apt-get", "update"])?),
        Step::AptInstall(packages) => apt_install(packages),
        Step::RustupNightly => host::run(rustup()?.args([
            "toolchain",
            "install",
            "nightly",
            "--profile",
            "minimal",
            "--component",
            "rust-src",
        ])),
        Step::RustupComponents(names) => host::run(rustup()?.args(["component", "add"]).args(names)),
        Step::BuildLinker(llvm) => build_linker(*llvm),
        Step::FetchLinker => host::run(host::cargo().args(["binstall", "--no-confirm", "bpf-linker"])),
        Step::Npm => npm(),
    }
}

fn rustup() -> Result<Command> {
    program("rustup").map(Command::new).context("rustup is no longer there")
}

/// One script, so that there is one question for a password and the masks go even where apt-get fails. A masked unit
/// cannot be started by the package's own scripts; `disable` undoes the start at boot that they set up.
const QUIET_INSTALL: &str = r#"
set -eu
services=$1
shift
if [ -d /run/systemd/system ] && [ -n "$services" ]; then
    trap 'systemctl --quiet --runtime unmask $services' EXIT
    trap 'exit 130' INT TERM
    systemctl --quiet --runtime mask $services
else
    services=
fi
DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends --no-remove -- "$@"
if [ -n "$services" ]; then
    systemctl --quiet --runtime unmask $services
    systemctl --quiet disable $services
fi
"#;

fn apt_install(packages: &[String]) -> Result<()> {
    // A program that is there but belongs to a package that is not in this list is left alone.
    let services = services(packages).join(" ");
    let mut command = host::as_root(&["sh", "-c", QUIET_INSTALL, "setup", &services])?;
    command.args(packages);
    command.status().context("starting apt-get").and_then(|status| {
        anyhow::ensure!(status.success(), "apt-get install {} failed ({status})", packages.join(" "));
        Ok(())
    })
}

fn build_linker(llvm: u32) -> Result<()> {
    let feature = format!("llvm-{llvm}");
    host::run(
        host::cargo()
            // Not in the workspace: its own configuration is none of this build's business.
            .current_dir("/")
            .args(["install", "bpf-linker", "--locked", "--force", "--no-default-features", "--features", &feature])
            .env("LLVM_PREFIX", format!("/usr/lib/llvm-{llvm}")),
    )
}

/// Where the packages that the Mermaid tests need are listed.
pub(super) fn npm_source() -> PathBuf {
    host::workspace().join("tracer-core/tests/mermaid")
}

/// Where they are installed.
pub(super) fn npm_directory() -> PathBuf {
    host::workspace().join("target/node")
}

fn npm() -> Result<()> {
    let (source, directory) = (npm_source(), npm_directory());
    fs::create_dir_all(&directory).with_context(|| format!("creating {}", directory.display()))?;
    let copy = |from: &Path, name: &str| {
        let to = directory.join(name);
        fs::copy(from, &to).with_context(|| format!("copying {} to {}", from.display(), to.display()))
    };
    copy(&source.join("package.json"), "package.json")?;
    let lock = source.join("package-lock.json");
    let locked = lock.is_file();
    if locked {
        copy(&lock, "package-lock.json")?;
    }
    let npm = program("npm").context("npm is not installed")?;
    let command = if locked { "ci" } else { "install" };
    host::run(Command::new(npm).args([command, "--no-audit", "--no-fund"]).current_dir(&directory))?;
    copy(&source.join("package.json"), "installed.json")?;
    Ok(())
}
