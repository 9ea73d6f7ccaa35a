//! What a sink has done, and what is to be said of it.
//!
//! Invariant: the account is changed by whole steps, so it balances whenever it is looked at; if it ever does not, that is
//! said. What is lost is counted, listed, and said when it happens first; an outage is said once, and its end once.
//! Memory: the account, and at most [`LINES`] lines that wait to be said.

use super::backlog::Holds;
use super::losses::Losses;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tracer_core::alert::{Account, Notice, Reason};
use tracer_core::escape::printable;
use tracer_core::graph::snapshot::Degradation;

const LINES: usize = 32;

#[derive(Debug, Default)]
struct State {
    account: Account,
    /// Taken out of the mailbox and not in the backlog yet.
    in_hand: u64,
    lines: VecDeque<String>,
    degraded: Vec<Degradation>,
    failing: bool,
    unsaved: bool,
    /// Whether it was said that something is lost.
    losing: bool,
    /// Whether it was said that the account does not balance.
    unbalanced: bool,
}

#[derive(Debug)]
pub(crate) struct Status {
    name: String,
    losses: Losses,
    state: Mutex<State>,
}

impl Status {
    /// `holds` is what was found on disk.
    pub(super) fn new(name: &str, losses: Losses, holds: Holds) -> Self {
        let status = Self { name: name.to_owned(), losses, state: Mutex::default() };
        status.step(|state| {
            state.account.found = holds.on_disk + holds.overflowed + holds.broken;
            state.hold(holds);
        });
        status
    }

    /// A message was given to the sink, which may have displaced another one; so many are in the mailbox now.
    pub(super) fn raised(&self, in_mailbox: usize, displaced: Option<&Notice>) {
        self.step(|state| {
            state.account.raised += 1;
            state.account.mailbox_full += u64::from(displaced.is_some());
            state.account.in_mailbox = wide(in_mailbox);
        });
        if displaced.is_some() {
            self.losses.note(&self.name, Reason::MailboxFull, None, displaced);
        }
    }

    /// The mailbox was emptied.
    pub(super) fn taken(&self, count: usize) {
        self.step(|state| {
            state.account.in_mailbox = 0;
            state.in_hand += wide(count);
            state.account.in_memory += wide(count);
        });
    }

    /// One of those is in the backlog now.
    pub(super) fn stored(&self, holds: Holds) {
        self.step(|state| {
            state.in_hand = state.in_hand.saturating_sub(1);
            state.hold(holds);
        });
    }

    /// The backlog has moved what it holds.
    pub(super) fn moved(&self, holds: Holds) {
        self.step(|state| state.hold(holds));
    }

    /// A message arrived, and the backlog holds it no more.
    pub(super) fn delivered(&self, holds: Holds) {
        self.step(|state| {
            state.account.delivered += 1;
            state.hold(holds);
        });
        self.works();
    }

    /// The receiver takes what it is sent.
    pub(super) fn works(&self) {
        let mut state = self.lock();
        if std::mem::take(&mut state.failing) {
            let line = format!("alerts to {} are delivered again", self.name);
            say(&mut state, line);
        }
    }

    pub(super) fn failed(&self, reason: &str) {
        let mut state = self.lock();
        state.account.failures += 1;
        if !std::mem::replace(&mut state.failing, true) {
            let line = format!("warning: alerts to {} are late and will be tried again: {reason}", self.name);
            say(&mut state, line);
        }
    }

    /// The receiver will never take a message, and the backlog holds it no more.
    pub(super) fn refused(&self, reason: &str, notice: &Notice, holds: Holds) {
        self.step(|state| {
            state.account.refused += 1;
            state.hold(holds);
        });
        self.losses.note(&self.name, Reason::Refused, Some(reason), Some(notice));
        self.unwanted(reason);
    }

    /// Something that is told again and again is refused.
    pub(super) fn unwanted(&self, reason: &str) {
        let reason = printable(reason, 300);
        self.degrade(&mut self.lock(), &format!("some were given up: {reason}"));
    }

    /// The tracer ends, and these are not on disk.
    pub(super) fn left(&self, notices: &VecDeque<Notice>, holds: Holds) {
        self.step(|state| {
            state.account.ended += wide(notices.len());
            state.hold(holds);
        });
        notices.iter().for_each(|notice| self.losses.note(&self.name, Reason::Ended, None, Some(notice)));
    }

    /// What should be on disk is in memory alone.
    pub(super) fn unsaved(&self, reason: &str) {
        let mut state = self.lock();
        if !std::mem::replace(&mut state.unsaved, true) {
            let reason = printable(reason, 300);
            self.degrade(&mut state, &format!("what waits is in memory alone and would not survive an end: {reason}"));
        }
    }

    /// Whether all that waits is on disk.
    pub(super) fn is_saved(&self) -> bool {
        let Account { in_mailbox, in_memory, .. } = self.account();
        (in_mailbox, in_memory) == (0, 0)
    }

    pub(crate) fn account(&self) -> Account {
        self.lock().account
    }

    /// What is to be said, and what is degraded, since this was asked last.
    pub(super) fn take(&self) -> (VecDeque<String>, Vec<Degradation>) {
        let mut state = self.lock();
        (std::mem::take(&mut state.lines), std::mem::take(&mut state.degraded))
    }

    /// The account at the end; nothing if all was delivered.
    pub(super) fn summary(&self) -> Option<String> {
        let account = self.account();
        let parts: Vec<String> = [
            (account.delivered, "delivered"),
            (account.mailbox_full + account.backlog_full, "dropped because too many waited"),
            (account.refused, "given up because the receiver refused them"),
            (account.broken, "not whole on disk"),
            (account.ended + account.in_mailbox + account.in_memory, "not delivered"),
            (account.on_disk, "kept on disk for the next start"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
        let found = if account.found > 0 { format!(" and {} from before", account.found) } else { String::new() };
        let all = account.delivered == account.raised + account.found;
        (!all).then(|| format!("messages of alerts to {}: {}{found}: {}", self.name, account.raised, parts.join(", ")))
    }

    /// Changes the account by a whole step.
    fn step(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let account = state.account;
        if !account.is_balanced() && !std::mem::replace(&mut state.unbalanced, true) {
            self.degrade(&mut state, &format!("their account does not balance: {account:?}"));
        }
        let lost = account.mailbox_full + account.backlog_full + account.broken;
        if lost > 0 && !std::mem::replace(&mut state.losing, true) {
            let reason = "the oldest were dropped, because too many waited, or what was on disk was not whole";
            self.degrade(&mut state, reason);
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
        // A panic elsewhere leaves the account itself whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes over what the backlog holds.
    fn hold(&mut self, holds: Holds) {
        let Holds { in_memory, on_disk, overflowed, broken } = holds;
        self.unsaved &= in_memory > 0;
        let in_memory = in_memory + self.in_hand;
        self.account = Account { in_memory, on_disk, backlog_full: overflowed, broken, ..self.account };
    }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn say(state: &mut State, line: String) {
    if state.lines.len() >= LINES {
        state.lines.pop_front();
    }
    state.lines.push_back(line);
}
