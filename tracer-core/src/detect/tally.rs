//! Evidence against a call, collected over windows until there is enough of it.
//!
//! A client with few requests has too few in one window to tell a fault from an accident. Windows that are all over a
//! limit support each other. Invariant: a tally holds windows since the last verdict only. Memory: three counters.

use crate::time::Span;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// What was over the limit …
    pub(super) bad: u64,
    /// … of so many …
    pub(super) of: u64,
    /// … in this time.
    pub(super) time: Span,
}

impl Tally {
    pub(super) fn add(&mut self, bad: u64, of: u64, time: Span) {
        self.bad = self.bad.saturating_add(bad);
        self.of = self.of.saturating_add(of);
        self.pass(time);
    }

    /// A window in which nothing ended; it counts as time only between others.
    pub(super) fn wait(&mut self, time: Span) {
        if self.of > 0 {
            self.pass(time);
        }
    }

    /// Everything so far if `bad` is at least `enough`; the next evidence starts anew.
    pub(super) fn take_if(&mut self, enough: u64) -> Option<Self> {
        (self.bad >= enough).then(|| std::mem::take(self))
    }

    fn pass(&mut self, time: Span) {
        self.time = Span(self.time.0.saturating_add(time.0));
    }
}
