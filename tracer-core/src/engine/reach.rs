//! Which processes call which, for what a command reaches: not its service does, which may run elsewhere for somebody else,
//! but the processes that serve it.
//!
//! Invariant: processes that were forked from one without executing a program of their own, as workers are, are one.
//! Memory: at most `limits::REACHES` pairs; one beyond that is counted, and then every process of a service counts for it.

use crate::graph::CallId;
use crate::identity::ProcessKey;
use crate::limits;
use foldhash::fast::RandomState;
use std::collections::HashSet;

/// Who makes a call, and who serves it, each by the process that its workers were forked from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Pair {
    call: CallId,
    client: ProcessKey,
    server: Option<ProcessKey>,
    /// The client is followed.
    own: bool,
}

/// All pairs.
#[derive(Debug, Default)]
pub(super) struct Reach {
    pairs: HashSet<Pair, RandomState>,
    /// Pairs beyond the cap.
    pub(super) dropped: u64,
}

impl Reach {
    pub(super) fn note(&mut self, call: CallId, client: ProcessKey, server: Option<ProcessKey>, own: bool) {
        // Whatever it executes, it is the same process.
        let any = |process: ProcessKey| ProcessKey { exec: 0, ..process };
        let pair = Pair { call, client: any(client), server: server.map(any), own };
        if self.pairs.len() < limits::REACHES {
            self.pairs.insert(pair);
        } else if !self.pairs.contains(&pair) {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// The calls of the processes that serve those that are followed, and of those that serve them in turn.
    pub(super) fn calls(&self) -> HashSet<CallId> {
        let mut served: HashSet<ProcessKey> = HashSet::new();
        let mut calls = HashSet::new();
        loop {
            let (processes, found) = (served.len(), calls.len());
            for pair in &self.pairs {
                let reached = served.contains(&pair.client);
                if reached {
                    calls.insert(pair.call);
                }
                if reached || pair.own {
                    served.extend(pair.server);
                }
            }
            if (served.len(), calls.len()) == (processes, found) {
                return calls;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(pid: u32) -> ProcessKey {
        ProcessKey { pid, exec: 1, started: u64::from(pid) }
    }

    /// Of pairs of call, client, server, and whether the client is followed.
    fn reached(pairs: &[(usize, u32, u32, bool)]) -> Vec<usize> {
        let mut reach = Reach::default();
        pairs.iter().for_each(|(call, client, server, own)| {
            reach.note(CallId::new(*call), key(*client), Some(key(*server)), *own);
        });
        (0..9).filter(|call| reach.calls().contains(&CallId::new(*call))).collect()
    }

    #[test]
    fn what_is_reached_is_called_by_processes_that_serve_the_command_however_far_away() {
        assert_eq!(reached(&[(1, 10, 20, true)]), [0; 0], "its own call is no reached one");
        assert_eq!(reached(&[(3, 30, 40, false), (2, 20, 30, false), (1, 10, 20, true)]), [2, 3]);
        assert_eq!(
            reached(&[(1, 10, 20, true), (2, 21, 30, false)]),
            [0; 0],
            "another process, of the same service perhaps"
        );
        assert_eq!(reached(&[(1, 10, 20, true), (2, 20, 10, false), (2, 21, 30, false)]), [1, 2], "in a circle");
    }

    #[test]
    fn a_pair_beyond_the_cap_is_counted_once_it_is_new() {
        let mut reach = Reach::default();
        let most = u32::try_from(limits::REACHES).unwrap();
        (0..most + 2).for_each(|pid| reach.note(CallId::new(1), key(pid), None, false));
        reach.note(CallId::new(1), key(0), None, false);
        assert_eq!(reach.dropped, 2);
    }
}
