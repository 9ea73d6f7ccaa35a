//! What both drawings show of a graph: figures with numbers in place of names, arrows, and the words beside them.
//!
//! Invariant: one figure for each service and for each id that only calls know (a hostile file may hold such), one
//! arrow for each call; all texts are visible, none is quoted yet. Memory: in proportion to the graph, every text bounded.

use std::collections::{HashMap, HashSet};

use super::escape::visible;
use crate::graph::snapshot::{Call, CallState, Completeness, GraphSnapshot, Service, ServiceKind};

/// TCP ports that databases, caches and queues register or default to. The port decides only the drawing: what speaks
/// there is known from its bytes alone, see [`Call::protocol`].
const STORE_PORTS: [u16; 19] = [
    1433,  // SQL Server
    1521,  // Oracle
    2379,  // etcd
    3306,  // MySQL, MariaDB
    4222,  // NATS
    5432,  // PostgreSQL
    5672,  // AMQP: RabbitMQ
    5984,  // CouchDB
    6379,  // Redis, Valkey
    6432,  // PgBouncer
    7687,  // Neo4j
    8086,  // InfluxDB
    9042,  // Cassandra
    9092,  // Kafka
    9200,  // Elasticsearch, OpenSearch
    11211, // memcached
    26257, // CockroachDB
    27017, // MongoDB
    33060, // MySQL X
];

/// Programs of such services, for those that listen on other ports.
const STORE_PROGRAMS: [&str; 10] = [
    "etcd",
    "mariadbd",
    "memcached",
    "mongod",
    "mysqld",
    "nats-server",
    "postgres",
    "rabbitmq-server",
    "redis-server",
    "valkey-server",
];

/// Anomalies named beside one arrow, and degradations named under the graph; the rest is a number.
const LISTED: usize = 6;

/// What a node is drawn as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Program,
    /// A program on this host that is called on one of [`STORE_PORTS`], or is one of [`STORE_PROGRAMS`].
    Store,
    Peer,
    /// A peer that is called on one of [`STORE_PORTS`].
    PeerStore,
    Unknown,
    Other,
}

/// What an arrow says at first sight; the first that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Unexpected,
    Anomalous,
    Calm,
}

/// A node; its place in [`Picture::figures`] is its name in the drawing.
pub(super) struct Figure {
    pub(super) shape: Shape,
    pub(super) name: String,
    /// What the name does not say.
    pub(super) note: Option<String>,
}

/// An edge between two figures.
pub(super) struct Arrow {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) mood: Mood,
    /// `:5432`, with the transport where it is not TCP.
    pub(super) port: String,
    /// Rate and latency, as far as they are known.
    pub(super) figures: Vec<String>,
    /// What is wrong, for the eye: errors, and the kinds of the anomalies.
    pub(super) troubles: Vec<String>,
    pub(super) requests_per_second: f64,
}

pub(super) struct Picture {
    pub(super) host: String,
    pub(super) span: String,
    /// What the picture does not show; empty when it shows all.
    pub(super) missing: Vec<String>,
    pub(super) figures: Vec<Figure>,
    pub(super) arrows: Vec<Arrow>,
}

impl Picture {
    pub(super) fn of(graph: &GraphSnapshot) -> Self {
        let stores: HashSet<&str> = graph
            .calls
            .iter()
            .filter(|call| {
                call.transport == "tcp" && call.port.number().is_some_and(|port| STORE_PORTS.contains(&port))
            })
            .map(|call| call.to.as_str())
            .collect();
        let mut figures = Vec::new();
        let mut places = HashMap::new();
        for service in &graph.services {
            places.entry(service.id.as_str()).or_insert(figures.len());
            let is_store = stores.contains(service.id.as_str()) || STORE_PROGRAMS.contains(&service.name.as_str());
            figures.push(figure(service, is_store));
        }
        let mut arrows = Vec::new();
        for call in &graph.calls {
            let mut place = |id| {
                *places.entry(id).or_insert_with(|| {
                    figures.push(Figure { shape: Shape::Unknown, name: visible(id), note: note(ServiceKind::Unknown) });
                    figures.len() - 1
                })
            };
            let (from, to) = (place(call.from.as_str()), place(call.to.as_str()));
            arrows.push(arrow(call, from, to));
        }
        Self {
            host: visible(&graph.host),
            span: format!("{} – {}", visible(&graph.from), visible(&graph.until)),
            missing: missing(&graph.completeness),
            figures,
            arrows,
        }
    }
}

fn figure(service: &Service, is_store: bool) -> Figure {
    let shape = match (service.kind, is_store) {
        (
            ServiceKind::Program | ServiceKind::Service | ServiceKind::Container | ServiceKind::Pod | ServiceKind::Unit,
            false,
        ) => Shape::Program,
        (
            ServiceKind::Program | ServiceKind::Service | ServiceKind::Container | ServiceKind::Pod | ServiceKind::Unit,
            true,
        ) => Shape::Store,
        (ServiceKind::Peer, false) => Shape::Peer,
        (ServiceKind::Peer, true) => Shape::PeerStore,
        (ServiceKind::Unknown, _) => Shape::Unknown,
        (ServiceKind::Other, _) => Shape::Other,
    };
    let instances = service.instances.len();
    let note = note(service.kind).or_else(|| (instances > 1).then(|| format!("{instances} instances")));
    Figure { shape, name: visible(&service.name), note }
}

fn note(kind: ServiceKind) -> Option<String> {
    match kind {
        ServiceKind::Program | ServiceKind::Service | ServiceKind::Container | ServiceKind::Pod | ServiceKind::Unit => {
            None
        }
        ServiceKind::Peer => Some("outside this host".to_owned()),
        ServiceKind::Unknown => Some("process not known".to_owned()),
        ServiceKind::Other => Some("all beyond the limit".to_owned()),
    }
}

fn arrow(call: &Call, from: usize, to: usize) -> Arrow {
    let is_unexpected = call.state == CallState::Unexpected;
    // The word `unexpected` already says this one.
    let kinds: Vec<String> = call
        .anomalies
        .iter()
        .filter(|anomaly| !(is_unexpected && anomaly.kind == "unexpected-call"))
        .map(|anomaly| visible(&anomaly.kind))
        .collect();
    let mood = match (is_unexpected, kinds.is_empty()) {
        (true, _) => Mood::Unexpected,
        (false, false) => Mood::Anomalous,
        (false, true) => Mood::Calm,
    };
    let mut troubles = Vec::new();
    if call.errors > 0 {
        troubles.push(counted(call.errors, "error", "errors"));
    }
    troubles.extend(listed(kinds));
    Arrow {
        from,
        to,
        mood,
        port: port(call),
        figures: call.requests_per_second.map(rate).into_iter().chain(p99(call)).collect(),
        troubles,
        requests_per_second: call.requests_per_second.unwrap_or_default(),
    }
}

fn port(call: &Call) -> String {
    match call.transport.as_str() {
        "tcp" => format!(":{}", visible(&call.port.to_string())),
        "unix" => visible(&call.port.to_string()),
        transport => format!(":{} {}", visible(&call.port.to_string()), visible(transport)),
    }
}

/// The client's p99 over the same windows as the rate; without one, since start; without a client, the server's.
fn p99(call: &Call) -> Option<String> {
    let (latency, place) = match (call.recent_latency_ms.or(call.latency_ms), call.server_latency_ms) {
        (Some(latency), _) => (latency, ""),
        (None, Some(latency)) => (latency, " at the server"),
        (None, None) => return None,
    };
    let about = if latency.estimated { "~" } else { "" };
    Some(format!("p99 {about}{}{place}", milliseconds(latency.p99)))
}

fn milliseconds(value: f64) -> String {
    match value {
        _ if value >= 10_000.0 => format!("{:.1} s", value / 1_000.0),
        _ if value >= 100.0 => format!("{value:.0} ms"),
        _ if value >= 1.0 => format!("{value:.1} ms"),
        _ => format!("{:.0} µs", value * 1_000.0),
    }
}

fn rate(value: f64) -> String {
    match value {
        _ if value >= 10_000.0 => format!("{:.0}k req/s", value / 1_000.0),
        _ if value >= 10.0 => format!("{value:.0} req/s"),
        _ if value >= 0.1 => format!("{value:.1} req/s"),
        _ if value > 0.0 => "<0.1 req/s".to_owned(),
        _ => "0 req/s".to_owned(),
    }
}

/// What was lost, in the words of [`Completeness`].
fn missing(completeness: &Completeness) -> Vec<String> {
    let counts = [
        (completeness.records_lost, "record lost", "records lost"),
        (completeness.exchanges_lost, "exchange without times", "exchanges without times"),
        (
            completeness.connections_before_start,
            "connection older than the tracer",
            "connections older than the tracer",
        ),
        (completeness.unresolved_peers, "peer not found", "peers not found"),
    ];
    let mut missing: Vec<String> = counts
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| counted(count, one, many))
        .collect();
    let degraded =
        completeness.degraded.iter().map(|it| format!("{}: {}", visible(&it.name), visible(&it.reason))).collect();
    missing.extend(listed(degraded));
    missing
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// The first [`LISTED`], and the number of those left out.
fn listed(mut texts: Vec<String>) -> Vec<String> {
    if let Some(rest) = texts.len().checked_sub(LISTED).filter(|rest| *rest > 0) {
        texts.truncate(LISTED);
        texts.push(format!("and {rest} more"));
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_keep_the_digits_that_matter() {
        assert_eq!(
            [0.0, 0.01, 0.5, 120.4, 12_345.0].map(rate),
            ["0 req/s", "<0.1 req/s", "0.5 req/s", "120 req/s", "12k req/s"]
        );
        assert_eq!([0.08, 3.21, 250.4, 30_000.0].map(milliseconds), ["80 µs", "3.2 ms", "250 ms", "30.0 s"]);
    }

    #[test]
    fn a_long_list_ends_with_the_number_of_the_rest() {
        let texts: Vec<String> = (0..8).map(|n| n.to_string()).collect();
        assert_eq!(listed(texts.clone()).last().map(String::as_str), Some("and 2 more"));
        assert_eq!(listed(texts[..LISTED].to_vec()), texts[..LISTED]);
    }

    #[test]
    fn nothing_lost_leaves_nothing_to_say() {
        assert!(missing(&Completeness::default()).is_empty());
        let lost = Completeness { records_lost: 1, unresolved_peers: 2, ..Completeness::default() };
        assert_eq!(missing(&lost), ["1 record lost", "2 peers not found"]);
    }
}
