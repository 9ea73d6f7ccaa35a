//! Messages of PostgreSQL (its documentation, §55.7), and whether bytes begin one.
//!
//! Invariant: nothing behind a message is looked at for it. Memory: none.

use std::ops::RangeInclusive;

use crate::protocol::short::Short;
use crate::protocol::{Operation, Side, Verdict, sql};

/// Bytes of a message that a server takes (`MaxAllocSize`, with the length itself).
const MESSAGE_BYTES: u32 = 0x4000_0003;
/// Bytes of the first message of a client.
const STARTUP_BYTES: RangeInclusive<u32> = 16..=10_000;
/// Of a request to cancel: with the key, which is four bytes long before version 3.2.
const CANCEL_BYTES: RangeInclusive<u32> = 16..=268;
/// Before the content of each message: its kind and its length.
const HEADER_BYTES: usize = 5;
/// Bytes of the last message of an answer.
const LAST_BYTES: usize = 4_096;
/// Of the message that says that the server is ready.
const READY_BYTES: usize = 6;
/// Columns of a result.
const COLUMNS: u16 = 1_664;
/// Bytes of the name of a statement, of a portal or of a channel.
pub(super) const NAME_BYTES: usize = 128;
/// Bytes of an error in which its class stands.
const ERROR_BYTES: usize = 256;

const CANCEL: u32 = 80_877_102;
const SSL: u32 = 80_877_103;
const GSS: u32 = 80_877_104;

/// What a client sends before anything else, which has no kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    Startup,
    Cancel,
    Ssl,
    Gss,
}

impl Opening {
    /// It and its length.
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, u32), Short> {
        const WRONG: Short = Short::Wrong("a connection does not begin as they do");
        if bytes.iter().take(2).any(|byte| *byte != 0) {
            return Err(WRONG);
        }
        let length = number(bytes, 0)?;
        let opening = match number(bytes, 4)? {
            CANCEL if CANCEL_BYTES.contains(&length) => Self::Cancel,
            SSL if length == 8 => Self::Ssl,
            GSS if length == 8 => Self::Gss,
            version if version >> 16 == 3 && STARTUP_BYTES.contains(&length) => {
                // The name of a parameter: requests of Kafka begin like this, up to here.
                let name = bytes.get(8..12).ok_or(Short::More)?;
                if !name.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b'_') {
                    return Err(WRONG);
                }
                Self::Startup
            }
            _ => return Err(WRONG),
        };
        Ok((opening, length))
    }
}

/// A message: what it is, how long, and as much of its content as is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Framed<'a> {
    pub(super) kind: u8,
    /// With the kind.
    pub(super) length: u64,
    pub(super) content: &'a [u8],
    /// All of its content is there.
    is_whole: bool,
}

impl<'a> Framed<'a> {
    pub(super) fn read(side: Side, bytes: &'a [u8]) -> Result<Self, Short> {
        let kind = *bytes.first().ok_or(Short::More)?;
        let lengths = lengths(side, kind).ok_or(Short::Wrong("a message has no known kind"))?;
        let length = number(bytes, 1)?;
        if !lengths.contains(&length) {
            return Err(Short::Wrong("a message has a length that none of its kind has"));
        }
        let rest = bytes.get(HEADER_BYTES..).unwrap_or_default();
        let size = usize::try_from(length.saturating_sub(4)).unwrap_or(usize::MAX);
        let content = rest.get(..size);
        let length = u64::from(length).saturating_add(1);
        Ok(Self { kind, length, content: content.unwrap_or(rest), is_whole: content.is_some() })
    }

    /// So many bytes of the content, from a place on.
    fn part(&self, from: usize, length: usize) -> Result<&'a [u8], Short> {
        let part = self.content.get(from..from.saturating_add(length));
        part.ok_or(if self.is_whole { Short::Wrong("a message is too short") } else { Short::More })
    }

    /// A text that ends in NUL, from a place on; `None` if it is too long for a name.
    pub(super) fn name(&self, from: usize) -> Result<Option<&'a [u8]>, Short> {
        let rest = self.content.get(from..).unwrap_or_default();
        match rest.iter().take(NAME_BYTES).position(|byte| *byte == 0) {
            Some(end) => Ok(rest.get(..end)),
            None if rest.len() >= NAME_BYTES => Ok(None),
            None => self.part(self.content.len(), 1).map(|_| None),
        }
    }

    /// The operation of the statement from a place on.
    pub(super) fn statement(&self, from: usize) -> Result<Operation, Short> {
        let rest = self.content.get(from..).unwrap_or_default();
        let (text, is_whole) = match rest.iter().position(|byte| *byte == 0) {
            Some(end) => (rest.get(..end).unwrap_or_default(), true),
            None => (rest, self.is_whole),
        };
        sql::operation(text, is_whole, sql::Dialect::Postgres).ok_or(Short::More)
    }

    /// Of an error: whether the connection ends with it, and its class (SQLSTATE).
    pub(super) fn error(&self) -> Result<(bool, &'a [u8]), Short> {
        let (mut from, mut is_fatal) = (0_usize, false);
        while from < ERROR_BYTES {
            let field = self.part(from, 1)?.first().copied().unwrap_or_default();
            let Some(value) = (if field == 0 { None } else { self.name(from.saturating_add(1))? }) else { break };
            match field {
                // Servers before 9.6 say it in their own language only.
                b'V' | b'S' => is_fatal |= matches!(value, b"FATAL" | b"PANIC"),
                b'C' => return Ok((is_fatal, value)),
                _ => {}
            }
            from = from.saturating_add(value.len()).saturating_add(2);
        }
        Ok((is_fatal, b"?"))
    }

    fn short(&self, at: usize) -> Result<u16, Short> {
        Ok(self.part(at, 2)?.iter().fold(0, |number, byte| number << 8 | u16::from(*byte)))
    }

    fn long(&self, at: usize) -> Result<u32, Short> {
        number(self.part(at, 4)?, 0)
    }
}

/// The lengths that messages of a kind may have, with the length itself.
fn lengths(side: Side, kind: u8) -> Option<RangeInclusive<u32>> {
    Some(match (side, kind) {
        (Side::Client, b'S' | b'H' | b'X' | b'c') | (Side::Server, b'1' | b'2' | b'3' | b'n' | b's' | b'I' | b'c') => {
            4..=4
        }
        (Side::Client, b'Q' | b'f') => 5..=MESSAGE_BYTES,
        (Side::Client, b'P') => 8..=MESSAGE_BYTES,
        (Side::Client, b'B') => 12..=MESSAGE_BYTES,
        (Side::Client, b'D' | b'C') => 6..=MESSAGE_BYTES,
        (Side::Client, b'E') => 9..=MESSAGE_BYTES,
        (Side::Client, b'F') => 14..=MESSAGE_BYTES,
        (_, b'd') => 4..=MESSAGE_BYTES,
        (Side::Client, b'p') => 4..=0xffff,
        (Side::Server, b'Z') => 5..=5,
        (Side::Server, b'R') => 8..=0xffff,
        (Side::Server, b'K') => 12..=264,
        (Side::Server, b'C') => 5..=300,
        (Side::Server, b'E' | b'N') => 5..=MESSAGE_BYTES,
        (Side::Server, b'S' | b'T' | b'D' | b't') => 6..=MESSAGE_BYTES,
        (Side::Server, b'G' | b'H' | b'W') => 7..=MESSAGE_BYTES,
        (Side::Server, b'V') => 8..=MESSAGE_BYTES,
        (Side::Server, b'A') => 10..=MESSAGE_BYTES,
        (Side::Server, b'v') => 12..=0xffff,
        _ => return None,
    })
}

fn number(bytes: &[u8], at: usize) -> Result<u32, Short> {
    let digits = bytes.get(at..at.saturating_add(4)).ok_or(Short::More)?;
    Ok(digits.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
}

/// Where the end of an answer begins in bytes that end with it: a command that is complete, or an error, and that the
/// server is ready.
pub(super) fn end_of_answer(bytes: &[u8]) -> Option<usize> {
    let ready = bytes.len().checked_sub(READY_BYTES)?;
    if begins(Side::Server, bytes.get(ready..)?) != Verdict::Certain || bytes.get(ready) != Some(&b'Z') {
        return None;
    }
    (ready.saturating_sub(LAST_BYTES)..ready).rev().find(|place| {
        let rest = bytes.get(*place..ready).unwrap_or_default();
        let is_last = Framed::read(Side::Server, rest).is_ok_and(|message| message.length == rest.len() as u64);
        is_last && matches!(rest.first(), Some(b'C' | b'E')) && begins(Side::Server, rest) >= Verdict::Likely
    })
}

pub(super) fn begins(side: Side, bytes: &[u8]) -> Verdict {
    let verdict = match bytes.first() {
        Some(0) if side == Side::Client => Opening::read(bytes).map(|_| Verdict::Certain),
        // No message that a turn begins with is as long as the first byte of a length says.
        _ if bytes.get(1).is_some_and(|byte| *byte != 0) => Ok(Verdict::No),
        _ => Framed::read(side, bytes).and_then(|message| match side {
            Side::Client => begins_request(&message),
            Side::Server => begins_response(&message),
        }),
    };
    verdict.unwrap_or_else(Verdict::from)
}

fn likely(fits: bool) -> Result<Verdict, Short> {
    Ok(if fits { Verdict::Likely } else { Verdict::No })
}

fn certain(fits: bool) -> Result<Verdict, Short> {
    Ok(if fits { Verdict::Certain } else { Verdict::No })
}

fn begins_request(message: &Framed<'_>) -> Result<Verdict, Short> {
    let length = usize::try_from(message.length).unwrap_or(usize::MAX);
    match message.kind {
        b'Q' => begins_statement(message, 0),
        b'P' => match text(message, 0)? {
            Some(name) => begins_statement(message, name.len().saturating_add(1)),
            None => Ok(Verdict::No),
        },
        b'B' => {
            let Some(portal) = text(message, 0)? else { return Ok(Verdict::No) };
            let from = portal.len().saturating_add(1);
            let Some(statement) = text(message, from)? else { return Ok(Verdict::No) };
            // Formats, none or a few.
            likely(message.short(from.saturating_add(statement.len()).saturating_add(1))? <= COLUMNS)
        }
        b'E' => certain(text(message, 0)?.is_some_and(|name| length == HEADER_BYTES + name.len() + 5)),
        b'D' | b'C' => {
            let is_known = matches!(message.part(0, 1)?, b"S" | b"P");
            certain(is_known && text(message, 1)?.is_some_and(|name| length == HEADER_BYTES + name.len() + 2))
        }
        b'F' => likely(message.short(4)? <= COLUMNS),
        b'S' | b'H' | b'X' | b'c' | b'p' => Ok(Verdict::Likely),
        // What is copied looks like anything.
        _ => Ok(Verdict::No),
    }
}

fn begins_response(message: &Framed<'_>) -> Result<Verdict, Short> {
    let length = usize::try_from(message.length).unwrap_or(usize::MAX);
    match message.kind {
        b'R' => certain(length < 2_048 && message.long(0)? <= 12),
        b'Z' => certain(matches!(message.part(0, 1)?, b"I" | b"T" | b"E")),
        b'C' => begins_statement(message, 0),
        b'E' | b'N' => {
            let is_known = |text: &[u8]| {
                matches!(text, b"ERROR" | b"FATAL" | b"PANIC" | b"WARNING" | b"NOTICE" | b"DEBUG" | b"INFO" | b"LOG")
            };
            match text(message, 1)? {
                Some(severity) if message.part(0, 1)? == b"S" && is_known(severity) => Ok(Verdict::Certain),
                severity => likely(message.part(0, 1)? == b"S" && severity.is_some_and(|text| !text.is_empty())),
            }
        }
        b'T' => likely(message.short(0)? <= COLUMNS && (message.short(0)? == 0 || text(message, 2)?.is_some())),
        b'D' => {
            let columns = message.short(0)?;
            likely(columns == 0 || (columns <= COLUMNS && matches!(message.long(2)?, 0..=0xff_ffff | u32::MAX)))
        }
        b't' => likely(length == HEADER_BYTES + 2 + 4 * usize::from(message.short(0)?)),
        b'G' | b'H' | b'W' => {
            let columns = usize::from(message.short(1)?);
            likely(matches!(message.part(0, 1)?, [0 | 1]) && length == HEADER_BYTES + 3 + 2 * columns)
        }
        b'V' => likely(matches!(message.long(0)?, 0..=0xff_ffff | u32::MAX)),
        b'A' => likely(text(message, 4)?.is_some_and(|channel| !channel.is_empty())),
        b'S' => likely(text(message, 0)?.is_some_and(|name| name.first().is_some_and(u8::is_ascii_alphabetic))),
        b'K' => likely(length < HEADER_BYTES + 8 + 256),
        b'1' | b'2' | b'3' | b'n' | b's' | b'I' => Ok(Verdict::Likely),
        _ => Ok(Verdict::No),
    }
}

/// A name without control characters.
fn text<'a>(message: &Framed<'a>, from: usize) -> Result<Option<&'a [u8]>, Short> {
    let name = message.name(from)?;
    Ok(name.filter(|name| !name.iter().any(u8::is_ascii_control) && std::str::from_utf8(name).is_ok()))
}

/// A statement, or the tag that says which one is complete.
fn begins_statement(message: &Framed<'_>, from: usize) -> Result<Verdict, Short> {
    let first = message.part(from, 1)?;
    if message.kind != b'C' && matches!(first, b" " | b"\t" | b"\n" | b"\r" | b"/" | b"-" | b"(" | b";" | b"\0") {
        return Ok(Verdict::Likely);
    }
    match sql::begins(message.content.get(from..).unwrap_or_default(), message.is_whole) {
        None => Err(Short::More),
        Some(None) => Ok(Verdict::No),
        Some(Some(verb)) => Ok(if verb.len() >= 5 { Verdict::Certain } else { Verdict::Likely }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_of_kafka_for_metadata_begins_no_connection() {
        let kafka = b"\0\0\0\x20\0\x03\0\0\0\0\0\x01\0\x05admin";
        assert_eq!(begins(Side::Client, kafka), Verdict::No);
        let postgres = b"\0\0\0\x10\0\x03\0\0user\0a\0\0";
        assert_eq!(begins(Side::Client, postgres), Verdict::Certain);
        assert_eq!(begins(Side::Client, &postgres[..11]), Verdict::More);
    }

    #[test]
    fn the_class_of_an_error_is_found_and_whether_it_ends_the_connection() {
        let read = |bytes: &'static [u8]| Framed::read(Side::Server, bytes).and_then(|message| message.error());
        assert_eq!(read(b"E\0\0\0\x1aSFATAL\0VFATAL\0C57P01\0\0"), Ok((true, b"57P01".as_slice())));
        assert_eq!(read(b"E\0\0\0\x1aSFATAL\0VFATAL\0C57P"), Err(Short::More));
        assert_eq!(read(b"E\0\0\0\x1bSFEHLER\0VERROR\0C23505\0\0"), Ok((false, b"23505".as_slice())));
        assert_eq!(read(b"E\0\0\0\x0cSERROR\0\0"), Ok((false, b"?".as_slice())));
    }
}
