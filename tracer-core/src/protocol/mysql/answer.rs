//! How a server of MySQL answers, packet by packet (its "Text Resultset", "COM_STMT_PREPARE Response" and others).
//!
//! Where a definition of columns ends with a packet of its own depends on what both sides can; where nobody saw what they
//! agreed on, the first result says it. Invariant: rows are counted by their end only, and never looked into. Memory: none.

use super::packet::{HEADER_BYTES, LONGEST, Packet};
use crate::protocol::short::Short;
use crate::protocol::{Fault, Outcome};

/// Flags of the server's status.
const MORE_RESULTS: u16 = 0x08;
const CURSOR: u16 = 0x40;
/// Those that mean something.
const KNOWN_STATUS: u16 = 0x7fff;
/// Not an error, but how far a long statement is (MariaDB).
const PROGRESS: u16 = 0xffff;

/// In which manner a command is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// With a success, an error, or results.
    Result,
    /// With rows at once.
    Rows,
    /// With a text.
    Text,
    /// With the number of a statement, and what it takes and gives.
    Prepare,
    /// With more questions, then a success or an error.
    Login,
}

/// How far an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// A result begins.
    First,
    /// So many definitions of columns are to come.
    Columns(u64),
    /// Their end is to come, if it has a packet of its own.
    EndOfColumns,
    Rows,
    /// So many definitions are to come that a statement was prepared with, and perhaps ends of them.
    Prepared(u64),
    /// So many packets are to come, whatever they are.
    Packets(u64),
}

/// What a packet says.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) stage: Stage,
    /// The answer is over with it.
    pub(super) over: Option<Outcome>,
    /// Whether definitions end with a packet of their own, as far as it is known.
    pub(super) has_ends: Option<bool>,
    /// A statement has this number.
    pub(super) statement: Option<u32>,
    /// The client is to send a file.
    pub(super) wants_file: bool,
}

/// The next packet of an answer.
pub(super) fn hear(packet: &Packet<'_>, manner: Manner, stage: Stage, has_ends: Option<bool>) -> Result<Heard, Short> {
    let heard = Heard { stage, over: None, has_ends, statement: None, wants_file: false };
    let kind = packet.byte(0)?;
    match (stage, kind) {
        (Stage::Packets(left), _) => return Ok(heard.packets(left.saturating_sub(1))),
        (Stage::Columns(left), _) => return Ok(heard.columns(left.saturating_sub(1))),
        (_, 0xff) => {
            let code = packet.short(1)?;
            return Ok(if code == PROGRESS { heard } else { heard.over(failure(code)) });
        }
        (Stage::Prepared(_), 0xfe) if packet.is_end() => return Ok(Heard { has_ends: Some(true), ..heard }),
        (Stage::Prepared(left), _) => return Ok(heard.prepared(left.saturating_sub(1))),
        (Stage::EndOfColumns, 0xfe) if packet.is_end() => {
            let status = packet.status()?;
            let heard = Heard { has_ends: Some(true), ..heard };
            // Rows are sent when they are asked for.
            return Ok(if status & CURSOR == 0 { heard.at(Stage::Rows) } else { heard.over(Outcome::success("OK")) });
        }
        (Stage::EndOfColumns, _) => return rows(packet, Heard { has_ends: Some(false), ..heard }),
        (Stage::Rows, _) => return rows(packet, heard),
        (Stage::First, _) => {}
    }
    match (manner, kind) {
        (Manner::Text, _) => Ok(heard.over(Outcome::success("OK"))),
        (Manner::Rows, _) => rows(packet, heard),
        (Manner::Login, 0) => Ok(heard.over(Outcome::success("OK"))),
        (Manner::Login, _) => Ok(heard),
        (Manner::Prepare, 0) => {
            let (columns, parameters) = (u64::from(packet.short(5)?), u64::from(packet.short(7)?));
            let heard = Heard { statement: Some(packet.long(1)?), ..heard };
            let definitions = columns.saturating_add(parameters);
            let ends = u64::from(columns > 0) + u64::from(parameters > 0);
            Ok(match has_ends {
                _ if definitions == 0 => heard.packets(0),
                Some(true) => heard.packets(definitions.saturating_add(ends)),
                Some(false) => heard.packets(definitions),
                None => heard.at(Stage::Prepared(definitions)),
            })
        }
        (Manner::Prepare, _) => Err(Short::Wrong("a statement is neither prepared nor refused")),
        (Manner::Result, 0xfb) => Ok(Heard { wants_file: true, ..heard }),
        (Manner::Result, 0 | 0xfe) => Ok(heard.result(packet.status()?)),
        (Manner::Result, _) => {
            let (columns, after) = packet.number(0)?;
            // The client of MariaDB may know the columns: then there is a byte that says whether they follow.
            let follow = packet.length <= after || packet.byte(after)? != 0;
            Ok(heard.columns(if follow { columns } else { 0 }))
        }
    }
}

/// A row, or the end of them.
fn rows(packet: &Packet<'_>, heard: Heard) -> Result<Heard, Short> {
    match packet.byte(0)? {
        0xff => {
            let code = packet.short(1)?;
            Ok(if code == PROGRESS { heard } else { heard.over(failure(code)) })
        }
        // A row that begins so is longer than any packet.
        0xfe if packet.length < LONGEST => Ok(heard.result(packet.status()?)),
        _ => Ok(heard.at(Stage::Rows)),
    }
}

/// Where the end of rows begins in bytes that end with it, and its sequence number. Where definitions have an end of their
/// own, so do rows, else they end as a statement without rows does.
pub(super) fn end_of_rows(bytes: &[u8], has_ends: bool) -> Option<(usize, u8)> {
    let length = if has_ends { 5 } else { 7 };
    let place = bytes.len().checked_sub(HEADER_BYTES + length)?;
    let packet = Packet::read(bytes.get(place..)?).ok()?;
    let status = packet.status().ok()?;
    let is_end = packet.length == length && packet.content.first() == Some(&0xfe);
    // After more results, the answer goes on.
    (is_end && status & (MORE_RESULTS | !KNOWN_STATUS) == 0).then_some((place, packet.sequence))
}

/// An error by its number.
pub(super) fn failure(code: u16) -> Outcome {
    Outcome::failure(u32::from(code), Fault::Service)
}

impl Heard {
    fn at(self, stage: Stage) -> Self {
        Self { stage, ..self }
    }

    fn over(self, outcome: Outcome) -> Self {
        Self { over: Some(outcome), ..self }
    }

    /// A result is over, and perhaps the answer.
    fn result(self, status: u16) -> Self {
        if status & MORE_RESULTS == 0 { self.over(Outcome::success("OK")) } else { self.at(Stage::First) }
    }

    fn columns(self, left: u64) -> Self {
        let is_followed = self.has_ends != Some(false);
        match left {
            0 if is_followed => self.at(Stage::EndOfColumns),
            0 => self.at(Stage::Rows),
            _ => self.at(Stage::Columns(left)),
        }
    }

    fn packets(self, left: u64) -> Self {
        if left == 0 { self.over(Outcome::success("OK")) } else { self.at(Stage::Packets(left)) }
    }

    fn prepared(self, left: u64) -> Self {
        match (left, self.has_ends) {
            (0, Some(true)) => self.at(Stage::Packets(1)),
            // Whether there is an end, the next packet says.
            (0, _) => self.over(Outcome::success("OK")),
            _ => self.at(Stage::Prepared(left)),
        }
    }
}
