//! Methods of AMQP 0-9-1 (§1.3 to §1.9 of its reference, with RabbitMQ's extensions), and what each is about.
//!
//! Invariant: arguments behind those that are needed are not looked at. Memory: none.

use super::super::fields::Fields;
use super::super::lines::Short;
use super::super::topic;

/// A method by its class and itself.
pub(super) type Code = (u16, u16);

/// What a method's arguments begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    /// Nothing that is needed.
    Nothing,
    /// Two bytes that are of no use, so many names of which the first is told, and in the bits behind them the one that
    /// no reply is wanted.
    Names(u8, Option<u8>),
    /// A name that is not told, and in the bits behind it that no reply is wanted.
    Hidden(u8),
    /// Bits: no reply is wanted.
    Bits(u8),
    /// Two bytes that are of no use, an exchange, a routing key, and in the bits that it is to come back if it finds no
    /// queue.
    Publication,
    /// The tag of a consumer, the number of a delivery, a bit, an exchange, a routing key.
    Delivery,
    /// A code, a text, an exchange, a routing key.
    Return,
    /// The number of a publication, and whether all before it are meant too.
    Tag,
    /// A code, a text, and the method that failed.
    Close,
}

/// A method.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) code: Code,
    pub(super) name: &'static str,
    about: About,
    pub(super) sender: Sender,
}

/// Who sends a method, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// A client that waits for a reply: its class, and the methods that may be it.
    Asks(u16, [u16; 2]),
    /// A client, and nobody answers.
    Tells,
    /// A server that answers.
    Answers,
    /// A server that nobody asked.
    Pushes,
    /// Either, to close; a reply follows.
    Closes,
    /// Either; it is of no use here.
    Silent,
}

/// One method as it was read.
#[derive(Debug)]
pub(super) struct Method {
    pub(super) kind: &'static Kind,
    /// The queue, or the exchange and the routing key.
    pub(super) about: String,
    pub(super) no_reply: bool,
    pub(super) mandatory: bool,
    pub(super) tag: u64,
    pub(super) multiple: bool,
    /// Of what is closed or returned.
    pub(super) reply: u16,
    pub(super) failed: Code,
}

impl Method {
    /// Reads the payload of a frame.
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, Short> {
        let code = (fields.u16()?, fields.u16()?);
        let kind = KINDS.iter().find(|kind| kind.code == code).ok_or(Short::Wrong("a method is none of AMQP"))?;
        let mut method = Self {
            kind,
            about: String::new(),
            no_reply: false,
            mandatory: false,
            tag: 0,
            multiple: false,
            reply: 0,
            failed: (0, 0),
        };
        match kind.about {
            About::Nothing => {}
            About::Names(count, bit) => {
                fields.u16()?;
                method.about = name(short(fields)?);
                for _ in 1..count {
                    short(fields)?;
                }
                if let Some(bit) = bit {
                    method.no_reply = fields.byte()? >> bit & 1 == 1;
                }
            }
            About::Hidden(bit) => {
                short(fields)?;
                method.no_reply = fields.byte()? >> bit & 1 == 1;
            }
            About::Bits(bit) => method.no_reply = fields.byte()? >> bit & 1 == 1,
            About::Publication => {
                fields.u16()?;
                method.about = route(fields)?;
                method.mandatory = fields.byte()? & 1 == 1;
            }
            About::Delivery => {
                short(fields)?;
                fields.u64()?;
                fields.byte()?;
                method.about = route(fields)?;
            }
            About::Return => {
                method.reply = fields.u16()?;
                short(fields)?;
                method.about = route(fields)?;
            }
            About::Tag => {
                method.tag = fields.u64()?;
                method.multiple = fields.byte()? & 1 == 1;
            }
            About::Close => {
                method.reply = fields.u16()?;
                short(fields)?;
                method.failed = (fields.u16()?, fields.u16()?);
            }
        }
        Ok(method)
    }
}

/// A text of at most 255 bytes.
fn short<'a>(fields: &mut Fields<'a>) -> Result<&'a [u8], Short> {
    let length = fields.byte()?;
    fields.take(usize::from(length))
}

/// An exchange and a routing key; those to the exchange without a name go to the queue of that name.
fn route(fields: &mut Fields<'_>) -> Result<String, Short> {
    let (exchange, key) = (name(short(fields)?), name(short(fields)?));
    Ok(if exchange.is_empty() { key } else { format!("{exchange}/{key}") })
}

/// A name without what a server or a client made up.
fn name(text: &[u8]) -> String {
    match text {
        [b'a', b'm', b'q', b'.', b'g', b'e', b'n', ..] => "amq.gen-{id}".into(),
        text if text.starts_with(b"amq.rabbitmq.reply-to.") => "amq.rabbitmq.reply-to.{id}".into(),
        text => topic::template(text, b".:/-"),
    }
}

/// What a reply code means (§1.2).
pub(super) fn reply_name(code: u16) -> &'static str {
    match code {
        200 => "OK",
        311 => "CONTENT_TOO_LARGE",
        312 => "NO_ROUTE",
        313 => "NO_CONSUMERS",
        320 => "CONNECTION_FORCED",
        402 => "INVALID_PATH",
        403 => "ACCESS_REFUSED",
        404 => "NOT_FOUND",
        405 => "RESOURCE_LOCKED",
        406 => "PRECONDITION_FAILED",
        501 => "FRAME_ERROR",
        502 => "SYNTAX_ERROR",
        503 => "COMMAND_INVALID",
        504 => "CHANNEL_ERROR",
        505 => "UNEXPECTED_FRAME",
        506 => "RESOURCE_ERROR",
        530 => "NOT_ALLOWED",
        540 => "NOT_IMPLEMENTED",
        541 => "INTERNAL_ERROR",
        _ => "UNKNOWN",
    }
}

const fn kind(code: Code, name: &'static str, about: About, sender: Sender) -> Kind {
    Kind { code, name, about, sender }
}

const fn asks(code: Code, name: &'static str, about: About, reply: u16) -> Kind {
    kind(code, name, about, Sender::Asks(code.0, [reply, reply]))
}

pub(super) const START: Code = (10, 10);
pub(super) const OPEN_CHANNEL: Code = (20, 10);
pub(super) const CLOSE_CHANNEL: Code = (20, 40);
pub(super) const CLOSE_CONNECTION: Code = (10, 50);
pub(super) const PUBLISH: Code = (60, 40);
pub(super) const RETURN: Code = (60, 50);
pub(super) const EMPTY: Code = (60, 72);
pub(super) const ACKNOWLEDGE: Code = (60, 80);
pub(super) const REFUSE: Code = (60, 120);
pub(super) const CONFIRM: Code = (85, 10);

static KINDS: [Kind; 66] = [
    kind(START, "connection.start", About::Nothing, Sender::Silent),
    kind((10, 11), "connection.start-ok", About::Nothing, Sender::Asks(10, [20, 30])),
    kind((10, 20), "connection.secure", About::Nothing, Sender::Answers),
    kind((10, 21), "connection.secure-ok", About::Nothing, Sender::Asks(10, [20, 30])),
    kind((10, 30), "connection.tune", About::Nothing, Sender::Answers),
    kind((10, 31), "connection.tune-ok", About::Nothing, Sender::Silent),
    asks((10, 40), "connection.open", About::Nothing, 41),
    kind((10, 41), "connection.open-ok", About::Nothing, Sender::Answers),
    kind(CLOSE_CONNECTION, "connection.close", About::Close, Sender::Closes),
    kind((10, 51), "connection.close-ok", About::Nothing, Sender::Answers),
    kind((10, 60), "connection.blocked", About::Nothing, Sender::Pushes),
    kind((10, 61), "connection.unblocked", About::Nothing, Sender::Pushes),
    asks((10, 70), "connection.update-secret", About::Nothing, 71),
    kind((10, 71), "connection.update-secret-ok", About::Nothing, Sender::Answers),
    asks(OPEN_CHANNEL, "channel.open", About::Nothing, 11),
    kind((20, 11), "channel.open-ok", About::Nothing, Sender::Answers),
    kind((20, 20), "channel.flow", About::Nothing, Sender::Silent),
    kind((20, 21), "channel.flow-ok", About::Nothing, Sender::Silent),
    kind(CLOSE_CHANNEL, "channel.close", About::Close, Sender::Closes),
    kind((20, 41), "channel.close-ok", About::Nothing, Sender::Answers),
    asks((40, 10), "exchange.declare", About::Names(2, Some(4)), 11),
    kind((40, 11), "exchange.declare-ok", About::Nothing, Sender::Answers),
    asks((40, 20), "exchange.delete", About::Names(1, Some(1)), 21),
    kind((40, 21), "exchange.delete-ok", About::Nothing, Sender::Answers),
    asks((40, 30), "exchange.bind", About::Names(3, Some(0)), 31),
    kind((40, 31), "exchange.bind-ok", About::Nothing, Sender::Answers),
    asks((40, 40), "exchange.unbind", About::Names(3, Some(0)), 51),
    kind((40, 51), "exchange.unbind-ok", About::Nothing, Sender::Answers),
    asks((50, 10), "queue.declare", About::Names(1, Some(4)), 11),
    kind((50, 11), "queue.declare-ok", About::Nothing, Sender::Answers),
    asks((50, 20), "queue.bind", About::Names(3, Some(0)), 21),
    kind((50, 21), "queue.bind-ok", About::Nothing, Sender::Answers),
    asks((50, 30), "queue.purge", About::Names(1, Some(0)), 31),
    kind((50, 31), "queue.purge-ok", About::Nothing, Sender::Answers),
    asks((50, 40), "queue.delete", About::Names(1, Some(2)), 41),
    kind((50, 41), "queue.delete-ok", About::Nothing, Sender::Answers),
    asks((50, 50), "queue.unbind", About::Names(1, None), 51),
    kind((50, 51), "queue.unbind-ok", About::Nothing, Sender::Answers),
    asks((60, 10), "basic.qos", About::Nothing, 11),
    kind((60, 11), "basic.qos-ok", About::Nothing, Sender::Answers),
    asks((60, 20), "basic.consume", About::Names(2, Some(3)), 21),
    kind((60, 21), "basic.consume-ok", About::Nothing, Sender::Answers),
    asks((60, 30), "basic.cancel", About::Hidden(0), 31),
    kind((60, 31), "basic.cancel-ok", About::Nothing, Sender::Answers),
    kind(PUBLISH, "basic.publish", About::Publication, Sender::Tells),
    kind(RETURN, "basic.return", About::Return, Sender::Pushes),
    kind((60, 60), "basic.deliver", About::Delivery, Sender::Pushes),
    kind((60, 70), "basic.get", About::Names(1, None), Sender::Asks(60, [71, 72])),
    kind((60, 71), "basic.get-ok", About::Nothing, Sender::Answers),
    kind(EMPTY, "basic.get-empty", About::Nothing, Sender::Answers),
    kind(ACKNOWLEDGE, "basic.ack", About::Tag, Sender::Tells),
    kind((60, 90), "basic.reject", About::Nothing, Sender::Tells),
    kind((60, 100), "basic.recover-async", About::Nothing, Sender::Tells),
    asks((60, 110), "basic.recover", About::Nothing, 111),
    kind((60, 111), "basic.recover-ok", About::Nothing, Sender::Answers),
    kind(REFUSE, "basic.nack", About::Tag, Sender::Tells),
    asks(CONFIRM, "confirm.select", About::Bits(0), 11),
    kind((85, 11), "confirm.select-ok", About::Nothing, Sender::Answers),
    asks((90, 10), "tx.select", About::Nothing, 11),
    kind((90, 11), "tx.select-ok", About::Nothing, Sender::Answers),
    asks((90, 20), "tx.commit", About::Nothing, 21),
    kind((90, 21), "tx.commit-ok", About::Nothing, Sender::Answers),
    asks((90, 30), "tx.rollback", About::Nothing, 31),
    kind((90, 31), "tx.rollback-ok", About::Nothing, Sender::Answers),
    kind((30, 10), "access.request", About::Nothing, Sender::Silent),
    kind((30, 11), "access.request-ok", About::Nothing, Sender::Silent),
];

/// Whether there is such a method.
pub(super) fn is_known(code: Code) -> bool {
    KINDS.iter().any(|kind| kind.code == code)
}
