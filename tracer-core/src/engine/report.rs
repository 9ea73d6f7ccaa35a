//! What the engine tells: snapshots, new calls, alerts that fire.
//!
//! Invariant: whatever is missing is said in `completeness`. Memory: one snapshot.

use super::Engine;
use crate::baseline::is_identified;
use crate::exchange::Connection;
use crate::export::metrics::Exposition;
use crate::graph::snapshot::{Completeness, Degradation, GraphSnapshot};
use crate::graph::{CallId, Open};
use crate::input::{Detail, NewCall, Output};
use std::collections::HashMap;

impl Engine {
    /// The graph now.
    #[must_use]
    pub fn snapshot(&self) -> GraphSnapshot {
        self.graph.snapshot(&self.moments, &self.processes, &self.open(), (self.completeness(), self.cost))
    }

    /// The graph with what monitoring systems want to know besides, but for the sinks, which are not the engine's.
    #[must_use]
    pub fn exposition(&self) -> Exposition {
        let graph = self.snapshot();
        let distributions = self.graph.distributions(&graph);
        Exposition { graph, distributions, firing: self.firing(), sinks: Vec::new() }
    }

    /// Alerts that fire now.
    #[must_use]
    pub fn firing(&self) -> usize {
        self.alerts.firing()
    }

    /// The alerts that fire now, with what was found last.
    pub fn firing_alerts(&self) -> impl Iterator<Item = crate::alert::Alert> + '_ {
        self.alerts.alerts()
    }

    /// Grows with every alert that begins or ends.
    #[must_use]
    pub fn alert_changes(&self) -> u64 {
        self.alerts.changes()
    }

    /// What open connections show, by call.
    pub(super) fn open(&self) -> HashMap<CallId, Open> {
        let mut all: HashMap<CallId, Open> = HashMap::new();
        for connection in self.connections.iter() {
            let Some(call) = connection.call else { continue };
            if connection.telling().is_some_and(|(_, end)| end.closing.is_none()) {
                all.entry(call).or_default().add(connection);
            }
        }
        all
    }

    fn completeness(&self) -> Completeness {
        let mut degraded: Vec<Degradation> = self.degraded.iter().cloned().collect();
        degraded.extend(self.captures.degradation());
        let counted = [
            ("records could not be decoded", self.gaps.undecodable),
            ("sockets whose end was lost; what they did last may be missing", self.gaps.ends_unseen),
            ("sockets without state (map full)", self.loss.map_full),
            ("fields that could not be read", self.loss.read_fault),
            ("connections beyond the cap were not followed", self.connections.dropped),
            ("services or calls beyond the cap are shown as `other`", self.graph.folded),
            ("processes beyond the cap were forgotten", self.processes.dropped),
            ("listeners beyond the cap were forgotten", self.listeners.dropped),
            ("names of peers beyond the cap were forgotten", self.peers.dropped),
            ("alerts beyond the cap were not raised", self.alerts.untold()),
            ("processes that call each other beyond the cap; their services stand for them", self.reach.dropped),
            ("processes beyond the cap were not followed", self.descent.as_ref().map_or(0, |descent| descent.dropped)),
        ];
        degraded.extend(
            counted
                .into_iter()
                .filter(|(_, count)| *count > 0)
                .map(|(name, count)| Degradation { name: name.to_owned(), reason: format!("{count} times") }),
        );
        if self.detail == Detail::Counts {
            let (name, reason) = ("latencies are not measured", "only counts are asked for");
            degraded.push(Degradation { name: name.to_owned(), reason: reason.to_owned() });
        }
        Completeness {
            records_lost: self.loss.ring_full,
            exchanges_lost: self
                .connections
                .iter()
                .map(Connection::without_times)
                .fold(self.gaps.exchanges_without_times, u64::saturating_add),
            exchanges_counted: self.gaps.counted,
            connections_before_start: self.gaps.before_start,
            unresolved_peers: self.gaps.unresolved,
            degraded,
        }
    }

    /// Tells a call, if it was not told before.
    pub(super) fn new_call(&mut self, id: CallId, open: Open, out: &mut Vec<Output>) {
        let Some(call) = self.graph.get_mut(id) else { return };
        if std::mem::replace(&mut call.told, true) {
            return;
        }
        let now = self.moments.now;
        if let (Some((_, ends)), Some(saturation)) = (self.key(id), &mut self.saturation)
            && ends.into_iter().all(is_identified)
        {
            saturation.new_call(now);
        }
        // The call is told first, then what is wrong with it.
        let mut alerts = Vec::new();
        self.judge_now(id, &mut alerts);
        let names = self.graph.ends(id).map(|(from, to)| (from.name.display(), to.name.display()));
        let call = self.graph.call_snapshot(id, &self.moments, open);
        if let (Some((from_name, to_name)), Some(call)) = (names, call) {
            let at = self.moments.wall(self.moments.now).rfc3339();
            let schema = "tracer.call/1".to_owned();
            out.push(Output::NewCall(Box::new(NewCall { schema, at, from_name, to_name, call })));
        }
        out.append(&mut alerts);
    }
}
