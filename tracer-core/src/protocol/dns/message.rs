//! A message with its length before it: the header (RFC 1035 §4.1.1) and the first question (§4.1.2).
//!
//! Invariant: what is read depends only on bytes up to the end of the question, none of which lies behind the message;
//! no pointer is followed, as a first question has nothing before it that it could point to. Memory: none.

use compact_str::{CompactString, format_compact};

use super::super::fields::Fields;
use super::super::lines;
use super::{Short, Side, name};

/// Before a message over TCP.
pub(super) const TCP_LENGTH_BYTES: usize = 2;
const HEADER_BYTES: usize = 12;
/// Bytes of a name with the lengths of its labels (RFC 1035 §3.1).
const NAME_BYTES: usize = 255;
/// Bytes of a label.
const LABEL_BYTES: u8 = 63;
/// Records behind the question of a query: an OPT (RFC 6891), a TSIG or SIG(0), and the serial of an IXFR.
const ADDED: u8 = 2;
const AUTHORITIES: u8 = 1;

/// Kinds of messages (RFC 6895 §2.2).
const QUERY: u8 = 0;
const NOTIFY: u8 = 4;
const UPDATE: u8 = 5;
/// A session that is more than queries (RFC 8490).
const STATEFUL: u8 = 6;

/// Types of records (RFC 1035 §3.2.2, IANA's "Resource Record (RR) TYPEs").
const KINDS: [(u16, &str); 23] = [
    (1, "A"),
    (2, "NS"),
    (5, "CNAME"),
    (6, "SOA"),
    (12, "PTR"),
    (13, "HINFO"),
    (15, "MX"),
    (16, "TXT"),
    (28, "AAAA"),
    (33, "SRV"),
    (35, "NAPTR"),
    (39, "DNAME"),
    (43, "DS"),
    (46, "RRSIG"),
    (47, "NSEC"),
    (48, "DNSKEY"),
    (52, "TLSA"),
    (64, "SVCB"),
    (65, "HTTPS"),
    (251, "IXFR"),
    (252, "AXFR"),
    (255, "ANY"),
    (257, "CAA"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Bytes of the message, without those of its length.
    pub(super) length: u64,
    pub(super) id: u16,
    pub(super) is_response: bool,
    opcode: u8,
    pub(super) is_truncated: bool,
    /// The response code.
    pub(super) code: u8,
    pub(super) questions: u16,
}

/// The first question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question<'a> {
    /// Labels, each with its length before it, and the empty one that ends them.
    labels: &'a [u8],
    kind: u16,
    class: u16,
}

impl Head {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Short> {
        let mut fields = Fields::new(bytes, (TCP_LENGTH_BYTES + HEADER_BYTES) as u64);
        let length = u64::from(read(fields.u16())?);
        if length < HEADER_BYTES as u64 {
            return Err(Short::Wrong("a message is shorter than its header"));
        }
        let id = read(fields.u16())?;
        let [flags, more] = read(fields.u16())?.to_be_bytes();
        let head = Self {
            length,
            id,
            is_response: flags & 0x80 != 0,
            opcode: (flags >> 3) & 0x0f,
            is_truncated: flags & 0x02 != 0,
            code: more & 0x0f,
            questions: read(fields.u16())?,
        };
        // The other counts.
        read(fields.take(6))?;
        Ok(head)
    }

    /// Whether the first message of a side may have this header, of which all need not have come: a query, or its response,
    /// about one name.
    pub(super) fn may_begin(side: Side, bytes: &[u8]) -> bool {
        let behind_id = bytes.get(TCP_LENGTH_BYTES + 2..).unwrap_or_default();
        behind_id.iter().zip(0..HEADER_BYTES - 2).all(|(byte, place)| match (place, side) {
            // Whether it is a response, of what kind, and truncated.
            (0, Side::Client) => byte & 0xfa == 0,
            (0, Side::Server) => byte & 0xf8 == 0x80,
            // The bit that has no meaning (RFC 6895 §2.1), and the code.
            (1, Side::Client) => byte & 0x4f == 0,
            (1, Side::Server) => byte & 0x40 == 0,
            (2, _) => *byte == 0,
            (3, _) => *byte == 1,
            (7, Side::Client) => *byte <= AUTHORITIES,
            (9, Side::Client) => *byte <= ADDED,
            (_, Side::Client) => *byte == 0,
            (_, Side::Server) => true,
        })
    }

    pub(super) fn is_stateful(&self) -> bool {
        self.opcode == STATEFUL
    }

    /// What is done that is no query.
    pub(super) fn operation(&self) -> &'static str {
        match self.opcode {
            QUERY => "",
            NOTIFY => "NOTIFY",
            UPDATE => "UPDATE",
            STATEFUL => "DSO",
            _ => "OTHER",
        }
    }
}

impl<'a> Question<'a> {
    /// That of the message that `bytes` begin with.
    pub(super) fn read(bytes: &'a [u8], head: &Head) -> Result<Self, Short> {
        let mut fields = Fields::new(bytes, head.length.saturating_add(TCP_LENGTH_BYTES as u64));
        read(fields.take(TCP_LENGTH_BYTES + HEADER_BYTES))?;
        let from = TCP_LENGTH_BYTES + HEADER_BYTES;
        let mut length = 0_usize;
        loop {
            let label = read(fields.byte())?;
            length = length.saturating_add(usize::from(label)).saturating_add(1);
            if label > LABEL_BYTES || length > NAME_BYTES {
                return Err(Short::Wrong("a label or a name is too long"));
            }
            if label == 0 {
                break;
            }
            read(fields.take(usize::from(label)))?;
        }
        let labels = bytes.get(from..from.saturating_add(length)).unwrap_or_default();
        Ok(Self { labels, kind: read(fields.u16())?, class: read(fields.u16())? })
    }

    /// Whether its class is that of the Internet, which all but a few have, or any.
    pub(super) fn is_internet(&self) -> bool {
        matches!(self.class, 1 | 255)
    }

    /// The type of the records that are asked for.
    pub(super) fn kind(&self) -> CompactString {
        let known = KINDS.iter().find(|(number, _)| *number == self.kind);
        // As RFC 3597 §5 writes those without a name.
        known.map_or_else(|| format_compact!("TYPE{}", self.kind), |(_, name)| CompactString::const_new(name))
    }

    /// What it is about, with values left out.
    pub(super) fn name(&self) -> String {
        name::template(&labels(self.labels).collect::<Vec<_>>())
    }

    /// Letters of either case are the same (RFC 4343).
    pub(super) fn hash(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let mut hasher = DefaultHasher::new();
        self.labels.iter().for_each(|byte| byte.to_ascii_lowercase().hash(&mut hasher));
        (self.kind, self.class).hash(&mut hasher);
        hasher.finish()
    }
}

fn labels(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut left = name;
    std::iter::from_fn(move || {
        let (length, rest) = left.split_first()?;
        let (label, rest) = rest.split_at_checked(usize::from(*length)).filter(|(label, _)| !label.is_empty())?;
        left = rest;
        Some(label)
    })
}

/// Why a field was not read, in this protocol's words.
fn read<T>(field: Result<T, lines::Short>) -> Result<T, Short> {
    field.map_err(|short| match short {
        lines::Short::More => Short::More,
        lines::Short::Wrong(reason) => Short::Wrong(reason),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: &[u8] = b"\0\x1d\xbe\xef\x01\0\0\x01\0\0\0\0\0\0\x07Example\x03com\0\0\x1c\0\x01";

    #[test]
    fn a_question_has_a_type_and_a_name_of_which_the_case_means_nothing() {
        let head = Head::read(QUERY).unwrap();
        assert_eq!((head.length, head.id, head.is_response, head.questions), (29, 0xbeef, false, 1));
        let question = Question::read(QUERY, &head).unwrap();
        assert_eq!((question.kind().as_str(), question.name().as_str()), ("AAAA", "example.com"));
        let other = QUERY.to_ascii_lowercase();
        assert_eq!(Question::read(&other, &head).unwrap().hash(), question.hash());
        let mut other = QUERY.to_vec();
        other[28] = 99;
        let question = Question::read(&other, &head).unwrap();
        assert_eq!(question.kind(), "TYPE99");
    }

    #[test]
    fn a_name_that_points_elsewhere_or_behind_its_message_is_none() {
        let head = Head::read(QUERY).unwrap();
        let mut pointer = QUERY.to_vec();
        pointer[14] = 0xc0;
        assert!(matches!(Question::read(&pointer, &head), Err(Short::Wrong(_))));
        let short = Head { length: 20, ..head };
        assert!(matches!(Question::read(QUERY, &short), Err(Short::Wrong(_))));
        for end in 0..QUERY.len() {
            let read = Head::read(&QUERY[..end]).and_then(|head| Question::read(&QUERY[..end], &head).map(|_| ()));
            assert_eq!(read, Err(Short::More), "{end}");
        }
        let endless = [&[0x01, 0x40], &QUERY[2..14], &b"\x3f".repeat(300)].concat();
        assert!(matches!(Question::read(&endless, &Head::read(&endless).unwrap()), Err(Short::Wrong(_))));
    }
}
