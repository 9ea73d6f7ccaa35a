//! The words that pictures share: what a call, a service and a whole graph are labelled with.
//!
//! Invariant: labels are made of printable characters; each format still escapes its own. Memory: one label.

use crate::escape::printable;
use crate::graph::snapshot::{Call, CallState, GraphSnapshot, Service, ServiceKind};
use std::collections::BTreeMap;

/// Columns of a name in a picture.
const NAME: usize = 64;

/// Ports that databases, caches and brokers are known by. Only the drawing depends on it: a recognised protocol does
/// not.
const STORES: [u16; 12] = [1433, 1521, 3306, 5432, 5672, 6379, 9042, 9092, 9200, 11211, 26257, 27017];

/// How a service is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Program,
    Store,
    Outside,
    Unknown,
}

/// Shape of each service, by id.
pub(super) fn shapes(graph: &GraphSnapshot) -> BTreeMap<&str, Shape> {
    let is_store = |service: &Service| {
        graph.calls.iter().any(|call| {
            // A demo or a test runs its database on another port; its name still tells.
            call.to == service.id && (STORES.contains(&call.port) || is_known_store(&service.name))
        })
    };
    let shape = |service: &Service| match service.kind {
        ServiceKind::Program if is_store(service) => Shape::Store,
        ServiceKind::Program => Shape::Program,
        ServiceKind::Peer => Shape::Outside,
        ServiceKind::Unknown | ServiceKind::Other => Shape::Unknown,
    };
    graph.services.iter().map(|service| (service.id.as_str(), shape(service))).collect()
}

fn is_known_store(name: &str) -> bool {
    ["postgres", "redis-server", "mysqld", "mariadbd", "mongod", "memcached", "valkey-server"].contains(&name)
}

pub(super) fn name(service: &Service) -> String {
    printable(&service.name, NAME)
}

/// What is written on a call, a line each.
pub(super) fn call(call: &Call) -> Vec<String> {
    let mut lines = vec![match &call.protocol {
        Some(protocol) => format!(":{} {}", call.port, printable(protocol, NAME)),
        None => format!(":{}", call.port),
    }];
    if let Some(rate) = call.requests_per_second {
        lines.push(format!("{} req/s", figure(rate)));
    }
    if let Some(latency) = &call.latency_ms.or(call.server_latency_ms) {
        lines.push(format!("p99 {} ms", figure(latency.p99)));
    }
    if call.errors > 0 {
        lines.push(format!("{} errors", call.errors));
    }
    if call.state == CallState::Unexpected {
        lines.push("unexpected".to_owned());
    }
    let others = call.anomalies.iter().filter(|anomaly| anomaly.kind != "unexpected-call");
    lines.extend(others.map(|anomaly| printable(&anomaly.kind, NAME)));
    lines
}

/// What is written under the whole picture, a line each.
pub(super) fn graph(graph: &GraphSnapshot) -> Vec<String> {
    let mut lines = vec![format!("{}, {} to {}", printable(&graph.host, NAME), graph.from, graph.until)];
    let told = &graph.completeness;
    let counts = [
        (told.records_lost, "records lost"),
        (told.exchanges_lost, "exchanges without times"),
        (told.unresolved_peers, "peers not resolved"),
    ];
    lines.extend(counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
    lines.extend(told.degraded.iter().map(|one| printable(&format!("{} ({})", one.name, one.reason), 120)));
    lines
}

/// Three significant digits.
fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
