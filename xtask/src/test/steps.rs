//! The steps that every machine with a Rust toolchain can run.
//!
//! Invariant: what a child prints is shown as it comes; only its result lines are read. Memory: one line at a time.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::outcome::{Counts, Report};
use crate::host;

fn check(command: &mut Command) -> Result<Counts> {
    Ok(if host::status(command)?.success() { Counts::PASSED } else { Counts::FAILED })
}

pub(super) fn format() -> Result<Counts> {
    let workspace = check(host::cargo().args(["fmt", "--all", "--check"]))?;
    let kernel = host::workspace().join("tracer-ebpf");
    let kernel = check(host::cargo().args(["fmt", "--check"]).current_dir(kernel))?;
    let fuzz = check(host::cargo().args(["fmt", "--check"]).current_dir(host::workspace().join("fuzz")))?;
    Ok(workspace + kernel + fuzz)
}

pub(super) fn clippy() -> Result<Counts> {
    let arguments = ["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"];
    let workspace = check(host::cargo().args(arguments))?;
    let mut fuzz = host::cargo();
    fuzz.args(arguments).current_dir(host::workspace().join("fuzz"));
    Ok(workspace + check(fuzz.env("CARGO_TARGET_DIR", host::target_directory()))?)
}

pub(super) fn documentation() -> Result<Counts> {
    let mut cargo = host::cargo();
    cargo.args(["doc", "--workspace", "--no-deps", "--document-private-items"]).env("RUSTDOCFLAGS", "--deny warnings");
    check(&mut cargo)
}

/// Every package but that of the binary, with their documentation's examples.
pub(super) fn libraries(filter: Option<&str>) -> Result<Report> {
    tests(&["--workspace", "--exclude", "tracer-user"], &[], filter)
}

/// The package of the binary without its live tests.
pub(super) fn binary(filter: Option<&str>) -> Result<Report> {
    let mut selection = vec!["--package".to_owned(), "tracer-user".to_owned(), "--bins".to_owned()];
    if host::workspace().join("tracer-user/src/lib.rs").is_file() {
        selection.push("--lib".to_owned());
    }
    for name in integration_tests()?.into_iter().filter(|name| !name.starts_with("live")) {
        selection.extend(["--test".to_owned(), name]);
    }
    tests(&selection.iter().map(String::as_str).collect::<Vec<_>>(), &[], filter)
}

/// The integration tests of the binary's package, as cargo names them.
pub(super) fn integration_tests() -> Result<Vec<String>> {
    let directory = host::workspace().join("tracer-user/tests");
    let Ok(entries) = fs::read_dir(&directory) else { return Ok(Vec::new()) };
    let mut names = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("reading {}", directory.display()))?.path();
        let is_test = path.extension().is_some_and(|extension| extension == "rs") || path.join("main.rs").is_file();
        if let Some(name) = path.file_stem().filter(|_| is_test) {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Runs `cargo test` on a selection, all of it even where something fails.
pub(super) fn tests(selection: &[&str], harness: &[&str], filter: Option<&str>) -> Result<Report> {
    tests_with(&[], selection, harness, filter)
}

/// As [`tests`], with variables in the environment.
pub(super) fn tests_with(
    variables: &[(&str, &OsStr)],
    selection: &[&str],
    harness: &[&str],
    filter: Option<&str>,
) -> Result<Report> {
    let mut cargo = host::cargo();
    cargo.envs(variables.iter().copied());
    cargo.args(["test", "--no-fail-fast"]).args(selection).arg("--").args(harness).args(filter);
    counted(&mut cargo)
}

/// Runs a command that is `cargo test`, and counts what its tests say.
pub(super) fn counted(cargo: &mut Command) -> Result<Report> {
    let mut report = Report::default();
    let success = shown_and_read(cargo, |line| report.read(line))?;
    report.counts = report.counts.with_success(success);
    Ok(report)
}

/// Runs a command, hands each line of its output to the terminal and to `read`, and tells whether it succeeded.
fn shown_and_read(command: &mut Command, mut read: impl FnMut(&str)) -> Result<bool> {
    let shown = host::shown(command);
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("starting `{shown}`"))?;
    let output = child.stdout.take().with_context(|| format!("`{shown}` has no output"))?;
    let mut reader = BufReader::new(output);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).with_context(|| format!("reading the output of `{shown}`"))? > 0 {
        let text = String::from_utf8_lossy(&line);
        print!("{text}");
        read(text.trim_end());
        line.clear();
    }
    Ok(child.wait().with_context(|| format!("waiting for `{shown}`"))?.success())
}
