//! What connections say: requests and responses, found in the bytes of both directions.
//!
//! Follow a byte: [`conversation::Conversation`] takes the bytes of a connection as they come, `recognise` finds the
//! protocol, its parser finds messages, `matching` joins responses to requests. A protocol is one file and a row of
//! [`PARSERS`]. Invariant: sans-IO; no bytes make it panic; however the stream is cut, the messages are the same; after
//! a hole nothing is invented. Memory: [`conversation::HEAD_BYTES`] for each direction, and what each parser bounds.

mod amqp;
mod cassandra;
mod conversation;
mod dns;
mod fastcgi;
mod fields;
mod http;
mod http2;
mod kafka;
mod lines;
mod matching;
mod memcached;
mod message;
mod mongodb;
mod mqtt;
mod mysql;
mod nats;
mod postgres;
mod recognise;
mod redis;
mod short;
mod sql;
mod statements;
mod talk;
mod tls;
mod topic;

pub use conversation::{Conversation, Event, HEAD_BYTES};
pub use matching::{Ended, Requests};
pub use message::{Fault, Id, Message, Operation, Outcome, Side, Status};
pub use talk::{PeerName, Piece, Talk};

use crate::input::Capture;

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    Amqp,
    Cassandra,
    Dns,
    FastCgi,
    Http,
    Http2,
    Kafka,
    Memcached,
    Mongodb,
    Mqtt,
    Mysql,
    Nats,
    Postgres,
    Redis,
    Tls,
}

/// Every protocol that is known; of two that fit equally well, the first is taken.
pub static PARSERS: &[Row] = &[
    amqp::ROW,
    cassandra::ROW,
    dns::ROW,
    fastcgi::ROW,
    http::ROW,
    http2::ROW,
    kafka::ROW,
    memcached::ROW,
    mongodb::ROW,
    mqtt::ROW,
    mysql::ROW,
    nats::ROW,
    postgres::ROW,
    redis::ROW,
    tls::ROW,
];

/// What is known of a protocol.
pub struct Row {
    pub protocol: Protocol,
    /// As exports say it.
    pub name: &'static str,
    /// Ports that break ties, and nothing else.
    pub ports: &'static [u16],
    /// Whether a message of this side may begin with these bytes, of which there may be more later.
    pub begins: fn(Side, &[u8]) -> Verdict,
    pub parser: fn() -> Box<dyn Parser>,
    /// What the parser needs as long as one request follows another's response.
    pub capture: Capture,
    /// What a side sends after the other begins with a message: not so where frames of several messages are written in
    /// pieces that begin anywhere.
    pub turns: bool,
    /// Either side may speak when it likes: a turn need not be a request, nor what follows it a response.
    pub unasked: bool,
    /// It is spoken in datagrams too, each a message; before one, the parser is given its length.
    pub datagrams: bool,
    pub about: About,
}

/// What people are told about a parser: docs/protocols.md is made of it (`cargo xtask protocols --write`). Markdown, each a
/// cell of a table.
pub struct About {
    pub specification: &'static str,
    /// By what a connection is taken for it.
    pub recognised: &'static str,
    /// What an operation is.
    pub operation: &'static str,
    /// What a status is.
    pub status: &'static str,
    /// What counts as an error.
    pub errors: &'static str,
    /// How responses find requests.
    pub matching: &'static str,
    /// What is known of a connection of which nobody saw the beginning.
    pub older: &'static str,
    pub limits: &'static str,
}

/// Whether bytes are of a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    No,
    /// There are too few to say.
    More,
    /// They may be; that the other side agrees makes it certain.
    Likely,
    /// Nothing else looks like this, not even by chance: 40 bits fit, or more.
    Certain,
}

/// What stands at the beginning of the bytes that a parser was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Too few bytes to say. A unit that says so with [`HEAD_BYTES`] bytes is [`Next::Wrong`].
    More,
    /// A unit of so many bytes, at least one. Those that are not there yet need not come to the parser.
    Unit(u64),
    /// A unit of so many bytes; what follows on this side is nothing that could be understood.
    Opaque(u64),
    /// A unit of all that this side will ever send from here on: its end is that the side closes.
    UntilClose,
    /// A unit of so many bytes; what follows on both sides is another protocol, which is to be recognised anew.
    Switch(u64),
    /// This is not the protocol, or cannot be: why.
    Wrong(&'static str),
}

/// What a unit means.
#[derive(Debug, Default)]
pub struct Found {
    /// Messages that begin with the unit's first byte.
    pub messages: Vec<Message>,
    /// Messages that are over with its last.
    pub at_end: Vec<Message>,
}

/// Finds messages in the bytes of both sides of one connection.
///
/// The bytes that it is given begin where the unit before ended; it may be asked again with the same ones and more.
pub trait Parser: std::fmt::Debug + Send {
    /// What stands at the beginning of `bytes`, of which there is at least one. Only what it returns a unit for may
    /// change its state, and be told in `found`.
    fn next(&mut self, side: Side, bytes: &[u8], found: &mut Found) -> Next;

    /// Bytes of this side were lost, and a unit begins anew: nothing that spans units may be relied on. What was asked in
    /// order is forgotten by whoever matches.
    fn lost(&mut self, side: Side);

    /// Nothing that was asked before is open, whatever was lost: the next request is answered next. Whoever matches knows it
    /// too.
    fn realigned(&mut self) {}

    /// Whether nothing but one request is being answered, so that bytes of this side may be missing within its response.
    fn may_resume(&self, _side: Side) -> bool {
        false
    }

    /// Where in these bytes, the first ones of a piece after such a hole, a unit begins for sure: the end of the response.
    fn resume(&mut self, _side: Side, _bytes: &[u8]) -> Option<usize> {
        None
    }

    /// This side will send no more: a response that only this ends is over.
    fn close(&mut self, _side: Side, _found: &mut Found) {}
}

/// The row of a protocol.
#[must_use]
pub fn row(protocol: Protocol) -> &'static Row {
    // Each protocol has a row, as a test says; the first is there in any case.
    PARSERS.iter().find(|row| row.protocol == protocol).unwrap_or(&redis::ROW)
}
