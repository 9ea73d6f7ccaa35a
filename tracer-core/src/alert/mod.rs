//! Alerts: what a person is told, `tracer.alert/1`.
//!
//! `book` says which fire, `evidence` what supports them, `notice` groups them by call, `filter` says who is told of
//! which, `limiter` how many, `memory` what is kept over a restart, `account` what became of what a sink was given, `dropped`
//! what is noted of what nobody was told.
//! Invariant: one alert fires once for one (kind, call) and is resolved once; see `book`.
//! Memory: at most `limits::FIRING_ALERTS` alerts fire at once, some KiB each.

mod account;
mod book;
mod dropped;
mod evidence;
mod filter;
mod fingerprint;
mod limiter;
pub mod memory;
mod notice;
pub mod sample;

pub use account::{Account, Reason};
pub use book::{AlertBook, Transition};
pub use dropped::{Dropped, DroppedAlert};
pub use evidence::{Evidence, ExpectedFigures, Figures, NearestCall, ProcessEvidence};
pub use filter::Filter;
pub use limiter::{Limiter, Limits as Rates};
pub use notice::Notice;

use crate::baseline::CallKey;
use crate::detect::{self, Severity};
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
    /// 16 hexadecimal digits: the same for the same kind and call, in every run.
    #[serde(default)]
    pub id: String,
    /// The detector's name, such as `unexpected-call`.
    pub kind: String,
    pub state: AlertState,
    #[serde(default)]
    pub severity: Severity,
    /// RFC 3339: when this was told.
    pub at: String,
    /// RFC 3339: when it began to fire, before a restart of the tracer perhaps.
    #[serde(default)]
    pub since: String,
    /// How often it was found since then, once for each window.
    #[serde(default)]
    pub count: u64,
    pub from: String,
    pub to: String,
    pub port: Port,
    /// `tcp`, `udp` or `unix`.
    #[serde(default = "tcp")]
    pub transport: String,
    pub protocol: Option<String>,
    pub observed: Option<f64>,
    pub limit: Option<f64>,
    pub message: String,
    pub evidence: Evidence,
}

fn tcp() -> String {
    "tcp".to_owned()
}

impl Alert {
    /// The alert that tells of a transition of a call.
    #[must_use]
    pub fn new(call: CallKey, protocol: Option<String>, transition: Transition, at: Wall, evidence: Evidence) -> Self {
        let at = at.rfc3339();
        let (state, anomaly, began) = match transition {
            Transition::Firing(anomaly) => (AlertState::Firing, anomaly, None),
            Transition::Resolved(anomaly, began) => (AlertState::Resolved, anomaly, began),
        };
        let message = match state {
            AlertState::Firing => anomaly.message,
            AlertState::Resolved => format!("no longer: {}", anomaly.message),
        };
        let (since, count) = began.map_or_else(|| (at.clone(), 1), |began| (began.since, began.count));
        Self {
            schema: SCHEMA.to_owned(),
            id: fingerprint::of_alert(&anomaly.kind, &call),
            severity: detect::severity(&anomaly.kind),
            kind: anomaly.kind,
            state,
            at,
            since,
            count,
            from: call.from,
            to: call.to,
            port: call.port,
            transport: call.transport,
            protocol,
            observed: anomaly.observed,
            limit: anomaly.limit,
            message,
            evidence,
        }
    }

    /// The call that it is about.
    #[must_use]
    pub fn call(&self) -> CallKey {
        CallKey::new(&self.from, &self.to, &self.port, &self.transport)
    }
}
