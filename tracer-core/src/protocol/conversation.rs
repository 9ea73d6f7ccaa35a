//! The bytes of both directions of a connection, as they come, and the messages in them.
//!
//! Invariant: what is found does not depend on how the bytes are cut; after a hole a side is silent until one of its
//! messages begins a turn. Memory: [`HEAD_BYTES`] for each side, the messages of one unit, and the parser's own.

use super::recognise::{self, Openings};
use super::{Found, Message, Next, Parser, Protocol, Side, Verdict, row};
use crate::time::Moment;

/// Bytes in which a unit has to say how long it is.
pub const HEAD_BYTES: usize = 16 << 10;
/// How often a connection's protocol may turn out to be wrong before it is left alone.
const REVISIONS: u32 = 3;

/// What was found, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message, at the moment of the byte that it begins with (for [`Message::End`]: that it ends with).
    Message(Moment, Message),
    /// Bytes of this side were lost, or not understood: what is in order is not known any more.
    Lost(Side),
}

/// One connection.
#[derive(Debug, Default)]
pub struct Conversation {
    state: State,
    client: Stream,
    server: Stream,
    /// Whose bytes came last.
    turn: Option<Side>,
    revisions: u32,
    /// Where the parser puts what it finds; emptied before each use.
    found: Found,
    /// What was found wrong last.
    wrong: Option<&'static str>,
}

#[derive(Debug)]
enum State {
    /// Its first bytes are looked at.
    New(Box<Openings>),
    Known(Protocol, Box<dyn Parser>),
    /// Nobody will know: with the protocol that it had before.
    Opaque(Option<Protocol>),
}

/// One direction.
#[derive(Debug, Default)]
struct Stream {
    /// The beginning of a unit that says too little yet, and when its first byte came.
    held: Vec<u8>,
    began: Moment,
    /// Bytes of the last unit that have not come yet, and what is over with them.
    rest: u64,
    at_end: Vec<Message>,
    /// The last unit ends when the side closes.
    until_close: bool,
    /// A unit's beginning is to be found again.
    lost: bool,
    /// The end of a response is to be found, in the middle of which bytes are missing.
    seeking: bool,
    opaque: bool,
}

impl Default for State {
    fn default() -> Self {
        Self::New(Box::default())
    }
}

impl Conversation {
    /// One that began before anybody looked: a beginning is to be found first.
    #[must_use]
    pub fn older() -> Self {
        Self { state: State::New(Box::new(Openings::older())), ..Self::default() }
    }

    /// One of datagrams.
    #[must_use]
    pub fn datagrams() -> Self {
        Self { state: State::New(Box::new(Openings::datagrams())), ..Self::default() }
    }

    /// One of which the protocol is known from elsewhere, such as that of another connection to the same place.
    #[must_use]
    pub fn known(protocol: Protocol) -> Self {
        let state = State::Known(protocol, (row(protocol).parser)());
        let lost = || Stream { lost: true, ..Stream::default() };
        Self { state, client: lost(), server: lost(), ..Self::default() }
    }

    /// The protocol, once it is recognised.
    #[must_use]
    pub fn protocol(&self) -> Option<Protocol> {
        match self.state {
            State::New(_) => None,
            State::Known(protocol, _) => Some(protocol),
            State::Opaque(protocol) => protocol,
        }
    }

    /// Whether more bytes would say nothing more.
    #[must_use]
    pub fn is_opaque(&self) -> bool {
        matches!(self.state, State::Opaque(_)) || (self.client.opaque && self.server.opaque)
    }

    /// Why bytes were last not understood.
    #[must_use]
    pub fn wrong(&self) -> Option<&'static str> {
        self.wrong
    }

    /// Bytes that are kept.
    #[must_use]
    pub fn held(&self) -> usize {
        let openings = if let State::New(openings) = &self.state { openings.held() } else { 0 };
        self.client.held.capacity() + self.server.held.capacity() + openings
    }

    /// The next bytes of a side; `port` is the server's.
    pub fn feed(&mut self, side: Side, port: u16, bytes: &[u8], at: Moment, out: &mut Vec<Event>) {
        let begins_turn = !bytes.is_empty() && self.turn(side, out);
        match &mut self.state {
            State::Opaque(_) => {}
            State::New(openings) => {
                openings.feed(side, port, bytes, at, begins_turn);
                self.recognise(false, out);
            }
            State::Known(..) => self.parse(side, port, bytes, at, begins_turn, out),
        }
    }

    /// So many bytes of a side that nobody saw.
    pub fn gap(&mut self, side: Side, length: u64, at: Moment, out: &mut Vec<Event>) {
        if length == 0 {
            return;
        }
        self.turn(side, out);
        if let State::New(openings) = &mut self.state {
            openings.gap(side);
            return;
        }
        let stream = self.stream(side);
        if stream.until_close {
            return;
        }
        if stream.lost {
            // What answered what was asked since may be among these bytes too.
            return self.lose(side, out);
        }
        // Only the end of a unit that is known to be this long: nothing is lost that would be looked at.
        if stream.held.is_empty() && stream.rest >= length {
            stream.rest -= length;
            stream.finish(at, out);
            return;
        }
        if stream.opaque || stream.seeking {
            return;
        }
        // What is over with a unit that is missing in part cannot be told any more.
        if stream.at_end.is_empty() && matches!(&self.state, State::Known(_, parser) if parser.may_resume(side)) {
            *self.stream(side) = Stream { seeking: true, ..Stream::default() };
            return;
        }
        self.lose(side, out);
    }

    /// Whether the beginning of a message of this side is to be found again.
    #[must_use]
    pub fn is_lost(&self, side: Side) -> bool {
        match side {
            Side::Client => self.client.lost || self.client.seeking,
            Side::Server => self.server.lost || self.server.seeking,
        }
    }

    /// A message of this side begins here, whatever was seen of the one before.
    pub fn realign(&mut self, side: Side) {
        let is_lost = self.is_lost(side);
        match &mut self.state {
            State::New(openings) => openings.realign(side),
            State::Known(_, parser) if is_lost => {
                parser.lost(side);
                *self.stream(side) = Stream::default();
            }
            State::Known(..) | State::Opaque(_) => {}
        }
    }

    /// A request begins here, before which nothing is open.
    pub fn renew(&mut self) {
        if let State::Known(_, parser) = &mut self.state {
            parser.realigned();
        }
    }

    /// A side sends no more.
    pub fn close(&mut self, side: Side, at: Moment, out: &mut Vec<Event>) {
        self.recognise(true, out);
        let stream = self.stream(side);
        if stream.until_close {
            return stream.finish(at, out);
        }
        if stream.lost || stream.seeking || stream.opaque || stream.rest > 0 || !stream.held.is_empty() {
            return;
        }
        let State::Known(_, parser) = &mut self.state else { return };
        let mut found = Found::default();
        parser.close(side, &mut found);
        out.extend(found.messages.into_iter().chain(found.at_end).map(|message| Event::Message(at, message)));
    }

    /// It is the turn of this side: whether it was the other's before.
    fn turn(&mut self, side: Side, out: &mut Vec<Event>) -> bool {
        // Before anything came, nobody knows whose turn it was.
        let begins = self.turn.replace(side).is_some_and(|turn| turn != side);
        if begins && self.stream(side.other()).seeking {
            // The response was over before, and nobody saw how.
            self.lose(side.other(), out);
        }
        begins
    }

    fn stream(&mut self, side: Side) -> &mut Stream {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// Takes a protocol if the first bytes say one, and gives them to its parser; whether nothing more may come.
    fn recognise(&mut self, is_over: bool, out: &mut Vec<Event>) {
        let State::New(openings) = &mut self.state else { return };
        match recognise::judge(openings, is_over) {
            recognise::Judgement::Wait => {}
            recognise::Judgement::Unknown => self.state = State::Opaque(None),
            recognise::Judgement::Known(protocol) => {
                let openings = std::mem::take(openings);
                let port = openings.port();
                self.state = State::Known(protocol, (row(protocol).parser)());
                for (side, bytes, at, begins_turn) in openings.into_pieces() {
                    match bytes {
                        Some(bytes) => self.parse(side, port, &bytes, at, begins_turn, out),
                        None => self.lose(side, out),
                    }
                }
            }
        }
    }

    /// Gives bytes to the parser, unit by unit.
    fn parse(&mut self, side: Side, port: u16, bytes: &[u8], at: Moment, begins_turn: bool, out: &mut Vec<Event>) {
        let stream = self.stream(side);
        let mut held = std::mem::take(&mut stream.held);
        if stream.lost && begins_turn {
            // What began a turn before, and said too little, is not what this continues.
            held.clear();
        }
        // Of what is lost, only what begins a turn is held.
        let begins_turn = begins_turn || !held.is_empty();
        let joined;
        let (mut left, old) = if held.is_empty() {
            (bytes, 0)
        } else {
            joined = [&held, bytes].concat();
            (joined.as_slice(), held.len())
        };
        let all = left.len();
        while !left.is_empty() {
            let State::Known(protocol, parser) = &mut self.state else {
                // The protocol has changed within these bytes.
                return self.feed(side, port, left, at, out);
            };
            let stream = match side {
                Side::Client => &mut self.client,
                Side::Server => &mut self.server,
            };
            if stream.rest > 0 {
                left = stream.pass(left, at, out);
                continue;
            }
            if stream.opaque || stream.until_close {
                return;
            }
            let began = if all - left.len() < old { stream.began } else { at };
            if stream.seeking {
                let Some(rest) = parser.resume(side, left).and_then(|place| left.get(place..)) else { return };
                stream.seeking = false;
                left = rest;
                continue;
            }
            if stream.lost {
                // In the middle of a turn, anything may look like a beginning.
                let verdict = if begins_turn { (row(*protocol).begins)(side, left) } else { Verdict::No };
                match verdict {
                    Verdict::Certain | Verdict::Likely => stream.lost = false,
                    Verdict::More if left.len() < HEAD_BYTES => {
                        stream.held = left.to_vec();
                        stream.began = began;
                        return;
                    }
                    // What is passed over may have answered what was asked since the loss.
                    Verdict::More | Verdict::No => return self.lose(side, out),
                }
            }
            let found = &mut self.found;
            found.messages.clear();
            found.at_end.clear();
            let next = parser.next(side, left.get(..HEAD_BYTES).unwrap_or(left), found);
            let wrong = match next {
                Next::Unit(length) | Next::Opaque(length) | Next::Switch(length) if length > 0 => {
                    out.extend(found.messages.drain(..).map(|message| Event::Message(began, message)));
                    std::mem::swap(&mut stream.at_end, &mut found.at_end);
                    stream.rest = length;
                    left = stream.pass(left, at, out);
                    stream.opaque = matches!(next, Next::Opaque(_));
                    if matches!(next, Next::Switch(_)) {
                        self.state = State::default();
                        (self.client, self.server) = (Stream::default(), Stream::default());
                    }
                    continue;
                }
                Next::UntilClose => {
                    out.extend(found.messages.drain(..).map(|message| Event::Message(began, message)));
                    std::mem::swap(&mut stream.at_end, &mut found.at_end);
                    stream.until_close = true;
                    return;
                }
                Next::More if left.len() < HEAD_BYTES => {
                    stream.held = left.to_vec();
                    stream.began = began;
                    return;
                }
                Next::More => "the head of a unit is too long",
                Next::Wrong(reason) => reason,
                Next::Unit(_) | Next::Opaque(_) | Next::Switch(_) => "a unit is empty",
            };
            self.wrong = Some(wrong);
            return self.revise(side, out);
        }
    }

    /// A side is not understood any more. When that is so again and again, it never was what it was taken for.
    fn revise(&mut self, side: Side, out: &mut Vec<Event>) {
        self.lose(side, out);
        self.revisions += 1;
        if self.revisions > REVISIONS {
            self.state = State::Opaque(None);
        }
    }

    fn lose(&mut self, side: Side, out: &mut Vec<Event>) {
        let stream = self.stream(side);
        *stream = Stream { lost: true, ..Stream::default() };
        if let State::Known(_, parser) = &mut self.state {
            parser.lost(side);
        }
        out.push(Event::Lost(side));
    }
}

impl Stream {
    /// Passes over what has come of the rest of a unit; gives what follows it.
    fn pass<'a>(&mut self, bytes: &'a [u8], at: Moment, out: &mut Vec<Event>) -> &'a [u8] {
        let length = usize::try_from(self.rest).unwrap_or(usize::MAX).min(bytes.len());
        self.rest -= length as u64;
        self.finish(at, out);
        bytes.get(length..).unwrap_or_default()
    }

    /// Tells what is over, if the unit is.
    fn finish(&mut self, at: Moment, out: &mut Vec<Event>) {
        if self.rest == 0 {
            out.extend(self.at_end.drain(..).map(|message| Event::Message(at, message)));
        }
    }
}
