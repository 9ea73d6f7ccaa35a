//! NATS: the client protocol (NATS documentation, "Client Protocol": INFO, CONNECT, PUB, HPUB, SUB, UNSUB, MSG, HMSG,
//! PING, PONG, +OK, -ERR).
//!
//! Recognised are whole lines of the protocol's grammar. Invariant: of a message nothing but its subject is kept, with
//! values left out; of CONNECT nothing. A publication is answered by a message to the subject that it names for
//! replies, if this connection listens there. Memory: [`REPLIES`] hashes of subjects for replies, [`INBOXES`] of
//! subscriptions.

mod line;

use std::collections::VecDeque;

use super::{About, Fault, Found, Id, Message, Next, Operation, Outcome, Parser, Protocol, Row, Side, Verdict};
use super::{lines::Short, topic};
use crate::input::Capture;
use line::{Line, Verb};

pub(super) const ROW: Row = Row {
    protocol: Protocol::Nats,
    name: "nats",
    ports: &[4222],
    begins,
    parser: || Box::<Nats>::default(),
    capture: Capture::Stream,
    turns: true,
    unasked: true,
    datagrams: false,
    about: About {
        specification: "NATS client protocol",
        recognised: "`INFO` and `CONNECT`; whole lines of its grammar",
        operation: "the operation and its subject, `{id}` in place of what looks like a value, such as `PUB \
                    orders.new`",
        status: "`OK`; of a request the status of the reply's header, such as `503` where nobody serves; the text of \
                 `-ERR`",
        errors: "`-ERR` to CONNECT; a reply with the status 503 (nobody serves) or another from 500 on",
        matching: "the reply subject, which is this connection's own; PONG in order",
        older: "from the next line that begins a turn on",
        limits: "a publication without a reply subject has no response, even in verbose mode; of several replies the \
                 first counts; an error that names no command is told for itself; with TLS, which begins after INFO, \
                 nothing is read",
    },
};

/// Requests whose reply is to come; the oldest goes first.
const REPLIES: usize = 1_024;
/// Subscriptions that a reply subject may be one of; the oldest goes first.
const INBOXES: usize = 256;
/// What clients begin the subjects of replies with.
const INBOX: &[u8] = b"_INBOX.";
/// The number of CONNECT, and what the hashes of replies have and it has not.
const CONNECT: Id = Id::Number(0);
const IS_REPLY: u64 = 1 << 63;

fn begins(side: Side, bytes: &[u8]) -> Verdict {
    match line::opening(side, bytes) {
        Some(verdict) => verdict,
        None => match Line::read(side, bytes) {
            Ok(line) if matches!(line.verb, Verb::Ping | Verb::Pong | Verb::Ok | Verb::Error) => Verdict::Likely,
            Ok(_) => Verdict::Certain,
            Err(Short::More) => Verdict::More,
            Err(Short::Wrong(_)) => Verdict::No,
        },
    }
}

#[derive(Debug, Default)]
struct Nats {
    /// CONNECT was sent, and nothing that says whether it succeeded has come.
    connecting: bool,
    /// Hashes of the subjects at which replies are to come.
    replies: VecDeque<u64>,
    /// Hashes of subjects that the client listens to, without a wildcard at their end.
    inboxes: VecDeque<u64>,
}

impl Parser for Nats {
    fn next(&mut self, side: Side, bytes: &[u8], found: &mut Found) -> Next {
        let line = match Line::read(side, bytes) {
            Ok(line) => line,
            Err(short) => return short.into(),
        };
        match side {
            Side::Client => self.command(&line, found),
            Side::Server => self.response(&line, found),
        }
        if line.requires_tls { Next::Switch(line.length) } else { Next::Unit(line.length) }
    }

    fn lost(&mut self, _side: Side) {
        self.connecting = false;
    }
}

impl Nats {
    fn command(&mut self, line: &Line<'_>, found: &mut Found) {
        let subject = topic::template(line.subject, b".");
        let (id, answered) = match line.verb {
            Verb::Ping => (Id::Order, true),
            // It answers the server.
            Verb::Pong => return,
            Verb::Connect => {
                self.connecting = true;
                (CONNECT, true)
            }
            Verb::Publish if self.is_answered(line) => {
                let reply = hash(line.reply) | IS_REPLY;
                if self.replies.len() >= REPLIES {
                    self.replies.pop_front();
                }
                self.replies.push_back(reply);
                (Id::Number(reply), true)
            }
            _ => (Id::Order, false),
        };
        if line.verb == Verb::Subscribe {
            if self.inboxes.len() >= INBOXES {
                self.inboxes.pop_front();
            }
            self.inboxes.push_back(hash(without_wildcard(line.subject)));
        }
        let operation = Operation::new(line.verb.name(), &subject);
        found.messages.push(Message::Request { id, operation, answered });
    }

    /// Whether a reply will come on this connection, and by its subject.
    fn is_answered(&self, line: &Line<'_>) -> bool {
        // What a consumer of a stream asks for comes under the subjects of the stream.
        if line.reply.is_empty() || line.subject.starts_with(b"$JS.API.CONSUMER.MSG.NEXT.") {
            return false;
        }
        let parent = line.reply.iter().rposition(|byte| *byte == b'.').and_then(|at| line.reply.get(..at));
        let is_listened = |subject: &[u8]| self.inboxes.contains(&hash(subject));
        line.reply.starts_with(INBOX) || is_listened(line.reply) || parent.is_some_and(is_listened)
    }

    fn response(&mut self, line: &Line<'_>, found: &mut Found) {
        if matches!(line.verb, Verb::Info | Verb::Ping) {
            return;
        }
        if std::mem::take(&mut self.connecting) {
            let is_refused = line.verb == Verb::Error;
            let outcome = if is_refused { refusal(line.error) } else { Outcome::success("OK") };
            found.messages.push(Message::Response { id: CONNECT, outcome: None });
            found.at_end.push(Message::End { id: CONNECT, outcome: Some(outcome) });
            if is_refused {
                return;
            }
        }
        match line.verb {
            Verb::Pong => {
                found.messages.push(Message::Response { id: Id::Order, outcome: None });
                found.at_end.push(Message::End { id: Id::Order, outcome: Some(Outcome::success("OK")) });
            }
            // That who it is was not believed is the answer to a CONNECT, which was not seen.
            Verb::Error if line.error.starts_with(b"'Auth") => {}
            Verb::Error => {
                let operation = Operation::of_bytes(b"-ERR", reason(line.error));
                found.at_end.push(Message::Push { operation });
            }
            Verb::Message => self.message(line, found),
            // In verbose mode, every command is confirmed; a publication that failed as well.
            _ => {}
        }
    }

    /// A reply that is waited for, or what was subscribed to.
    fn message(&mut self, line: &Line<'_>, found: &mut Found) {
        let reply = hash(line.subject) | IS_REPLY;
        let Some(place) = self.replies.iter().position(|waiting| *waiting == reply) else {
            if line.subject.starts_with(INBOX) {
                // One more reply, or the reply to what was not seen.
                return;
            }
            let operation = Operation::new("MSG", &topic::template(line.subject, b"."));
            return found.at_end.push(Message::Push { operation });
        };
        self.replies.remove(place);
        let outcome = match line.status {
            None => Outcome::success("OK"),
            // Nobody listens to the subject.
            Some(503) => Outcome::failure(503, Fault::Gateway),
            Some(status) if status >= 500 => Outcome::failure(u32::from(status), Fault::Service),
            Some(status) => Outcome::success(u32::from(status)),
        };
        found.messages.push(Message::Response { id: Id::Number(reply), outcome: None });
        found.at_end.push(Message::End { id: Id::Number(reply), outcome: Some(outcome) });
    }
}

/// An error by its text.
fn refusal(text: &[u8]) -> Outcome {
    Outcome::failure(&*String::from_utf8_lossy(reason(text)), Fault::Service)
}

/// The text of an error without the subject or the account that it is about.
fn reason(text: &[u8]) -> &[u8] {
    let text = text.strip_prefix(b"'").unwrap_or(text);
    let text = text.strip_suffix(b"'").unwrap_or(text);
    let values = text.iter().position(|byte| matches!(byte, b'"' | b'\'' | b':' | b'['));
    let text = values.and_then(|at| text.get(..at)).unwrap_or(text);
    let about = text.windows(5).position(|window| window == b" for ").and_then(|at| text.get(..at));
    about.unwrap_or(text).trim_ascii()
}

/// A subject without the wildcard that it ends with.
fn without_wildcard(subject: &[u8]) -> &[u8] {
    subject.strip_suffix(b".*").or_else(|| subject.strip_suffix(b".>")).unwrap_or(subject)
}

/// Subjects are compared and never shown.
fn hash(subject: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    subject.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_error_is_about_is_left_out() {
        assert_eq!(reason(b"'Permissions Violation for Publish to \"secret.4711\"'"), b"Permissions Violation");
        assert_eq!(reason(b"'Unknown Protocol Operation'"), b"Unknown Protocol Operation");
        assert_eq!(reason(b"'Maximum Connections Exceeded'"), b"Maximum Connections Exceeded");
    }

    #[test]
    fn a_reply_may_come_to_a_subject_that_is_named_otherwise_if_the_client_listens_there() {
        let mut nats = Nats::default();
        let mut say = |side, bytes: &[u8]| {
            let mut found = Found::default();
            assert_eq!(nats.next(side, bytes, &mut found), Next::Unit(bytes.len() as u64));
            [found.messages, found.at_end].concat()
        };
        say(Side::Client, b"SUB answers.a1.* 9\r\n");
        let [Message::Request { answered: false, .. }] = *say(Side::Client, b"PUB a elsewhere.7 0\r\n\r\n") else {
            panic!()
        };
        let [Message::Request { id, answered: true, .. }] = *say(Side::Client, b"PUB a answers.a1.7 0\r\n\r\n") else {
            panic!()
        };
        let answer = say(Side::Server, b"MSG answers.a1.7 9 0\r\n\r\n");
        assert!(answer.contains(&Message::Response { id, outcome: None }), "{answer:?}");
        let late = say(Side::Server, b"MSG answers.a1.7 9 0\r\n\r\n");
        assert!(matches!(*late, [Message::Push { .. }]), "{late:?}");
    }
}
