//! How a call stands to the baseline: the one place that says whether it is expected.
//!
//! Invariant: what a person wrote decides before what was learned, and a denial before everything; apart from that, only a
//! call whose two ends are identified can be unexpected: an unknown end is not proof of a new call. Memory: a borrow.

use super::{Baseline, CallKey, Entry, ExpectedCall};
use crate::graph::snapshot::{CallState, ServiceKind};

/// How a call stands to the baseline, with what is expected of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Standing<'a> {
    /// There is no baseline, or an end of the call is not identified.
    #[default]
    Unjudged,
    /// The baseline does not list the call.
    Unexpected,
    /// The baseline denies the call.
    Denied(&'a Entry),
    /// The baseline allows the call and knows nothing else of it.
    Allowed(&'a Entry),
    Expected(&'a ExpectedCall),
}

impl<'a> Standing<'a> {
    /// `ends` are the kinds of the client and of the server.
    #[must_use]
    pub fn of(baseline: Option<&'a Baseline>, key: &CallKey, ends: [ServiceKind; 2]) -> Self {
        let Some(baseline) = baseline else { return Self::Unjudged };
        let find = |entries: &'a [Entry]| entries.iter().find(|entry| entry.matches(key));
        if let Some(entry) = find(baseline.deny()) {
            return Self::Denied(entry);
        }
        let are_identified = ends.into_iter().all(is_identified);
        if let Some(expected) = baseline.expectation(key).filter(|_| are_identified) {
            return Self::Expected(expected);
        }
        match find(baseline.allow()) {
            Some(entry) => Self::Allowed(entry),
            None if are_identified => Self::Unexpected,
            None => Self::Unjudged,
        }
    }

    #[must_use]
    pub fn state(self) -> CallState {
        match self {
            Self::Unjudged => CallState::Unjudged,
            Self::Unexpected | Self::Denied(_) => CallState::Unexpected,
            Self::Allowed(_) | Self::Expected(_) => CallState::Expected,
        }
    }
}

/// Whether a service of this kind is the same service in another run.
pub(crate) fn is_identified(kind: ServiceKind) -> bool {
    kind.is_local() || kind == ServiceKind::Peer
}
