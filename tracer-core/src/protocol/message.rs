//! What a parser finds in the bytes of a connection: requests, responses, and how they ended.
//!
//! Invariant: none holds payload; an operation is a verb and what it is about, with names in place of values. Memory:
//! [`OPERATION_BYTES`] and [`STATUS_BYTES`] at most.

use compact_str::CompactString;
use unicode_width::UnicodeWidthChar as _;

/// Bytes of an operation.
pub(super) const OPERATION_BYTES: usize = 96;
/// Bytes of a status: the longest names of codes have 37 (Kafka).
pub(super) const STATUS_BYTES: usize = 40;

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    Client,
    Server,
}

impl Side {
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// By what a response finds its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Id {
    /// Responses come in the order of requests.
    Order,
    /// Both carry this number.
    Number(u64),
}

/// What is asked for, such as `GET /users/{id}` or `SELECT orders`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Operation(CompactString);

/// What the protocol answers, such as `404` or `NXDOMAIN`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Status(CompactString);

/// Why a response is an error by the protocol's own rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// The service says that it failed.
    Service,
    /// A gateway says that the service behind it failed, or is not there.
    Gateway,
}

/// How a request ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Outcome {
    pub status: Status,
    pub fault: Option<Fault>,
}

/// What a parser finds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Message {
    /// A request begins. One that is not `answered` ends with its last byte, such as a publication that nobody acknowledges.
    Request { id: Id, operation: Operation, answered: bool },
    /// A response begins: with its outcome, if its first bytes say it.
    Response { id: Id, outcome: Option<Outcome> },
    /// A response is over: with its outcome, if that was not known when it began, or has changed.
    End { id: Id, outcome: Option<Outcome> },
    /// What the server sends without being asked, such as a message that was subscribed to.
    Push { operation: Operation },
    /// The name that the client wants to reach and the protocol that it wants to speak inside (TLS: SNI and ALPN).
    Peer { name: Option<CompactString>, inside: Option<CompactString> },
    /// What the client says without asking for anything, such as that it has done with a prepared statement: no request.
    Remark,
}

impl Operation {
    /// A verb and what it is about; `about` may be empty.
    #[must_use]
    pub fn new(verb: &str, about: &str) -> Self {
        let mut text = CompactString::default();
        append(&mut text, verb, OPERATION_BYTES);
        if !about.is_empty() {
            append(&mut text, " ", OPERATION_BYTES);
            append(&mut text, about, OPERATION_BYTES);
        }
        Self(text)
    }

    /// The same, of bytes that may be no text.
    #[must_use]
    pub fn of_bytes(verb: &[u8], about: &[u8]) -> Self {
        let text = |bytes| String::from_utf8_lossy(<[u8]>::get(bytes, ..OPERATION_BYTES).unwrap_or(bytes));
        Self::new(&text(verb), &text(about))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether nobody knows what was asked for.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.0.is_empty()
    }
}

impl Status {
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut status = CompactString::default();
        append(&mut status, text, STATUS_BYTES);
        Self(status)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<u32> for Status {
    fn from(number: u32) -> Self {
        Self::new(&compact_str::format_compact!("{number}"))
    }
}

impl Outcome {
    /// A status that is no error.
    #[must_use]
    pub fn success(status: impl Into<Status>) -> Self {
        Self { status: status.into(), fault: None }
    }

    /// The same of a name that is known: of whole words, which are copied faster than what was written byte by byte.
    #[must_use]
    pub const fn named(status: &'static str) -> Self {
        Self { status: Status(CompactString::const_new(status)), fault: None }
    }

    #[must_use]
    pub fn failure(status: impl Into<Status>, fault: Fault) -> Self {
        Self { status: status.into(), fault: Some(fault) }
    }
}

impl From<&str> for Status {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

/// Appends whole characters, up to a length; what cannot be seen becomes `?`.
fn append(text: &mut CompactString, more: &str, most: usize) {
    // Nearly all of them: each byte a character that can be seen.
    if more.bytes().all(|byte| (b' '..0x7f).contains(&byte)) {
        let room = most.saturating_sub(text.len());
        return text.push_str(more.get(..room).unwrap_or(more));
    }
    for letter in more.chars() {
        let letter = if letter.width().is_some() { letter } else { '?' };
        if text.len() + letter.len_utf8() > most {
            break;
        }
        text.push(letter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_has_a_verb_and_perhaps_what_it_is_about_and_is_cut_between_characters() {
        assert_eq!(Operation::new("GET", "/users/{id}").as_str(), "GET /users/{id}");
        assert_eq!(Operation::new("PING", "").as_str(), "PING");
        assert_eq!(Operation::of_bytes(b"GET", b"/\xff\n").as_str(), "GET /\u{fffd}?");
        let long = Operation::new("GET", &"ü".repeat(200));
        assert!(long.as_str().len() <= OPERATION_BYTES && long.as_str().ends_with('ü'));
    }
}
