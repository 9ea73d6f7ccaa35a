//! The binary protocol: a header of 24 bytes, then extras, key and value.
//!
//! Invariant: nothing behind the header is looked at. Memory: none.

use super::super::lines::Short;
use super::{Asked, Found, Id, Message, Open, Outcome, Side, Verdict};
use crate::protocol::{Fault, Operation};

pub(super) const REQUEST: u8 = 0x80;
pub(super) const RESPONSE: u8 = 0x81;
const HEADER_BYTES: usize = 24;
/// Bytes of a key that the protocol allows.
const KEY_BYTES: u16 = 250;
/// A body that a beginning may announce; items are smaller by far.
const BODY_BYTES: u32 = 1 << 27;
/// The command that is answered several times, last without a key.
const STAT: u8 = 0x10;

pub(super) fn begins(side: Side, bytes: &[u8]) -> Verdict {
    let Some(header) = Header::read(bytes) else {
        let expected = if side == Side::Client { REQUEST } else { RESPONSE };
        return if bytes.first() == Some(&expected) { Verdict::More } else { Verdict::No };
    };
    let Some(command) = COMMANDS.iter().find(|command| command.code == header.code) else { return Verdict::No };
    let is_whole = u32::from(header.extras) + u32::from(header.key) <= header.body && header.body < BODY_BYTES;
    let fits = is_whole && header.kind == 0 && header.key <= KEY_BYTES;
    match side {
        Side::Client if fits && header.magic == REQUEST && command.extras.contains(&header.extras) => {
            // The virtual bucket is 0 but in clusters.
            if header.status == 0 { Verdict::Certain } else { Verdict::Likely }
        }
        Side::Server if fits && header.magic == RESPONSE && header.extras <= 20 && header.status < 0x100 => {
            Verdict::Likely
        }
        _ => Verdict::No,
    }
}

pub(super) fn request(bytes: &[u8], open: &mut Open, found: &mut Found) -> Result<u64, Short> {
    let header = Header::read(bytes).ok_or(Short::More)?;
    if header.magic != REQUEST {
        return Err(Short::Wrong("a request begins with no magic number of one"));
    }
    let command = COMMANDS.iter().find(|command| command.code == header.code);
    let operation = Operation::new(command.map_or("unknown", |command| command.name), "");
    let id = header.id();
    let silence = command.and_then(|command| command.silence);
    // Nobody answers a client that leaves quietly.
    let answered = header.code != 0x17;
    if answered {
        open.ask(Asked { id, code: header.code, token: Some(u64::from(header.opaque)), silence, conditional: false });
    }
    found.messages.push(Message::Request { id, operation, answered });
    Ok(header.length())
}

pub(super) fn response(bytes: &[u8], open: &mut Open, found: &mut Found) -> Result<u64, Short> {
    let header = Header::read(bytes).ok_or(Short::More)?;
    if header.magic != RESPONSE {
        return Err(Short::Wrong("a response begins with no magic number of one"));
    }
    let id = header.id();
    let token = Some(u64::from(header.opaque));
    let fits = |asked: &Asked| asked.code == header.code && asked.token == token;
    if header.code == STAT && header.status == 0 && header.key > 0 {
        found.messages.push(Message::Response { id, outcome: None });
        return Ok(header.length());
    }
    open.answer(fits, found);
    found.messages.push(Message::Response { id, outcome: None });
    found.at_end.push(Message::End { id, outcome: Some(outcome(header.status)) });
    Ok(header.length())
}

/// A status, by the word that the text protocol has for it.
fn outcome(status: u16) -> Outcome {
    let failure = |word: &str| Outcome::failure(word, Fault::Service);
    match status {
        0x00 => Outcome::success("OK"),
        0x01 => Outcome::success("NOT_FOUND"),
        0x02 => Outcome::success("EXISTS"),
        0x05 => Outcome::success("NOT_STORED"),
        // More is to be said before the client is known.
        0x21 => Outcome::success("AUTH_CONTINUE"),
        // What the client did wrong: no fault of the server.
        0x03 => Outcome::success("TOO_LARGE"),
        0x04 => Outcome::success("INVALID"),
        0x06 => Outcome::success("NON_NUMERIC"),
        0x07 => Outcome::success("WRONG_VBUCKET"),
        0x20 => Outcome::success("AUTH_ERROR"),
        0x81 => Outcome::success("UNKNOWN_COMMAND"),
        0x83 => Outcome::success("NOT_SUPPORTED"),
        0x82 => failure("OUT_OF_MEMORY"),
        0x84 => failure("INTERNAL_ERROR"),
        0x85 => failure("BUSY"),
        0x86 => failure("TEMPORARY_FAILURE"),
        other => Outcome::success(u32::from(other)),
    }
}

struct Header {
    magic: u8,
    code: u8,
    key: u16,
    extras: u8,
    /// The type of the data: always raw bytes.
    kind: u8,
    /// Of a request: the virtual bucket.
    status: u16,
    body: u32,
    opaque: u32,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let header: &[u8; HEADER_BYTES] = bytes.first_chunk()?;
        let [magic, code, k0, k1, extras, kind, s0, s1, b0, b1, b2, b3, o0, o1, o2, o3, ..] = *header;
        Some(Self {
            magic,
            code,
            key: u16::from_be_bytes([k0, k1]),
            extras,
            kind,
            status: u16::from_be_bytes([s0, s1]),
            body: u32::from_be_bytes([b0, b1, b2, b3]),
            opaque: u32::from_be_bytes([o0, o1, o2, o3]),
        })
    }

    fn length(&self) -> u64 {
        (HEADER_BYTES as u64).saturating_add(u64::from(self.body))
    }

    /// Clients that do not number their requests leave the number at 0, and rely on the order.
    fn id(&self) -> Id {
        if self.opaque == 0 { Id::Order } else { Id::Number(u64::from(self.opaque)) }
    }
}

struct Command {
    code: u8,
    name: &'static str,
    /// How many bytes its extras may have.
    extras: &'static [u8],
    silence: Option<&'static str>,
}

const fn loud(code: u8, name: &'static str, extras: &'static [u8]) -> Command {
    Command { code, name, extras, silence: None }
}

/// One that says nothing when it did what it should.
const fn quiet(code: u8, name: &'static str, extras: &'static [u8]) -> Command {
    Command { code, name, extras, silence: Some("OK") }
}

/// One that says nothing when there is nothing.
const fn quiet_miss(code: u8, name: &'static str, extras: &'static [u8]) -> Command {
    Command { code, name, extras, silence: Some("NOT_FOUND") }
}

const COMMANDS: [Command; 36] = [
    loud(0x00, "get", &[0]),
    loud(0x01, "set", &[8]),
    loud(0x02, "add", &[8]),
    loud(0x03, "replace", &[8]),
    loud(0x04, "delete", &[0]),
    loud(0x05, "incr", &[20]),
    loud(0x06, "decr", &[20]),
    loud(0x07, "quit", &[0]),
    loud(0x08, "flush_all", &[0, 4]),
    quiet_miss(0x09, "get", &[0]),
    loud(0x0a, "noop", &[0]),
    loud(0x0b, "version", &[0]),
    loud(0x0c, "get", &[0]),
    quiet_miss(0x0d, "get", &[0]),
    loud(0x0e, "append", &[0]),
    loud(0x0f, "prepend", &[0]),
    loud(STAT, "stats", &[0]),
    quiet(0x11, "set", &[8]),
    quiet(0x12, "add", &[8]),
    quiet(0x13, "replace", &[8]),
    quiet(0x14, "delete", &[0]),
    quiet(0x15, "incr", &[20]),
    quiet(0x16, "decr", &[20]),
    loud(0x17, "quit", &[0]),
    quiet(0x18, "flush_all", &[0, 4]),
    quiet(0x19, "append", &[0]),
    quiet(0x1a, "prepend", &[0]),
    loud(0x1b, "verbosity", &[4]),
    loud(0x1c, "touch", &[4]),
    loud(0x1d, "gat", &[4]),
    quiet_miss(0x1e, "gat", &[4]),
    loud(0x20, "sasl_list_mechs", &[0]),
    loud(0x21, "sasl_auth", &[0]),
    loud(0x22, "sasl_step", &[0]),
    loud(0x23, "gat", &[4]),
    quiet_miss(0x24, "gat", &[4]),
];
