//! What waits between the observation and a sink's threads.
//!
//! Invariant: posting never waits; when full, the oldest notice goes and is counted, in the same step in which the new one
//! is. Memory: [`CAPACITY`] notices.

use super::status::Status;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tracer_core::alert::{Alert, Notice};

/// Notices that wait at most.
pub(super) const CAPACITY: usize = 4_096;

#[derive(Debug, Default)]
struct State {
    notices: VecDeque<Notice>,
    /// Everything has been posted.
    complete: bool,
    asked: Asked,
}

/// What is asked of the thread that delivers.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// There is more in the backlog.
    pub(super) more: bool,
    /// Files are to be opened again.
    pub(super) reopen: bool,
    /// These fire since before the start.
    pub(super) fired: Vec<Alert>,
    /// Everything is in the backlog.
    pub(super) close: bool,
}

#[derive(Debug)]
pub(super) struct Mailbox {
    state: Mutex<State>,
    changed: Condvar,
    capacity: usize,
    status: Arc<Status>,
}

impl Mailbox {
    pub(super) fn new(capacity: usize, status: Arc<Status>) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), capacity, status }
    }

    /// Leaves a notice; drops the oldest when full.
    pub(super) fn post(&self, notice: Notice) {
        let mut state = self.lock();
        let displaced = if state.notices.len() >= self.capacity { state.notices.pop_front() } else { None };
        state.notices.push_back(notice);
        self.status.raised(state.notices.len(), displaced.as_ref());
        drop(state);
        self.changed.notify_all();
    }

    /// Nothing more will be posted.
    pub(super) fn complete(&self) {
        self.lock().complete = true;
        self.changed.notify_all();
    }

    /// Takes all notices, once there are any; `None` when there will be none.
    pub(super) fn take(&self) -> Option<VecDeque<Notice>> {
        let mut state = self.lock();
        while state.notices.is_empty() && !state.complete {
            // A panic elsewhere leaves the mailbox itself whole.
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        self.status.taken(state.notices.len());
        let notices = std::mem::take(&mut state.notices);
        (!notices.is_empty()).then_some(notices)
    }

    /// Asks for something else.
    pub(super) fn ask(&self, ask: impl FnOnce(&mut Asked)) {
        ask(&mut self.lock().asked);
        self.changed.notify_all();
    }

    /// What is asked for; waits for it until `until`, without one for as long as it takes.
    pub(super) fn asked(&self, until: Option<Instant>) -> Asked {
        let mut state = self.lock();
        loop {
            let Asked { more, reopen, fired, close } = &state.asked;
            let wait = until.map(|until| until.saturating_duration_since(Instant::now()));
            if *more || *reopen || *close || !fired.is_empty() || wait == Some(Duration::ZERO) {
                break;
            }
            state = match wait {
                Some(wait) => self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        let close = state.asked.close;
        std::mem::replace(&mut state.asked, Asked { close, ..Asked::default() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl Mailbox {
    /// Notices that nobody has taken.
    pub(super) fn left(&self) -> usize {
        self.lock().notices.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::alerts::backlog::Holds;
    use crate::sink::alerts::losses::Losses;
    use tracer_core::alert::{Reason, sample};

    fn mailbox() -> (Arc<Mailbox>, Arc<Status>, Losses) {
        let losses = Losses::unwritten();
        let status = Arc::new(Status::new("pager", losses.clone(), Holds::default()));
        (Arc::new(Mailbox::new(CAPACITY, Arc::clone(&status))), status, losses)
    }

    fn notice(id: &str) -> Notice {
        let notice = Notice::group("host", vec![sample::alert("2026-01-01T00:00:00.000Z")]).remove(0);
        Notice { id: id.to_owned(), ..notice }
    }

    #[test]
    fn a_full_mailbox_drops_the_oldest_counts_it_and_lists_it() {
        let (mailbox, status, losses) = mailbox();
        (0..CAPACITY + 3).for_each(|number| mailbox.post(notice(&number.to_string())));
        let account = status.account();
        let full = u64::try_from(CAPACITY).unwrap();
        assert_eq!((account.raised, account.mailbox_full, account.in_mailbox), (full + 3, 3, full));
        let listed: Vec<_> = losses.drain().into_iter().map(|dropped| (dropped.id.unwrap(), dropped.reason)).collect();
        assert_eq!(listed, ["0", "1", "2"].map(|id| (id.to_owned(), Reason::MailboxFull)));
        let notices = mailbox.take().unwrap();
        assert_eq!((notices[0].id.as_str(), notices.len(), mailbox.left()), ("3", CAPACITY, 0));
        assert_eq!((status.account().in_mailbox, status.account().in_memory), (0, full));
    }

    #[test]
    fn what_is_asked_is_waited_for_and_no_longer_than_it_is_told_to() {
        let (mailbox, ..) = mailbox();
        assert!(!mailbox.asked(Some(Instant::now())).more);
        let sender = Arc::clone(&mailbox);
        let thread = std::thread::spawn(move || {
            sender.post(notice("a"));
            sender.ask(|asked| asked.more = true);
        });
        assert_eq!(mailbox.take().unwrap().len(), 1);
        assert!(mailbox.asked(None).more && !mailbox.asked(Some(Instant::now())).more, "it is asked once");
        thread.join().unwrap();
        mailbox.complete();
        assert!(mailbox.take().is_none());
        mailbox.ask(|asked| asked.close = true);
        assert!(mailbox.asked(None).close && mailbox.asked(None).close, "closed stays closed");
    }
}
