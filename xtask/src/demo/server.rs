//! One running process of the demo: its pid, its log, and its end.
//!
//! Invariant: the process leads its own process group and is reaped only after its group was killed, so no signal ever
//! goes to a pid that means something else by then; dropping it ends it. Memory: the tail of a log when it is shown.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use super::wait;

/// How long a process may take to begin to serve.
const READY_LIMIT: Duration = Duration::from_secs(15);
/// How long a process may take to end before it is killed.
const END_LIMIT: Duration = Duration::from_secs(5);
/// How many lines of its log an error shows.
const TAIL_LINES: usize = 12;

/// A process that was started and is ours to end.
#[derive(Debug)]
pub struct Server {
    name: &'static str,
    port: u16,
    pid: Pid,
    child: Child,
    log: PathBuf,
    stop_signal: Signal,
    reaped: bool,
}

impl Server {
    /// Starts `command` with its output in `log`. `stop_signal` is what asks this program to end quickly.
    pub(super) fn spawn(
        name: &'static str,
        port: u16,
        mut command: Command,
        log: PathBuf,
        stop_signal: Signal,
    ) -> Result<Self> {
        let output = File::create(&log).with_context(|| format!("cannot create {}", log.display()))?;
        let errors = output.try_clone().context("cannot share a log file")?;
        let child = command.stdout(output).stderr(errors).process_group(0).spawn();
        let child = child.with_context(|| format!("cannot start {name} ({command:?})"))?;
        let pid = Pid::from_raw(i32::try_from(child.id()).context("a pid that is no pid")?);
        Ok(Self { name, port, pid, child, log, stop_signal, reaped: false })
    }

    /// The name of the program, as the process list shows it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The port of 127.0.0.1 that it listens on; 0 for a client.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to this process alone.
    ///
    /// # Errors
    /// The process has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        if self.is_over()? {
            bail!("{} (pid {}) has ended; its log ends with\n{}", self.name, self.pid, self.log_tail());
        }
        kill(self.pid, signal).with_context(|| format!("cannot send {signal} to {} (pid {})", self.name, self.pid))
    }

    /// Waits until `is_ready` says so. `what` completes "waited for … to".
    pub(super) fn ready(&self, what: &str, mut is_ready: impl FnMut() -> Result<bool>) -> Result<()> {
        let what = format!("{} (pid {}, port {}) to {what}", self.name, self.pid, self.port);
        let outcome = wait::until(&what, READY_LIMIT, || {
            if self.is_over()? {
                bail!("{} ended while it should {what}", self.name);
            }
            Ok(is_ready()?.then_some(()))
        });
        outcome.with_context(|| format!("{} did not start; its log ends with\n{}", self.name, self.log_tail()))
    }

    /// Waits for the process to end by itself. `false` if it has not within `limit`.
    pub(super) fn ends_within(&self, limit: Duration) -> Result<bool> {
        let begin = Instant::now();
        wait::until("a process", limit + END_LIMIT, || {
            Ok(if self.is_over()? { Some(true) } else { (begin.elapsed() >= limit).then_some(false) })
        })
    }

    /// Asks the process to end, insists after five seconds, and reaps it.
    pub(super) fn stop(&mut self) -> Result<()> {
        if self.reaped {
            return Ok(());
        }
        if !self.is_over()? {
            for signal in [self.stop_signal, Signal::SIGCONT] {
                expect_gone(kill(self.pid, signal)).with_context(|| format!("cannot signal {}", self.name))?;
            }
            self.ends_within(END_LIMIT)?;
        }
        // The group outlives its leader until the leader is reaped: whoever is left goes now.
        expect_gone(killpg(self.pid, Signal::SIGKILL)).with_context(|| format!("cannot kill {}", self.name))?;
        self.child.wait().with_context(|| format!("cannot reap {}", self.name))?;
        self.reaped = true;
        Ok(())
    }

    /// The last lines that it wrote.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let text = fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let text = text.unwrap_or_else(|error: io::Error| format!("({}: {error})", self.log.display()));
        let lines: Vec<&str> = text.lines().rev().take(TAIL_LINES).collect();
        if lines.is_empty() {
            return "(nothing)".to_owned();
        }
        lines.iter().rev().map(|line| format!("    {line}\n")).collect()
    }

    /// Whether the process has ended. Does not reap it.
    fn is_over(&self) -> Result<bool> {
        if self.reaped {
            return Ok(true);
        }
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        match waitid(Id::Pid(self.pid), flags) {
            Ok(WaitStatus::StillAlive) => Ok(false),
            Ok(_) => Ok(true),
            Err(error) => Err(error).with_context(|| format!("cannot ask for {} (pid {})", self.name, self.pid)),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nobody is left to tell; a process that survives even this still has its parent death signal.
        let _ = self.stop();
    }
}

/// That a process is gone is what was wanted.
fn expect_gone(outcome: nix::Result<()>) -> nix::Result<()> {
    match outcome {
        Err(Errno::ESRCH) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, folder: &std::path::Path) -> Server {
        let mut command = Command::new("sh");
        command.arg("-c").arg(script);
        Server::spawn("sh", 0, command, folder.join("log"), Signal::SIGTERM).unwrap()
    }

    #[test]
    fn a_server_that_ends_early_is_an_error_with_the_end_of_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let server = shell("echo the port is taken >&2; exit 3", folder.path());
        let error = format!("{:#}", server.ready("listen", || Ok(false)).unwrap_err());
        assert!(error.contains("sh ended") && error.contains("the port is taken"), "{error}");
    }

    #[test]
    fn a_frozen_process_is_ended_too_and_stopping_twice_is_harmless() {
        let folder = tempfile::tempdir().unwrap();
        let mut server = shell("exec sleep 1000", folder.path());
        server.signal(Signal::SIGSTOP).unwrap();
        server.stop().unwrap();
        server.stop().unwrap();
        assert!(server.signal(Signal::SIGCONT).is_err());
    }
}
