//! What a server of PostgreSQL has to answer, in order (its documentation, §55.2).
//!
//! A request of the simple protocol, and the last one before a Sync, is over when the server is ready again: until then
//! it may fail, when it is committed. Others of a pipeline are over when they are complete. After an error the server
//! passes over everything up to the next Sync. Invariant: each request that was told ends at most once, in order. Memory:
//! [`WAITING`] requests; what is asked beyond them is not told.

use std::collections::VecDeque;

use crate::protocol::{Found, Id, Message, Operation, Outcome};

/// Requests that wait; below what `matching` takes.
const WAITING: usize = 512;

#[derive(Debug, Default)]
pub(super) struct Waiting {
    asked: VecDeque<Asked>,
    /// How often the server will be ready for what found no room.
    untold: u64,
    /// The rest up to the next Sync is passed over.
    failed: bool,
}

#[derive(Debug)]
struct Asked {
    until: Until,
    begun: bool,
    outcome: Option<Outcome>,
}

/// When a request is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// The server is ready for the next.
    Ready,
    /// A statement is complete.
    Complete,
    /// So many steps that prepare one are done.
    Steps(u32),
    /// This is no request: the server will be ready, once more.
    Sync,
}

impl Waiting {
    pub(super) fn ask(&mut self, operation: Operation, until: Until, found: &mut Found) {
        if self.asked.len() < WAITING && self.untold == 0 {
            found.messages.push(Message::Request { id: Id::Order, operation, answered: true });
            self.asked.push_back(Asked { until, begun: false, outcome: None });
        } else if until == Until::Ready {
            self.untold = self.untold.saturating_add(1);
        }
    }

    /// Everything that was asked so far is to be over.
    pub(super) fn sync(&mut self) {
        let is_full = self.untold > 0 || self.asked.len() >= WAITING;
        match self.asked.back_mut() {
            _ if is_full => self.untold = self.untold.saturating_add(1),
            Some(last) if last.until == Until::Complete => last.until = Until::Ready,
            _ => self.asked.push_back(Asked { until: Until::Sync, begun: false, outcome: None }),
        }
    }

    /// Whether the last that was asked is a statement, which nothing is to follow but a Sync.
    pub(super) fn ends_in_statement(&self) -> bool {
        self.asked.back().is_some_and(|last| last.until == Until::Complete)
    }

    /// Whether a single request waits, whose answer has begun and is over when the server is ready.
    pub(super) fn is_single(&self) -> bool {
        let is_one = matches!(self.asked.front(), Some(Asked { until: Until::Ready, begun: true, outcome: None }));
        is_one && self.asked.len() == 1 && self.untold == 0 && !self.failed
    }

    /// The server answers what is the oldest.
    pub(super) fn begin(&mut self, found: &mut Found) {
        self.answer(&Outcome::default(), found);
    }

    /// With what its first message says: if nobody sees the last one, no more will be known.
    fn answer(&mut self, outcome: &Outcome, found: &mut Found) {
        if let Some(first) = self.asked.front_mut().filter(|first| first.until != Until::Sync && !first.begun) {
            first.begun = true;
            found.messages.push(Message::Response { id: Id::Order, outcome: Some(outcome.clone()) });
        }
    }

    /// A statement is complete, or as much of it as was asked for.
    pub(super) fn complete(&mut self, found: &mut Found) {
        self.begin(found);
        if self.ends_in(Until::Complete) {
            self.finish(found);
        }
    }

    /// One step is done.
    pub(super) fn step(&mut self, found: &mut Found) {
        self.begin(found);
        if let Some(Asked { until: Until::Steps(left), .. }) = self.asked.front_mut() {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.finish(found);
            }
        }
    }

    /// The oldest has failed: whether there was one.
    pub(super) fn fail(&mut self, outcome: Outcome, is_fatal: bool, found: &mut Found) -> bool {
        self.failed = true;
        self.answer(&outcome, found);
        let Some(first) = self.asked.front_mut().filter(|first| first.until != Until::Sync) else { return false };
        first.outcome = Some(outcome);
        if is_fatal || first.until != Until::Ready {
            self.finish(found);
        }
        true
    }

    /// The server is ready: whether something is over with it.
    pub(super) fn ready(&mut self, found: &mut Found) -> bool {
        let mut any = false;
        loop {
            let Some(first) = self.asked.front() else {
                self.untold = self.untold.saturating_sub(1);
                break;
            };
            let until = first.until;
            any = true;
            self.begin(found);
            if until == Until::Sync {
                self.asked.pop_front();
                break;
            }
            self.finish(found);
            if until == Until::Ready {
                break;
            }
        }
        self.failed = false;
        any
    }

    /// The oldest turns into a stream of something else.
    pub(super) fn turn(&mut self, found: &mut Found) {
        self.begin(found);
        if self.asked.front().is_some_and(|first| first.until != Until::Sync) {
            self.finish(found);
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn ends_in(&self, until: Until) -> bool {
        self.asked.front().is_some_and(|first| first.until == until)
    }

    fn finish(&mut self, found: &mut Found) {
        if let Some(first) = self.asked.pop_front() {
            // What was passed over did not fail itself.
            let otherwise = if self.failed { "aborted" } else { "OK" };
            let outcome = first.outcome.unwrap_or_else(|| Outcome::success(otherwise));
            found.at_end.push(Message::End { id: Id::Order, outcome: Some(outcome) });
        }
    }
}
