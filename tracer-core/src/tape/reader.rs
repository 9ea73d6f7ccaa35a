//! Reads tapes from pieces of any size.
//!
//! Invariant: the inputs do not depend on how the tape was cut into pieces; after the first error there are no more.
//! Memory: one frame at a time, `FRAME_BYTES` and 18 bytes, allocated as its bytes arrive, and the input made of it,
//! at most 25 times that size (a frame full of empty arguments).

use super::error::TapeError;
use super::format::{self, MAGIC, PREAMBLE_BYTES, Prefix};
use super::header::TapeHeader;
use crate::input::Input;

/// A tape being read: [`Self::feed`] it bytes and take out inputs with [`Self::next_input`], in turns; at the end of
/// the file ask [`Self::finish`] whether it was the end of the tape.
///
/// ```
/// # use tracer_core::tape::{Reader, Ending, TapeError};
/// fn replay(tape: &[u8]) -> Result<Ending, TapeError> {
///     let mut reader = Reader::default();
///     for mut piece in tape.chunks(4096) {
///         while !piece.is_empty() {
///             piece = reader.feed(piece);
///             while let Some(input) = reader.next_input()? {
///                 println!("{input:?}");
///             }
///         }
///     }
///     reader.finish()
/// }
/// ```
#[derive(Debug, Default)]
pub struct Reader {
    /// The part of the current frame (with the preamble, for the header's) that has arrived.
    buffer: Vec<u8>,
    /// Where in the tape `buffer` begins.
    at_byte: u64,
    header: Option<TapeHeader>,
    failure: Option<TapeError>,
}

/// How a tape ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// At a frame boundary.
    Clean,
    /// In the middle of a frame (or of the header, then `at_byte` is 0), as after a crash or on a full disk: a
    /// warning, since all before it was read. The last `bytes` bytes, from `at_byte` on, were not. When they are
    /// many, the length of that frame may be damaged.
    Cut { at_byte: u64, bytes: usize },
}

impl Reader {
    /// Takes bytes of the current frame only, and returns the rest of `piece`: call [`Self::next_input`] until it
    /// gives `None` before feeding the rest. After an error everything is taken and ignored.
    #[must_use = "the rest has not been read yet"]
    pub fn feed<'a>(&mut self, piece: &'a [u8]) -> &'a [u8] {
        if self.failure.is_some() {
            return &[];
        }
        let mut rest = piece;
        // Twice: what the frame needs is known once its prefix is complete.
        for _ in 0..2 {
            let missing = self.needed().saturating_sub(self.buffer.len()).min(rest.len());
            let Some((taken, after)) = rest.split_at_checked(missing) else { break };
            self.buffer.extend_from_slice(taken);
            rest = after;
        }
        rest
    }

    /// The next input, `None` until more is fed.
    ///
    /// # Errors
    /// When the bytes are no tape that this tracer reads, or damaged; the same error again from then on.
    pub fn next_input(&mut self) -> Result<Option<Input>, TapeError> {
        match self.failure.clone().map_or_else(|| self.advance(), Err) {
            Err(error) => {
                self.buffer = Vec::new();
                self.failure = Some(error.clone());
                Err(error)
            }
            input => input,
        }
    }

    /// The header, once it has been read; that is before the first input.
    #[must_use]
    pub fn header(&self) -> Option<&TapeHeader> {
        self.header.as_ref()
    }

    /// How the tape ends, when nothing is left to feed and [`Self::next_input`] gave `None`.
    ///
    /// # Errors
    /// The error that [`Self::next_input`] gave, if it gave one.
    pub fn finish(self) -> Result<Ending, TapeError> {
        match self.failure {
            Some(error) => Err(error),
            None if self.buffer.is_empty() && self.header.is_some() => Ok(Ending::Clean),
            None => Ok(Ending::Cut { at_byte: self.at_byte, bytes: self.buffer.len() }),
        }
    }

    /// Bytes before the prefix of the current frame.
    fn preamble(&self) -> usize {
        if self.header.is_some() { 0 } else { PREAMBLE_BYTES }
    }

    /// Bytes of the current frame, as far as that is known.
    fn needed(&self) -> usize {
        let known = self.preamble() + Prefix::BYTES;
        let prefix = self.buffer.get(self.preamble()..).and_then(Prefix::split);
        // A length beyond the cap needs no bytes: `advance` refuses it.
        known + prefix.and_then(|(prefix, _)| prefix.body_length().ok()).unwrap_or(0)
    }

    fn advance(&mut self) -> Result<Option<Input>, TapeError> {
        if self.header.is_none() {
            let Some(header) = read_header(&self.buffer)? else { return Ok(None) };
            self.header = Some(header);
            self.pass();
        }
        let at_byte = self.at_byte;
        let body = sealed(&self.buffer).map_err(|reason| TapeError::Frame { at_byte, reason })?;
        let Some(body) = body else { return Ok(None) };
        let input = format::decode(body).map_err(|reason| TapeError::Frame { at_byte, reason })?;
        self.pass();
        Ok(Some(input))
    }

    /// Goes on to the next frame.
    fn pass(&mut self) {
        self.at_byte = self.at_byte.saturating_add(self.buffer.len() as u64);
        self.buffer.clear();
    }
}

/// The header in the first bytes of a tape, `None` while it is incomplete.
fn read_header(tape: &[u8]) -> Result<Option<TapeHeader>, TapeError> {
    // Even a file shorter than the magic is known to be foreign.
    if tape.iter().zip(&MAGIC).any(|(found, expected)| found != expected) {
        return Err(TapeError::NotATape);
    }
    let Some((version, frame)) = tape.get(MAGIC.len()..).and_then(|rest| rest.split_first_chunk()) else {
        return Ok(None);
    };
    let Some(json) = sealed(frame).map_err(|reason| TapeError::Header { reason })? else { return Ok(None) };
    TapeHeader::parse(u16::from_le_bytes(*version), json).map(Some)
}

/// The body of a frame that has arrived as a whole and is sound, `None` while it is incomplete; the error is a
/// reason for a person.
fn sealed(frame: &[u8]) -> Result<Option<&[u8]>, String> {
    let Some((prefix, body)) = Prefix::split(frame) else { return Ok(None) };
    if body.len() < prefix.body_length()? {
        Ok(None)
    } else if prefix.seals(body) {
        Ok(Some(body))
    } else {
        Err("its checksum does not match".to_owned())
    }
}
