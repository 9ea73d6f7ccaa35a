//! What supports an alert, for one screen: who does it, what it is like, and what would have been expected.
//!
//! Invariant: what is not known is `None`, never 0. Memory: the client, its server and at most `limits::PARENTS` parents,
//! each with 512 bytes of its command line.

use crate::graph::snapshot::Call;
use crate::identity::Port;
use serde::{Deserialize, Serialize};

/// What supports an alert.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    pub from_name: String,
    pub to_name: String,
    /// RFC 3339.
    pub first_seen: String,
    pub connections: u64,
    pub requests: u64,
    /// The process that made the call last, and its parents, nearest first.
    pub client: Option<ProcessEvidence>,
    pub client_parents: Vec<ProcessEvidence>,
    /// The process that serves it, if it is on this host.
    pub server: Option<ProcessEvidence>,
    /// Of an unexpected call: the expected one that is most like it.
    #[serde(default)]
    pub nearest: Option<NearestCall>,
    /// What failed most often, else what was asked for most often, such as `GET /users/{id}`; where the protocol is known.
    #[serde(default)]
    pub operation: Option<String>,
    /// The call's figures when this was told.
    #[serde(default)]
    pub figures: Option<Figures>,
}

/// A process, for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessEvidence {
    pub pid: u32,
    pub name: String,
    pub exe: Option<String>,
    pub uid: Option<u32>,
    /// The name of `uid`, where this host has one.
    #[serde(default)]
    pub user: Option<String>,
    /// Arguments separated by spaces, cut at 512 bytes, bytes that are not UTF-8 replaced.
    pub command_line: String,
}

/// An expected call, by service ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NearestCall {
    pub from: String,
    pub to: String,
    pub port: Port,
    pub transport: String,
}

/// Figures of a call: over the last six windows, but for what is open now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    pub requests_per_second: Option<f64>,
    /// 0 to 1.
    pub error_rate: Option<f64>,
    pub mean_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    pub open_connections: u64,
    pub in_flight: u64,
    pub oldest_in_flight_ms: Option<f64>,
    /// What the baseline says; `None` where it does not list the call.
    pub expected: Option<ExpectedFigures>,
}

/// What a baseline says of a call, in the same units.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExpectedFigures {
    pub requests_per_second: f64,
    pub error_rate: Option<f64>,
    pub mean_ms: Option<f64>,
    pub p99_ms: Option<f64>,
}

impl Evidence {
    /// What takes little room: no processes, no figures.
    #[must_use]
    pub fn short(&self) -> Self {
        Self {
            from_name: self.from_name.clone(),
            to_name: self.to_name.clone(),
            first_seen: self.first_seen.clone(),
            connections: self.connections,
            requests: self.requests,
            ..Self::default()
        }
    }
}

impl Figures {
    /// Those of a call as a graph shows it.
    #[must_use]
    pub fn of(call: &Call, expected: Option<ExpectedFigures>) -> Self {
        let latency = call.recent_latency_ms.or(call.latency_ms);
        Self {
            requests_per_second: call.requests_per_second,
            error_rate: call.error_rate,
            mean_ms: latency.map(|latency| latency.mean),
            p99_ms: latency.map(|latency| latency.p99),
            open_connections: call.open_connections,
            in_flight: call.in_flight,
            oldest_in_flight_ms: call.oldest_in_flight_ms,
            expected,
        }
    }
}
