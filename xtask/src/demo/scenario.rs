//! `cargo xtask demo`: start the system, learn, watch, compare.
//!
//! Invariant: the load lies wholly within the watch, so the load client's count and tracer's must be equal.
//! Memory: one graph and its alerts.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::arguments::{Arguments, USAGE};
use super::checks::{Check, Part, same_bytes};
use super::expect::Expected;
use super::faults;
use super::interrupt::Interrupt;
use super::load::LoadReport;
use super::report::{conclude, say, say_servers};
use super::stack::{Options, Stack};
use super::tracer::Tracer;
use super::watch::{Files, Observatory, load_for, read, render};

const LEARN: Duration = Duration::from_secs(8);
/// When, after the beginning of the load, somebody calls whom nobody expects.
const SURPRISE: Duration = Duration::from_secs(6);
/// The part of a watch that is without load, should it not end with the load.
const WITHOUT_LOAD: Duration = Duration::from_secs(4);

/// Runs the demo with the words that follow `cargo xtask demo`.
///
/// # Errors
/// Something could not be started, a check does not hold, or it was interrupted. The system is stopped in any case.
pub fn run(words: &[String]) -> Result<()> {
    let arguments = Arguments::parse(words)?;
    if arguments.help {
        return say(USAGE);
    }
    let root = workspace();
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let out = arguments.out.unwrap_or_else(|| root.join("target/demo"));
    fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    let tracer = Tracer::find(arguments.tracer, &target)?;
    let observatory = Observatory { tracer, interrupt: Interrupt::install()?, out };

    let mut checks = unexpected_call(&observatory, arguments.watch, arguments.keep)?;
    if arguments.faults {
        checks.extend(faults::run(&observatory, arguments.keep)?);
    }
    conclude(&checks)
}

/// The main part: a baseline, a watch, one call that is not in the baseline.
fn unexpected_call(observatory: &Observatory, span: Duration, keep_folder: bool) -> Result<Vec<Check>> {
    say("Starting a small system")?;
    let mut stack = Stack::start(&Options { keep_folder, ..Options::default() })?;
    say_servers(&stack)?;
    let expected = Expected::of(&stack);

    say(format_args!("\nLearning what is normal, {} s", LEARN.as_secs()))?;
    let baseline = observatory.learn(&mut stack, "baseline", LEARN)?;

    say(format_args!("\nWatching, {} s; after {} s somebody runs psql", span.as_secs(), SURPRISE.as_secs()))?;
    let (mut looking, files) = observatory.watch("graph", &baseline, span)?;
    let loaded = span.saturating_sub(WITHOUT_LOAD);
    let load = load_for(&mut stack, loaded)?;
    observatory.interrupt.sleep(SURPRISE)?;
    stack.unexpected_call()?;
    observatory.interrupt.sleep(loaded.saturating_sub(SURPRISE))?;
    let report = load.wait(WITHOUT_LOAD)?;
    looking.fail_if_over().context("the load was not over before the watch was: the counts cannot be compared")?;
    // A window without load would be told as calls gone quiet.
    looking.interrupt();
    looking.finish(span, &observatory.interrupt)?;

    if keep_folder {
        say(format_args!("\nThe servers' logs are kept in {}", stack.folder().display()))?;
    }
    stack.stop()?;
    judge(observatory, &files, &expected, &report)
}

/// Compares what was found with what there is.
fn judge(observatory: &Observatory, files: &Files, expected: &Expected, report: &LoadReport) -> Result<Vec<Check>> {
    render(files)?;
    let alerts = observatory.replay(files)?;
    say(format_args!(
        "\nWrote to {}: the graph as .dot, .mmd, .json and .svg, and the tape",
        observatory.out.display()
    ))?;
    let graph = files.graph()?;
    let part = Part::of(&graph, expected);
    let answered = if report.answered == report.sent && report.errors.is_empty() {
        Ok(format!("{} requests, all answered", report.sent))
    } else {
        Err(format!("{} of {} requests were answered: {:?}", report.answered, report.sent, report.errors))
    };
    Ok(vec![
        Check::new("load client", answered),
        part.services(),
        part.calls(),
        part.states(),
        part.requests(report.sent),
        part.one_unexpected_call(&alerts),
        same_bytes("live graph and replayed graph", &read(&files.json)?, &read(&files.replayed)?),
    ])
}

/// The workspace, whose `target` cargo uses by default.
fn workspace() -> PathBuf {
    let manifest = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    manifest.as_deref().and_then(Path::parent).map_or_else(|| PathBuf::from("."), Path::to_owned)
}
