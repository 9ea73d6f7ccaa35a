//! What `watch` and `replay` have in common.
//!
//! Invariant: everything that can be wrong with the options is found before anything is observed. Memory: the
//! baseline.

use crate::console::{self, Console};
use crate::{config, files, recording::Recording};
use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tracer_core::baseline::Baseline;
use tracer_core::engine::Config;
use tracer_core::export::{Format, UnknownFormat};
use tracer_core::graph::snapshot::GraphSnapshot;
use tracer_core::identity::Rules;
use tracer_core::tape::TapeHeader;
use tracer_core::time::Span;

/// Options of an observation.
#[derive(Args, Debug)]
pub(super) struct Options {
    /// Length of a window; detectors judge each window, views show the last six. [default: 10s, or the tape's]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(super) window: Option<Duration>,

    /// The expected calls: marks every call as expected or unexpected, and alerts on unexpected ones
    #[arg(long, value_name = "FILE")]
    pub(super) baseline: Option<PathBuf>,

    /// The configuration: TOML with your own names for services. [default for a replay: that of the tape]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Write the graph at the end; the ending picks the format: .dot .mmd .json (may be repeated)
    #[arg(long = "export", value_name = "FILE", value_parser = ExportFile::parse)]
    exports: Vec<ExportFile>,

    /// Record every input to a tape that `tracer replay` reads. It holds command lines: only you can read the file
    #[arg(long, value_name = "TAPE")]
    pub(super) record: Option<PathBuf>,

    /// How to show what happens: a live table, a line for each new call and alert, or JSON lines
    #[arg(long, value_enum, default_value_t = OutputKind::Auto)]
    pub(super) output: OutputKind,
}

/// How to show what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputKind {
    /// The live table on a terminal, else text
    Auto,
    /// A live table that redraws
    Tui,
    /// A line for every new call and alert, and a table at the end
    Text,
    /// A JSON object a line for every new call and alert
    Json,
}

/// Options that were checked.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) config: Config,
    exports: Vec<ExportFile>,
}

/// A file that a graph is to be written to.
#[derive(Clone, Debug)]
pub(super) struct ExportFile {
    path: PathBuf,
    format: Format,
}

impl ExportFile {
    /// Takes a file whose ending names a format.
    pub(super) fn parse(text: &str) -> Result<Self, UnknownFormat> {
        let path = PathBuf::from(text);
        Format::from_path(&path).map(|format| Self { path, format })
    }

    /// Says early that it cannot be written because its folder is not there.
    pub(super) fn check(&self) -> Result<()> {
        files::check_folder(&self.path)
    }

    pub(super) fn write(&self, graph: &GraphSnapshot) -> Result<()> {
        files::write_whole(&self.path, self.format.render(graph).as_bytes())
    }
}

impl Options {
    /// Checks the options. `window` is the length of a window when none is asked for, `rules` are those of naming
    /// when no configuration is given.
    pub(super) fn check(&self, window: Span, rules: &Rules) -> Result<Checked> {
        let window = match self.window {
            Some(asked) => Span(u64::try_from(asked.as_nanos()).context("--window is too long")?),
            None => window,
        };
        if window < Span::from_millis(100) {
            bail!("--window must be at least 100ms");
        }
        let baseline = self.baseline.as_deref().map(read_baseline).transpose()?;
        self.exports.iter().try_for_each(ExportFile::check)?;
        let rules = read_rules(self.config.as_deref(), rules)?;
        let config = Config { window, baseline, rules, ..Config::default() };
        Ok(Checked { exports: self.exports.clone(), config })
    }

    /// Begins the tape that was asked for.
    pub(super) fn recording(&self, header: &TapeHeader) -> Result<Option<Recording>> {
        self.record.as_deref().map(|path| Recording::begin(path, header)).transpose()
    }

    /// The console that was asked for; `live` says that there is something to watch.
    pub(super) fn console(&self, live: bool) -> Result<Box<dyn Console>> {
        match self.output {
            OutputKind::Auto if live && console::is_terminal() => console::live_table(),
            OutputKind::Tui if live => console::live_table(),
            OutputKind::Tui => bail!("a replay is over at once: there is nothing to watch; use --output text"),
            OutputKind::Auto | OutputKind::Text => console::lines(),
            OutputKind::Json => console::json_lines(),
        }
    }
}

impl Checked {
    /// Writes every export; all are tried before the first failure is told.
    pub(super) fn write_exports(&self, graph: &GraphSnapshot) -> Result<()> {
        let results: Vec<Result<()>> = self.exports.iter().map(|file| file.write(graph)).collect();
        results.into_iter().collect()
    }
}

/// The rules of naming of a configuration, if there is one, else `rules`.
pub(super) fn read_rules(path: Option<&Path>, rules: &Rules) -> Result<Rules> {
    path.map_or_else(|| Ok(rules.clone()), config::read)
}

/// Reads a baseline, or says what is wrong with the file.
pub(super) fn read_baseline(path: &Path) -> Result<Baseline> {
    let contents = files::read_whole(path)?;
    Baseline::parse(&contents).with_context(|| format!("the baseline {} cannot be used", path.display()))
}
