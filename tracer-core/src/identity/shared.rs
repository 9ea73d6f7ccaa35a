//! Facts that many processes have in common, held once: a shell's children all have the same parents, and a program
//! that is run a hundred times a minute is one program.
//!
//! Invariant: what is shared never changes. Memory: `RECENT` facts, and those that somebody still has.

use std::collections::VecDeque;
use std::sync::Arc;

/// Facts that a new process may share. Processes that come often are like some that were seen lately.
const RECENT: usize = 64;

/// The facts of one kind that were told last.
#[derive(Debug)]
pub(super) struct Shared<T: ?Sized> {
    recent: VecDeque<Arc<T>>,
}

impl<T: ?Sized> Default for Shared<T> {
    fn default() -> Self {
        Self { recent: VecDeque::new() }
    }
}

impl<T: ?Sized + PartialEq> Shared<T> {
    /// A fact that is equal to `fact`.
    pub(super) fn share<'a>(&mut self, fact: &'a T) -> Arc<T>
    where
        Arc<T>: From<&'a T>,
    {
        self.held(fact).unwrap_or_else(|| self.hold(fact.into()))
    }

    /// As [`Self::share`], for one that nobody else needs.
    pub(super) fn keep(&mut self, fact: T) -> Arc<T>
    where
        T: Sized,
    {
        self.held(&fact).unwrap_or_else(|| self.hold(Arc::new(fact)))
    }

    fn held(&self, fact: &T) -> Option<Arc<T>> {
        self.recent.iter().find(|held| ***held == *fact).map(Arc::clone)
    }

    fn hold(&mut self, new: Arc<T>) -> Arc<T> {
        if self.recent.len() >= RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(Arc::clone(&new));
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_facts_are_held_once() {
        let mut facts = Shared::<[u32]>::default();
        let one = facts.share(&[1, 2]);
        assert!(Arc::ptr_eq(&one, &facts.share(&[1, 2])));
        assert!(!Arc::ptr_eq(&one, &facts.share(&[1, 3])));
        let mut names = Shared::default();
        assert!(Arc::ptr_eq(&names.keep("a".to_owned()), &names.keep("a".to_owned())));
    }

    #[test]
    fn facts_that_nobody_has_any_more_are_forgotten() {
        let mut facts = Shared::default();
        let first = facts.keep(0);
        for fact in 1..1_000 {
            facts.keep(fact);
        }
        assert_eq!((facts.recent.len(), Arc::strong_count(&first)), (RECENT, 1));
    }
}
