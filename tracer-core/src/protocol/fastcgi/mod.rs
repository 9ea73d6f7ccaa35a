//! FastCGI 1.0 (the FastCGI specification): requests of web servers to applications, such as PHP's.
//!
//! All is in records, each of which names its request: `record` reads their headers, `params` what a request asks,
//! `response` how it was answered. Invariant: of a request nothing but its method and its route is kept, of a response
//! nothing but its status; a record is read up to what is needed and skipped behind it. Memory: [`REQUESTS`] that are
//! open, each with [`response::HEAD_BYTES`] at most.

mod params;
mod record;
mod response;

use std::collections::VecDeque;

use super::short::Short;
use super::{About, Found, Id, Message, Next, Operation, Parser, Protocol, Row, Side, Verdict};
use crate::input::Capture;
use record::{Kind, Record};
use response::Response;

pub(super) const ROW: Row = Row {
    protocol: Protocol::FastCgi,
    name: "fastcgi",
    ports: &[9000],
    begins,
    parser: || Box::<FastCgi>::default(),
    capture: Capture::Stream,
    turns: true,
    unasked: false,
    datagrams: false,
    about: About {
        specification: "FastCGI specification 1.0 (§3 records, §4 to §6 roles, §8 types)",
        recognised: "`FCGI_BEGIN_REQUEST` of a known role; the header of a record that an application may begin with",
        operation: "`REQUEST_METHOD` and the route, as of `http`: `REQUEST_URI`, or `SCRIPT_NAME` without it, such as \
                    `GET /users/{id}`",
        status: "the code of the `Status` header, 200 without one; a protocol status such as `OVERLOADED`; behind the \
                 code ` exit N` for an application that ended with an error; nothing where no whole head came",
        errors: "5xx; of these 502, 503 and 504 are a gateway's; a protocol status other than `REQUEST_COMPLETE`; an \
                 application status other than 0",
        matching: "the request id",
        older: "from the next `FCGI_BEGIN_REQUEST` that begins a turn on",
        limits: "of parameters in several records, only those in the first are read; what is written to \
                 `FCGI_STDERR` is no error by itself; a response without its end is open until the connection ends",
    },
};

/// Requests of one connection that are open; the oldest goes first.
const REQUESTS: usize = 256;

fn begins(side: Side, bytes: &[u8]) -> Verdict {
    let record = match Record::read(bytes) {
        Ok(record) => record,
        Err(short) => return short.into(),
    };
    match (side, record.kind) {
        (Side::Client, Kind::BeginRequest) => record.begins_request(bytes),
        (Side::Client, Kind::GetValues) if record.id == 0 => Verdict::Likely,
        (Side::Server, Kind::Stdout | Kind::Stderr) if record.id != 0 => Verdict::Likely,
        (Side::Server, Kind::EndRequest) if record.id != 0 && record.is_of_body() => Verdict::Likely,
        (Side::Server, Kind::GetValuesResult | Kind::UnknownType) if record.id == 0 => Verdict::Likely,
        _ => Verdict::No,
    }
}

#[derive(Debug, Default)]
struct FastCgi {
    open: VecDeque<Open>,
    /// Requests so far, which number them: ids are used again.
    asked: u64,
}

/// A request that waits.
#[derive(Debug)]
struct Open {
    id: u16,
    stage: Stage,
    response: Response,
}

/// How far a request is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// What it asks is to come.
    Begun,
    /// What it asks was told, under this number.
    Asked(u64),
    /// Its end may have been among bytes that were lost: what comes under its id may be another's.
    Lost,
}

impl Parser for FastCgi {
    fn next(&mut self, side: Side, bytes: &[u8], found: &mut Found) -> Next {
        let unit = Record::read(bytes).and_then(|record| {
            match side {
                Side::Client => self.request(&record, bytes, found)?,
                Side::Server => self.response(&record, bytes, found)?,
            }
            Ok(record.length())
        });
        unit.map_or_else(Next::from, Next::Unit)
    }

    fn lost(&mut self, side: Side) {
        if side == Side::Server {
            self.open.iter_mut().for_each(|open| open.stage = Stage::Lost);
        }
    }
}

impl FastCgi {
    fn request(&mut self, record: &Record, bytes: &[u8], found: &mut Found) -> Result<(), Short> {
        match record.kind {
            Kind::BeginRequest => {
                self.open.retain(|open| open.id != record.id);
                if self.open.len() >= REQUESTS {
                    self.open.pop_front();
                }
                self.open.push_back(Open { id: record.id, stage: Stage::Begun, response: Response::default() });
                Ok(())
            }
            Kind::Params if record.content > 0 => {
                let asked = self.open.iter_mut().find(|open| open.id == record.id && open.stage == Stage::Begun);
                let Some(open) = asked else { return Ok(()) };
                let params = params::read(record, bytes)?;
                self.asked = self.asked.wrapping_add(1);
                open.stage = Stage::Asked(self.asked);
                let (id, operation) = (Id::Number(self.asked), Operation::new(&params.method, &params.route));
                found.messages.push(Message::Request { id, operation, answered: true });
                Ok(())
            }
            kind if kind.is_of(Side::Client) => {
                // The end of a body, which PHP reads when it has answered: the next request comes in the same turn.
                if self.open.iter().all(|open| open.id != record.id) {
                    found.messages.push(Message::Remark);
                }
                Ok(())
            }
            _ => Err(Short::Wrong("a web server sends a record of an application")),
        }
    }

    fn response(&mut self, record: &Record, bytes: &[u8], found: &mut Found) -> Result<(), Short> {
        if !record.kind.is_of(Side::Server) {
            return Err(Short::Wrong("an application sends a record of a web server"));
        }
        let Some(place) = self.open.iter().position(|open| open.id == record.id) else { return Ok(()) };
        let Some(open) = self.open.get_mut(place) else { return Ok(()) };
        let Stage::Asked(number) = open.stage else { return Ok(()) };
        let id = Id::Number(number);
        match record.kind {
            Kind::Stdout if record.content > 0 => {
                open.response.take(record, bytes)?;
                found.messages.push(Message::Response { id, outcome: open.response.outcome() });
            }
            Kind::EndRequest => {
                let end = record.end(bytes)?;
                let outcome = open.response.ended(end);
                self.open.remove(place);
                found.messages.push(Message::Response { id, outcome: None });
                found.at_end.push(Message::End { id, outcome: Some(outcome) });
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, id: u8, content: &[u8]) -> Vec<u8> {
        [&[1, kind, 0, id, 0, u8::try_from(content.len()).unwrap(), 0, 0], content].concat()
    }

    fn say(parser: &mut FastCgi, side: Side, bytes: &[u8]) -> Vec<Message> {
        let mut found = Found::default();
        assert_eq!(parser.next(side, bytes, &mut found), Next::Unit(bytes.len() as u64));
        [found.messages, found.at_end].concat()
    }

    const PARAMS: &[u8] = b"\x0e\x03REQUEST_METHODGET";

    /// Begins a request, and says what it asks.
    fn ask(parser: &mut FastCgi, [high, low]: [u8; 2]) -> Vec<Message> {
        say(parser, Side::Client, &[1, 1, high, low, 0, 8, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]);
        let length = u8::try_from(PARAMS.len()).unwrap();
        say(parser, Side::Client, &[&[1, 4, high, low, 0, length, 0, 0], PARAMS].concat())
    }

    #[test]
    fn of_too_many_requests_the_oldest_is_forgotten_and_its_response_ends_nothing() {
        let mut parser = FastCgi::default();
        for id in 1..=u16::try_from(REQUESTS).unwrap() + 1 {
            assert_eq!(ask(&mut parser, id.to_be_bytes()).len(), 1);
        }
        assert_eq!(parser.open.len(), REQUESTS);
        assert_eq!(say(&mut parser, Side::Server, &record(3, 1, &[0; 8])), []);
        assert_eq!(say(&mut parser, Side::Server, &record(3, 2, &[0; 8])).len(), 2);
    }

    #[test]
    fn a_request_is_told_once_and_only_where_its_beginning_was_seen() {
        let mut parser = FastCgi::default();
        assert_eq!(say(&mut parser, Side::Client, &record(4, 1, PARAMS)), []);
        assert_eq!(ask(&mut parser, [0, 1]).len(), 1);
        assert_eq!(say(&mut parser, Side::Client, &record(4, 1, PARAMS)), []);
    }

    #[test]
    fn the_end_of_a_body_is_no_request_and_said_to_be_none_where_its_own_is_over() {
        let mut parser = FastCgi::default();
        ask(&mut parser, [0, 1]);
        assert_eq!(say(&mut parser, Side::Client, &record(5, 1, b"x")), []);
        assert_eq!(say(&mut parser, Side::Server, &record(3, 1, &[0; 8])).len(), 2);
        assert_eq!(say(&mut parser, Side::Client, &record(5, 1, b"")), [Message::Remark]);
    }

    #[test]
    fn after_a_hole_a_response_may_be_that_of_another_request_with_this_id() {
        let mut parser = FastCgi::default();
        ask(&mut parser, [0, 1]);
        parser.lost(Side::Server);
        assert_eq!(say(&mut parser, Side::Server, &record(6, 1, b"Status: 404\r\n\r\n")), []);
        assert_eq!(say(&mut parser, Side::Server, &record(3, 1, &[0; 8])), []);
        ask(&mut parser, [0, 1]);
        assert_eq!(say(&mut parser, Side::Server, &record(3, 1, &[0; 8])).len(), 2);
    }
}
