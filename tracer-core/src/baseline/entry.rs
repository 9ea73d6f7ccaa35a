//! What a person writes into a baseline by hand: calls that are allowed or denied, whatever was learned.
//!
//! Invariant: an entry says something of a call only if all its conditions hold, and it has at least one. Memory:
//! `limits::RULES` entries of each kind.

use super::CallKey;
use crate::identity::Port;
use crate::identity::rules::Pattern;
use crate::limits;
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Bytes of a comment.
pub(super) const COMMENT_BYTES: usize = 1_024;

/// Calls that are allowed, or denied.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The id of the client's service, or what follows the id's `:`; a glob, or `/regex/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Pattern>,
    /// The same of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Pattern>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<Port>,
    /// `tcp`, `udp` or `unix`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<String>,
    /// Why; shown where the entry decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

impl Entry {
    /// One about this call alone; `None` where an id is none of ours: longer than a pattern can be, or a regular expression.
    #[must_use]
    pub fn of(call: &CallKey) -> Option<Self> {
        let literal = |id: &str| Pattern::try_from(CallKey::literal(id)).ok().filter(|_| !id.starts_with('/'));
        Some(Self {
            from: Some(literal(&call.from)?),
            to: Some(literal(&call.to)?),
            port: Some(call.port.clone()),
            transport: Some(call.transport.clone()),
            comment: None,
        })
    }

    /// Whether it is about the call.
    #[must_use]
    pub fn matches(&self, call: &CallKey) -> bool {
        hold([self.from.as_ref(), self.to.as_ref()], self.port.as_ref(), self.transport.as_deref(), call)
    }

    fn is_about_all(&self) -> bool {
        self.from.is_none() && self.to.is_none() && self.port.is_none() && self.transport.is_none()
    }
}

/// The comment, or else its conditions.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(comment) = &self.comment {
            return f.write_str(comment);
        }
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

/// Whether all conditions hold that are given: of client and server, port and transport.
#[must_use]
pub fn hold(ends: [Option<&Pattern>; 2], port: Option<&Port>, transport: Option<&str>, call: &CallKey) -> bool {
    let is = |pattern: Option<&Pattern>, id: &str| pattern.is_none_or(|pattern| is_called(pattern, id));
    is(ends[0], &call.from)
        && is(ends[1], &call.to)
        && port.is_none_or(|port| *port == call.port)
        && transport.is_none_or(|transport| transport == call.transport)
}

/// Whether a pattern means a service: by its whole id, or by its name alone.
pub(super) fn is_called(pattern: &Pattern, id: &str) -> bool {
    pattern.is_match(id) || id.split_once(':').is_some_and(|(_, name)| pattern.is_match(name))
}

/// A list of entries, none of them about every call.
pub(super) fn entries<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Entry>, D::Error> {
    let entries = Vec::<Entry>::deserialize(deserializer)?;
    if entries.len() > limits::RULES {
        return Err(D::Error::custom(format_args!("more than {} entries", limits::RULES)));
    }
    for entry in &entries {
        if entry.is_about_all() {
            return Err(D::Error::custom(
                "an entry has no condition: give it at least one of from, to, port, transport",
            ));
        }
        if entry.comment.as_ref().is_some_and(|comment| comment.len() > COMMENT_BYTES) {
            return Err(D::Error::custom(format_args!("a comment has more than {COMMENT_BYTES} bytes")));
        }
    }
    Ok(entries)
}
