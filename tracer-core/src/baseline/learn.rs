//! A baseline from a graph.
//!
//! The rate of a call is its requests over the *whole* time of the graph, not over the time since the call was first
//! seen. A period that begins with an event overestimates without bound (one request in the last millisecond would be a
//! thousand per second); the whole period underestimates at most by the share of it that passed before the call began,
//! and `requests` tells how much evidence there is. So a baseline is learned while the system does what it always does.
//! Invariant: the order of services and calls in the graph makes no difference. Memory: a copy of the calls' names.

use super::standing::is_identified;
use super::{Baseline, CallKey, ExpectedCall, Learned, SCHEMA};
use crate::graph::OPERATIONS;
use crate::graph::snapshot::{Call, GraphSnapshot};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Why nothing can be learned from a graph.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LearnError {
    #[error("the graph covers no time (from {from:?} until {until:?}): observe for longer, then learn again")]
    NoTime { from: String, until: String },
    #[error("the graph lists a call twice ({call:?}): it was not written by tracer or was changed; export it again")]
    Duplicate { call: String },
}

impl Baseline {
    /// Learns what is expected. Calls with an end that is `unknown` or `other` are left out and counted.
    ///
    /// # Errors
    /// When the graph covers no time, or lists a call twice.
    pub fn learn(graph: &GraphSnapshot) -> Result<Self, LearnError> {
        let seconds = seconds_between(&graph.from, &graph.until)
            .ok_or_else(|| LearnError::NoTime { from: graph.from.clone(), until: graph.until.clone() })?;
        let identified: BTreeSet<&str> =
            graph.services.iter().filter(|service| is_identified(service.kind)).map(|s| s.id.as_str()).collect();
        let is_listed = |call: &&Call| identified.contains(call.from.as_str()) && identified.contains(call.to.as_str());

        let mut calls: Vec<_> = graph.calls.iter().filter(is_listed).map(|call| expected(call, seconds)).collect();
        let left_out = graph.calls.len().saturating_sub(calls.len());
        calls.sort_by_cached_key(ExpectedCall::key);
        if let Some(key) = first_duplicate(&calls) {
            return Err(LearnError::Duplicate { call: key.to_string() });
        }
        let learned = Learned {
            host: graph.host.clone(),
            from: graph.from.clone(),
            until: graph.until.clone(),
            seconds,
            calls_left_out: u64::try_from(left_out).unwrap_or(u64::MAX),
        };
        Ok(Self { schema: SCHEMA.to_owned(), learned, allow: Vec::new(), deny: Vec::new(), calls })
    }
}

impl Baseline {
    /// Lists what was asked for over each call, where a parser told. Of a call with as many operations as the graph names
    /// at most, some may have no name: it lists none, and so expects all.
    #[must_use]
    pub fn with_operations_of(mut self, graph: &GraphSnapshot) -> Self {
        let calls: BTreeMap<CallKey, &Call> = graph.calls.iter().map(|call| (CallKey::of(call), call)).collect();
        for expected in &mut self.calls {
            let operations = calls.get(&expected.key()).map(|call| call.operations.as_slice()).unwrap_or_default();
            let named: BTreeSet<String> = operations.iter().filter_map(|operation| operation.name.clone()).collect();
            expected.operations = Some(named).filter(|named| (1..OPERATIONS).contains(&named.len()));
        }
        self
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people; exact below 2^53")]
fn expected(call: &Call, seconds: f64) -> ExpectedCall {
    let attempts = call.requests.saturating_add(call.failed_connections);
    let latency = call.latency_ms.filter(|latency| latency.samples > 0);
    ExpectedCall {
        from: call.from.clone(),
        to: call.to.clone(),
        port: call.port.clone(),
        transport: call.transport.clone(),
        protocol: call.protocol.clone(),
        requests: call.requests,
        requests_per_second: rounded(call.requests as f64 / seconds),
        mean_ms: latency.and_then(|latency| valid(latency.mean)),
        p99_ms: latency.and_then(|latency| valid(latency.p99)),
        error_rate: (attempts > 0).then(|| rounded((call.errors as f64 / attempts as f64).min(1.0))),
        samples: latency.map_or(0, |latency| latency.samples),
        rate_spread: None,
        mean_spread: None,
        p99_spread: None,
        error_spread: None,
        rhythm: None,
        operations: None,
    }
}

/// `None` unless both are times and the second is later.
fn seconds_between(from: &str, until: &str) -> Option<f64> {
    let from: Timestamp = from.parse().ok()?;
    let until: Timestamp = until.parse().ok()?;
    let seconds = until.duration_since(from).as_secs_f64();
    (seconds > 0.0).then_some(seconds)
}

/// A graph read from a file may hold any figure.
fn valid(figure: f64) -> Option<f64> {
    (figure.is_finite() && figure >= 0.0).then(|| rounded(figure))
}

/// Six decimals: a nanosecond in milliseconds, a request in eleven days in requests per second.
pub(super) fn rounded(figure: f64) -> f64 {
    let rounded = (figure * 1e6).round() / 1e6;
    if rounded.is_finite() { rounded } else { figure }
}

fn first_duplicate(sorted: &[ExpectedCall]) -> Option<CallKey> {
    sorted.windows(2).find_map(|pair| match pair {
        [first, second] => Some(first.key()).filter(|key| *key == second.key()),
        _ => None,
    })
}
