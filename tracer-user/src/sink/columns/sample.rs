//! A graph for tests: one call of each kind.
//!
//! Invariant: the same every time. Memory: a few calls.

use super::Call;
use tracer_core::graph::snapshot::{
    Anomaly, CallState, Completeness, ErrorsByKind, GraphSnapshot, Latency, SCHEMA, Service, ServiceKind,
};

/// A host on which web calls api and db as expected, cron calls a stranger, api calls cache and is slow at it.
pub(crate) fn graph() -> GraphSnapshot {
    let quiet = call("cron", "db", 5432);
    let busy = Call { recent_latency_ms: Some(latency(3.41, true)), ..served(call("web", "api", 8080), 12_340, 205.7) };
    let slow = Call {
        anomalies: vec![anomaly("latency-p99", "p99 480 ms, limit 50 ms (9 of 600 in 10 s took longer)")],
        recent_latency_ms: Some(latency(41.0, true)),
        errors: 3,
        error_rate: Some(0.005),
        ..served(call("api", "cache", 6379), 600, 10.0)
    };
    let stuck = Call {
        in_flight: 1,
        oldest_in_flight_ms: Some(4_200.0),
        anomalies: vec![anomaly("stalled", "a request has no answer after 4.2 s, limit 1 s")],
        ..served(call("api", "db", 5432), 40, 0.7)
    };
    let stranger = Call {
        state: CallState::Unexpected,
        anomalies: vec![anomaly("unexpected-call", "the baseline does not list this call")],
        recent_latency_ms: Some(latency(0.082, false)),
        ..served(call("cron", "198.51.100.7", 4444), 2, 0.03)
    };
    graph_of(vec![slow, stuck, stranger, quiet, busy])
}

pub(crate) fn graph_of(calls: Vec<Call>) -> GraphSnapshot {
    let mut ids: Vec<&String> = calls.iter().flat_map(|call| [&call.from, &call.to]).collect();
    ids.sort();
    ids.dedup();
    let service = |id: &String| {
        let name = id.split_once(':').map_or(id.as_str(), |(_, name)| name).to_owned();
        Service { id: id.clone(), name, kind: ServiceKind::Program, instances: Vec::new() }
    };
    GraphSnapshot {
        cost: None,
        schema: SCHEMA.to_owned(),
        host: "shop-1".to_owned(),
        from: "2026-01-01T00:00:00.000Z".to_owned(),
        until: "2026-01-01T00:01:00.000Z".to_owned(),
        window_seconds: 10.0,
        completeness: Completeness::default(),
        services: ids.into_iter().map(service).collect(),
        calls,
    }
}

pub(crate) fn call(from: &str, to: &str, port: u16) -> Call {
    Call {
        from: format!("program:{from}"),
        to: format!("program:{to}"),
        port: port.into(),
        transport: "tcp".to_owned(),
        protocol: None,
        inner_protocol: None,
        state: CallState::Expected,
        first_seen: "2026-01-01T00:00:01.000Z".to_owned(),
        connections: 1,
        failed_connections: 0,
        open_connections: 1,
        most_open_connections: 1,
        accept_queue_drops: 0,
        requests_estimated: 0,
        requests: 0,
        errors: 0,
        errors_by_kind: ErrorsByKind::default(),
        error_rate: None,
        requests_per_second: None,
        latency_ms: None,
        server_latency_ms: None,
        wait_ms: None,
        complete_ms: None,
        recent_latency_ms: None,
        bytes_sent: 0,
        bytes_received: 0,
        in_flight: 0,
        oldest_in_flight_ms: None,
        operations: Vec::new(),
        anomalies: Vec::new(),
    }
}

pub(crate) fn served(call: Call, requests: u64, per_second: f64) -> Call {
    Call {
        requests,
        requests_per_second: Some(per_second),
        error_rate: Some(0.0),
        latency_ms: Some(latency(2.5, true)),
        bytes_sent: requests * 310,
        bytes_received: requests * 4_100,
        ..call
    }
}

pub(crate) fn latency(mean: f64, estimated: bool) -> Latency {
    let [p50, p90, p99, max] = [0.9, 2.0, 11.7, 20.0].map(|factor| mean * factor);
    Latency { mean, p50, p90, p99, max, samples: 99, estimated, sampled: false }
}

fn anomaly(kind: &str, message: &str) -> Anomaly {
    Anomaly { kind: kind.to_owned(), observed: None, limit: None, message: message.to_owned() }
}
