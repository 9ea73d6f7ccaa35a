//! Evidence against a call, collected over windows until there is enough of it.
//!
//! A client with few requests has too few in one window to tell a fault from an accident. Windows that are all over a
//! limit support each other, for as long as `Limits::evidence_time`. Invariant: a tally holds windows since the last
//! verdict only. Memory: three counters.

use super::Limits;
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
    /// Adds a window; what is too old to support it is forgotten first.
    pub(super) fn add(&mut self, bad: u64, of: u64, time: Span, limits: &Limits) {
        if self.time.0.saturating_add(time.0) > limits.evidence_time.0.max(time.0) {
            *self = Self::default();
        }
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

    /// Everything so far if `bad` is at least `enough` and it rests on enough samples; the next evidence starts anew.
    pub(super) fn take_if(&mut self, enough: u64, limits: &Limits) -> Option<Self> {
        (self.bad >= enough && self.of >= limits.least_samples).then(|| std::mem::take(self))
    }

    fn pass(&mut self, time: Span) {
        self.time = Span(self.time.0.saturating_add(time.0));
    }
}
