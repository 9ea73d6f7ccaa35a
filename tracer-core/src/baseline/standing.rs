//! How a call stands to the baseline.
//!
//! Invariant: only a call whose two ends are identified can be unexpected: an unknown end is not proof of a new call.
//! Memory: a borrow.

use super::{Baseline, CallKey, ExpectedCall};
use crate::graph::snapshot::{CallState, ServiceKind};

/// How a call stands to the baseline, with what is expected of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Standing<'a> {
    /// There is no baseline, or an end of the call is not identified.
    #[default]
    Unjudged,
    /// The baseline does not list the call.
    Unexpected,
    Expected(&'a ExpectedCall),
}

impl<'a> Standing<'a> {
    /// `ends` are the kinds of the client and of the server.
    #[must_use]
    pub fn of(baseline: Option<&'a Baseline>, key: &CallKey, ends: [ServiceKind; 2]) -> Self {
        match baseline {
            Some(baseline) if ends.into_iter().all(is_identified) => {
                baseline.expectation(key).map_or(Self::Unexpected, Self::Expected)
            }
            _ => Self::Unjudged,
        }
    }

    #[must_use]
    pub fn state(self) -> CallState {
        match self {
            Self::Unjudged => CallState::Unjudged,
            Self::Unexpected => CallState::Unexpected,
            Self::Expected(_) => CallState::Expected,
        }
    }
}

/// Whether a service of this kind is the same service in another run.
pub(super) fn is_identified(kind: ServiceKind) -> bool {
    kind.is_local() || kind == ServiceKind::Peer
}
