//! What the tracer takes with more open sockets and more calls: connections that stay, each used now and then.
//!
//! Invariant: the tracer begins when all connections are there, and has to find each of them. Memory: one row.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use super::hold;
use super::process::Process;
use super::tool::Tool;
use crate::sample::Sample;

/// The first port that is listened on, below those that clients are given.
const PORT: u16 = 20_000;
/// Descriptors of one process at most: connections and listening sockets.
const DESCRIPTORS: u32 = 15_000;
/// For how long it is left alone, and then measured.
const SETTLE: Duration = Duration::from_secs(4);
const LENGTH: Duration = Duration::from_secs(10);

/// So many calls over so many connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Size {
    pub(super) calls: u32,
    pub(super) connections: u32,
    /// Requests a second, over all connections in turn.
    pub(super) rate: u32,
}

const fn sockets(number: u32) -> Size {
    let calls = if number < 16 { number / 2 } else { 8 };
    Size { calls, connections: number / 2, rate: 1_000 }
}

/// One request a second on each call.
const fn calls(number: u32) -> Size {
    Size { calls: number, connections: number, rate: number }
}

pub(super) const SOCKETS: [Size; 5] = [sockets(10), sockets(100), sockets(1_000), sockets(10_000), sockets(100_000)];
pub(super) const CALLS: [Size; 5] = [calls(1), calls(10), calls(100), calls(1_000), calls(10_000)];

/// What came of it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) size: Size,
    /// Seconds until it watched.
    pub(super) start: f64,
    /// Percent of one CPU.
    pub(super) percent: f64,
    /// Bytes: resident, in the kernel's maps, and what the kernel's other memory grew by.
    pub(super) resident: u64,
    pub(super) maps: u64,
    pub(super) kernel: u64,
    /// Open connections that it found.
    pub(super) found: u64,
    pub(super) lost: u64,
}

pub(super) fn measure(size: Size, tool: &Tool, folder: &Path) -> Result<Row> {
    let groups = (size.connections + size.calls).div_ceil(DESCRIPTORS);
    let servers = (0..groups).map(|group| hold("hold-server", size, group, groups)).collect::<Result<Vec<_>>>()?;
    let clients = (0..groups).map(|group| hold("hold", size, group, groups)).collect::<Result<Vec<_>>>()?;
    let before = kernel_memory()?;
    let begin = Instant::now();
    let mut running = tool.start("0,1", folder)?;
    let started = begin.elapsed().as_secs_f64();
    std::thread::sleep(SETTLE);
    let pid = running.process.id();
    let first = Sample::take(pid, begin, 0)?;
    std::thread::sleep(LENGTH);
    running.must_run()?;
    let last = Sample::take(pid, begin, 0)?;
    let after = kernel_memory()?;
    let saw = running.end()?;
    for process in clients.into_iter().chain(servers) {
        process.end(Signal::SIGTERM)?;
    }
    let maps = last.kernel_memory();
    Ok(Row {
        size,
        start: started,
        percent: (last.cpu - first.cpu) / (last.at - first.at) * 100.0,
        resident: last.resident,
        maps,
        kernel: after.saturating_sub(before).saturating_sub(maps),
        found: saw.open_connections(PORT).context("the tracer wrote no graph")?,
        lost: saw.completeness("records_lost").unwrap_or(0),
    })
}

/// One of so many processes that hold the connections together, once it does.
fn hold(work: &str, size: Size, group: u32, groups: u32) -> Result<Process> {
    let ports = size.calls / groups;
    let arguments = [
        ("--port", u32::from(PORT) + group * ports),
        ("--ports", ports),
        ("--connections", size.connections / groups),
        ("--rate", (size.rate / groups).max(1)),
        ("--seconds", 600),
    ];
    let mut command = Command::new(std::env::current_exe().context("finding this program")?);
    command.args(["bench-work", work]);
    command.args(arguments.iter().flat_map(|(name, value)| [(*name).to_owned(), value.to_string()]));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut process = Process::spawn(work, command)?;
    let stdout = process.child.stdout.take().context("a process without an output")?;
    let line = BufReader::new(stdout).lines().next().transpose().context("reading what a load says")?;
    if line.as_deref() != Some(hold::HELD) {
        process.must_run()?;
        bail!("{work} ended before it held {} connections", size.connections);
    }
    Ok(process)
}

/// Bytes that the kernel has taken for itself: slabs that cannot be given back, and memory of CPUs (proc_meminfo(5)).
fn kernel_memory() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").context("reading /proc/meminfo")?;
    let of = |key: &str| -> Result<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        Ok(number.with_context(|| format!("/proc/meminfo has no {key}"))? * 1024)
    };
    Ok(of("SUnreclaim")? + of("Percpu")? + of("VmallocUsed")?)
}
