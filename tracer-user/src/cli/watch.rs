//! `tracer watch`: the calls of this host, live.
//!
//! Invariant: however it ends but by force, every export and the tape are written. Memory: the engine's.

use super::options::Options;
use crate::bpf::PlaneChoice;
use crate::clock;
use crate::run::Observation;
use crate::source::live::{self, Live};
use crate::stop::Stop;
use anyhow::Result;
use clap::{Args, ValueEnum};
use std::process::ExitCode;
use std::time::Duration;
use tracer_core::Engine;
use tracer_core::engine::Config;
use tracer_core::identity::Rules;
use tracer_core::input::Detail;
use tracer_core::tape::TapeHeader;
use tracer_core::time::Span;

/// Watch the calls of this host (needs root)
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  sudo tracer watch                                     a live table; q or Ctrl-C ends it
  sudo tracer watch --for 30s --export calls.dot        then: dot -Tsvg calls.dot > calls.svg
  sudo tracer watch --baseline baseline.json --output json | jq 'select(.schema == \"tracer.alert/1\")'")]
pub(super) struct Watch {
    #[command(flatten)]
    options: Options,

    /// End after this time [default: when asked to]
    #[arg(long = "for", value_name = "DURATION", value_parser = humantime::parse_duration)]
    length: Option<Duration>,

    #[command(flatten)]
    capture: Capture,
}

/// Options of the capture.
#[derive(Args, Debug)]
pub(super) struct Capture {
    /// How to hook into the kernel
    #[arg(long, value_enum, default_value_t)]
    plane: PlaneChoice,

    /// What to tell of requests; counts of connections, requests and bytes are exact with each
    #[arg(long, value_enum, default_value_t)]
    detail: DetailChoice,

    /// What the tracer may cost, percent of one CPU, kernel programs included: beyond it less is told of requests (see
    /// --detail), never less counted
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    budget: Option<f64>,

    /// Size of the buffer between the kernel and the tracer: KiB, a power of two
    #[arg(long, value_name = "KIB", default_value_t = 4096, value_parser = ring_kib)]
    ring_kib: u32,

    /// Print what the kernel programs say about themselves
    #[arg(long)]
    kernel_log: bool,

    /// Print at the end what each hook counted
    #[arg(long)]
    kernel_counters: bool,
}

/// What to tell of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum DetailChoice {
    /// No latencies: the cheapest
    Counts,
    /// Every latency; of busy connections (250 requests a second and more) by a histogram in the kernel, and one request
    /// of 64 by itself
    #[default]
    Latencies,
    /// Every request by itself, at any rate
    Exchanges,
}

impl DetailChoice {
    fn detail(self) -> Detail {
        match self {
            Self::Counts => Detail::Counts,
            Self::Latencies => Detail::Latencies,
            Self::Exchanges => Detail::Exchanges,
        }
    }
}

impl Capture {
    /// Loads and attaches the programs.
    pub(super) fn start(&self, stop: &Stop, keys: bool) -> Result<Live> {
        let (kernel_log, counters) = (self.kernel_log, self.kernel_counters);
        let (plane, detail, budget, ring) = (self.plane, self.detail.detail(), self.budget, self.ring_kib << 10);
        Live::start(live::Options { plane, detail, budget, ring, kernel_log, keys, counters }, stop)
    }
}

fn percent(text: &str) -> Result<f64, String> {
    let percent = text.strip_suffix('%').unwrap_or(text).trim().parse().ok();
    let percent = percent.filter(|percent| (0.1..=100.0).contains(percent));
    percent.ok_or_else(|| "it must be a percentage from 0.1 to 100, such as 3%".to_owned())
}

fn ring_kib(text: &str) -> Result<u32, String> {
    let size = text.parse().ok().filter(|size: &u32| size.is_power_of_two() && (4..=1 << 20).contains(size));
    size.ok_or_else(|| "it must be a power of two from 4 to 1048576".to_owned())
}

impl Watch {
    pub(super) fn run(self) -> Result<ExitCode> {
        let checked = self.options.check(Span::from_seconds(10), &Rules::default())?;
        let stop = Stop::on_signals()?;
        let source = Box::new(self.capture.start(&stop, true)?);
        let recording = self.options.recording(&header(&checked.config))?;
        let console = self.options.console(true)?;
        let engine = Engine::new(checked.config.clone());
        let graph = Observation { source, engine, recording, console, stop: &stop, length: self.length }.run()?;
        checked.write_exports(&graph)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn header(config: &Config) -> TapeHeader {
    let system = rustix::system::uname();
    let (host, kernel) = (system.nodename().to_string_lossy(), system.release().to_string_lossy());
    TapeHeader::new(env!("CARGO_PKG_VERSION"), &host, &kernel, config.window, clock::wall())
        .with_rules(config.rules.clone())
}
