//! Parents that many processes have in common, held once: a shell's children all have the same.
//!
//! Invariant: what is shared never changes. Memory: `RECENT` lists, and those that processes still have.

use crate::input::Ancestor;
use crate::limits;
use std::collections::VecDeque;
use std::sync::Arc;

/// Lists that a new process may share. Children that come often have parents that were seen lately.
const RECENT: usize = 64;

/// The parents of a process, nearest first, at most `limits::PARENTS`.
pub(super) type Lineage = Arc<[Ancestor]>;

/// The lists that were told last.
#[derive(Debug, Default)]
pub(super) struct Lineages {
    recent: VecDeque<Lineage>,
}

impl Lineages {
    /// A list that is equal to `ancestors`, as far as those are kept.
    pub(super) fn share(&mut self, ancestors: &[Ancestor]) -> Lineage {
        let ancestors = ancestors.get(..limits::PARENTS).unwrap_or(ancestors);
        if let Some(held) = self.recent.iter().find(|held| ***held == *ancestors) {
            return Arc::clone(held);
        }
        if self.recent.len() >= RECENT {
            self.recent.pop_front();
        }
        let new: Lineage = ancestors.into();
        self.recent.push_back(Arc::clone(&new));
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parents(pids: std::ops::Range<u32>) -> Vec<Ancestor> {
        let parent = |pid| Ancestor { pid, uid: None, comm: None, exe: None, arguments: Vec::new(), cgroup: None };
        pids.map(parent).collect()
    }

    #[test]
    fn equal_parents_are_held_once_and_no_more_of_them_than_are_shown() {
        let mut lineages = Lineages::default();
        let one = lineages.share(&parents(1..4));
        assert!(Arc::ptr_eq(&one, &lineages.share(&parents(1..4))));
        assert!(!Arc::ptr_eq(&one, &lineages.share(&parents(1..5))));
        assert_eq!(lineages.share(&parents(1..100)).len(), limits::PARENTS);
    }

    #[test]
    fn lists_that_nobody_has_any_more_are_forgotten() {
        let mut lineages = Lineages::default();
        let first = lineages.share(&parents(0..1));
        for pid in 1..1_000 {
            lineages.share(&parents(pid..pid + 1));
        }
        assert_eq!((lineages.recent.len(), Arc::strong_count(&first)), (RECENT, 1));
    }
}
