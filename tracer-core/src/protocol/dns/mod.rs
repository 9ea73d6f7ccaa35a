//! DNS (RFC 1035), over TCP, where messages have their length before them (§4.2.2), and over UDP, where it is put there.
//!
//! A message is its header and its first question: `message` reads both, `name` says what a question is about. Invariant:
//! a response ends only a query that has its id, and its question where it repeats one; of a name nothing that looks like
//! a value is kept, and of an answer nothing but its code. Memory: [`QUERIES`] that wait.

mod message;
mod name;

use std::collections::VecDeque;

use super::short::Short;
use super::{About, Fault, Found, Id, Message, Next, Operation, Outcome, Parser, Protocol, Row, Side, Verdict};
use crate::input::Capture;
use message::{Head, Question, TCP_LENGTH_BYTES};

pub(super) const ROW: Row = Row {
    protocol: Protocol::Dns,
    name: "dns",
    ports: &[53],
    begins,
    parser: || Box::<Dns>::default(),
    capture: Capture::Stream,
    turns: true,
    unasked: false,
    datagrams: true,
    about: About {
        specification: "RFC 1035 §4 (messages, and their length over TCP), RFC 6895 (codes)",
        recognised: "the length, the flags and the counts of a query, and its question; the same of a response",
        operation: "the type and the name of the question, `{id}` in place of labels that look like values, such as \
                    `AAAA db.example.com` or `PTR {id}.in-addr.arpa`; before it `NOTIFY` or `UPDATE`",
        status: "the response code, such as `NOERROR` or `NXDOMAIN`; `TRUNCATED` for an answer that did not fit",
        errors: "`SERVFAIL`, `FORMERR`, `NOTIMP`, `REFUSED`; `NXDOMAIN` is a status, as 404 is of `http`",
        matching: "the id, and the question where the response repeats it",
        older: "from the next query that begins a turn on",
        limits: "a transfer of a zone ends with its first message; codes that extensions keep in records (RFC 6891), such \
                 as BADVERS, are not read; DNS over TLS or HTTPS is what carries it; of the datagrams of one `recvmmsg` \
                 that its time limit ended, the next batch may be told by the wrong bytes",
    },
};

/// Queries that wait for their response; the oldest goes first.
const QUERIES: usize = super::matching::REQUESTS;

fn begins(side: Side, bytes: &[u8]) -> Verdict {
    let head = match Head::read(bytes) {
        _ if !Head::may_begin(side, bytes) => return Verdict::No,
        Ok(head) => head,
        Err(short) => return short.into(),
    };
    match Question::read(bytes, &head) {
        // Three counts and a class.
        Ok(question) if question.is_internet() && side == Side::Client => Verdict::Certain,
        Ok(question) if question.is_internet() => Verdict::Likely,
        Ok(_) => Verdict::No,
        Err(short) => short.into(),
    }
}

#[derive(Debug, Default)]
struct Dns {
    open: VecDeque<Open>,
    /// Queries so far, which number them: ids are used again.
    asked: u64,
}

/// A query that waits.
#[derive(Debug)]
struct Open {
    id: u16,
    /// Its question, which is compared and never shown.
    question: u64,
    number: u64,
}

impl Parser for Dns {
    fn next(&mut self, side: Side, bytes: &[u8], found: &mut Found) -> Next {
        let unit = Head::read(bytes).and_then(|head| {
            // Without a question, or with one that nothing is known of, a message is what its header says.
            let question = if head.questions > 0 { Question::read(bytes, &head) } else { Err(Short::Wrong("none")) };
            match question {
                Err(Short::More) => Err(Short::More),
                question => self.message(side, &head, question.ok().as_ref(), found),
            }
        });
        unit.map_or_else(Next::from, Next::Unit)
    }

    fn lost(&mut self, _side: Side) {}
}

impl Dns {
    fn message(
        &mut self,
        side: Side,
        head: &Head,
        question: Option<&Question<'_>>,
        found: &mut Found,
    ) -> Result<u64, Short> {
        match (side, head.is_response) {
            (Side::Client, false) => self.query(head, question, found),
            (Side::Server, true) => self.response(head, question, found),
            // Of a session, either side may ask (RFC 8490 §5.1); what a server asks is not told.
            (Side::Client, true) | (Side::Server, false) if head.is_stateful() => {}
            (Side::Client, true) => return Err(Short::Wrong("a client sends a response")),
            (Side::Server, false) => return Err(Short::Wrong("a server sends a query")),
        }
        Ok(head.length.saturating_add(TCP_LENGTH_BYTES as u64))
    }

    fn query(&mut self, head: &Head, question: Option<&Question<'_>>, found: &mut Found) {
        let about = question.map_or(0, Question::hash);
        // The same query once more, because its answer is late.
        if self.open.iter().any(|open| open.id == head.id && open.question == about) {
            return;
        }
        if self.open.len() >= QUERIES {
            self.open.pop_front();
        }
        self.asked = self.asked.wrapping_add(1);
        self.open.push_back(Open { id: head.id, question: about, number: self.asked });
        let (kind, name) = question.map_or_else(Default::default, |question| (question.kind(), question.name()));
        let operation = match head.operation() {
            "" => Operation::new(&kind, &name),
            "UPDATE" => Operation::new("UPDATE", &name),
            other => Operation::new(other, format!("{kind} {name}").trim()),
        };
        found.messages.push(Message::Request { id: Id::Number(self.asked), operation, answered: true });
    }

    fn response(&mut self, head: &Head, question: Option<&Question<'_>>, found: &mut Found) {
        let about = question.map(Question::hash);
        let is_answered = |open: &Open| open.id == head.id && about.is_none_or(|about| about == open.question);
        // What nobody asked, or one more part of a zone.
        let Some(place) = self.open.iter().position(is_answered) else { return };
        let Some(Open { number, .. }) = self.open.remove(place) else { return };
        found.messages.push(Message::Response { id: Id::Number(number), outcome: Some(outcome(head)) });
        found.at_end.push(Message::End { id: Id::Number(number), outcome: None });
    }
}

/// By the response code (RFC 6895 §2.3).
fn outcome(head: &Head) -> Outcome {
    let failure = |name| Outcome::failure(name, Fault::Service);
    match head.code {
        0 if head.is_truncated => Outcome::success("TRUNCATED"),
        0 => Outcome::success("NOERROR"),
        1 => failure("FORMERR"),
        2 => failure("SERVFAIL"),
        3 => Outcome::success("NXDOMAIN"),
        4 => failure("NOTIMP"),
        5 => failure("REFUSED"),
        6 => Outcome::success("YXDOMAIN"),
        7 => Outcome::success("YXRRSET"),
        8 => Outcome::success("NXRRSET"),
        9 => Outcome::success("NOTAUTH"),
        10 => Outcome::success("NOTZONE"),
        other => Outcome::success(u32::from(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message about a name of one label.
    fn message(id: u8, flags: u8, code: u8, label: &[u8]) -> Vec<u8> {
        let counts = [0, id, flags, code, 0, 1, 0, 0, 0, 0, 0, 0];
        let length = u8::try_from(label.len()).unwrap();
        let all = u8::try_from(counts.len() + label.len() + 6).unwrap();
        [&[0, all], &counts[..], &[length], label, &[0, 0, 1, 0, 1]].concat()
    }

    fn say(dns: &mut Dns, side: Side, bytes: &[u8]) -> Vec<Message> {
        let mut found = Found::default();
        assert_eq!(dns.next(side, bytes, &mut found), Next::Unit(bytes.len() as u64));
        [found.messages, found.at_end].concat()
    }

    #[test]
    fn a_query_that_is_sent_again_is_one_and_an_id_that_is_used_again_is_another() {
        let mut dns = Dns::default();
        assert_eq!(say(&mut dns, Side::Client, &message(7, 1, 0, b"a")).len(), 1);
        assert_eq!(say(&mut dns, Side::Client, &message(7, 1, 0, b"a")), []);
        let other = say(&mut dns, Side::Client, &message(7, 1, 0, b"b"));
        let [Message::Request { id, .. }] = &other[..] else { panic!("{other:?}") };
        let answer = say(&mut dns, Side::Server, &message(7, 0x81, 0, b"B"));
        assert_eq!(answer.last(), Some(&Message::End { id: *id, outcome: None }));
        assert_eq!(say(&mut dns, Side::Server, &message(7, 0x81, 0, b"b")), [], "nobody asks any more");
        assert_eq!(say(&mut dns, Side::Server, &message(8, 0x81, 0, b"a")), [], "nobody asked under this id");
        assert_eq!(say(&mut dns, Side::Server, &message(7, 0x81, 0, b"a")).len(), 2);
    }

    #[test]
    fn of_too_many_queries_the_oldest_is_forgotten() {
        let mut dns = Dns::default();
        for number in 0..=QUERIES {
            say(&mut dns, Side::Client, &message(7, 1, 0, format!("n{number}").as_bytes()));
        }
        assert_eq!(dns.open.len(), QUERIES);
        assert_eq!(say(&mut dns, Side::Server, &message(7, 0x81, 0, b"n0")), []);
        assert_eq!(say(&mut dns, Side::Server, &message(7, 0x81, 0, b"n1")).len(), 2);
    }

    #[test]
    fn what_the_server_cannot_do_is_an_error_and_what_is_not_there_is_a_status() {
        let outcome = |code| {
            let bytes = message(1, 0x81, code, b"a");
            outcome(&Head::read(&bytes).unwrap())
        };
        assert_eq!(outcome(0), Outcome::success("NOERROR"));
        assert_eq!(outcome(3), Outcome::success("NXDOMAIN"));
        assert_eq!([1, 2, 4, 5].map(|code| outcome(code).fault), [Some(Fault::Service); 4]);
        assert_eq!(outcome(11), Outcome::success("11"));
    }
}
