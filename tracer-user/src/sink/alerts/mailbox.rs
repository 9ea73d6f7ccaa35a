//! What waits between the observation and a sink's thread.
//!
//! Invariant: posting never waits; when full, the oldest notice goes and is counted. Memory: [`CAPACITY`] notices.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tracer_core::alert::{Alert, Notice};

/// Notices that wait at most.
pub(super) const CAPACITY: usize = 4_096;

#[derive(Debug, Default)]
struct State {
    notices: VecDeque<Notice>,
    dropped: u64,
    asked: Asked,
}

/// What is asked of a sink besides telling notices.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// Files are to be opened again.
    pub(super) reopen: bool,
    /// These fire since before the start.
    pub(super) fired: Vec<Alert>,
    /// Everything has been posted.
    pub(super) close: bool,
}

#[derive(Debug, Default)]
pub(super) struct Mailbox {
    state: Mutex<State>,
    changed: Condvar,
}

/// What a sink takes from it at once.
#[derive(Debug, Default)]
pub(super) struct Post {
    pub(super) notices: VecDeque<Notice>,
    pub(super) dropped: u64,
    pub(super) asked: Asked,
}

impl Mailbox {
    /// Leaves a notice; drops the oldest when full.
    pub(super) fn post(&self, notice: Notice) {
        let mut state = self.lock();
        if state.notices.len() >= CAPACITY {
            state.notices.pop_front();
            state.dropped += 1;
        }
        state.notices.push_back(notice);
        drop(state);
        self.changed.notify_one();
    }

    /// Asks for something else.
    pub(super) fn ask(&self, ask: impl FnOnce(&mut Asked)) {
        ask(&mut self.lock().asked);
        self.changed.notify_one();
    }

    /// Takes all there is; waits for it until `until`, without one for as long as it takes.
    pub(super) fn take(&self, until: Option<Instant>) -> Post {
        let mut state = self.lock();
        loop {
            let Asked { reopen, fired, close } = &state.asked;
            let wait = until.map(|until| until.saturating_duration_since(Instant::now()));
            if !state.notices.is_empty() || *reopen || *close || !fired.is_empty() || wait == Some(Duration::ZERO) {
                break;
            }
            // A panic elsewhere leaves the mailbox itself whole.
            state = match wait {
                Some(wait) => self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        let close = state.asked.close;
        let asked = std::mem::replace(&mut state.asked, Asked { close, ..Asked::default() });
        Post { notices: std::mem::take(&mut state.notices), dropped: std::mem::take(&mut state.dropped), asked }
    }

    /// Notices that nobody has taken.
    pub(super) fn left(&self) -> usize {
        self.lock().notices.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracer_core::alert::sample;

    fn notice() -> Notice {
        Notice::group("host", vec![sample::alert("2026-01-01T00:00:00.000Z")]).remove(0)
    }

    #[test]
    fn a_full_mailbox_drops_the_oldest_and_counts_it() {
        let mailbox = Mailbox::default();
        let numbered = |number: usize| Notice { id: number.to_string(), ..notice() };
        (0..CAPACITY + 3).for_each(|number| mailbox.post(numbered(number)));
        let post = mailbox.take(None);
        assert_eq!((post.dropped, post.notices[0].id.as_str(), post.notices.len()), (3, "3", CAPACITY));
        assert_eq!(mailbox.left(), 0);
    }

    #[test]
    fn taking_waits_for_what_is_posted_and_no_longer_than_it_is_told_to() {
        let mailbox = std::sync::Arc::new(Mailbox::default());
        assert!(mailbox.take(Some(Instant::now())).notices.is_empty());
        let sender = std::sync::Arc::clone(&mailbox);
        let thread = std::thread::spawn(move || sender.post(notice()));
        assert_eq!(mailbox.take(None).notices.len(), 1);
        thread.join().unwrap();
        mailbox.ask(|asked| asked.close = true);
        assert!(mailbox.take(None).asked.close && mailbox.take(None).asked.close, "closed stays closed");
    }
}
