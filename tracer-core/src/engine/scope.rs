//! Which calls somebody is answerable for: those of the processes that are followed, and of the services they reach.
//!
//! Invariant: a call is a command's own only if one of its processes was the client of a connection of it; a service is
//! reached only over calls that are in scope themselves, and only by its processes that served one of those (`reach`), while
//! all of them are known. Memory: the calls in scope.

use super::Engine;
use crate::baseline::{Baseline, CallKey, LearnError, Standing};
use crate::check::{By, Scope, Seen};
use crate::graph::CallId;
use crate::graph::snapshot::{Call, CallState};
use crate::identity::{Descent, ProcessKey};
use std::collections::{BTreeMap, BTreeSet};

impl Engine {
    /// The process, if it is one of those that are followed.
    pub(super) fn followed(&self, process: Option<ProcessKey>) -> Option<ProcessKey> {
        let descent = self.descent.as_ref()?;
        process.filter(|process| descent.contains(*process))
    }

    /// Takes note of who makes a call and who serves it.
    pub(super) fn note_reach(&mut self, call: CallId, [client, server]: [Option<ProcessKey>; 2]) {
        let (Some(client), true) = (client, self.descent.is_some()) else { return };
        let own = self.followed(Some(client)).is_some();
        let origin = |process| self.processes.origin(process);
        self.reach.note(call, origin(client), server.map(origin), own);
    }

    /// The processes that are followed.
    #[must_use]
    pub fn descent(&self) -> Option<&Descent> {
        self.descent.as_ref()
    }

    /// What is expected from now on, by what was seen of the calls in scope.
    ///
    /// # Errors
    /// As [`Baseline::learn`].
    pub fn learned_in(&self, scope: Scope) -> Result<Baseline, LearnError> {
        let in_scope: BTreeSet<CallKey> = self.seen(scope).iter().map(|seen| CallKey::of(&seen.call)).collect();
        let mut graph = self.snapshot();
        graph.calls.retain(|call| in_scope.contains(&CallKey::of(call)));
        self.learned_of(&graph)
    }

    /// The calls in scope, in the order of the graph, those that are not expected with what supports it.
    #[must_use]
    pub fn seen(&self, scope: Scope) -> Vec<Seen> {
        let ids: BTreeMap<CallKey, CallId> =
            self.graph.call_ids().filter_map(|id| Some((self.key(id)?.0, id))).collect();
        let open = self.open();
        let calls = self.snapshot().calls;
        let is_own = |call: &Call| {
            let id = ids.get(&CallKey::of(call));
            id.and_then(|id| self.graph.get(*id)).is_some_and(|node| node.followed.is_some())
        };
        let reached = if scope == Scope::Reached { self.reached(&calls, &ids, is_own) } else { BTreeSet::new() };
        let by = |call: &Call| match scope {
            Scope::Host => Some(By::Host),
            _ if is_own(call) => Some(By::Command),
            _ => reached.contains(&CallKey::of(call)).then_some(By::Reached),
        };
        let seen = calls.iter().filter_map(|call| {
            let by = by(call)?;
            let key = CallKey::of(call);
            let id = ids.get(&key).filter(|_| call.state != CallState::Expected);
            let evidence = id.and_then(|id| self.evidence(*id, &key, open.get(id).copied().unwrap_or_default()));
            let denied = id.and_then(|id| self.denied(*id));
            Some(Seen { call: call.clone(), by, denied, evidence })
        });
        seen.collect()
    }
}

impl Engine {
    /// The calls of what the calls in scope reach.
    fn reached(
        &self,
        calls: &[Call],
        ids: &BTreeMap<CallKey, CallId>,
        is_own: impl Fn(&Call) -> bool,
    ) -> BTreeSet<CallKey> {
        if self.reach.dropped == 0 {
            let reached = self.reach.calls();
            return ids.iter().filter(|(_, id)| reached.contains(id)).map(|(key, _)| key.clone()).collect();
        }
        let services = reached_services(calls, is_own);
        calls.iter().filter(|call| services.contains(&call.from)).map(CallKey::of).collect()
    }

    /// The entry of the baseline that denies a call, in words.
    fn denied(&self, id: CallId) -> Option<String> {
        let (key, ends) = self.key(id)?;
        match Standing::of(self.config.baseline.as_ref(), &key, ends) {
            Standing::Denied(entry) => Some(entry.to_string()),
            _ => None,
        }
    }
}

/// The services that are called in scope.
fn reached_services(calls: &[Call], is_own: impl Fn(&Call) -> bool) -> BTreeSet<String> {
    let mut reached: BTreeSet<String> = calls.iter().filter(|call| is_own(call)).map(|call| call.to.clone()).collect();
    loop {
        let before = reached.len();
        let further = calls.iter().filter(|call| reached.contains(&call.from)).map(|call| call.to.clone());
        let further: Vec<String> = further.collect();
        reached.extend(further);
        if reached.len() == before {
            return reached;
        }
    }
}
