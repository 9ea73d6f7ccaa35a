//! A ClientHello (RFC 8446 §4.1.2): the name of the server (RFC 6066 §3) and the protocols to speak inside (RFC 7301 §3.1).
//!
//! Invariant: a message whose lengths do not fit says nothing; a name is one that DNS could have. Memory: a name of
//! [`NAME_BYTES`] and a protocol of [`PROTOCOL_BYTES`].

use compact_str::CompactString;

/// Bytes of a name (RFC 1035 §2.3.4).
const NAME_BYTES: usize = 253;
/// Bytes of a protocol's name; those that are registered have up to 24.
const PROTOCOL_BYTES: usize = 32;
/// Before the body of a handshake message: its type and its length.
const HEADER_BYTES: usize = 4;
/// The version and the random number.
const FIXED_BYTES: usize = 34;
/// Types of extensions.
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
/// The type of a server's name that is a host's.
const HOST_NAME: u8 = 0;

/// What a client says of whom it wants to reach.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) name: Option<CompactString>,
    /// The protocol that it prefers.
    pub(super) inside: Option<CompactString>,
}

/// The body of the handshake message at the beginning, once it is whole.
pub(super) fn message(bytes: &[u8]) -> Option<&[u8]> {
    let length = u32::from_be_bytes([0, *bytes.get(1)?, *bytes.get(2)?, *bytes.get(3)?]);
    bytes.get(HEADER_BYTES..)?.get(..usize::try_from(length).ok()?)
}

/// Reads the body of a ClientHello.
pub(super) fn read(body: &[u8]) -> Option<Hello> {
    let mut rest = body.get(FIXED_BYTES..)?;
    let _session = short(&mut rest)?;
    let _suites = long(&mut rest)?;
    let _compression = short(&mut rest)?;
    let mut hello = Hello::default();
    if rest.is_empty() {
        // Before TLS 1.2, a client may have no extensions.
        return Some(hello);
    }
    let mut extensions = long(&mut rest)?;
    while !extensions.is_empty() {
        let kind = number(&mut extensions)?;
        let mut content = long(&mut extensions)?;
        match kind {
            SERVER_NAME => hello.name = server_name(&mut content),
            ALPN => hello.inside = preferred(&mut content),
            _ => {}
        }
    }
    Some(hello)
}

fn server_name(content: &mut &[u8]) -> Option<CompactString> {
    let mut names = long(content)?;
    let (HOST_NAME, rest) = names.split_first().map(|(kind, rest)| (*kind, rest))? else { return None };
    names = rest;
    let name = long(&mut names)?;
    let is_name = (1..=NAME_BYTES).contains(&name.len())
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte));
    is_name.then(|| CompactString::from_utf8_lossy(name).to_ascii_lowercase())
}

/// The first protocol that has a name: clients mix in ones that have none, so that servers learn to ignore them (RFC 8701).
fn preferred(content: &mut &[u8]) -> Option<CompactString> {
    let mut protocols = long(content)?;
    while !protocols.is_empty() {
        let protocol = short(&mut protocols)?;
        if (1..=PROTOCOL_BYTES).contains(&protocol.len()) && protocol.iter().all(u8::is_ascii_graphic) {
            return Some(CompactString::from_utf8_lossy(protocol));
        }
    }
    None
}

/// A field whose length is one byte before it.
fn short<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first()?;
    take(after, usize::from(*length), rest)
}

/// A field whose length is two bytes before it.
fn long<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = number(rest)?;
    take(rest, usize::from(length), rest)
}

fn number(rest: &mut &[u8]) -> Option<u16> {
    let (bytes, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u16::from_be_bytes(*bytes))
}

fn take<'a>(bytes: &'a [u8], length: usize, rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (field, after) = bytes.split_at_checked(length)?;
    *rest = after;
    Some(field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn with_length(content: &[u8]) -> Vec<u8> {
        [&u16::try_from(content.len()).unwrap().to_be_bytes(), content].concat()
    }

    fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
        [kind.to_be_bytes().as_slice(), &with_length(content)].concat()
    }

    fn body(extensions: &[u8]) -> Vec<u8> {
        let begin = [&[3, 3], [9; 32].as_slice(), &[0], &[0, 2, 0x13, 1], &[1, 0]].concat();
        [begin, with_length(extensions)].concat()
    }

    fn name(name: &[u8]) -> Vec<u8> {
        extension(SERVER_NAME, &with_length(&[[HOST_NAME].as_slice(), &with_length(name)].concat()))
    }

    #[test]
    fn a_name_is_one_that_dns_could_have_and_a_protocol_is_text() {
        let alpn = extension(ALPN, &with_length(b"\x02\x0a\x0a\x02h2\x08http/1.1"));
        let hello = read(&body(&[name(b"DB.example.com"), alpn].concat())).unwrap();
        assert_eq!((hello.name.as_deref(), hello.inside.as_deref()), (Some("db.example.com"), Some("h2")));
        assert_eq!(read(&body(&name(b"a b"))), Some(Hello::default()));
        assert_eq!(read(&body(&[])), Some(Hello::default()));
        assert_eq!(read(&body(&[])[..41]), Some(Hello::default()));
    }

    #[test]
    fn a_message_that_is_cut_says_nothing() {
        let whole = body(&name(b"a.example"));
        for end in (0..41).chain(42..whole.len()) {
            assert_eq!(read(&whole[..end]), None, "{end}");
        }
        assert_eq!(message(&[1, 0, 0, 2, 7]), None);
        assert_eq!(message(&[1, 0, 0, 2, 7, 8, 9]), Some([7, 8].as_slice()));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), extensions in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (message(&bytes), read(&bytes), read(&body(&extensions)));
        }
    }
}
