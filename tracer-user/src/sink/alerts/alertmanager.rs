//! Prometheus' Alertmanager, version 2 of its API: `POST /api/v2/alerts`
//! (<https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>).
//!
//! An alert there lives as long as it is sent: each one that fires is sent again and again, with an `endsAt` that lies
//! four such intervals ahead, so that what a tracer that died has told ends by itself. One that is resolved is sent for
//! another quarter of an hour, for an Alertmanager that was away, as Prometheus does.
//! Invariant: `startsAt` is when the alert began, over restarts of either side. Memory: the alerts that fire, at most
//! [`MOST`], in messages of at most [`BATCH`].

use super::http::Client;
use super::settings::{Form, SinkKey, SinkSettings};
use super::{Deliver, Failure, terminal};
use anyhow::Result;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tracer_core::alert::{Alert, AlertState, Notice};
use tracer_core::escape::{printable, printable_json};
use tracer_core::time::Wall;

pub(super) const ABOUT: &str =
    "Prometheus' Alertmanager, by version 2 of its API. Every alert is sent again for as long as it fires.";

pub(super) static KEYS: [SinkKey; 1] = [SinkKey {
    name: "resend",
    about: "How often an alert that fires is sent again. Without a tracer it ends after four times as long.",
    form: Form::Time,
    default: Some("1m"),
}];

/// Alerts that are kept: as many as may fire, and as many that are over.
const MOST: usize = 2 * tracer_core::limits::FIRING_ALERTS;
/// Alerts in one message.
const BATCH: usize = 64;
/// Columns of a name in a summary.
const NAME: usize = 256;
/// How long one that is resolved is sent.
const AFTERWARDS: Duration = Duration::from_secs(15 * 60);

struct Alertmanager {
    client: Client,
    resend: Duration,
    /// By id.
    alerts: BTreeMap<String, Kept>,
    due: Instant,
    host: String,
}

struct Kept {
    alert: Alert,
    over: Option<Instant>,
}

pub(super) fn make(settings: &SinkSettings) -> Result<Box<dyn Deliver>> {
    let (client, resend) = (Client::new(settings, "/api/v2/alerts")?, settings.time("resend"));
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Ok(Box::new(Alertmanager { client, resend, alerts: BTreeMap::new(), due: Instant::now() + resend, host }))
}

impl Deliver for Alertmanager {
    fn deliver(&mut self, notice: &Notice) -> Result<(), Failure> {
        for alert in &notice.alerts {
            self.keep(alert.clone());
        }
        self.send(&notice.alerts.iter().collect::<Vec<_>>())
    }

    fn fired_before(&mut self, alerts: &[Alert]) {
        alerts.iter().for_each(|alert| self.keep(alert.clone()));
        self.due = Instant::now();
    }

    fn due(&self) -> Option<Instant> {
        (!self.alerts.is_empty()).then_some(self.due)
    }

    fn tick(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        self.alerts.retain(|_, kept| kept.over.is_none_or(|over| now.saturating_duration_since(over) < AFTERWARDS));
        let alerts: Vec<&Alert> = self.alerts.values().map(|kept| &kept.alert).collect();
        alerts.chunks(BATCH).try_for_each(|batch| self.send(batch))?;
        self.due = now + self.resend;
        Ok(())
    }
}

impl Alertmanager {
    fn keep(&mut self, alert: Alert) {
        if self.alerts.len() >= MOST && !self.alerts.contains_key(&alert.id) {
            return;
        }
        let over = (alert.state == AlertState::Resolved).then(Instant::now);
        self.alerts.insert(alert.id.clone(), Kept { alert, over });
    }

    fn send(&self, alerts: &[&Alert]) -> Result<(), Failure> {
        let now = crate::clock::wall();
        self.client.post(None, body(alerts, &self.host, now, self.resend).as_bytes())
    }
}

/// What is posted; what a terminal would obey is written by number.
pub(super) fn body(alerts: &[&Alert], host: &str, now: Wall, resend: Duration) -> String {
    let alerts: Vec<Value> = alerts.iter().map(|alert| posted(alert, host, now, resend)).collect();
    printable_json(&Value::Array(alerts).to_string())
}

/// A `postableAlert`.
fn posted(alert: &Alert, host: &str, now: Wall, resend: Duration) -> Value {
    let ends = match alert.state {
        AlertState::Resolved => alert.at.clone(),
        AlertState::Firing => {
            let ahead = i64::try_from(resend.saturating_mul(4).as_nanos()).unwrap_or(i64::MAX);
            Wall(now.0.saturating_add(ahead)).rfc3339()
        }
    };
    let evidence = &alert.evidence;
    let name = |text: &str| printable(text, NAME);
    let (from, to, port) = (name(&evidence.from_name), name(&evidence.to_name), name(&alert.port.to_string()));
    let mut annotations = BTreeMap::from([
        ("summary", format!("{}: {from} → {to} :{port}", alert.kind)),
        ("description", alert.message.clone()),
        ("evidence", terminal::screen(alert)),
    ]);
    let figures = [("observed", alert.observed), ("limit", alert.limit)];
    annotations.extend(figures.into_iter().filter_map(|(name, figure)| Some((name, figure?.to_string()))));
    json!({
        // What an alert is known by there: nothing that changes while it fires.
        "labels": {
            "alertname": alert.kind,
            "severity": alert.severity,
            "from": alert.from,
            "to": alert.to,
            "port": alert.port.to_string(),
            "transport": alert.transport,
            "instance": host,
            "job": "tracer",
        },
        "annotations": annotations,
        "startsAt": alert.since,
        "endsAt": ends,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracer_core::alert::sample;

    #[test]
    fn one_that_fires_ends_four_intervals_from_now_and_one_that_is_over_when_it_ended() {
        let at = "2026-01-01T00:00:00.000Z";
        let firing = Alert { observed: Some(0.5), ..sample::alert(at) };
        let now = Wall(1_767_225_600_000_000_000);
        assert_eq!(now.rfc3339(), at);
        let told = posted(&firing, "host", now, Duration::from_secs(60));
        assert_eq!((&told["startsAt"], &told["endsAt"]), (&at.into(), &"2026-01-01T00:04:00.000Z".into()));
        assert_eq!(told["labels"]["severity"], "critical");
        assert_eq!(told["annotations"]["observed"], "0.5");
        assert!(told["annotations"].get("limit").is_none());
        let over = Alert { state: AlertState::Resolved, at: "2026-01-01T00:01:00.000Z".into(), ..firing };
        let over = posted(&over, "host", now, Duration::from_secs(60));
        assert_eq!(over["endsAt"], "2026-01-01T00:01:00.000Z");
        assert_eq!(over["labels"], told["labels"], "it is the same alert");
    }
}
