//! The heads of frames (RFC 9113 §4.1, §6), and whether bytes are one.
//!
//! Invariant: what may begin a message is checked to the bit, since frames have no mark; what a running connection sends
//! is checked as the specification asks for. Memory: none.

use super::super::{Next, Side, Verdict};
use super::hpack::Decoder;
use super::table::Name;

/// What a client sends first (RFC 9113 §3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(super) const HEAD_BYTES: usize = 9;
/// What a frame may hold unless somebody agrees on more (§6.5.2).
const USUAL_LENGTH: u32 = 1 << 14;
/// Settings of a frame that begins a connection.
const SETTINGS: u32 = 32;
/// The highest setting and error that are defined.
const LAST_SETTING: u16 = 0x10;
const LAST_ERROR: u32 = 0xd;
/// Bytes of a header block that have to look like one.
const BLOCK_BYTES: usize = 48;

pub(super) const END_STREAM: u8 = 0x1;
const ACK: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// Why nothing was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Short {
    More,
    Wrong(&'static str),
}

impl From<Short> for Next {
    fn from(short: Short) -> Self {
        match short {
            Short::More => Self::More,
            Short::Wrong(reason) => Self::Wrong(reason),
        }
    }
}

impl From<&'static str> for Short {
    fn from(reason: &'static str) -> Self {
        Self::Wrong(reason)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Data,
    Headers,
    Priority,
    RstStream,
    Settings,
    PushPromise,
    Ping,
    GoAway,
    WindowUpdate,
    Continuation,
    /// An extension, which is passed over (§5.5).
    Other,
}

/// The head of a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) length: u32,
    pub(super) kind: Kind,
    pub(super) flags: u8,
    pub(super) stream: u32,
    /// A bit is set that has no meaning.
    is_reserved: bool,
}

/// Where the header block is in a frame.
#[derive(Debug)]
pub(super) struct Fragment {
    /// Bytes of the frame before it, the head too.
    pub(super) start: usize,
    pub(super) length: usize,
    pub(super) padding: u64,
}

impl Frame {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Short> {
        let (head, _) = bytes.split_first_chunk::<HEAD_BYTES>().ok_or(Short::More)?;
        let [a, b, c, kind, flags, d, e, f, g] = *head;
        let kind = match kind {
            0 => Kind::Data,
            1 => Kind::Headers,
            2 => Kind::Priority,
            3 => Kind::RstStream,
            4 => Kind::Settings,
            5 => Kind::PushPromise,
            6 => Kind::Ping,
            7 => Kind::GoAway,
            8 => Kind::WindowUpdate,
            9 => Kind::Continuation,
            _ => Kind::Other,
        };
        let (length, stream) = (u32::from_be_bytes([0, a, b, c]), u32::from_be_bytes([d & 0x7f, e, f, g]));
        Ok(Self { length, kind, flags, stream, is_reserved: d & 0x80 != 0 })
    }

    /// Bytes of all of it.
    pub(super) fn whole(&self) -> u64 {
        HEAD_BYTES as u64 + u64::from(self.length)
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether the specification allows it from this side.
    pub(super) fn check(&self, side: Side) -> Result<(), Short> {
        let is_client = side == Side::Client;
        let (is_length, is_stream) = match self.kind {
            Kind::Data | Kind::Continuation => (true, self.stream != 0),
            Kind::Headers => (true, self.stream != 0 && (!is_client || self.stream % 2 == 1)),
            Kind::Priority => (self.length == 5, self.stream != 0),
            Kind::RstStream => (self.length == 4, self.stream != 0),
            Kind::Settings if self.has(ACK) => (self.length == 0, self.stream == 0),
            Kind::Settings => (self.length.is_multiple_of(6), self.stream == 0),
            Kind::PushPromise => (self.length >= 4, !is_client && self.stream % 2 == 1),
            Kind::Ping => (self.length == 8, self.stream == 0),
            Kind::GoAway => (self.length >= 8, self.stream == 0),
            Kind::WindowUpdate => (self.length == 4, true),
            // Extensions are small; more is likely no frame at all.
            Kind::Other => (self.length <= USUAL_LENGTH, true),
        };
        match (is_length, is_stream) {
            (true, true) => Ok(()),
            (false, _) => Err(Short::Wrong("a frame has a length that its type does not have")),
            (true, false) => Err(Short::Wrong("a frame is on a stream that its type is not on")),
        }
    }

    /// Whether every bit is one that is sent.
    fn is_usual(&self) -> bool {
        let flags = match self.kind {
            Kind::Data => END_STREAM | PADDED,
            Kind::Headers => END_STREAM | END_HEADERS | PADDED | PRIORITY,
            Kind::PushPromise | Kind::Continuation => END_HEADERS | PADDED,
            Kind::Settings | Kind::Ping => ACK,
            Kind::Priority | Kind::RstStream | Kind::GoAway | Kind::WindowUpdate | Kind::Other => 0,
        };
        self.flags & !flags == 0 && !self.is_reserved && self.length <= USUAL_LENGTH
    }

    /// Where the header block is in a frame of `bytes` that has one.
    pub(super) fn fragment(&self, bytes: &[u8]) -> Result<Fragment, Short> {
        let mut start = HEAD_BYTES;
        let mut padding = 0;
        if self.kind != Kind::Continuation && self.has(PADDED) {
            padding = u64::from(*bytes.get(start).ok_or(Short::More)?);
            start += 1;
        }
        start += match self.kind {
            Kind::Headers if self.has(PRIORITY) => 5,
            Kind::PushPromise => 4,
            _ => 0,
        };
        let length = self.whole().checked_sub(start as u64 + padding).and_then(|length| usize::try_from(length).ok());
        Ok(Fragment { start, length: length.ok_or(Short::Wrong("a frame is padded beyond its end"))?, padding })
    }

    /// The number at this place of the payload.
    pub(super) fn number(bytes: &[u8], place: usize) -> Result<u32, Short> {
        let payload = bytes.get(HEAD_BYTES + place..).unwrap_or_default();
        payload.first_chunk().map(|bytes| u32::from_be_bytes(*bytes)).ok_or(Short::More)
    }
}

/// Whether a connection, or a turn in it, may begin so.
pub(super) fn begins(side: Side, bytes: &[u8]) -> Verdict {
    if side == Side::Client && (bytes.starts_with(PREFACE) || PREFACE.starts_with(bytes)) {
        return if bytes.len() < PREFACE.len() { Verdict::More } else { Verdict::Certain };
    }
    // The length of any usual frame begins so.
    if bytes.first().is_some_and(|byte| *byte != 0) || bytes.get(1).is_some_and(|byte| *byte > 0x40) {
        return Verdict::No;
    }
    frame_begins(side, bytes).unwrap_or_else(|short| match short {
        Short::More => Verdict::More,
        Short::Wrong(_) => Verdict::No,
    })
}

fn frame_begins(side: Side, bytes: &[u8]) -> Result<Verdict, Short> {
    let frame = Frame::read(bytes)?;
    frame.check(side)?;
    if !frame.is_usual() {
        return Ok(Verdict::No);
    }
    let likely = |is_likely| if is_likely { Ok(Verdict::Likely) } else { Ok(Verdict::No) };
    match frame.kind {
        // An empty one is nine bytes of almost nothing but zeros, which other protocols send too.
        Kind::Data if frame.has(PADDED) => {
            let padding = *bytes.get(HEAD_BYTES).ok_or(Short::More)?;
            likely(u32::from(padding) < frame.length)
        }
        Kind::Data => likely(frame.length > 0),
        Kind::Settings if frame.length == 0 => Ok(Verdict::Likely),
        Kind::Settings if frame.length > SETTINGS * 6 => Ok(Verdict::No),
        Kind::Settings => {
            let setting = Frame::number(bytes, 0)? >> 16;
            let is_setting = (1..=u32::from(LAST_SETTING)).contains(&setting);
            Ok(if is_setting { Verdict::Certain } else { Verdict::No })
        }
        Kind::RstStream => likely(Frame::number(bytes, 0)? <= LAST_ERROR),
        Kind::GoAway => likely(Frame::number(bytes, 0)? >> 31 == 0 && Frame::number(bytes, 4)? <= LAST_ERROR),
        Kind::WindowUpdate => likely((1..1 << 31).contains(&Frame::number(bytes, 0)?)),
        Kind::Ping => Ok(Verdict::Likely),
        Kind::Priority => likely(side == Side::Client),
        Kind::PushPromise if !frame.has(PADDED) => {
            let promised = Frame::number(bytes, 0)?;
            likely(promised > 0 && promised.is_multiple_of(2))
        }
        Kind::Headers => headers_begin(side, &frame, bytes),
        Kind::PushPromise | Kind::Continuation | Kind::Other => Ok(Verdict::No),
    }
}

/// Whether a header block follows: its fields begin with those that say what is asked, or answered.
fn headers_begin(side: Side, frame: &Frame, bytes: &[u8]) -> Result<Verdict, Short> {
    if side == Side::Server && frame.has(PRIORITY) {
        return Ok(Verdict::No);
    }
    let fragment = frame.fragment(bytes)?;
    let length = fragment.length.min(BLOCK_BYTES);
    let block = bytes.get(fragment.start..fragment.start + length).ok_or(Short::More)?;
    let mut names = Vec::new();
    let mut decoder = Decoder::default();
    decoder.read(block, &mut |field| names.push(field.name))?;
    if length == fragment.length && frame.has(END_HEADERS) {
        decoder.end()?;
    }
    let is_beginning = |name: &Name| match (side, name) {
        (_, Name::Unknown) => true,
        (Side::Client, Name::Authority | Name::Method | Name::Path | Name::Scheme) => true,
        (Side::Server, Name::Status) => true,
        // Trailers.
        (Side::Server, Name::ContentType | Name::GrpcStatus | Name::Other) => frame.has(END_STREAM),
        _ => false,
    };
    if length == 0 || !names.first().is_none_or(is_beginning) {
        return Ok(Verdict::No);
    }
    // The numbers of method and scheme are 14 bits, the head is 26: nothing else looks like this by chance.
    let named = names.iter().take_while(|name| is_beginning(name));
    let is_request = side == Side::Client
        && frame.has(END_HEADERS)
        && named.filter(|name| matches!(name, Name::Method | Name::Scheme)).count() == 2;
    Ok(if is_request { Verdict::Certain } else { Verdict::Likely })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_client_begins_with_the_preface_and_a_server_with_settings() {
        for end in 1..PREFACE.len() {
            assert_eq!(begins(Side::Client, &PREFACE[..end]), Verdict::More);
        }
        assert_eq!(begins(Side::Client, PREFACE), Verdict::Certain);
        assert_eq!(begins(Side::Client, b"PRI * HTTP/1"), Verdict::No);
        let settings = b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64";
        assert_eq!(begins(Side::Server, &settings[..12]), Verdict::More);
        assert_eq!(begins(Side::Server, settings), Verdict::Certain);
        assert_eq!(begins(Side::Server, b"HTTP/1.1 400"), Verdict::No);
    }

    #[test]
    fn in_the_middle_every_frame_is_checked_to_the_bit() {
        let request = b"\0\0\x04\x01\x05\0\0\0\x07\x82\xc0\x87\xbf";
        assert_eq!(begins(Side::Client, request), Verdict::Certain);
        assert_eq!(begins(Side::Server, request), Verdict::No);
        let response = b"\0\0\x02\x01\x04\0\0\0\x07\x88\xc0";
        assert_eq!(begins(Side::Server, response), Verdict::Likely);
        assert_eq!(begins(Side::Client, response), Verdict::No);
        for end in 1..response.len() {
            assert_eq!(begins(Side::Server, &response[..end]), Verdict::More);
        }
        let frames: [(&[u8], Verdict); 12] = [
            (b"\0\0\x04\x08\0\0\0\0\0\0\0\0\x01", Verdict::Likely),
            (b"\0\0\x04\x08\0\0\0\0\0\0\0\0\0", Verdict::No),
            (b"\0\0\x08\x06\x01\0\0\0\0", Verdict::Likely),
            (b"\0\0\x08\x06\x02\0\0\0\0", Verdict::No),
            (b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08", Verdict::Likely),
            (b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x0e", Verdict::No),
            (b"\0\0\x07\0\x01\0\0\0\x01", Verdict::Likely),
            (b"\0\0\0\0\x01\0\0\0\x01", Verdict::No),
            (b"\0\0\x07\0\x01\x80\0\0\x01", Verdict::No),
            (b"\0\0\0\x04\x01\0\0\0\0", Verdict::Likely),
            (b"\0\0\x08\x07\0\0\0\0\0\0\0\0\x01\0\0\0\0", Verdict::Likely),
            (b"\0\0\0\x09\x04\0\0\0\x01", Verdict::No),
        ];
        for (bytes, verdict) in frames {
            assert_eq!(begins(Side::Client, bytes), verdict, "{bytes:02x?}");
        }
    }

    proptest! {
        #[test]
        fn more_bytes_never_change_what_was_said(
            head in (0_u8..12, any::<u8>(), 0_u8..4),
            payload in prop::collection::vec(prop_oneof![any::<u8>(), 0_u8..4, 0x80_u8..0x90], 0..80),
            rest in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let (kind, flags, stream) = head;
            let length = u8::try_from(payload.len()).unwrap();
            let bytes = [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload.as_slice(), &rest].concat();
            for side in [Side::Client, Side::Server] {
                let verdicts: Vec<Verdict> = (1..=bytes.len()).map(|end| begins(side, &bytes[..end])).collect();
                let said: Vec<&Verdict> = verdicts.iter().skip_while(|verdict| **verdict == Verdict::More).collect();
                prop_assert!(said.windows(2).all(|pair| pair[0] == pair[1]), "{:?}", verdicts);
            }
        }
    }
}
