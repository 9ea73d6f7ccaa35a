//! `tracer baseline`: learning and looking at what is expected.
//!
//! Invariant: an existing baseline is replaced only by a whole new one. Memory: the engine's.

use super::{options, watch};
use crate::config::{self, Places};
use crate::console::{self, say};
use crate::files;
use crate::run::Observation;
use crate::source::Source;
use crate::source::tape::Tape;
use crate::stop::Stop;
use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tracer_core::Engine;
use tracer_core::baseline;
use tracer_core::engine::Config;
use tracer_core::escape::printable;
use tracer_core::input::Settings;

/// Learn which calls are expected, or show what was learned
#[derive(Args, Debug)]
pub(super) struct Baseline {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Learn(Learn),
    Show(Show),
}

/// Watch this host, or a tape, and write the calls it makes as the expected ones
#[derive(Args, Debug)]
struct Learn {
    /// The file to write: JSON, sorted, to be reviewed and kept in version control
    file: PathBuf,

    /// How long to watch
    #[arg(long = "for", value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "60s")]
    length: Duration,

    /// Learn from a tape instead (needs no root)
    #[arg(long, value_name = "TAPE", conflicts_with = "length")]
    tape: Option<PathBuf>,

    /// Length of a window
    #[arg(long, value_name = "DURATION", value_parser = options::window)]
    window: Option<String>,

    /// The configuration, TOML, with your own names for services [default: /etc/tracer/tracer.toml if it is there; for a
    /// tape what the tape says]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    capture: watch::Capture,
}

/// Print a baseline as a table
#[derive(Args, Debug)]
struct Show {
    /// The baseline
    file: PathBuf,
}

impl Baseline {
    pub(super) fn run(self) -> Result<ExitCode> {
        match self.command {
            Command::Learn(learn) => learn.run(),
            Command::Show(show) => show.run(),
        }
    }
}

impl Learn {
    fn run(self) -> Result<ExitCode> {
        files::check_folder(&self.file)?;
        let stop = Stop::on_signals()?;
        let tape = self.tape.as_deref().map(Tape::open).transpose()?;
        let mut given = self.capture.given();
        given.extend(self.window.clone().map(|window| ("watch.window", window)));
        let places = match &tape {
            Some((_, header)) => {
                let recorded = Settings { rules: header.rules.clone(), policy: header.policy.clone() };
                Places::replay(self.config.clone(), given, header.window, recorded)
            }
            None => Places::live(self.config.clone(), given),
        };
        let configuration = config::load(&places)?;
        let (source, length): (Box<dyn Source>, _) = match tape {
            Some((tape, _)) => (Box::new(tape), None),
            None => (Box::new(self.capture.start(&configuration, &stop, false)?), Some(self.length)),
        };
        if length.is_some() {
            say(&format!("learning for {}; Ctrl-C ends it early", humantime::format_duration(self.length)));
        }
        let Settings { rules, policy } = configuration.settings();
        let engine =
            Engine::new(Config { window: configuration.window()?, rules, policy, learn: true, ..Config::default() });
        let observation = Observation { length, ..Observation::quiet(source, engine, &stop) };
        let learned = observation.learn()?;
        if learned.calls().is_empty() {
            bail!("no call was seen, so nothing was learned and {} is unchanged", self.file.display());
        }
        let learned = options::keep_entries(learned, &self.file)?;
        files::write_whole(&self.file, learned.render().as_bytes())?;
        say(&format!("{}: {} calls are expected from now on", self.file.display(), learned.calls().len()));
        Ok(ExitCode::SUCCESS)
    }
}

impl Show {
    fn run(self) -> Result<ExitCode> {
        let learned = options::read_baseline(&self.file)?;
        console::print(&table(&learned))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The expected calls, a line each.
fn table(learned: &baseline::Baseline) -> String {
    let header = format!("{:<60} {:>10} {:>12} {:>12} {:>8}\n", "CALL", "REQ/S", "MEAN", "P99", "ERR%");
    let figure =
        |value: Option<f64>, unit: &str| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}{unit}"));
    let line = |call: &baseline::ExpectedCall| {
        format!(
            "{:<60} {:>10} {:>12} {:>12} {:>8}\n",
            printable(&call.key().to_string(), 60),
            figure(Some(call.requests_per_second), ""),
            figure(call.mean_ms, " ms"),
            figure(call.p99_ms, " ms"),
            figure(call.error_rate.map(|rate| rate * 100.0), ""),
        )
    };
    header + &learned.calls().iter().map(line).collect::<String>()
}
