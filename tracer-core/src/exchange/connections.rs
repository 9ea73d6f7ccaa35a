//! All connections, found by socket and by what their two ends have in common.
//!
//! Invariant: two ends are joined only if they fit (`joining`) and neither has another partner.
//! Memory: `limits::CONNECTIONS`; beyond it new connections are not followed, and counted.

use super::joining::{Fit, Key, neighbours};
use super::{Closing, Connection, End, Pairing, Side};
use crate::limits;
use crate::time::{Moment, Span};
use foldhash::fast::RandomState;
use rustc_hash::FxHashMap;
use slab::Slab;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::hash::BuildHasher as _;
use tracer_common::SocketFlags;

/// How long a connection waits for its other end to show up.
pub const GRACE: Span = Span::from_seconds(1);

/// Names a connection while it is followed.
pub type ConnectionId = usize;

/// A socket of a connection: twice the connection's number, and one more for the server's.
#[derive(Clone, Copy, Debug)]
struct Socket(u32);

impl Socket {
    /// `None` for a number beyond any cap.
    fn new(id: ConnectionId, side: Side) -> Option<Self> {
        let number = u32::try_from(id).ok()?.checked_mul(2)?;
        Some(Self(number | u32::from(side == Side::Server)))
    }

    fn id(self) -> ConnectionId {
        named(self.0 / 2)
    }

    fn side(self) -> Side {
        if self.0.is_multiple_of(2) { Side::Client } else { Side::Server }
    }
}

/// A connection whose name was put into 32 bits.
fn named(id: u32) -> ConnectionId {
    usize::try_from(id).unwrap_or(usize::MAX)
}

/// All connections that are followed.
#[derive(Debug, Default)]
pub struct Connections {
    slab: Slab<Connection>,
    /// Looked into for every record. The kernel counts cookies up, so nobody chooses what collides.
    by_cookie: FxHashMap<u64, Socket>,
    /// By the hashes of their keys, which take a fifth of the room; whether a key is the very one its socket tells.
    by_key: FxHashMap<u64, SmallVec<[u32; 2]>>,
    /// Others choose their addresses and numbers: hashed with a seed of this run.
    hashes: RandomState,
    /// Connections that a tick must look at: without a call, or over.
    attention: Vec<ConnectionId>,
    /// And from when on those that are over and wait for late records; each is in it once.
    leaving: VecDeque<(Moment, ConnectionId)>,
    /// Connections not followed because of the cap.
    pub dropped: u64,
}

impl Connections {
    /// The connection and side of a socket.
    #[must_use]
    pub fn find(&self, cookie: u64) -> Option<(ConnectionId, Side)> {
        self.by_cookie.get(&cookie).map(|socket| (socket.id(), socket.side()))
    }

    #[must_use]
    pub fn get(&self, id: ConnectionId) -> Option<&Connection> {
        self.slab.get(id)
    }

    pub fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.slab.get_mut(id)
    }

    /// Every connection.
    pub fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.slab.iter().map(|(_, connection)| connection)
    }

    /// The names of all connections.
    #[must_use]
    pub fn ids(&self) -> Vec<ConnectionId> {
        self.slab.iter().map(|(id, _)| id).collect()
    }

    /// A look at all sockets since `began` is over: ends whose sockets are gone are closed. Returns how many.
    pub fn close_unfound(&mut self, began: Moment) -> u64 {
        let mut closed = 0;
        for (id, connection) in &mut self.slab {
            for end in [&mut connection.client, &mut connection.server].into_iter().flatten() {
                if end.missed(began) {
                    // Nobody saw how it ended, nor perhaps that it was established: that is no error.
                    let (error, flags, waited) = (0, end.flags | SocketFlags::ESTABLISHED, Span::ZERO);
                    end.closing = Some(Box::new(Closing { error, flags, unanswered: 0, waited, unfinished: None }));
                    end.in_flight_since = None;
                    closed += 1;
                    self.attention.push(id);
                }
            }
        }
        closed
    }

    /// Adds a socket as one end of a connection, joined to its other end if that is known. `None` beyond the cap.
    pub fn add(&mut self, end: End, side: Side, at: Moment) -> Option<ConnectionId> {
        let cookie = end.cookie;
        let id = match self.partner(&end, side) {
            Some(id) => id,
            None if self.slab.len() >= limits::CONNECTIONS => {
                self.dropped += 1;
                return None;
            }
            None => self.slab.insert(Connection {
                client: None,
                server: None,
                opened: at,
                deadline: at.after(GRACE),
                call: None,
                presumed: false,
                counted: None,
                counted_open: false,
                open_in: None,
                judged: false,
                held: None,
                episodes: Vec::new(),
                pairing: Pairing::default(),
                speech: None,
            }),
        };
        self.by_cookie.insert(cookie, Socket::new(id, side)?);
        if let Some(connection) = self.slab.get_mut(id) {
            match side {
                Side::Client => connection.client = Some(end),
                Side::Server => connection.server = Some(end),
            }
        }
        self.register(id, side);
        self.attention.push(id);
        Some(id)
    }

    /// More may be known of a socket than before, such as its port: joins it to its other end if that came first.
    pub fn locate(&mut self, id: ConnectionId, side: Side, at: Moment) -> ConnectionId {
        let Some(connection) = self.slab.get(id) else { return id };
        let Some(end) = connection.end(side) else { return id };
        if end.keys(side).all(|key| end.registered.contains(&self.hashes.hash_one(key))) {
            return id;
        }
        let alone = connection.end(side.other()).is_none() && connection.call.is_none();
        if !alone || self.partner(end, side).is_none_or(|other| other == id) {
            self.register(id, side);
            return id;
        }
        let Some(mut alone) = self.slab.try_remove(id) else { return id };
        let taken = match side {
            Side::Client => alone.client.take(),
            Side::Server => alone.server.take(),
        };
        let Some(end) = taken else { return id };
        self.forget(id, &end);
        let Some(joined) = self.add(end, side, at) else { return id };
        if let Some(connection) = self.slab.get_mut(joined) {
            connection.take_over(alone);
        }
        joined
    }

    /// Lets the other end find this one by everything that is known of it.
    fn register(&mut self, id: ConnectionId, side: Side) {
        let Some(end) = self.slab.get_mut(id).and_then(|connection| connection.end_mut(side)) else { return };
        let Ok(name) = u32::try_from(id) else { return };
        for key in end.keys(side) {
            let hash = self.hashes.hash_one(key);
            if !end.registered.contains(&hash) {
                end.registered.push(hash);
                self.by_key.entry(hash).or_default().push(name);
            }
        }
    }

    /// Forgets a connection.
    pub fn remove(&mut self, id: ConnectionId) {
        let Some(connection) = self.slab.try_remove(id) else { return };
        for end in [connection.client, connection.server].into_iter().flatten() {
            self.forget(id, &end);
        }
    }

    /// Takes an end out of the tables.
    fn forget(&mut self, id: ConnectionId, end: &End) {
        if self.by_cookie.get(&end.cookie).is_some_and(|socket| socket.id() == id) {
            self.by_cookie.remove(&end.cookie);
        }
        for key in &end.registered {
            let Some(ids) = self.by_key.get_mut(key) else { continue };
            // One entry: the other end may be registered under the same key.
            if let Some(place) = ids.iter().position(|held| named(*held) == id) {
                ids.swap_remove(place);
            }
            if ids.is_empty() {
                self.by_key.remove(key);
            }
        }
    }

    /// A tick must look at this connection.
    pub fn attend(&mut self, id: ConnectionId) {
        self.attention.push(id);
    }

    /// A tick must look at this connection from a moment on that is not before those of earlier calls.
    pub fn attend_at(&mut self, moment: Moment, id: ConnectionId) {
        self.leaving.push_back((moment, id));
    }

    /// The connections that a tick must look at `now`, each once. One that is gone may be among them.
    pub fn take_attention(&mut self, now: Moment) -> Vec<ConnectionId> {
        let mut ids = std::mem::take(&mut self.attention);
        let due = self.leaving.iter().take_while(|(moment, _)| *moment <= now).count();
        ids.extend(self.leaving.drain(..due).map(|(_, id)| id));
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// The connection that lacks `side` and whose other end fits this one.
    fn partner(&self, end: &End, side: Side) -> Option<ConnectionId> {
        let older = end.flags & SocketFlags::PREEXISTING != 0;
        end.keys(side).find_map(|key| {
            let exact = self.partner_by(&key, end, side);
            exact.or_else(
                || {
                    if older { neighbours(key).find_map(|near| self.partner_by(&near, end, side)) } else { None }
                },
            )
        })
    }

    fn partner_by(&self, key: &Key, end: &End, side: Side) -> Option<ConnectionId> {
        let mut only_if = None;
        let mut candidates = 0;
        for id in self.by_key.get(&self.hashes.hash_one(key))? {
            let id = named(*id);
            let Some(held) = self.slab.get(id).filter(|held| held.end(side).is_none()) else { continue };
            let other = held.end(side.other()).filter(|other| other.told(side.other(), key));
            match other.and_then(|other| end.fits(other, key)) {
                Some(Fit::Certain) => return Some(id),
                Some(Fit::IfOnly) => {
                    candidates += 1;
                    only_if = Some(id);
                }
                None => {}
            }
        }
        only_if.filter(|_| candidates == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Endpoint;
    use tracer_common::SocketRecord;
    use zerocopy::FromZeros as _;

    fn end(cookie: u64, netns: u32, local: (&str, u16), remote: (&str, u16)) -> End {
        let mut end = End::new(&SocketRecord::new_zeroed(), None);
        end.cookie = cookie;
        end.local = Endpoint { netns, address: local.0.parse().unwrap(), port: local.1 };
        end.remote = Endpoint { netns, address: remote.0.parse().unwrap(), port: remote.1 };
        end
    }

    #[test]
    fn two_mirrored_ends_in_one_namespace_are_one_connection() {
        let mut all = Connections::default();
        let client = all.add(end(1, 5, ("127.0.0.1", 4000), ("127.0.0.1", 80)), Side::Client, Moment(0));
        let server = all.add(end(2, 5, ("127.0.0.1", 80), ("127.0.0.1", 4000)), Side::Server, Moment(0));
        assert_eq!(client, server);
        assert_eq!(all.iter().count(), 1);
    }

    #[test]
    fn loopback_of_another_namespace_is_another_world_but_a_routable_pair_is_joined() {
        let mut all = Connections::default();
        all.add(end(1, 5, ("127.0.0.1", 4000), ("127.0.0.1", 80)), Side::Client, Moment(0));
        all.add(end(2, 6, ("127.0.0.1", 80), ("127.0.0.1", 4000)), Side::Server, Moment(0));
        assert_eq!(all.iter().count(), 2);
        all.add(end(3, 5, ("10.0.0.1", 4000), ("10.0.0.2", 80)), Side::Client, Moment(0));
        all.add(end(4, 6, ("10.0.0.2", 80), ("10.0.0.1", 4000)), Side::Server, Moment(0));
        assert_eq!(all.iter().count(), 3);
    }

    #[test]
    fn a_client_whose_port_is_learned_later_is_joined_then() {
        let mut all = Connections::default();
        let id = all.add(end(1, 5, ("127.0.0.1", 0), ("127.0.0.1", 80)), Side::Client, Moment(0)).unwrap();
        all.add(end(2, 5, ("127.0.0.1", 80), ("127.0.0.1", 4000)), Side::Server, Moment(0));
        assert_eq!(all.iter().count(), 2);
        all.get_mut(id).unwrap().client.as_mut().unwrap().local.port = 4000;
        let joined = all.locate(id, Side::Client, Moment(0));
        assert_eq!(all.iter().count(), 1);
        assert!(all.get(joined).is_some_and(|held| held.client.is_some() && held.server.is_some()));
        assert_eq!(all.find(1), Some((joined, Side::Client)));
    }

    #[test]
    fn a_removed_connection_leaves_nothing_behind() {
        let mut all = Connections::default();
        let id = all.add(end(1, 5, ("127.0.0.1", 4000), ("127.0.0.1", 80)), Side::Client, Moment(0)).unwrap();
        all.remove(id);
        assert!(all.by_cookie.is_empty() && all.by_key.is_empty() && all.slab.is_empty());
    }

    #[test]
    fn a_pair_of_addresses_that_is_used_again_is_another_connection() {
        let mut all = Connections::default();
        let first = all.add(end(1, 5, ("127.0.0.1", 4000), ("127.0.0.1", 80)), Side::Client, Moment(0));
        all.add(end(2, 5, ("127.0.0.1", 80), ("127.0.0.1", 4000)), Side::Server, Moment(0));
        let second = all.add(end(3, 5, ("127.0.0.1", 4000), ("127.0.0.1", 80)), Side::Client, Moment(1));
        assert_ne!(first, second);
    }
}
