//! The tracer that is watched, and what it says at the end.
//!
//! Invariant: a tracer that nobody waits for any more is ended. Memory: its graph.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;
use serde_json::Value;

/// How long it may take to attach, or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running tracer.
pub(super) struct Tracer {
    child: Child,
    graph: PathBuf,
    said: PathBuf,
}

/// The graph of a tracer, as far as it is of use here.
#[derive(Debug, Deserialize)]
pub(super) struct Graph {
    pub(super) calls: Vec<Call>,
    pub(super) completeness: Completeness,
}

#[derive(Debug, Deserialize)]
pub(super) struct Call {
    /// A number, or the path of a Unix socket.
    pub(super) port: Value,
    pub(super) transport: String,
    pub(super) requests: u64,
    pub(super) connections: u64,
    pub(super) latency_ms: Option<Latency>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Latency {
    pub(super) samples: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Completeness {
    pub(super) records_lost: u64,
    pub(super) exchanges_lost: u64,
    pub(super) degraded: Vec<Degradation>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Degradation {
    pub(super) name: String,
    pub(super) reason: String,
}

/// What a tracer has seen.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) graph: Graph,
    /// Sockets that found a map full, by the programs' own counters; `None` where they were not told.
    pub(super) map_full: Option<u64>,
}

impl Tracer {
    /// Starts it, and returns when it looks.
    pub(super) fn start(binary: &Path, folder: &Path, arguments: &[String]) -> Result<Self> {
        let (graph, said) = (folder.join("graph.json"), folder.join("tracer.log"));
        let mut command = Command::new(binary);
        command.args(["watch", "--kernel-counters", "--output", "json", "--export"]).arg(&graph).args(arguments);
        let errors = File::create(&said).with_context(|| format!("making {}", said.display()))?;
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors).spawn();
        let child = child.with_context(|| format!("starting {}", binary.display()))?;
        let mut tracer = Self { child, graph, said };
        let begin = Instant::now();
        while !tracer.has_said("watching ")? {
            tracer.must_run()?;
            if begin.elapsed() > PATIENCE {
                bail!("the tracer did not begin to watch within {} s", PATIENCE.as_secs());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(tracer)
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Fails if it has ended.
    pub(super) fn must_run(&mut self) -> Result<()> {
        match self.child.try_wait().context("waiting for the tracer")? {
            None => Ok(()),
            Some(status) => bail!("the tracer ended too early ({status}); it said\n{}", self.all_said()?.trim_end()),
        }
    }

    /// Asks it to end, and reads what it has seen.
    pub(super) fn end(mut self) -> Result<Seen> {
        let pid = Pid::from_raw(i32::try_from(self.id()).context("a pid that is no pid")?);
        kill(pid, Signal::SIGINT).context("ending the tracer")?;
        let begin = Instant::now();
        let status = loop {
            match self.child.try_wait().context("waiting for the tracer")? {
                Some(status) => break status,
                None if begin.elapsed() > PATIENCE => {
                    bail!("the tracer did not end within {} s", PATIENCE.as_secs());
                }
                None => thread::sleep(Duration::from_millis(20)),
            }
        };
        let said = self.all_said()?;
        if !status.success() {
            bail!("the tracer failed ({status}); it said\n{}", said.trim_end());
        }
        let text = fs::read_to_string(&self.graph).with_context(|| format!("reading {}", self.graph.display()))?;
        let graph = serde_json::from_str(&text).context("reading the graph")?;
        Ok(Seen { graph, map_full: map_full(&said) })
    }

    fn has_said(&self, what: &str) -> Result<bool> {
        Ok(self.all_said()?.lines().any(|line| line.starts_with(what)))
    }

    fn all_said(&self) -> Result<String> {
        let bytes = fs::read(&self.said).with_context(|| format!("reading {}", self.said.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // Nobody is left to tell.
            let _ = self.child.kill().and_then(|()| self.child.wait());
        }
    }
}

/// The column `map full` of the table that `--kernel-counters` prints, added up.
fn map_full(said: &str) -> Option<u64> {
    let mut lines = said.lines().skip_while(|line| !line.starts_with("hook "));
    // Names of columns end where their numbers end.
    let end = lines.next()?.find("map full")? + "map full".len();
    let rows = lines.take_while(|line| !line.starts_with("records received"));
    rows.map(|row| row.get(..end)?.split_whitespace().next_back()?.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_maps_are_read_from_the_table_of_the_hooks() {
        let said = "watching here; Ctrl-C ends it\n\
                    hook                    seen    filtered     tracked    map full     emitted\n\
                    send                      10           4           3           3           0\n\
                    reset sent                 2           0           1           1           9\n\
                    records received 9\n";
        assert_eq!((map_full(said), map_full("watching here")), (Some(4), None));
    }
}
