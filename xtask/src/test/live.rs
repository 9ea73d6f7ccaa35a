//! The live tests: they load the kernel programs and watch real traffic, as root, one at a time.
//!
//! Invariant: where they cannot run, each is counted as not run, with the reason. Memory: the list of their names.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result};
use xtask::toolchain::program;

use super::outcome::{Counts, Report};
use super::steps::{self, integration_tests};
use crate::{coverage, host};

/// The planes on which they run.
pub(super) const PLANES: [&str; 2] = ["socket", "syscall"];

/// Bits of `CapEff` in `/proc/self/status`.
const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

/// Live tests that do not look at the plane: once is enough.
const ON_ONE_PLANE: [&str; 3] = ["demo::", "privileges::", "coverage::"];

/// Runs them on a plane; on the second one, only those that look at it.
pub(super) fn run(filter: Option<&str>, plane: &str) -> Result<Report> {
    let names: Vec<_> = integration_tests()?.into_iter().filter(|name| name.starts_with("live")).collect();
    if names.is_empty() {
        eprintln!("there are no live tests");
        return Ok(Report::default());
    }
    let mut selection = vec!["--package", "tracer-user"];
    selection.extend(names.iter().flat_map(|name| ["--test", name.as_str()]));
    if let Some(reason) = obstacle() {
        let not_run = count(&selection, filter)?;
        eprintln!("{not_run} live tests did not run: {reason}");
        return Ok(Counts { not_run, ..Counts::default() }.into());
    }
    if !host::is_root() {
        selection.extend(["--config", SUDO]);
    }
    let mut harness = vec!["--test-threads=1"];
    if plane != PLANES[0] {
        harness.extend(ON_ONE_PLANE.iter().flat_map(|name| ["--skip", name]));
    }
    let results = coverage::folder()?;
    let variables = [("TRACER_LIVE_PLANE", OsStr::new(plane)), ("TRACER_LIVE_RESULTS", results.as_os_str())];
    steps::tests_with(&variables, &selection, &harness, filter)
}

/// How cargo runs a test as root; sudo would drop the variables.
const SUDO: &str = "target.'cfg(all())'.runner = \
                    ['sudo', '--preserve-env=TRACER_LIVE_PLANE,TRACER_LIVE_RESULTS,TRACER_LIVE_SLOW', '--']";

/// Why they cannot run here.
fn obstacle() -> Option<String> {
    if !Path::new("/sys/kernel/btf/vmlinux").exists() {
        return Some("this kernel carries no BTF (/sys/kernel/btf/vmlinux)".to_owned());
    }
    if host::is_root() {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let capable = effective_capabilities(&status).is_some_and(may_load_programs);
        return (!capable).then(|| "this root may not load BPF programs (a container without CAP_BPF?)".to_owned());
    }
    let Some(sudo) = program("sudo") else { return Some("not root, and there is no sudo".to_owned()) };
    let mut command = std::process::Command::new(sudo);
    // With nobody there to type a password, sudo must not wait for one.
    command.arg(if host::is_interactive() { "--validate" } else { "--non-interactive" });
    if !host::is_interactive() {
        command.arg("true").stdout(Stdio::null()).stderr(Stdio::null());
    }
    let allowed = command.status().is_ok_and(|status| status.success());
    (!allowed).then(|| "not root, and sudo did not let us".to_owned())
}

fn effective_capabilities(status: &str) -> Option<u64> {
    let text = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(text.trim(), 16).ok()
}

fn may_load_programs(capabilities: u64) -> bool {
    let has = |bit: u32| capabilities & (1 << bit) != 0;
    has(CAP_SYS_ADMIN) || (has(CAP_BPF) && has(CAP_PERFMON))
}

/// How many tests there are, from the harness' own list.
fn count(selection: &[&str], filter: Option<&str>) -> Result<u64> {
    let mut cargo = host::cargo();
    cargo.arg("test").args(selection).args(["--", "--list"]).args(filter).stderr(Stdio::inherit());
    let output = cargo.output().context("starting cargo to list the live tests")?;
    anyhow::ensure!(output.status.success(), "the live tests do not compile");
    Ok(listed(&String::from_utf8_lossy(&output.stdout)))
}

fn listed(text: &str) -> u64 {
    text.lines().filter(|line| line.ends_with(": test")).fold(0, |count, _| count + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_read_from_the_process_status() {
        assert_eq!(effective_capabilities("CapPrm:\t0\nCapEff:\t000001ffffffffff\n"), Some(0x1ff_ffff_ffff));
        assert_eq!(effective_capabilities("CapEff:\tnothing\n"), None);
        assert!(may_load_programs(1 << CAP_SYS_ADMIN));
        assert!(may_load_programs(1 << CAP_BPF | 1 << CAP_PERFMON));
        assert!(!may_load_programs(1 << CAP_BPF), "without CAP_PERFMON a program may not read kernel memory");
    }

    #[test]
    fn tests_are_counted_from_the_harness_list() {
        assert_eq!(listed("a_call_is_seen: test\na_bench: benchmark\nanother::one: test\n\n2 tests, 1 benchmark\n"), 2);
    }
}
