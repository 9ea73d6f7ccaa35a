//! MySQL and MariaDB: the client/server protocol (MySQL's internals documentation, MariaDB's "Clients & Utilities").
//!
//! `packet` reads packets, `command` what is asked, `answer` how it is answered. A request is a command, or the beginning
//! of a connection. Invariant: parameters, rows, files and credentials are passed over by their length; a statement that
//! was prepared unseen is `?`. Memory: [`Statements`], and [`WAITING`] commands.

mod answer;
mod begins;
mod command;
mod packet;

use std::collections::VecDeque;

use super::short::Short;
use super::statements::Statements;
use super::{About, Found, Id, Message, Next, Operation, Outcome, Parser, Protocol, Row, Side};
use crate::input::Capture;
use answer::{Manner, Stage};
use command::Command;
use packet::{LONGEST, Packet};

pub(super) const ROW: Row = Row {
    protocol: Protocol::Mysql,
    name: "mysql",
    ports: &[3306],
    begins: begins::begins,
    parser: || Box::<Mysql>::default(),
    // Executions name statements that were prepared long before.
    capture: Capture::Stream,
    turns: true,
    unasked: false,
    datagrams: false,
    about: About {
        specification: "MySQL client/server protocol since 4.1, with the extensions of MariaDB",
        recognised: "the greeting of the server and the login; commands and answers whose length and content fit",
        operation: "the statement and its first table, such as `SELECT orders`, also of one that was prepared; \
                    `PREPARE SELECT orders` where it is; `?` for one that was prepared before anybody looked, or has \
                    attributes; other commands by their name, such as `PING`; `CONNECT` up to when a client is let in",
        status: "`OK`, or the number of an error, such as `1062`",
        errors: "every ERR packet, whatever its number, but for progress reports",
        matching: "order",
        older: "from the next command that begins a turn on; a statement that was prepared before is `?`",
        limits: "of several statements in one query the first gives its name, but for `BEGIN` and `SET` before it; \
                 compressed connections, those without definitions of columns and replication are opaque; of a result \
                 more of which moved at once than was told, the end is known only if its last bytes were told: else it \
                 has no status, and lasts up to its first byte",
    },
};

/// Commands that wait; MariaDB's clients send several at once.
const WAITING: usize = 512;
/// What a client says that it can.
const PROTOCOL_41: u32 = 1 << 9;
const SSL: u32 = 1 << 11;
const DEPRECATE_EOF: u32 = 1 << 24;
/// After the login, what follows is compressed (zlib, zstd), or misses definitions.
const HIDDEN: u32 = 1 << 5 | 1 << 25 | 1 << 26;
/// Bytes of a first packet that only asks for encryption.
const SSL_BYTES: usize = 32;

#[derive(Debug)]
struct Mysql {
    statements: Statements<u32>,
    /// The statement that was prepared last.
    newest: Operation,
    phase: Phase,
    waiting: VecDeque<Waiting>,
    /// The packet before goes on, by side.
    client_goes_on: bool,
    server_goes_on: bool,
    /// Definitions end with a packet of their own, if it is known.
    has_ends: Option<bool>,
    /// What was prepared last may end with such a packet.
    may_end: bool,
    /// After the login nothing can be read.
    hidden: bool,
    opaque: bool,
    /// Nothing was missed since nothing waited.
    sure: bool,
}

/// What the client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Login,
    Commands,
    /// A file, up to an empty packet.
    File,
}

/// A command that is not answered yet.
#[derive(Debug)]
struct Waiting {
    manner: Manner,
    stage: Stage,
    /// What is to be prepared.
    prepares: Option<Operation>,
    /// Of the next packet.
    sequence: u8,
    begun: bool,
}

impl Default for Mysql {
    fn default() -> Self {
        Self {
            statements: Statements::default(),
            newest: Operation::new("?", ""),
            phase: Phase::Login,
            waiting: VecDeque::new(),
            client_goes_on: false,
            server_goes_on: false,
            has_ends: None,
            may_end: false,
            hidden: false,
            opaque: false,
            sure: true,
        }
    }
}

impl Parser for Mysql {
    fn next(&mut self, side: Side, bytes: &[u8], found: &mut Found) -> Next {
        if self.opaque {
            return Next::Opaque(1);
        }
        let next = Packet::read(bytes).and_then(|packet| match side {
            Side::Client => self.request(&packet, found),
            Side::Server => self.response(&packet, found),
        });
        next.unwrap_or_else(Next::from)
    }

    fn lost(&mut self, side: Side) {
        self.waiting.clear();
        self.sure = false;
        self.may_end = false;
        match side {
            Side::Client => {
                self.client_goes_on = false;
                self.phase = Phase::Commands;
                self.statements.clear();
                self.newest = Operation::new("?", "");
            }
            Side::Server => self.server_goes_on = false,
        }
    }

    fn may_resume(&self, side: Side) -> bool {
        let is_rows = self.waiting.front().is_some_and(|first| first.stage == Stage::Rows);
        side == Side::Server && is_rows && self.waiting.len() == 1
    }

    fn resume(&mut self, _side: Side, bytes: &[u8]) -> Option<usize> {
        let (place, sequence) = answer::end_of_rows(bytes, self.has_ends?)?;
        self.server_goes_on = false;
        self.waiting.front_mut()?.sequence = sequence;
        Some(place)
    }
}

impl Mysql {
    fn request(&mut self, packet: &Packet<'_>, found: &mut Found) -> Result<Next, Short> {
        let unit = Next::Unit(packet.whole());
        let goes_on = packet.length == LONGEST;
        let is_command = self.phase == Phase::Commands && !self.client_goes_on;
        if is_command && self.waiting.len() >= WAITING {
            return Err(Short::Wrong("more commands wait than anybody sends at once"));
        }
        if is_command && packet.sequence == 0 {
            self.command(packet, found)?;
        } else if is_command && self.sure {
            return Err(Short::Wrong("a command has a number that none has"));
        } else if self.phase == Phase::Login && self.waiting.is_empty() {
            if let Some(next) = self.login(packet, found)? {
                return Ok(next);
            }
        } else if self.phase == Phase::File && packet.length == 0 {
            self.phase = Phase::Commands;
        }
        self.client_goes_on = goes_on;
        // A command that nobody answers may come while another is answered.
        if let Some(last) = self.waiting.back_mut().filter(|_| !is_command) {
            last.sequence = packet.sequence.wrapping_add(1);
        }
        Ok(unit)
    }

    /// The client's first packet, which may say that encryption follows.
    fn login(&mut self, packet: &Packet<'_>, found: &mut Found) -> Result<Option<Next>, Short> {
        let can = packet.long(0)?;
        if packet.sequence != 1 || can & PROTOCOL_41 == 0 {
            return Err(Short::Wrong("a client does not log in as since version 4.1"));
        }
        if packet.length == SSL_BYTES && can & SSL != 0 {
            // What follows is read anew: this has to be there.
            packet.part(0, SSL_BYTES)?;
            return Ok(Some(Next::Switch(packet.whole())));
        }
        self.has_ends = Some(can & DEPRECATE_EOF == 0);
        self.hidden = can & HIDDEN != 0;
        self.ask(Operation::new("CONNECT", ""), Manner::Login, None, found);
        Ok(None)
    }

    fn command(&mut self, packet: &Packet<'_>, found: &mut Found) -> Result<(), Short> {
        match Command::read(packet, &self.statements, &self.newest)? {
            Command::Ask(operation, manner) => self.ask(operation, manner, None, found),
            Command::Prepare(statement) => {
                self.newest = statement.clone();
                let operation = Operation::new("PREPARE", statement.as_str());
                self.ask(operation, Manner::Prepare, Some(statement), found);
            }
            Command::Renew(operation, manner) => {
                self.statements.clear();
                if manner == Manner::Login {
                    self.phase = Phase::Login;
                }
                self.ask(operation, manner, None, found);
            }
            Command::Close(statement) => {
                self.statements.forget(&statement);
                found.messages.push(Message::Remark);
            }
            Command::Replicate => {
                let operation = Operation::new("BINLOG DUMP", "");
                found.messages.push(Message::Request { id: Id::Order, operation, answered: false });
                self.opaque = true;
            }
            Command::Nothing => {}
        }
        Ok(())
    }

    fn ask(&mut self, operation: Operation, manner: Manner, prepares: Option<Operation>, found: &mut Found) {
        found.messages.push(Message::Request { id: Id::Order, operation, answered: true });
        self.waiting.push_back(Waiting { manner, stage: Stage::First, prepares, sequence: 1, begun: false });
    }

    fn response(&mut self, packet: &Packet<'_>, found: &mut Found) -> Result<Next, Short> {
        let unit = Next::Unit(packet.whole());
        if !self.server_goes_on {
            if self.may_end && packet.byte(0)? == 0xfe && packet.is_end() {
                self.may_end = false;
                self.has_ends = Some(true);
                return Ok(unit);
            }
            if self.waiting.is_empty() {
                self.unasked(packet, found)?;
            } else {
                self.answer(packet, found)?;
            }
        }
        if let Some(first) = self.waiting.front_mut() {
            first.sequence = first.sequence.wrapping_add(u8::from(self.server_goes_on));
        }
        self.server_goes_on = packet.length == LONGEST;
        Ok(if self.opaque { Next::Opaque(packet.whole()) } else { unit })
    }

    /// The server's first packet, or why it ends the connection.
    fn unasked(&mut self, packet: &Packet<'_>, found: &mut Found) -> Result<(), Short> {
        if self.sure && packet.byte(0)? == 0xff {
            let failure = answer::failure(packet.short(1)?);
            let operation = Operation::new("FATAL", failure.status.as_str());
            found.messages.push(Message::Push { operation });
        }
        Ok(())
    }

    fn answer(&mut self, packet: &Packet<'_>, found: &mut Found) -> Result<(), Short> {
        let Some(first) = self.waiting.front_mut() else { return Ok(()) };
        if packet.sequence != first.sequence {
            return Err(Short::Wrong("an answer has a number that is not the next"));
        }
        let heard = answer::hear(packet, first.manner, first.stage, self.has_ends)?;
        if !first.begun {
            first.begun = true;
            // If nobody sees the last packet, no more will be known than what the first one says.
            let outcome = Some(heard.over.clone().unwrap_or_default());
            found.messages.push(Message::Response { id: Id::Order, outcome });
        }
        (first.stage, first.sequence) = (heard.stage, first.sequence.wrapping_add(1));
        if self.may_end {
            self.may_end = false;
            self.has_ends = Some(false);
        }
        self.has_ends = heard.has_ends.or(self.has_ends);
        if let (Some(number), Some(statement)) = (heard.statement, first.prepares.take()) {
            self.statements.remember(number, statement);
        }
        if heard.wants_file {
            self.phase = Phase::File;
        }
        if let Some(outcome) = heard.over {
            self.finish(outcome, found);
        }
        Ok(())
    }

    fn finish(&mut self, outcome: Outcome, found: &mut Found) {
        let Some(first) = self.waiting.pop_front() else { return };
        if first.manner == Manner::Login {
            self.phase = Phase::Commands;
            self.opaque = self.hidden && outcome.fault.is_none();
        }
        self.may_end =
            first.manner == Manner::Prepare && matches!(first.stage, Stage::Prepared(_)) && self.has_ends.is_none();
        self.sure |= self.waiting.is_empty();
        found.at_end.push(Message::End { id: Id::Order, outcome: Some(outcome) });
    }
}

#[cfg(test)]
mod tests;
