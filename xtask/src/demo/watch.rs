//! Learning a baseline, and one watch against it with all its files.
//!
//! Invariant: files of an earlier demo are removed first, so that only what this one wrote is read.
//! Memory: one graph and its alerts.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::interrupt::Interrupt;
use super::load::LoadHandle;
use super::programs;
use super::report::say;
use super::stack::Stack;
use super::tracer::{Looking, Tracer};

const WINDOW: &str = "2s";
/// Requests per second over all connections.
const RATE: f64 = 100.0;
const CONNECTIONS: u32 = 4;
/// Faults of some seconds are to be told within them.
const CONFIG: &str = "[detect]\nstalled_after = \"2s\"\n";

/// What every watch needs.
#[derive(Debug)]
pub(super) struct Observatory {
    pub(super) tracer: Tracer,
    pub(super) interrupt: Interrupt,
    /// Where all files go.
    pub(super) out: PathBuf,
}

/// The files of one watch.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) dot: PathBuf,
    pub(super) mermaid: PathBuf,
    pub(super) json: PathBuf,
    pub(super) svg: PathBuf,
    pub(super) tape: PathBuf,
    pub(super) replayed: PathBuf,
    baseline: PathBuf,
}

impl Files {
    fn named(out: &Path, name: &str, baseline: &Path) -> Self {
        let file = |ending: &str| out.join(format!("{name}.{ending}"));
        Self {
            dot: file("dot"),
            mermaid: file("mmd"),
            json: file("json"),
            svg: file("svg"),
            tape: file("tape"),
            replayed: file("replayed.json"),
            baseline: baseline.to_owned(),
        }
    }

    /// The live graph.
    pub(super) fn graph(&self) -> Result<Value> {
        serde_json::from_slice(&read(&self.json)?).with_context(|| format!("{} is not JSON", self.json.display()))
    }
}

impl Observatory {
    /// Learns a baseline while the system is under load. Returns its file.
    pub(super) fn learn(&self, stack: &mut Stack, name: &str, span: Duration) -> Result<PathBuf> {
        let baseline = self.out.join(format!("{name}.json"));
        remove(&baseline)?;
        let load = endless_load(stack)?;
        let time = seconds(span);
        let looking = self
            .tracer
            .start(&["baseline", "learn", "--for", &time, "--window", WINDOW, &text(&baseline)?], &self.interrupt)?;
        looking.finish(span, &self.interrupt)?;
        let report = load.stop()?;
        say(format_args!("  {} requests while learning; wrote {}", report.sent, baseline.display()))?;
        Ok(baseline)
    }

    /// Starts a watch that exports and records everything.
    pub(super) fn watch(&self, name: &str, baseline: &Path, span: Duration) -> Result<(Looking, Files)> {
        let files = Files::named(&self.out, name, baseline);
        let written = [&files.dot, &files.mermaid, &files.json, &files.svg, &files.tape, &files.replayed];
        written.into_iter().try_for_each(|file| remove(file))?;
        let (time, baseline, tape) = (seconds(span), text(baseline)?, text(&files.tape)?);
        let (dot, mermaid, json) = (text(&files.dot)?, text(&files.mermaid)?, text(&files.json)?);
        let config = self.out.join("tracer.toml");
        fs::write(&config, CONFIG).with_context(|| format!("cannot write {}", config.display()))?;
        let config = text(&config)?;
        let mut words = vec!["watch", "--baseline", &baseline, "--window", WINDOW, "--for", &time, "--output", "text"];
        words.extend(["--config", &config]);
        words.extend([
            "--export",
            &dot,
            "--export",
            &mermaid,
            "--export",
            &json,
            "--record-payload",
            "--record",
            &tape,
        ]);
        Ok((self.tracer.start(&words, &self.interrupt)?, files))
    }

    /// Replays the tape of a watch into a second graph. Returns the alerts.
    pub(super) fn replay(&self, files: &Files) -> Result<Vec<Value>> {
        let (tape, baseline, replayed) = (text(&files.tape)?, text(&files.baseline)?, text(&files.replayed)?);
        let mut words = vec!["replay", tape.as_str(), "--baseline", &baseline, "--window", WINDOW];
        words.extend(["--output", "json", "--export", &replayed]);
        self.tracer.replay(&words)
    }
}

/// Load until it is stopped.
pub(super) fn endless_load(stack: &mut Stack) -> Result<LoadHandle> {
    stack.load(u32::MAX, RATE, CONNECTIONS)
}

/// Load for about this long, at the same rate as [`endless_load`].
pub(super) fn load_for(stack: &mut Stack, span: Duration) -> Result<LoadHandle> {
    let rate_each = 100 / CONNECTIONS;
    let seconds = u32::try_from(span.as_secs()).context("the load would be too long")?;
    stack.load(seconds.saturating_mul(rate_each), RATE, CONNECTIONS)
}

/// `dot -Tsvg`.
pub(super) fn render(files: &Files) -> Result<()> {
    let output = Command::new(programs::find("dot")?).arg("-Tsvg").arg("-o").arg(&files.svg).arg(&files.dot).output();
    let output = output.context("cannot start dot")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("dot refuses {}:\n{}", files.dot.display(), said.trim_end());
    }
    Ok(())
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}, which tracer should have written", path.display()))
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}, which an earlier demo left", path.display()))
        }
        _ => Ok(()),
    }
}

fn seconds(span: Duration) -> String {
    format!("{}s", span.as_secs())
}

fn text(path: &Path) -> Result<String> {
    path.to_str().map(str::to_owned).with_context(|| format!("{} is not UTF-8", path.display()))
}
