//! The operations of prepared statements, by the name or number that stands for them.
//!
//! Invariant: what is found was remembered under this key, the last time. Memory: [`STATEMENTS`] at most; the oldest is
//! forgotten first.

use std::collections::VecDeque;

use super::Operation;

/// Statements of one connection; what libraries keep at once is 100 to 512 of them.
const STATEMENTS: usize = 512;

#[derive(Debug)]
pub(super) struct Statements<K> {
    /// The newest is the last.
    entries: VecDeque<(K, Operation)>,
}

impl<K> Default for Statements<K> {
    fn default() -> Self {
        Self { entries: VecDeque::new() }
    }
}

impl<K: PartialEq> Statements<K> {
    pub(super) fn remember(&mut self, key: K, operation: Operation) {
        self.forget(&key);
        if self.entries.len() >= STATEMENTS {
            self.entries.pop_front();
        }
        self.entries.push_back((key, operation));
    }

    /// The operation that is remembered, else one that says that nobody knows.
    pub(super) fn find(&self, key: &K) -> Operation {
        let entry = self.entries.iter().rev().find(|(known, _)| known == key);
        entry.map_or_else(|| Operation::new("?", ""), |(_, operation)| operation.clone())
    }

    pub(super) fn forget(&mut self, key: &K) {
        if let Some(place) = self.entries.iter().rposition(|(known, _)| known == key) {
            self.entries.remove(place);
        }
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_statements_are_known_and_the_oldest_are_forgotten() {
        let mut statements = Statements::default();
        for number in 0..=STATEMENTS {
            statements.remember(number, Operation::new("SELECT", &number.to_string()));
        }
        assert_eq!(statements.find(&0).as_str(), "?");
        assert_eq!(statements.find(&1).as_str(), "SELECT 1");
        statements.remember(1, Operation::new("DELETE", ""));
        assert_eq!(statements.find(&1).as_str(), "DELETE");
        statements.forget(&1);
        assert_eq!(statements.find(&1).as_str(), "?");
        assert!(statements.entries.len() <= STATEMENTS);
    }
}
