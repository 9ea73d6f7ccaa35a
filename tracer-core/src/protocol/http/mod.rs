//! HTTP/1.0 and HTTP/1.1 (RFC 9110, RFC 9112), and the ways out of it: tunnels and upgrades (RFC 9110 §7.8, §9.3.6).
//!
//! A message is read line by line: `line` says what a line is, `framing` where the body ends, `route` what a request is
//! about. Invariant: a body is skipped, never looked at; a response whose request is not known ends nothing. Memory: a
//! few numbers for each side, and a byte for each of [`ASKED`] requests.

mod framing;
mod line;
mod reading;
pub(super) mod route;

use std::collections::VecDeque;

use crate::input::{Capture, ErrorByte};

use super::{About, Fault, Found, Id, Message, Next, Operation, Outcome, Parser, Protocol, Row, Side, Status, Verdict};
use framing::{Body, Headers, Upgrade};
use line::{RequestLine, Short};
use reading::Reading;

pub(super) const ROW: Row = Row {
    protocol: Protocol::Http,
    name: "http",
    ports: &[80, 8080, 8000, 3000],
    begins,
    parser: || Box::<Http>::default(),
    // `HTTP/1.1 500`: the first digit of the status.
    capture: Capture::Heads { error: Some(ErrorByte { at: 9, byte: b'5' }) },
    turns: true,
    unasked: false,
    datagrams: false,
    about: About {
        specification: "RFC 9110, RFC 9112 (HTTP/1.0, HTTP/1.1)",
        recognised: "a request line; a status line",
        operation: "the method and the route: the path without query, `{id}` in place of what looks like a value, such as \
                    `GET /users/{id}`; of a tunnel the host, such as `CONNECT db.example.com:443`",
        status: "the status code",
        errors: "5xx; of these 502, 503 and 504 are a gateway's",
        matching: "order",
        older: "from the next request after a response on",
        limits: "frames of WebSocket are not read; what a client sends into \
                 a tunnel before the proxy agrees is not understood; names that users choose stay in a route",
    },
};

/// Requests that wait for their response: as many as wait in `matching`.
const ASKED: usize = super::matching::REQUESTS;
/// The status of an upgrade.
const SWITCHING: u16 = 101;

fn begins(side: Side, bytes: &[u8]) -> Verdict {
    let read = match side {
        Side::Client if RequestLine::is_long(bytes) => return Verdict::Certain,
        Side::Client => RequestLine::read(bytes).map(|_| ()),
        Side::Server => line::status(bytes).map(|_| ()),
    };
    match read {
        Ok(()) => Verdict::Certain,
        Err(Short::More) => Verdict::More,
        Err(Short::Wrong(_)) => Verdict::No,
    }
}

#[derive(Debug, Default)]
struct Http {
    client: Reading<RequestHead>,
    server: Reading<ResponseHead>,
    /// What waits for a response, the oldest first.
    asked: VecDeque<Asked>,
    memory: Memory,
    /// The response that is running is that of a known request.
    is_known: bool,
    /// Both sides speak something else now, which nobody reads.
    is_upgraded: bool,
}

/// The first line of a request.
#[derive(Debug)]
struct RequestHead {
    is_old: bool,
}

/// What the first line of a response, and its request, say of what follows its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ResponseHead {
    Body,
    /// Its request is not known, and may be one whose response has none.
    PerhapsBody,
    NoBody,
    Upgrade,
    Tunnel,
}

/// What of a request decides what follows the headers of its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Head,
    Connect,
    Other,
}

/// Whether every request that waits is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Memory {
    #[default]
    Whole,
    /// Bytes were lost: requests may wait that nobody saw.
    Lost,
    /// And a response has begun since: the next request may be answered next, as `matching` takes it too.
    Answered,
}

impl Parser for Http {
    fn next(&mut self, side: Side, bytes: &[u8], found: &mut Found) -> Next {
        if self.is_upgraded {
            return Next::Opaque(1);
        }
        let read = match side {
            Side::Client => self.request(bytes, found),
            Side::Server => self.response(bytes, found),
        };
        read.unwrap_or_else(Next::from)
    }

    fn lost(&mut self, side: Side) {
        match side {
            Side::Client => self.client = Reading::Start,
            Side::Server => self.server = Reading::Start,
        }
        self.forget();
    }

    fn realigned(&mut self) {
        self.forget();
        self.memory = Memory::Whole;
    }
}

impl Http {
    fn forget(&mut self) {
        self.asked.clear();
        self.memory = Memory::Lost;
        self.is_known = false;
    }

    fn request(&mut self, bytes: &[u8], found: &mut Found) -> Result<Next, Short> {
        match &mut self.client {
            Reading::Start => self.request_line(bytes, found),
            // Where the answer came first, the body need not come any more (RFC 9110 §10.1.1).
            Reading::Perhaps(body) => {
                let body = *body;
                match RequestLine::read(bytes) {
                    Ok(_) if self.asked.is_empty() => self.request_line(bytes, found),
                    Err(Short::More) if self.asked.is_empty() => Err(Short::More),
                    _ => self.client.body(body, bytes),
                }
            }
            Reading::Headers(head, headers) => {
                let (line, length) = line::line(bytes)?;
                if !line.is_empty() {
                    headers.read(line, true)?;
                    return Ok(Next::Unit(length));
                }
                let body = headers.request_body(head.is_old)?;
                if headers.is_expecting && body != Body::Length(0) {
                    self.client = Reading::Perhaps(body);
                    return Ok(Next::Unit(length));
                }
                Ok(self.client.begin(body, length))
            }
            Reading::Chunks => self.client.chunk(bytes),
            Reading::Trailers => self.client.trailer(bytes).map(|(length, _)| Next::Unit(length)),
        }
    }

    fn request_line(&mut self, bytes: &[u8], found: &mut Found) -> Result<Next, Short> {
        if let Some(length) = line::empty(bytes)? {
            return Ok(Next::Unit(length));
        }
        let RequestLine { method, target, is_old, length } = RequestLine::read(bytes)?;
        let operation = Operation::new(&String::from_utf8_lossy(method), &route::route(method, target));
        found.messages.push(Message::Request { id: Id::Order, operation, answered: true });
        self.client = Reading::Headers(RequestHead { is_old }, Headers::default());
        if self.memory == Memory::Answered {
            self.memory = Memory::Whole;
        }
        if self.asked.len() >= ASKED {
            self.forget();
        } else if self.memory == Memory::Whole {
            self.asked.push_back(match method {
                b"HEAD" => Asked::Head,
                b"CONNECT" => Asked::Connect,
                _ => Asked::Other,
            });
        }
        Ok(Next::Unit(length))
    }

    fn response(&mut self, bytes: &[u8], found: &mut Found) -> Result<Next, Short> {
        match &mut self.server {
            Reading::Start => self.status_line(bytes, found),
            Reading::Perhaps(body) => {
                let body = *body;
                if line::is_version(bytes, body.most())? {
                    self.status_line(bytes, found)
                } else {
                    self.server.body(body, bytes)
                }
            }
            Reading::Headers(head, headers) => {
                let (line, length) = line::line(bytes)?;
                if !line.is_empty() {
                    headers.read(line, false)?;
                    return Ok(Next::Unit(length));
                }
                let head = *head;
                let (body, upgrade) = (headers.response_body(), headers.upgrade);
                Ok(self.response_body(head, body, upgrade, length, found))
            }
            Reading::Chunks => self.server.chunk(bytes),
            Reading::Trailers => {
                let (length, is_last) = self.server.trailer(bytes)?;
                if is_last {
                    self.end(found);
                }
                Ok(Next::Unit(length))
            }
        }
    }

    fn status_line(&mut self, bytes: &[u8], found: &mut Found) -> Result<Next, Short> {
        if let Some(length) = line::empty(bytes)? {
            return Ok(Next::Unit(length));
        }
        let (status, length) = line::status_line(bytes)?;
        let is_final = status >= 200 || status == SWITCHING;
        let asked = if is_final { self.asked.pop_front() } else { None };
        if is_final {
            // Whether an upgrade is the answer, its headers say.
            if status != SWITCHING {
                respond(status, found);
            }
            self.is_known = asked.is_some();
            if self.memory == Memory::Lost {
                self.memory = Memory::Answered;
            }
        }
        let head = match (status, asked) {
            (SWITCHING, _) => ResponseHead::Upgrade,
            (200..=299, Some(Asked::Connect)) => ResponseHead::Tunnel,
            (100..=199 | 204 | 304, _) | (_, Some(Asked::Head)) => ResponseHead::NoBody,
            (_, Some(Asked::Connect | Asked::Other)) => ResponseHead::Body,
            (_, None) => ResponseHead::PerhapsBody,
        };
        self.server = Reading::Headers(head, Headers::default());
        Ok(Next::Unit(length))
    }

    /// What follows the empty line after the headers of a response, which is so long.
    fn response_body(
        &mut self,
        head: ResponseHead,
        body: Body,
        upgrade: Upgrade,
        length: u64,
        found: &mut Found,
    ) -> Next {
        let next = match head {
            ResponseHead::Body => self.server.begin(body, length),
            ResponseHead::PerhapsBody if body != Body::Length(0) => {
                self.server = Reading::Perhaps(body);
                Next::Unit(length)
            }
            ResponseHead::PerhapsBody | ResponseHead::NoBody => self.server.begin(Body::Length(0), length),
            // The request is answered in what follows.
            ResponseHead::Upgrade if upgrade == Upgrade::Http2 => return Next::Switch(length),
            ResponseHead::Upgrade => {
                respond(SWITCHING, found);
                self.is_upgraded = upgrade == Upgrade::Opaque;
                if self.is_upgraded { Next::Opaque(length) } else { Next::Switch(length) }
            }
            ResponseHead::Tunnel => Next::Switch(length),
        };
        if !matches!(self.server, Reading::Chunks) {
            self.end(found);
        }
        next
    }

    /// The response is over with this unit.
    fn end(&mut self, found: &mut Found) {
        if std::mem::take(&mut self.is_known) {
            found.at_end.push(Message::End { id: Id::Order, outcome: None });
        }
    }
}

fn respond(status: u16, found: &mut Found) {
    found.messages.push(Message::Response { id: Id::Order, outcome: Some(outcome(status)) });
}

fn outcome(status: u16) -> Outcome {
    let fault = match status {
        502..=504 => Some(Fault::Gateway),
        500..=599 => Some(Fault::Service),
        _ => None,
    };
    Outcome { status: Status::from(u32::from(status)), fault }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Conversation, Requests};
    use crate::time::Moment;

    /// What a parser says of units in turn: the first bytes of each side.
    fn units(units: &[(Side, &str)]) -> Vec<Next> {
        let mut http = Http::default();
        units.iter().map(|(side, text)| http.next(*side, text.as_bytes(), &mut Found::default())).collect()
    }

    /// What follows the headers of a response.
    fn follows(request: &str, response: &[&str]) -> Next {
        let request = [request, "\r\n"].map(|line| (Side::Client, line));
        let response = response.iter().map(|line| (Side::Server, *line));
        units(&request.into_iter().chain(response).collect::<Vec<_>>()).pop().unwrap()
    }

    #[test]
    fn what_follows_a_response_depends_on_its_request() {
        let ok = ["HTTP/1.1 200 OK\r\n", "Content-Length: 9\r\n", "\r\n"];
        assert_eq!(follows("GET / HTTP/1.1\r\n", &ok), Next::Unit(11));
        assert_eq!(follows("HEAD / HTTP/1.1\r\n", &ok), Next::Unit(2));
        assert_eq!(follows("CONNECT a:443 HTTP/1.1\r\n", &ok), Next::Switch(2));
        let refused = ["HTTP/1.1 403 Forbidden\r\n", "Content-Length: 9\r\n", "\r\n"];
        assert_eq!(follows("CONNECT a:443 HTTP/1.1\r\n", &refused), Next::Unit(11));
        assert_eq!(follows("GET / HTTP/1.0\r\n", &["HTTP/1.0 200 OK\r\n", "\r\n"]), Next::UntilClose);
        assert_eq!(follows("GET / HTTP/1.1\r\n", &["HTTP/1.1 304 Not Modified\r\n", "\r\n"]), Next::Unit(2));
    }

    #[test]
    fn an_upgrade_goes_to_what_is_recognised_or_is_not_read() {
        let upgrade = |line| follows("GET / HTTP/1.1\r\n", &["HTTP/1.1 101 Switching Protocols\r\n", line, "\r\n"]);
        assert_eq!(upgrade("Upgrade: h2c\r\n"), Next::Switch(2));
        assert_eq!(upgrade("Upgrade: websocket\r\n"), Next::Opaque(2));
    }

    /// What is told of pieces in turn, of which some are lost.
    fn told(pieces: &[(Side, &str)]) -> (Vec<String>, Conversation) {
        let (mut conversation, mut requests) = (Conversation::default(), Requests::default());
        let (mut events, mut told) = (Vec::new(), Vec::new());
        for (at, (side, text)) in (0..).zip(pieces) {
            match text.strip_prefix("lost ") {
                Some(length) => conversation.gap(*side, length.parse().unwrap(), Moment(at), &mut events),
                None => conversation.feed(*side, 80, text.as_bytes(), Moment(at), &mut events),
            }
            let ended = events.drain(..).filter_map(|event| requests.take(&event));
            told.extend(ended.map(|ended| format!("{} {}", ended.operation.as_str(), ended.outcome.status.as_str())));
        }
        (told, conversation)
    }

    #[test]
    fn after_a_loss_a_response_to_a_request_that_nobody_saw_may_have_no_body() {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n";
        let (told, _) = told(&[
            (Side::Client, "GET /a HTTP/1.1\r\n\r\n"),
            (Side::Server, "HTTP/1.1 204 No Content\r\n\r\n"),
            // HEAD.
            (Side::Client, "lost 20"),
            (Side::Server, head),
            (Side::Client, "GET /b HTTP/1.1\r\n\r\n"),
            (Side::Server, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
            (Side::Client, "HEAD /c HTTP/1.1\r\n\r\n"),
            (Side::Server, head),
            (Side::Client, "GET /d HTTP/1.1\r\n\r\n"),
            (Side::Server, head),
            (Side::Server, "lost 60"),
        ]);
        assert_eq!(told, ["GET /a 204", "GET /b 404", "HEAD /c 200", "GET /d 200"]);
    }

    #[test]
    fn a_body_that_was_refused_before_it_began_need_not_come() {
        let expect = "PUT /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n";
        let refused = "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n";
        let body = "a".repeat(100);
        let get = "GET /b HTTP/1.1\r\n\r\n";
        for pieces in [[expect, get].as_slice(), &[expect, &body, get]] {
            let (first, rest) = pieces.split_first().unwrap();
            let mut steps = vec![(Side::Client, *first), (Side::Server, refused)];
            steps.extend(rest.iter().map(|piece| (Side::Client, *piece)));
            steps.push((Side::Server, "HTTP/1.1 204 No Content\r\n\r\n"));
            assert_eq!(told(&steps).0, ["PUT /a 417", "GET /b 204"]);
        }
    }

    #[test]
    fn in_a_tunnel_another_protocol_is_recognised() {
        let (told, conversation) = told(&[
            (Side::Client, "CONNECT db.example.com:6379 HTTP/1.1\r\nHost: db.example.com\r\n\r\n"),
            (Side::Server, "HTTP/1.1 200 Connection established\r\n\r\n"),
            (Side::Client, "*1\r\n$4\r\nPING\r\n"),
            (Side::Server, "+PONG\r\n"),
        ]);
        assert_eq!(told, ["CONNECT db.example.com:6379 200", "PING OK"]);
        assert_eq!(conversation.protocol(), Some(Protocol::Redis));
    }

    #[test]
    fn a_message_whose_end_is_ambiguous_is_lost_and_so_is_what_its_request_would_be_told_as() {
        let (told, conversation) = told(&[
            (Side::Client, "POST /a HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            (Side::Server, "HTTP/1.1 204 No Content\r\n\r\n"),
        ]);
        assert_eq!(told, [""; 0]);
        assert_eq!(conversation.wrong(), Some("a request has a length and a transfer coding"));
    }

    #[test]
    fn a_head_may_be_longer_than_what_is_held() {
        let request =
            format!("GET /a?{} HTTP/1.1\r\n{}\r\n", "b".repeat(3_000), "Cookie: 0123456789\r\n".repeat(2_000));
        let (told, conversation) =
            told(&[(Side::Client, &request), (Side::Server, "HTTP/1.1 304 Not Modified\r\n\r\n")]);
        assert_eq!((told, conversation.wrong()), (vec!["GET /a 304".to_owned()], None));
    }

    #[test]
    fn errors_are_those_of_the_server_or_of_what_is_behind_it() {
        assert_eq!(
            [404, 500, 503].map(|status| outcome(status).fault),
            [None, Some(Fault::Service), Some(Fault::Gateway)]
        );
        assert_eq!(outcome(404).status.as_str(), "404");
    }
}
