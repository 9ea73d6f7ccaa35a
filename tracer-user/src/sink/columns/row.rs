//! One call as the cells of a table.
//!
//! Invariant: cells are in the order of `COLUMNS` and printable as they are; what is absent is `–`.
//! Memory: twelve short strings; the names are bounded by the core.

use super::units::{ABSENT, amount, bytes, count, millis, percent};
use super::{Call, Period, Severity};
use std::collections::HashMap;
use tracer_core::escape::printable;
use tracer_core::graph::snapshot::{CallState, GraphSnapshot, Latency};

/// A request without an answer is said to hang from this age on, milliseconds.
const HANGING_MS: f64 = 1_000.0;

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) client: String,
    pub(crate) server: String,
    /// PORT to OPEN.
    pub(super) figures: [String; 10],
    pub(crate) state: String,
    pub(crate) severity: Severity,
}

/// What rows need to know of the whole graph.
pub(crate) struct Names<'a> {
    by_id: HashMap<&'a str, &'a str>,
    period: Period,
    /// How long the graph covers, seconds; `None` if its times are not readable or it covers no time.
    seconds: Option<f64>,
}

impl<'a> Names<'a> {
    pub(crate) fn of(graph: &'a GraphSnapshot, period: Period) -> Self {
        let by_id = graph.services.iter().map(|service| (service.id.as_str(), service.name.as_str())).collect();
        let seconds = super::watched(graph).map(|time| time.as_secs_f64()).filter(|seconds| *seconds > 0.0);
        Self { by_id, period, seconds }
    }

    /// The name of a service, or its id if the graph does not list it.
    fn name(&self, id: &str) -> String {
        printable(self.by_id.get(id).copied().unwrap_or(id), usize::MAX)
    }
}

/// Columns of a port; paths of sockets are cut to it.
const PORT: usize = 20;

impl Row {
    pub(crate) fn of(call: &Call, names: &Names<'_>) -> Self {
        let latency = latency(call, names.period);
        let time =
            |of: fn(&Latency) -> f64| latency.map_or_else(absent, |latency| millis(of(&latency), latency.estimated));
        Self {
            client: names.name(&call.from),
            server: names.name(&call.to),
            figures: [
                port(call),
                requests(call, names),
                time(|latency| latency.mean),
                time(|latency| latency.p50),
                time(|latency| latency.p90),
                time(|latency| latency.p99),
                error_rate(call, names.period).map_or_else(absent, percent),
                bytes(call.bytes_sent),
                bytes(call.bytes_received),
                count(call.open_connections),
            ],
            state: state(call),
            severity: Severity::of(call),
        }
    }
}

/// Requests a second; `~` says that some of them are an estimate.
fn requests(call: &Call, names: &Names<'_>) -> String {
    let mark = if call.requests_estimated > 0 { "~" } else { "" };
    rate(call, names.period, names.seconds).map_or_else(absent, |rate| format!("{mark}{}", amount(rate)))
}

fn absent() -> String {
    ABSENT.to_owned()
}

fn port(call: &Call) -> String {
    match call.transport.as_str() {
        "tcp" => printable(&call.port.to_string(), PORT),
        "unix" => printable(file_name(&call.port.to_string()), PORT),
        transport => format!("{}/{}", printable(&call.port.to_string(), PORT), printable(transport, 4)),
    }
}

/// What follows the last slash of a path: enough to know a socket by.
fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// What the client waited; for a client on another host, what the server took.
pub(super) fn latency(call: &Call, period: Period) -> Option<Latency> {
    match period {
        Period::Recent => call.recent_latency_ms,
        Period::SinceStart => call.latency_ms.or(call.server_latency_ms),
    }
}

/// Requests per second.
pub(super) fn rate(call: &Call, period: Period, seconds: Option<f64>) -> Option<f64> {
    match period {
        Period::Recent => call.requests_per_second,
        #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
        Period::SinceStart => seconds.map(|seconds| call.requests as f64 / seconds),
    }
}

/// The share of requests and connects that failed.
pub(super) fn error_rate(call: &Call, period: Period) -> Option<f64> {
    match period {
        Period::Recent => call.error_rate,
        #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
        Period::SinceStart => {
            let tried = call.requests.saturating_add(call.failed_connections);
            (tried > 0).then(|| call.errors as f64 / tried as f64)
        }
    }
}

fn state(call: &Call) -> String {
    let mut said: Vec<String> = Vec::new();
    match call.state {
        CallState::Unexpected => said.push("unexpected".to_owned()),
        CallState::Expected if call.anomalies.is_empty() => said.push("expected".to_owned()),
        CallState::Expected | CallState::Unjudged => {}
    }
    let hanging = call.oldest_in_flight_ms.filter(|age| *age > HANGING_MS);
    if let Some(age) = hanging {
        said.push(format!("hanging {}", millis(age, false)));
    }
    let told_already = |kind: &str| match kind {
        "unexpected-call" => call.state == CallState::Unexpected,
        "stalled" => hanging.is_some(),
        _ => false,
    };
    said.extend(
        call.anomalies
            .iter()
            .filter(|anomaly| !told_already(&anomaly.kind))
            .map(|anomaly| printable(&anomaly.kind, usize::MAX)),
    );
    if said.is_empty() { absent() } else { said.join(", ") }
}
