//! What records say about connections.
//!
//! Invariant: totals are applied before the owner changes, so each process is told what it did itself.
//! Memory: none of its own.

use super::Engine;
use crate::exchange::{Closing, ConnectionId, End, Half, Side, pairing};
use crate::graph::histogram::LatencyHistogram;
use crate::graph::metrics::Latencies;
use crate::identity::{Endpoint, Port, ProcessKey, Transport};
use crate::input::{Detail, Output, SocketLatencies};
use crate::limits;
use crate::time::{Moment, Span};
use tracer_common::{Exchange, ExchangeRecord, Role, SocketCause, SocketFlags, SocketRecord, TransportKind};

impl Engine {
    /// Handles the state of a socket.
    /// `path` is the name under which a Unix socket was reached.
    pub(super) fn socket(&mut self, record: &SocketRecord, path: Option<Port>, out: &mut Vec<Output>) {
        let owner = ProcessKey::from_kernel(record.owner);
        if record.described == 1 {
            self.processes.described(record);
            self.ask_for(ProcessKey::from_kernel(record.parent), out);
        }
        self.ask_for(owner, out);
        let side = match record.role {
            Role::CLIENT => Side::Client,
            Role::SERVER => Side::Server,
            Role::LISTENER => return self.listener(record, path, owner, out),
            _ => return,
        };
        if path.is_none() && self.local_addresses.len() < limits::LISTENERS {
            let local = Endpoint::local(&record.tuple);
            self.local_addresses.insert((local.netns, local.address));
        }
        let Some(id) = self.connection_of(record, path, side, out) else { return };
        let id = self.follow(id, side, record, owner);
        self.count(id);
    }

    fn listener(
        &mut self,
        record: &SocketRecord,
        path: Option<Port>,
        owner: Option<ProcessKey>,
        out: &mut Vec<Output>,
    ) {
        let Some(owner) = owner else { return };
        let closed = record.cause == SocketCause::CLOSED;
        if !closed {
            self.processes.listens(owner, path.clone().unwrap_or_else(|| Endpoint::local(&record.tuple).port.into()));
        }
        match path {
            Some(path) if closed => self.listeners.remove_path(&path, record.cookie),
            Some(path) => self.listeners.insert_path(path, record.cookie, owner),
            // A port that nobody listens on any more goes on naming who did.
            None if closed => {}
            None => {
                let transport = Transport::from_kernel(record.transport);
                self.listeners.insert(transport, Endpoint::local(&record.tuple), owner);
                if transport == Transport::Tcp {
                    self.ask_for_queues(record.tuple.netns, owner, out);
                }
            }
        }
    }

    /// The connection that a socket belongs to, made if it is new.
    fn connection_of(
        &mut self,
        record: &SocketRecord,
        path: Option<Port>,
        side: Side,
        out: &mut Vec<Output>,
    ) -> Option<ConnectionId> {
        if let Some((id, known)) = self.connections.find(record.cookie) {
            let connects_again = record.cause == SocketCause::CONNECTING
                && self.connections.get(id).and_then(|held| held.end(known)).is_some_and(|end| end.closing.is_some());
            if known == side && !connects_again {
                return Some(id);
            }
            self.stop_presuming(id, out);
            self.conclude(id);
            self.tell_unpaired(id);
            self.forget(id);
        }
        if record.cause == SocketCause::CLOSED && record.flags & SocketFlags::CLOSED != 0 {
            // Told before and forgotten since: its owner has read what was left.
            return None;
        }
        let id = self.connections.add(End::new(record, path), side, Moment(record.opened_at))?;
        let first_end = self.connections.get(id).is_some_and(|connection| connection.end(side.other()).is_none());
        if first_end && record.flags & SocketFlags::PREEXISTING != 0 {
            self.gaps.before_start += 1;
        }
        Some(id)
    }

    /// Takes over what the record says; returns the connection, which another end may have joined.
    fn follow(
        &mut self,
        id: ConnectionId,
        side: Side,
        record: &SocketRecord,
        owner: Option<ProcessKey>,
    ) -> ConnectionId {
        let Some(end) = self.connections.get_mut(id).and_then(|connection| connection.end_mut(side)) else { return id };
        end.hear(Moment(record.header.at));
        end.advance(&record.totals, self.detail != Detail::Counts);
        end.observe(record);
        if end.owner != owner && owner.is_some() {
            let had_owner = end.owner.is_some();
            if had_owner {
                self.count(id);
            }
            self.own(id, side, owner);
        }
        let id = self.connections.locate(id, side, self.moments.now);
        if record.cause == SocketCause::CLOSED {
            self.close(id, side, record);
        }
        id
    }

    /// Another process owns the end: its call is another one from now on.
    fn own(&mut self, id: ConnectionId, side: Side, owner: Option<ProcessKey>) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.counts_for().is_none() && connection.end(side).is_some_and(|end| end.owner.is_some()) {
            connection.end_episode();
        }
        if let Some(end) = connection.end_mut(side) {
            end.owner = owner;
        }
        if connection.call.take().is_some() {
            connection.counted_open = false;
            connection.presumed = false;
        }
        let was_open_in = connection.open_in.take();
        self.leave(was_open_in);
        self.connections.attend(id);
    }

    fn close(&mut self, id: ConnectionId, side: Side, record: &SocketRecord) {
        let Some(end) = self.connections.get_mut(id).and_then(|connection| connection.end_mut(side)) else { return };
        let unanswered = record.totals.requests.saturating_sub(record.totals.responses);
        let began = record.request_first;
        // Datagrams have no close: their end is when nobody waits any more.
        let until = if record.transport == TransportKind::UDP { record.header.at } else { record.active_at };
        let waited = if began == 0 { Span::ZERO } else { Moment(until).since(Moment(began)) };
        let closing = Closing { error: record.error, flags: record.flags, unanswered, waited, unfinished: None };
        end.closing = Some(Box::new(closing));
        end.in_flight_since = None;
        let was_open_in = self.connections.get_mut(id).and_then(|connection| connection.open_in.take());
        self.leave(was_open_in);
        self.connections.attend(id);
    }

    /// Handles a finished exchange.
    pub(super) fn exchange(&mut self, record: &ExchangeRecord) {
        let Some((id, side)) = self.connections.find(record.cookie) else { return };
        let Some(connection) = self.connections.get_mut(id) else { return };
        let both = connection.end(side.other()).is_some() || connection.counts_for().is_none();
        // What its client has sent behind this exchange waits from now on, as long as its server has not read it.
        let unread = side == Side::Client
            && connection.speech.as_ref().is_some_and(|speech| speech.is_whole() && speech.teller == Side::Server);
        let Some(end) = connection.end_mut(side) else { return };
        end.hear(Moment(record.header.at));
        let exchange = &record.exchange;
        let counted = exchange.flags & Exchange::COUNTED != 0;
        if !counted {
            // Where the kernel counts, totals come together with what it counted.
            end.advance(&record.totals, self.detail != Detail::Counts);
        }
        if exchange.index <= end.last_exchange {
            return;
        }
        end.last_exchange = exchange.index;
        end.untold = false;
        end.in_flight_since = unread.then_some(Moment(record.header.at));
        let timed = exchange.request_first != 0
            && exchange.response_first >= exchange.request_first
            && exchange.flags & Exchange::UNTIMED == 0;
        if timed {
            end.timed += u64::from(!counted);
            let half = Half {
                side,
                counted,
                sequence: exchange.request_sequence,
                counted_late: end.transport != Transport::Tcp && end.flags & SocketFlags::PREEXISTING != 0,
                request_first: Moment(exchange.request_first),
                response_first: Moment(exchange.response_first),
                response_last: Moment(exchange.response_last.max(exchange.response_first)),
            };
            let sample = if both { connection.pairing.add(half) } else { Some(pairing::alone(half)) };
            // Where requests overlap, turns do not tell them apart: what is said does.
            let overlap = connection.speech.as_ref().is_some_and(|speech| speech.is_overlapping());
            if let Some(sample) = sample.filter(|_| !overlap) {
                match connection.counts_for().and_then(|call| self.graph.get_mut(call)) {
                    Some(call) => call.record(&sample),
                    None => connection.held.get_or_insert_default().record(sample),
                }
            }
        }
        self.count(id);
    }

    /// Handles latencies that the kernel counted.
    pub(super) fn latencies(&mut self, told: &SocketLatencies) {
        let Some((id, side)) = self.connections.find(told.cookie) else { return };
        let Some(connection) = self.connections.get_mut(id) else { return };
        let Some(histogram) = LatencyHistogram::of_counts(&told.counts, told.sum) else {
            self.gaps.undecodable += 1;
            return;
        };
        let Some(end) = connection.end_mut(side) else { return };
        end.timed = end.timed.saturating_add(histogram.len());
        self.gaps.counted = self.gaps.counted.saturating_add(histogram.len());
        // A window holds the client's latencies, or the server's where no client is on this host.
        let in_window = side == Side::Client || connection.client.is_none();
        if connection.speech.as_ref().is_some_and(|speech| speech.is_overlapping()) {
            return;
        }
        match connection.counts_for().and_then(|call| self.graph.get_mut(call)) {
            Some(call) => call.count(side, &histogram, in_window),
            None => connection
                .held
                .get_or_insert_default()
                .more
                .get_or_insert_default()
                .merge(&Latencies::of(side, histogram)),
        }
    }
}
