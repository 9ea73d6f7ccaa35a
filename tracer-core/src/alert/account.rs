//! The account of one sink: what has become of the messages that it was given.
//!
//! Invariant: raised + found = delivered + waiting + dropped, whenever an account can be looked at. The figures are taken from
//! where messages are, not from each other, so one that is lost without being counted breaks it. Memory: thirteen numbers.

use serde::{Deserialize, Serialize};

/// Why a message will never be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Too many waited to be taken over by the sink.
    MailboxFull,
    /// Too many waited to be delivered.
    BacklogFull,
    /// The receiver will never take it, or it was tried often enough.
    Refused,
    /// What was on disk was not whole.
    Broken,
    /// The tracer ended, and it was not on disk.
    Ended,
    /// Of an alert that no sink was given: too many were held back by the limits.
    HeldBack,
}

impl Reason {
    /// The word that stands for it in JSON and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MailboxFull => "mailbox-full",
            Self::BacklogFull => "backlog-full",
            Self::Refused => "refused",
            Self::Broken => "broken",
            Self::Ended => "ended",
            Self::HeldBack => "held-back",
        }
    }
}

/// What a sink did with its messages, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Given to the sink.
    pub raised: u64,
    /// Were on disk at the start.
    pub found: u64,
    pub delivered: u64,
    /// Attempts that failed; a message may take many.
    pub failures: u64,
    pub mailbox_full: u64,
    pub backlog_full: u64,
    pub refused: u64,
    pub broken: u64,
    pub ended: u64,
    /// Wait to be taken over by the sink.
    pub in_mailbox: u64,
    /// Wait to be delivered, and are not on disk.
    pub in_memory: u64,
    /// Wait to be delivered.
    pub on_disk: u64,
}

impl Account {
    /// What was dropped, by why.
    #[must_use]
    pub fn dropped(&self) -> [(Reason, u64); 5] {
        [
            (Reason::MailboxFull, self.mailbox_full),
            (Reason::BacklogFull, self.backlog_full),
            (Reason::Refused, self.refused),
            (Reason::Broken, self.broken),
            (Reason::Ended, self.ended),
        ]
    }

    /// What waits, by where.
    #[must_use]
    pub fn waiting(&self) -> [(&'static str, u64); 3] {
        [("mailbox", self.in_mailbox), ("memory", self.in_memory), ("disk", self.on_disk)]
    }

    /// Whether every message is delivered, waits, or was dropped.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        let dropped = self.dropped().into_iter().map(|(_, count)| count);
        let waiting = self.waiting().into_iter().map(|(_, count)| count);
        let became = dropped.chain(waiting).fold(self.delivered, u64::saturating_add);
        self.raised.saturating_add(self.found) == became
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_that_a_message_can_be_in_balances_one_that_was_raised_or_found() {
        let one = Account { raised: 1, ..Account::default() };
        assert!(Account::default().is_balanced() && !one.is_balanced());
        for place in [
            Account { delivered: 1, ..one },
            Account { mailbox_full: 1, ..one },
            Account { backlog_full: 1, ..one },
            Account { refused: 1, ..one },
            Account { broken: 1, ..one },
            Account { ended: 1, ..one },
            Account { in_mailbox: 1, ..one },
            Account { in_memory: 1, ..one },
            Account { on_disk: 1, ..one },
        ] {
            assert!(place.is_balanced(), "{place:?}");
            assert!(Account { raised: 0, found: 1, ..place }.is_balanced(), "{place:?}");
            assert!(!Account { found: 1, ..place }.is_balanced(), "{place:?}");
            assert!(Account { failures: 9, ..place }.is_balanced(), "an attempt is no message");
        }
    }

    #[test]
    fn a_reason_is_called_the_same_everywhere() {
        for (reason, _) in Account::default().dropped().into_iter().chain([(Reason::HeldBack, 0)]) {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.name());
        }
    }
}
