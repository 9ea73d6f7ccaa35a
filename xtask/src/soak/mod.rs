//! `cargo xtask soak`: the tracer on a host on which processes and connections come and go, for long.
//!
//! Invariant: what the load did is known to the last request, so that whatever the tracer has not counted it must have
//! said to be lost; nothing that was started outlives this. Memory: one sample every few seconds.

mod load;
mod tracer;
mod verdict;
pub(crate) mod work;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::sample::Sample;
use crate::{build, host};
use load::Load;
use tracer::Tracer;

#[derive(clap::Args)]
#[command(after_help = "\
The load: some 60 processes a second that end at once, each with connections of its own; 200 connections a second from one
process; 200 connections that stay, and a busy one; datagrams and Unix sockets. At the end the memory must not have grown,
no map may be full, and every request must be counted or said to be lost.

Examples:
  sudo cargo xtask soak                     half an hour
  sudo cargo xtask soak --minutes 3         a first look: the memory of ended processes still grows then, to its cap")]
pub(crate) struct Options {
    /// How long
    #[arg(long, default_value_t = 30.0, value_parser = minutes)]
    minutes: f64,
    /// Seconds between two samples
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60))]
    every: u64,
    /// The tracer to watch [default: built now, optimised]
    #[arg(long)]
    tracer: Option<PathBuf>,
    /// Arguments for `tracer watch`
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// For how long the host is left alone before the tracer is asked to end: two looks at all sockets, and some.
const SETTLE: Duration = Duration::from_secs(4);

fn minutes(text: &str) -> Result<f64, String> {
    let minutes = text.parse().ok().filter(|minutes| (0.5..=10_000.0).contains(minutes));
    minutes.ok_or_else(|| "it must be a number of minutes from 0.5 to 10000".to_owned())
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if !host::is_root() {
        bail!("the tracer needs root to load its programs: run this as root (sudo cargo xtask soak)");
    }
    let binary = match &options.tracer {
        Some(tracer) => tracer.clone(),
        None => build::run(&build::Options { release: true })?,
    };
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("cannot handle SIGINT and SIGTERM")?;
    }
    let folder = tempfile::tempdir().context("making a folder for the soak")?;
    let server = work::Server::start(folder.path())?;
    let mut tracer = Tracer::start(&binary, folder.path(), &options.arguments)?;
    let load = Load::start(&server);
    let samples = watch(options, &mut tracer, &load, &stop);
    let made = load.stop()?;
    let samples = samples?;
    thread::sleep(SETTLE);
    let seen = tracer.end()?;
    drop(server);
    let checks = verdict::checks(&samples, &made, &seen);
    for check in &checks {
        println!("{check}");
    }
    Ok(if checks.iter().all(|check| check.holds) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Samples until the time is over, or somebody wants it to end.
fn watch(options: &Options, tracer: &mut Tracer, load: &Load, stop: &AtomicBool) -> Result<Vec<Sample>> {
    let begin = Instant::now();
    let length = Duration::from_secs_f64(options.minutes * 60.0);
    let mut samples = vec![Sample::take(tracer.id(), begin, load.made().processes)?];
    let mut told = 0;
    while begin.elapsed() < length && !stop.load(Ordering::Relaxed) {
        let next = begin + Duration::from_secs(options.every) * u32::try_from(samples.len())?;
        while Instant::now() < next && !stop.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(100));
        }
        tracer.must_run()?;
        load.must_run()?;
        let sample = Sample::take(tracer.id(), begin, load.made().processes)?;
        let minute = begin.elapsed().as_secs() / 60;
        if minute > told {
            told = minute;
            eprintln!("minute {minute}: {}; {}", sample.since(samples.first()), load.made());
        }
        samples.push(sample);
    }
    Ok(samples)
}
