//! Memcached: the text protocol, its meta commands and the binary protocol (protocol.txt and protocol-binary.txt of
//! memcached).
//!
//! Invariant: of a command nothing but its name is kept; a quiet command that the server answered with silence ends
//! when something behind it is answered. Memory: [`REQUESTS`] that wait.

mod binary;
mod text;

use std::collections::VecDeque;

use super::{About, Found, Id, Message, Next, Outcome, Parser, Protocol, Row, Side, Verdict};
use crate::input::Capture;

pub(super) const ROW: Row = Row {
    protocol: Protocol::Memcached,
    name: "memcached",
    ports: &[11211],
    begins,
    parser: || Box::<Memcached>::default(),
    capture: Capture::Stream,
    turns: true,
    unasked: false,
    datagrams: false,
    about: About {
        specification: "memcached's protocol.txt (text, meta) and protocol-binary.txt",
        recognised: "a line of a text or meta command, or of a response to one; a header of the binary protocol",
        operation: "the command, such as `get`; that of the binary protocol has the same name",
        status: "the first word of the response, such as `STORED` or `VALUE`; `OK` for a number",
        errors: "`SERVER_ERROR`; in the binary protocol no memory, internal error, busy and temporary failure; \
                 `ERROR`, `CLIENT_ERROR` and what means the same are statuses",
        matching: "order; in the binary protocol the opaque number, if it is not 0",
        older: "from the next command after a response on",
        limits: "a quiet command that succeeds ends when a later one is answered; UDP is not read",
    },
};

/// Requests of which is known how they may be answered; the oldest goes first.
const REQUESTS: usize = 1_024;

fn begins(side: Side, bytes: &[u8]) -> Verdict {
    match bytes.first() {
        Some(&(binary::REQUEST | binary::RESPONSE)) => binary::begins(side, bytes),
        _ => text::begins(side, bytes),
    }
}

#[derive(Debug, Default)]
struct Memcached {
    open: Open,
    text: text::Text,
}

impl Parser for Memcached {
    fn next(&mut self, side: Side, bytes: &[u8], found: &mut Found) -> Next {
        let is_binary = !self.text.is_within(side) && bytes.first().is_some_and(|byte| *byte >= 0x80);
        let unit = match (side, is_binary) {
            (Side::Client, true) => binary::request(bytes, &mut self.open, found),
            (Side::Server, true) => binary::response(bytes, &mut self.open, found),
            (Side::Client, false) => self.text.request(bytes, &mut self.open, found),
            (Side::Server, false) => self.text.response(bytes, &mut self.open, found),
        };
        unit.map_or_else(Next::from, Next::Unit)
    }

    fn lost(&mut self, side: Side) {
        self.open.asked.clear();
        self.text.lost(side);
    }
}

/// Requests that wait, in the order in which they came.
#[derive(Debug, Default)]
struct Open {
    asked: VecDeque<Asked>,
}

/// A request that waits.
#[derive(Clone, Copy, Debug)]
struct Asked {
    id: Id,
    /// What may answer it is for its protocol to say.
    code: u8,
    /// A number that the response repeats, if it was given one.
    token: Option<u64>,
    /// What silence means, if that is an answer.
    silence: Option<&'static str>,
    /// Whether it may be refused without an error (text).
    conditional: bool,
}

impl Open {
    fn ask(&mut self, asked: Asked) {
        if self.asked.len() >= REQUESTS {
            self.asked.pop_front();
        }
        self.asked.push_back(asked);
    }

    /// The first request that `is_answered`; those before it that may be answered by silence are over.
    fn answer(&mut self, is_answered: impl Fn(&Asked) -> bool, found: &mut Found) -> Option<Asked> {
        let place = self.asked.iter().position(is_answered)?;
        let answered = self.asked.remove(place);
        let mut earlier = place;
        self.asked.retain(|asked| {
            let Some(silence) = asked.silence.filter(|_| earlier > 0) else {
                earlier = earlier.saturating_sub(1);
                return true;
            };
            earlier -= 1;
            found.messages.push(Message::End { id: asked.id, outcome: Some(Outcome::success(silence)) });
            false
        });
        answered
    }
}
