//! The lines of HTTP/1 (RFC 9112 §2.2, §3, §4, §5, §7.1): of a request, of a status, of a header, of a chunk.
//!
//! A line may end without a carriage return, as real servers let it. Invariant: what a line is does not depend on what
//! follows it; what may begin one does not turn out to be one after it was refused. Memory: none, lines are borrowed.

use super::super::Next;

/// Bytes of a method; WebDAV has `VERSION-CONTROL`.
const METHOD_BYTES: usize = 24;
/// Bytes of a target after which a method that everyone knows is certain, though the line goes on.
const LONG_TARGET_BYTES: usize = 1_024;
/// Methods of which a target that is too long to wait for may follow.
const METHODS: [&[u8]; 8] = [b"GET", b"POST", b"PUT", b"DELETE", b"PATCH", b"HEAD", b"OPTIONS", b"PROPFIND"];
/// Digits of a chunk's size: more would be more than can be counted.
const SIZE_DIGITS: usize = 16;
/// As far as it is the same in each message.
const VERSION: &[u8] = b"HTTP/1.";

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

/// The first line of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RequestLine<'a> {
    pub(super) method: &'a [u8],
    pub(super) target: &'a [u8],
    /// It is of HTTP/1.0.
    pub(super) is_old: bool,
    pub(super) length: u64,
}

impl<'a> RequestLine<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Short> {
        let (method, rest) = method(bytes)?;
        let (target, rest) = word(rest, usize::MAX, is_of_target).map_err(|short| match short {
            // What a target may begin with is known before its end.
            Short::More if !begins_target(rest) => Short::Wrong(NO_TARGET),
            short => short,
        })?;
        let is_target = match target {
            b"*" | [b'/', ..] => true,
            _ => method == b"CONNECT" || target.windows(3).any(|window| window == b"://"),
        };
        if !begins_target(target) || !is_target {
            return Err(Short::Wrong(NO_TARGET));
        }
        let (is_old, rest) = version(rest)?;
        let rest = match rest {
            [b'\r', b'\n', rest @ ..] | [b'\n', rest @ ..] => rest,
            [] | [b'\r'] => return Err(Short::More),
            _ => return Err(Short::Wrong("something follows the version of a request")),
        };
        Ok(Self { method, target, is_old, length: (bytes.len() - rest.len()) as u64 })
    }

    /// Whether a line that is not whole yet can be nothing else.
    pub(super) fn is_long(bytes: &[u8]) -> bool {
        let Ok((method, rest)) = method(bytes) else { return false };
        let target = rest.get(..LONG_TARGET_BYTES);
        METHODS.contains(&method)
            && target.is_some_and(|target| target.starts_with(b"/") && target.iter().all(|byte| is_of_target(*byte)))
    }
}

const NO_TARGET: &str = "the target of a request is none";

fn method(bytes: &[u8]) -> Result<(&[u8], &[u8]), Short> {
    word(bytes, METHOD_BYTES, |byte| byte.is_ascii_uppercase() || b"-_".contains(&byte))
}

fn is_of_target(byte: u8) -> bool {
    byte > b' ' && byte != 0x7f
}

/// A path, a star, a scheme, a name or an address.
fn begins_target(target: &[u8]) -> bool {
    target.first().is_none_or(|byte| byte.is_ascii_alphanumeric() || b"/*[_".contains(byte))
}

/// A word and what follows the space after it.
fn word(bytes: &[u8], most: usize, is_of_word: impl Fn(u8) -> bool) -> Result<(&[u8], &[u8]), Short> {
    let end = bytes.iter().take(most.saturating_add(1)).position(|byte| !is_of_word(*byte));
    match end.and_then(|end| bytes.split_at_checked(end)) {
        None if bytes.len() <= most => Err(Short::More),
        Some((word @ [_, ..], [b' ', rest @ ..])) => Ok((word, rest)),
        _ => Err(Short::Wrong("a line does not begin with a request")),
    }
}

/// Whether it is the old one, and what follows it.
fn version(bytes: &[u8]) -> Result<(bool, &[u8]), Short> {
    match bytes.strip_prefix(VERSION) {
        Some([minor @ b'0'..=b'1', rest @ ..]) => Ok((*minor == b'0', rest)),
        Some([]) => Err(Short::More),
        None if VERSION.starts_with(bytes) => Err(Short::More),
        _ => Err(Short::Wrong("the version is not HTTP/1.0 or HTTP/1.1")),
    }
}

/// The status that a response begins with, as soon as it is there.
pub(super) fn status(bytes: &[u8]) -> Result<u16, Short> {
    let wrong = Err(Short::Wrong("a response has no status"));
    let (_, rest) = version(bytes)?;
    let Some((space, rest)) = rest.split_first() else { return Err(Short::More) };
    let digits = rest.get(..3).unwrap_or(rest);
    if *space != b' ' || !digits.iter().all(u8::is_ascii_digit) || digits.first() == Some(&b'0') {
        return wrong;
    }
    match rest.get(3) {
        None => Err(Short::More),
        Some(b' ' | b'\r' | b'\n') => {
            Ok(digits.iter().fold(0, |status, digit| status * 10 + u16::from(digit.saturating_sub(b'0'))))
        }
        Some(_) => wrong,
    }
}

/// The status that a response begins with, and the length of its whole line.
pub(super) fn status_line(bytes: &[u8]) -> Result<(u16, u64), Short> {
    let status = status(bytes)?;
    let (_, length) = line(bytes)?;
    Ok((status, length))
}

/// Whether a version stands here, where a body may stand that is at least `most` bytes long.
pub(super) fn is_version(bytes: &[u8], most: u64) -> Result<bool, Short> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let version = VERSION.get(..most).unwrap_or(VERSION);
    match bytes.get(..version.len()) {
        Some(bytes) => Ok(bytes == version),
        None if version.starts_with(bytes) => Err(Short::More),
        None => Ok(false),
    }
}

/// The content of a line, and its length with its end.
pub(super) fn line(bytes: &[u8]) -> Result<(&[u8], u64), Short> {
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or(Short::More)?;
    let content = bytes.get(..end).unwrap_or_default();
    let content = content.strip_suffix(b"\r").unwrap_or(content);
    // Who takes a carriage return for the end of a line, and who does not, would see different headers (RFC 9112 §2.2).
    if content.iter().any(|byte| matches!(byte, b'\r' | 0)) {
        return Err(Short::Wrong("a line has a control character"));
    }
    Ok((content, end as u64 + 1))
}

/// The length of an empty line, if one stands here: some clients send one after a body.
pub(super) fn empty(bytes: &[u8]) -> Result<Option<u64>, Short> {
    match bytes {
        [b'\r', b'\n', ..] => Ok(Some(2)),
        [b'\n', ..] => Ok(Some(1)),
        [b'\r'] => Err(Short::More),
        _ => Ok(None),
    }
}

/// The size of a chunk, and the length of the line that says it; extensions mean nothing to anybody.
pub(super) fn chunk(bytes: &[u8]) -> Result<(u64, u64), Short> {
    let wrong = Short::Wrong("a chunk has no size");
    let digits = bytes.iter().take(SIZE_DIGITS + 1).take_while(|byte| byte.is_ascii_hexdigit()).count();
    if digits > SIZE_DIGITS || (digits == 0 && !bytes.is_empty()) {
        return Err(wrong);
    }
    let (content, length) = line(bytes)?;
    let (digits, rest) = content.split_at_checked(digits).ok_or(wrong)?;
    if !matches!(rest.trim_ascii_start(), [] | [b';', ..]) {
        return Err(wrong);
    }
    let digits = std::str::from_utf8(digits).map_err(|_| wrong)?;
    let size = u64::from_str_radix(digits, 16).map_err(|_| wrong)?;
    Ok((size, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_begins_with_a_method_a_target_and_a_version_that_is_known() {
        let read = |text: &'static str| RequestLine::read(text.as_bytes()).map(|line| (line.target, line.length));
        assert_eq!(read("GET /a?b HTTP/1.1\r\nHost: x"), Ok((b"/a?b".as_slice(), 19)));
        assert_eq!(read("OPTIONS * HTTP/1.0\n"), Ok((b"*".as_slice(), 19)));
        assert_eq!(read("GET http://a/b HTTP/1.1\r\n"), Ok((b"http://a/b".as_slice(), 25)));
        assert_eq!(read("CONNECT [::1]:443 HTTP/1.1\r\n"), Ok((b"[::1]:443".as_slice(), 28)));
        for wrong in [
            "PRI * HTTP/2.0\r\n",
            "GET / HTTP/1.1 \r\n",
            "GET /\r\n",
            "get / HTTP/1.1\r\n",
            "GET  / HTTP/1.1\r\n",
            "GET a HTTP/1.1\r\n",
            "GET \"",
            " / HTTP/1.1\r\n",
            "DESCRIBE rtsp://a/b RTSP/1.0\r\n",
            "AAAAAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert!(matches!(read(wrong), Err(Short::Wrong(_))), "{wrong}");
        }
    }

    #[test]
    fn each_beginning_of_a_line_asks_for_more() {
        let whole = b"DELETE /users/7 HTTP/1.1\r\n";
        for end in 0..whole.len() {
            assert_eq!(RequestLine::read(&whole[..end]), Err(Short::More), "{end}");
        }
        let whole = b"HTTP/1.1 404 Not Found\r\n";
        for end in 0..whole.len() {
            assert_eq!(status_line(&whole[..end]), Err(Short::More), "{end}");
        }
        assert_eq!(status_line(whole), Ok((404, 24)));
        assert_eq!(status_line(b"HTTP/1.0 200\n"), Ok((200, 13)));
        assert!(matches!(status(b"HTTP/1.1 2x"), Err(Short::Wrong(_))));
        assert!(matches!(status(b"ICY 200 OK\r\n"), Err(Short::Wrong(_))));
    }

    #[test]
    fn a_target_that_is_too_long_to_wait_for_is_certain_after_a_known_method() {
        let long = [b"GET /".as_slice(), &[b'a'; 2_000]].concat();
        assert!(RequestLine::is_long(&long));
        assert!(!RequestLine::is_long(&long[..1_000]));
        assert!(!RequestLine::is_long(&[b"GOT /".as_slice(), &[b'a'; 2_000]].concat()));
    }

    #[test]
    fn a_chunk_says_its_size_in_hexadecimal_and_may_have_extensions() {
        assert_eq!(chunk(b"1aF\r\n"), Ok((0x1af, 5)));
        assert_eq!(chunk(b"0;a=b;c=\"d\"\r\nx"), Ok((0, 13)));
        assert_eq!(chunk(b"5  \r\n"), Ok((5, 5)));
        assert_eq!(chunk(b"ffffffffffffffff\r\n"), Ok((u64::MAX, 18)));
        assert_eq!(chunk(b"5\r"), Err(Short::More));
        for wrong in ["\r\n", "-1\r\n", "0x5\r\n", "5 6\r\n", "00000000000000005\r\n", "5\r6\r\n"] {
            assert!(matches!(chunk(wrong.as_bytes()), Err(Short::Wrong(_))), "{wrong}");
        }
    }
}
