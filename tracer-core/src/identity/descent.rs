//! The processes that descend from one: all that a command under observation starts, whoever is called their parent
//! afterwards.
//!
//! Invariant: a process is a descendant from its fork on, under whatever program and parent. Memory:
//! `limits::DESCENDANTS`; one beyond that is not followed, and that is counted.

use super::ProcessKey;
use crate::limits;
use foldhash::fast::RandomState;
use std::collections::HashSet;
use tracer_common::ForkRecord;

/// The descendants of a process, itself not among them.
#[derive(Debug)]
pub struct Descent {
    root: u32,
    /// Their numbers and when they started.
    members: HashSet<(u32, u64), RandomState>,
    /// Descendants beyond the cap.
    pub dropped: u64,
}

impl Descent {
    /// None yet. `root` lives as long as it is asked for its descendants, so its number is its own.
    #[must_use]
    pub fn new(root: u32) -> Self {
        Self { root, members: HashSet::default(), dropped: 0 }
    }

    /// A process began.
    pub fn forked(&mut self, record: &ForkRecord) {
        let (Some(parent), Some(child)) =
            (ProcessKey::from_kernel(record.parent), ProcessKey::from_kernel(record.child))
        else {
            return;
        };
        if parent.pid != self.root && !self.contains(parent) {
            return;
        }
        if self.members.len() < limits::DESCENDANTS {
            self.members.insert((child.pid, child.started));
        } else {
            self.dropped += 1;
        }
    }

    #[must_use]
    pub fn contains(&self, process: ProcessKey) -> bool {
        self.members.contains(&(process.pid, process.started))
    }

    /// How many there are, those that ended included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracer_common::{Header, ProcessId};

    fn fork(parent: u32, child: u32) -> ForkRecord {
        let id = |pid: u32| ProcessId { pid, exec: 1, started: 1_000 + u64::from(pid) };
        ForkRecord { header: Header { kind: 7, length: 48, cpu: 0, at: 0 }, parent: id(parent), child: id(child) }
    }

    fn key(pid: u32) -> ProcessKey {
        ProcessKey { pid, exec: 1, started: 1_000 + u64::from(pid) }
    }

    #[test]
    fn children_of_children_are_descendants_under_any_program_and_others_are_not() {
        let mut descent = Descent::new(1);
        for (parent, child) in [(1, 2), (2, 3), (9, 4), (3, 5), (4, 6)] {
            descent.forked(&fork(parent, child));
        }
        let found: Vec<u32> = (1..=9).filter(|pid| descent.contains(key(*pid))).collect();
        assert_eq!((found, descent.len()), (vec![2, 3, 5], 3));
        assert!(descent.contains(ProcessKey { exec: 7, ..key(5) }), "it executed another program");
        assert!(!descent.contains(ProcessKey { started: 7, ..key(5) }), "its number is used again");
    }

    #[test]
    fn a_descendant_beyond_the_cap_is_counted() {
        let mut descent = Descent::new(1);
        let most = u32::try_from(limits::DESCENDANTS).unwrap();
        for child in 2..most + 4 {
            descent.forked(&fork(1, child));
        }
        assert_eq!((descent.len(), descent.dropped), (limits::DESCENDANTS, 2));
    }
}
