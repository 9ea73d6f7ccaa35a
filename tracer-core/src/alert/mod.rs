//! Alerts: what a person is told, `tracer.alert/1`.
//!
//! Invariant: one alert fires once for one (kind, call) and is resolved once; see `book`.
//! Memory: at most `limits::FIRING_ALERTS` alerts fire at once.

mod book;

pub use book::{AlertBook, Transition};

use crate::baseline::CallKey;
use crate::identity::Port;
use crate::time::Wall;
use serde::{Deserialize, Serialize};

/// The value of [`Alert::schema`].
pub const SCHEMA: &str = "tracer.alert/1";

/// Whether it begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    Firing,
    Resolved,
}

/// One alert. `from` and `to` are service ids.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    pub schema: String,
    /// The detector's name, such as `unexpected-call`.
    pub kind: String,
    pub state: AlertState,
    /// RFC 3339.
    pub at: String,
    pub from: String,
    pub to: String,
    pub port: Port,
    pub protocol: Option<String>,
    pub observed: Option<f64>,
    pub limit: Option<f64>,
    pub message: String,
    pub evidence: Evidence,
}

/// What supports an alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
}

/// A process, for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessEvidence {
    pub pid: u32,
    pub name: String,
    pub exe: Option<String>,
    pub uid: Option<u32>,
    /// Arguments separated by spaces, cut at 512 bytes, bytes that are not UTF-8 replaced.
    pub command_line: String,
}

impl Alert {
    /// The alert that tells of a transition of a call.
    #[must_use]
    pub fn new(call: CallKey, protocol: Option<String>, transition: Transition, at: Wall, evidence: Evidence) -> Self {
        let (state, anomaly) = match transition {
            Transition::Firing(anomaly) => (AlertState::Firing, anomaly),
            Transition::Resolved(anomaly) => (AlertState::Resolved, anomaly),
        };
        let message = match state {
            AlertState::Firing => anomaly.message,
            AlertState::Resolved => format!("no longer: {}", anomaly.message),
        };
        Self {
            schema: SCHEMA.to_owned(),
            kind: anomaly.kind,
            state,
            at: at.rfc3339(),
            from: call.from,
            to: call.to,
            port: call.port,
            protocol,
            observed: anomaly.observed,
            limit: anomaly.limit,
            message,
            evidence,
        }
    }
}
