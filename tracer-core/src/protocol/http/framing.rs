//! Where the body of a message ends, by its headers (RFC 9112 §6, RFC 9110 §7.8, §10.1.1).
//!
//! Invariant: where two who read the same message could see different ends, no end is told: that is how requests are
//! smuggled. Memory: what four headers say; no header is kept.

use super::line::Short;

/// What the headers say so far.
#[derive(Debug, Default)]
pub(super) struct Headers {
    length: Option<u64>,
    coding: Coding,
    /// The client waits for leave before it sends the body.
    pub(super) is_expecting: bool,
    pub(super) upgrade: Upgrade,
    last: Line,
}

/// The last transfer coding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Coding {
    #[default]
    None,
    Chunked,
    /// Its end is the end of the connection.
    Other,
}

/// What the connection is to speak, if the server agrees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Upgrade {
    /// Frames of WebSocket, or what nobody knows.
    #[default]
    Opaque,
    /// HTTP/2, in which the request is answered (RFC 7540 §3.2).
    Http2,
    Tls,
}

/// What the line before was: the next may continue it (obsolete line folding, RFC 9112 §5.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    #[default]
    First,
    /// It says where the body ends.
    Framing,
    Other,
}

/// What follows the headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Length(u64),
    Chunks,
    UntilClose,
}

impl Body {
    /// Bytes that it has at most.
    pub(super) fn most(self) -> u64 {
        if let Self::Length(length) = self { length } else { u64::MAX }
    }
}

impl Headers {
    /// Takes the line of a header.
    pub(super) fn read(&mut self, line: &[u8], is_request: bool) -> Result<(), Short> {
        if line.first().is_some_and(u8::is_ascii_whitespace) {
            return match self.last {
                Line::Other => Ok(()),
                Line::First | Line::Framing => Err(Short::Wrong("a header is continued that must not be")),
            };
        }
        let colon = line.iter().position(|byte| *byte == b':').filter(|colon| *colon > 0);
        let Some((name, [_, value @ ..])) = colon.and_then(|colon| line.split_at_checked(colon)) else {
            return Err(Short::Wrong("a header has no name"));
        };
        if is_request && name.ends_with(b" ") {
            return Err(Short::Wrong("a space follows the name of a header"));
        }
        if name.iter().any(u8::is_ascii_control) {
            return Err(Short::Wrong("the name of a header is no text"));
        }
        let value = value.trim_ascii();
        self.last = Line::Other;
        match name.trim_ascii_end() {
            name if name.eq_ignore_ascii_case(b"content-length") => {
                self.last = Line::Framing;
                self.take_length(value)?;
            }
            name if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                self.last = Line::Framing;
                self.take_coding(value)?;
            }
            name if name.eq_ignore_ascii_case(b"expect") => {
                self.is_expecting |= value.eq_ignore_ascii_case(b"100-continue");
            }
            name if name.eq_ignore_ascii_case(b"upgrade") => {
                let begins =
                    |with: &[u8]| value.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with));
                self.upgrade = if begins(b"h2c") {
                    Upgrade::Http2
                } else if begins(b"tls/") {
                    Upgrade::Tls
                } else {
                    Upgrade::Opaque
                };
            }
            _ => {}
        }
        Ok(())
    }

    /// A length may be said more than once, or as a list, if it is the same each time (RFC 9110 §8.6).
    fn take_length(&mut self, value: &[u8]) -> Result<(), Short> {
        for length in value.split(|byte| *byte == b',') {
            let digits = std::str::from_utf8(length.trim_ascii()).ok().filter(|digits| !digits.starts_with('+'));
            let length = digits.and_then(|digits| digits.parse::<u64>().ok());
            let length = length.ok_or(Short::Wrong("the length of a body is no number"))?;
            if *self.length.get_or_insert(length) != length {
                return Err(Short::Wrong("a body has two lengths"));
            }
        }
        Ok(())
    }

    fn take_coding(&mut self, value: &[u8]) -> Result<(), Short> {
        if self.coding == Coding::Chunked {
            return Err(Short::Wrong("a body is chunked, and something else after that"));
        }
        let last = value.rsplit(|byte| *byte == b',').next().unwrap_or_default().trim_ascii();
        self.coding = match last {
            last if last.eq_ignore_ascii_case(b"chunked") => Coding::Chunked,
            // The word of an older specification for no coding at all.
            last if last.eq_ignore_ascii_case(b"identity") => self.coding,
            _ => Coding::Other,
        };
        Ok(())
    }

    /// What follows the headers of a request; `is_old` in HTTP/1.0.
    pub(super) fn request_body(&self, is_old: bool) -> Result<Body, Short> {
        match (self.coding, self.length) {
            (Coding::None, length) => Ok(Body::Length(length.unwrap_or(0))),
            (_, Some(_)) => Err(Short::Wrong("a request has a length and a transfer coding")),
            (Coding::Chunked, None) if !is_old => Ok(Body::Chunks),
            _ => Err(Short::Wrong("the body of a request has no end")),
        }
    }

    /// What follows the headers of a response that may have a body; clients agree that chunks go before a length.
    pub(super) fn response_body(&self) -> Body {
        match (self.coding, self.length) {
            (Coding::Chunked, _) => Body::Chunks,
            (Coding::None, Some(length)) => Body::Length(length),
            (Coding::Other, _) | (Coding::None, None) => Body::UntilClose,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str], is_request: bool) -> Result<Headers, Short> {
        let mut headers = Headers::default();
        lines.iter().try_for_each(|line| headers.read(line.as_bytes(), is_request))?;
        Ok(headers)
    }

    fn request(lines: &[&str]) -> Result<Body, Short> {
        read(lines, true)?.request_body(false)
    }

    fn response(lines: &[&str]) -> Result<Body, Short> {
        Ok(read(lines, false)?.response_body())
    }

    #[test]
    fn the_end_of_a_body_is_what_the_headers_say() {
        assert_eq!(request(&["Host: a"]), Ok(Body::Length(0)));
        assert_eq!(request(&["CONTENT-LENGTH:  7 ", "content-length: 7, 7"]), Ok(Body::Length(7)));
        assert_eq!(request(&["Transfer-Encoding: gzip, Chunked"]), Ok(Body::Chunks));
        assert_eq!(request(&["Transfer-Encoding: gzip", "Transfer-Encoding: chunked"]), Ok(Body::Chunks));
        assert_eq!(response(&["Content-Length : 7"]), Ok(Body::Length(7)));
        assert_eq!(response(&["Content-Length: 7", "Transfer-Encoding: chunked"]), Ok(Body::Chunks));
        assert_eq!(response(&["Transfer-Encoding: identity", "Content-Length: 7"]), Ok(Body::Length(7)));
        assert_eq!(response(&["Transfer-Encoding: gzip"]), Ok(Body::UntilClose));
        assert_eq!(response(&["X-A: 1", "\tfolded", "Content-Type: text/plain"]), Ok(Body::UntilClose));
    }

    #[test]
    fn a_request_whose_end_is_ambiguous_is_wrong() {
        let ambiguous: &[&[&str]] = &[
            &["Content-Length: 7", "Content-Length: 8"],
            &["Content-Length: 7, 8"],
            &["Content-Length: +7"],
            &["Content-Length: 0x7"],
            &["Content-Length: 99999999999999999999"],
            &["Content-Length:"],
            &["Content-Length: 7", "Transfer-Encoding: chunked"],
            &["Transfer-Encoding: chunked", "Content-Length: 7"],
            &["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
            &["Transfer-Encoding: xchunked"],
            &["Transfer-Encoding : chunked"],
            &["Transfer-Encoding:", " chunked"],
            &[" Transfer-Encoding: chunked"],
            &["Content-Length"],
            &["\x01: a"],
            &[": a"],
        ];
        for lines in ambiguous {
            assert!(matches!(request(lines), Err(Short::Wrong(_))), "{lines:?}");
        }
        assert!(read(&["Transfer-Encoding: chunked"], true).is_ok_and(|headers| headers.request_body(true).is_err()));
    }

    #[test]
    fn an_upgrade_is_to_what_is_recognised_or_to_what_is_not() {
        let upgrade = |line| read(&[line], false).map(|headers| headers.upgrade);
        assert_eq!(upgrade("Upgrade: h2c"), Ok(Upgrade::Http2));
        assert_eq!(upgrade("upgrade: TLS/1.3, HTTP/1.1"), Ok(Upgrade::Tls));
        assert_eq!(upgrade("Upgrade: websocket"), Ok(Upgrade::Opaque));
        assert!(read(&["Expect: 100-Continue"], true).is_ok_and(|headers| headers.is_expecting));
    }
}
