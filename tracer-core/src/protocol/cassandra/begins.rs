//! Whether bytes begin a frame, or a segment of frames, that begins a turn.
//!
//! Invariant: what is certain fits in 40 bits or more. Memory: none.

use super::errors;
use super::frame::{self, Header};
use super::segment::{self, Segment};
use crate::protocol::fields::Fields;
use crate::protocol::lines::Short;
use crate::protocol::{Side, Verdict, sql};

/// Bytes of a statement's first word, and more.
const TEXT_BYTES: usize = 128;
const HEAD_BYTES: usize = 8;
/// Levels of consistency, and bytes of a statement's digest.
const CONSISTENCIES: u16 = 0x0b;
const DIGEST_BYTES: u16 = 16;
/// Options and events that a client may ask for.
const ITEMS: u16 = 32;
/// Kinds of results.
const RESULTS: std::ops::RangeInclusive<u32> = 1..=5;

pub(super) fn begins(side: Side, bytes: &[u8]) -> Verdict {
    let verdict = match Segment::read(bytes) {
        // A frame of version 5, of whatever kind: its segment is proof enough.
        Ok(segment) => in_segment(side, segment, bytes),
        Err(Short::More) => Ok(Verdict::More),
        Err(Short::Wrong(_)) => in_frame(side, bytes),
    };
    match verdict {
        Ok(verdict) => verdict,
        Err(Short::More) => Verdict::More,
        Err(Short::Wrong(_)) => Verdict::No,
    }
}

fn in_segment(side: Side, segment: Segment, bytes: &[u8]) -> Result<Verdict, Short> {
    let frame = bytes.get(segment::HEADER_BYTES..).unwrap_or_default();
    let header = Header::read(side, &mut Fields::new(frame, segment.length))?;
    let fits = header.version == 5 && (header.length() <= segment.length) == segment.is_whole;
    Ok(certain(fits))
}

fn in_frame(side: Side, bytes: &[u8]) -> Result<Verdict, Short> {
    let header = Header::read(side, &mut Fields::new(bytes, u64::MAX))?;
    let may_come = match (side, header.stream) {
        (Side::Server, -1) => matches!(header.code, frame::EVENT | frame::ERROR),
        (_, stream) => stream >= 0 && header.code != frame::EVENT,
    };
    if !may_come {
        return Ok(Verdict::No);
    }
    if header.is_compressed() {
        return Ok(likely(header.body > 0));
    }
    let mut fields = Fields::new(bytes, header.length());
    fields.skip(frame::HEADER_BYTES)?;
    header.skip_extras(side, &mut fields)?;
    let left = fields.left();
    Ok(match header.code {
        frame::OPTIONS | frame::READY => certain(left == 0),
        frame::STARTUP | frame::SUPPORTED => {
            certain((1..=ITEMS).contains(&fields.u16()?) && frame::word(&mut fields)?.len() > 2)
        }
        frame::REGISTER => certain((1..=ITEMS).contains(&fields.u16()?) && is_change(&mut fields)?),
        frame::EVENT => certain(is_change(&mut fields)?),
        frame::QUERY | frame::PREPARE => {
            let length = u64::from(fields.u32()?);
            let text = fields.within(length)?.seen(TEXT_BYTES);
            let verb = sql::begins(text, text.len() as u64 == length).ok_or(Short::More)?;
            match verb {
                Some(_) => Verdict::Certain,
                None if text.len() < HEAD_BYTES && (text.len() as u64) < length => return Err(Short::More),
                // A comment may stand before it, or it is one that nobody knows.
                None => likely(is_text(text)),
            }
        }
        frame::EXECUTE => {
            let is_digest = fields.u16()? == DIGEST_BYTES;
            fields.skip(u64::from(DIGEST_BYTES))?;
            certain(is_digest && fields.u16()? < CONSISTENCIES)
        }
        // Logged or not, or of counters; how many; the first by its text or its number.
        frame::BATCH => likely(fields.byte()? < 3 && fields.u16()? > 0 && fields.byte()? < 2),
        frame::AUTH_RESPONSE | frame::AUTH_CHALLENGE | frame::AUTH_SUCCESS => {
            let length = fields.u32()?;
            certain(u64::from(length) == fields.left() || (length == u32::MAX && fields.left() == 0))
        }
        frame::AUTHENTICATE => certain(u64::from(fields.u16()?) == fields.left() && left > 2),
        frame::RESULT => certain(RESULTS.contains(&fields.u32()?)),
        frame::ERROR => {
            let is_known = errors::is_known(fields.u32()?);
            let fits = u64::from(fields.u16()?) <= fields.left();
            if is_known { certain(fits) } else { likely(fits) }
        }
        _ => Verdict::No,
    })
}

fn certain(fits: bool) -> Verdict {
    if fits { Verdict::Certain } else { Verdict::No }
}

fn likely(fits: bool) -> Verdict {
    if fits { Verdict::Likely } else { Verdict::No }
}

/// Whether a text may be a statement, by its first bytes.
fn is_text(text: &[u8]) -> bool {
    let head = text.get(..HEAD_BYTES).unwrap_or(text);
    !head.is_empty() && head.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
}

fn is_change(fields: &mut Fields<'_>) -> Result<bool, Short> {
    frame::word(fields).map(|word| word.ends_with("_CHANGE"))
}
