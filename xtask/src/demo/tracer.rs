//! Running the `tracer` command.
//!
//! Invariant: only its documented options and files are used, so that the demo shows what any script could do; a
//! tracer that is still running when nobody waits for it any more is asked to end. Memory: the alerts of one replay.

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use serde_json::Value;

use super::interrupt::Interrupt;
use super::wait;

/// The schema that marks a line of output as an alert.
const ALERT_SCHEMA: &str = "tracer.alert/1";
/// How long it may take to load and attach the programs on a slow machine.
const ATTACH_LIMIT: Duration = Duration::from_secs(30);
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
        let child = command.args(words).stdin(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = child.with_context(|| format!("cannot start {what}"))?;
        let watching = Arc::new(AtomicBool::new(false));
        if let Some(errors) = child.stderr.take() {
            let seen = Arc::clone(&watching);
            thread::spawn(move || pass_on(errors, &seen));
        }
        let mut looking = Looking { child, what };
        wait::until("tracer to watch", ATTACH_LIMIT, || {
            interrupt.check()?;
            looking.fail_if_over()?;
            Ok(watching.load(Ordering::Relaxed).then_some(()))
        })?;
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
    /// Asks it to end now. Under sudo that may be refused; then `--for` is what ends it.
    pub(super) fn interrupt(&self) {
        let _ = i32::try_from(self.child.id()).map(|pid| kill(Pid::from_raw(pid), Signal::SIGINT));
    }

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

/// Passes on what tracer says on standard error, and notes that it watches once it says so.
fn pass_on(errors: impl Read, watching: &AtomicBool) {
    for line in BufReader::new(errors).lines().map_while(Result::ok) {
        watching.fetch_or(line.starts_with("watching "), Ordering::Relaxed);
        eprintln!("{line}");
    }
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
