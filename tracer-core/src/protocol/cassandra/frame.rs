//! Frames, which version 5 calls envelopes: their header, what they ask, and how they answer (native protocol v3 to v5, §2
//! to §4).
//!
//! Invariant: of a statement nothing is told but its kind and its table, of an error its code; neither values nor rows nor
//! credentials are looked at. Memory: none.

use super::errors;
use crate::protocol::fields::Fields;
use crate::protocol::lines::Short;
use crate::protocol::{Operation, Outcome, Side, sql};

/// Version, flags, stream, what it is, and the length of the rest.
pub(super) const HEADER_BYTES: u64 = 9;
/// The most that a server takes is 256 MiB.
pub(super) const LONGEST: u32 = 256 << 20;
/// Set in the version of what a server sends.
const RESPONSE: u8 = 0x80;
/// Those of the specification, and two of DataStax that begin in the same way.
const VERSIONS: [u8; 5] = [3, 4, 5, 0x41, 0x42];

const COMPRESSED: u8 = 1;
const TRACING: u8 = 1 << 1;
const PAYLOAD: u8 = 1 << 2;
const WARNING: u8 = 1 << 3;
const FLAGS: u8 = (1 << 5) - 1;

pub(super) const ERROR: u8 = 0x00;
pub(super) const STARTUP: u8 = 0x01;
pub(super) const READY: u8 = 0x02;
pub(super) const AUTHENTICATE: u8 = 0x03;
pub(super) const OPTIONS: u8 = 0x05;
pub(super) const SUPPORTED: u8 = 0x06;
pub(super) const QUERY: u8 = 0x07;
pub(super) const RESULT: u8 = 0x08;
pub(super) const PREPARE: u8 = 0x09;
pub(super) const EXECUTE: u8 = 0x0a;
pub(super) const REGISTER: u8 = 0x0b;
pub(super) const EVENT: u8 = 0x0c;
pub(super) const BATCH: u8 = 0x0d;
pub(super) const AUTH_CHALLENGE: u8 = 0x0e;
pub(super) const AUTH_RESPONSE: u8 = 0x0f;
pub(super) const AUTH_SUCCESS: u8 = 0x10;

const REQUESTS: [(u8, &str); 8] = [
    (STARTUP, "STARTUP"),
    (OPTIONS, "OPTIONS"),
    (QUERY, "QUERY"),
    (PREPARE, "PREPARE"),
    (EXECUTE, "EXECUTE"),
    (REGISTER, "REGISTER"),
    (BATCH, "BATCH"),
    (AUTH_RESPONSE, "AUTH_RESPONSE"),
];
const RESPONSES: [u8; 8] = [ERROR, READY, AUTHENTICATE, SUPPORTED, RESULT, EVENT, AUTH_CHALLENGE, AUTH_SUCCESS];

/// A result that is a statement which was prepared.
const PREPARED: u32 = 4;
/// Bytes of a statement that are looked at, of which the scanner takes fewer.
const STATEMENT_BYTES: usize = 3 << 10;
/// Bytes of a statement's number; it is a digest of 16.
const NUMBER_BYTES: u16 = 32;
/// Warnings, keys of a payload and options that are passed over.
const ITEMS: u16 = 32;
/// Bytes of the kind of an event, of what happened, of the name of an option.
const WORD_BYTES: u16 = 64;

/// The number of a statement that was prepared.
pub(super) type Number = Box<[u8]>;

/// The header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// Without the bit that says who sends.
    pub(super) version: u8,
    pub(super) flags: u8,
    /// Below 0 what nobody asked for.
    pub(super) stream: i16,
    pub(super) code: u8,
    /// Bytes behind it.
    pub(super) body: u32,
}

impl Header {
    pub(super) fn read(side: Side, fields: &mut Fields<'_>) -> Result<Self, Short> {
        let (version, flags) = (fields.byte()?, fields.byte()?);
        if !is_version(side, version) || flags & !FLAGS != 0 {
            return Err(Short::Wrong("a frame is of no version that is known"));
        }
        let (stream, code, body) = (fields.u16()?.cast_signed(), fields.byte()?, fields.u32()?);
        if !is_of(side, code) || body > LONGEST {
            return Err(Short::Wrong("a frame is of no known kind, or too long"));
        }
        Ok(Self { version: version & !RESPONSE, flags, stream, code, body })
    }

    /// Bytes of the frame.
    pub(super) fn length(&self) -> u64 {
        u64::from(self.body).saturating_add(HEADER_BYTES)
    }

    /// What is behind it is compressed, and not read; in version 5 what it is in would be.
    pub(super) fn is_compressed(&self) -> bool {
        self.flags & COMPRESSED != 0
    }

    /// Passes over what may stand before the message itself.
    pub(super) fn skip_extras(&self, side: Side, fields: &mut Fields<'_>) -> Result<(), Short> {
        if side == Side::Server && self.flags & TRACING != 0 {
            fields.skip(16)?;
        }
        if side == Side::Server && self.flags & WARNING != 0 {
            for _ in 0..items(fields)? {
                let length = fields.u16()?;
                fields.skip(u64::from(length))?;
            }
        }
        if self.flags & PAYLOAD != 0 {
            for _ in 0..items(fields)? {
                let length = fields.u16()?;
                fields.skip(u64::from(length))?;
                // Less than nothing says that there is nothing.
                let length = fields.u32()?;
                fields.skip(u64::from(if length > LONGEST { 0 } else { length }))?;
            }
        }
        Ok(())
    }
}

/// Whether this byte may begin what a side sends.
pub(super) fn is_version(side: Side, byte: u8) -> bool {
    (byte & RESPONSE != 0) == (side == Side::Server) && VERSIONS.contains(&(byte & !RESPONSE))
}

fn is_of(side: Side, code: u8) -> bool {
    match side {
        Side::Client => REQUESTS.iter().any(|(known, _)| *known == code),
        Side::Server => RESPONSES.contains(&code),
    }
}

fn items(fields: &mut Fields<'_>) -> Result<u16, Short> {
    let items = fields.u16()?;
    if items > ITEMS { Err(Short::Wrong("a list is longer than anybody makes it")) } else { Ok(items) }
}

/// What a client asks.
#[derive(Debug)]
pub(super) enum Asked {
    /// The connection begins: whether the rest of it is to be compressed.
    Startup {
        compresses: bool,
    },
    Other(Operation),
    /// A statement is to be prepared: this one.
    Prepare(Operation),
    /// One that was prepared is executed; `None` if nobody knows which.
    Execute(Option<Number>),
}

impl Asked {
    /// `fields` are those behind the header.
    pub(super) fn read(header: &Header, fields: &mut Fields<'_>) -> Result<Self, Short> {
        let name = REQUESTS.iter().find(|(code, _)| *code == header.code).map_or("?", |(_, name)| *name);
        let named = Operation::new(name, "");
        if header.is_compressed() {
            return Ok(Self::Other(named));
        }
        header.skip_extras(Side::Client, fields)?;
        Ok(match header.code {
            STARTUP => Self::Startup { compresses: compresses(fields)? },
            QUERY => Self::Other(statement(fields)?),
            PREPARE => Self::Prepare(statement(fields)?),
            EXECUTE => Self::Execute(number(fields)?),
            _ => Self::Other(named),
        })
    }
}

/// The operation of a statement whose length stands before it.
fn statement(fields: &mut Fields<'_>) -> Result<Operation, Short> {
    let length = u64::from(fields.u32()?);
    let text = fields.within(length)?.seen(STATEMENT_BYTES);
    let is_whole = text.len() as u64 == length;
    // Whatever it begins with in CQL, it is a batch.
    if sql::begins(text, is_whole).ok_or(Short::More)? == Some("BEGIN") {
        return Ok(Operation::new("BATCH", ""));
    }
    // Names and literals are written as in PostgreSQL.
    sql::operation(text, is_whole, sql::Dialect::Postgres).ok_or(Short::More)
}

fn number(fields: &mut Fields<'_>) -> Result<Option<Number>, Short> {
    let length = fields.u16()?;
    if !(1..=NUMBER_BYTES).contains(&length) {
        return Ok(None);
    }
    Ok(Some(fields.take(usize::from(length))?.into()))
}

/// Whether the options of a connection ask for compression.
fn compresses(fields: &mut Fields<'_>) -> Result<bool, Short> {
    for _ in 0..items(fields)? {
        let length = fields.u16()?;
        if length > WORD_BYTES {
            fields.skip(u64::from(length))?;
        } else if fields.take(usize::from(length))? == b"COMPRESSION" {
            return Ok(true);
        }
        let length = fields.u16()?;
        fields.skip(u64::from(length))?;
    }
    Ok(false)
}

/// What a server answers: how it ended, and the number of a statement that is prepared with it.
pub(super) fn answer(header: &Header, fields: &mut Fields<'_>) -> Result<(Outcome, Option<Number>), Short> {
    if header.is_compressed() {
        let failed = || Outcome { fault: Some(crate::protocol::Fault::Service), ..Outcome::success("ERROR") };
        return Ok((if header.code == ERROR { failed() } else { Outcome::success("OK") }, None));
    }
    if !matches!(header.code, ERROR | RESULT) {
        return Ok((Outcome::success("OK"), None));
    }
    header.skip_extras(Side::Server, fields)?;
    let kind = fields.u32()?;
    if header.code == ERROR {
        return Ok((errors::failure(kind), None));
    }
    let number = if kind == PREPARED { number(fields)? } else { None };
    Ok((Outcome::success("OK"), number))
}

/// What happened, such as `EVENT STATUS_CHANGE UP`.
pub(super) fn event(header: &Header, fields: &mut Fields<'_>) -> Result<Operation, Short> {
    if header.is_compressed() {
        return Ok(Operation::new("EVENT", ""));
    }
    header.skip_extras(Side::Server, fields)?;
    let kind = word(fields)?;
    let what = if kind.is_empty() { "" } else { word(fields)? };
    Ok(Operation::new("EVENT", format!("{kind} {what}").trim()))
}

/// A word in capitals; empty if it is anything else.
pub(super) fn word<'a>(fields: &mut Fields<'a>) -> Result<&'a str, Short> {
    let length = fields.u16()?;
    if length > WORD_BYTES {
        return Ok("");
    }
    let text = fields.take(usize::from(length))?;
    let is_part = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
    let is_word = text.iter().all(is_part);
    Ok(std::str::from_utf8(text).ok().filter(|_| is_word).unwrap_or_default())
}
