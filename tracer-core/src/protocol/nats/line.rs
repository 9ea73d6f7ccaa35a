//! One line of NATS, and how much payload follows it.
//!
//! Invariant: of a payload at most the first line of its headers is looked at. Memory: none.

use super::super::lines::{Short, line, number, words};
use super::{Side, Verdict};

/// Bytes of a line that says what to do (the server's own limit is as much).
const LINE_BYTES: usize = 4_096;
/// Bytes of INFO and CONNECT, which say what either side can do.
const OPTIONS_BYTES: usize = 16 << 10;
/// What the headers of a reply begin with, and a status of three digits.
const STATUS: &[u8] = b"NATS/1.0 ";

/// An operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Info,
    Connect,
    Publish,
    Subscribe,
    Unsubscribe,
    Message,
    Ping,
    Pong,
    Ok,
    Error,
}

impl Verb {
    /// What a client asks for by it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Connect => "CONNECT",
            Self::Publish => "PUB",
            Self::Subscribe => "SUB",
            Self::Unsubscribe => "UNSUB",
            Self::Message => "MSG",
            Self::Ping => "PING",
            Self::Pong => "PONG",
            Self::Ok => "+OK",
            Self::Error => "-ERR",
        }
    }
}

#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) verb: Verb,
    /// Bytes of the line and of the payload behind it.
    pub(super) length: u64,
    pub(super) subject: &'a [u8],
    /// Where the reply is to go.
    pub(super) reply: &'a [u8],
    /// The status of a reply that is only that.
    pub(super) status: Option<u16>,
    pub(super) error: &'a [u8],
    /// Of INFO: the client is to begin with TLS now.
    pub(super) requires_tls: bool,
}

/// What the long lines that a connection begins with say before their end.
pub(super) fn opening(side: Side, bytes: &[u8]) -> Option<Verdict> {
    let opening: &[u8] = match side {
        Side::Client => b"CONNECT {",
        Side::Server => b"INFO {\"",
    };
    let known = opening.len().min(bytes.len());
    if !bytes.get(..known)?.eq_ignore_ascii_case(opening.get(..known)?) {
        return None;
    }
    Some(if known == opening.len() { Verdict::Certain } else { Verdict::More })
}

impl<'a> Line<'a> {
    pub(super) fn read(side: Side, bytes: &'a [u8]) -> Result<Self, Short> {
        let (verb, has_headers) = verb(side, bytes)?;
        let most = if matches!(verb, Verb::Info | Verb::Connect) { OPTIONS_BYTES } else { LINE_BYTES };
        let (content, length) = line(bytes, most)?;
        if !bytes.get(..length).is_some_and(|line| line.ends_with(b"\r\n")) {
            return Err(Short::Wrong("a line does not end as lines do"));
        }
        let mut all = Self {
            verb,
            length: length as u64,
            subject: &[],
            reply: &[],
            status: None,
            error: &[],
            requires_tls: false,
        };
        let is_subject =
            |word: &[u8]| !word.is_empty() && word.iter().all(|byte| (b'!'..0x7f).contains(byte) || *byte >= 0x80);
        let mut fields = words(content).skip(1);
        let count = fields.clone().count();
        match verb {
            Verb::Info | Verb::Connect if fields.next().is_some_and(|word| word.starts_with(b"{")) => {
                const TLS: &[u8] = b"\"tls_required\":true";
                all.requires_tls = verb == Verb::Info && content.windows(TLS.len()).any(|window| window == TLS);
            }
            Verb::Publish | Verb::Message => {
                all.subject = fields.next().unwrap_or_default();
                // The subject, the subscription (MSG), where to reply, the length of the headers (HPUB, HMSG), of all.
                let least = 2 + usize::from(verb == Verb::Message) + usize::from(has_headers);
                if verb == Verb::Message {
                    fields.next();
                }
                if count == least.saturating_add(1) {
                    all.reply = fields.next().unwrap_or_default();
                }
                let sizes = if has_headers { [fields.next(), fields.next()] } else { [None, fields.next()] };
                let [headers, size] = sizes.map(|size| size.and_then(number));
                let size = size.ok_or(Short::Wrong("a message has no length"))?;
                let agrees = is_subject(all.subject) && (least..=least.saturating_add(1)).contains(&count);
                if !agrees || (has_headers && headers.is_none_or(|headers| headers > size)) {
                    return Err(Short::Wrong("a message does not say what it is about, or how long it is"));
                }
                all.length = all.length.saturating_add(size).saturating_add(2);
                if has_headers && verb == Verb::Message {
                    all.status = status(bytes.get(length..).unwrap_or_default(), headers.unwrap_or_default())?;
                }
            }
            Verb::Subscribe if (2..=3).contains(&count) => all.subject = fields.next().unwrap_or_default(),
            // A number of a subscription, and after how many messages it ends.
            Verb::Unsubscribe if (1..=2).contains(&count) => {}
            Verb::Ping | Verb::Pong | Verb::Ok if count == 0 => {}
            Verb::Error => all.error = content.get(verb.name().len()..).unwrap_or_default().trim_ascii(),
            _ => return Err(Short::Wrong("a line has too many words, or too few")),
        }
        if content.iter().any(|byte| *byte < b' ' && *byte != b'\t') {
            return Err(Short::Wrong("a line is no text"));
        }
        Ok(all)
    }
}

/// The word that a line begins with, if this side may say it, and whether headers come with it.
fn verb(side: Side, bytes: &[u8]) -> Result<(Verb, bool), Short> {
    const CLIENT: [(&[u8], Verb, bool); 7] = [
        (b"PUB", Verb::Publish, false),
        (b"HPUB", Verb::Publish, true),
        (b"SUB", Verb::Subscribe, false),
        (b"UNSUB", Verb::Unsubscribe, false),
        (b"PING", Verb::Ping, false),
        (b"PONG", Verb::Pong, false),
        (b"CONNECT", Verb::Connect, false),
    ];
    const SERVER: [(&[u8], Verb, bool); 7] = [
        (b"MSG", Verb::Message, false),
        (b"HMSG", Verb::Message, true),
        (b"PING", Verb::Ping, false),
        (b"PONG", Verb::Pong, false),
        (b"+OK", Verb::Ok, false),
        (b"-ERR", Verb::Error, false),
        (b"INFO", Verb::Info, false),
    ];
    let known = if side == Side::Client { &CLIENT } else { &SERVER };
    let mut is_short = false;
    for (word, verb, has_headers) in known {
        let there = word.len().min(bytes.len());
        let begins = bytes.get(..there).zip(word.get(..there)).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b));
        match bytes.get(word.len()) {
            Some(b' ' | b'\t' | b'\r') if begins => return Ok((*verb, *has_headers)),
            None if begins => is_short = true,
            _ => {}
        }
    }
    Err(if is_short { Short::More } else { Short::Wrong("a line begins with no known word") })
}

/// The status that headers of this length begin with.
fn status(payload: &[u8], headers: u64) -> Result<Option<u16>, Short> {
    let needed = STATUS.len().saturating_add(3);
    if headers < needed as u64 {
        return Ok(None);
    }
    let first = payload.get(..needed).ok_or(Short::More)?;
    let status = first.strip_prefix(STATUS).and_then(number);
    Ok(status.and_then(|status| u16::try_from(status).ok()))
}
