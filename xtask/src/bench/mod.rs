//! `cargo xtask bench`: what the tracer costs.
//!
//! Invariant: what is written was measured by this run, on this machine; settings of the kernel that are changed for it
//! are put back. Memory: the results.

mod again;
mod budget;
mod empty;
mod fine;
mod growth;
mod hold;
mod loads;
mod machine;
mod overhead;
mod pages;
mod pipeline;
mod process;
mod programs;
mod reasons;
mod report;
mod statistics;
mod tool;
pub(crate) mod work;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::{build, host, setup};
use machine::Machine;
use overhead::{Placement, Plan};
use programs::Statistics;
use tool::Tool;

#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Throughput and latency of real loads, with the tracer and without it, in turns (root)
    Overhead(Overhead),
    /// What user space takes for each record, connection and call, and how that grows
    Pipeline(pipeline::Options),
    /// Write docs/performance.md and docs/pipeline.md again, from the figures beside them
    Pages,
}

#[derive(clap::Args)]
struct Overhead {
    /// Pairs of runs for each load
    #[arg(long, default_value_t = 5)]
    cycles: u32,
    /// Length of a run
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Cycles of the fine mode for each load
    #[arg(long, default_value_t = 20)]
    fine_cycles: u32,
    /// For how long an idle host is watched; 0 leaves it out
    #[arg(long, default_value_t = 60.0)]
    idle_seconds: f64,
    /// Only loads whose names contain this
    #[arg(long, default_value = "")]
    only: String,
    /// Only this placement [default: both]
    #[arg(long, value_enum)]
    placement: Option<Placement>,
    /// Only the fine mode
    #[arg(long)]
    fine: bool,
    /// Measure another tool as well: NAME=COMMAND with arguments (may be repeated)
    #[arg(long, value_name = "COMMAND", value_parser = Tool::other)]
    against: Vec<Tool>,
    /// Leave the scripts of bpftrace out, which are measured where it is installed
    #[arg(long)]
    no_comparison: bool,
    /// The tracer to measure [default: built now, optimised]
    #[arg(long)]
    tracer: Option<PathBuf>,
    /// Install what is missing without asking
    #[arg(long)]
    yes: bool,
    /// Write docs/performance.md and docs/performance.json; what only some of it was measured again for keeps the rest
    #[arg(long)]
    write: bool,
}

/// Everything that was measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Results {
    #[serde(flatten)]
    machine: Machine,
    cycles: u32,
    seconds: f64,
    overhead: Vec<overhead::Row>,
    fine: Vec<fine::Row>,
    programs: Vec<programs::Row>,
    /// Seconds from the start of the tracer until it watches, the median.
    start: Option<f64>,
    idle: Option<Idle>,
    growth: Vec<growth::Row>,
    /// What could not be measured of the tracer, and why.
    missing: Vec<String>,
    /// What was measured again later, and where.
    #[serde(default)]
    again: Vec<again::Again>,
}

/// The tracer on an idle host.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Idle {
    /// Percent of one CPU.
    percent: f64,
    /// Voluntary switches a second.
    wake_ups: f64,
    seconds: f64,
}

/// Loads that modes and other tools are compared by.
const COMPARED: [&str; 7] = ["ping-pong", "nginx", "nginx-connections", "redis-16", "bulk", "getppid", "zeros"];
/// The tracer as it is.
const DEFAULT: &str = "default";
/// The tool that does nothing at the same trace points.
const EMPTY: &str = "empty hooks";

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    match &options.what {
        What::Overhead(options) => overhead(options),
        What::Pipeline(options) => pipeline::run(options),
        What::Pages => pages::write(),
    }
}

fn overhead(options: &Overhead) -> Result<ExitCode> {
    if !host::is_root() {
        bail!("this loads kernel programs and changes kernel.bpf_stats_enabled: run it as root");
    }
    setup::run(&setup::Options { yes: options.yes, tests: false, benches: true })?;
    let tracer = match &options.tracer {
        Some(tracer) => tracer.clone(),
        None => build::run(&build::Options { release: true })?,
    };
    let folder = tempfile::tempdir().context("making a folder for the measurement")?;
    let mut results = measure(options, &tracer, folder.path())?;
    let is_part = options.fine || options.placement.is_some() || !options.only.is_empty();
    if options.write && is_part {
        results = again::into(pages::kept("performance")?, results);
    }
    let page = report::page(&results);
    println!("{page}");
    if options.write {
        pages::keep("performance", &results)?;
    }
    // What was measured is written in any case, and what was not is no success.
    Ok(if results.missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn measure(options: &Overhead, tracer: &Path, folder: &Path) -> Result<Results> {
    let default = Tool::tracer(DEFAULT, tracer, &[]);
    let modes = [
        Tool::tracer("counts", tracer, &["--detail", "counts"]),
        Tool::tracer("exchanges", tracer, &["--detail", "exchanges"]),
    ];
    let mut others: Vec<Tool> = options.against.clone();
    others.push(Tool::empty()?);
    if !options.no_comparison {
        others.extend(scripts()?);
    }
    let mut results = Results {
        machine: Machine::this()?,
        cycles: options.cycles,
        seconds: options.seconds,
        overhead: Vec::new(),
        fine: Vec::new(),
        programs: Vec::new(),
        start: Some(start(&default, folder)?),
        idle: None,
        growth: Vec::new(),
        missing: Vec::new(),
        again: Vec::new(),
    };
    let _off = Statistics::set(false)?;
    if options.idle_seconds > 0.0 {
        results.idle = Some(idle(&default, options.idle_seconds, folder)?);
    }
    let every: Vec<&Tool> = std::iter::once(&default).chain(&modes).chain(&others).collect();
    for load in fine::LOADS.iter().filter(|load| load.name.contains(&options.only)) {
        for tool in &every {
            eprintln!("fine: {}, {}", load.name, tool.name);
            results.fine.extend(measured(tool, fine::measure(*load, tool, options.fine_cycles, folder))?);
        }
    }
    if options.fine {
        return Ok(results);
    }
    let plan = Plan { cycles: options.cycles, seconds: options.seconds };
    for placement in [Placement::OneCore, Placement::TwoCores] {
        if options.placement.is_some_and(|only| only != placement) {
            continue;
        }
        for load in loads::LOADS.iter().filter(|load| load.name.contains(&options.only)) {
            let compared = placement == Placement::OneCore && COMPARED.contains(&load.name);
            for tool in every.iter().take(if compared { every.len() } else { 1 }) {
                eprintln!("{}: {}, {}", placement.title(), load.name, tool.name);
                match measured(tool, overhead::measure(*load, tool, placement, plan, folder)) {
                    Ok(row) => results.overhead.extend(row),
                    // Half an hour of other rows is not thrown away for it.
                    Err(error) => {
                        let what = format!("{}, {}, {}: {error:#}", load.name, placement.title(), tool.name);
                        eprintln!("not measured: {what}");
                        results.missing.push(what);
                    }
                }
            }
        }
    }
    for size in growth::SOCKETS.iter().chain(&growth::CALLS).filter(|_| options.only.is_empty()) {
        eprintln!("{} connections of {} calls", size.connections, size.calls);
        match growth::measure(*size, &default, folder) {
            Ok(row) => results.growth.push(row),
            Err(error) => {
                let what = format!("{} connections of {} calls: {error:#}", size.connections, size.calls);
                eprintln!("not measured: {what}");
                results.missing.push(what);
            }
        }
    }
    if let Some(load) = loads::LOADS.first().filter(|load| load.name.contains(&options.only)) {
        results.programs = programs::measure(*load, &default, folder)?;
    }
    Ok(results)
}

/// What was measured. Of another tool that may be nothing: it is said why, and the rest goes on.
fn measured<T>(tool: &Tool, result: Result<T>) -> Result<Option<T>> {
    match result {
        Err(error) if !tool.is_tracer => {
            eprintln!("{} is left out here: {error:#}", tool.name);
            Ok(None)
        }
        other => other.map(Some),
    }
}

/// The scripts of bpftrace that are the standing comparison, where it is installed.
fn scripts() -> Result<Vec<Tool>> {
    if xtask::toolchain::program("bpftrace").is_none() {
        eprintln!("bpftrace is not installed (apt-get install bpftrace): nothing to compare with");
        return Ok(Vec::new());
    }
    if !Path::new("/sys/kernel/tracing/events/syscalls").is_dir() {
        eprintln!(
            "bpftrace finds no trace points (mount -t tracefs none /sys/kernel/tracing): nothing to compare with"
        );
        return Ok(Vec::new());
    }
    let folder = host::workspace().join("xtask/bench");
    let script = |name: &str| Tool::other(&format!("{name}=bpftrace {}", folder.join(format!("{name}.bt")).display()));
    ["latency", "syscount"].into_iter().map(script).collect()
}

/// Seconds until it watches: the median of five.
fn start(tool: &Tool, folder: &Path) -> Result<f64> {
    let once = || -> Result<f64> {
        let begin = Instant::now();
        let running = tool.start("0,1", folder)?;
        let seconds = begin.elapsed().as_secs_f64();
        running.end()?;
        Ok(seconds)
    };
    let times = (0..5).map(|_| once()).collect::<Result<Vec<_>>>()?;
    statistics::median(&times).context("no start was measured")
}

fn idle(tool: &Tool, seconds: f64, folder: &Path) -> Result<Idle> {
    eprintln!("an idle host, for {seconds} s");
    let running = tool.start("0,1", folder)?;
    std::thread::sleep(Duration::from_secs(3));
    let switches = |tool: &tool::Running| tool.process.status("voluntary_ctxt_switches").unwrap_or(0);
    let (cpu, switched) = (running.process.cpu_time(), switches(&running));
    std::thread::sleep(Duration::from_secs_f64(seconds));
    let spent = running.process.cpu_time().since(cpu).as_secs_f64();
    let switched = switches(&running).saturating_sub(switched);
    running.end()?;
    #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
    Ok(Idle { percent: spent / seconds * 100.0, wake_ups: switched as f64 / seconds, seconds })
}
