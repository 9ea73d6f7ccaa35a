//! What a detector sees of a call: the window that has just ended.
//!
//! Invariant: a window holds only what happened in it, except what is in flight at its end. What was not measured is
//! `None`, and then nothing is said of it. Memory: one per judgement.

use crate::baseline::Standing;
use crate::time::{Span, Wall};

/// One call in one window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CallWindow<'a> {
    pub length: Span,
    /// The middle of the window: what is expected depends on the hour.
    pub at: Wall,
    /// `false` for a window of which the call, or the run, saw only a part.
    pub complete: bool,
    /// Records were lost: counts are too low now and will be made up for in the next window.
    pub loss: bool,
    pub requests: u64,
    pub failed_connections: u64,
    /// Failed connections and requests that ended without an answer.
    pub errors: u64,
    /// Of the exchanges that ended; `None` without any.
    pub latency: Option<WindowLatency>,
    /// Age of the oldest request that has no answer yet.
    pub oldest_in_flight: Option<Span>,
    /// A request of this call has been answered, in this window or before.
    pub ever_answered: bool,
    /// The client's connections, where they are known.
    pub pool: Option<Pool>,
    /// Connections that the server's kernel dropped because its accept queue was full; `None` where that is not counted.
    pub accept_queue_drops: Option<u64>,
    /// What was asked for since the start and is not listed, where the baseline lists operations of the call.
    pub unlisted: Option<Unlisted<'a>>,
    pub standing: Standing<'a>,
}

/// Operations that a baseline does not list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unlisted<'a> {
    /// The first by name.
    pub first: &'a str,
    /// How many there are, at least 1.
    pub count: usize,
}

impl<'a> Unlisted<'a> {
    /// What of these is not listed; `None` if all are, or if nothing is listed.
    pub fn of(standing: Standing<'_>, operations: impl Iterator<Item = &'a str>) -> Option<Self> {
        let Standing::Expected(expected) = standing else { return None };
        let listed = expected.operations.as_ref()?;
        let mut unlisted = operations.filter(|name| !listed.contains(*name));
        Some(Self { first: unlisted.next()?, count: unlisted.count() + 1 })
    }
}

/// The client's latency in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowLatency {
    pub mean: Span,
    pub p99: Span,
    /// Exchanges measured, at least 1.
    pub samples: u64,
    /// Those of them that took longer than [`Limits::latency_p99`](super::Limits::latency_p99).
    pub slow: u64,
}

/// The connections that a call goes over, and what requests wait outside the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Connections open at the end of the window.
    pub open: u64,
    /// Those of them with a request that has no answer yet.
    pub busy: u64,
    /// Most connections that were open at once before this window, since the start: as many as the pool ever had.
    pub high_water: u64,
    /// Mean of what a request waits outside the server: the client's latency minus the server's.
    pub wait: Span,
    /// Mean of the server's latency.
    pub server: Span,
    /// Exchanges behind both means.
    pub samples: u64,
}

impl CallWindow<'_> {
    /// What can fail: requests, and connections that were to carry one.
    pub(super) fn attempts(&self) -> u64 {
        // A request of an earlier window can fail in this one.
        self.requests.saturating_add(self.failed_connections).max(self.errors)
    }
}
