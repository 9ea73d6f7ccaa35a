//! Writes tapes, as bytes for someone else to store.
//!
//! Invariant: what is appended is a whole header or a whole frame that [`super::Reader`] accepts, or nothing.
//! Memory: none of its own; the caller's buffer grows by one frame at a time.

use super::error::TapeError;
use super::format::{self, MAGIC, PREAMBLE_BYTES, Prefix, VERSION};
use super::header::TapeHeader;
use crate::input::Input;

/// The two functions that write a tape: the header once, then a frame for each input. There is no state between
/// them, so every frame boundary is a sound end of a tape.
#[derive(Debug)]
pub struct Writer;

impl Writer {
    /// The bytes that a tape begins with.
    ///
    /// # Errors
    /// When the header's strings are longer than a frame.
    pub fn header(header: &TapeHeader) -> Result<Vec<u8>, TapeError> {
        let json = serde_json::to_vec(header).map_err(|error| TapeError::Encode { reason: error.to_string() })?;
        let prefix = Prefix::of(&json)?;
        let mut out = Vec::with_capacity(PREAMBLE_BYTES + Prefix::BYTES + json.len());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&prefix.to_bytes());
        out.extend_from_slice(&json);
        Ok(out)
    }

    /// Appends the frame of `input` to `out`.
    ///
    /// # Errors
    /// When the input is larger than a frame; `out` is then as it was, and the caller counts the input as not
    /// recorded.
    pub fn frame(input: &Input, out: &mut Vec<u8>) -> Result<(), TapeError> {
        let start = out.len();
        let result = append(input, out);
        if result.is_err() {
            out.truncate(start);
        }
        result
    }
}

/// Appends the frame of `input`, or a part of it and an error.
fn append(input: &Input, out: &mut Vec<u8>) -> Result<(), TapeError> {
    let start = out.len();
    out.extend_from_slice(&[0; Prefix::BYTES]);
    format::encode(input, out)?;
    let frame = out.get_mut(start..).and_then(|frame| frame.split_first_chunk_mut());
    let Some((prefix, body)) = frame else {
        return Err(TapeError::Encode { reason: "its frame is empty".to_owned() });
    };
    *prefix = Prefix::of(body)?.to_bytes();
    Ok(())
}
