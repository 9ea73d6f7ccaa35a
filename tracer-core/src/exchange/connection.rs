//! One connection: its ends, and what they say that is not yet counted.
//!
//! Invariant: an end's totals are cumulative, so every record brings the figures up to date and none is counted
//! twice. Memory: fixed for each connection, but for the exchanges that wait for their other end.

use super::connections::GRACE;
use super::{Closing, Pairing, Speech};
use crate::graph::CallId;
use crate::graph::metrics::{Delta, Held};
use crate::identity::{Endpoint, Port, ProcessKey, Transport};
use crate::time::{Moment, Span};
use smallvec::SmallVec;
use tracer_common::{Phase, SocketFlags, SocketRecord, Totals, TransportKind};

/// Which end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    Client,
    Server,
}

impl Side {
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// By then, several looks at all sockets have passed.
const UNUSED_FOUND: Span = Span::from_seconds(4);

/// One end: a socket of this host.
#[derive(Clone, Debug)]
pub struct End {
    pub cookie: u64,
    /// The cookie of the other end, where the kernel tells it; else 0.
    pub peer_cookie: u64,
    pub transport: Transport,
    /// It sends and receives messages that may get lost or need no answer.
    pub datagrams: bool,
    /// The path under which a Unix socket was reached.
    pub path: Option<Box<Port>>,
    /// The sequence numbers that this side and the other began with; `None` until they are known.
    pub sequences: Option<(u32, u32)>,
    /// The hashes of the keys under which the other end finds it.
    pub(super) registered: SmallVec<[u64; 2]>,
    pub local: Endpoint,
    pub remote: Endpoint,
    pub owner: Option<ProcessKey>,
    pub flags: u16,
    pub totals: Totals,
    /// What `totals` holds beyond what has been counted for a call.
    pub uncounted: Delta,
    /// Since when a request is without an answer.
    pub in_flight_since: Option<Moment>,
    /// Index of the last exchange whose record came.
    pub last_exchange: u64,
    /// Exchanges whose times came.
    pub timed: u64,
    /// Its current exchange has an answer and has not been told yet.
    pub untold: bool,
    /// `None` while it is open, as most are.
    pub closing: Option<Box<Closing>>,
    /// When it was last heard of.
    pub heard: Moment,
    /// Whole looks at all sockets in a row that did not find it.
    pub unfound: u8,
}

impl End {
    /// A new end as its first record shows it, nothing of it counted yet.
    #[must_use]
    pub fn new(record: &SocketRecord, path: Option<Port>) -> Self {
        Self {
            cookie: record.cookie,
            peer_cookie: record.peer_cookie,
            transport: Transport::from_kernel(record.transport),
            datagrams: matches!(record.transport, TransportKind::UDP | TransportKind::UNIX_DATAGRAM),
            path: path.map(Box::new),
            sequences: sequences(record),
            registered: SmallVec::new(),
            local: Endpoint::local(&record.tuple),
            remote: Endpoint::remote(&record.tuple),
            owner: ProcessKey::from_kernel(record.owner),
            flags: record.flags,
            totals: Totals { requests: 0, responses: 0, bytes_sent: 0, bytes_received: 0 },
            uncounted: Delta::default(),
            in_flight_since: None,
            last_exchange: 0,
            timed: 0,
            untold: false,
            closing: None,
            heard: Moment(record.header.at),
            unfound: 0,
        }
    }

    /// It has been heard of.
    pub fn hear(&mut self, at: Moment) {
        self.heard = self.heard.max(at);
        self.unfound = 0;
    }

    /// Notes that a look at all sockets since `began` is over. Says whether the socket is gone: two looks in a row
    /// have not found it, since one may pass over a socket while others come and go beside it.
    pub fn missed(&mut self, began: Moment) -> bool {
        if self.closing.is_some() || self.heard >= began {
            return false;
        }
        self.unfound = self.unfound.saturating_add(1);
        self.unfound >= 2
    }

    /// Brings the totals up to date. Totals that are lower come from a record that was overtaken: ignored. Where times are
    /// not asked for (`timed`), none is missing.
    pub fn advance(&mut self, totals: &Totals, timed: bool) {
        let grow = |old: &mut u64, new: u64| {
            let grown = new.saturating_sub(*old);
            *old = (*old).max(new);
            grown
        };
        self.uncounted.requests =
            self.uncounted.requests.saturating_add(grow(&mut self.totals.requests, totals.requests));
        let responses = grow(&mut self.totals.responses, totals.responses);
        self.uncounted.responses = self.uncounted.responses.saturating_add(responses);
        if !timed {
            self.timed = self.timed.saturating_add(responses);
        }
        self.uncounted.bytes_sent =
            self.uncounted.bytes_sent.saturating_add(grow(&mut self.totals.bytes_sent, totals.bytes_sent));
        self.uncounted.bytes_received =
            self.uncounted.bytes_received.saturating_add(grow(&mut self.totals.bytes_received, totals.bytes_received));
    }

    /// Takes over what a socket record says beyond totals and owner.
    pub fn observe(&mut self, record: &SocketRecord) {
        self.flags = record.flags;
        self.local.port = record.tuple.local_port;
        self.sequences = self.sequences.or(sequences(record));
        self.untold = record.phase == Phase::RESPONSE;
        let waiting = record.phase == Phase::REQUEST && record.request_first != 0;
        self.in_flight_since = waiting.then_some(Moment(record.request_first));
    }

    /// Whether no datagram was ever answered.
    fn is_one_way(&self) -> bool {
        self.datagrams && self.totals.responses == 0
    }

    /// Since when a request waits for its answer.
    #[must_use]
    pub fn waiting_since(&self) -> Option<Moment> {
        self.in_flight_since.filter(|_| !self.is_one_way())
    }

    /// Whether the connection was established.
    #[must_use]
    pub fn was_established(&self) -> bool {
        self.flags & SocketFlags::ESTABLISHED != 0
    }

    /// Requests begun and not answered. A datagram to somebody who never answers asks for nothing.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        if self.closing.is_some() || self.is_one_way() {
            0
        } else {
            self.totals.requests.saturating_sub(self.totals.responses)
        }
    }
}

/// The initial sequence numbers, which are zeros until the connection is established.
fn sequences(record: &SocketRecord) -> Option<(u32, u32)> {
    (record.first_sent != 0 || record.first_received != 0).then_some((record.first_sent, record.first_received))
}

/// What a connection did under owners that others took its place from before its call was known.
#[derive(Clone, Debug)]
pub struct Episode {
    pub client: Option<ProcessKey>,
    pub server: Option<ProcessKey>,
    /// As the client tells it.
    pub grown: Delta,
    pub held: Option<Box<Held>>,
}

/// Episodes of one connection between two ticks; beyond it they are told as one.
const EPISODES: usize = 16;

/// One connection.
#[derive(Debug)]
pub struct Connection {
    pub client: Option<End>,
    pub server: Option<End>,
    pub opened: Moment,
    /// Until then the other end may still show up.
    pub deadline: Moment,
    /// The call it is shown under, once both services are known.
    pub call: Option<CallId>,
    /// Nobody has used the server's end yet, so the service is presumed to be who listens. Nothing is counted until
    /// somebody does or the connection is over.
    pub presumed: bool,
    /// The end that is counted.
    pub counted: Option<Side>,
    /// Whether this connection has been counted as one, and its end has been judged.
    pub counted_open: bool,
    /// The call among whose open connections it is.
    pub open_in: Option<CallId>,
    pub judged: bool,
    /// Measured before the call was known.
    pub held: Option<Box<Held>>,
    pub episodes: Vec<Episode>,
    pub pairing: Pairing,
    /// What is said on it, where that is known or looked for.
    pub speech: Option<Box<Speech>>,
}

impl Connection {
    #[must_use]
    pub fn end(&self, side: Side) -> Option<&End> {
        match side {
            Side::Client => self.client.as_ref(),
            Side::Server => self.server.as_ref(),
        }
    }

    #[must_use]
    pub fn end_mut(&mut self, side: Side) -> Option<&mut End> {
        match side {
            Side::Client => self.client.as_mut(),
            Side::Server => self.server.as_mut(),
        }
    }

    /// The end that tells the figures: the client's where there is one, for it sees the whole call.
    #[must_use]
    pub fn telling(&self) -> Option<(Side, &End)> {
        let first = self.counted.unwrap_or(Side::Client);
        [first, first.other()].into_iter().find_map(|side| Some((side, self.end(side)?)))
    }

    /// The call it counts for.
    #[must_use]
    pub fn counts_for(&self) -> Option<CallId> {
        self.call.filter(|_| !self.presumed)
    }

    /// Whether somebody may yet turn out to serve it: the server's end is on this host, nobody has used it, and no
    /// side has left for long. `local` says that the server's address is one of this host's.
    #[must_use]
    pub fn may_be_served(&self, local: bool, now: Moment) -> bool {
        let unused = match (&self.server, &self.client) {
            (Some(server), _) => server.owner.is_none() && server.closing.is_none(),
            // Looks at all sockets find an end that nobody has used. The census, which tells older ones, is one.
            (None, Some(client)) => {
                local && client.flags & SocketFlags::PREEXISTING == 0 && now < self.opened.after(UNUSED_FOUND)
            }
            (None, None) => false,
        };
        let left = self.telling().is_some_and(|(_, end)| end.closing.is_some() && now >= end.heard.after(GRACE));
        unused && !left
    }

    /// Another process is about to own an end, and the call is not known: keeps what was done under the present ones.
    pub fn end_episode(&mut self) {
        let side = if self.client.is_some() { Side::Client } else { Side::Server };
        let turns = self.end(side).map_or(0, |end| end.totals.requests);
        let mut taken = self.end_mut(side).map(|end| std::mem::take(&mut end.uncounted)).unwrap_or_default();
        if taken == Delta::default() || self.episodes.len() >= EPISODES {
            // Nothing to keep, or no room: it stays with what follows.
            if let Some(end) = self.end_mut(side) {
                end.uncounted = taken;
            }
            return;
        }
        let told = self.told();
        if let Some(speech) = &mut self.speech {
            taken.requests = speech.grow(turns, told);
        }
        let grown = if side == Side::Client { taken } else { taken.mirrored() };
        let owner = |end: &Option<End>| end.as_ref().and_then(|end| end.owner);
        let (client, server) = (owner(&self.client), owner(&self.server));
        self.episodes.push(Episode { client, server, grown, held: self.held.take() });
    }

    /// Takes over what was measured while one of its ends seemed to be a connection of its own.
    pub fn take_over(&mut self, alone: Self) {
        let mut held = alone.held;
        for half in alone.pairing.into_waiting() {
            if let Some(sample) = self.pairing.add(half) {
                held.get_or_insert_default().record(sample);
            }
        }
        match (&mut self.held, held) {
            (Some(own), Some(held)) => own.merge(&held),
            (own, Some(held)) => *own = Some(held),
            (_, None) => {}
        }
        self.episodes.extend(alone.episodes);
    }

    /// Exchanges that were counted and whose times will not come any more: as the client had them, if it is known.
    #[must_use]
    pub fn without_times(&self) -> u64 {
        let end = self.client.as_ref().or(self.server.as_ref()).filter(|_| self.counts_for().is_some());
        end.map_or(0, |end| end.totals.responses.saturating_sub(end.timed + u64::from(end.untold)))
    }

    /// Whether every known end is closed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        [&self.client, &self.server].into_iter().flatten().all(|end| end.closing.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::FromZeros as _;

    #[test]
    fn totals_only_grow_and_an_overtaken_record_changes_nothing() {
        let mut end = End::new(&SocketRecord::new_zeroed(), None);
        let totals = Totals { requests: 2, responses: 1, bytes_sent: 10, bytes_received: 5 };
        end.advance(&totals, true);
        end.advance(&Totals { requests: 1, ..totals }, true);
        assert_eq!((end.uncounted.requests, end.in_flight()), (2, 1));
    }
}
