//! Connections that a server's kernel dropped because its accept queue was full.
//!
//! Who wanted to connect, the kernel does not say. Invariant: each counts for one call: of those to that listener, the one
//! with the most failures, then the most requests, in the current window. Memory: the network namespaces that were asked
//! for, [`NAMESPACES`] at most.

use super::Engine;
use crate::graph::CallId;
use crate::identity::{Endpoint, Port, ProcessKey, Transport};
use crate::input::{Output, Overflow};

/// Network namespaces whose listeners are looked at.
const NAMESPACES: usize = 256;

impl Engine {
    /// Asks for the accept queues of a namespace in which somebody listens.
    pub(super) fn ask_for_queues(&mut self, netns: u32, by: ProcessKey, out: &mut Vec<Output>) {
        if self.listening_in.len() < NAMESPACES && self.listening_in.insert(netns) {
            out.push(Output::Listens { netns, by });
        }
    }

    /// Handles what was dropped since it was told last.
    pub(super) fn overflows(&mut self, told: &[Overflow]) {
        self.accept_queues_are_counted = true;
        for overflow in told {
            let hit = self.hit_by(overflow);
            if let Some(call) = hit.and_then(|id| self.graph.get_mut(id)) {
                call.accept_queue_drops = call.accept_queue_drops.saturating_add(overflow.dropped);
                call.current.accept_queue_drops = call.current.accept_queue_drops.saturating_add(overflow.dropped);
            }
        }
    }

    fn hit_by(&mut self, overflow: &Overflow) -> Option<CallId> {
        let Overflow { netns, address, port, .. } = *overflow;
        let owner = self.listeners.find(Transport::Tcp, &Endpoint { netns, address, port })?;
        let service = self.processes.service(owner)?;
        let is_hit = |id: &CallId| {
            self.graph.ends(*id).is_some_and(|(_, to)| to.name == service)
                && self.graph.get(*id).is_some_and(|call| call.port == Port::Number(port))
        };
        self.graph.call_ids().filter(is_hit).max_by_key(|id| {
            self.graph
                .get(*id)
                .map(|call| (call.current.failed_connections, call.current.requests, call.totals.requests))
        })
    }
}
