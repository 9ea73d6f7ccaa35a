//! The call graph at a moment, as every exporter, view and detector of views sees it: `tracer.graph/1`.
//!
//! Invariant: services are sorted by id, calls by (from, to, port, transport), so that equal graphs are equal bytes;
//! what is absent is `None` (JSON `null`), never 0. Names are as found and may hold any characters: each exporter
//! escapes for its format. Memory: one copy of the bounded graph.

use crate::identity::Port;
use serde::{Deserialize, Serialize};

/// The value of [`GraphSnapshot::schema`].
pub const SCHEMA: &str = "tracer.graph/1";

/// The whole graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GraphSnapshot {
    pub schema: String,
    pub host: String,
    /// RFC 3339: when the tracer began to look.
    pub from: String,
    /// RFC 3339: the last moment that the graph covers.
    pub until: String,
    /// Length of the window that `requests_per_second`, `anomalies` and detectors refer to, seconds.
    pub window_seconds: f64,
    pub completeness: Completeness,
    /// What the tracer itself costs; `None` where nothing runs, as in a replay of an older tape.
    #[serde(default)]
    pub cost: Option<Cost>,
    pub services: Vec<Service>,
    pub calls: Vec<Call>,
}

/// What the graph does not show, by number and by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Completeness {
    /// Records that found the ring full.
    pub records_lost: u64,
    /// Exchanges that were counted but whose times are not known.
    pub exchanges_lost: u64,
    /// Exchanges of busy connections that the kernel counted: their latencies are all there, but only a share of them is
    /// known by itself (`sampled`).
    #[serde(default)]
    pub exchanges_counted: u64,
    /// Connections that were open before the tracer.
    pub connections_before_start: u64,
    /// Connections whose other end should be on this host but was not found.
    pub unresolved_peers: u64,
    /// Every degradation by name with its reason.
    pub degraded: Vec<Degradation>,
}

/// What the tracer itself costs, over the last second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// CPU time of the tracer's process, percent of one CPU.
    pub daemon_percent: f64,
    /// Time inside the kernel programs, percent of one CPU; `None` while the kernel keeps no statistics of them.
    pub programs_percent: Option<f64>,
    /// Resident memory of the tracer's process.
    pub memory_bytes: u64,
    /// What the maps of the kernel programs occupy, without the states of TCP sockets: some 350 bytes for each open one.
    pub kernel_memory_bytes: Option<u64>,
    /// Records taken from the kernel.
    pub records_per_second: f64,
    /// The limit that was asked for.
    pub budget_percent: Option<f64>,
}

impl Cost {
    /// All that is known, percent of one CPU.
    #[must_use]
    pub fn percent(&self) -> f64 {
        self.daemon_percent + self.programs_percent.unwrap_or(0.0)
    }
}

/// Something that does not work as it should, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Degradation {
    pub name: String,
    pub reason: String,
}

/// What kind of thing a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceKind {
    /// A program on this host.
    Program,
    /// Programs that a rule or their environment calls by one name.
    Service,
    /// A container.
    Container,
    /// A Kubernetes pod.
    Pod,
    /// A systemd unit.
    Unit,
    /// An address whose program is not on this host.
    Peer,
    /// The end of a local connection whose process is not known.
    Unknown,
    /// Where everything beyond a cap is counted.
    Other,
}

impl ServiceKind {
    /// Whether its processes run on this host and are known.
    #[must_use]
    pub fn is_local(self) -> bool {
        match self {
            Self::Program | Self::Service | Self::Container | Self::Pod | Self::Unit => true,
            Self::Peer | Self::Unknown | Self::Other => false,
        }
    }
}

/// A node: what a person calls the thing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Stable across runs and restarts.
    pub id: String,
    pub name: String,
    pub kind: ServiceKind,
    pub instances: Vec<Instance>,
}

/// One process of a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    pub pid: u32,
    /// RFC 3339.
    pub started: String,
    pub exe: Option<String>,
}

/// How a call stands to the baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallState {
    Expected,
    Unexpected,
    /// There is no baseline.
    Unjudged,
}

/// A directed edge: client service to server service, by port and transport.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Service id of the client.
    pub from: String,
    /// Service id of the server.
    pub to: String,
    /// The port number, or the path of a Unix socket (`@name` for an abstract one).
    pub port: Port,
    /// `tcp`, `udp` or `unix`.
    pub transport: String,
    /// Recognised from the bytes; `None` until a parser knows it.
    pub protocol: Option<String>,
    /// What a client wants to speak inside of a protocol that hides it (TLS: the first of ALPN), such as `h2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inner_protocol: Option<String>,
    /// What was asked for, where a parser knows it.
    #[serde(default)]
    pub operations: Vec<Operation>,
    pub state: CallState,
    /// RFC 3339: when the first connection or byte was seen.
    pub first_seen: String,
    pub connections: u64,
    pub failed_connections: u64,
    pub open_connections: u64,
    /// The most that were open at once since the start, as far as it was known whose they were.
    #[serde(default)]
    pub most_open_connections: u64,
    /// Connections to the listener that its kernel dropped because the accept queue was full. Who wanted to connect the
    /// kernel does not say: they count for the call with the most failures, or else requests, at that time.
    #[serde(default)]
    pub accept_queue_drops: u64,
    pub requests: u64,
    /// How many of them are an estimate: requests overlap, and bytes of the client were not told.
    #[serde(default)]
    pub requests_estimated: u64,
    /// Failed connections and requests that ended without an answer.
    pub errors: u64,
    pub errors_by_kind: ErrorsByKind,
    /// `errors / (requests + failed_connections)` over the last six windows; `None` without any.
    pub error_rate: Option<f64>,
    /// Over the last six windows, or since the call was first seen if that is shorter.
    pub requests_per_second: Option<f64>,
    /// Since start: first request byte sent to first response byte received, at the client.
    pub latency_ms: Option<Latency>,
    /// Since start: first request byte received to first response byte sent, at the server.
    pub server_latency_ms: Option<Latency>,
    /// Since start: what the client waited outside the server, for exchanges seen at both ends.
    pub wait_ms: Option<Latency>,
    /// Since start: first request byte sent to last response byte received, at the client.
    #[serde(default)]
    pub complete_ms: Option<Latency>,
    /// The client's latency over the last six windows.
    pub recent_latency_ms: Option<Latency>,
    /// From client to server.
    pub bytes_sent: u64,
    /// From server to client.
    pub bytes_received: u64,
    pub in_flight: u64,
    pub oldest_in_flight_ms: Option<f64>,
    pub anomalies: Vec<Anomaly>,
}

/// What is asked for over a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// Such as `GET /users/{id}`; `None` for all that are beyond the cap.
    pub name: Option<String>,
    pub requests: u64,
    /// `true` where only a share of the requests could be looked at, evenly chosen: `requests` and `statuses` are
    /// estimates then. Errors are counted one by one where a byte of the response tells them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sampled: bool,
    pub service_errors: u64,
    pub gateway_errors: u64,
    /// How often each status was answered; of many, the first.
    pub statuses: std::collections::BTreeMap<String, u64>,
    pub latency_ms: Option<Latency>,
}

/// Errors by what happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorsByKind {
    pub refused: u64,
    pub timed_out: u64,
    /// The connect failed for another reason, or was given up.
    pub connect_failed: u64,
    pub reset: u64,
    /// Closed without an answer to a request.
    pub unanswered: u64,
    /// Closed in the middle of an answer.
    #[serde(default)]
    pub closed_in_response: u64,
    /// The service answered that it failed, by its protocol's rule.
    #[serde(default)]
    pub service: u64,
    /// A gateway answered that what lies behind it failed, or is not there.
    #[serde(default)]
    pub gateway: u64,
}

/// A latency distribution, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub max: f64,
    pub samples: u64,
    /// `true` where exchanges were told apart by turns alone, the protocol being unknown.
    pub estimated: bool,
    /// `true` where only a share of the exchanges could be taken, evenly chosen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sampled: bool,
}

/// A detector's finding that holds now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    /// One of `detect::kinds`.
    pub kind: String,
    pub observed: Option<f64>,
    pub limit: Option<f64>,
    pub message: String,
}
