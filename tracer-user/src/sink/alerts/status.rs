//! What a sink has done, and what is to be said of it.
//!
//! Invariant: what is lost is counted, and said when it happens first; an outage is said once, and its end once.
//! Memory: the counts, and at most [`LINES`] lines that wait to be said.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tracer_core::escape::printable;
use tracer_core::graph::snapshot::Degradation;

const LINES: usize = 32;

/// What a sink did with notices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) delivered: u64,
    /// Attempts that failed.
    pub(crate) failures: u64,
    /// Not wanted by the receiver, and given up.
    pub(crate) refused: u64,
    /// Dropped in the mailbox.
    pub(crate) dropped: u64,
    /// Dropped in the backlog.
    pub(crate) overflowed: u64,
    /// Files of the spool that were not whole.
    pub(crate) broken: u64,
    pub(crate) in_memory: usize,
    pub(crate) on_disk: usize,
}

#[derive(Debug, Default)]
struct State {
    counts: Counts,
    lines: VecDeque<String>,
    degraded: Vec<Degradation>,
    failing: bool,
    unsaved: bool,
    /// Whether it was said that something is lost.
    losing: bool,
}

#[derive(Debug)]
pub(crate) struct Status {
    name: String,
    state: Mutex<State>,
}

impl Status {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), state: Mutex::default() }
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Counts)) {
        let mut state = self.lock();
        change(&mut state.counts);
        self.say_losses(&mut state);
    }

    /// Something arrived: a notice, or a repetition.
    pub(super) fn delivered(&self, notice: bool) {
        let mut state = self.lock();
        state.counts.delivered += u64::from(notice);
        if std::mem::take(&mut state.failing) {
            let line = format!("alerts to {} are delivered again", self.name);
            say(&mut state, line);
        }
    }

    pub(super) fn failed(&self, reason: &str) {
        let mut state = self.lock();
        state.counts.failures += 1;
        if !std::mem::replace(&mut state.failing, true) {
            let line = format!("warning: alerts to {} are late and will be tried again: {reason}", self.name);
            say(&mut state, line);
        }
    }

    pub(super) fn refused(&self, reason: &str) {
        let mut state = self.lock();
        state.counts.refused += 1;
        let reason = printable(reason, 300);
        self.degrade(&mut state, &format!("some were given up: {reason}"));
    }

    /// What should be on disk is in memory alone.
    pub(super) fn unsaved(&self, reason: &str) {
        let mut state = self.lock();
        if !std::mem::replace(&mut state.unsaved, true) {
            let reason = printable(reason, 300);
            self.degrade(&mut state, &format!("what waits is in memory alone and would not survive an end: {reason}"));
        }
    }

    pub(super) fn backlog(&self, overflowed: u64, broken: u64, in_memory: usize, on_disk: usize) {
        let mut state = self.lock();
        state.unsaved &= in_memory > 0;
        state.counts = Counts { overflowed, broken, in_memory, on_disk, ..state.counts };
        self.say_losses(&mut state);
    }

    pub(crate) fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// What is to be said, and what is degraded, since this was asked last.
    pub(super) fn take(&self) -> (VecDeque<String>, Vec<Degradation>) {
        let mut state = self.lock();
        (std::mem::take(&mut state.lines), std::mem::take(&mut state.degraded))
    }

    /// What the person watching should know at the end; nothing if all is well.
    pub(super) fn summary(&self, untaken: usize) -> Option<String> {
        let counts = self.counts();
        let parts: Vec<String> = [
            (counts.dropped + counts.overflowed, "dropped because too many waited"),
            (counts.refused, "given up because the receiver refused them"),
            (counts.broken, "not whole on disk"),
            (u64::try_from(counts.in_memory + untaken).unwrap_or(u64::MAX), "not delivered"),
            (u64::try_from(counts.on_disk).unwrap_or(u64::MAX), "kept on disk for the next start"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
        (!parts.is_empty()).then(|| format!("messages of alerts to {}: {}", self.name, parts.join(", ")))
    }

    fn say_losses(&self, state: &mut State) {
        let lost = state.counts.dropped + state.counts.overflowed + state.counts.broken;
        if lost > 0 && !std::mem::replace(&mut state.losing, true) {
            self.degrade(state, "the oldest were dropped, because too many waited, or what was on disk was not whole");
        }
    }

    fn degrade(&self, state: &mut State, reason: &str) {
        let name = format!("alerts to {} are not complete", self.name);
        say(state, format!("warning: {name}: {reason}"));
        // Once for each reason would be once for each notice.
        if state.degraded.len() < LINES {
            state.degraded.push(Degradation { name, reason: reason.to_owned() });
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the counts themselves whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn say(state: &mut State, line: String) {
    if state.lines.len() >= LINES {
        state.lines.pop_front();
    }
    state.lines.push_back(line);
}
