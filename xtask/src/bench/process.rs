//! A process of a measurement: started at its place, watched, and ended.
//!
//! Invariant: it leads its own process group, which is ended before it is reaped, so no signal goes to a stranger.
//! Memory: none.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

/// How long a process may take to end when it is asked to.
const END_LIMIT: Duration = Duration::from_secs(15);

/// A running process.
pub(super) struct Process {
    name: String,
    pid: Pid,
    pub(super) child: Child,
    over: bool,
}

/// CPU time in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CpuTime(pub(super) u64);

impl CpuTime {
    pub(super) fn since(self, before: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(before.0))
    }
}

impl Process {
    /// Starts `command` on the CPUs of the list, such as `0` or `0,1`, with nothing to read or to write.
    pub(super) fn start(name: &str, cpus: &str, command: &Command) -> Result<Self> {
        let mut placed = Command::new("taskset");
        placed.args(["--cpu-list", cpus]).arg(command.get_program()).args(command.get_args());
        placed.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self::spawn(name, placed)
    }

    /// Starts `command` as it is.
    pub(super) fn spawn(name: &str, mut command: Command) -> Result<Self> {
        let child = command.process_group(0).spawn().with_context(|| format!("starting {name}"))?;
        let pid = Pid::from_raw(i32::try_from(child.id()).context("a pid that is no pid")?);
        Ok(Self { name: name.to_owned(), pid, child, over: false })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The CPU time of all its threads (`/proc/PID/task/TID/schedstat`).
    pub(super) fn cpu_time(&self) -> CpuTime {
        let Ok(threads) = fs::read_dir(format!("/proc/{}/task", self.id())) else { return CpuTime(0) };
        let time = |thread: &Path| -> Option<u64> {
            fs::read_to_string(thread.join("schedstat")).ok()?.split(' ').next()?.parse().ok()
        };
        CpuTime(threads.filter_map(|thread| time(&thread.ok()?.path())).sum())
    }

    /// A number of `/proc/PID/status`, such as `VmHWM` (in KiB).
    pub(super) fn status(&self, key: &str) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse().ok()
    }

    /// Fails if it has ended.
    pub(super) fn must_run(&mut self) -> Result<()> {
        match self.child.try_wait().context("waiting")? {
            None => Ok(()),
            Some(status) => {
                self.over = true;
                bail!("{} ended too early ({status})", self.name)
            }
        }
    }

    /// Asks it to end and waits for that; insists when it does not.
    pub(super) fn end(mut self, signal: Signal) -> Result<()> {
        kill(self.pid, signal).with_context(|| format!("ending {}", self.name))?;
        let begin = Instant::now();
        while self.child.try_wait().context("waiting")?.is_none() {
            if begin.elapsed() > END_LIMIT {
                bail!("{} did not end within {} s", self.name, END_LIMIT.as_secs());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        self.over = true;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.over {
            // Nobody is left to tell.
            let _ = killpg(self.pid, Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

/// The time that all CPUs together have not been idle (proc_stat(5)), in seconds.
pub(super) fn busy_seconds() -> Result<f64> {
    let stat = fs::read_to_string("/proc/stat").context("reading /proc/stat")?;
    let line = stat.lines().next().context("/proc/stat is empty")?;
    let ticks: Vec<f64> = line.split_whitespace().skip(1).filter_map(|tick| tick.parse().ok()).collect();
    // user nice system idle iowait irq softirq; steal is not ours.
    let [user, nice, system, _, _, interrupts, soft_interrupts, ..] = ticks[..] else {
        bail!("/proc/stat has a first line of another form: {line}")
    };
    Ok((user + nice + system + interrupts + soft_interrupts) / 100.0)
}
