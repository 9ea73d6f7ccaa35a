//! Redis: RESP2, RESP3 and inline commands (the Redis serialization protocol specification).
//!
//! Recognised are commands as arrays of bulk strings, which all clients send, and every type of reply. Invariant: of a
//! command nothing but its name is kept, and of what was subscribed to the channel, with values left out. Memory: the
//! nesting of one reply, [`DEPTH`] levels; [`SUBSCRIPTIONS`].

mod command;
mod reply;

use std::collections::VecDeque;

use super::lines::Short;
use super::{About, Found, Id, Message, Next, Operation, Outcome, Parser, Protocol, Row, Side, Verdict};
use crate::input::{Capture, ErrorByte};
use command::Command;
use reply::{Element, Purpose};

pub(super) const ROW: Row = Row {
    protocol: Protocol::Redis,
    name: "redis",
    ports: &[6379],
    begins,
    parser: || Box::<Redis>::default(),
    capture: Capture::Heads { error: Some(ErrorByte { at: 0, byte: b'-' }) },
    turns: true,
    unasked: false,
    datagrams: false,
    about: About {
        specification: "RESP2, RESP3, inline commands",
        recognised: "a command as an array of bulk strings, or inline and of a known name; every type of reply",
        operation: "the command, such as `GET`; of a command with subcommands both, such as `CONFIG GET`",
        status: "`OK`, `nil`, `QUEUED` within a transaction, or the first word of an error, such as `WRONGTYPE`",
        errors: "an error reply, or one within it, such as of a command in a transaction (`EXEC`)",
        matching: "order; a subscription ends when its last channel is confirmed",
        older: "from the next command after a reply on",
        limits: "an `UNSUBSCRIBE` without channels ends with the first; what a replica is sent is not read",
    },
};

/// Levels of nested replies (lists of lists); deeper ones are not followed.
const DEPTH: usize = 16;
/// Bytes of a line: a length, a status or an error.
const LINE_BYTES: usize = 1_024;
/// Bytes of a command's name.
const NAME_BYTES: usize = 32;
/// Commands that subscribe, and whose channels are to be confirmed; the oldest goes first.
const SUBSCRIPTIONS: usize = 64;

fn begins(side: Side, bytes: &[u8]) -> Verdict {
    match side {
        Side::Client => command::begins(bytes),
        Side::Server => match Element::read(bytes) {
            Ok(_) => Verdict::Likely,
            Err(Short::More) => Verdict::More,
            Err(Short::Wrong(_)) => Verdict::No,
        },
    }
}

#[derive(Debug, Default)]
struct Redis {
    /// Arguments of the running command that are to come.
    arguments: i64,
    /// The lists that the running reply is in the middle of, the innermost last.
    nesting: Vec<List>,
    reply: Option<Running>,
    /// The client has subscribed to something.
    is_subscribed: bool,
    subscriptions: VecDeque<Subscription>,
    replies: Replies,
    /// The client asked to be sent every change.
    is_replica: bool,
}

/// Whether commands are answered (CLIENT REPLY).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Replies {
    #[default]
    On,
    /// All but the next.
    Skip,
    Off,
}

/// A command that subscribes.
#[derive(Debug)]
struct Subscription {
    command: String,
    /// Channels that are not confirmed.
    left: i64,
    answered: bool,
}

/// A list in a reply.
#[derive(Debug)]
struct List {
    left: i64,
    /// It is about the element that follows it, and no element itself.
    attribute: bool,
}

/// A reply of which more is to come.
#[derive(Debug)]
struct Running {
    purpose: Purpose,
    outcome: Outcome,
}

impl Parser for Redis {
    fn next(&mut self, side: Side, bytes: &[u8], found: &mut Found) -> Next {
        match side {
            Side::Client => self.command(bytes, found).map_or_else(Next::from, Next::Unit),
            Side::Server => self.reply(bytes, found).unwrap_or_else(Next::from),
        }
    }

    fn lost(&mut self, side: Side) {
        self.subscriptions.clear();
        match side {
            Side::Client => self.arguments = 0,
            Side::Server => {
                self.nesting.clear();
                self.reply = None;
            }
        }
    }
}

impl Redis {
    fn command(&mut self, bytes: &[u8], found: &mut Found) -> Result<u64, Short> {
        if self.arguments > 0 {
            let (_, length) = reply::bulk(bytes)?;
            self.arguments -= 1;
            return Ok(length);
        }
        let Some(command) = Command::read(bytes)? else { return Ok(reply::empty_line(bytes)) };
        self.arguments = command.arguments;
        let answered = self.is_answered(&command);
        match command.name.as_str() {
            name if name.ends_with("SUBSCRIBE") => {
                self.is_subscribed = true;
                if self.subscriptions.len() >= SUBSCRIPTIONS {
                    self.subscriptions.pop_front();
                }
                // Without channels, all are meant, of which there may be none; one is confirmed in any case.
                let left = command.words.saturating_sub(1).max(1);
                let subscription = Subscription { command: command.name.clone(), left, answered: false };
                self.subscriptions.push_back(subscription);
            }
            "RESET" => self.is_subscribed = false,
            "PSYNC" | "SYNC" => self.is_replica = true,
            _ => {}
        }
        let operation = Operation::new(&command.name, &command.subcommand);
        found.messages.push(Message::Request { id: Id::Order, operation, answered });
        Ok(command.length)
    }

    fn is_answered(&mut self, command: &Command) -> bool {
        let before = self.replies;
        self.replies = match command.mode.as_str() {
            "ON" => Replies::On,
            "OFF" => Replies::Off,
            "SKIP" if before == Replies::On => Replies::Skip,
            _ if before == Replies::Skip => Replies::On,
            _ => before,
        };
        match command.mode.as_str() {
            "ON" => true,
            "OFF" | "SKIP" => false,
            _ => before == Replies::On,
        }
    }

    /// One element of a reply.
    fn reply(&mut self, bytes: &[u8], found: &mut Found) -> Result<Next, Short> {
        if self.is_replica && bytes.first() == Some(&b'\n') {
            // Until the copy is ready, a line now and then says that somebody is there.
            return Ok(Next::Unit(1));
        }
        let element = Element::read(bytes)?;
        if self.nesting.len() >= DEPTH {
            return Err(Short::Wrong("a reply is nested too deeply"));
        }
        let purpose = match &self.reply {
            None => Some(reply::purpose(bytes, &element, self.is_subscribed)?),
            Some(_) => None,
        };
        let mut running = match (self.reply.take(), purpose) {
            (Some(running), _) => running,
            (None, purpose) => {
                let purpose = purpose.unwrap_or(Purpose::Reply);
                self.begin(&purpose, found);
                Running { purpose, outcome: Outcome::default() }
            }
        };
        if self.nesting.is_empty() || (element.outcome.fault.is_some() && running.outcome.fault.is_none()) {
            running.outcome = element.outcome;
        }
        let attribute = element.kind == b'|';
        let over = if element.elements > 0 {
            self.nesting.push(List { left: element.elements, attribute });
            false
        } else {
            !attribute && self.finish_element()
        };
        if !over {
            self.reply = Some(running);
            return Ok(Next::Unit(element.length));
        }
        // What follows is a copy of the data, and every change of it.
        let is_opaque = self.is_replica && running.outcome.fault.is_none() && reply::begins_copy(bytes);
        if is_opaque {
            self.replies = Replies::Off;
        }
        self.finish(running, found);
        Ok(if is_opaque { Next::Opaque(element.length) } else { Next::Unit(element.length) })
    }

    /// The first element of a reply.
    fn begin(&mut self, purpose: &Purpose, found: &mut Found) {
        let is_answer = match purpose {
            Purpose::Push(_) => false,
            Purpose::Reply => true,
            Purpose::Confirmation(command) => {
                let first = self.subscriptions.front_mut().filter(|first| first.command == *command);
                first.is_some_and(|first| !std::mem::replace(&mut first.answered, true))
            }
        };
        if is_answer {
            found.messages.push(Message::Response { id: Id::Order, outcome: None });
        }
    }

    /// The last element of a reply.
    fn finish(&mut self, running: Running, found: &mut Found) {
        match running.purpose {
            Purpose::Push(operation) => return found.at_end.push(Message::Push { operation }),
            Purpose::Reply => {}
            Purpose::Confirmation(command) => {
                let first = self.subscriptions.front_mut().filter(|first| first.command == command);
                let Some(first) = first else { return };
                first.left -= 1;
                if first.left > 0 {
                    return;
                }
                self.subscriptions.pop_front();
            }
        }
        found.at_end.push(Message::End { id: Id::Order, outcome: Some(running.outcome) });
    }

    /// One more element is there, and so is each list that it is the last of: whether the reply is over.
    fn finish_element(&mut self) -> bool {
        while let Some(list) = self.nesting.last_mut() {
            list.left -= 1;
            if list.left > 0 {
                return false;
            }
            if self.nesting.pop().is_some_and(|list| list.attribute) {
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_the_client_wants_no_reply_to_have_none() {
        let mut redis = Redis::default();
        let mut is_answered = |line: &[u8]| {
            let mut found = Found::default();
            redis.next(Side::Client, line, &mut found);
            matches!(*found.messages, [Message::Request { answered: true, .. }])
        };
        assert!(is_answered(b"get k\r\n"));
        assert!(!is_answered(b"client reply skip\r\n"));
        assert!(!is_answered(b"get k\r\n"));
        assert!(is_answered(b"get k\r\n"));
        assert!(!is_answered(b"*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$3\r\nOFF\r\n"));
        assert!(!is_answered(b"get k\r\n"));
        assert!(is_answered(b"client reply on\r\n"));
        assert!(is_answered(b"get k\r\n"));
    }
}
