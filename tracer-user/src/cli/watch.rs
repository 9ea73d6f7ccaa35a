//! `tracer watch`: the calls of this host, live.
//!
//! Invariant: however it ends but by force, every export and the tape are written. Memory: the engine's.

use super::options::{self, Options};
use crate::bpf::PlaneChoice;
use crate::clock;
use crate::config::reload::Reload;
use crate::config::values::{self, DetailChoice};
use crate::config::{self, Configuration, Given, Places};
use crate::console::say;
use crate::listen::{Listener, address};
use crate::run::Observation;
use crate::sink::alerts::Alerts;
use crate::source::live::{self, Live};
use crate::stop::Stop;
use anyhow::Result;
use clap::Args;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;
use tracer_core::Engine;
use tracer_core::engine::Config;
use tracer_core::tape::TapeHeader;

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

    /// Answer over HTTP at this port of loopback, or ADDRESS:PORT: /health, /metrics for Prometheus, /graph.json, /graph.dot,
    /// /graph.mmd, /alerts. Whoever can connect can read: there is no authentication
    #[arg(long, value_name = "ADDRESS", value_parser = listen)]
    listen: Option<String>,

    #[command(flatten)]
    capture: Capture,
}

/// Options of the capture.
#[derive(Args, Debug)]
pub(super) struct Capture {
    /// How to hook into the kernel [default: auto]
    #[arg(long, value_enum)]
    plane: Option<PlaneChoice>,

    /// What to tell of requests; counts of connections, requests and bytes are exact with each [default: latencies]
    #[arg(long, value_enum)]
    detail: Option<DetailChoice>,

    /// What the tracer may cost, percent of one CPU, kernel programs included: beyond it less is told of requests (see
    /// --detail), never less counted
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    budget: Option<String>,

    /// Size of the buffer between the kernel and the tracer: KiB, a power of two [default: 4096]
    #[arg(long, value_name = "KIB", value_parser = ring_kib)]
    ring_kib: Option<String>,

    /// Print what the kernel programs say about themselves
    #[arg(long)]
    kernel_log: bool,

    /// Print at the end what each hook counted
    #[arg(long)]
    kernel_counters: bool,
}

impl Capture {
    /// What these options say, for the configuration.
    pub(super) fn given(&self) -> Given {
        let plane = self.plane.and_then(|plane| options::named(&plane));
        let detail = self.detail.and_then(|detail| options::named(&detail));
        let (budget, ring) = (self.budget.clone(), self.ring_kib.clone());
        let all =
            [("watch.plane", plane), ("watch.detail", detail), ("watch.budget", budget), ("watch.ring_kib", ring)];
        all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }

    /// Loads and attaches the programs.
    pub(super) fn start(&self, configuration: &Configuration, stop: &Stop, keys: bool) -> Result<Live> {
        self.start_with(configuration, stop, live::Extras { keys, follows: false })
    }

    /// As above, and tells which process starts which.
    pub(super) fn start_following(&self, configuration: &Configuration, stop: &Stop) -> Result<Live> {
        self.start_with(configuration, stop, live::Extras { keys: false, follows: true })
    }

    fn start_with(&self, configuration: &Configuration, stop: &Stop, extras: live::Extras) -> Result<Live> {
        let (kernel_log, counters) = (self.kernel_log, self.kernel_counters);
        let (plane, budget) = (configuration.plane()?, configuration.budget()?);
        let (detail, ring) = (configuration.detail()?.detail(), configuration.ring_kib()? << 10);
        let window = configuration.window()?;
        Live::start(live::Options { plane, detail, budget, ring, kernel_log, counters, window, extras }, stop)
    }
}

fn percent(text: &str) -> Result<String, String> {
    values::percent(text).map(|_| text.to_owned())
}

fn listen(text: &str) -> Result<String, String> {
    address::parse(text).map(|_| text.to_owned())
}

/// Says where it listens, and what that means where others can reach it.
fn tell_address(address: SocketAddr) {
    say(&format!("listening on http://{address}"));
    if !address.ip().is_loopback() {
        say("warning: whoever can connect to it can read calls, names and command lines: there is no authentication");
    }
}

fn ring_kib(text: &str) -> Result<String, String> {
    values::ring_kib(text).map(|_| text.to_owned())
}

impl Watch {
    /// Where the configuration is looked for, these options included.
    pub(super) fn places(&self) -> Places {
        let mut given = self.options.given();
        given.extend(self.capture.given());
        given.extend(self.listen.clone().map(|address| ("watch.listen", address)));
        Places::live(self.options.config.clone(), given)
    }

    pub(super) fn run(self) -> Result<ExitCode> {
        let places = self.places();
        let configuration = config::load(&places)?;
        let checked = self.options.check(&configuration)?;
        let stop = Stop::on_signals()?;
        // Before what takes time: the signal would end the process otherwise.
        let reload = Some(Reload::on_signal(places, configuration.clone())?);
        let listener = configuration.listen()?.map(Listener::start).transpose()?;
        if let Some(listener) = &listener {
            tell_address(listener.address);
        }
        let alerts = Some(Alerts::start(&configuration)?);
        let source = Box::new(self.capture.start(&configuration, &stop, true)?);
        let recording = self.options.recording(&header(&checked.config))?;
        let console = checked.console(true)?;
        let engine = Engine::new(checked.config.clone());
        let graph = Observation {
            source,
            engine,
            recording,
            console,
            alerts,
            listener,
            reload,
            stop: &stop,
            length: self.length,
        }
        .run()?;
        checked.write_exports(&graph)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn header(config: &Config) -> TapeHeader {
    let system = rustix::system::uname();
    let (host, kernel) = (system.nodename().to_string_lossy(), system.release().to_string_lossy());
    TapeHeader::new(env!("CARGO_PKG_VERSION"), &host, &kernel, config.window, clock::wall())
        .with_rules(config.rules.clone())
        .with_payload(true)
        .with_policy(config.policy.clone())
}
