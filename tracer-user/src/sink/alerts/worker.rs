//! The thread of one sink: it delivers notices one after the other, and tries again what failed.
//!
//! Invariant: a notice is delivered before the next one is tried, so order is kept; what fails is tried again after a
//! wait that grows. Nothing here is waited for by the observation. Memory: the backlog's.

use super::backlog::Backlog;
use super::backoff::Backoff;
use super::mailbox::{Mailbox, Post};
use super::status::Status;
use super::{Deliver, Failure};
use anyhow::{Context as _, Result};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;
use tracer_core::alert::{Alert, Notice};

/// A sink at work.
#[derive(Debug)]
pub(super) struct Worker {
    mailbox: Arc<Mailbox>,
    pub(super) status: Arc<Status>,
    thread: JoinHandle<()>,
}

struct Work {
    sink: Box<dyn Deliver>,
    backlog: Backlog,
    backoff: Backoff,
    mailbox: Arc<Mailbox>,
    status: Arc<Status>,
    /// Nothing is tried before, because it failed.
    not_before: Option<Instant>,
}

impl Worker {
    pub(super) fn start(name: &str, sink: Box<dyn Deliver>, backlog: Backlog, backoff: Backoff) -> Result<Self> {
        let (mailbox, status) = (Arc::new(Mailbox::default()), Arc::new(Status::new(name)));
        let (theirs, told) = (Arc::clone(&mailbox), Arc::clone(&status));
        let work = Work { sink, backlog, backoff, mailbox: theirs, status: told, not_before: None };
        let thread = std::thread::Builder::new().name("alerts".to_owned()).spawn(move || work.run());
        Ok(Self { mailbox, status, thread: thread.with_context(|| format!("start the sink `{name}`"))? })
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
        self.mailbox.ask(|asked| asked.close = true);
    }

    /// Whether it has ended, by a moment.
    pub(super) fn ends_by(&self, end: Instant) -> bool {
        while !self.thread.is_finished() && Instant::now() < end {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        self.thread.is_finished()
    }

    /// Notices that it has not taken.
    pub(super) fn untaken(&self) -> usize {
        self.mailbox.left()
    }
}

impl Work {
    fn run(mut self) {
        loop {
            let Post { notices, dropped, asked } = self.mailbox.take(self.until());
            self.status.change(|counts| counts.dropped += dropped);
            if asked.reopen {
                self.sink.reopen();
                self.not_before = None;
            }
            if !asked.fired.is_empty() {
                self.sink.fired_before(&asked.fired);
            }
            for notice in notices {
                self.push(notice);
            }
            self.deliver();
            self.show();
            if asked.close {
                // What failed waits for the next run, where it is on disk.
                return;
            }
        }
    }

    /// Until when there is nothing to do but to wait for what comes.
    fn until(&self) -> Option<Instant> {
        let next = if self.backlog.waiting() == (0, 0) { self.sink.due() } else { Some(Instant::now()) };
        match (next, self.not_before) {
            (Some(next), Some(not_before)) => Some(next.max(not_before)),
            (next, _) => next,
        }
    }

    fn push(&mut self, notice: Notice) {
        if let Err(error) = self.backlog.push(notice) {
            self.status.unsaved(&format!("{error:#}"));
        }
    }

    /// Tries what is due, in order, up to the first failure.
    fn deliver(&mut self) {
        if self.not_before.is_some_and(|moment| Instant::now() < moment) {
            return;
        }
        self.not_before = None;
        if let Err(error) = self.backlog.save() {
            self.status.unsaved(&format!("{error:#}"));
        }
        while let Some(notice) = self.backlog.front() {
            let result = self.sink.deliver(&notice);
            if !self.took(result, true) {
                return;
            }
            self.backlog.pop();
            self.show();
        }
        if self.sink.due().is_some_and(|due| Instant::now() >= due) {
            let result = self.sink.tick();
            self.took(result, false);
        }
    }

    /// Whether the next may be tried.
    fn took(&mut self, result: Result<(), Failure>, notice: bool) -> bool {
        match result {
            Ok(()) => {
                self.backoff.reset();
                self.status.delivered(notice);
                true
            }
            Err(Failure::Never { reason }) => {
                self.backoff.reset();
                self.status.refused(&reason);
                // A repetition that is refused is due again later, not at once.
                self.not_before = (!notice).then(|| Instant::now() + self.backoff.fail(None));
                true
            }
            Err(Failure::Later { reason, after }) => {
                self.status.failed(&reason);
                self.not_before = Some(Instant::now() + self.backoff.fail(after));
                false
            }
        }
    }

    fn show(&self) {
        let (dropped, broken) = (self.backlog.dropped(), self.backlog.broken());
        let (in_memory, on_disk) = self.backlog.waiting();
        self.status.backlog(dropped, broken, in_memory, on_disk);
    }
}

#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;
