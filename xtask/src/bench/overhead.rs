//! Throughput with a tool and without it, in turns.
//!
//! Invariant: each run with the tool has its run without it right before or after, in changing order; what the machine
//! does to such pairs by itself is measured in the same way with no tool in either. Memory: the figures of the runs.

use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::loads::{self, Done, Load, Served};
use super::process::busy_seconds;
use super::statistics::{median, spread};
use super::tool::Tool;

/// Where client, server and tool run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
pub(super) enum Placement {
    /// All on one: the worst case
    OneCore,
    /// The server on one, the client on another, the tool on both: the usual
    TwoCores,
}

impl Placement {
    /// The CPUs of server, client and tool.
    fn cpus(self) -> [&'static str; 3] {
        match self {
            Self::OneCore => ["0", "0", "0"],
            Self::TwoCores => ["0", "1", "0,1"],
        }
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::OneCore => "one core",
            Self::TwoCores => "two cores",
        }
    }
}

/// How to measure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) cycles: u32,
    pub(super) seconds: f64,
}

/// What came of one load with one tool.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) load: String,
    pub(super) tool: String,
    pub(super) placement: Placement,
    /// Requests a second, medians.
    pub(super) without: f64,
    pub(super) with: f64,
    /// The median of the pairs' ratios, the smallest and the largest.
    pub(super) ratio: f64,
    pub(super) least: f64,
    pub(super) most: f64,
    /// The same of pairs without the tool.
    pub(super) control: f64,
    pub(super) control_least: f64,
    pub(super) control_most: f64,
    /// What all CPUs together worked for each request, microseconds.
    pub(super) cpu_without: f64,
    pub(super) cpu_with: f64,
    /// The tool's own process: percent of one CPU, and its resident memory at the end of a run, in KiB.
    pub(super) tool_percent: f64,
    pub(super) tool_kib: u64,
    /// What a tracer says it lost; requests that it saw for each that was made (where the client knows).
    pub(super) lost: Option<u64>,
    pub(super) seen: Option<f64>,
}

impl Row {
    /// What the load is, for a person.
    pub(super) fn title(&self) -> &str {
        loads::LOADS.iter().find(|load| load.name == self.load).map_or(&self.load, |load| load.title)
    }
}

/// One run.
struct Run {
    rate: f64,
    cpu: f64,
}

/// One run with the tool.
struct Traced {
    run: Run,
    percent: f64,
    kib: u64,
    lost: Option<u64>,
    seen: Option<f64>,
}

/// Measures one load with one tool at one placement.
pub(super) fn measure(load: Load, tool: &Tool, placement: Placement, plan: Plan, folder: &Path) -> Result<Row> {
    let [servers, clients, tools] = placement.cpus();
    let served = load.serve(folder, servers, clients)?;
    let warm = served.run(1.0, 20_000.0)?;
    let rate = warm.requests / warm.seconds;
    let alone = || warmed(&served, plan.seconds, rate).map(|(run, ..)| run);
    let (mut without, mut with, mut control) = (Vec::new(), Vec::new(), Vec::new());
    for cycle in 0..plan.cycles {
        if cycle.is_multiple_of(2) {
            without.push(alone()?);
            with.push(traced(&served, tool, tools, plan.seconds, rate, folder)?);
        } else {
            with.push(traced(&served, tool, tools, plan.seconds, rate, folder)?);
            without.push(alone()?);
        }
        control.push((alone()?, alone()?));
    }
    let figures = |of: &dyn Fn(&Run) -> f64, runs: Vec<&Run>| median(&runs.into_iter().map(of).collect::<Vec<_>>());
    let on: Vec<&Run> = with.iter().map(|traced| &traced.run).collect();
    let ratios: Vec<f64> = on.iter().zip(&without).map(|(on, off)| on.rate / off.rate).collect();
    let controls: Vec<f64> = control.iter().map(|(one, other)| one.rate / other.rate).collect();
    let (least, most) = spread(&ratios).unwrap_or_default();
    let (control_least, control_most) = spread(&controls).unwrap_or_default();
    let seen: Vec<f64> = with.iter().filter_map(|traced| traced.seen).collect();
    let nothing = f64::NAN;
    Ok(Row {
        load: load.name.to_owned(),
        tool: tool.name.clone(),
        placement,
        without: figures(&|run| run.rate, without.iter().collect()).unwrap_or(nothing),
        with: figures(&|run| run.rate, on.clone()).unwrap_or(nothing),
        ratio: median(&ratios).unwrap_or(nothing),
        least,
        most,
        control: median(&controls).unwrap_or(nothing),
        control_least,
        control_most,
        cpu_without: figures(&|run| run.cpu, without.iter().collect()).unwrap_or(nothing),
        cpu_with: figures(&|run| run.cpu, on).unwrap_or(nothing),
        tool_percent: median(&with.iter().map(|traced| traced.percent).collect::<Vec<_>>()).unwrap_or(nothing),
        tool_kib: with.iter().map(|traced| traced.kib).max().unwrap_or(0),
        lost: with.iter().map(|traced| traced.lost).sum(),
        seen: median(&seen),
    })
}

fn run(served: &Served, seconds: f64, rate: f64) -> Result<(Run, Done)> {
    let before = busy_seconds()?;
    let done = served.run(seconds, rate)?;
    let cpu = (busy_seconds()? - before) * 1e6 / done.requests;
    Ok((Run { rate: done.requests / done.seconds, cpu }, done))
}

/// How long a load runs before it is measured: a tool needs some of it to see what is spoken and what is busy.
const WARM_UP: f64 = 0.6;

/// A run behind a warm-up; with what both made.
fn warmed(served: &Served, seconds: f64, rate: f64) -> Result<(Run, f64, bool)> {
    let warm = served.run(WARM_UP, rate)?;
    let (run, done) = run(served, seconds, rate)?;
    Ok((run, warm.requests + done.requests, done.exact))
}

fn traced(served: &Served, tool: &Tool, cpus: &str, seconds: f64, rate: f64, folder: &Path) -> Result<Traced> {
    let running = tool.start(cpus, folder)?;
    let before = (running.process.cpu_time(), std::time::Instant::now());
    let (run, made, exact) = warmed(served, seconds, rate)?;
    let spent = running.process.cpu_time().since(before.0).as_secs_f64();
    let percent = spent / before.1.elapsed().as_secs_f64() * 100.0;
    let kib = running.process.status("VmRSS").unwrap_or(0);
    let saw = running.end()?;
    let seen = served.port().and_then(|port| saw.requests(&port)).filter(|_| exact);
    #[expect(clippy::cast_precision_loss, reason = "some millions")]
    let seen = seen.map(|seen| seen as f64 / made);
    Ok(Traced { run, percent, kib, lost: saw.completeness("records_lost"), seen })
}
