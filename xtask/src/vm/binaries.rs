//! The tracer and its live tests, built for a guest's machine; and a root for guests that cannot use this machine's.
//!
//! Invariant: what a guest runs is what cargo built just now. Memory: cargo's messages, one at a time.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use xtask::toolchain::{output_of, program};

use super::apt::Apt;
use super::guest::Root;
use super::kernels::Machine;
use crate::host;

/// Statically linked, so that the guest's libraries do not matter.
const STATIC_ARM: &str = "aarch64-unknown-linux-musl";

/// What the live tests and the probes run in a guest with a root of its own.
const ROOT_PACKAGES: &[&str] = &[
    "bpftool",
    "coreutils",
    "dash",
    "grep",
    "iproute2",
    "libcap2-bin",
    "mount",
    "nftables",
    "procps",
    "python3",
    "sed",
    "strace",
    "util-linux",
];

/// The built files.
pub(super) struct Built {
    pub(super) tracer: PathBuf,
    pub(super) live: PathBuf,
}

/// Builds for a machine.
pub(super) fn build(machine: Machine) -> Result<Built> {
    let mut cargo = host::cargo();
    cargo.args(["test", "--package", "tracer-user", "--test", "live", "--no-run"]);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    if machine == Machine::Arm {
        target_is_installed()?;
        // The compiler's own linker and start-up files: no cross compiler is needed.
        cargo.args(["--target", STATIC_ARM]).env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER", "rust-lld");
    }
    let shown = host::shown(&cargo);
    let mut child = cargo.stdout(Stdio::piped()).spawn().with_context(|| format!("starting `{shown}`"))?;
    let output = child.stdout.take().with_context(|| format!("`{shown}` has no output"))?;
    let (mut tracer, mut live) = (None, None);
    for line in BufReader::new(output).lines() {
        let line = line.with_context(|| format!("reading the output of `{shown}`"))?;
        match executable(&line) {
            Some((name, path)) if name == "tracer" => tracer = Some(path),
            Some((name, path)) if name == "live" => live = Some(path),
            _ => {}
        }
    }
    let status = child.wait().with_context(|| format!("waiting for `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` failed ({status})");
    }
    match (tracer, live) {
        (Some(tracer), Some(live)) => Ok(Built { tracer, live }),
        _ => bail!("`{shown}` did not say where it left the tracer and its live tests"),
    }
}

/// The name and path of an executable that a message of cargo tells of.
fn executable(message: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(message).ok()?;
    let path = message.get("executable")?.as_str()?;
    let name = message.pointer("/target/name")?.as_str()?;
    Some((name.to_owned(), PathBuf::from(path)))
}

fn target_is_installed() -> Result<()> {
    let installed = || {
        output_of("rustc", &["--print", "target-libdir", "--target", STATIC_ARM])
            .is_some_and(|directory| Path::new(&directory).is_dir())
    };
    if installed() {
        return Ok(());
    }
    let rustup = program("rustup").with_context(|| {
        format!("the compiler has no standard library for {STATIC_ARM}, and there is no rustup to install it with")
    })?;
    eprintln!("installing with rustup: the standard library for {STATIC_ARM}");
    host::run(Command::new(rustup).args(["target", "add", STATIC_ARM]))
}

/// The root of guests of a machine: this machine's own where the instructions are the same, else one made of packages.
pub(super) fn root(directory: &Path, apt: &Apt, machine: Machine) -> Result<Root> {
    if machine.rust() == std::env::consts::ARCH {
        return Ok(Root { directory: PathBuf::from("/"), bound: Vec::new() });
    }
    let root = directory.join("root").join(machine.debian());
    // Written when everything else is there.
    let stamp = root.join("packages");
    let packages = ROOT_PACKAGES.join(" ");
    if fs::read_to_string(&stamp).ok().as_ref() != Some(&packages) {
        eprintln!("fetching a root for {} guests: {packages}", machine.debian());
        if root.exists() {
            fs::remove_dir_all(&root).with_context(|| format!("removing {}", root.display()))?;
        }
        fs::create_dir_all(&root).with_context(|| format!("creating {}", root.display()))?;
        apt.unpack_with_dependencies(ROOT_PACKAGES, &root)?;
        let shell = root.join("bin/sh");
        if !shell.exists() {
            symlink("dash", &shell).with_context(|| format!("creating {}", shell.display()))?;
        }
        fs::write(&stamp, &packages).with_context(|| format!("writing {}", stamp.display()))?;
    }
    Ok(Root { directory: root, bound: vec![host::workspace(), host::target_directory()] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_are_read_from_the_messages_of_cargo_and_other_messages_are_not() {
        let message =
            r#"{"reason":"compiler-artifact","target":{"kind":["test"],"name":"live"},"executable":"/t/live"}"#;
        assert_eq!(executable(message), Some(("live".to_owned(), PathBuf::from("/t/live"))));
        for other in ["", "warning: x", r#"{"target":{"name":"live"},"executable":null}"#, r#"{"reason":"x"}"#] {
            assert_eq!(executable(other), None, "{other}");
        }
    }
}
