//! Messages of MongoDB: the header, and where in them a document stands (MongoDB's manual, "Wire Protocol").
//!
//! Invariant: a message is as long as its header says; its document is read up to what [`bson::LOOKED_AT`] says. Memory:
//! none.

use super::bson::{self, Document};
use super::command;
use crate::protocol::fields::Fields;
use crate::protocol::lines::Short;
use crate::protocol::{Operation, Outcome, Side, Verdict};

/// Length, number, number of what it answers, and what it is.
pub(super) const HEADER_BYTES: u64 = 16;
/// The most that a server takes is 48,000,000.
const LONGEST: u32 = 48 << 20;
const SHORTEST: u32 = 16;
/// Bytes of a database and a collection.
const NAMESPACE_BYTES: usize = 255;

/// `OP_MSG`: a checksum follows, more messages follow, the answer may be several messages.
const CHECKSUM: u32 = 1;
const MORE_TO_COME: u32 = 1 << 1;
const EXHAUST: u32 = 1 << 16;
/// Of these bits, those that are not known must not be there.
const REQUIRED: u32 = 0xffff;
/// `OP_REPLY`: there is no such cursor, the query failed; the most that is known is the fourth bit.
const CURSOR_NOT_FOUND: u32 = 1;
const QUERY_FAILURE: u32 = 1 << 1;
const REPLY_FLAGS: u32 = 1 << 4;
/// `OP_COMPRESSED`: none, snappy, zlib, zstd.
const COMPRESSORS: u8 = 3;

/// The header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// Bytes of the message, at least those of the header.
    pub(super) length: u32,
    pub(super) id: u32,
    /// What it answers; 0 for a request.
    pub(super) answers: u32,
    pub(super) kind: Kind,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Reply,
    Update,
    Insert,
    Query,
    GetMore,
    Delete,
    KillCursors,
    Compressed,
    Message,
}

impl Header {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, Short> {
        let length = fields.u32_le()?;
        if !(SHORTEST..=LONGEST).contains(&length) {
            return Err(Short::Wrong("a message is shorter or longer than any"));
        }
        let (id, answers) = (fields.u32_le()?, fields.u32_le()?);
        let kind = match fields.u32_le()? {
            1 => Kind::Reply,
            2001 => Kind::Update,
            2002 => Kind::Insert,
            2004 => Kind::Query,
            2005 => Kind::GetMore,
            2006 => Kind::Delete,
            2007 => Kind::KillCursors,
            2012 => Kind::Compressed,
            2013 => Kind::Message,
            _ => return Err(Short::Wrong("a message is of no known kind")),
        };
        Ok(Self { length, id, answers, kind })
    }
}

/// What a client asks.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) operation: Operation,
    /// Somebody answers.
    pub(super) is_answered: bool,
    /// The answer may be several messages.
    pub(super) may_go_on: bool,
    /// What it asks is hidden, and so whether anybody answers.
    pub(super) is_compressed: bool,
}

impl Request {
    /// That of a message of this kind; `fields` are those behind its header.
    pub(super) fn read(kind: Kind, fields: &mut Fields<'_>) -> Result<Self, Short> {
        let told = |operation| Self { operation, is_answered: false, may_go_on: false, is_compressed: false };
        Ok(match kind {
            Kind::Message => {
                let flags = fields.u32_le()?;
                Self {
                    operation: body(flags, fields)?.map_or_else(unknown, command::operation)?,
                    is_answered: flags & MORE_TO_COME == 0,
                    may_go_on: flags & EXHAUST != 0,
                    is_compressed: false,
                }
            }
            Kind::Query => {
                let _flags = fields.u32_le()?;
                let (collection, is_command) = namespace(fields)?;
                // What is passed over, and how many are wanted.
                fields.skip(8)?;
                let operation = if is_command {
                    command::operation(Document::read(fields)?)?
                } else {
                    Operation::new("find", &collection)
                };
                Self { is_answered: true, ..told(operation) }
            }
            Kind::Compressed => {
                let _original = fields.u32_le()?;
                Self { is_answered: true, is_compressed: true, ..told(Operation::new("COMPRESSED", "")) }
            }
            Kind::Reply => return Err(Short::Wrong("a client answers")),
            Kind::KillCursors => told(Operation::new("killCursors", "")),
            Kind::Insert | Kind::Update | Kind::Delete | Kind::GetMore => {
                let verb = match kind {
                    Kind::Insert => "insert",
                    Kind::Update => "update",
                    Kind::Delete => "delete",
                    _ => "getMore",
                };
                let _flags = fields.u32_le()?;
                let operation = Operation::new(verb, &namespace(fields)?.0);
                Self { is_answered: kind == Kind::GetMore, ..told(operation) }
            }
        })
    }
}

fn unknown() -> Result<Operation, Short> {
    Ok(Operation::new("?", ""))
}

/// What a server answers: how it ended, and whether more messages follow that nobody asks for.
pub(super) fn response(kind: Kind, fields: &mut Fields<'_>) -> Result<(Outcome, bool), Short> {
    match kind {
        Kind::Message => {
            let flags = fields.u32_le()?;
            let outcome = body(flags, fields)?.map_or_else(|| Ok(Outcome::default()), command::outcome)?;
            Ok((outcome, flags & MORE_TO_COME != 0))
        }
        Kind::Reply => {
            let flags = fields.u32_le()?;
            // A cursor, where in its results this begins, and how many there are.
            fields.skip(12)?;
            let results = fields.u32_le()?;
            let outcome = match flags {
                _ if flags & CURSOR_NOT_FOUND != 0 => Outcome::success("CursorNotFound"),
                _ if results == 0 => Outcome::success("OK"),
                _ if flags & QUERY_FAILURE != 0 => command::query_failure(Document::read(fields)?)?,
                // Of what was no command, results say nothing of this kind.
                _ => {
                    let outcome = command::outcome(Document::read(fields)?)?;
                    if outcome.status.as_str().is_empty() { Outcome::success("OK") } else { outcome }
                }
            };
            Ok((outcome, false))
        }
        Kind::Compressed => Ok((Outcome::default(), false)),
        _ => Err(Short::Wrong("a server asks")),
    }
}

/// The document of an `OP_MSG`, which stands in its section of kind 0; `None` if that is further back than anybody looks.
fn body<'a>(flags: u32, fields: &mut Fields<'a>) -> Result<Option<Document<'a>>, Short> {
    if flags & REQUIRED & !(CHECKSUM | MORE_TO_COME) != 0 {
        return Err(Short::Wrong("a message has flags that nobody knows"));
    }
    while fields.at() < bson::LOOKED_AT {
        match fields.byte()? {
            0 => return Document::read(fields).map(Some),
            // Documents in a row, or what the server tells itself.
            1 | 2 => {
                let length = fields.clone().u32_le()?;
                fields.within(u64::from(length.max(4)))?;
            }
            _ => return Err(Short::Wrong("a section is of no known kind")),
        }
    }
    Ok(None)
}

/// A collection without its database, and whether it stands for commands.
fn namespace(fields: &mut Fields<'_>) -> Result<(String, bool), Short> {
    let namespace = fields.until_zero(NAMESPACE_BYTES)?;
    let Some(point) = namespace.iter().position(|byte| *byte == b'.') else {
        return Err(Short::Wrong("a collection is in no database"));
    };
    let collection = namespace.get(point.saturating_add(1)..).unwrap_or_default();
    Ok((command::collection_name(collection), collection == b"$cmd"))
}

/// Whether these bytes begin a message that begins a turn.
pub(super) fn begins(side: Side, bytes: &[u8]) -> Result<Verdict, Short> {
    // What it answers is known before its kind.
    if side == Side::Client && bytes.iter().take(12).skip(8).any(|byte| *byte != 0) {
        return Ok(Verdict::No);
    }
    let mut fields = Fields::new(bytes, u64::MAX);
    let header = Header::read(&mut fields)?;
    if side == Side::Server && header.answers == 0 {
        return Ok(Verdict::No);
    }
    let mut fields = Fields::new(bytes, u64::from(header.length));
    fields.skip(HEADER_BYTES)?;
    let fits = match (side, header.kind) {
        (_, Kind::Message) => {
            let flags = fields.u32_le()?;
            let is_flag = flags & !(CHECKSUM | MORE_TO_COME | EXHAUST) == 0;
            is_flag && fields.byte()? <= 1 && u64::from(fields.u32_le()?) <= fields.left().saturating_add(4)
        }
        (Side::Client, Kind::Query | Kind::Insert | Kind::Update | Kind::Delete | Kind::GetMore) => {
            fields.u32_le()? <= u32::from(u8::MAX) && namespace(&mut fields).map(|_| true)?
        }
        // Nothing, and how many cursors there are, of 8 bytes each.
        (Side::Client, Kind::KillCursors) => fields.u32_le()? == 0 && fields.u32_le()? <= header.length / 8,
        (Side::Server, Kind::Reply) => {
            let is_flag = fields.u32_le()? < REPLY_FLAGS;
            fields.skip(12)?;
            is_flag && fields.u32_le()? <= header.length / 5
        }
        // What is inside, how long that is, and how it is compressed.
        (_, Kind::Compressed) => {
            let inside = fields.u32_le()?;
            matches!(inside, 1 | 2004 | 2013) && fields.u32_le()? <= LONGEST && fields.byte()? <= COMPRESSORS
        }
        _ => false,
    };
    Ok(if fits { Verdict::Certain } else { Verdict::No })
}
