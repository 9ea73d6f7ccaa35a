//! AMQP 0-9-1: frames, methods, and publications that are confirmed (AMQP 0-9-1 specification §2.3, §4.2; RabbitMQ's
//! "Consumer Acknowledgements and Publisher Confirms").
//!
//! Recognised is the protocol header, and a frame of a method that there is. Invariant: of a message nothing but its
//! exchange and routing key is kept, with values left out; neither credentials nor bodies. A reply ends the oldest
//! request of its channel that it may be of; a confirmation ends the publication of its number. Memory: `CHANNELS`,
//! `REQUESTS` that wait for a reply, `PUBLICATIONS` for a confirmation.

mod channel;
mod method;

use super::lines::Short;
use super::{About, Found, Next, Operation, Parser, Protocol, Row, Side, Verdict, fields::Fields};
use crate::input::Capture;
use channel::Channels;
use method::{Method, Sender};

pub(super) const ROW: Row = Row {
    protocol: Protocol::Amqp,
    name: "amqp",
    ports: &[5672],
    begins,
    parser: || Box::<Amqp>::default(),
    capture: Capture::Stream,
    turns: true,
    unasked: false,
    datagrams: false,
    about: About {
        specification: "AMQP 0-9-1, with RabbitMQ's extensions",
        recognised: "the protocol header; a frame of a method that there is; a heartbeat",
        operation: "the method and its queue, or its exchange and routing key, such as `basic.publish \
                    orders/order.new`",
        status: "`OK`, `EMPTY` for a get that finds nothing, `NACK`, or the name of the reply code, such as \
                 `NOT_FOUND`",
        errors: "a channel or a connection that the server closes with an error, for what waits on it; a negative \
                 confirmation; a publication that comes back because no queue is there",
        matching: "the channel and the method; of confirmations the channel and the delivery tag",
        older: "from the next frame that begins a turn on; publications with confirmations as the limits say",
        limits: "a publication that is not confirmed has no response; a get ends with its method's frame; after lost \
                 bytes of the client, its publications on channels with confirmations are not told, and of a channel \
                 whose beginning was not seen the first 64 are not; AMQP 1.0 is not read",
    },
};

/// What a client begins with: the protocol and its version.
const HEADER: &[u8; 8] = b"AMQP\0\0\x09\x01";
/// Type, channel and size of a frame, and the byte behind its payload.
const FRAME_HEADER: u64 = 7;
const FRAME_END: u64 = 1;
/// Bytes of a frame (the default is 128 KiB).
const FRAME_BYTES: u32 = 1 << 27;
/// Bytes of a method's frame at which something may begin.
const METHOD_BYTES: u32 = 1 << 16;

const METHOD: u8 = 1;
const CONTENT_HEADER: u8 = 2;
const CONTENT_BODY: u8 = 3;
const HEARTBEAT: u8 = 8;

fn begins(side: Side, bytes: &[u8]) -> Verdict {
    if bytes.first() == Some(&b'A') {
        let known = HEADER.len().min(bytes.len());
        return match bytes.get(..known) == HEADER.get(..known) {
            true if known == HEADER.len() => Verdict::Certain,
            true => Verdict::More,
            false => Verdict::No,
        };
    }
    let mut fields = Fields::new(bytes, u64::MAX);
    let mut fits = || -> Result<bool, Short> {
        let (kind, channel) = (fields.byte()?, fields.u16()?);
        let size = (u32::from(fields.u16()?) << 16) | u32::from(fields.u16()?);
        match kind {
            HEARTBEAT => Ok(channel == 0 && size == 0 && fields.byte()? == 0xce),
            METHOD if (4..METHOD_BYTES).contains(&size) => {
                let code = (fields.u16()?, fields.u16()?);
                Ok(method::is_known(code)
                    && (channel == 0) == (code.0 == 10)
                    && (code != method::START || side == Side::Server))
            }
            _ => Ok(false),
        }
    };
    match fits() {
        Ok(true) => Verdict::Certain,
        Ok(false) | Err(Short::Wrong(_)) => Verdict::No,
        Err(Short::More) if matches!(bytes.first(), Some(&(METHOD | HEARTBEAT))) => Verdict::More,
        Err(Short::More) => Verdict::No,
    }
}

#[derive(Debug, Default)]
struct Amqp {
    channels: Channels,
}

impl Parser for Amqp {
    fn next(&mut self, side: Side, bytes: &[u8], found: &mut Found) -> Next {
        self.frame(side, bytes, found).map_or_else(Next::from, Next::Unit)
    }

    fn lost(&mut self, side: Side) {
        self.channels.lost(side);
    }
}

impl Amqp {
    fn frame(&mut self, side: Side, bytes: &[u8], found: &mut Found) -> Result<u64, Short> {
        if bytes.first() == Some(&b'A') {
            let header = Fields::new(bytes, u64::MAX).take(HEADER.len())?;
            // A server that speaks another version says so with the same.
            return if header.starts_with(b"AMQP") { Ok(HEADER.len() as u64) } else { Err(Short::Wrong("no header")) };
        }
        let mut fields = Fields::new(bytes, u64::MAX);
        let (kind, channel) = (fields.byte()?, fields.u16()?);
        let size = (u32::from(fields.u16()?) << 16) | u32::from(fields.u16()?);
        if size > FRAME_BYTES || !matches!(kind, METHOD | CONTENT_HEADER | CONTENT_BODY | HEARTBEAT) {
            return Err(Short::Wrong("a frame is of no known type, or too long"));
        }
        let end = FRAME_HEADER.saturating_add(u64::from(size));
        if kind == HEARTBEAT && side == Side::Client {
            found.messages.push(super::Message::Remark);
        }
        if kind == METHOD {
            let mut fields = Fields::new(bytes, end);
            fields.take(usize::try_from(FRAME_HEADER).unwrap_or_default())?;
            let method = Method::read(&mut fields)?;
            match side {
                Side::Client => self.request(channel, &method, found),
                Side::Server => self.response(channel, &method, found),
            }
        }
        Ok(end.saturating_add(FRAME_END))
    }

    fn request(&mut self, channel: u16, method: &Method, found: &mut Found) {
        let operation = Operation::new(method.kind.name, &method.about);
        match method.kind.sender {
            Sender::Asks(class, replies) => {
                self.channels.select(channel, method.kind.code);
                if method.no_reply {
                    self.channels.tell(operation, found);
                } else {
                    self.channels.ask(channel, method.kind.code, (class, replies), operation, found);
                }
            }
            Sender::Closes => {
                let class = method.kind.code.0;
                let reply = method.kind.code.1.saturating_add(1);
                self.channels.ask(channel, method.kind.code, (class, [reply, reply]), operation, found);
            }
            Sender::Tells if method.kind.code == method::PUBLISH => {
                self.channels.publish(channel, method, operation, found);
            }
            Sender::Tells => self.channels.tell(operation, found),
            _ => {}
        }
    }

    fn response(&mut self, channel: u16, method: &Method, found: &mut Found) {
        let push = |found: &mut Found, about: &str| {
            let operation = Operation::new(method.kind.name, about);
            found.at_end.push(super::Message::Push { operation });
        };
        match (method.kind.code, method.kind.sender) {
            (method::ACKNOWLEDGE | method::REFUSE, _) => self.channels.confirm(channel, method, found),
            (method::RETURN, _) if self.channels.returned(channel, method) => {}
            (method::RETURN, _) => push(found, &method.about),
            (code @ (method::CLOSE_CHANNEL | method::CLOSE_CONNECTION), _) => {
                let closed = (code == method::CLOSE_CHANNEL).then_some(channel);
                let has_ended = self.channels.close(closed, method, found);
                if !has_ended && self.channels.closes_unasked(channel, method) {
                    push(found, method::reply_name(method.reply));
                }
            }
            (code, Sender::Answers) => self.channels.answer(channel, code, found),
            (_, Sender::Pushes) => push(found, &method.about),
            // A consumer whose queue is gone.
            ((60, 30), _) => push(found, ""),
            _ => {}
        }
    }
}
