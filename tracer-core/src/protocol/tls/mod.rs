//! TLS: who a client wants to reach and what it wants to speak, from its first message; the rest is encrypted.
//!
//! Records are those of RFC 8446 §5.1, and of all versions before. A ClientHello may be spread over records, and a record
//! over segments. Invariant: nothing after the first message of a side is looked at. Memory: [`HELLO_BYTES`].

mod hello;

use std::ops::RangeInclusive;

use crate::input::Capture;

use super::{About, Found, HEAD_BYTES, Message, Next, Parser, Protocol, Row, Side, Verdict};

pub(super) const ROW: Row = Row {
    protocol: Protocol::Tls,
    name: "tls",
    ports: &[443, 8443],
    begins,
    parser: || Box::<Tls>::default(),
    capture: Capture::Opening,
    turns: true,
    unasked: false,
    datagrams: false,
    about: About {
        specification: "RFC 8446 §5.1, §4.1.2 (records, ClientHello), RFC 6066 §3 (SNI), RFC 7301 §3.1 (ALPN)",
        recognised: "a ClientHello or ServerHello; records of a length that fits their type, on both sides",
        operation: "none: the name of the server and the protocol that the client prefers are kept",
        status: "none",
        errors: "none",
        matching: "none",
        older: "that it is TLS; not which name the client wanted to reach",
        limits: "what is encrypted, also the inner name of an Encrypted Client Hello; what a client sends to a server that has \
                 closed is taken for its goodbye, even where it is a request that comes too late",
    },
};

/// Bytes of a ClientHello; one with post-quantum keys has some 1,800.
const HELLO_BYTES: usize = 16 << 10;
/// Before the content of each record: type, version, length.
const HEADER_BYTES: usize = 5;
/// Bytes of a record's content: 2^14, and what encryption adds (RFC 5246 §6.2.3).
const RECORD_BYTES: u16 = (1 << 14) + 2_048;
/// Types of records.
const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
const HEARTBEAT: u8 = 24;
/// Types of handshake messages.
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
/// Bytes of an alert that is encrypted: what each cipher adds, up to a MAC and padding.
const ENCRYPTED_ALERT_BYTES: RangeInclusive<u16> = 18..=80;
/// Of a handshake message: type, length, version.
const BEGIN_BYTES: usize = 6;

fn begins(side: Side, bytes: &[u8]) -> Verdict {
    match Record::read(bytes) {
        Short::Wrong => Verdict::No,
        Short::More => Verdict::More,
        Short::Read(record) => match record.kind {
            HANDSHAKE => begins_handshake(side, bytes),
            APPLICATION_DATA => Verdict::Likely,
            // A level and a reason, or both encrypted.
            ALERT if record.length == 2 => begins_with(record.content(bytes), 1..=2),
            ALERT if ENCRYPTED_ALERT_BYTES.contains(&record.length) => Verdict::Likely,
            CHANGE_CIPHER_SPEC if record.length == 1 => begins_with(record.content(bytes), 1..=1),
            _ => Verdict::No,
        },
    }
}

fn begins_with(content: &[u8], fits: RangeInclusive<u8>) -> Verdict {
    match content.first() {
        None => Verdict::More,
        Some(byte) if fits.contains(byte) => Verdict::Likely,
        Some(_) => Verdict::No,
    }
}

/// Whether a handshake begins with these records, or goes on.
fn begins_handshake(side: Side, bytes: &[u8]) -> Verdict {
    let mut begin = Vec::with_capacity(BEGIN_BYTES);
    let mut rest = bytes;
    while begin.len() < BEGIN_BYTES {
        let record = match Record::read(rest) {
            Short::Read(record) if record.kind == HANDSHAKE => record,
            Short::More => return Verdict::More,
            Short::Read(_) | Short::Wrong => return Verdict::No,
        };
        let content = record.content(rest);
        begin.extend(content.iter().take(BEGIN_BYTES - begin.len()));
        let [own, other] =
            if side == Side::Client { [CLIENT_HELLO, SERVER_HELLO] } else { [SERVER_HELLO, CLIENT_HELLO] };
        if begin.first() == Some(&other) {
            return Verdict::No;
        }
        if !is_hello(own, &begin) {
            return Verdict::Likely;
        }
        rest = rest.get(record.whole()..).unwrap_or_default();
        if begin.len() < BEGIN_BYTES && rest.is_empty() {
            return Verdict::More;
        }
    }
    Verdict::Certain
}

/// Whether a hello of this type may begin so, as far as it goes: with a length that is not absurd, and the version that all
/// versions since SSL 3.0 say.
fn is_hello(kind: u8, begin: &[u8]) -> bool {
    let is = |at: usize, fits: RangeInclusive<u8>| begin.get(at).is_none_or(|byte| fits.contains(byte));
    is(0, kind..=kind) && is(1, 0..=0) && is(4, 3..=3) && is(5, 0..=4)
}

#[derive(Debug, Default)]
struct Tls {
    /// The client's first message, as far as it has come in whole records.
    hello: Vec<u8>,
}

impl Parser for Tls {
    fn next(&mut self, side: Side, bytes: &[u8], found: &mut Found) -> Next {
        let record = match Record::read(bytes) {
            Short::Read(record) => record,
            Short::More => return Next::More,
            Short::Wrong => return Next::Wrong("a record has no type, version or length of TLS"),
        };
        let whole = record.whole();
        let is_readable = record.kind == HANDSHAKE && whole <= HEAD_BYTES;
        if side == Side::Server || !is_readable {
            return Next::Opaque(whole as u64);
        }
        if bytes.len() < whole {
            return Next::More;
        }
        let content = record.content(bytes);
        let begin = if self.hello.is_empty() { content } else { &self.hello };
        if begin.first() != Some(&CLIENT_HELLO) || self.hello.len() + content.len() > HELLO_BYTES {
            return Next::Opaque(whole as u64);
        }
        self.hello.extend_from_slice(content);
        let Some(message) = hello::message(&self.hello) else { return Next::Unit(whole as u64) };
        if let Some(hello::Hello { name, inside }) = hello::read(message) {
            found.messages.push(Message::Peer { name, inside });
        }
        self.hello = Vec::new();
        Next::Opaque(whole as u64)
    }

    fn lost(&mut self, side: Side) {
        if side == Side::Client {
            self.hello = Vec::new();
        }
    }
}

/// The header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Record {
    kind: u8,
    length: u16,
}

/// What bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Short {
    More,
    Wrong,
    Read(Record),
}

impl Record {
    fn read(bytes: &[u8]) -> Short {
        let is = |at: usize, fits: RangeInclusive<u8>| bytes.get(at).is_none_or(|byte| fits.contains(byte));
        if !is(0, CHANGE_CIPHER_SPEC..=HEARTBEAT) || !is(1, 3..=3) || !is(2, 0..=4) {
            return Short::Wrong;
        }
        let Some([kind, _, _, high, low]) = bytes.get(..HEADER_BYTES) else { return Short::More };
        let length = u16::from_be_bytes([*high, *low]);
        if length == 0 || length > RECORD_BYTES {
            return Short::Wrong;
        }
        Short::Read(Self { kind: *kind, length })
    }

    /// Its length with its header.
    fn whole(self) -> usize {
        HEADER_BYTES + usize::from(self.length)
    }

    /// As much of its content as is there.
    fn content(self, bytes: &[u8]) -> &[u8] {
        bytes.get(HEADER_BYTES..self.whole().min(bytes.len())).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A handshake message in records of so many bytes.
    fn records(message: &[u8], length: usize) -> Vec<u8> {
        let record = |content: &[u8]| [&[22, 3, 1, 0, u8::try_from(content.len()).unwrap()], content].concat();
        message.chunks(length).flat_map(record).collect()
    }

    #[test]
    fn a_hello_is_recognised_however_its_records_are_cut() {
        let hello = [&[1, 0, 0, 44, 3, 3], [7; 42].as_slice()].concat();
        for length in 1..=48 {
            let bytes = records(&hello, length);
            assert_eq!(begins(Side::Client, &bytes), Verdict::Certain, "{length}");
            assert_eq!(begins(Side::Server, &bytes), Verdict::No, "{length}");
            let mut certain = false;
            for end in 1..bytes.len() {
                let verdict = begins(Side::Client, &bytes[..end]);
                assert_eq!(
                    verdict,
                    if certain { Verdict::Certain } else { verdict.max(Verdict::More) },
                    "{length} {end}"
                );
                certain |= verdict == Verdict::Certain;
            }
        }
    }

    #[test]
    fn what_may_follow_a_handshake_is_likely_and_nothing_else_is() {
        assert_eq!(begins(Side::Client, &[23, 3, 3, 0, 40]), Verdict::Likely);
        assert_eq!(begins(Side::Server, &[21, 3, 3, 0, 2, 2, 40]), Verdict::Likely);
        assert_eq!(begins(Side::Server, &[21, 3, 3, 0, 2, 9, 40]), Verdict::No);
        assert_eq!(begins(Side::Client, &[21, 3, 3, 0, 26, 200]), Verdict::Likely);
        assert_eq!(begins(Side::Client, &[20, 3, 3, 0, 1, 1]), Verdict::Likely);
        assert_eq!(begins(Side::Client, &[22, 3, 3, 0, 40, 200]), Verdict::Likely);
        assert_eq!(begins(Side::Client, &[24, 3, 3, 0, 40]), Verdict::No);
        assert_eq!(begins(Side::Client, &[23, 3, 3, 0xff, 0xff]), Verdict::No);
        assert_eq!(begins(Side::Client, &[22, 3]), Verdict::More);
        assert_eq!(begins(Side::Client, &[22, 2]), Verdict::No);
    }

    #[test]
    fn a_hello_that_never_ends_is_forgotten() {
        let mut tls = Tls::default();
        let first = [&[22, 3, 1, 0x20, 0, 1, 0, 0xff, 0xff, 3, 3], [0; 0x2000 - 6].as_slice()].concat();
        let more = [&[22, 3, 1, 0x20, 0], [0; 0x2000].as_slice()].concat();
        let mut next = |bytes: &[u8]| tls.next(Side::Client, bytes, &mut Found::default());
        assert_eq!(next(&first), Next::Unit(0x2005));
        assert_eq!(next(&more), Next::Unit(0x2005));
        assert_eq!(next(&more), Next::Opaque(0x2005));
        assert!(tls.hello.len() <= HELLO_BYTES);
    }
}
