//! An alert of the kind `test`, for trying sinks.
//!
//! Invariant: it says of itself that nothing is wrong. Memory: one alert.

use super::{Alert, Evidence, Figures, ProcessEvidence, Transition};
use crate::baseline::CallKey;
use crate::detect::Severity;
use crate::graph::snapshot::Anomaly;
use crate::time::Wall;

/// The value of its `kind`.
pub const KIND: &str = "test";

/// The alert, told at that time (RFC 3339).
#[must_use]
pub fn alert(at: &str) -> Alert {
    let call =
        CallKey { from: "program:tracer".into(), to: "program:nobody".into(), port: 9.into(), transport: "tcp".into() };
    let anomaly = Anomaly {
        kind: KIND.to_owned(),
        observed: None,
        limit: None,
        message: "this is a test of the alerts, nothing is wrong".to_owned(),
    };
    let evidence = Evidence {
        from_name: "tracer".to_owned(),
        to_name: "nobody".to_owned(),
        first_seen: at.to_owned(),
        client: Some(ProcessEvidence {
            pid: 1,
            name: "tracer".to_owned(),
            exe: Some("/usr/bin/tracer".to_owned()),
            uid: Some(0),
            user: Some("root".to_owned()),
            command_line: "tracer alerts test".to_owned(),
        }),
        figures: Some(Figures {
            requests_per_second: Some(1.0),
            error_rate: None,
            mean_ms: Some(1.5),
            p99_ms: Some(3.0),
            open_connections: 1,
            in_flight: 0,
            oldest_in_flight_ms: None,
            expected: None,
        }),
        ..Evidence::default()
    };
    let alert = Alert::new(call, None, Transition::Firing(anomaly), Wall(0), evidence);
    Alert { severity: Severity::Critical, at: at.to_owned(), since: at.to_owned(), ..alert }
}
