//! What later requests name by a number: topics by their id (KIP-516), the topics of a fetch by its session (KIP-227).
//!
//! Invariant: what is found was said on this connection. Memory: [`TOPICS`] and [`SESSIONS`], the oldest goes first.

use std::collections::VecDeque;

use compact_str::CompactString;

use super::read::TopicId;

/// Topics whose id is known.
const TOPICS: usize = 256;
/// Sessions; a client keeps one on a connection.
const SESSIONS: usize = 4;

#[derive(Debug)]
pub(super) struct Known<K> {
    /// The newest is the last.
    entries: VecDeque<(K, CompactString)>,
    most: usize,
}

/// Names of topics by their id.
pub(super) fn topics() -> Known<TopicId> {
    Known { entries: VecDeque::new(), most: TOPICS }
}

/// First topics of fetches by their session.
pub(super) fn sessions() -> Known<i32> {
    Known { entries: VecDeque::new(), most: SESSIONS }
}

impl<K: PartialEq> Known<K> {
    pub(super) fn remember(&mut self, key: K, topic: &str) {
        let known = self.entries.iter_mut().find(|(known, _)| *known == key);
        if let Some((_, name)) = known {
            if name != topic {
                *name = topic.into();
            }
            return;
        }
        if self.entries.len() >= self.most {
            self.entries.pop_front();
        }
        self.entries.push_back((key, topic.into()));
    }

    pub(super) fn find(&self, key: &K) -> Option<&CompactString> {
        self.entries.iter().find(|(known, _)| known == key).map(|(_, topic)| topic)
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_known_by_their_last_name_and_the_oldest_are_forgotten() {
        let mut sessions = sessions();
        for session in 0..=4 {
            sessions.remember(session, "orders");
        }
        sessions.remember(4, "payments");
        assert_eq!(sessions.entries.len(), SESSIONS);
        assert_eq!(sessions.find(&0), None);
        assert_eq!(sessions.find(&1).map(CompactString::as_str), Some("orders"));
        assert_eq!(sessions.find(&4).map(CompactString::as_str), Some("payments"));
        sessions.clear();
        assert_eq!(sessions.find(&4), None);
    }
}
