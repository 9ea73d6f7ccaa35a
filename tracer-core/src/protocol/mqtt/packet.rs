//! One control packet of MQTT: its fixed header, and of its fields those that say what it is about.
//!
//! Invariant: payloads are not looked at; what does not agree with its length is no packet. Memory: none.

use super::super::fields::Fields;
use super::super::lines::Short;
use super::super::topic;
use super::Side;

/// Bytes of a topic.
const TOPIC_BYTES: u16 = 4_096;
/// Bytes of properties; longer ones are passed over.
const PROPERTY_BYTES: u64 = 1_024;
/// Bytes of an answer that are looked at: a reason for each filter.
const REASONS: u64 = 256;
/// The property that gives a topic a number.
const TOPIC_ALIAS: u8 = 0x23;

/// The type of a packet (MQTT 5.0 §2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Connect,
    ConnectAck,
    Publish,
    Acknowledge,
    Received,
    Release,
    Complete,
    Subscribe,
    SubscribeAck,
    Unsubscribe,
    UnsubscribeAck,
    PingRequest,
    PingResponse,
    Disconnect,
    Auth,
}

#[derive(Debug)]
pub(super) struct Packet<'a> {
    pub(super) kind: Kind,
    /// Bytes of the whole.
    pub(super) length: u64,
    /// Of CONNECT.
    pub(super) level: Option<u8>,
    pub(super) identifier: Option<u16>,
    /// Of a publication, or the first filter of a subscription.
    pub(super) topic: &'a [u8],
    pub(super) alias: Option<u16>,
    /// Of several, the worst.
    pub(super) reason: u8,
}

impl<'a> Packet<'a> {
    /// What stands at the beginning, on a connection of this level of the protocol, if it is known.
    pub(super) fn read(bytes: &'a [u8], side: Side, level: Option<u8>) -> Result<Self, Short> {
        let mut header = Fields::new(bytes, u64::MAX);
        let first = header.byte()?;
        let kind = kind(first, side)?;
        let remaining = variable(&mut header)?;
        let start = u64::MAX.saturating_sub(header.left());
        let length = start.saturating_add(remaining);
        let mut packet = Self { kind, length, level: None, identifier: None, topic: &[], alias: None, reason: 0 };
        let mut fields = Fields::new(bytes, length);
        fields.take(usize::try_from(start).unwrap_or(usize::MAX))?;
        packet.fill(first, &mut fields, level)?;
        Ok(packet)
    }

    /// The topic with values left out.
    pub(super) fn name(&self) -> String {
        topic::template(self.topic, b"/")
    }

    fn fill(&mut self, first: u8, fields: &mut Fields<'a>, level: Option<u8>) -> Result<(), Short> {
        match self.kind {
            Kind::Connect => {
                let name = text(fields, 6)?;
                self.level = Some(fields.byte()? & 0x7f);
                if !matches!((name, self.level), (b"MQTT", Some(4 | 5)) | (b"MQIsdp", Some(3))) {
                    return Err(Short::Wrong("a connection names another protocol"));
                }
            }
            Kind::ConnectAck => {
                let is_flag = fields.byte()? < 2;
                self.reason = fields.byte()?;
                agrees(is_flag && (self.reason < 6 || self.reason >= 0x80))?;
                end(fields)?;
            }
            Kind::Publish => {
                self.topic = topic_name(fields)?;
                if first & 0x06 > 0 {
                    self.identifier = Some(identifier(fields)?);
                }
                // Where the level is not known, an empty topic says that it is 5.
                if level == Some(5) || (level.is_none() && self.topic.is_empty()) {
                    self.alias = alias(fields)?;
                }
            }
            Kind::Acknowledge | Kind::Received | Kind::Release | Kind::Complete => {
                self.identifier = Some(identifier(fields)?);
                if fields.left() > 0 {
                    self.reason = fields.byte()?;
                }
                end(fields)?;
            }
            Kind::Subscribe | Kind::Unsubscribe => {
                self.identifier = Some(identifier(fields)?);
                self.topic = filter(fields, level)?;
            }
            Kind::SubscribeAck | Kind::UnsubscribeAck => {
                self.identifier = Some(identifier(fields)?);
                if level == Some(5) {
                    let length = variable(fields)?;
                    fields.take(usize::try_from(length).unwrap_or(usize::MAX))?;
                }
                let reasons = match (level, fields.left()) {
                    (_, 0) => &[][..],
                    (Some(_), left) => fields.take(usize::try_from(left.min(REASONS)).unwrap_or_default())?,
                    // Properties may come first.
                    (None, left) => {
                        agrees(left < PROPERTY_BYTES)?;
                        let all = fields.take(usize::try_from(left).unwrap_or_default())?;
                        all.last_chunk::<1>().map_or(&[][..], |last| &last[..])
                    }
                };
                self.reason = reasons.iter().copied().max().unwrap_or_default();
            }
            Kind::PingRequest | Kind::PingResponse => agrees(fields.left() == 0)?,
            Kind::Disconnect => {
                if fields.left() > 0 {
                    self.reason = fields.byte()?;
                    // Beyond failures, 4 asks for the will to be published.
                    agrees(self.reason >= 0x80 || self.reason == 0 || self.reason == 4)?;
                }
                end(fields)?;
            }
            Kind::Auth => agrees(fields.left() < u64::from(u16::MAX))?,
        }
        Ok(())
    }
}

/// The type and its flags, if this side may send it.
fn kind(first: u8, side: Side) -> Result<Kind, Short> {
    let (kind, sender) = match first {
        0x10 => (Kind::Connect, Some(Side::Client)),
        0x20 => (Kind::ConnectAck, Some(Side::Server)),
        0x30..=0x3f if first & 0x06 != 0x06 => (Kind::Publish, None),
        0x40 => (Kind::Acknowledge, None),
        0x50 => (Kind::Received, None),
        0x62 => (Kind::Release, None),
        0x70 => (Kind::Complete, None),
        0x82 => (Kind::Subscribe, Some(Side::Client)),
        0x90 => (Kind::SubscribeAck, Some(Side::Server)),
        0xa2 => (Kind::Unsubscribe, Some(Side::Client)),
        0xb0 => (Kind::UnsubscribeAck, Some(Side::Server)),
        0xc0 => (Kind::PingRequest, Some(Side::Client)),
        0xd0 => (Kind::PingResponse, Some(Side::Server)),
        0xe0 => (Kind::Disconnect, None),
        0xf0 => (Kind::Auth, None),
        _ => return Err(Short::Wrong("a packet is of no known type")),
    };
    if sender.is_some_and(|sender| sender != side) {
        return Err(Short::Wrong("a packet comes from the wrong side"));
    }
    Ok(kind)
}

/// A variable byte integer (MQTT 5.0 §1.5.5), written as short as it can be.
fn variable(fields: &mut Fields<'_>) -> Result<u64, Short> {
    let mut number = 0;
    for place in 0..4 {
        let byte = fields.byte()?;
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return if byte == 0 && place > 0 { Err(Short::Wrong("a length is written too long")) } else { Ok(number) };
        }
    }
    Err(Short::Wrong("a length has more than four bytes"))
}

fn text<'a>(fields: &mut Fields<'a>, most: u16) -> Result<&'a [u8], Short> {
    let length = fields.u16()?;
    if length > most || u64::from(length) > fields.left() {
        return Err(Short::Wrong("a text is longer than it may be"));
    }
    fields.take(usize::from(length))
}

fn topic_name<'a>(fields: &mut Fields<'a>) -> Result<&'a [u8], Short> {
    let topic = text(fields, TOPIC_BYTES)?;
    let is_text = std::str::from_utf8(topic).is_ok_and(|topic| !topic.chars().any(char::is_control));
    if is_text { Ok(topic) } else { Err(Short::Wrong("a topic is no text")) }
}

fn identifier(fields: &mut Fields<'_>) -> Result<u16, Short> {
    match fields.u16()? {
        0 => Err(Short::Wrong("a packet identifier is 0")),
        identifier => Ok(identifier),
    }
}

/// The first filter; where the level is not known, properties may come before it, of which there are none as a rule.
fn filter<'a>(fields: &mut Fields<'a>, level: Option<u8>) -> Result<&'a [u8], Short> {
    if level.is_none_or(|level| level < 5) {
        let mut older = fields.clone();
        match topic_name(&mut older) {
            Ok([]) => {}
            Err(Short::Wrong(_)) if level.is_none() => {}
            read => {
                *fields = older;
                return read;
            }
        }
    }
    let length = variable(fields)?;
    fields.take(usize::try_from(length).unwrap_or(usize::MAX))?;
    match topic_name(fields)? {
        [] => Err(Short::Wrong("a filter is empty")),
        topic => Ok(topic),
    }
}

/// The number that a publication gives its topic, or has instead of it.
fn alias(fields: &mut Fields<'_>) -> Result<Option<u16>, Short> {
    let length = variable(fields)?;
    if length > fields.left() {
        return Err(Short::Wrong("properties are longer than the packet"));
    }
    if length > PROPERTY_BYTES {
        return Ok(None);
    }
    let bytes = fields.take(usize::try_from(length).unwrap_or_default())?;
    let mut properties = Fields::new(bytes, length);
    while properties.left() > 0 {
        match properties.byte()? {
            TOPIC_ALIAS => return properties.u16().map(Some),
            // The format of the payload; when it is of no use any more; an identifier of the subscription.
            0x01 => {
                properties.byte()?;
            }
            0x02 => {
                properties.take(4)?;
            }
            0x0b => {
                variable(&mut properties)?;
            }
            // The type of the payload, where to respond, data to go with that.
            0x03 | 0x08 | 0x09 => {
                text(&mut properties, u16::MAX)?;
            }
            // A name and a value.
            0x26 => {
                text(&mut properties, u16::MAX)?;
                text(&mut properties, u16::MAX)?;
            }
            _ => return Err(Short::Wrong("a property is none of a publication")),
        }
    }
    Ok(None)
}

/// Nothing, or properties up to the end of the packet.
fn end(fields: &mut Fields<'_>) -> Result<(), Short> {
    if fields.left() > 0 {
        let length = variable(fields)?;
        agrees(length == fields.left())?;
    }
    Ok(())
}

fn agrees(it_does: bool) -> Result<(), Short> {
    if it_does { Ok(()) } else { Err(Short::Wrong("a packet does not agree with its length or its reason")) }
}
