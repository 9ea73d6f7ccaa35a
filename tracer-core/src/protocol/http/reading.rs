//! Where a side is within its messages, and how far a body goes (RFC 9112 §6, §7.1).
//!
//! Invariant: of a body, nothing is asked for but the lines between its chunks. Memory: what the headers of one message say.

use super::super::Next;
use super::framing::{Body, Headers};
use super::line::{self, Short};

/// Where a side is.
#[derive(Debug, Default)]
pub(super) enum Reading<Head> {
    /// A message begins.
    #[default]
    Start,
    Headers(Head, Headers),
    /// This body follows, or it does not.
    Perhaps(Body),
    Chunks,
    Trailers,
}

impl<Head> Reading<Head> {
    /// A body that follows an empty line, which is so long.
    pub(super) fn begin(&mut self, body: Body, length: u64) -> Next {
        *self = if body == Body::Chunks { Self::Chunks } else { Self::Start };
        match body {
            Body::Length(size) => Next::Unit(length.saturating_add(size)),
            Body::Chunks => Next::Unit(length),
            Body::UntilClose => Next::UntilClose,
        }
    }

    /// A body that begins here.
    pub(super) fn body(&mut self, body: Body, bytes: &[u8]) -> Result<Next, Short> {
        if body == Body::Chunks { self.chunk(bytes) } else { Ok(self.begin(body, 0)) }
    }

    pub(super) fn chunk(&mut self, bytes: &[u8]) -> Result<Next, Short> {
        let (size, length) = line::chunk(bytes)?;
        *self = if size == 0 { Self::Trailers } else { Self::Chunks };
        // Two bytes end what a chunk holds.
        let whole =
            if size == 0 { Some(length) } else { length.checked_add(2).and_then(|length| length.checked_add(size)) };
        whole.map(Next::Unit).ok_or(Short::Wrong("a chunk is too long"))
    }

    /// A line after the last chunk: how long it is, and whether the message is over with it.
    pub(super) fn trailer(&mut self, bytes: &[u8]) -> Result<(u64, bool), Short> {
        let (line, length) = line::line(bytes)?;
        if line.is_empty() {
            *self = Self::Start;
        }
        Ok((length, line.is_empty()))
    }
}
