//! The graph as metrics that Prometheus scrapes: OpenMetrics 1.0, or the older text format 0.0.4.
//!
//! The names that Tempo gives to its service graph are used where they mean the same, so Grafana draws the graph from these
//! (<https://grafana.com/docs/tempo/latest/metrics-generator/service_graphs/>). What there is, is a row of [`FAMILIES`];
//! docs/metrics.md is made of it. Invariant: a pure function of one [`Exposition`]; no series appears twice; a counter never
//! falls while the tracer runs. Memory: the text; at most `most_calls` calls have series of their own, the others are
//! counted together.

mod families;
mod text;
mod view;

pub use families::{FAMILIES, Family, Kind};

use crate::alert::Account;
use crate::graph::distribution::Distributions;
use crate::graph::snapshot::GraphSnapshot;
use std::fmt::Write as _;
use text::Text;
use view::View;

/// Calls that have series of their own unless another number is asked for.
pub const MOST_CALLS: usize = 500;

/// What there is to tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Exposition {
    pub graph: GraphSnapshot,
    /// Of each call of the graph, in its order.
    pub distributions: Vec<Distributions>,
    /// Alerts that fire now.
    pub firing: usize,
    /// Who is told of alerts, by name.
    pub sinks: Vec<(String, Account)>,
}

/// How to write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextFormat {
    /// <https://prometheus.io/docs/instrumenting/exposition_formats/>
    Prometheus,
    /// <https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md>
    OpenMetrics,
}

impl TextFormat {
    /// As a server says it.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// All metrics.
#[must_use]
pub fn render(exposition: &Exposition, format: TextFormat, most_calls: usize) -> String {
    let view = View::of(exposition, most_calls);
    let mut text = Text::new(format);
    for family in FAMILIES {
        text.begin(family);
        (family.tell)(&view, &mut text);
    }
    text.end()
}

/// The table of all metrics, for people: docs/metrics.md.
#[must_use]
pub fn page() -> String {
    let mut page = String::from(
        "# Metrics\n\nWhat `tracer watch --listen` answers at `/metrics`, in OpenMetrics 1.0 where a client accepts it, else in \
         Prometheus' text format. This page is made of the table that the answer is made of.\n\n\
         Every metric of a call has the labels `client`, `client_kind`, `server`, `server_kind`, `port` and `transport`; `client` \
         and `server` are names as in the live table, a kind is one of `kind` in `tracer.graph/1`. All counters count from the \
         start of the tracer. ",
    );
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        "The first {MOST_CALLS} calls that are seen have series of their own; what comes after them is counted together, as \
         `client=\"other\", server=\"other\"`, and `tracer_calls_folded` says how many calls that are. A value less than 1/128 above \
         the bound of a bucket may count in it.\n\nOf each sink of alerts, in every answer: \
         `raised + found = delivered + dropped + waiting`.\n\n| metric | type | more labels | what it is |\n|---|---|---|---|\n"
    );
    for Family { name, kind, labels, help, .. } in FAMILIES {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let _ = writeln!(page, "| `{name}{}` | {} | {} | {help} |", kind.suffix(), kind.name(), labels.join(", "));
    }
    page
}
