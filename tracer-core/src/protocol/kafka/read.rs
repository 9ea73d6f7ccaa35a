//! Reads a request or a response by its layout.
//!
//! Invariant: what is read depends only on the first [`READ_BYTES`] of a unit, whether or not more came; of messages
//! nothing is read, nor what follows them. Memory: [`PAIRS`] names of topics, each within a unit's head.

use super::super::fields::Fields;
use super::super::lines::Short;
use super::layout::{Field, Kind};

/// Bytes of a unit in which something is looked for: they come whole where a unit begins an input or output.
pub(super) const READ_BYTES: usize = 3 << 10;
/// Topics of one response whose ids are kept.
const PAIRS: usize = 64;
/// Bytes of a topic's name (`org.apache.kafka.common.internals.Topic`).
const NAME_BYTES: usize = 249;

/// The id of a topic.
pub(super) type TopicId = [u8; 16];

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Seen<'a> {
    /// The first topic …
    pub(super) topic: Option<&'a [u8]>,
    /// … or its id.
    pub(super) id: Option<TopicId>,
    /// The first error code that is not 0, else 0 if there was one, or there is none to its end.
    pub(super) error: Option<i16>,
    pub(super) session: Option<i32>,
    pub(super) acks: Option<i16>,
    pub(super) pairs: Vec<(TopicId, &'a [u8])>,
    /// The fields are not laid out like this.
    pub(super) misfits: bool,
}

/// How a unit is to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct How {
    pub(super) version: i16,
    pub(super) flexible: bool,
    /// Nothing is read behind the first topic.
    pub(super) to_topic: bool,
}

enum Stop {
    Short(Short),
    /// What follows is not looked at.
    Done,
}

impl From<Short> for Stop {
    fn from(short: Short) -> Self {
        Self::Short(short)
    }
}

/// The unit's fields, no more than are looked at.
pub(super) fn head(bytes: &[u8], length: u64) -> Fields<'_> {
    Fields::new(bytes.get(..READ_BYTES).unwrap_or(bytes), length)
}

/// Reads fields of the unit that has these bytes; `Short::More` if some may come that would be read.
pub(super) fn read<'a>(layout: &[Field], how: How, bytes: &[u8], mut fields: Fields<'a>) -> Result<Seen<'a>, Short> {
    let mut seen = Seen::default();
    match structure(layout, how, &mut fields, &mut seen) {
        Err(Stop::Short(Short::More)) if bytes.len() < READ_BYTES => return Err(Short::More),
        Err(Stop::Short(Short::Wrong(_))) => seen.misfits = true,
        // It was read to its end: what holds no code holds no error.
        Ok(()) => seen.error = seen.error.or(Some(0)),
        Err(Stop::Short(Short::More) | Stop::Done) => {}
    }
    Ok(seen)
}

fn structure<'a>(layout: &[Field], how: How, fields: &mut Fields<'a>, seen: &mut Seen<'a>) -> Result<(), Stop> {
    let mut name = None;
    for field in layout.iter().filter(|field| (field.from..=field.to).contains(&how.version)) {
        match field.kind {
            Kind::Skip(length) => {
                fields.take(length)?;
            }
            Kind::Text => {
                text(how, fields)?;
            }
            Kind::Bytes => {
                let length = length(how, fields, 4)?;
                fields.take(length)?;
            }
            Kind::Records => {
                if length(how, fields, 4)? > 0 {
                    return Err(Stop::Done);
                }
            }
            Kind::Error => {
                let code = signed(fields.u16()?);
                seen.error = seen.error.filter(|known| *known != 0).or(Some(code));
            }
            Kind::Session => seen.session = Some(i32::from_be_bytes(fields.u32()?.to_be_bytes())),
            Kind::Acks => seen.acks = Some(signed(fields.u16()?)),
            Kind::Topic => {
                name = topic(how, fields)?;
                seen.topic = seen.topic.or(name);
            }
            Kind::TopicId => {
                let id = TopicId::try_from(fields.take(16)?).unwrap_or_default();
                // Of topics without an id it is 0.
                let id = (id != TopicId::default()).then_some(id);
                seen.id = seen.id.or(id);
                if let (Some(id), Some(name), true) = (id, name, seen.pairs.len() < PAIRS) {
                    seen.pairs.push((id, name));
                }
            }
            Kind::Fixed(size) => {
                let entries = length(how, fields, 4)?;
                fields.take(entries.saturating_mul(size))?;
            }
            Kind::Topics => {
                for _ in 0..length(how, fields, 4)? {
                    seen.topic = seen.topic.or(topic(how, fields)?);
                }
            }
            Kind::Many(layout) => {
                for _ in 0..length(how, fields, 4)? {
                    structure(layout, how, fields, seen)?;
                    if how.flexible {
                        tags(fields)?;
                    }
                }
            }
        }
        if how.to_topic && (seen.topic.is_some() || seen.id.is_some()) {
            return Err(Stop::Done);
        }
    }
    Ok(())
}

/// A name that a topic may have; `None` for one that is left out.
fn topic<'a>(how: How, fields: &mut Fields<'a>) -> Result<Option<&'a [u8]>, Short> {
    let name = text(how, fields)?;
    let is_legal = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if name.len() > NAME_BYTES || !name.iter().all(is_legal) {
        return Err(Short::Wrong("no topic has such a name"));
    }
    Ok(Some(name).filter(|name| !name.is_empty()))
}

fn text<'a>(how: How, fields: &mut Fields<'a>) -> Result<&'a [u8], Short> {
    let length = length(how, fields, 2)?;
    fields.take(length)
}

/// The length of what follows, or how many entries it has: a number of so many bytes, or a compact one, in which 0 stands
/// for null (KIP-482). What is null has none.
fn length(how: How, fields: &mut Fields<'_>, size: usize) -> Result<usize, Short> {
    let length = if how.flexible {
        usize::try_from(varint(fields)?).map(|length| length.saturating_sub(1))
    } else if size == 2 {
        usize::try_from(signed(fields.u16()?).max(0))
    } else {
        usize::try_from(i32::from_be_bytes(fields.u32()?.to_be_bytes()).max(0))
    };
    // An entry has a byte at least.
    let fits = length.ok().filter(|length| *length as u64 <= fields.left());
    fits.ok_or(Short::Wrong("a field is longer than what it is in"))
}

/// Passes over the tagged fields that end a structure.
pub(super) fn tags(fields: &mut Fields<'_>) -> Result<(), Short> {
    for _ in 0..varint(fields)? {
        varint(fields)?;
        let length = usize::try_from(varint(fields)?).unwrap_or(usize::MAX);
        fields.take(length)?;
    }
    Ok(())
}

/// Seven bits in each byte, the lowest first; the highest bit says that more follow.
fn varint(fields: &mut Fields<'_>) -> Result<u32, Short> {
    let mut number = 0_u64;
    for shift in (0..35).step_by(7) {
        let byte = fields.byte()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return u32::try_from(number).map_err(|_| Short::Wrong("a number is too large"));
        }
    }
    Err(Short::Wrong("a number is too large"))
}

pub(super) fn signed(number: u16) -> i16 {
    i16::from_be_bytes(number.to_be_bytes())
}
