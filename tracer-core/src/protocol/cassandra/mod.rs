//! Cassandra and ScyllaDB: the CQL native protocol, versions 3 to 5 (its specifications `native_protocol_v3.spec` to
//! `native_protocol_v5.spec`).
//!
//! `frame` reads frames, `segment` the segments that they are in since version 5, `errors` says whose error it is. Invariant:
//! a response ends the request of its stream; of a statement nothing is kept but its kind and its table. Memory:
//! [`REQUESTS`] that wait, [`Statements`] that were prepared.

mod begins;
mod errors;
mod frame;
mod segment;

use std::collections::VecDeque;

use super::fields::Fields;
use super::lines::Short;
use super::statements::Statements;
use super::{About, Found, Id, Message, Next, Operation, Parser, Protocol, Row, Side};
use crate::input::Capture;
use frame::{Asked, Header, Number};
use segment::Segment;

pub(super) const ROW: Row = Row {
    protocol: Protocol::Cassandra,
    name: "cassandra",
    ports: &[9042],
    begins: begins::begins,
    parser: || Box::<Cassandra>::default(),
    // Executions name statements that were prepared long before.
    capture: Capture::Stream,
    turns: true,
    unasked: false,
    datagrams: false,
    about: About {
        specification: "CQL native protocol v3, v4 and v5 (segments without compression)",
        recognised: "the header of a frame and the beginning of its body; the checksum of a segment's header and the frame \
                     behind it",
        operation: "the statement and its table, such as `SELECT users`, also of one that was prepared; `PREPARE SELECT \
                    users` where it is; `?` for one that was prepared elsewhere; `BATCH`; other requests by their name, such \
                    as `STARTUP`",
        status: "`OK`, or the name of the error's code, such as `Unavailable`",
        errors: "`ServerError`, `Unavailable`, `Overloaded`, `IsBootstrapping`, `TruncateError`, `WriteTimeout`, \
                 `ReadTimeout`, `ReadFailure`, `WriteFailure`, `FunctionFailure`, `CdcWriteFailure`, `CasWriteUnknown` and codes \
                 that are not known; `SyntaxError`, `Invalid`, `Unauthorized`, `BadCredentials`, `AlreadyExists`, \
                 `ConfigError`, `Unprepared` and `ProtocolError` are statuses: they say what is wrong with the request",
        matching: "the stream",
        older: "from the next frame or segment that begins a turn on; a statement that was prepared before is `?`",
        limits: "drivers prepare a statement on one connection and execute it on all of a node: on the others it is `?`; of a \
                 compressed frame only the kind is read (`QUERY`, and `ERROR`, which counts as an error); compressed segments \
                 (version 5) are opaque; versions 1 and 2 are not read; keyspaces are told only where the statement names them",
    },
};

/// Requests that wait for their response; the oldest goes first.
const REQUESTS: usize = super::matching::REQUESTS;

#[derive(Debug, Default)]
struct Cassandra {
    statements: Statements<Number>,
    open: VecDeque<Open>,
    /// Requests so far, which number them: streams are used again.
    asked: u64,
    /// Frames come in segments, if it is known.
    is_segmented: Option<bool>,
    /// The client wants the rest to be compressed.
    compresses: bool,
    opaque: bool,
    client: Place,
    server: Place,
}

/// A request that waits.
#[derive(Debug)]
struct Open {
    stream: i16,
    number: u64,
    /// What is to be prepared.
    prepares: Option<Operation>,
}

/// Where a side is in its segments.
#[derive(Debug, Default)]
struct Place {
    /// Bytes of the segment's frames that are to come; between segments 0.
    segment: u64,
    is_whole: bool,
    /// Bytes that are to come of a frame that needs several segments …
    frame: u64,
    /// … and what is over with it.
    at_end: Vec<Message>,
}

impl Parser for Cassandra {
    fn next(&mut self, side: Side, bytes: &[u8], found: &mut Found) -> Next {
        if self.opaque {
            return Next::Opaque(1);
        }
        let unit = self.is_segmented(bytes).and_then(|is_segmented| {
            if is_segmented { self.segment(side, bytes, found) } else { self.frame(side, bytes, u64::MAX, found) }
        });
        match unit {
            Ok(length) if self.opaque => Next::Opaque(length),
            unit => unit.map_or_else(Next::from, Next::Unit),
        }
    }

    fn lost(&mut self, side: Side) {
        *self.place(side) = Place::default();
        if side == Side::Server {
            // A stream whose response is lost may be used again, unseen.
            self.open.clear();
        }
    }
}

impl Cassandra {
    fn place(&mut self, side: Side) -> &mut Place {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// Whether these bytes, which begin a unit, are of a segment. That is decided when a connection of version 5 is ready,
    /// which nobody may have seen.
    fn is_segmented(&mut self, bytes: &[u8]) -> Result<bool, Short> {
        if let Some(known) = self.is_segmented {
            return Ok(known);
        }
        match Segment::read(bytes) {
            Ok(_) => {
                self.is_segmented = Some(true);
                Ok(true)
            }
            Err(Short::More) => Err(Short::More),
            Err(Short::Wrong(_)) => Ok(false),
        }
    }

    /// The header of a segment, a frame in it, or a part of one.
    fn segment(&mut self, side: Side, bytes: &[u8], found: &mut Found) -> Result<u64, Short> {
        let (left, is_whole, goes_on) = {
            let place = self.place(side);
            (place.segment, place.is_whole, place.frame)
        };
        if left == 0 {
            let segment = Segment::read(bytes)?;
            if segment.length == 0 || (segment.is_whole && goes_on > 0) {
                return Err(Short::Wrong("a segment has nothing of what it is to have"));
            }
            let place = self.place(side);
            (place.segment, place.is_whole) = (segment.length, segment.is_whole);
            return Ok(segment::HEADER_BYTES as u64);
        }
        if is_whole {
            let length = self.frame(side, bytes, left, found)?;
            let rest = left.saturating_sub(length);
            self.place(side).segment = rest;
            return Ok(if rest == 0 { length.saturating_add(segment::TRAILER_BYTES) } else { length });
        }
        let whole = if goes_on > 0 {
            goes_on
        } else {
            let header = Header::read(side, &mut Fields::new(bytes, left))?;
            if header.length() <= left {
                return Err(Short::Wrong("a frame needs no second segment"));
            }
            // What follows in the next segment is not there, and will not be.
            let room = usize::try_from(left).unwrap_or(usize::MAX);
            let part = bytes.get(..room).unwrap_or(bytes);
            self.read(side, part, &header, found).map_err(|short| match short {
                Short::More if part.len() == room => Short::Wrong("a segment has too little of a frame"),
                short => short,
            })?;
            header.length()
        };
        let rest = whole.checked_sub(left).ok_or(Short::Wrong("a segment has more than the rest of a frame"))?;
        let place = self.place(side);
        (place.segment, place.frame) = (0, rest);
        place.at_end.append(&mut found.at_end);
        if rest == 0 {
            found.at_end = std::mem::take(&mut place.at_end);
        }
        Ok(left.saturating_add(segment::TRAILER_BYTES))
    }

    /// A frame, which has so much room.
    fn frame(&mut self, side: Side, bytes: &[u8], room: u64, found: &mut Found) -> Result<u64, Short> {
        let header = Header::read(side, &mut Fields::new(bytes, room))?;
        let length = header.length();
        if length > room {
            return Err(Short::Wrong("a frame is longer than its segment"));
        }
        self.read(side, bytes, &header, found)?;
        Ok(length)
    }

    /// What a frame says.
    fn read(&mut self, side: Side, bytes: &[u8], header: &Header, found: &mut Found) -> Result<(), Short> {
        let mut fields = Fields::new(bytes, header.length());
        fields.skip(frame::HEADER_BYTES)?;
        match side {
            Side::Client => {
                let asked = Asked::read(header, &mut fields)?;
                self.request(header, asked, found);
                Ok(())
            }
            Side::Server => self.response(header, &mut fields, found),
        }
    }

    fn request(&mut self, header: &Header, asked: Asked, found: &mut Found) {
        if header.version != 5 {
            self.is_segmented = Some(false);
        }
        let (operation, prepares) = match asked {
            Asked::Startup { compresses } => {
                self.compresses = compresses;
                (Operation::new("STARTUP", ""), None)
            }
            Asked::Other(operation) => (operation, None),
            Asked::Prepare(statement) => (Operation::new("PREPARE", statement.as_str()), Some(statement)),
            Asked::Execute(number) => {
                (number.map_or_else(|| Operation::new("?", ""), |number| self.statements.find(&number)), None)
            }
        };
        self.open.retain(|open| open.stream != header.stream);
        if self.open.len() >= REQUESTS {
            self.open.pop_front();
        }
        self.asked = self.asked.wrapping_add(1);
        let number = self.asked;
        self.open.push_back(Open { stream: header.stream, number, prepares });
        found.messages.push(Message::Request { id: Id::Number(number), operation, answered: true });
    }

    fn response(&mut self, header: &Header, fields: &mut Fields<'_>, found: &mut Found) -> Result<(), Short> {
        if header.code == frame::EVENT {
            let operation = frame::event(header, fields)?;
            found.at_end.push(Message::Push { operation });
            return Ok(());
        }
        let (outcome, prepared) = frame::answer(header, fields)?;
        if header.version == 5 && matches!(header.code, frame::READY | frame::AUTHENTICATE) {
            self.is_segmented = Some(true);
            self.opaque = self.compresses;
        }
        let Some(place) = self.open.iter().position(|open| open.stream == header.stream) else { return Ok(()) };
        let Some(open) = self.open.remove(place) else { return Ok(()) };
        if let (Some(number), Some(statement)) = (prepared, open.prepares) {
            self.statements.remember(number, statement);
        }
        let id = Id::Number(open.number);
        found.messages.push(Message::Response { id, outcome: Some(outcome) });
        found.at_end.push(Message::End { id, outcome: None });
        Ok(())
    }
}

#[cfg(test)]
mod tests;
