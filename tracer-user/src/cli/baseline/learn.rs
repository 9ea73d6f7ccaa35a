//! `tracer baseline learn`: the calls of this host, or of tapes, become the expected ones.
//!
//! Invariant: an existing baseline is replaced only by a whole new one, and keeps what was written into it by hand.
//! Memory: the engine's.

use super::super::{options, watch};
use super::progress::{self, Learning};
use crate::config::{self, Configuration, Places};
use crate::console::say;
use crate::files;
use crate::run::Observation;
use crate::source::Source;
use crate::source::tape::Tape;
use crate::stop::Stop;
use anyhow::{Context as _, Result, bail};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tracer_core::Engine;
use tracer_core::baseline::{self, Baseline};
use tracer_core::engine::Config;
use tracer_core::input::Settings;

/// Watch this host, or tapes, and write the calls as the expected ones
///
/// At the end it says whether learning was saturated: no new call for ten times the median time between new ones.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  sudo tracer baseline learn --for 1h --until-saturated calls.json
  tracer baseline learn --tape monday.tape --tape tuesday.tape calls.json        needs no root")]
pub(super) struct Learn {
    /// The file to write: JSON, sorted, to be reviewed and kept in version control. Entries of `allow` and `deny` in it are
    /// kept
    file: PathBuf,

    /// How long to watch
    #[arg(long = "for", value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "60s")]
    length: Duration,

    /// End as soon as learning is saturated, at the latest after --for
    #[arg(long)]
    until_saturated: bool,

    /// Learn from a tape instead (needs no root; may be repeated: several are merged)
    #[arg(long = "tape", value_name = "TAPE", conflicts_with = "length")]
    tapes: Vec<PathBuf>,

    /// List the operations of each call, too, where a parser knows them
    #[arg(long)]
    operations: bool,

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

impl Learn {
    pub(super) fn run(self) -> Result<ExitCode> {
        files::check_folder(&self.file)?;
        let stop = Stop::on_signals()?;
        let learned = if self.tapes.is_empty() {
            self.of_host(&stop)?
        } else {
            let all = self.tapes.iter().map(|tape| self.of_tape(tape, &stop)).collect::<Result<Vec<_>>>()?;
            baseline::merge(&all).context("the tapes make no baseline")?
        };
        if learned.calls().is_empty() {
            bail!("no call was seen, so nothing was learned and {} is unchanged", self.file.display());
        }
        let learned = options::keep_entries(learned, &self.file)?;
        files::write_whole(&self.file, learned.render().as_bytes())?;
        say(&format!("{}: {} calls are expected from now on", self.file.display(), learned.calls().len()));
        Ok(ExitCode::SUCCESS)
    }

    fn of_host(&self, stop: &Stop) -> Result<Baseline> {
        let configuration = config::load(&Places::live(self.config.clone(), self.given()))?;
        let source = Box::new(self.capture.start(&configuration, stop, false)?);
        let until = if self.until_saturated { ", or until it is saturated" } else { "" };
        let length = humantime::format_duration(self.length);
        say(&format!("learning for {length}{until}; Ctrl-C ends it early"));
        self.observe(source, &configuration, Some(self.length), stop, None)
    }

    fn of_tape(&self, path: &Path, stop: &Stop) -> Result<Baseline> {
        let (tape, header) = Tape::open(path)?;
        if self.operations && !header.payload {
            say(&format!("{}: the tape holds no payload, so no operations", path.display()));
        }
        let recorded = Settings { rules: header.rules.clone(), policy: header.policy.clone() };
        let places = Places::replay(self.config.clone(), self.given(), header.window, recorded);
        self.observe(Box::new(tape), &config::load(&places)?, None, stop, Some(path))
    }

    fn observe(
        &self,
        source: Box<dyn Source + '_>,
        configuration: &Configuration,
        length: Option<Duration>,
        stop: &Stop,
        tape: Option<&Path>,
    ) -> Result<Baseline> {
        let Settings { rules, policy } = configuration.settings();
        let engine =
            Engine::new(Config { window: configuration.window()?, rules, policy, learn: true, ..Config::default() });
        let console = Box::new(Learning::new(self.until_saturated));
        let observation = Observation { length, console, ..Observation::quiet(source, engine, stop) };
        let engine = observation.engine()?;
        if let Some(progress) = engine.progress() {
            let of = tape.map(|tape| format!("{}: ", tape.display())).unwrap_or_default();
            say(&format!("{of}{}", progress::verdict(&progress)));
        }
        let learned = engine.learned()?;
        Ok(if self.operations { learned.with_operations_of(&engine.snapshot()) } else { learned })
    }

    fn given(&self) -> config::Given {
        let mut given = self.capture.given();
        given.extend(self.window.clone().map(|window| ("watch.window", window)));
        given
    }
}
