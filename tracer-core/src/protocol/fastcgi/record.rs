//! The header of a record (FastCGI specification §3.3), and the bodies that have a fixed form (§5.1, §5.5).
//!
//! Invariant: no byte behind the record is looked at. Memory: none.

use super::{Short, Side, Verdict};

/// Before the content of each record: version, type, request id, length of content and of padding, a reserved byte.
const HEADER_BYTES: usize = 8;
/// Bytes of the content of `FCGI_BEGIN_REQUEST` and of `FCGI_END_REQUEST`.
const BODY_BYTES: u16 = 8;
const VERSION: u8 = 1;
/// Types of records (§8).
const KINDS: [Kind; 11] = [
    Kind::BeginRequest,
    Kind::AbortRequest,
    Kind::EndRequest,
    Kind::Params,
    Kind::Stdin,
    Kind::Stdout,
    Kind::Stderr,
    Kind::Data,
    Kind::GetValues,
    Kind::GetValuesResult,
    Kind::UnknownType,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    BeginRequest,
    AbortRequest,
    EndRequest,
    Params,
    Stdin,
    Stdout,
    Stderr,
    Data,
    GetValues,
    GetValuesResult,
    UnknownType,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) kind: Kind,
    /// Of the request that it belongs to; 0 for none.
    pub(super) id: u16,
    /// Bytes of its content.
    pub(super) content: u16,
    padding: u8,
}

/// What an application says at the end of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// What a program would have exited with.
    pub(super) application: u32,
    pub(super) protocol: u8,
}

impl Kind {
    /// Whether a side sends it: the client is the web server.
    pub(super) fn is_of(self, side: Side) -> bool {
        let is_response =
            matches!(self, Self::EndRequest | Self::Stdout | Self::Stderr | Self::GetValuesResult | Self::UnknownType);
        is_response == (side == Side::Server)
    }
}

impl Record {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Short> {
        let (version, kind) = (bytes.first().copied(), bytes.get(1).copied());
        if version.is_some_and(|version| version != VERSION) {
            return Err(Short::Wrong("a record is of another version"));
        }
        let kind = kind.map(|kind| usize::from(kind).checked_sub(1).and_then(|place| KINDS.get(place)));
        if kind.is_some_and(|kind| kind.is_none()) {
            return Err(Short::Wrong("a record is of an unknown type"));
        }
        let header: &[u8; HEADER_BYTES] = bytes.first_chunk().ok_or(Short::More)?;
        let [_, _, i0, i1, c0, c1, padding, reserved] = *header;
        if reserved != 0 {
            return Err(Short::Wrong("a reserved byte is not 0"));
        }
        let kind = kind.flatten().copied().ok_or(Short::More)?;
        Ok(Self { kind, id: u16::from_be_bytes([i0, i1]), content: u16::from_be_bytes([c0, c1]), padding })
    }

    /// Bytes of all of it.
    pub(super) fn length(&self) -> u64 {
        HEADER_BYTES as u64 + u64::from(self.content) + u64::from(self.padding)
    }

    /// What has come of its content, and whether that is all of it.
    pub(super) fn content<'a>(&self, bytes: &'a [u8]) -> (&'a [u8], bool) {
        let all = usize::from(self.content);
        let content = bytes.get(HEADER_BYTES..).unwrap_or_default();
        (content.get(..all).unwrap_or(content), content.len() >= all)
    }

    /// Whether its content has a fixed form.
    pub(super) fn is_of_body(&self) -> bool {
        self.content == BODY_BYTES
    }

    /// Whether it begins a request: role, flags and five reserved bytes.
    pub(super) fn begins_request(&self, bytes: &[u8]) -> Verdict {
        if self.id == 0 || !self.is_of_body() {
            return Verdict::No;
        }
        let (content, is_whole) = self.content(bytes);
        let fits = content.iter().zip(0..).all(|(byte, place)| match place {
            0 => *byte == 0,
            1 => matches!(byte, 1..=3),
            2 => *byte <= 1,
            _ => *byte == 0,
        });
        match (fits, is_whole) {
            (false, _) => Verdict::No,
            (true, false) => Verdict::More,
            (true, true) => Verdict::Certain,
        }
    }

    /// What it says of the end of a request.
    pub(super) fn end(&self, bytes: &[u8]) -> Result<End, Short> {
        if !self.is_of_body() {
            return Err(Short::Wrong("the end of a request has another length"));
        }
        let [a0, a1, a2, a3, protocol, ..] = self.content(bytes).0 else { return Err(Short::More) };
        Ok(End { application: u32::from_be_bytes([*a0, *a1, *a2, *a3]), protocol: *protocol })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_begins_with_a_known_role_and_nothing_where_nothing_is_defined() {
        let begin = [1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0];
        let verdict = |bytes: &[u8]| Record::read(bytes).unwrap().begins_request(bytes);
        assert_eq!(verdict(&begin), Verdict::Certain);
        assert_eq!(verdict(&begin[..15]), Verdict::More);
        for (place, byte) in [(3, 0), (5, 9), (9, 4), (10, 2), (15, 1)] {
            let mut other = begin;
            other[place] = byte;
            assert_eq!(verdict(&other), Verdict::No, "{place}");
        }
        for other in [&[2][..], &[1, 0], &[1, 12], &[1, 1, 0, 1, 0, 8, 0, 1]] {
            assert!(matches!(Record::read(other), Err(Short::Wrong(_))), "{other:?}");
        }
        assert_eq!(Record::read(&begin[..7]), Err(Short::More));
    }
}
