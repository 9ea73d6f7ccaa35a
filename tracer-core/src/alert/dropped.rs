//! What is noted of a message that will never be delivered, `tracer.dropped/1`: enough to find out what nobody was told.
//!
//! Invariant: what could not be read of it is `null`, never empty. Memory: one for each message, without its evidence.

use super::{Alert, AlertState, Notice, Reason};
use crate::escape::{printable, printable_json};
use crate::identity::Port;
use crate::time::Wall;
use serde::{Deserialize, Serialize};

/// The value of [`Dropped::schema`].
const SCHEMA: &str = "tracer.dropped/1";
/// Columns of the detail.
const DETAIL: usize = 300;

/// A message that was dropped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dropped {
    pub schema: String,
    /// RFC 3339: when it was dropped.
    pub at: String,
    /// `null` of an alert that no sink was given.
    pub sink: Option<String>,
    pub reason: Reason,
    /// For a person, such as what the receiver has answered.
    pub detail: Option<String>,
    /// The message's `id`, which is its idempotency key.
    pub id: Option<String>,
    pub from: Option<String>,
    pub to: Option<String>,
    pub port: Option<Port>,
    pub transport: Option<String>,
    pub alerts: Vec<DroppedAlert>,
}

/// An alert of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DroppedAlert {
    pub id: String,
    pub kind: String,
    pub state: AlertState,
    /// RFC 3339.
    pub at: String,
    /// RFC 3339.
    pub since: String,
}

impl Dropped {
    /// A message of a sink, or what could not be read of one.
    #[must_use]
    pub fn message(sink: &str, reason: Reason, detail: Option<&str>, notice: Option<&Notice>, at: Wall) -> Self {
        let text = |field: fn(&Notice) -> &String| notice.map(|notice| field(notice).clone());
        Self {
            schema: SCHEMA.to_owned(),
            at: at.rfc3339(),
            sink: Some(sink.to_owned()),
            reason,
            detail: detail.map(|detail| printable(detail, DETAIL)),
            id: text(|notice| &notice.id),
            from: text(|notice| &notice.from),
            to: text(|notice| &notice.to),
            port: notice.map(|notice| notice.port.clone()),
            transport: text(|notice| &notice.transport),
            alerts: notice.iter().flat_map(|notice| &notice.alerts).map(DroppedAlert::of).collect(),
        }
    }

    /// An alert that no sink was given.
    #[must_use]
    pub fn held_back(alert: &Alert, at: Wall) -> Self {
        let call = alert.call();
        Self {
            schema: SCHEMA.to_owned(),
            at: at.rfc3339(),
            sink: None,
            reason: Reason::HeldBack,
            detail: None,
            id: None,
            from: Some(call.from),
            to: Some(call.to),
            port: Some(call.port),
            transport: Some(call.transport),
            alerts: vec![DroppedAlert::of(alert)],
        }
    }

    /// As a line of JSON, without a newline.
    #[must_use]
    pub fn line(&self) -> String {
        // Texts and numbers alone: this cannot fail.
        printable_json(&serde_json::to_string(self).unwrap_or_default())
    }
}

impl DroppedAlert {
    fn of(alert: &Alert) -> Self {
        Self {
            id: alert.id.clone(),
            kind: alert.kind.clone(),
            state: alert.state,
            at: alert.at.clone(),
            since: alert.since.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::sample;

    #[test]
    fn a_line_holds_what_was_to_be_told_and_no_control_character() {
        let mut alert = sample::alert("2026-01-01T00:00:00.000Z");
        alert.from = "program:x\n\u{1b}[2J\u{9b}".to_owned();
        let notice = Notice::group("host", vec![alert.clone()]).remove(0);
        let dropped = Dropped::message("pager", Reason::Refused, Some("answers\n400"), Some(&notice), Wall(0));
        let line = dropped.line();
        assert!(!line.contains(char::is_control), "{line}");
        let read: Dropped = serde_json::from_str(&line).unwrap();
        assert_eq!(read, dropped);
        assert_eq!((read.id, read.from), (Some(notice.id), Some(alert.from.clone())));
        assert_eq!((read.alerts[0].kind.as_str(), read.detail.as_deref()), ("test", Some("answers\\u{a}400")));
        let held: Dropped = serde_json::from_str(&Dropped::held_back(&alert, Wall(0)).line()).unwrap();
        assert_eq!((held.sink, held.reason, held.id), (None, Reason::HeldBack, None));
        let broken = Dropped::message("pager", Reason::Broken, None, None, Wall(0));
        assert_eq!((broken.id, broken.port, broken.alerts), (None, None, Vec::new()));
    }
}
