//! The table of calls: which columns there are, in which order the calls come, what gives way when room is short.
//!
//! Shared by the live table and the summary in text. Invariant: unexpected calls come first, then anomalous ones; no line
//! is wider than asked for, and no name in it can command a terminal. Memory: one string for each call shown.

mod completeness;
mod fit;
mod row;
mod units;

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;

pub(crate) use completeness::{completeness, is_lossy};
pub(crate) use fit::Fit;
pub(crate) use row::{Names, Row};

use std::cmp::Ordering;
use std::time::Duration;
use tracer_core::graph::snapshot::{Call, CallState, GraphSnapshot};

/// Which time the rates, latencies and errors of a table are about. Bytes are always since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Period {
    /// The last six windows.
    Recent,
    /// All the time that the graph covers.
    SinceStart,
}

/// What the calls are ordered by, after their severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    Rate,
    P99,
    Errors,
    Name,
}

/// How much a call wants to be looked at; the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    Unexpected,
    Anomalous,
    Ordinary,
}

impl Severity {
    pub(crate) fn of(call: &Call) -> Self {
        if call.state == CallState::Unexpected {
            Self::Unexpected
        } else if call.anomalies.is_empty() {
            Self::Ordinary
        } else {
            Self::Anomalous
        }
    }
}

/// The calls in the order in which they are shown. Equal calls keep the order of the graph.
pub(crate) fn ordered(graph: &GraphSnapshot, period: Period, sort: Sort) -> Vec<&Call> {
    let mut calls: Vec<&Call> = graph.calls.iter().collect();
    let seconds = Some(1.0);
    let busier = |a: &Call, b: &Call| {
        falling(row::rate(a, period, seconds), row::rate(b, period, seconds)).then(b.requests.cmp(&a.requests))
    };
    calls.sort_by(|a, b| {
        let chosen = match sort {
            Sort::Rate => Ordering::Equal,
            Sort::P99 => {
                let p99 = |call| row::latency(call, period).map(|latency| latency.p99);
                falling(p99(a), p99(b))
            }
            Sort::Errors => falling(row::error_rate(a, period), row::error_rate(b, period)),
            // As the graph has it.
            Sort::Name => return Severity::of(a).cmp(&Severity::of(b)),
        };
        Severity::of(a).cmp(&Severity::of(b)).then(chosen).then_with(|| busier(a, b))
    });
    calls
}

/// The larger first, what is absent last.
fn falling(a: Option<f64>, b: Option<f64>) -> Ordering {
    let rank = |figure: Option<f64>| figure.unwrap_or(f64::NEG_INFINITY);
    rank(b).total_cmp(&rank(a))
}

/// All calls since the start as rows, the busiest first.
pub(crate) fn rows(graph: &GraphSnapshot) -> Vec<Row> {
    let names = Names::of(graph, Period::SinceStart);
    ordered(graph, Period::SinceStart, Sort::Rate).into_iter().map(|call| Row::of(call, &names)).collect()
}

/// All calls since the start as plain text of at most `width` columns: a heading, and a line for each call.
pub(crate) fn table(graph: &GraphSnapshot, width: usize) -> String {
    let rows = rows(graph);
    let fit = Fit::new(width, &rows);
    let mut text = fit.heading();
    for row in &rows {
        text.push('\n');
        text.push_str(&fit.line(row));
    }
    text.push('\n');
    text
}

/// How long the graph covers; `None` if its times cannot be read.
pub(crate) fn watched(graph: &GraphSnapshot) -> Option<Duration> {
    let [from, until] = [&graph.from, &graph.until].map(|at| humantime::parse_rfc3339(at).ok());
    until?.duration_since(from?).ok()
}
