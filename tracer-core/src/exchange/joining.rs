//! When two sockets are the two ends of one connection.
//!
//! Invariant: two ends are joined only on evidence that no other pair of sockets can give: the kernel's own word (Unix
//! sockets), the initial sequence numbers of both directions (TCP; they survive address translation), or addresses
//! that mirror each other where an address means one thing only. Memory: the hashes of three keys for each end at most.

use super::{End, Side};
use crate::identity::{Endpoint, Transport};
use std::net::IpAddr;

/// Something that the two ends of one connection have in common, written alike by both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// The sequence numbers that the client and the server began with.
    Sequences(u32, u32),
    /// Client address and port, server address and port.
    Addresses(IpAddr, u16, IpAddr, u16),
    /// The ports of a client and a server of datagrams: their addresses may be wildcards.
    Datagrams(u16, u16),
    /// The cookie of the client's socket: it connects once, and the server's socket knows it.
    Client(u64),
}

impl End {
    /// The keys under which the other end may be found.
    pub fn keys(&self, side: Side) -> impl Iterator<Item = Key> + use<> {
        let (client, server) = by_side(side, &self.local, &self.remote);
        let located = self.local.port != 0;
        let keys = match self.transport {
            Transport::Tcp => [
                self.sequences.map(|(own, other)| {
                    let (client, server) = by_side(side, own, other);
                    Key::Sequences(client, server)
                }),
                located.then_some(Key::Addresses(client.address, client.port, server.address, server.port)),
            ],
            Transport::Udp => [located.then_some(Key::Datagrams(client.port, server.port)), None],
            Transport::Unix => {
                let (client, _) = by_side(side, self.cookie, self.peer_cookie);
                [(client != 0).then_some(Key::Client(client)), None]
            }
        };
        keys.into_iter().flatten()
    }

    /// Whether it has told this key, or would have while it had its port: two keys may have one hash.
    pub(super) fn told(&self, side: Side, key: &Key) -> bool {
        let is_own = |port| self.local.port == port || self.local.port == 0;
        let at = |own: (IpAddr, u16), other: (IpAddr, u16)| {
            own.0 == self.local.address && is_own(own.1) && other == (self.remote.address, self.remote.port)
        };
        match *key {
            Key::Addresses(client, client_port, server, server_port) => {
                let (own, other) = by_side(side, (client, client_port), (server, server_port));
                at(own, other)
            }
            Key::Datagrams(client, server) => {
                let (own, other) = by_side(side, client, server);
                is_own(own) && other == self.remote.port
            }
            Key::Sequences(..) | Key::Client(..) => self.keys(side).any(|own| own == *key),
        }
    }

    /// How well `other` fits as the other end, of those found under `key`; `None` if it is not.
    #[must_use]
    pub fn fits(&self, other: &Self, key: &Key) -> Option<Fit> {
        if self.transport != other.transport {
            return None;
        }
        match key {
            Key::Sequences(..) | Key::Client(..) => Some(Fit::Certain),
            Key::Addresses(..) if self.contradicts(other) => None,
            Key::Addresses(..) if self.local.netns == other.local.netns => Some(Fit::Certain),
            Key::Addresses(..) => (!self.local.is_confined()).then_some(Fit::IfOnly),
            Key::Datagrams(..) => self.fits_datagrams(other),
        }
    }

    /// Whether the sequence numbers of both ends are known and are not each other's. Those of an older connection may be
    /// off by one.
    fn contradicts(&self, other: &Self) -> bool {
        let (Some((own_sent, own_received)), Some((other_sent, other_received))) = (self.sequences, other.sequences)
        else {
            return false;
        };
        !(is_near(own_sent, other_received) && is_near(own_received, other_sent))
    }

    fn fits_datagrams(&self, other: &Self) -> Option<Fit> {
        let means = |remote: &Endpoint, local: &Endpoint| remote.address == local.address;
        let may_mean = |remote: &Endpoint, local: &Endpoint| means(remote, local) || local.address.is_unspecified();
        if !may_mean(&self.remote, &other.local) || !may_mean(&other.remote, &self.local) {
            return None;
        }
        if self.local.netns == other.local.netns {
            return Some(Fit::Certain);
        }
        let verified = means(&self.remote, &other.local) || means(&other.remote, &self.local);
        let confined = self.remote.is_confined() || other.remote.is_confined();
        (verified && !confined).then_some(Fit::IfOnly)
    }
}

/// The client's, then the server's.
fn by_side<T>(side: Side, own: T, other: T) -> (T, T) {
    if side == Side::Client { (own, other) } else { (other, own) }
}

fn is_near(one: u32, other: u32) -> bool {
    one.wrapping_sub(other).wrapping_add(1) <= 2
}

/// How well two ends fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    Certain,
    /// If no other fits as well.
    IfOnly,
}

/// The keys that the other end of an older connection may have: sequence numbers that were taken back from later ones may
/// be off by one.
pub fn neighbours(key: Key) -> impl Iterator<Item = Key> {
    let steps: &[u32] = if matches!(key, Key::Sequences(..)) { &[0, 1, u32::MAX] } else { &[0] };
    steps.iter().flat_map(move |first| steps.iter().map(move |second| (first, second))).map(move |(first, second)| {
        match key {
            Key::Sequences(client, server) => Key::Sequences(client.wrapping_add(*first), server.wrapping_add(*second)),
            other => other,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracer_common::SocketRecord;
    use zerocopy::FromZeros as _;

    fn end(transport: Transport, netns: u32, local: (&str, u16), remote: (&str, u16)) -> End {
        let mut end = End::new(&SocketRecord::new_zeroed(), None);
        end.transport = transport;
        end.local = Endpoint { netns, address: local.0.parse().unwrap(), port: local.1 };
        end.remote = Endpoint { netns, address: remote.0.parse().unwrap(), port: remote.1 };
        end
    }

    #[test]
    fn through_address_translation_the_sequence_numbers_of_both_ends_are_one_key() {
        let client = End { sequences: Some((7, 9)), ..end(Transport::Tcp, 1, ("10.0.0.1", 4000), ("10.0.0.9", 80)) };
        let server = End { sequences: Some((9, 7)), ..end(Transport::Tcp, 2, ("10.1.0.2", 8080), ("10.1.0.1", 555)) };
        let key = client.keys(Side::Client).next().unwrap();
        assert_eq!(Some(key), server.keys(Side::Server).next());
        assert_eq!(client.fits(&server, &key), Some(Fit::Certain));
    }

    #[test]
    fn the_same_addresses_with_other_sequence_numbers_are_another_connection() {
        let client = End { sequences: Some((7, 9)), ..end(Transport::Tcp, 1, ("10.0.0.1", 4000), ("10.0.0.9", 80)) };
        let mut server = end(Transport::Tcp, 1, ("10.0.0.9", 80), ("10.0.0.1", 4000));
        let key = client.keys(Side::Client).last().unwrap();
        assert_eq!(client.fits(&server, &key), Some(Fit::Certain));
        server.sequences = Some((9, 8));
        assert_eq!(client.fits(&server, &key), Some(Fit::Certain), "off by one, as for an older connection");
        server.sequences = Some((9, 70));
        assert_eq!(client.fits(&server, &key), None);
    }

    #[test]
    fn sequence_numbers_that_are_off_by_one_are_among_the_neighbours_also_around_zero() {
        let near: Vec<Key> = neighbours(Key::Sequences(0, u32::MAX)).collect();
        assert_eq!(near.len(), 9);
        assert!(near.contains(&Key::Sequences(u32::MAX, 0)));
        assert_eq!(neighbours(Key::Datagrams(1, 2)).count(), 1);
    }

    #[test]
    fn a_wildcard_address_is_any_address_of_its_namespace_and_no_address_of_another() {
        let client = end(Transport::Udp, 1, ("0.0.0.0", 4000), ("127.0.0.1", 53));
        let server = |netns, local: &str| end(Transport::Udp, netns, (local, 53), ("127.0.0.1", 4000));
        let key = client.keys(Side::Client).next().unwrap();
        assert_eq!(Some(key), server(1, "::").keys(Side::Server).next());
        assert_eq!(client.fits(&server(1, "0.0.0.0"), &key), Some(Fit::Certain));
        assert_eq!(client.fits(&server(1, "127.0.0.53"), &key), None);
        assert_eq!(client.fits(&server(2, "0.0.0.0"), &key), None);
        let far = end(Transport::Udp, 1, ("10.0.0.1", 4000), ("10.0.0.2", 53));
        let server = end(Transport::Udp, 2, ("0.0.0.0", 53), ("10.0.0.1", 4000));
        assert_eq!(far.fits(&server, &key), Some(Fit::IfOnly));
    }

    #[test]
    fn the_ends_of_a_unix_connection_name_each_other() {
        let mut client = end(Transport::Unix, 1, ("::", 0), ("::", 0));
        (client.cookie, client.peer_cookie) = (3, 4);
        let mut server = client.clone();
        (server.cookie, server.peer_cookie) = (4, 3);
        assert_eq!(client.keys(Side::Client).next(), server.keys(Side::Server).next());
        client.peer_cookie = 0;
        assert_eq!(client.keys(Side::Client).next(), server.keys(Side::Server).next(), "the server knows its client");
    }
}
