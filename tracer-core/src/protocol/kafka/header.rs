//! What every request begins with: its length, what it asks for and in which version, the number by which its response is
//! found, and who asks (the Kafka protocol guide, "Protocol Structure").
//!
//! Invariant: what is no header is known by its first bytes that do not fit. Memory: none.

use super::super::fields::Fields;
use super::super::lines::Short;
use super::api::Api;
use super::read::{self, How, Seen};

/// Bytes of a unit without those of its length (Kafka's lengths are 32 bits with a sign).
pub(super) const UNIT_BYTES: u32 = 1 << 30;
/// Bytes of the length.
pub(super) const LENGTH_BYTES: u64 = 4;
/// What comes behind it at least: number, version, correlation id and the length of the client's name.
const LEAST: u32 = 10;
/// Bytes of the name that a client gives itself.
const CLIENT_BYTES: u16 = 1 << 10;

/// A request, as far as it is read.
#[derive(Debug)]
pub(super) struct Request<'a> {
    /// Bytes of the unit, with those of its length.
    pub(super) length: u64,
    pub(super) api: Api,
    pub(super) correlation: i32,
    pub(super) seen: Seen<'a>,
}

impl<'a> Request<'a> {
    /// Reads it; it may have so many bytes.
    pub(super) fn read(bytes: &'a [u8], most: u32) -> Result<Self, Short> {
        let length = Fields::new(bytes, LENGTH_BYTES).u32()?;
        if !(LEAST..=most).contains(&length) {
            return Err(Short::Wrong("a request is too short or too long"));
        }
        let length = LENGTH_BYTES.saturating_add(u64::from(length));
        let mut fields = read::head(bytes, length);
        fields.take(4)?;
        let key = read::signed(fields.u16()?);
        let version = read::signed(fields.u16()?);
        let api = Api::find(key, version).ok_or(Short::Wrong("nothing can be asked by this number in this version"))?;
        let correlation = i32::from_be_bytes(fields.u32()?.to_be_bytes());
        let client = match fields.u16()? {
            // There is none.
            u16::MAX => 0,
            client if client <= CLIENT_BYTES => client,
            _ => return Err(Short::Wrong("the name of a client is too long")),
        };
        let is_name = |name: &[u8]| std::str::from_utf8(name).is_ok_and(|name| !name.chars().any(char::is_control));
        if !is_name(fields.take(usize::from(client))?) {
            return Err(Short::Wrong("a client has no such name"));
        }
        let how = How { version, flexible: api.is_flexible().unwrap_or(false), to_topic: true };
        if how.flexible {
            read::tags(&mut fields)?;
        }
        let seen = match api.request() {
            Some(layout) => read::read(layout, how, bytes, fields)?,
            None => Seen::default(),
        };
        Ok(Self { length, api, correlation, seen })
    }
}
