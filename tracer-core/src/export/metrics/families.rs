//! Every metric: its name, what it means, and where its figures come from.
//!
//! Invariant: names end as OpenMetrics wants them to; a figure that is not known has no line. Memory: the table.

use super::text::{Text, labels};
use super::view::{Figures, View};
use crate::alert::Account;
use crate::graph::distribution::Distribution;
use crate::graph::snapshot::{Cost, ErrorsByKind};

/// What kind of metric it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
    Info,
}

impl Kind {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }

    /// What the name of a figure ends in.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Info => "_info",
            Self::Gauge | Self::Histogram => "",
        }
    }
}

/// A metric.
pub struct Family {
    /// Without the suffix of its kind.
    pub name: &'static str,
    pub kind: Kind,
    /// One sentence.
    pub help: &'static str,
    /// Labels beside those of a call.
    pub labels: &'static [&'static str],
    pub(super) tell: fn(&View<'_>, &mut Text),
}

impl Family {
    /// The unit that its name ends in.
    pub(super) fn unit(&self) -> Option<&'static str> {
        ["seconds", "bytes", "ratio"].into_iter().find(|unit| self.name.ends_with(unit))
    }
}

const NO_LABELS: &[&str] = &[];

/// A metric of calls that has one figure for each.
macro_rules! of_calls {
    ($name:literal, $kind:ident, $help:literal, $figure:expr) => {
        Family {
            name: $name,
            kind: Kind::$kind,
            help: $help,
            labels: NO_LABELS,
            tell: |view, text| {
                let figure: fn(&Figures) -> Option<f64> = $figure;
                for (labels, figures) in &view.calls {
                    figure(figures).into_iter().for_each(|value| text.value(labels, value));
                }
            },
        }
    };
}

/// A histogram of calls; calls without values have none.
macro_rules! latencies {
    ($name:literal, $help:literal, $which:expr) => {
        Family {
            name: $name,
            kind: Kind::Histogram,
            help: $help,
            labels: &["le"],
            tell: |view, text| {
                let which: fn(&Figures) -> &Distribution = $which;
                for (labels, figures) in &view.calls {
                    let of = which(figures);
                    if of.count > 0 {
                        text.distribution(labels, of);
                    }
                }
            },
        }
    };
}

/// A metric of the tracer itself that has one figure.
macro_rules! of_tracer {
    ($name:literal, $kind:ident, $help:literal, $figure:expr) => {
        Family {
            name: $name,
            kind: Kind::$kind,
            help: $help,
            labels: NO_LABELS,
            tell: |view, text| {
                let figure: fn(&View<'_>) -> Option<f64> = $figure;
                figure(view).into_iter().for_each(|value| text.value("", value));
            },
        }
    };
}

/// A metric of the sinks of alerts that has one figure for each.
macro_rules! of_sinks {
    ($name:literal, $help:literal, $figure:expr) => {
        Family {
            name: $name,
            kind: Kind::Counter,
            help: $help,
            labels: &["sink"],
            tell: |view, text| {
                let figure: fn(&Account) -> u64 = $figure;
                view.sinks.iter().for_each(|(sink, account)| text.labelled("", "sink", sink, figure(account)));
            },
        }
    };
}

/// A figure that is exact up to 2⁵³, as every figure is for who scrapes it.
#[expect(clippy::cast_precision_loss, reason = "Prometheus' figures are floats")]
fn known(figure: u64) -> Option<f64> {
    Some(figure as f64)
}

fn size(figure: usize) -> Option<f64> {
    known(u64::try_from(figure).unwrap_or(u64::MAX))
}

fn cost(view: &View<'_>, of: fn(&Cost) -> Option<f64>) -> Option<f64> {
    view.graph.cost.as_ref().and_then(of)
}

/// Every metric, in the order of the answer.
pub static FAMILIES: &[Family] = &[
    of_calls!(
        "traces_service_graph_request",
        Counter,
        "Requests of a client to a server, and connections that failed before there could be one.",
        |call| known(call.attempts)
    ),
    of_calls!(
        "traces_service_graph_request_failed",
        Counter,
        "Those that failed: `tracer_call_errors_total` says how.",
        |call| known(call.failed)
    ),
    latencies!(
        "traces_service_graph_request_client_seconds",
        "From the first byte of a request to the first byte of its response, at the client.",
        |call| &call.latencies.client
    ),
    latencies!("traces_service_graph_request_server_seconds", "The same at the server.", |call| &call.latencies.server),
    latencies!(
        "tracer_call_wait_seconds",
        "What the client waited outside the server, of requests that were seen at both ends; of busy connections a share.",
        |call| &call.latencies.wait
    ),
    Family {
        name: "tracer_call",
        kind: Kind::Info,
        help: "What is spoken, how the call stands to the baseline (expected, unexpected, unjudged), and whether its latencies \
               are estimates, because no parser knows what is spoken.",
        labels: &["protocol", "state", "estimated"],
        tell: |view, text| {
            for (of_call, figures) in &view.calls {
                let Some((protocol, state, estimated)) = &figures.info else { continue };
                let estimated = if *estimated { "true" } else { "false" };
                let more = labels(&[("protocol", protocol.as_str()), ("state", *state), ("estimated", estimated)]);
                text.value(&format!("{of_call},{more}"), 1);
            }
        },
    },
    Family {
        name: "tracer_call_errors",
        kind: Kind::Counter,
        help: "Errors by kind, as `errors_by_kind` in tracer.graph/1.",
        labels: &["kind"],
        tell: |view, text| {
            for (labels, figures) in &view.calls {
                for (kind, count) in by_kind(&figures.errors) {
                    text.labelled(labels, "kind", kind, count);
                }
            }
        },
    },
    of_calls!("tracer_call_connections", Counter, "Connections that were made.", |call| known(call.connections)),
    of_calls!("tracer_call_failed_connections", Counter, "Connections that were not made.", |call| known(
        call.failed_connections
    )),
    of_calls!("tracer_call_open_connections", Gauge, "Connections that are open now.", |call| known(
        call.open_connections
    )),
    of_calls!(
        "tracer_call_accept_queue_drops",
        Counter,
        "Connections that the server's kernel dropped because the accept queue was full.",
        |call| known(call.accept_queue_drops)
    ),
    of_calls!("tracer_call_sent_bytes", Counter, "Bytes from client to server.", |call| known(call.bytes_sent)),
    of_calls!("tracer_call_received_bytes", Counter, "Bytes from server to client.", |call| known(call.bytes_received)),
    of_calls!("tracer_call_in_flight_requests", Gauge, "Requests that wait for a response now.", |call| known(
        call.in_flight
    )),
    of_calls!("tracer_call_oldest_in_flight_seconds", Gauge, "How long the oldest of them has waited.", |call| {
        call.oldest_ms.map(|age| age / 1e3)
    }),
    Family {
        name: "tracer_call_anomalies",
        kind: Kind::Gauge,
        help: "1 for each anomaly that holds now.",
        labels: &["kind"],
        tell: |view, text| {
            for (labels, figures) in &view.calls {
                for (kind, count) in &figures.anomalies {
                    text.labelled(labels, "kind", kind, count);
                }
            }
        },
    },
    of_tracer!("tracer_alerts_firing", Gauge, "Alerts that fire now.", |view| size(view.firing)),
    of_sinks!("tracer_alert_messages_raised", "Messages of alerts that a sink was given.", |account| account.raised),
    of_sinks!("tracer_alert_messages_found", "Messages that were on disk at the start.", |account| account.found),
    of_sinks!("tracer_alert_messages_delivered", "Messages that arrived.", |account| account.delivered),
    Family {
        name: "tracer_alert_messages_dropped",
        kind: Kind::Counter,
        help: "Messages that will never be delivered, by why; `dropped.jsonl` lists them.",
        labels: &["sink", "reason"],
        tell: |view, text| {
            for (sink, account) in view.sinks {
                let of_sink = labels(&[("sink", sink.as_str())]);
                for (reason, count) in account.dropped() {
                    text.labelled(&of_sink, "reason", reason.name(), count);
                }
            }
        },
    },
    Family {
        name: "tracer_alert_messages_waiting",
        kind: Kind::Gauge,
        help: "Messages that are not delivered yet, by where they are.",
        labels: &["sink", "place"],
        tell: |view, text| {
            for (sink, account) in view.sinks {
                let of_sink = labels(&[("sink", sink.as_str())]);
                for (place, count) in account.waiting() {
                    text.labelled(&of_sink, "place", place, count);
                }
            }
        },
    },
    of_sinks!("tracer_alert_attempts_failed", "Attempts to deliver a message that failed.", |account| account.failures),
    of_tracer!("tracer_calls", Gauge, "Calls in the graph.", |view| size(view.graph.calls.len())),
    of_tracer!("tracer_calls_folded", Gauge, "Those of them that have no series of their own.", |view| size(
        view.folded
    )),
    of_tracer!("tracer_records_lost", Counter, "Records of the kernel that found the buffer full.", |view| known(
        view.graph.completeness.records_lost
    )),
    of_tracer!("tracer_exchanges_lost", Counter, "Requests that are counted but whose times are not known.", |view| {
        known(view.graph.completeness.exchanges_lost)
    }),
    of_tracer!("tracer_connections_before_start", Gauge, "Connections that are older than the tracer.", |view| known(
        view.graph.completeness.connections_before_start
    )),
    of_tracer!(
        "tracer_unresolved_peers",
        Gauge,
        "Connections whose other end should be on this host but was not found.",
        |view| known(view.graph.completeness.unresolved_peers)
    ),
    Family {
        name: "tracer_degraded",
        kind: Kind::Gauge,
        help: "1 for each thing that does not work as it should, by name.",
        labels: &["name"],
        tell: |view, text| {
            let names: std::collections::BTreeSet<&str> =
                view.graph.completeness.degraded.iter().map(|degraded| degraded.name.as_str()).collect();
            names.into_iter().for_each(|name| text.labelled("", "name", name, 1));
        },
    },
    of_tracer!(
        "tracer_cpu_ratio",
        Gauge,
        "CPU time of the tracer's process over the last second, of one CPU.",
        |view| { cost(view, |cost| Some(cost.daemon_percent / 100.0)) }
    ),
    of_tracer!(
        "tracer_programs_cpu_ratio",
        Gauge,
        "Time inside its kernel programs over the last second, of one CPU; only while the kernel keeps statistics of them.",
        |view| cost(view, |cost| cost.programs_percent.map(|percent| percent / 100.0))
    ),
    of_tracer!("tracer_resident_memory_bytes", Gauge, "Resident memory of the tracer's process.", |view| {
        cost(view, |cost| known(cost.memory_bytes))
    }),
    of_tracer!(
        "tracer_kernel_memory_bytes",
        Gauge,
        "What the maps of its kernel programs occupy, without the states of sockets.",
        |view| cost(view, |cost| cost.kernel_memory_bytes.and_then(known))
    ),
    of_tracer!("tracer_records_per_second", Gauge, "Records taken from the kernel over the last second.", |view| {
        cost(view, |cost| Some(cost.records_per_second))
    }),
    Family {
        name: "tracer_build",
        kind: Kind::Info,
        help: "The version of the tracer.",
        labels: &["version"],
        tell: |_, text| text.labelled("", "version", env!("CARGO_PKG_VERSION"), 1),
    },
];

/// In the order of `tracer.graph/1`.
fn by_kind(errors: &ErrorsByKind) -> [(&'static str, u64); 8] {
    let ErrorsByKind { refused, timed_out, connect_failed, reset, unanswered, closed_in_response, service, gateway } =
        *errors;
    [
        ("refused", refused),
        ("timed_out", timed_out),
        ("connect_failed", connect_failed),
        ("reset", reset),
        ("unanswered", unanswered),
        ("closed_in_response", closed_in_response),
        ("service", service),
        ("gateway", gateway),
    ]
}
