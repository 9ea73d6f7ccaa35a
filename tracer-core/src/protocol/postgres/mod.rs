//! PostgreSQL: version 3 of its frontend/backend protocol (its documentation, chapter 55).
//!
//! `message` reads messages, `waiting` joins answers to what was asked. A request is a query, an execution of a prepared
//! statement with the Parse and Bind before it, a Parse or Describe alone, a function call, or a connection's beginning.
//! Invariant: of what is bound, copied and authenticated nothing is looked at; a statement that was prepared unseen is
//! `?`. Memory: [`Statements`] of statements and of portals, and what waits.

mod message;
mod waiting;

use compact_str::CompactString;

use super::short::Short;
use super::statements::Statements;
use super::{About, Fault, Found, Id, Message, Next, Operation, Outcome, Parser, Protocol, Row, Side, Status};
use crate::input::Capture;
use message::{Framed, Opening};
use waiting::{Until, Waiting};

pub(super) const ROW: Row = Row {
    protocol: Protocol::Postgres,
    name: "postgres",
    ports: &[5432, 6432],
    begins: message::begins,
    parser: || Box::<Postgres>::default(),
    // Executions name statements that were prepared long before.
    capture: Capture::Stream,
    turns: true,
    unasked: false,
    datagrams: false,
    about: About {
        specification: "PostgreSQL documentation, chapter 55: frontend/backend protocol 3.0 to 3.2",
        recognised: "the first message of a client; later ones whose length and content fit their kind",
        operation: "the statement and its first table, such as `SELECT orders`; `PREPARE SELECT orders` or \
                    `DESCRIBE SELECT orders` where one is only prepared or described; `?` for one that was prepared \
                    before anybody looked; `CONNECT` for the beginning of a connection up to when it is ready, `CANCEL`",
        status: "`OK`, the SQLSTATE of an error such as `23505`, or `aborted` for the rest of a pipeline after an error",
        errors: "every ErrorResponse, whatever its class; no NoticeResponse, and nothing that was aborted after an error",
        matching: "order, by what each message is answered with",
        older: "from the next message that begins a turn on; a statement that was prepared before is `?`",
        limits: "of several statements in one query the first gives its name, but for `BEGIN` and `SET` before it; \
                 replication and GSS encryption are opaque; of a result more of which moved at once than was told, the \
                 end is known only if its last bytes were told: else it has no status, and lasts up to its first byte",
    },
};

#[derive(Debug, Default)]
struct Postgres {
    statements: Statements<CompactString>,
    portals: Statements<CompactString>,
    group: Group,
    waiting: Waiting,
    /// The server's next byte says whether it encrypts.
    encryption: Option<Opening>,
    /// What both send is not this protocol any more.
    opaque: bool,
    /// Nothing was missed since the server was last ready.
    sure: bool,
}

/// What was asked since the last request, and prepares the next.
#[derive(Debug, Default)]
struct Group {
    prepared: Option<Operation>,
    described: Option<Operation>,
    bound: Option<Operation>,
    steps: u32,
    /// Those that close something.
    closes: u32,
}

impl Parser for Postgres {
    fn next(&mut self, side: Side, bytes: &[u8], found: &mut Found) -> Next {
        if self.opaque {
            return Next::Opaque(1);
        }
        let next = match side {
            Side::Client => self.request(bytes, found),
            Side::Server => self.response(bytes, found),
        };
        next.unwrap_or_else(Next::from)
    }

    fn lost(&mut self, side: Side) {
        self.waiting.clear();
        self.sure = false;
        match side {
            Side::Client => {
                self.group = Group::default();
                self.statements.clear();
                self.portals.clear();
            }
            Side::Server => self.encryption = None,
        }
    }

    fn may_resume(&self, side: Side) -> bool {
        side == Side::Server && self.waiting.is_single()
    }

    fn resume(&mut self, _side: Side, bytes: &[u8]) -> Option<usize> {
        message::end_of_answer(bytes)
    }
}

impl Postgres {
    fn request(&mut self, bytes: &[u8], found: &mut Found) -> Result<Next, Short> {
        if bytes.first() == Some(&0) {
            return self.opening(bytes, found);
        }
        let message = Framed::read(Side::Client, bytes)?;
        match message.kind {
            b'Q' => {
                let operation = message.statement(0)?;
                self.group = Group::default();
                self.waiting.ask(operation, Until::Ready, found);
            }
            b'F' => self.waiting.ask(Operation::new("CALL", ""), Until::Ready, found),
            b'P' => {
                let name = message.name(0)?;
                let operation = match name {
                    Some(name) => message.statement(name.len().saturating_add(1))?,
                    None => Operation::new("?", ""),
                };
                if let Some(name) = name {
                    self.statements.remember(key(name), operation.clone());
                }
                self.group.prepared = Some(operation);
                self.group.step();
            }
            b'B' => {
                let portal = message.name(0)?;
                let statement = match portal {
                    Some(portal) => message.name(portal.len().saturating_add(1))?,
                    None => None,
                };
                let operation = statement.map(|name| self.statements.find(&key(name)));
                let operation = operation.unwrap_or_else(|| Operation::new("?", ""));
                if let Some(portal) = portal {
                    self.portals.remember(key(portal), operation.clone());
                }
                self.group.bound = Some(operation);
                self.group.step();
            }
            b'D' => {
                let name = message.name(1)?.map(key);
                let named = if message.content.first() == Some(&b'S') { &self.statements } else { &self.portals };
                let operation = name.map(|name| named.find(&name));
                self.group.described = Some(operation.unwrap_or_else(|| Operation::new("?", "")));
                self.group.step();
            }
            b'C' => {
                let name = message.name(1)?;
                let named =
                    if message.content.first() == Some(&b'S') { &mut self.statements } else { &mut self.portals };
                if let Some(name) = name {
                    named.forget(&key(name));
                }
                self.group.closes = self.group.closes.saturating_add(1);
                self.group.step();
            }
            b'E' => {
                let name = message.name(0)?;
                let operation = name.map(|name| self.portals.find(&key(name)));
                self.group = Group::default();
                let operation = operation.unwrap_or_else(|| Operation::new("?", ""));
                self.waiting.ask(operation, Until::Complete, found);
            }
            b'S' => {
                let group = std::mem::take(&mut self.group);
                if group.is_request(&self.waiting) {
                    self.waiting.ask(group.operation(), Until::Ready, found);
                } else {
                    self.waiting.sync();
                }
            }
            b'H' if self.group.is_request(&self.waiting) => {
                let group = std::mem::take(&mut self.group);
                self.waiting.ask(group.operation(), Until::Steps(group.steps), found);
            }
            _ => {}
        }
        Ok(Next::Unit(message.length))
    }

    fn opening(&mut self, bytes: &[u8], found: &mut Found) -> Result<Next, Short> {
        let (opening, length) = Opening::read(bytes)?;
        match opening {
            Opening::Startup => {
                self.waiting.ask(Operation::new("CONNECT", ""), Until::Ready, found);
                self.sure = true;
            }
            Opening::Cancel => {
                let operation = Operation::new("CANCEL", "");
                found.messages.push(Message::Request { id: Id::Order, operation, answered: false });
            }
            Opening::Ssl | Opening::Gss => self.encryption = Some(opening),
        }
        Ok(Next::Unit(u64::from(length)))
    }

    fn response(&mut self, bytes: &[u8], found: &mut Found) -> Result<Next, Short> {
        if let Some(asked) = self.encryption {
            let answer = bytes.first().copied().unwrap_or_default();
            if answer != b'E' {
                self.encryption = None;
            }
            match (asked, answer) {
                (_, b'E') => {}
                (_, b'N') => return Ok(Next::Unit(1)),
                (Opening::Ssl, b'S') => return Ok(Next::Switch(1)),
                (Opening::Gss, b'G') => {
                    self.opaque = true;
                    return Ok(Next::Opaque(1));
                }
                _ => return Err(Short::Wrong("the server says neither that it encrypts nor that it does not")),
            }
        }
        let message = Framed::read(Side::Server, bytes)?;
        match message.kind {
            b'Z' => self.sure |= self.waiting.ready(found),
            b'E' => {
                let (is_fatal, class) = message.error()?;
                let class = String::from_utf8_lossy(class);
                let outcome = Outcome::failure(Status::new(&class), Fault::Service);
                let was_asked = self.waiting.fail(outcome, is_fatal, found);
                if is_fatal && !was_asked && self.sure {
                    found.messages.push(Message::Push { operation: Operation::new("FATAL", &class) });
                }
            }
            b'A' => {
                let channel = message.name(4)?.unwrap_or_default();
                found.messages.push(Message::Push { operation: Operation::of_bytes(b"NOTIFY", channel) });
            }
            b'C' | b's' | b'I' => self.waiting.complete(found),
            b'1' | b'2' | b'3' | b'T' | b'n' => self.waiting.step(found),
            b'W' => {
                self.waiting.turn(found);
                self.opaque = true;
                return Ok(Next::Opaque(message.length));
            }
            // These come at any time.
            b'N' | b'S' | b'K' => {}
            _ => self.waiting.begin(found),
        }
        Ok(Next::Unit(message.length))
    }
}

impl Group {
    fn step(&mut self) {
        self.steps = self.steps.saturating_add(1);
    }

    /// Whether it asks for something by itself; what closes the portal of a statement belongs to it.
    fn is_request(&self, waiting: &Waiting) -> bool {
        self.steps > 0 && !(self.steps == self.closes && waiting.ends_in_statement())
    }

    fn operation(&self) -> Operation {
        let known = [("PREPARE", &self.prepared), ("DESCRIBE", &self.described), ("BIND", &self.bound)];
        let asked = known.into_iter().find_map(|(verb, about)| Some((verb, about.as_ref()?)));
        asked.map_or_else(|| Operation::new("CLOSE", ""), |(verb, about)| Operation::new(verb, about.as_str()))
    }
}

/// The name of a statement or of a portal.
fn key(name: &[u8]) -> CompactString {
    CompactString::from_utf8_lossy(name)
}

#[cfg(test)]
mod tests;
