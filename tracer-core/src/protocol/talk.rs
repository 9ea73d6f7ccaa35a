//! What is said on one connection, as the kernel tells its bytes: pieces with their place in each direction.
//!
//! Invariant: bytes between two pieces that were not told are a hole of known length; a piece that comes late or twice is
//! a hole too. A datagram is a message of its own, and one that was not told leaves no hole. Memory: that of a [`Conversation`] and of [`Requests`].

use super::{Conversation, Ended, Event, Message, Protocol, Requests, Side, row};
use crate::time::Moment;
use compact_str::CompactString;

/// Bytes of a datagram's length before it: as a message has over TCP, where it has one (RFC 1035 §4.2.2).
const LENGTH_BYTES: u64 = 2;
/// Requests that are over and wait for somebody to know whose they are.
const ENDED: usize = 4_096;

/// One connection.
#[derive(Debug, Default)]
pub struct Talk {
    conversation: Conversation,
    requests: Requests,
    /// It is one of datagrams.
    datagrams: bool,
    /// The place after the last byte of each side; `None` before the first piece of one that is older.
    client: Option<u64>,
    server: Option<u64>,
    /// The exchange by turns of which something was told last …
    heard_in: Option<u32>,
    /// … and that of which the last request was.
    asked_in: Option<u32>,
    /// For how many exchanges that of the last piece stands.
    weight: u64,
    /// Bytes were lost that may have said how a request ended.
    torn: bool,
    /// Whom the client wants to reach, and what it wants to speak inside, until somebody takes it.
    peer: Option<PeerName>,
    events: Vec<Event>,
    ended: Vec<(Ended, u64)>,
    /// Requests that were over and found no room.
    untold: u64,
}

/// Whom a client wants to reach by a protocol that hides the rest, and what it wants to speak inside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerName {
    pub name: Option<CompactString>,
    pub inside: Option<CompactString>,
}

/// A piece of what a side sends.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    pub side: Side,
    /// Bytes of this side before it, and of the other side.
    pub position: u64,
    pub other: u64,
    /// Bytes that moved, of which `bytes` are the first.
    pub length: u64,
    pub bytes: &'a [u8],
    pub at: Moment,
    /// A turn begins with it: a request after a response, or a response after a request …
    pub begins: bool,
    /// … of the exchange by turns with this number.
    pub exchange: u32,
    /// For how many exchanges this one stands: more than one where only a share of them is told.
    pub weight: u64,
}

impl Talk {
    /// From its first byte on.
    #[must_use]
    pub fn new() -> Self {
        Self { client: Some(0), server: Some(0), ..Self::default() }
    }

    /// The other end's view of one whose protocol is known, from somewhere in the middle.
    #[must_use]
    pub fn known(protocol: Protocol) -> Self {
        Self { conversation: Conversation::known(protocol), ..Self::default() }
    }

    /// From somewhere in the middle.
    #[must_use]
    pub fn older() -> Self {
        Self { conversation: Conversation::older(), ..Self::default() }
    }

    /// Of datagrams.
    #[must_use]
    pub fn datagrams() -> Self {
        Self { conversation: Conversation::datagrams(), datagrams: true, ..Self::default() }
    }

    /// The other end's view of this one, whose protocol is known.
    #[must_use]
    pub fn echo(&self) -> Option<Self> {
        Some(Self { datagrams: self.datagrams, ..Self::known(self.protocol()?) })
    }

    #[must_use]
    pub fn protocol(&self) -> Option<Protocol> {
        self.conversation.protocol()
    }

    /// Whether it comes in datagrams, each of which begins with a message.
    #[must_use]
    pub fn is_of_datagrams(&self) -> bool {
        self.datagrams
    }

    /// Whether more bytes would say nothing more.
    #[must_use]
    pub fn is_opaque(&self) -> bool {
        self.conversation.is_opaque()
    }

    /// Whether it is not known yet what is spoken.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        self.protocol().is_none() && !self.is_opaque()
    }

    /// Whether it is understood so far, each request of it: turns need not be counted.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.weight <= 1 && self.is_understood()
    }

    /// Whether the last piece was understood, be it one of a share.
    #[must_use]
    pub fn is_understood(&self) -> bool {
        self.protocol().is_some() && !self.is_opaque() && !self.conversation.is_lost(Side::Client)
    }

    /// The place up to which a side was heard; `None` before the first piece of one that is older.
    #[must_use]
    pub fn heard(&self, side: Side) -> Option<u64> {
        match side {
            Side::Client => self.client,
            Side::Server => self.server,
        }
    }

    /// The requests that wait.
    #[must_use]
    pub fn requests(&self) -> &Requests {
        &self.requests
    }

    /// Takes a piece; `port` is the server's.
    pub fn hear(&mut self, piece: &Piece<'_>, port: u16) {
        let Piece { side, position, length, bytes, at, weight, .. } = *piece;
        self.weight = weight;
        if self.datagrams {
            return self.hear_datagram(piece, port);
        }
        if side == Side::Server && piece.begins {
            self.requests.replied();
        }
        let is_other = self.heard_in.replace(piece.exchange).is_some_and(|heard_in| heard_in != piece.exchange);
        let is_by_turns = self.is_by_turns();
        let turns = piece.begins && is_by_turns;
        if turns || (is_other && is_by_turns) {
            // What the other side said last is over, also where what began this turn was not told: how long it was is
            // known now.
            self.miss(side.other(), piece.other, 0, true, at);
        }
        self.miss(side, position, length, piece.begins, at);
        if turns {
            self.take_events();
            self.realign(piece);
        }
        self.conversation.feed(side, port, bytes, at, &mut self.events);
        self.conversation.gap(side, length.saturating_sub(bytes.len() as u64), at, &mut self.events);
        self.take_events();
    }

    fn hear_datagram(&mut self, piece: &Piece<'_>, port: u16) {
        let Piece { side, length, bytes, at, .. } = *piece;
        let framed = [&u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes(), bytes].concat();
        self.conversation.realign(side);
        self.conversation.feed(side, port, &framed, at, &mut self.events);
        let told = (framed.len() as u64).saturating_sub(LENGTH_BYTES);
        self.conversation.gap(side, length.saturating_sub(told), at, &mut self.events);
        self.take_events();
    }

    /// Whether turns do not tell requests apart: some were open beside each other, turns began with something else, or either
    /// side speaks when it likes.
    #[must_use]
    pub fn overlaps(&self) -> bool {
        self.requests.are_several()
            || self.requests.are_late()
            || self.protocol().is_some_and(|protocol| row(protocol).unasked)
    }

    /// Whether what a side sends after the other begins with a message.
    fn is_by_turns(&self) -> bool {
        self.protocol().is_none_or(|protocol| row(protocol).turns) && !self.requests.are_several()
    }

    /// What lies between the last piece of a side and this one, which is so long, was not told; before the first piece of
    /// an older connection, that is known only where a turn begins with it.
    fn miss(&mut self, side: Side, position: u64, length: u64, begins: bool, at: Moment) {
        let next = match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        };
        let known = next.replace(position.saturating_add(length));
        let known = known.unwrap_or(if begins { position } else { position.saturating_sub(1) });
        // Where it belongs is past: nobody knows any more what follows what.
        let missing = position.checked_sub(known).unwrap_or(u64::MAX);
        self.conversation.gap(side, missing, at, &mut self.events);
    }

    /// A turn begins: nothing before the request that it belongs to is open.
    fn realign(&mut self, piece: &Piece<'_>) {
        let behind = self.requests.is_suspended() || self.conversation.is_lost(piece.side);
        match piece.side {
            Side::Client => {
                self.asked_in = Some(piece.exchange);
                if behind || self.conversation.is_lost(Side::Server) {
                    self.settle(Side::Server);
                    self.conversation.realign(Side::Server);
                    self.conversation.realign(Side::Client);
                    self.requests.realign();
                    self.conversation.renew();
                }
            }
            Side::Server if self.asked_in == Some(piece.exchange) => {}
            Side::Server if behind || piece.weight > 1 => self.requests.presume(piece.at),
            Side::Server => {}
        }
        self.conversation.realign(piece.side);
    }

    /// The requests that are over since they were last taken, and for how many each stands.
    pub fn take_ended(&mut self) -> impl Iterator<Item = (Ended, u64)> {
        self.ended.drain(..)
    }

    /// Whom the client wants to reach, if it has said so since this was taken last.
    pub fn take_peer(&mut self) -> Option<PeerName> {
        self.peer.take()
    }

    /// How many more were over since then, and found no room.
    pub fn take_untold(&mut self) -> u64 {
        std::mem::take(&mut self.untold)
    }

    fn take_events(&mut self) {
        let mut events = std::mem::take(&mut self.events);
        for event in events.drain(..) {
            match &event {
                Event::Lost(side) => {
                    self.torn = true;
                    self.settle(*side);
                }
                Event::Message(_, Message::Peer { name, inside }) => {
                    self.peer = Some(PeerName { name: name.clone(), inside: inside.clone() });
                }
                Event::Message(..) => {}
            }
            if let Some(ended) = self.requests.take(&event) {
                self.tell(ended);
            }
        }
        // Its room is for the next ones.
        self.events = events;
    }

    /// Of some requests nothing more will be known.
    fn settle(&mut self, side: Side) {
        for ended in self.requests.settle(side) {
            self.tell(ended);
        }
    }

    fn tell(&mut self, ended: Ended) {
        if self.ended.len() < ENDED {
            self.ended.push((ended, self.weight.max(1)));
        } else {
            self.untold += 1;
        }
    }

    /// Nothing more is sent: the client has sent so many bytes, and the server.
    pub fn close(&mut self, client: u64, server: u64, at: Moment) {
        let sides = [(Side::Client, client), (Side::Server, server)];
        for (side, all) in sides.into_iter().take(if self.datagrams { 0 } else { 2 }) {
            self.miss(side, all, 0, true, at);
            self.conversation.close(side, at, &mut self.events);
        }
        self.take_events();
    }

    /// Requests without a response, and those whose response was not over: as the bytes say, if all of them were heard.
    #[must_use]
    pub fn left_open(&self) -> Option<(u64, u64)> {
        let open =
            self.requests.waiting().fold(
                (0, 0),
                |(without, within), (_, _, answered)| {
                    if answered { (without, within + 1) } else { (without + 1, within) }
                },
            );
        (!self.torn).then_some(open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(talk: &mut Talk, side: Side, position: u64, length: u64, bytes: &[u8]) -> Vec<String> {
        let (at, begins, weight) = (Moment(1), false, 1);
        talk.hear(&Piece { side, position, other: 0, length, bytes, at, begins, exchange: 0, weight }, 6379);
        talk.take_ended().map(|(ended, _)| ended.operation.as_str().to_owned()).collect()
    }

    #[test]
    fn the_rest_of_a_value_may_be_missing_but_nothing_else() {
        let mut talk = Talk::new();
        let ask = b"*1\r\n$4\r\nPING\r\n";
        assert_eq!(hear(&mut talk, Side::Client, 0, 14, ask), [""; 0]);
        // Nothing of the value's hundred bytes was told but the first.
        assert_eq!(hear(&mut talk, Side::Server, 0, 108, b"$100\r\nx"), ["PING"]);
        assert_eq!(hear(&mut talk, Side::Client, 14, 14, ask), [""; 0]);
        assert_eq!(hear(&mut talk, Side::Server, 108, 7, b"+PO"), [""; 0]);
        assert_eq!(talk.requests().waiting().count(), 0);
        // The next turns are whole: the first may still belong to what was lost.
        assert_eq!(hear(&mut talk, Side::Client, 28, 14, ask), [""; 0]);
        assert_eq!(hear(&mut talk, Side::Server, 115, 7, b"+PONG\r\n"), [""; 0]);
        assert_eq!(hear(&mut talk, Side::Client, 42, 14, ask), [""; 0]);
        assert_eq!(hear(&mut talk, Side::Server, 122, 7, b"+PONG\r\n"), ["PING"]);
        // This one came before.
        assert_eq!(hear(&mut talk, Side::Client, 42, 14, ask), [""; 0]);
        assert_eq!(hear(&mut talk, Side::Server, 129, 7, b"+PONG\r\n"), [""; 0]);
    }

    #[test]
    fn an_older_connection_that_is_heard_in_the_middle_of_a_turn_is_known_from_the_next_one() {
        const ASK: &[u8] = b"GET /a HTTP/1.1\r\n\r\n";
        const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
        let (mut talk, mut ended) = (Talk::older(), Vec::new());
        let mut hear = |side, [position, other]: [u64; 2], bytes: &[u8], begins, exchange| {
            let (length, at, weight) = (bytes.len() as u64, Moment(1), 1);
            talk.hear(&Piece { side, position, other, length, bytes, at, begins, exchange, weight }, 80);
            ended.extend(talk.take_ended().map(|(ended, _)| ended.operation.as_str().to_owned()));
        };
        hear(Side::Server, [90, 98], b"the end of an answer", false, 1);
        // The rest of `HEAD /b`, the beginning of which was not told.
        hear(Side::Client, [100, 110], b"AD /b HTTP/1.1\r\n\r\n", false, 2);
        hear(Side::Server, [110, 118], ANSWER, true, 2);
        hear(Side::Client, [118, 137], ASK, true, 3);
        hear(Side::Server, [137, 137], ANSWER, true, 3);
        assert_eq!(ended, ["GET /a"]);
    }

    #[test]
    fn a_response_whose_request_was_lost_takes_no_other() {
        const HEAD: &[u8] = b"HEAD /b HTTP/1.1\r\n\r\n";
        const ASK: &[u8] = b"GET /a HTTP/1.1\r\n\r\n";
        const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
        const LONG: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        let (mut talk, mut places, mut ended) = (Talk::new(), [0; 2], Vec::new());
        let mut hear = |side, bytes: &[u8], exchange| {
            let (mine, others) = if side == Side::Client { (0, 1) } else { (1, 0) };
            let (position, other, length) = (places[mine], places[others], bytes.len() as u64);
            places[mine] += length;
            let (at, begins, weight) = (Moment(1), true, 1);
            // The first request was not told.
            if exchange > 0 {
                talk.hear(&Piece { side, position, other, length, bytes, at, begins, exchange, weight }, 80);
            }
            let line = |operation: &str, status: &str| format!("{operation} {status}");
            ended.extend(
                talk.take_ended().map(|(ended, _)| line(ended.operation.as_str(), ended.outcome.status.as_str())),
            );
        };
        hear(Side::Client, ASK, 0);
        hear(Side::Server, ANSWER, 1);
        for exchange in [2, 4] {
            hear(Side::Client, HEAD, exchange);
            hear(Side::Server, LONG, exchange);
            hear(Side::Client, ASK, exchange + 1);
            hear(Side::Server, ANSWER, exchange + 1);
        }
        assert_eq!(ended, ["HEAD /b 200", "GET /a 204", "HEAD /b 200", "GET /a 204"]);
    }

    #[test]
    fn where_frames_are_written_in_pieces_a_turn_does_not_begin_one() {
        const OPENED: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x03\x01\x05\0\0\0\x01\x82\x84\x86";
        const WINDOW: &[u8] = b"\0\0\x04\x08\0\0\0\0\0\0\0\0\x01";
        const RESPONSE: &[u8] = b"\0\0\x01\x01\x04\0\0\0\x01\x88\0\0\x40\0\0\0\0\0\x01yyyy";
        let (mut talk, mut sent, mut ended) = (Talk::new(), [0; 2], Vec::new());
        let mut hear = |side, length: u64, bytes: &[u8], exchange| {
            let [client, server] = sent;
            let (position, other) = if side == Side::Client { (client, server) } else { (server, client) };
            sent[usize::from(side == Side::Server)] += length;
            let (at, begins, weight) = (Moment(1), true, 1);
            talk.hear(&Piece { side, position, other, length, bytes, at, begins, exchange, weight }, 80);
            ended.extend(talk.take_ended().map(|(ended, _)| ended.outcome.status.as_str().to_owned()));
        };
        hear(Side::Client, OPENED.len() as u64, OPENED, 1);
        // Of each write of the server only the beginning was told, which is in the middle of a frame from the second on.
        hear(Side::Server, 60_000, RESPONSE, 1);
        for exchange in 2..10 {
            hear(Side::Client, WINDOW.len() as u64, WINDOW, exchange);
            hear(Side::Server, 60_000, &[b'y'; 4_032], exchange);
        }
        assert_eq!(ended, ["200"]);
        assert_eq!((talk.is_opaque(), talk.conversation.wrong()), (false, None));
    }
}
