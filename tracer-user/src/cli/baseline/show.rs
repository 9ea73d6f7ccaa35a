//! `tracer baseline show`: the expected calls, and what was written by hand, as a table.
//!
//! Invariant: needs no privilege and changes nothing. Memory: the baseline.

use super::super::options;
use crate::console;
use anyhow::Result;
use clap::Args;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use tracer_core::baseline::{Baseline, Entry, ExpectedCall};
use tracer_core::escape::printable;
use unicode_width::UnicodeWidthStr as _;

/// Columns of the name of a call, at most.
const NAME: usize = 100;

/// Print a baseline as a table
#[derive(Args, Debug)]
pub(super) struct Show {
    /// The baseline
    file: PathBuf,
}

impl Show {
    pub(super) fn run(self) -> Result<ExitCode> {
        let learned = options::read_baseline(&self.file)?;
        console::print(&table(&learned))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The expected calls, a line each, and what was written by hand.
fn table(baseline: &Baseline) -> String {
    let learned = baseline.learned();
    let mut text = format!(
        "learned on {}, {} – {}, {:.0} s{}\n\n",
        printable(&learned.host, NAME),
        printable(&learned.from, NAME),
        printable(&learned.until, NAME),
        learned.seconds,
        match learned.calls_left_out {
            0 => String::new(),
            left => format!("; {left} calls are left out, an end of theirs was not identified"),
        }
    );
    let names: Vec<String> = baseline.calls().iter().map(|call| printable(&call.key().to_string(), NAME)).collect();
    let width = names.iter().map(|name| name.width()).max().unwrap_or(0).max(4);
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{:<width$}  {:<10} {:>10} {:>7} {:>12} {:>7} {:>12} {:>8} {:>9}",
        "CALL", "PROTOCOL", "REQ/S", "±", "MEAN", "±", "P99", "ERR%", "SAMPLES"
    );
    for (call, name) in baseline.calls().iter().zip(&names) {
        let blanks = " ".repeat(width.saturating_sub(name.width()));
        let _ = writeln!(text, "{name}{blanks}  {}", figures(call));
        if let Some(operations) = &call.operations {
            for name in operations {
                let _ = writeln!(text, "    {}", printable(name, NAME));
            }
        }
    }
    for (list, entries) in [("ALLOWED", baseline.allow()), ("DENIED", baseline.deny())] {
        if !entries.is_empty() {
            let _ = writeln!(text, "\n{list}");
            for entry in entries {
                let _ = writeln!(text, "{}", written(entry));
            }
        }
    }
    text
}

fn figures(call: &ExpectedCall) -> String {
    let figure = |value: Option<f64>, digits: usize, unit: &str| {
        value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}{unit}"))
    };
    // Of the windows: median absolute deviations, percent of the median.
    let scatter = |spread: Option<tracer_core::baseline::Spread>| {
        figure(spread.filter(|it| it.median > 0.0).map(|it| it.mad / it.median * 100.0), 0, "%")
    };
    format!(
        "{:<10} {:>10} {:>7} {:>12} {:>7} {:>12} {:>8} {:>9}",
        printable(call.protocol.as_deref().unwrap_or("–"), 10),
        figure(Some(call.requests_per_second), 3, ""),
        scatter(call.rate_spread),
        figure(call.mean_ms, 3, " ms"),
        scatter(call.mean_spread),
        figure(call.p99_ms, 3, " ms"),
        figure(call.error_rate.map(|rate| rate * 100.0), 2, ""),
        call.samples,
    )
}

fn written(entry: &Entry) -> String {
    let pattern = |pattern: &Option<tracer_core::identity::rules::Pattern>| {
        pattern.as_ref().map_or_else(|| "anything".to_owned(), |it| printable(&it.to_string(), NAME))
    };
    let mut text = format!("{} -> {}", pattern(&entry.from), pattern(&entry.to));
    if let Some(port) = &entry.port {
        let _ = write!(text, " port {}", printable(&port.to_string(), NAME));
    }
    if let Some(transport) = &entry.transport {
        let _ = write!(text, " {}", printable(transport, NAME));
    }
    if let Some(comment) = &entry.comment {
        let _ = write!(text, "  # {}", printable(comment, NAME));
    }
    text
}
