//! HTTP/2 (RFC 9113) and gRPC on it (gRPC, PROTOCOL-HTTP2.md).
//!
//! `frame` reads the heads of frames, `hpack` with `table` and `huffman` the header blocks in them, `fields` what those
//! say, `streams` which request they belong to, `outcome` how it ended. Invariant: content is passed over, never looked
//! at; after a loss no field is taken for another. Memory: for each side what `hpack` keeps and one block's [`Fields`],
//! for both the streams that wait.

mod fields;
mod frame;
mod hpack;
mod huffman;
mod outcome;
mod streams;
mod table;

use crate::input::Capture;

use super::{About, Found, Message, Next, Parser, Protocol, Row, Side};
use fields::Fields;
use frame::{END_HEADERS, END_STREAM, Frame, Kind, PREFACE, Short};
use hpack::Decoder;
use streams::Streams;

pub(super) const ROW: Row = Row {
    protocol: Protocol::Http2,
    name: "http2",
    ports: &[50051],
    begins: frame::begins,
    parser: || Box::<Http2>::default(),
    capture: Capture::Stream,
    turns: false,
    unasked: true,
    datagrams: false,
    about: About {
        specification: "RFC 9113, RFC 7541 (HTTP/2, HPACK); gRPC over HTTP/2",
        recognised: "the client's preface; the heads of frames whose length and flags fit their type; what an \
                     upgrade or a tunnel of `http` leads to",
        operation: "the method and the route, as of `http`, such as `GET /users/{id}`; of gRPC `/package.Service/Method`; \
                    `POST` or `?` where the rest was sent before anybody looked",
        status: "the status code; of gRPC the name of its status, such as `UNAVAILABLE`; of a stream that was reset, or \
                 refused by GOAWAY, the name of the error, such as `CANCEL`",
        errors: "5xx, of which 502, 503 and 504 are a gateway's; of gRPC `UNKNOWN`, `DEADLINE_EXCEEDED`, `UNIMPLEMENTED`, \
                 `INTERNAL`, `UNAVAILABLE` and `DATA_LOSS`; a server's `INTERNAL_ERROR`, `REFUSED_STREAM` and `CANCEL`, and \
                 `CONNECT_ERROR` as a gateway's",
        matching: "stream number; what was asked in HTTP/1.1 before an upgrade is answered on the first stream",
        older: "from the next frame that is found on; a field is unknown as long as nothing but its place in a table \
                that nobody saw is sent",
        limits: "gRPC-Web is HTTP, as its status is in the content; a call of gRPC whose client gave up, also at its deadline, \
                 is `CANCEL`; after bytes that nobody saw, fields are unknown that are not spelled out again",
    },
};

/// Bytes of a header block that are taken at once.
const FRAGMENT_BYTES: usize = 8 << 10;

#[derive(Debug, Default)]
struct Http2 {
    client: Direction,
    server: Direction,
    streams: Streams,
}

#[derive(Debug, Default)]
struct Direction {
    decoder: Decoder,
    /// The header block that is running.
    block: Option<Block>,
}

/// A header block, in one frame or several (RFC 9113 §4.3).
#[derive(Debug)]
struct Block {
    stream: u32,
    is_promise: bool,
    /// The stream is over with it.
    is_last: bool,
    fields: Fields,
    /// Bytes of this frame that are to come, and padding after them.
    left: usize,
    padding: u64,
    /// It is over with this frame.
    is_whole: bool,
}

impl Parser for Http2 {
    fn next(&mut self, side: Side, bytes: &[u8], found: &mut Found) -> Next {
        self.read(side, bytes, found).map_or_else(Next::from, Next::Unit)
    }

    fn lost(&mut self, side: Side) {
        // Fields may have been added that nobody saw.
        *self.direction(side) = Direction::default();
        self.streams.lost();
    }
}

impl Http2 {
    fn direction(&mut self, side: Side) -> &mut Direction {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    fn read(&mut self, side: Side, bytes: &[u8], found: &mut Found) -> Result<u64, Short> {
        let direction = self.direction(side);
        if let Some(block) = &direction.block
            && block.left > 0
        {
            let fragment = bytes.get(..block.left.min(FRAGMENT_BYTES)).ok_or(Short::More)?;
            return match direction.block.take() {
                Some(block) => self.decode(side, block, 0, fragment, found),
                None => Err(Short::More),
            };
        }
        if side == Side::Client && direction.block.is_none() {
            if bytes.starts_with(PREFACE) {
                return Ok(PREFACE.len() as u64);
            }
            if PREFACE.starts_with(bytes) {
                return Err(Short::More);
            }
        }
        let frame = Frame::read(bytes)?;
        frame.check(side)?;
        match (frame.kind, &direction.block) {
            (Kind::Continuation, Some(block)) if block.stream == frame.stream => {}
            (Kind::Continuation, _) => return Err(Short::Wrong("a header block goes on that did not begin")),
            (_, Some(_)) => return Err(Short::Wrong("something stands within a header block")),
            (_, None) => {}
        }
        match frame.kind {
            Kind::Headers | Kind::PushPromise | Kind::Continuation => return self.block(side, &frame, bytes, found),
            Kind::Data if side == Side::Server && frame.has(END_STREAM) => self.streams.finish(frame.stream, found),
            Kind::RstStream => self.streams.reset(side, frame.stream, Frame::number(bytes, 0)?, found),
            Kind::GoAway if side == Side::Server => {
                self.streams.refuse_after(Frame::number(bytes, 0)? & (u32::MAX >> 1), found);
            }
            _ => {}
        }
        Ok(frame.whole())
    }

    /// A frame with a header block, or with more of one.
    fn block(&mut self, side: Side, frame: &Frame, bytes: &[u8], found: &mut Found) -> Result<u64, Short> {
        let place = frame.fragment(bytes)?;
        let length = place.length.min(FRAGMENT_BYTES);
        let fragment = bytes.get(place.start..place.start.saturating_add(length)).ok_or(Short::More)?;
        let running = self.direction(side).block.take();
        let mut block = running.unwrap_or_else(|| Block {
            stream: frame.stream,
            is_promise: frame.kind == Kind::PushPromise,
            is_last: frame.kind == Kind::Headers && frame.has(END_STREAM),
            fields: Fields::default(),
            left: 0,
            padding: 0,
            is_whole: false,
        });
        (block.left, block.padding, block.is_whole) = (place.length, place.padding, frame.has(END_HEADERS));
        self.decode(side, block, place.start, fragment, found)
    }

    /// More of a block, after so many other bytes.
    fn decode(
        &mut self,
        side: Side,
        mut block: Block,
        start: usize,
        fragment: &[u8],
        found: &mut Found,
    ) -> Result<u64, Short> {
        let direction = self.direction(side);
        direction.decoder.read(fragment, &mut |field| block.fields.take(field))?;
        block.left = block.left.saturating_sub(fragment.len());
        let mut length = (start + fragment.len()) as u64;
        if block.left == 0 {
            length += block.padding;
        }
        if block.left > 0 || !block.is_whole {
            direction.block = Some(block);
            return Ok(length);
        }
        direction.decoder.end()?;
        let Block { stream, is_promise, is_last, fields, .. } = block;
        match side {
            Side::Client => self.streams.ask(stream, &fields, found),
            // What is sent then is for nobody who asked.
            Side::Server if is_promise => found.messages.push(Message::Push { operation: fields.operation() }),
            Side::Server => self.streams.answer(stream, &fields, is_last, found),
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Conversation, Event};
    use crate::time::Moment;

    const CLIENT: Side = Side::Client;
    const SERVER: Side = Side::Server;

    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
    }

    /// A connection on which `GET /` was asked on stream 1.
    fn asked() -> Conversation {
        let mut conversation = Conversation::default();
        feed(&mut conversation, CLIENT, &[PREFACE, &frame(1, 0x5, 1, b"\x82\x84\x86")].concat());
        conversation
    }

    /// How the messages that end with these bytes went.
    fn feed(conversation: &mut Conversation, side: Side, bytes: &[u8]) -> Vec<String> {
        let mut events = Vec::new();
        conversation.feed(side, 80, bytes, Moment(1), &mut events);
        ends(&events)
    }

    fn ends(events: &[Event]) -> Vec<String> {
        let end = |event: &Event| match event {
            Event::Message(_, Message::End { outcome: Some(outcome), .. }) => Some(outcome.status.as_str().to_owned()),
            Event::Lost(_) => Some("lost".into()),
            Event::Message(..) => None,
        };
        events.iter().filter_map(end).collect()
    }

    #[test]
    fn a_hole_in_content_of_a_known_length_loses_nothing_and_any_other_the_table() {
        let mut conversation = asked();
        // The status 201 is added to the table.
        let response = [frame(1, 0x4, 1, b"\x48\x03201"), frame(0, 0x1, 1, &[7; 100])].concat();
        assert_eq!(feed(&mut conversation, SERVER, &response[..response.len() - 90]), [""; 0]);
        let mut events = Vec::new();
        conversation.gap(SERVER, 90, Moment(2), &mut events);
        assert_eq!(ends(&events), ["201"]);

        for (lost, status) in [(None, "201"), (Some(50), "")] {
            feed(&mut conversation, CLIENT, &frame(1, 0x5, 3, b"\x82\x84\x86"));
            events.clear();
            conversation.gap(SERVER, lost.unwrap_or(0), Moment(3), &mut events);
            feed(&mut conversation, CLIENT, &frame(8, 0, 0, b"\0\0\0\x01"));
            assert_eq!(feed(&mut conversation, SERVER, &frame(1, 0x5, 3, b"\xbe")), [status]);
        }
    }

    #[test]
    fn frames_of_other_types_are_passed_over_and_nothing_stands_within_a_header_block() {
        let mut conversation = asked();
        feed(&mut conversation, SERVER, &frame(4, 0, 0, b"\0\x03\0\0\0\x64"));
        let other = [frame(0xa, 0, 0, b"\0\0h2=\":81\""), frame(1, 0x1, 1, b""), frame(9, 0x4, 1, b"\x8d")].concat();
        assert_eq!(feed(&mut conversation, SERVER, &other), ["404"]);
        let within = [frame(1, 0x1, 1, b"\x88"), frame(6, 0, 0, &[0; 8])].concat();
        assert_eq!(feed(&mut conversation, SERVER, &within), ["lost"]);
        assert_eq!(conversation.wrong(), Some("something stands within a header block"));
    }

    #[test]
    fn a_header_block_that_is_larger_than_what_is_held_is_read_to_its_end() {
        let mut conversation = asked();
        // A cookie of 20 000 bytes after the status, and a field after it, in one frame.
        let cookie = [b"\x88\x0f\x11\x7f\xa1\x9b\x01".as_slice(), &[b'c'; 20_000], b"\x10\x01a\x01b"].concat();
        let block = frame(1, 0x5, 1, &cookie);
        let (last, before) = block.split_last_chunk::<3_000>().map(|(before, last)| (last, before)).unwrap();
        for piece in before.chunks(1_000) {
            assert_eq!(feed(&mut conversation, SERVER, piece), [""; 0]);
            assert!(conversation.held() <= 2 * FRAGMENT_BYTES);
        }
        assert_eq!(feed(&mut conversation, SERVER, last), ["200"]);
        assert_eq!(conversation.wrong(), None);
    }
}
