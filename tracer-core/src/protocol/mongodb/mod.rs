//! MongoDB: its wire protocol (MongoDB's manual, "Wire Protocol"; the specifications of its drivers for `OP_MSG` and
//! `OP_COMPRESSED`).
//!
//! `message` reads headers and finds the document of a message, `bson` its elements, `command` what they ask and how it
//! ended, `codes` whose error it is. Invariant: of a document nothing is kept but the command, its collection and the name
//! or number of an error; a document is read to a bound and followed to no depth. Memory: [`REQUESTS`] that wait, [`STREAMS`] of answers
//! that go on.

mod bson;
mod codes;
mod command;
mod message;

use std::collections::VecDeque;

use super::fields::Fields;
use super::lines::Short;
use super::{About, Found, Id, Message, Next, Operation, Outcome, Parser, Protocol, Row, Side, Verdict};
use crate::input::Capture;
use message::{Header, Request};

pub(super) const ROW: Row = Row {
    protocol: Protocol::Mongodb,
    name: "mongodb",
    ports: &[27017, 27018, 27019],
    begins,
    parser: || Box::<Mongodb>::default(),
    capture: Capture::Stream,
    turns: true,
    unasked: false,
    datagrams: false,
    about: About {
        specification: "MongoDB wire protocol: `OP_MSG`, `OP_QUERY` and `OP_REPLY`, the header of `OP_COMPRESSED`",
        recognised: "the header of a message, and the flags and the first section or collection behind it",
        operation: "the command and its collection, `{id}` in place of parts that look like values, such as `find users`; \
                    `explain find users`; `COMPRESSED` for one that is compressed",
        status: "`OK`, or the `codeName` of an error, such as `DuplicateKey`, else its code; of a bulk of writes that of \
                 the first that failed; nothing where the answer is compressed",
        errors: "`ok: 0`, `writeErrors` and `writeConcernError`, but for codes that say what is wrong with the request: \
                 not authorised, not found, there already, not valid, in conflict, and checks that have only a number \
                 (`Location40324`); not the primary, interrupted, out of time, and every code that is not known are errors",
        matching: "`requestID` and `responseTo`",
        older: "from the next message that begins a turn on",
        limits: "a command that is not in the first 3 KiB of its message is `?`; so far back, an answer whose results are longer \
                 counts as `OK`; of answers that go on unasked (exhaust cursors) the first ends the request and the rest are \
                 told for themselves, and a `hello` that waits for changes that way has no response; single operations of \
                 `bulkWrite` may fail unseen; a compressed request that nobody answers ends with the next answer; databases are \
                 not told apart",
    },
};

/// Requests that wait for their response; the oldest goes first.
const REQUESTS: usize = super::matching::REQUESTS;
/// Answers that go on; the oldest goes first.
const STREAMS: usize = 64;

fn begins(side: Side, bytes: &[u8]) -> Verdict {
    match message::begins(side, bytes) {
        Ok(verdict) => verdict,
        Err(Short::More) => Verdict::More,
        Err(Short::Wrong(_)) => Verdict::No,
    }
}

#[derive(Debug, Default)]
struct Mongodb {
    open: VecDeque<Open>,
    /// Requests so far, which number them: a client may use a number again.
    asked: u64,
    streams: VecDeque<Stream>,
}

/// A request that waits.
#[derive(Debug)]
struct Open {
    id: u32,
    number: u64,
    operation: Operation,
    is_compressed: bool,
}

/// An answer that goes on: the number of its last message, which the next one answers.
#[derive(Debug)]
struct Stream {
    last: u32,
    operation: Operation,
}

impl Parser for Mongodb {
    fn next(&mut self, side: Side, bytes: &[u8], found: &mut Found) -> Next {
        self.message(side, bytes, found).map_or_else(Next::from, Next::Unit)
    }

    fn lost(&mut self, side: Side) {
        // A number that comes again may be another's.
        self.streams.clear();
        if side == Side::Server {
            // Whether these were answered is not known any more.
            self.open.retain(|open| !open.is_compressed);
        }
    }
}

impl Mongodb {
    fn message(&mut self, side: Side, bytes: &[u8], found: &mut Found) -> Result<u64, Short> {
        let mut fields = Fields::new(bytes, u64::MAX);
        let header = Header::read(&mut fields)?;
        let length = u64::from(header.length);
        let mut fields = Fields::new(bytes, length);
        fields.skip(message::HEADER_BYTES)?;
        match side {
            Side::Client => {
                let request = Request::read(header.kind, &mut fields)?;
                self.request(&header, request, found);
            }
            Side::Server => {
                let (outcome, goes_on) = message::response(header.kind, &mut fields)?;
                self.response(&header, outcome, goes_on, found);
            }
        }
        Ok(length)
    }

    fn request(&mut self, header: &Header, request: Request, found: &mut Found) {
        let Request { operation, is_answered, may_go_on, is_compressed } = request;
        self.open.retain(|open| open.id != header.id);
        // It is answered whenever something changes, which says nothing of how long that takes.
        let is_subscription = may_go_on && matches!(operation.as_str(), "hello" | "isMaster" | "ismaster");
        if !is_answered || is_subscription {
            if is_subscription {
                self.stream(header.id, operation.clone());
            }
            found.messages.push(Message::Request { id: Id::Order, operation, answered: false });
            return;
        }
        if self.open.len() >= REQUESTS {
            self.open.pop_front();
        }
        self.asked = self.asked.wrapping_add(1);
        let number = self.asked;
        self.open.push_back(Open { id: header.id, number, operation: operation.clone(), is_compressed });
        found.messages.push(Message::Request { id: Id::Number(number), operation, answered: true });
    }

    fn response(&mut self, header: &Header, outcome: Outcome, goes_on: bool, found: &mut Found) {
        if let Some(place) = self.streams.iter().position(|stream| stream.last == header.answers) {
            let Some(Stream { operation, .. }) = self.streams.remove(place) else { return };
            if goes_on {
                self.stream(header.id, operation.clone());
            }
            found.at_end.push(Message::Push { operation });
            return;
        }
        let Some(place) = self.open.iter().position(|open| open.id == header.answers) else { return };
        // Nobody knows whether those before it, which are compressed, are answered at all.
        let overtaken: Vec<u64> =
            self.open.iter().take(place).filter(|open| open.is_compressed).map(|open| open.number).collect();
        let Some(Open { number, operation, .. }) = self.open.remove(place) else { return };
        if goes_on {
            self.stream(header.id, operation);
        }
        for number in overtaken {
            self.open.retain(|open| open.number != number);
            found.messages.push(Message::Response { id: Id::Number(number), outcome: None });
            found.at_end.push(Message::End { id: Id::Number(number), outcome: None });
        }
        let id = Id::Number(number);
        found.messages.push(Message::Response { id, outcome: Some(outcome) });
        found.at_end.push(Message::End { id, outcome: None });
    }

    fn stream(&mut self, last: u32, operation: Operation) {
        if self.streams.len() >= STREAMS {
            self.streams.pop_front();
        }
        self.streams.push_back(Stream { last, operation });
    }
}

#[cfg(test)]
mod tests;
