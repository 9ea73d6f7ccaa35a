//! Running the `tracer` command.
//!
//! Invariant: only its documented options and files are used, so that the demo shows what any script could do; a
//! tracer that is still running when nobody waits for it any more is asked to end. Memory: the alerts of one replay.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use serde_json::Value;

use super::interrupt::Interrupt;
use super::wait;

/// The schema that marks a line of output as an alert.
const ALERT_SCHEMA: &str = "tracer.alert/1";
/// How long to wait for signs of attached programs. They may be invisible (another user's process), so the wait is not
/// an error: what was missed shows in the checks.
const ATTACH_LIMIT: Duration = Duration::from_secs(3);
/// The first program is visible before the last one is attached.
const ATTACH_SETTLE: Duration = Duration::from_secs(1);
/// What a tracer may need beyond the time it was given.
const GRACE: Duration = Duration::from_secs(30);

/// The `tracer` to run, and how.
#[derive(Debug)]
pub(super) struct Tracer {
    program: PathBuf,
    sudo: bool,
}

impl Tracer {
    /// The given program, or the one that was built last in `target`.
    pub(super) fn find(given: Option<PathBuf>, target: &Path) -> Result<Self> {
        let program = match given {
            Some(program) => program,
            None => {
                let built = ["release", "debug"].map(|profile| target.join(profile).join("tracer")).into_iter();
                let dated = built.filter_map(|path| Some((fs::metadata(&path).ok()?.modified().ok()?, path)));
                let newest = dated.max().map(|(_, path)| path);
                newest.with_context(|| format!("no tracer in {}: run `cargo xtask build` first", target.display()))?
            }
        };
        if !program.is_file() {
            bail!("{} is not a program: --tracer needs the path of a built tracer", program.display());
        }
        let sudo = !Uid::effective().is_root();
        // Asked for now: later the password prompt would take the time that the load is measured in.
        if sudo && !Command::new("sudo").arg("-v").status().is_ok_and(|status| status.success()) {
            bail!("tracer needs root to load its programs: run the demo as root, or as a user that may use sudo");
        }
        Ok(Self { program, sudo })
    }

    /// Starts it with its output on ours, and returns when it looks.
    pub(super) fn start(&self, words: &[&str], interrupt: &Interrupt) -> Result<Looking> {
        let mut command = if self.sudo { Command::new("sudo") } else { Command::new(&self.program) };
        if self.sudo {
            command.arg(&self.program);
        }
        let what = format!("tracer {}", words.join(" "));
        let child = command.args(words).stdin(Stdio::null()).spawn();
        let mut looking = Looking { child: child.with_context(|| format!("cannot start {what}"))?, what };
        let begin = Instant::now();
        wait::until("tracer to attach", ATTACH_LIMIT * 2, || {
            interrupt.check()?;
            looking.fail_if_over()?;
            Ok((has_attached(looking.child.id()) || begin.elapsed() >= ATTACH_LIMIT).then_some(()))
        })?;
        interrupt.sleep(ATTACH_SETTLE)?;
        looking.fail_if_over()?;
        Ok(looking)
    }

    /// Replays a tape without root. Returns the alerts, in order.
    pub(super) fn replay(&self, words: &[&str]) -> Result<Vec<Value>> {
        let what = format!("tracer {}", words.join(" "));
        let output = Command::new(&self.program).args(words).stdin(Stdio::null()).output();
        let output = output.with_context(|| format!("cannot start {what}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("{what} failed with {}; it said\n{}", output.status, said.trim_end());
        }
        Ok(alerts(&String::from_utf8_lossy(&output.stdout)))
    }
}

/// A tracer that runs.
#[derive(Debug)]
pub(super) struct Looking {
    child: Child,
    what: String,
}

impl Looking {
    /// Waits for its planned end, `span` after its start.
    pub(super) fn finish(mut self, span: Duration, interrupt: &Interrupt) -> Result<()> {
        let status = wait::until(&format!("`{}` to end", self.what), span + GRACE, || {
            interrupt.check()?;
            self.child.try_wait().context("cannot wait for tracer")
        })?;
        if !status.success() {
            bail!("`{}` failed with {status}", self.what);
        }
        Ok(())
    }

    /// An error if it ended already.
    pub(super) fn fail_if_over(&mut self) -> Result<()> {
        match self.child.try_wait().context("cannot wait for tracer")? {
            Some(status) => bail!("`{}` ended too early, with {status}", self.what),
            None => Ok(()),
        }
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // SIGTERM first: tracer writes its files. Under sudo it may be refused; then `--for` is what ends it.
        let _ = i32::try_from(self.child.id()).map(|pid| kill(Pid::from_raw(pid), Signal::SIGTERM));
        let ended = wait::until("tracer to end", Duration::from_secs(5), || Ok(self.child.try_wait()?));
        if ended.is_err() {
            let _ = self.child.kill().and_then(|()| self.child.wait());
        }
    }
}

/// Whether the process holds a BPF link, which exists exactly while a program is attached.
fn has_attached(pid: u32) -> bool {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let mut targets = files.filter_map(|file| fs::read_link(file.path()).ok());
    // The kernel uses both spellings.
    targets.any(|target| ["anon_inode:bpf_link", "anon_inode:bpf-link"].iter().any(|name| target == Path::new(name)))
}

/// The alerts among the lines of `--output json`.
fn alerts(output: &str) -> Vec<Value> {
    let lines = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|value| value.get("schema").and_then(Value::as_str) == Some(ALERT_SCHEMA)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_told_from_other_lines() {
        let output = "a note\n{\"schema\":\"tracer.graph/1\"}\n{\"schema\":\"tracer.alert/1\",\"kind\":\"stalled\"}\n";
        let alerts = alerts(output);
        assert_eq!(alerts.len(), 1);
        assert_eq!(alerts[0]["kind"], "stalled");
    }

    #[test]
    fn a_missing_tracer_is_an_error_that_says_what_to_run() {
        let error = Tracer::find(None, Path::new("/nowhere")).unwrap_err().to_string();
        assert!(error.contains("/nowhere") && error.contains("cargo xtask build"), "{error}");
    }
}
