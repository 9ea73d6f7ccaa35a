//! From the graph to its snapshot.
//!
//! Invariant: the snapshot depends on the graph alone; its order is that of `snapshot`. Memory: one copy.

use super::distribution::{Distribution, Distributions};
use super::histogram::LatencyHistogram;
use super::metrics::{self, Latencies};
use super::operations::Figures;
use super::snapshot::{Call, Completeness, Cost, GraphSnapshot, Instance, Latency, Operation, SCHEMA, Service};
use super::{CallGraph, CallId, CallNode, ServiceNode};
use crate::exchange::Connection;
use crate::identity::Processes;
use crate::input::Start;
use crate::protocol;
use crate::time::{Moment, Span, Wall};
use std::collections::{BTreeMap, HashMap};

/// What open connections show of a call now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Open {
    pub connections: u64,
    /// Those of them with a request that has no answer yet.
    pub busy: u64,
    pub in_flight: u64,
    pub oldest: Option<Moment>,
}

impl Open {
    fn is_empty(&self) -> bool {
        self.connections == 0 && self.in_flight == 0
    }

    /// Adds a connection, as its telling end shows it; a closed one adds nothing.
    pub fn add(&mut self, connection: &Connection) {
        let Some((_, end)) = connection.telling().filter(|(_, end)| end.closing.is_none()) else { return };
        let since = if end.was_established() {
            self.connections += 1;
            let (in_flight, since) = connection.in_flight(end);
            self.in_flight = self.in_flight.saturating_add(in_flight);
            self.busy += u64::from(in_flight > 0);
            since
        } else {
            // A connect that hangs is a request that hangs.
            self.in_flight += 1;
            Some(connection.opened)
        };
        self.oldest = self.oldest.into_iter().chain(since).min();
    }
}

/// Where the snapshot stands in time.
#[derive(Clone, Debug)]
pub struct Moments {
    pub start: Start,
    pub now: Moment,
    pub window: Span,
    pub window_began: Moment,
}

impl Moments {
    /// The wall-clock time of a moment, by the clocks as they were at the start.
    #[must_use]
    pub fn wall(&self, at: Moment) -> Wall {
        let ahead = i128::from(at.0) - i128::from(self.start.at.0) + i128::from(self.start.wall.0);
        Wall(i64::try_from(ahead).unwrap_or(0))
    }

    /// The wall-clock time of a process start, which is on the boot-time clock.
    #[must_use]
    pub fn wall_of_boottime(&self, started: u64) -> Wall {
        let ahead = i128::from(started) - i128::from(self.start.boottime_ahead) - i128::from(self.start.at.0)
            + i128::from(self.start.wall.0);
        Wall(i64::try_from(ahead).unwrap_or(0))
    }
}

impl CallGraph {
    /// The graph at a moment.
    #[must_use]
    pub fn snapshot(
        &self,
        moments: &Moments,
        processes: &Processes,
        open: &HashMap<CallId, Open>,
        (completeness, cost): (Completeness, Option<Cost>),
    ) -> GraphSnapshot {
        let mut used = BTreeMap::new();
        let mut calls: Vec<Call> = Vec::with_capacity(self.graph.edge_count());
        for id in self.graph.edge_indices() {
            let (Some((from, to)), Some(call)) = (self.ends(id), self.get(id)) else { continue };
            let open = open.get(&id).copied().unwrap_or_default();
            if call.is_empty() && open.is_empty() {
                continue;
            }
            for node in [from, to] {
                used.entry(node.name.id()).or_insert(node);
            }
            calls.push(call_view(from, to, call, moments, open));
        }
        calls.sort_by(|a, b| (&a.from, &a.to, &a.port, &a.transport).cmp(&(&b.from, &b.to, &b.port, &b.transport)));
        GraphSnapshot {
            schema: SCHEMA.to_owned(),
            host: moments.start.host.clone(),
            from: moments.start.wall.rfc3339(),
            until: moments.wall(moments.now).rfc3339(),
            window_seconds: moments.window.as_seconds(),
            completeness,
            cost,
            services: used.into_values().map(|node| service_view(node, moments, processes)).collect(),
            calls,
        }
    }

    /// The latencies of each call of a snapshot of this graph, in its order.
    #[must_use]
    pub fn distributions(&self, snapshot: &GraphSnapshot) -> Vec<Distributions> {
        let mut all = vec![Distributions::default(); snapshot.calls.len()];
        for id in self.graph.edge_indices() {
            let (Some((from, to)), Some(call)) = (self.ends(id), self.get(id)) else { continue };
            let (from, to, transport) = (from.name.id(), to.name.id(), call.transport.name());
            let key = (from.as_str(), to.as_str(), &call.port, transport);
            let of =
                |call: &Call| (call.from.as_str(), call.to.as_str(), &call.port, call.transport.as_str()).cmp(&key);
            let place = snapshot.calls.binary_search_by(of).ok().and_then(|place| all.get_mut(place));
            if let Some(place) = place {
                let Latencies { client, server, wait, .. } = &call.latencies;
                let [client, server, wait] = [client, server, wait].map(Distribution::of);
                *place = Distributions { client, server, wait };
            }
        }
        all
    }

    /// One call of the graph, as the snapshot shows it.
    #[must_use]
    pub fn call_snapshot(&self, id: CallId, moments: &Moments, open: Open) -> Option<Call> {
        let (from, to) = self.ends(id)?;
        Some(call_view(from, to, self.get(id)?, moments, open))
    }
}

fn service_view(node: &ServiceNode, moments: &Moments, processes: &Processes) -> Service {
    let instance = |process: &crate::identity::ProcessKey| Instance {
        pid: process.pid,
        started: moments.wall_of_boottime(process.started).rfc3339(),
        exe: processes.exe(*process),
    };
    let mut instances: Vec<Instance> = node.instances.iter().map(instance).collect();
    instances.sort_by(|a, b| (a.pid, &a.started).cmp(&(b.pid, &b.started)));
    Service { id: node.name.id(), name: node.name.display(), kind: node.name.kind(), instances }
}

fn operation_view(operation: Option<&protocol::Operation>, figures: &Figures) -> Operation {
    let status = |(status, count): &(protocol::Status, u64)| (status.as_str().to_owned(), *count);
    Operation {
        name: operation.map(|operation| operation.as_str().to_owned()),
        requests: figures.requests,
        sampled: figures.sampled,
        service_errors: figures.service,
        gateway_errors: figures.gateway,
        statuses: figures.statuses.iter().map(status).collect(),
        latency_ms: figures.latency.summary(false),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share for people")]
fn call_view(from: &ServiceNode, to: &ServiceNode, call: &CallNode, moments: &Moments, open: Open) -> Call {
    let recent = call.recent();
    let (tries, errors) = (recent.requests.saturating_add(recent.failed_connections), recent.errors);
    // Exchanges are told apart by turns where no parser knows the protocol.
    let estimated = !call.is_understood();
    // Of those that the kernel counted, a share.
    let known_by_themselves = |histogram: &LatencyHistogram| {
        histogram.summary(estimated).map(|latency| Latency { sampled: call.latencies.counted > 0, ..latency })
    };
    Call {
        from: from.name.id(),
        to: to.name.id(),
        port: call.port.clone(),
        transport: call.transport.name().to_owned(),
        protocol: call.protocol.map(|protocol| crate::protocol::row(protocol).name.to_owned()),
        inner_protocol: call.inside.as_ref().map(ToString::to_string),
        operations: call.operations.iter().map(|(operation, figures)| operation_view(operation, figures)).collect(),
        state: call.state,
        first_seen: moments.wall(call.first_seen).rfc3339(),
        connections: call.connections,
        failed_connections: call.failed_connections,
        open_connections: open.connections,
        most_open_connections: call.pool.most(open.connections),
        accept_queue_drops: call.accept_queue_drops,
        requests: call.totals.requests,
        requests_estimated: call.requests_estimated,
        errors: metrics::sum(&call.errors()),
        errors_by_kind: call.errors(),
        error_rate: (tries > 0).then(|| (errors as f64 / tries as f64).min(1.0)),
        requests_per_second: call.rate(
            recent.requests,
            moments.window,
            moments.now.since(moments.window_began),
            moments.now,
        ),
        latency_ms: call.latencies.client.summary(estimated),
        server_latency_ms: call.latencies.server.summary(estimated),
        wait_ms: known_by_themselves(&call.latencies.wait),
        complete_ms: known_by_themselves(call.latencies.complete()),
        recent_latency_ms: recent.latency.summary(estimated),
        bytes_sent: call.totals.bytes_sent,
        bytes_received: call.totals.bytes_received,
        in_flight: open.in_flight,
        oldest_in_flight_ms: open.oldest.map(|since| moments.now.since(since).as_millis()),
        anomalies: call.anomalies.clone(),
    }
}
