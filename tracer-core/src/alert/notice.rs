//! What is sent of alerts that begin or end together: those of one call in one message, `tracer.notice/1`.
//!
//! Invariant: equal alerts make an equal id, so that who is sent a notice twice can tell. Order is kept: notices in the
//! order of their first alert, alerts as they were told. Memory: its alerts, at most one of each kind and state.

use super::{Alert, fingerprint};
use crate::identity::Port;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The value of [`Notice::schema`].
const SCHEMA: &str = "tracer.notice/1";

/// Alerts of one call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    pub schema: String,
    /// 16 hexadecimal digits, for telling repetitions apart (an idempotency key).
    pub id: String,
    pub host: String,
    /// Service id of the client; `*` where the service itself is meant.
    pub from: String,
    pub to: String,
    pub port: Port,
    pub transport: String,
    pub alerts: Vec<Alert>,
}

impl Notice {
    /// The notices that tell of these alerts.
    #[must_use]
    pub fn group(host: &str, alerts: Vec<Alert>) -> Vec<Self> {
        let (mut notices, mut places) = (Vec::<Self>::new(), BTreeMap::new());
        for alert in alerts {
            let call = alert.call();
            let place = *places.entry(call.clone()).or_insert(notices.len());
            match notices.get_mut(place) {
                Some(notice) => notice.alerts.push(alert),
                None => notices.push(Self {
                    schema: SCHEMA.to_owned(),
                    id: String::new(),
                    host: host.to_owned(),
                    from: call.from,
                    to: call.to,
                    port: call.port,
                    transport: call.transport,
                    alerts: vec![alert],
                }),
            }
        }
        for notice in &mut notices {
            let parts = notice.alerts.iter().flat_map(|alert| {
                let state = if alert.state == super::AlertState::Firing { "firing" } else { "resolved" };
                [alert.id.as_str(), state, alert.at.as_str(), alert.since.as_str()]
            });
            notice.id = fingerprint::of(std::iter::once(host).chain(parts));
        }
        notices
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::sample;

    #[test]
    fn alerts_of_one_call_are_one_notice_and_the_order_of_calls_is_kept() {
        let alert = |kind: &str, port: u16| Alert {
            kind: kind.to_owned(),
            port: port.into(),
            ..sample::alert("2026-01-01T00:00:00.000Z")
        };
        let notices = Notice::group("host", vec![alert("a", 2), alert("b", 1), alert("c", 2)]);
        let kinds: Vec<Vec<&str>> =
            notices.iter().map(|notice| notice.alerts.iter().map(|alert| alert.kind.as_str()).collect()).collect();
        assert_eq!(kinds, [vec!["a", "c"], vec!["b"]]);
        let again = Notice::group("host", vec![alert("a", 2), alert("c", 2)]);
        assert_eq!(again[0].id, notices[0].id);
        let elsewhere = Notice::group("other", vec![alert("a", 2), alert("c", 2)]);
        assert_ne!(elsewhere[0].id, notices[0].id);
        let later = Notice::group("host", vec![Alert { at: "2026-01-01T00:00:01.000Z".to_owned(), ..alert("b", 1) }]);
        assert_ne!(later[0].id, notices[1].id);
    }
}
