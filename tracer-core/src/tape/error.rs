//! What is wrong with a tape, and what to do about it.
//!
//! Invariant: text that comes from a tape is cut and escaped before it is shown. Memory: two short strings.

use super::format::{FRAME_BYTES, VERSION};

/// Why a tape cannot be written or read (on). All inputs before the place named have been delivered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TapeError {
    #[error("this is not a tape: it does not begin with TRACERTP; `tracer watch --record FILE` makes tapes")]
    NotATape,
    /// `tool` is the version of the tracer that wrote the tape, as it claims.
    #[error(
        "the tape has format {found}, this tracer reads format {VERSION}: replay it with the tracer that wrote it, \
         version {tool}"
    )]
    Version { found: u16, tool: String },
    #[error(
        "the tape holds kernel records of another layout ({found}; this tracer has {expected}): replay it with the \
         tracer that wrote it, version {tool}"
    )]
    Abi { found: String, expected: String, tool: String },
    #[error("the header of the tape is damaged ({reason}): nothing of it can be replayed, record again")]
    Header { reason: String },
    #[error(
        "the tape is damaged at byte {at_byte} ({reason}): what precedes it was replayed; \
         `truncate --size={at_byte}` on a copy leaves that part as a sound tape"
    )]
    Frame { at_byte: u64, reason: String },
    #[error("an input of {bytes} bytes cannot be recorded: a frame of a tape holds {FRAME_BYTES}")]
    TooLarge { bytes: usize },
    #[error("an input cannot be recorded: {reason}")]
    Encode { reason: String },
}
