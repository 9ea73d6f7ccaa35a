//! The layout of a tape, in bytes; integers are little-endian.
//!
//! ```text
//! tape   = magic "TRACERTP" · version u16 · frame(header as JSON, see `header`) · frame(kind u8 · payload)*
//! frame  = length u32 · crc32 u32 (IEEE 802.3) of the body · body, `length` bytes
//! ```
//!
//! Magic, version and the framing of the header stay the same in all versions, so that any tracer can say which
//! tracer wrote a tape. Whatever else changes — a payload, a kind, a record's meaning at the same size — makes a new
//! [`VERSION`].
//! Invariant: a body that passes [`Prefix::seals`] is, but for one chance in 2^32, the one that was written.
//! Memory: no body exceeds [`FRAME_BYTES`].

use super::error::TapeError;
use crate::input::Input;
use serde::{Serialize, de::DeserializeOwned};

/// The first bytes of every tape.
pub const MAGIC: [u8; 8] = *b"TRACERTP";
/// The format that this tracer writes, and the only one that it reads.
pub const VERSION: u16 = 2;
/// Bytes of the largest body of a frame.
pub const FRAME_BYTES: usize = 65_536;

/// Bytes before the frame of the header: magic and version.
pub(super) const PREAMBLE_BYTES: usize = MAGIC.len() + size_of_val(&VERSION);

/// What precedes the body of a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prefix {
    length: u32,
    crc: u32,
}

impl Prefix {
    pub(super) const BYTES: usize = 8;

    /// The prefix of `body`.
    pub(super) fn of(body: &[u8]) -> Result<Self, TapeError> {
        match u32::try_from(body.len()) {
            Ok(length) if body.len() <= FRAME_BYTES => Ok(Self { length, crc: crc32fast::hash(body) }),
            _ => Err(TapeError::TooLarge { bytes: body.len() }),
        }
    }

    pub(super) fn to_bytes(self) -> [u8; Self::BYTES] {
        (u64::from(self.length) | (u64::from(self.crc) << 32)).to_le_bytes()
    }

    /// Splits `bytes` into a prefix and what follows; `None` while there are too few.
    pub(super) fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (length, rest) = bytes.split_first_chunk()?;
        let (crc, rest) = rest.split_first_chunk()?;
        Some((Self { length: u32::from_le_bytes(*length), crc: u32::from_le_bytes(*crc) }, rest))
    }

    /// The length of the body; the error is a reason for a person.
    pub(super) fn body_length(self) -> Result<usize, String> {
        match usize::try_from(self.length) {
            Ok(length) if length <= FRAME_BYTES => Ok(length),
            _ => Err(format!("a frame of {} bytes, the most is {FRAME_BYTES}", self.length)),
        }
    }

    /// Whether `body` is what was written.
    pub(super) fn seals(self, body: &[u8]) -> bool {
        self.crc == crc32fast::hash(body)
    }
}

/// The kinds of frames, first byte of the body. Numbers are never used again for something else.
mod kind {
    /// The bytes of a kernel record, as they are. All others are in postcard's encoding.
    pub(super) const RECORD: u8 = 1;
    pub(super) const START: u8 = 2;
    pub(super) const PROCESS: u8 = 3;
    pub(super) const LOSS: u8 = 4;
    pub(super) const DEGRADED: u8 = 5;
    pub(super) const TICK: u8 = 6;
    pub(super) const LOOKED: u8 = 7;
    pub(super) const HOSTS: u8 = 8;
    pub(super) const END: u8 = 9;
    pub(super) const LATENCIES: u8 = 10;
    pub(super) const DETAIL: u8 = 11;
    pub(super) const COST: u8 = 12;
    pub(super) const SETTINGS: u8 = 13;
    pub(super) const USERS: u8 = 14;
    pub(super) const FIRED: u8 = 15;
    pub(super) const OVERFLOWS: u8 = 16;
}

/// Appends the body for `input`.
pub(super) fn encode(input: &Input, out: &mut Vec<u8>) -> Result<(), TapeError> {
    match input {
        Input::Record(bytes) => {
            out.push(kind::RECORD);
            out.extend_from_slice(bytes);
            Ok(())
        }
        Input::Start(start) => encode_payload(kind::START, start, out),
        Input::Process(facts) => encode_payload(kind::PROCESS, facts, out),
        Input::Loss(loss) => encode_payload(kind::LOSS, loss, out),
        Input::Latencies(latencies) => encode_payload(kind::LATENCIES, latencies, out),
        Input::Settings(settings) => encode_payload(kind::SETTINGS, settings, out),
        Input::Detail(detail) => encode_payload(kind::DETAIL, detail, out),
        Input::Cost(cost) => encode_payload(kind::COST, cost, out),
        Input::Degraded(degradation) => encode_payload(kind::DEGRADED, degradation, out),
        Input::Tick { at, wall } => encode_payload(kind::TICK, &(at, wall), out),
        Input::Looked { began } => encode_payload(kind::LOOKED, began, out),
        Input::End => encode_payload(kind::END, &(), out),
        Input::Hosts(entries) => encode_payload(kind::HOSTS, entries, out),
        Input::Users(users) => encode_payload(kind::USERS, users, out),
        Input::Fired(fired) => encode_payload(kind::FIRED, fired, out),
        Input::Overflows(told) => encode_payload(kind::OVERFLOWS, told, out),
    }
}

/// The input in `body`; the error is a reason for a person.
pub(super) fn decode(body: &[u8]) -> Result<Input, String> {
    let (&kind, payload) = body.split_first().ok_or("an empty frame")?;
    match kind {
        kind::RECORD => Ok(Input::Record(payload.to_vec())),
        kind::START => decode_payload(payload).map(Input::Start),
        kind::PROCESS => decode_payload(payload).map(Input::Process),
        kind::LOSS => decode_payload(payload).map(Input::Loss),
        kind::LATENCIES => decode_payload(payload).map(Input::Latencies),
        kind::DETAIL => decode_payload(payload).map(Input::Detail),
        kind::COST => decode_payload(payload).map(Input::Cost),
        kind::SETTINGS => decode_payload(payload).map(Input::Settings),
        kind::DEGRADED => decode_payload(payload).map(Input::Degraded),
        kind::TICK => decode_payload(payload).map(|(at, wall)| Input::Tick { at, wall }),
        kind::LOOKED => decode_payload(payload).map(|began| Input::Looked { began }),
        kind::END => decode_payload(payload).map(|()| Input::End),
        kind::HOSTS => decode_payload(payload).map(Input::Hosts),
        kind::USERS => decode_payload(payload).map(Input::Users),
        kind::FIRED => decode_payload(payload).map(Input::Fired),
        kind::OVERFLOWS => decode_payload(payload).map(Input::Overflows),
        _ => Err(format!("a frame of the unknown kind {kind}")),
    }
}

fn encode_payload(kind: u8, payload: &impl Serialize, out: &mut Vec<u8>) -> Result<(), TapeError> {
    out.push(kind);
    postcard::to_io(payload, out).map(drop).map_err(|error| TapeError::Encode { reason: error.to_string() })
}

fn decode_payload<T: DeserializeOwned>(payload: &[u8]) -> Result<T, String> {
    match postcard::take_from_bytes(payload) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(format!("{} bytes more than its kind of frame has", rest.len())),
        Err(error) => Err(format!("its content is not of its kind: {error}")),
    }
}
