//! The threads of one sink: one takes over what is posted, onto disk where there is a spool, the other delivers it, one
//! notice after the other, and tries again what failed.
//!
//! Invariant: a notice is delivered before the next one is tried, so order is kept; what fails is tried again after a
//! wait that grows; a receiver that is slow keeps nothing from being put on disk. Nothing here is waited for by the
//! observation. Memory: the mailbox's and the backlog's.

use super::backlog::{self, Backlog, Holds};
use super::backoff::Backoff;
use super::losses::Losses;
use super::mailbox::{self, Mailbox};
use super::spool::Spool;
use super::status::Status;
use super::{Deliver, Failure};
use anyhow::{Context as _, Result};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;
use tracer_core::alert::{Alert, Notice};

/// A sink at work.
#[derive(Debug)]
pub(super) struct Worker {
    mailbox: Arc<Mailbox>,
    pub(super) status: Arc<Status>,
    delivers: JoinHandle<()>,
}

/// What both threads share.
#[derive(Clone, Debug)]
struct Desk {
    mailbox: Arc<Mailbox>,
    backlog: Arc<Mutex<Backlog>>,
    status: Arc<Status>,
}

/// The thread that delivers.
struct Delivery {
    desk: Desk,
    sink: Box<dyn Deliver>,
    backoff: Backoff,
    /// Nothing is tried before, because it failed.
    not_before: Option<Instant>,
}

impl Worker {
    pub(super) fn start(
        name: &str,
        sink: Box<dyn Deliver>,
        spool: Option<Spool>,
        losses: Losses,
        backoff: Backoff,
    ) -> Result<Self> {
        let desk = Desk::new(name, spool, losses, (mailbox::CAPACITY, backlog::CAPACITY));
        let (mailbox, status) = (Arc::clone(&desk.mailbox), Arc::clone(&desk.status));
        let delivery = Delivery { desk: desk.clone(), sink, backoff, not_before: None };
        let failed = || format!("start the sink `{name}`");
        let thread = |of: &str| std::thread::Builder::new().name(of.to_owned());
        let delivers = thread("alerts").spawn(move || delivery.run()).with_context(failed)?;
        thread("alert-intake").spawn(move || desk.take_over()).with_context(failed)?;
        Ok(Self { mailbox, status, delivers })
    }

    pub(super) fn post(&self, notice: Notice) {
        self.mailbox.post(notice);
    }

    pub(super) fn reopen(&self) {
        self.mailbox.ask(|asked| asked.reopen = true);
    }

    pub(super) fn fired_before(&self, alerts: Vec<Alert>) {
        self.mailbox.ask(|asked| asked.fired = alerts);
    }

    /// Asks it to end once everything was tried.
    pub(super) fn close(&self) {
        self.mailbox.complete();
    }

    /// Whether it has ended, by a moment.
    pub(super) fn ends_by(&self, end: Instant) -> bool {
        while !self.delivers.is_finished() && Instant::now() < end {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        self.delivers.is_finished()
    }
}

impl Desk {
    /// `capacities` are those of the mailbox and of the backlog's memory.
    fn new(name: &str, spool: Option<Spool>, losses: Losses, capacities: (usize, usize)) -> Self {
        let backlog = Backlog::new(name, losses.clone(), capacities.1, spool);
        let status = Arc::new(Status::new(name, losses, backlog.holds()));
        let mailbox = Arc::new(Mailbox::new(capacities.0, Arc::clone(&status)));
        Self { mailbox, backlog: Arc::new(Mutex::new(backlog)), status }
    }

    /// Takes over what is posted, to the end.
    fn take_over(self) {
        while self.take_once() {}
        self.mailbox.ask(|asked| asked.close = true);
    }

    /// Takes over what is posted by now; `false` at the end.
    fn take_once(&self) -> bool {
        let Some(notices) = self.mailbox.take() else { return false };
        for notice in notices {
            let mut backlog = self.backlog();
            let saved = backlog.push(notice);
            self.status.stored(backlog.holds());
            drop(backlog);
            if let Err(error) = saved {
                self.status.unsaved(&format!("{error:#}"));
            }
            self.mailbox.ask(|asked| asked.more = true);
        }
        true
    }

    /// The oldest notice, to be delivered.
    fn begin(&self) -> Option<Notice> {
        let mut backlog = self.backlog();
        let saved = backlog.save();
        let notice = backlog.begin();
        self.status.moved(backlog.holds());
        drop(backlog);
        if let Err(error) = saved {
            self.status.unsaved(&format!("{error:#}"));
        }
        notice
    }

    /// It was delivered, or will never be: `note` changes the account in the same step.
    fn end(&self, note: impl FnOnce(&Status, Holds)) {
        let mut backlog = self.backlog();
        backlog.remove();
        note(&self.status, backlog.holds());
    }

    fn put_back(&self) {
        self.backlog().put_back();
    }

    /// The end: what is not on disk is lost.
    fn leave(&self) {
        let mut backlog = self.backlog();
        // What cannot be put there now either is said below.
        let _ = backlog.save();
        let left = backlog.leave();
        self.status.left(&left, backlog.holds());
    }

    fn is_empty(&self) -> bool {
        let Holds { in_memory, on_disk, .. } = self.backlog().holds();
        (in_memory, on_disk) == (0, 0)
    }

    fn backlog(&self) -> MutexGuard<'_, Backlog> {
        // A panic elsewhere leaves the backlog itself whole.
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Delivery {
    fn run(mut self) {
        loop {
            let asked = self.desk.mailbox.asked(self.until());
            if asked.reopen {
                self.sink.reopen();
                self.not_before = None;
            }
            if !asked.fired.is_empty() {
                self.sink.fired_before(&asked.fired);
            }
            self.deliver();
            if asked.close {
                // What failed waits for the next run, where it is on disk.
                return self.desk.leave();
            }
        }
    }

    /// Until when there is nothing to do but to wait for what comes.
    fn until(&self) -> Option<Instant> {
        let next = if self.desk.is_empty() { self.sink.due() } else { Some(Instant::now()) };
        match (next, self.not_before) {
            (Some(next), Some(not_before)) => Some(next.max(not_before)),
            (next, _) => next,
        }
    }

    /// Tries what is due, in order, up to the first failure.
    fn deliver(&mut self) {
        if self.not_before.is_some_and(|moment| Instant::now() < moment) {
            return;
        }
        self.not_before = None;
        while let Some(notice) = self.desk.begin() {
            match self.sink.deliver(&notice) {
                Ok(()) => self.desk.end(Status::delivered),
                Err(Failure::Never { reason }) => {
                    self.desk.end(|status, holds| status.refused(&reason, &notice, holds));
                }
                Err(failure) => {
                    self.desk.put_back();
                    return self.failed(failure);
                }
            }
            self.backoff.reset();
        }
        if self.sink.due().is_some_and(|due| Instant::now() >= due) {
            match self.sink.tick() {
                Ok(()) => {
                    self.backoff.reset();
                    self.desk.status.works();
                }
                Err(failure) => self.failed(failure),
            }
        }
    }

    /// The next attempt is later: that of what is told again and again, too, if it is refused.
    fn failed(&mut self, failure: Failure) {
        let after = match failure {
            Failure::Later { reason, after } => {
                self.desk.status.failed(&reason);
                after
            }
            Failure::Never { reason } => {
                self.desk.status.unwanted(&reason);
                self.backoff.reset();
                None
            }
        };
        self.not_before = Some(Instant::now() + self.backoff.fail(after));
    }
}

#[cfg(test)]
#[path = "account_tests.rs"]
mod account_tests;
#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;
