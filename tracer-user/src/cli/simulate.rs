//! `tracer simulate`: a day of twelve services, with all that goes wrong, as a tape.
//!
//! For trying baselines, limits and sinks without a host and without root. Invariant: the same seed writes the same bytes.
//! Memory: one window of inputs, and an engine that learns.

use crate::console;
use crate::files;
use crate::recording::Recording;
use anyhow::{Context as _, Result};
use clap::Args;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use tracer_core::Engine;
use tracer_core::engine::Config;
use tracer_core::sim::day::{DAY, Day, Deviation, WINDOW, date, plan};
use tracer_core::tape::TapeHeader;
use tracer_core::time::Span;

/// Write a simulated day to a tape (needs no root): twelve services, deploys, restarts, and fifty things that go wrong
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  tracer simulate day.tape --baseline day.json          says what goes wrong, and when
  tracer replay day.tape --baseline day.json --output text")]
pub(super) struct Simulate {
    /// The tape to write
    tape: PathBuf,

    /// Write a baseline too, learned on the day before
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,

    /// Of days with different seeds, no two are alike
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// How many things go wrong
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u64).range(0..=100))]
    deviations: u64,
}

/// Far from the seeds that people choose.
const DAY_BEFORE: u64 = 1 << 63;

impl Simulate {
    pub(super) fn run(self) -> Result<ExitCode> {
        files::check_folder(&self.tape)?;
        let plan = plan(self.seed, self.deviations);
        if let Some(path) = &self.baseline {
            files::check_folder(path)?;
            files::write_whole(path, self.learned()?.as_bytes())?;
        }
        let header = TapeHeader::new(env!("CARGO_PKG_VERSION"), "shop", "simulated", WINDOW, date(Span::ZERO));
        let mut recording = Recording::begin(&self.tape, &header)?;
        let mut inputs = Vec::new();
        let mut day = Day::begin(self.seed, plan.clone(), &mut inputs);
        loop {
            inputs.drain(..).for_each(|input| recording.input(&input));
            if !day.window(&mut inputs) {
                break;
            }
        }
        recording.finish()?;
        console::print(&table(&plan))?;
        Ok(ExitCode::SUCCESS)
    }

    /// The baseline of a day on which nothing goes wrong.
    fn learned(&self) -> Result<String> {
        let mut engine = Engine::new(Config { window: WINDOW, learn: true, ..Config::default() });
        let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
        let mut day = Day::begin(self.seed ^ DAY_BEFORE, Vec::new(), &mut inputs);
        loop {
            inputs.drain(..).for_each(|input| engine.handle(&input, &mut outputs));
            outputs.clear();
            if !day.window(&mut inputs) {
                break;
            }
        }
        Ok(engine.learned().context("learn from the day before")?.render())
    }
}

/// What goes wrong and when, a line each.
fn table(plan: &[Deviation]) -> String {
    let mut text = format!(
        "{} things go wrong in {} h; each must be told within three windows of {} s.\n\n{:<24}  {:<24}  {:<15}  CALL\n",
        plan.len(),
        DAY.as_seconds() / 3_600.0,
        WINDOW.as_seconds(),
        "FROM",
        "UNTIL",
        "ALERT"
    );
    for bad in plan {
        let (from, until) = (date(bad.begin).rfc3339(), date(bad.end).rfc3339());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{from}  {until}  {:<15}  {}", bad.kind.alert(), bad.kind.call());
    }
    text
}
