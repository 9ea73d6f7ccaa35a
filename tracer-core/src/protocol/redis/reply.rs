//! Replies of Redis: their elements, and what the server sends without being asked.
//!
//! Invariant: of a value nothing is looked at but what may be the kind of a list that was subscribed to, and its
//! channel. Memory: none.

use super::{LINE_BYTES, NAME_BYTES, Short};
use crate::protocol::{Fault, Operation, Outcome, Status, topic};

/// One element of a reply.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) kind: u8,
    pub(super) outcome: Outcome,
    pub(super) length: u64,
    /// Elements that it consists of.
    pub(super) elements: i64,
}

impl Element {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Short> {
        let (content, length) = line(bytes, b"+-:$*_#,(!=%~>|")?;
        let kind = bytes.first().copied().unwrap_or_default();
        let mut element = Self { kind, outcome: Outcome::named("OK"), length: length as u64, elements: 0 };
        match kind {
            b'-' => element.outcome = failure(content),
            b'$' | b'!' | b'=' => {
                let size = integer(content)?;
                if kind == b'!' {
                    let shown = usize::try_from(size).unwrap_or_default().min(NAME_BYTES);
                    element.outcome = failure(bytes.get(length..length + shown).ok_or(Short::More)?);
                }
                // A null has the length -1.
                if size < 0 {
                    element.outcome = Outcome::named("nil");
                }
                element.length += u64::try_from(size).map_or(0, |size| size.saturating_add(2));
            }
            b'*' | b'~' | b'>' => {
                element.elements = integer(content)?;
                if element.elements < 0 {
                    element.outcome = Outcome::named("nil");
                }
            }
            b'%' | b'|' => element.elements = integer(content)?.saturating_mul(2),
            b':' => {
                integer(content)?;
            }
            b'#' if !matches!(content, b"t" | b"f") => return Err(Short::Wrong("a boolean is none")),
            b'_' if !content.is_empty() => return Err(Short::Wrong("a null is none")),
            b'_' => element.outcome = Outcome::named("nil"),
            b'+' if !content.iter().all(|byte| (b' '..0x7f).contains(byte)) => {
                return Err(Short::Wrong("a status is no text"));
            }
            // It waits for the end of a transaction.
            b'+' if content == b"QUEUED" => element.outcome = Outcome::named("QUEUED"),
            _ => {}
        }
        Ok(element)
    }
}

/// An error by the word that it begins with.
fn failure(text: &[u8]) -> Outcome {
    let word = text.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_').next().unwrap_or_default();
    Outcome::failure(Status::new(&String::from_utf8_lossy(word)), Fault::Service)
}

/// Whether a reply to PSYNC or SYNC is followed by what is no reply.
pub(super) fn begins_copy(bytes: &[u8]) -> bool {
    [&b"+FULLRESYNC"[..], b"+CONTINUE", b"$"].iter().any(|begin| bytes.starts_with(begin))
}

/// Bytes of a line without a word.
pub(super) fn empty_line(bytes: &[u8]) -> u64 {
    bytes.iter().position(|byte| *byte == b'\n').map_or(1, |end| (end as u64).saturating_add(1))
}

/// What a list is for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Reply,
    /// One channel more, or less: the command that asked for it.
    Confirmation(&'static str),
    Push(Operation),
}

const CONFIRMATIONS: [&str; 6] =
    ["subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe"];
const COMMANDS: [&str; 6] = ["SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"];
const MESSAGES: [(&str, i64); 3] = [("message", 3), ("pmessage", 4), ("smessage", 3)];

/// What the list or the line at the beginning is for; in RESP2, what was subscribed to looks like any other list.
pub(super) fn purpose(bytes: &[u8], element: &Element, is_subscribed: bool) -> Result<Purpose, Short> {
    match element.kind {
        b'>' => {}
        b'*' if is_subscribed && matches!(element.elements, 3 | 4) => {}
        b'+' if is_monitored(bytes) => return Ok(Purpose::Push(Operation::new("MONITOR", ""))),
        _ => return Ok(Purpose::Reply),
    }
    let start = usize::try_from(element.length).unwrap_or(usize::MAX);
    let rest = bytes.get(start..).unwrap_or_default();
    let is_push = element.kind == b'>';
    let (kind, length) = match bulk(rest) {
        Ok(read) => read,
        Err(Short::Wrong(_)) if !is_push => return Ok(Purpose::Reply),
        Err(Short::Wrong(_)) => return Ok(Purpose::Push(Operation::new("push", ""))),
        Err(Short::More) => return Err(Short::More),
    };
    let confirmed = CONFIRMATIONS.iter().zip(COMMANDS).find(|(word, _)| word.as_bytes() == kind);
    let rest = rest.get(usize::try_from(length).unwrap_or(usize::MAX)..);
    let is_message = MESSAGES.iter().any(|(word, elements)| word.as_bytes() == kind && *elements == element.elements);
    if let Some((_, command)) = confirmed.filter(|_| element.elements == 3 && (is_push || is_subscribed)) {
        return Ok(Purpose::Confirmation(command));
    }
    if is_message && (is_push || is_subscribed) {
        let (channel, _) = bulk(rest.ok_or(Short::More)?)?;
        let about = topic::template(channel, b".:/-");
        return Ok(Purpose::Push(Operation::new(&String::from_utf8_lossy(kind), &about)));
    }
    Ok(if is_push { Purpose::Push(Operation::of_bytes(kind, b"")) } else { Purpose::Reply })
}

/// Whether a line is what MONITOR shows of a command: the time with microseconds, the database, the client.
fn is_monitored(bytes: &[u8]) -> bool {
    let line = bytes.get(1..).unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let is_time = |word: &[u8]| {
        let mut parts = word.split(|byte| *byte == b'.');
        let mut is_number = |length: std::ops::Range<usize>| {
            parts.next().is_some_and(|part| length.contains(&part.len()) && part.iter().all(u8::is_ascii_digit))
        };
        is_number(9..12) && is_number(6..7) && parts.next().is_none()
    };
    words.next().is_some_and(is_time) && words.next().is_some_and(|word| word.starts_with(b"["))
}

/// The content of a bulk string as far as it is there up to the length of a name, and the length of the whole.
pub(super) fn bulk(bytes: &[u8]) -> Result<(&[u8], u64), Short> {
    let (content, start) = line(bytes, b"$")?;
    let size = u64::try_from(integer(content)?).map_err(|_| Short::Wrong("a string has a negative length"))?;
    let whole = (start as u64).saturating_add(size).saturating_add(2);
    let shown = usize::try_from(size).unwrap_or(usize::MAX).min(NAME_BYTES + 1);
    let content = bytes.get(start..start.saturating_add(shown)).ok_or(Short::More)?;
    Ok((content, whole))
}

/// The content of the line at the beginning, which begins with one of `kinds`, and its length with its end.
pub(super) fn line<'a>(bytes: &'a [u8], kinds: &[u8]) -> Result<(&'a [u8], usize), Short> {
    match bytes.split_first() {
        None => Err(Short::More),
        Some((kind, _)) if !kinds.contains(kind) => Err(Short::Wrong("a line begins with no known type")),
        Some((_, rest)) => match rest.iter().take(LINE_BYTES).position(|byte| *byte == b'\r') {
            None if rest.len() >= LINE_BYTES => Err(Short::Wrong("a line is too long")),
            None => Err(Short::More),
            Some(end) => match rest.get(end + 1) {
                None => Err(Short::More),
                Some(b'\n') => Ok((rest.get(..end).unwrap_or_default(), end + 3)),
                Some(_) => Err(Short::Wrong("a line does not end as lines do")),
            },
        },
    }
}

pub(super) fn integer(content: &[u8]) -> Result<i64, Short> {
    let text = std::str::from_utf8(content).ok().filter(|text| !text.starts_with('+'));
    text.and_then(|text| text.parse().ok()).ok_or(Short::Wrong("a number is none"))
}
