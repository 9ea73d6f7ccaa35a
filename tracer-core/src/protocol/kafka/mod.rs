//! Kafka's protocol (the Apache Kafka protocol guide; KIP-482 for compact encodings).
//!
//! Every unit has its length before it. `header` reads what a request begins with, `api` knows what may be asked and in
//! which layout, `read` reads by it, `error` names codes, `topics` keeps what later requests name by a number. Invariant:
//! a response ends only a request that has its correlation id; of a request nothing but its name and its first topic is
//! kept, with values left out, of a response nothing but its code. Memory: [`REQUESTS`] that wait, and what `topics` bounds.

mod api;
mod error;
mod header;
mod layout;
mod read;
mod topics;

use std::collections::VecDeque;

use compact_str::CompactString;

use super::fields::Fields;
use super::lines::Short;
use super::{About, Found, Id, Message, Next, Operation, Outcome, Parser, Protocol, Row, Side, Verdict, topic};
use crate::input::Capture;
use api::Api;
use header::{LENGTH_BYTES, Request, UNIT_BYTES};
use read::{How, TopicId};
use topics::Known;

pub(super) const ROW: Row = Row {
    protocol: Protocol::Kafka,
    name: "kafka",
    ports: &[9092],
    begins,
    parser: || Box::<Kafka>::default(),
    capture: Capture::Stream,
    turns: true,
    unasked: false,
    datagrams: false,
    about: About {
        specification: "Apache Kafka protocol guide, and the message definitions of Kafka 4.1; KIP-482 (compact \
                        encodings), KIP-511 (`ApiVersions`), KIP-227 (fetch sessions), KIP-516 (ids of topics)",
        recognised: "the header of a request: length, API key, version and client id, and its first topic where it has one",
        operation: "the API and the first topic, `{id}` in place of what looks like a value, such as `Produce orders`; of a \
                    fetch without topics the one that its session began with; `Metadata` and requests of groups and \
                    transactions have none",
        status: "`OK`, or the name of the error code, such as `UNKNOWN_TOPIC_OR_PARTITION`; of several, the first that is \
                 not `NONE`, and `OK` without any; nothing where the layout of the version is not known",
        errors: "every code but those with which a client goes on elsewhere or once more: of groups that change \
                 (`REBALANCE_IN_PROGRESS`, `MEMBER_ID_REQUIRED`, `UNKNOWN_MEMBER_ID`, `ILLEGAL_GENERATION`, …), of leaders \
                 and coordinators that are elsewhere (`NOT_LEADER_OR_FOLLOWER`, `NOT_COORDINATOR`, …), of fetch sessions, \
                 `OFFSET_OUT_OF_RANGE`, `UNSUPPORTED_VERSION`, `TOPIC_ALREADY_EXISTS`",
        matching: "the correlation id",
        older: "from the next request that begins a turn on; ids of topics are known once a response told them",
        limits: "a `Produce` with acks=0 has no response; codes are looked for in the first 3,072 bytes of a response, of \
                 `Fetch` up to the first messages: those of later partitions are not read; a topic that only its id names \
                 is told once `Metadata` on the same connection has named it; SASL without `SaslHandshake` is not read, \
                 and Kafka over TLS is `tls`",
    },
};

/// Requests that wait for their response; the oldest goes first.
const REQUESTS: usize = super::matching::REQUESTS;
/// Bytes of a unit with which a side may begin.
const FIRST_BYTES: u32 = 1 << 24;
/// And of one that is no `Produce`: with more, a length reads as one of DNS over TCP (12 at least) and an id, and flags
/// and counts of a query (a question, and nothing else) as a number, a version and no name.
const FIRST_ASKED_BYTES: u64 = 12 << 16;
/// Bytes of a correlation id, which a response begins with behind its length …
const CORRELATION_BYTES: u32 = 4;
/// … and of that and a code.
const LEAST: u32 = 6;

fn begins(side: Side, bytes: &[u8]) -> Verdict {
    match side {
        // Length, API key, version and the length of the client's name alone are 40 bits.
        Side::Client => match Request::read(bytes, FIRST_BYTES) {
            Ok(request) if request.correlation < 0 || request.seen.misfits || !may_begin(&request) => Verdict::No,
            Ok(_) => Verdict::Certain,
            Err(short) => verdict(short),
        },
        Side::Server => match response_head(bytes) {
            Ok((length, correlation)) if (LEAST..FIRST_BYTES).contains(&length) && correlation >= 0 => Verdict::Likely,
            Ok(_) => Verdict::No,
            Err(short) => verdict(short),
        },
    }
}

/// Whether it is short, or a `Produce`, whose number and version are 0 in other protocols too, with what one must have.
fn may_begin(request: &Request<'_>) -> bool {
    let api = request.api;
    if api.key != api::PRODUCE {
        // The version of PostgreSQL's protocol, and `user`.
        let is_parameter = request.correlation.to_be_bytes().iter().all(u8::is_ascii_lowercase);
        let is_postgres = (api.key, api.version) == (api::METADATA, 0) && is_parameter;
        return request.length < FIRST_ASKED_BYTES && !is_postgres;
    }
    let seen = &request.seen;
    let has_topic = seen.topic.is_some() || seen.id.is_some();
    has_topic && seen.acks.is_some_and(|acks| (-1..=1).contains(&acks))
}

fn verdict(short: Short) -> Verdict {
    match short {
        Short::More => Verdict::More,
        Short::Wrong(_) => Verdict::No,
    }
}

/// Length and correlation id.
fn response_head(bytes: &[u8]) -> Result<(u32, i32), Short> {
    let mut fields = Fields::new(bytes, u64::MAX);
    let length = fields.u32()?;
    Ok((length, i32::from_be_bytes(fields.u32()?.to_be_bytes())))
}

#[derive(Debug)]
struct Kafka {
    open: VecDeque<Open>,
    /// Requests so far, which number them: a client may use a correlation id again.
    asked: u64,
    /// After a handshake of version 0, units are what the mechanism wants (KIP-152), up to the next request.
    tokens: bool,
    topics: Known<TopicId>,
    sessions: Known<i32>,
}

/// A request that waits.
#[derive(Debug)]
struct Open {
    correlation: i32,
    number: u64,
    api: Api,
    /// Of a fetch, what it is about.
    topic: Option<CompactString>,
    /// Its response may have been lost.
    doubtful: bool,
}

impl Default for Kafka {
    fn default() -> Self {
        let (topics, sessions) = (topics::topics(), topics::sessions());
        Self { open: VecDeque::new(), asked: 0, tokens: false, topics, sessions }
    }
}

impl Parser for Kafka {
    fn next(&mut self, side: Side, bytes: &[u8], found: &mut Found) -> Next {
        let unit = match side {
            Side::Client => self.request(bytes, found),
            Side::Server => self.response(bytes, found),
        };
        unit.map_or_else(Next::from, Next::Unit)
    }

    fn lost(&mut self, side: Side) {
        match side {
            Side::Client => {
                self.tokens = false;
                // It may have changed what a session is about.
                self.sessions.clear();
            }
            Side::Server => self.open.iter_mut().for_each(|open| open.doubtful = true),
        }
    }
}

impl Kafka {
    fn request(&mut self, bytes: &[u8], found: &mut Found) -> Result<u64, Short> {
        let request = match Request::read(bytes, UNIT_BYTES) {
            Err(Short::Wrong(_)) if self.tokens => return token(bytes),
            request => request?,
        };
        let (api, seen) = (request.api, &request.seen);
        self.tokens = api.key == api::SASL_HANDSHAKE && api.version == 0;
        let topic = match (seen.topic, &seen.id, seen.session) {
            (Some(topic), ..) => Some(CompactString::new(topic::template(topic, b".-_"))),
            (None, Some(id), _) => self.topics.find(id).cloned(),
            (None, None, Some(session)) => self.sessions.find(&session).cloned(),
            (None, None, None) => None,
        };
        self.asked = self.asked.wrapping_add(1);
        let (id, operation) = (Id::Number(self.asked), Operation::new(api.name, topic.as_deref().unwrap_or_default()));
        let answered = !(api.key == api::PRODUCE && seen.acks == Some(0));
        if answered {
            self.wait(Open {
                correlation: request.correlation,
                number: self.asked,
                api,
                topic: topic.filter(|_| api.key == api::FETCH),
                doubtful: false,
            });
        }
        found.messages.push(Message::Request { id, operation, answered });
        Ok(request.length)
    }

    fn wait(&mut self, open: Open) {
        self.open.retain(|other| !(other.doubtful && other.correlation == open.correlation));
        if self.open.len() >= REQUESTS {
            self.open.pop_front();
        }
        self.open.push_back(open);
    }

    fn response(&mut self, bytes: &[u8], found: &mut Found) -> Result<u64, Short> {
        if self.tokens && self.open.is_empty() {
            return token(bytes);
        }
        let (length, correlation) = response_head(bytes)?;
        if !(CORRELATION_BYTES..=UNIT_BYTES).contains(&length) {
            return Err(Short::Wrong("a response is too short or too long"));
        }
        let length = LENGTH_BYTES.saturating_add(u64::from(length));
        // Who asked may not have been seen.
        let Some(place) = self.open.iter().position(|open| open.correlation == correlation) else { return Ok(length) };
        let Some(api) = self.open.get(place).map(|open| open.api) else { return Ok(length) };
        let mut seen = read::Seen::default();
        if let (Some(layout), Some(flexible)) = (api.response(), api.is_flexible()) {
            let mut fields = read::head(bytes, length);
            fields.take(8)?;
            // The response that agrees on versions has the old header in any of them (KIP-511).
            let has_tags = flexible && api.key != api::API_VERSIONS;
            let how = How { version: api.version, flexible, to_topic: false };
            let is_read = if has_tags { read::tags(&mut fields) } else { Ok(()) };
            seen = match is_read {
                Err(Short::More) => return Err(Short::More),
                Err(Short::Wrong(_)) => seen,
                Ok(()) => read::read(layout, how, bytes, fields)?,
            };
        }
        let Some(open) = self.open.remove(place) else { return Ok(length) };
        for (id, name) in &seen.pairs {
            self.topics.remember(*id, &topic::template(name, b".-_"));
        }
        if let (Some(session), Some(topic)) = (seen.session.filter(|session| *session != 0), &open.topic) {
            self.sessions.remember(session, topic);
        }
        let outcome = seen.error.filter(|_| !seen.misfits).map(error::outcome);
        self.tell(open.number, outcome, found);
        Ok(length)
    }

    fn tell(&self, number: u64, outcome: Option<Outcome>, found: &mut Found) {
        let id = Id::Number(number);
        found.messages.push(Message::Response { id, outcome });
        found.at_end.push(Message::End { id, outcome: None });
    }
}

/// A unit of which nothing but the length is read.
fn token(bytes: &[u8]) -> Result<u64, Short> {
    let length = Fields::new(bytes, LENGTH_BYTES).u32()?;
    if length > UNIT_BYTES {
        return Err(Short::Wrong("a unit is too long"));
    }
    Ok(LENGTH_BYTES.saturating_add(u64::from(length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A heartbeat in version 0.
    fn ask(correlation: u32) -> Vec<u8> {
        let correlation = correlation.to_be_bytes();
        [&[0, 0, 0, 20, 0, 12, 0, 0][..], &correlation, b"\0\x01c", b"\0\x01g", &[0; 6]].concat()
    }

    fn answer(correlation: u32, code: u8) -> Vec<u8> {
        [&[0, 0, 0, 6][..], &correlation.to_be_bytes(), &[0, code]].concat()
    }

    fn say(parser: &mut Kafka, side: Side, bytes: &[u8]) -> Vec<Message> {
        let mut found = Found::default();
        assert!(matches!(parser.next(side, bytes, &mut found), Next::Unit(_)), "{bytes:?}");
        [found.messages, found.at_end].concat()
    }

    fn number(messages: &[Message]) -> Option<Id> {
        match messages.first()? {
            Message::Request { id, .. } | Message::Response { id, .. } => Some(*id),
            _ => None,
        }
    }

    #[test]
    fn of_too_many_requests_the_oldest_is_forgotten_and_its_response_ends_nothing() {
        let mut parser = Kafka::default();
        for correlation in 0..=u32::try_from(REQUESTS).unwrap() {
            assert_eq!(say(&mut parser, Side::Client, &ask(correlation)).len(), 1);
        }
        assert_eq!(parser.open.len(), REQUESTS);
        assert_eq!(say(&mut parser, Side::Server, &answer(0, 0)), []);
        assert_eq!(say(&mut parser, Side::Server, &answer(1, 0)).len(), 2);
    }

    #[test]
    fn after_a_hole_a_response_is_not_joined_to_an_earlier_request_with_its_number() {
        let mut parser = Kafka::default();
        say(&mut parser, Side::Client, &ask(1));
        parser.lost(Side::Server);
        let asked = say(&mut parser, Side::Client, &ask(1));
        assert_eq!(number(&say(&mut parser, Side::Server, &answer(1, 27))), number(&asked));
        assert_eq!(parser.open.len(), 0);
    }

    #[test]
    fn protocols_with_lengths_before_all_else_do_not_begin_as_kafka_does() {
        // A session of ZooKeeper, a query of MongoDB, STARTUP of Cassandra, requests of DNS, the second of a resolver that
        // checks signatures itself, a connection of PostgreSQL.
        let others: [&[u8]; 7] = [
            b"\0\0\0\x2c\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x75\x30\0\0\0\0\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            b"\0\x01\0\0\0\x01\0\0\0\0\0\0\xdd\x07\0\0\0\0\0\0\0\xeb\0\0\0\x10ismaster\0\x01\0\0\0",
            b"\x04\0\0\0\x01\0\0\0\x16\0\x01\0\x0bCQL_VERSION\0\x053.0.0",
            b"\0\x1b\0\x01\x01\0\0\x01\0\0\0\0\0\0\x01a\x07example\0\0\x01\0\x01",
            b"\0\x1b\0\x01\0\x10\0\x01\0\0\0\0\0\0\x01a\x07example\0\0\x01\0\x01",
            b"\0\0\0\x22\0\x03\0\0user\0p\0database\0postgres\0\0\0\0\0\0",
            b"\0\0\0\x22\0\x03\0\0user\0\0database\0postgres\0\0\0\0\0\0\0",
        ];
        for bytes in others {
            assert_eq!(begins(Side::Client, bytes), Verdict::No, "{bytes:02x?}");
        }
        assert_eq!(begins(Side::Client, &ask(1)), Verdict::Certain);
    }
}
