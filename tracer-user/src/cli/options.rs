//! What `watch` and `replay` have in common.
//!
//! Invariant: everything that can be wrong with the options is found before anything is observed. Memory: the
//! baseline.

use crate::config::values::{self, OutputKind};
use crate::config::{Configuration, Given};
use crate::console::{self, Console};
use crate::{files, recording::Recording};
use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};
use tracer_core::baseline::Baseline;
use tracer_core::engine::Config;
use tracer_core::export::{Format, UnknownFormat};
use tracer_core::graph::snapshot::GraphSnapshot;
use tracer_core::tape::TapeHeader;

/// Options of an observation.
#[derive(Args, Debug)]
pub(super) struct Options {
    /// Length of a window; detectors judge each window, views show the last six. [default: 10s, or the tape's]
    #[arg(long, value_name = "DURATION", value_parser = window)]
    pub(super) window: Option<String>,

    /// The expected calls: marks every call as expected or unexpected, and alerts on unexpected ones
    #[arg(long, value_name = "FILE")]
    pub(super) baseline: Option<PathBuf>,

    /// The configuration, TOML: what calls are held to, your own names for services; see `tracer config`. [default:
    /// /etc/tracer/tracer.toml if it is there; for a replay what the tape says]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Write the graph at the end; the ending picks the format: .dot .mmd .json (may be repeated)
    #[arg(long = "export", value_name = "FILE", value_parser = ExportFile::parse)]
    exports: Vec<ExportFile>,

    /// Record every input to a tape that `tracer replay` reads. It holds command lines and looked-up names: only you can
    /// read the file. It does not hold what was said on connections: a replay has no operations
    #[arg(long, value_name = "TAPE")]
    pub(super) record: Option<PathBuf>,

    /// Record what was said on connections as well, as far as the tracer reads it (the beginnings of requests and
    /// responses, which may hold secrets): a replay then has the operations
    #[arg(long, requires = "record")]
    record_payload: bool,

    /// How to show what happens: a live table, a line for each new call and alert, or JSON lines [default: auto]
    #[arg(long, value_enum)]
    pub(super) output: Option<OutputKind>,
}

/// Options that were checked.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) config: Config,
    exports: Vec<ExportFile>,
    output: OutputKind,
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
    /// What these options say, for the configuration.
    pub(super) fn given(&self) -> Given {
        let output = self.output.and_then(|output| named(&output));
        let baseline = self.baseline.as_ref().map(|path| path.to_string_lossy().into_owned());
        let all = [("watch.window", self.window.clone()), ("watch.baseline", baseline), ("watch.output", output)];
        all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }

    /// Checks the options, and what the configuration says beside them.
    pub(super) fn check(&self, configuration: &Configuration) -> Result<Checked> {
        // A path need not be Unicode, as a value of a configuration is.
        let baseline = self.baseline.clone().or_else(|| configuration.baseline());
        let baseline = baseline.as_deref().map(read_baseline).transpose()?;
        self.exports.iter().try_for_each(ExportFile::check)?;
        let (window, output) = (configuration.window()?, configuration.output()?);
        let tracer_core::input::Settings { rules, policy } = configuration.settings();
        let config = Config { window, baseline, rules, policy, ..Config::default() };
        Ok(Checked { exports: self.exports.clone(), output, config })
    }

    /// Begins the tape that was asked for, with payload if that was asked for and the source has it.
    pub(super) fn recording(&self, header: &TapeHeader) -> Result<Option<Recording>> {
        let header = header.clone().with_payload(header.payload && self.record_payload);
        self.record.as_deref().map(|path| Recording::begin(path, &header)).transpose()
    }
}

impl Checked {
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

    /// Writes every export; all are tried before the first failure is told.
    pub(super) fn write_exports(&self, graph: &GraphSnapshot) -> Result<()> {
        let results: Vec<Result<()>> = self.exports.iter().map(|file| file.write(graph)).collect();
        results.into_iter().collect()
    }
}

/// The name of a choice, as it is written.
pub(super) fn named(choice: &impl ValueEnum) -> Option<String> {
    Some(choice.to_possible_value()?.get_name().to_owned())
}

/// Takes the length of a window.
pub(super) fn window(text: &str) -> Result<String, String> {
    values::window(text).map(|_| text.to_owned())
}

/// Reads a baseline, or says what is wrong with the file.
pub(super) fn read_baseline(path: &Path) -> Result<Baseline> {
    let contents = files::read_guarded(path)?;
    Baseline::parse(&contents).with_context(|| format!("the baseline {} cannot be used", path.display()))
}

/// What was learned, with the entries that somebody wrote into the file before, if it is there.
pub(super) fn keep_entries(learned: Baseline, path: &Path) -> Result<Baseline> {
    if !path.is_file() {
        return Ok(learned);
    }
    let before = read_baseline(path)
        .context("its entries of `allow` and `deny` would be lost; remove the file to begin anew")?;
    let kept = before.allow().len() + before.deny().len();
    if kept > 0 {
        console::say(&format!("{}: {kept} entries of allow and deny are kept", path.display()));
    }
    Ok(learned.with_entries_of(&before))
}
