//! What the bytes of connections say.
//!
//! Invariant: each request counts once, as one end tells it: the one that was heard first. Memory: a talk for each
//! connection whose protocol is known or looked for; the choices are in `captures`.

use super::Engine;
use crate::exchange::{self, ConnectionId, Speech};
use crate::identity::Transport;
use crate::input::{Capture, Choice, Output, Place};
use crate::protocol::{Piece, Side, Talk, row};
use crate::time::Moment;
use tracer_common::{Exchange, SocketFlags, StreamHead};

impl Engine {
    /// Handles bytes that the owner of a socket sent or received.
    pub(super) fn stream(&mut self, head: &StreamHead, bytes: &[u8], out: &mut Vec<Output>) {
        let Some((id, end)) = self.connections.find(head.cookie) else { return };
        let Some(connection) = self.connections.get_mut(id) else { return };
        let Some(told) = connection.end(end) else { return };
        let older = told.flags & SocketFlags::PREEXISTING != 0;
        let (endpoint, transport) =
            (if end == exchange::Side::Server { told.local } else { told.remote }, told.transport);
        let counted_at = |end: &exchange::End| end.totals.requests.saturating_sub(end.uncounted.requests);
        let counted = counted_at(told);
        let told_for_call = connection.counted.and_then(|side| connection.end(side)).map_or(counted, counted_at);
        let is_client = (end == exchange::Side::Client) == (head.sent == 1);
        let piece = Piece {
            side: if is_client { Side::Client } else { Side::Server },
            position: head.position,
            other: head.other,
            length: u64::from(head.length),
            bytes,
            at: Moment(head.header.at),
            begins: head.begins == 1,
            exchange: head.exchange,
            weight: match head.share {
                0 => 1,
                1 => 1 << Exchange::SHARE_BITS,
                _ => 1 << Exchange::FAST_SHARE_BITS,
            },
        };
        let begin = || {
            let talk = match transport {
                Transport::Udp => Talk::datagrams(),
                _ if older => Talk::older(),
                _ => Talk::new(),
            };
            Box::new(Speech::new(end, talk, counted, told_for_call))
        };
        let speech = connection.speech.get_or_insert_with(begin);
        if speech.teller != end {
            speech.hear_echo(&piece, endpoint.port);
            return self.count(id);
        }
        speech.hear(&piece, endpoint.port);
        if let Some(peer) = speech.talk.take_peer() {
            speech.inside = peer.inside.or(speech.inside.take());
            if let Some(name) = peer.name {
                self.peers.claimed(endpoint.address, &name);
            }
        }
        let overlapping = speech.is_overlapping();
        let opaque = speech.talk.is_opaque();
        let capture = match speech.talk.protocol() {
            Some(protocol) if !opaque => Some(row(protocol).capture),
            // What the next connection says may yet be understood.
            _ => opaque.then_some(Capture::Opening),
        };
        let place = match transport {
            Transport::Unix => Place::Socket(head.cookie),
            Transport::Tcp | Transport::Udp => Place::Port { netns: endpoint.netns, port: endpoint.port, transport },
        };
        let room = if capture.is_some() || overlapping { self.captures.room(place, head.cookie) } else { None };
        if let (Some(place), Some(capture)) = (room, capture) {
            self.choose(Choice { place, capture, busy: false }, out);
        }
        if let (Some(place), true) = (room, overlapping) {
            self.choose_both(id, place, out);
        }
        if is_client
            && piece.begins
            && let Some(choice) = self.captures.pace(place, piece.weight, piece.at)
        {
            out.push(Output::Capture(choice));
        }
        self.count(id);
    }

    /// Has both ends of a connection tell all of it, and where requests overlap as a rule of all to that port.
    fn choose_both(&mut self, id: ConnectionId, place: Place, out: &mut Vec<Output>) {
        if matches!(place, Place::Port { .. }) && self.captures.find(&place) >= Some(Capture::Stream) {
            return self.choose(Choice { place, capture: Capture::Streams, busy: false }, out);
        }
        let Some(connection) = self.connections.get(id) else { return };
        let ends = [connection.client.as_ref(), connection.server.as_ref()];
        for cookie in ends.map(|end| end.map(|end| end.cookie)).into_iter().flatten() {
            if let Some(place) = self.captures.room(Place::Socket(cookie), cookie) {
                self.choose(Choice { place, capture: Capture::Streams, busy: false }, out);
            }
        }
    }

    /// Has more told of a place than before.
    fn choose(&mut self, choice: Choice, out: &mut Vec<Output>) {
        if self.captures.choose(choice) {
            out.push(Output::Capture(choice));
        }
    }
}
