//! What is told of each call: figures by labels.
//!
//! Invariant: calls with the same labels are one, so no series appears twice; which calls have labels of their own depends on
//! when they were first seen alone, so a call that has keeps them. Memory: as many entries as calls are told apart.

use super::Exposition;
use super::text::labels;
use crate::alert::Account;
use crate::graph::distribution::Distributions;
use crate::graph::snapshot::{Call, CallState, ErrorsByKind, GraphSnapshot, Service};
use std::collections::{BTreeMap, HashMap};

/// Everything that is told.
pub(super) struct View<'a> {
    pub(super) graph: &'a GraphSnapshot,
    pub(super) firing: usize,
    pub(super) sinks: &'a [(String, Account)],
    /// By labels.
    pub(super) calls: BTreeMap<String, Figures>,
    /// Calls that are counted together.
    pub(super) folded: usize,
}

/// Figures of a call, or of several together.
#[derive(Default)]
pub(super) struct Figures {
    /// Requests, and connections that failed before there could be one.
    pub(super) attempts: u64,
    pub(super) errors: ErrorsByKind,
    pub(super) failed: u64,
    pub(super) connections: u64,
    pub(super) failed_connections: u64,
    pub(super) open_connections: u64,
    pub(super) accept_queue_drops: u64,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
    pub(super) in_flight: u64,
    pub(super) oldest_ms: Option<f64>,
    pub(super) latencies: Distributions,
    pub(super) anomalies: BTreeMap<String, u64>,
    /// Of a call that stands for itself: protocol, state, and whether its latencies are estimates.
    pub(super) info: Option<(String, &'static str, bool)>,
}

impl<'a> View<'a> {
    pub(super) fn of(exposition: &'a Exposition, most_calls: usize) -> Self {
        let Exposition { graph, distributions, firing, sinks } = exposition;
        let services: HashMap<&str, &Service> =
            graph.services.iter().map(|service| (service.id.as_str(), service)).collect();
        let mut order: Vec<(&Call, Distributions)> = graph
            .calls
            .iter()
            .zip(distributions.iter().copied().chain(std::iter::repeat(Distributions::default())))
            .collect();
        // Stable: calls of one moment stay in the order of the graph.
        order.sort_by(|(a, _), (b, _)| a.first_seen.cmp(&b.first_seen));
        let mut calls: BTreeMap<String, Figures> = BTreeMap::new();
        for (number, (call, latencies)) in order.iter().enumerate() {
            let own = number < most_calls;
            let figures = calls.entry(if own { of_call(call, &services) } else { of_others() }).or_default();
            figures.add(call, latencies);
            if own {
                let protocol = call.protocol.clone().unwrap_or_default();
                let estimated = [call.latency_ms, call.server_latency_ms].iter().flatten().any(|it| it.estimated);
                figures.info = Some((protocol, state(call.state), estimated));
            }
        }
        Self { graph, firing: *firing, sinks, calls, folded: order.len().saturating_sub(most_calls) }
    }
}

fn of_call(call: &Call, services: &HashMap<&str, &Service>) -> String {
    let name = |id: &str| services.get(id).map_or_else(|| id.to_owned(), |service| service.name.clone());
    // As JSON says it.
    let kind = |id: &str| match services.get(id).map(|service| serde_json::to_value(service.kind)) {
        Some(Ok(serde_json::Value::String(kind))) => kind,
        _ => "unknown".to_owned(),
    };
    let port = call.port.to_string();
    labels(&[
        ("client", &name(&call.from)),
        ("client_kind", &kind(&call.from)),
        ("server", &name(&call.to)),
        ("server_kind", &kind(&call.to)),
        ("port", &port),
        ("transport", &call.transport),
    ])
}

fn of_others() -> String {
    let none = "";
    labels(&[
        ("client", "other"),
        ("client_kind", "other"),
        ("server", "other"),
        ("server_kind", "other"),
        ("port", none),
        ("transport", none),
    ])
}

fn state(state: CallState) -> &'static str {
    match state {
        CallState::Expected => "expected",
        CallState::Unexpected => "unexpected",
        CallState::Unjudged => "unjudged",
    }
}

impl Figures {
    fn add(&mut self, call: &Call, latencies: &Distributions) {
        let grow = |held: &mut u64, more: u64| *held = held.saturating_add(more);
        grow(&mut self.attempts, call.requests.saturating_add(call.failed_connections));
        grow(&mut self.failed, call.errors);
        crate::graph::metrics::add(&mut self.errors, &call.errors_by_kind);
        grow(&mut self.connections, call.connections);
        grow(&mut self.failed_connections, call.failed_connections);
        grow(&mut self.open_connections, call.open_connections);
        grow(&mut self.accept_queue_drops, call.accept_queue_drops);
        grow(&mut self.bytes_sent, call.bytes_sent);
        grow(&mut self.bytes_received, call.bytes_received);
        grow(&mut self.in_flight, call.in_flight);
        self.oldest_ms = match (self.oldest_ms, call.oldest_in_flight_ms) {
            (Some(held), Some(more)) => Some(held.max(more)),
            (held, more) => held.or(more),
        };
        self.latencies.add(latencies);
        for anomaly in &call.anomalies {
            *self.anomalies.entry(anomaly.kind.clone()).or_default() += 1;
        }
    }
}
