//! The text protocol and its meta commands.
//!
//! Invariant: neither keys nor values are kept. Memory: none but the word that a running response began with.

use super::super::lines::{Short, line, number, words};
use super::{Asked, Found, Id, Message, Open, Outcome, Side, Verdict};
use crate::protocol::{Fault, Operation};

/// Bytes of a line but for the keys of a retrieval, of which there may be any number.
const LINE_BYTES: usize = 4_096;
/// Bytes of a key; the server takes 250 and answers to longer ones.
const KEY_BYTES: usize = 2_048;
/// The longest word that a line may begin with.
const WORD_BYTES: usize = 24;

const STORAGE: [&str; 6] = ["set", "add", "replace", "append", "prepend", "cas"];
const RETRIEVAL: [&str; 4] = ["get", "gets", "gat", "gats"];
const META: [&str; 6] = ["mg", "ms", "md", "ma", "mn", "me"];
const OTHER: [&str; 18] = [
    "delete",
    "incr",
    "decr",
    "touch",
    "stats",
    "version",
    "verbosity",
    "flush_all",
    "quit",
    "shutdown",
    "slabs",
    "lru",
    "lru_crawler",
    "watch",
    "cache_memlimit",
    "extstore",
    "misbehave",
    "debugtime",
];
/// Responses of one line.
const ANSWERS: [&str; 22] = [
    "STORED",
    "NOT_STORED",
    "EXISTS",
    "NOT_FOUND",
    "DELETED",
    "TOUCHED",
    "OK",
    "VERSION",
    "RESET",
    "BUSY",
    "BADCLASS",
    "NOSPARE",
    "NOTFULL",
    "UNSAFE",
    "SAME",
    "HD",
    "EN",
    "NS",
    "EX",
    "NF",
    "ME",
    "MN",
];
const ERRORS: [&str; 3] = ["ERROR", "CLIENT_ERROR", FAULT];
/// The one that says that the server failed; the others say that the client did.
const FAULT: &str = "SERVER_ERROR";
/// Lines of which several come before `END`.
const LISTED: [&str; 4] = ["VALUE", "STAT", "ITEM", "PREFIX"];

pub(super) fn begins(side: Side, bytes: &[u8]) -> Verdict {
    if !bytes.first().is_some_and(u8::is_ascii_alphanumeric) {
        return Verdict::No;
    }
    let Ok((first, _)) = head(bytes) else {
        // As long as the first word may become one that is known.
        let is_word = bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        return if bytes.len() < WORD_BYTES && is_word { Verdict::More } else { Verdict::No };
    };
    let has = |known: &[&str]| known.iter().any(|word| word.as_bytes() == first);
    let known = match side {
        Side::Client => has(&STORAGE) || has(&RETRIEVAL) || has(&META) || has(&OTHER),
        Side::Server => has(&ANSWERS) || has(&ERRORS) || has(&LISTED) || has(&["END", "VA"]) || number(first).is_some(),
    };
    if !known {
        return Verdict::No;
    }
    if side == Side::Client && has(&RETRIEVAL) {
        return retrieval_begins(bytes.get(first.len()..).unwrap_or_default());
    }
    match line(bytes, LINE_BYTES) {
        Err(Short::More) => Verdict::More,
        Err(Short::Wrong(_)) => Verdict::No,
        Ok((content, length)) => {
            let ends = bytes.get(..length).is_some_and(|line| line.ends_with(b"\r\n"));
            let is_text = content.iter().all(|byte| (b' '..0x7f).contains(byte));
            // A number for itself may be anything.
            let is_whole = number(first).is_none() || content.len() == first.len();
            match side {
                _ if !ends || !is_text || !is_whole => Verdict::No,
                Side::Client if has(&STORAGE) => {
                    let is_stored = Request::read(content).is_ok_and(|request| request.body > 0);
                    if is_stored { Verdict::Certain } else { Verdict::No }
                }
                _ => Verdict::Likely,
            }
        }
    }
}

/// Whether a retrieval goes on with a key.
fn retrieval_begins(rest: &[u8]) -> Verdict {
    let Some((b' ', rest)) = rest.split_first() else { return Verdict::No };
    match rest.iter().take(KEY_BYTES).position(|byte| *byte <= b' ' || *byte == 0x7f) {
        None if rest.len() >= KEY_BYTES => Verdict::No,
        None => Verdict::More,
        Some(0) => Verdict::No,
        Some(end) => match (rest.get(end), rest.get(end.saturating_add(1))) {
            (Some(b' '), _) | (Some(b'\r'), Some(b'\n')) => Verdict::Likely,
            (Some(b'\r'), None) => Verdict::More,
            _ => Verdict::No,
        },
    }
}

#[derive(Debug, Default)]
pub(super) struct Text {
    /// Keys of a retrieval are to come.
    keys: bool,
    /// The word that the running response began with.
    list: Option<&'static str>,
}

impl Text {
    /// Whether what comes continues something.
    pub(super) fn is_within(&self, side: Side) -> bool {
        match side {
            Side::Client => self.keys,
            Side::Server => self.list.is_some(),
        }
    }

    pub(super) fn lost(&mut self, side: Side) {
        match side {
            Side::Client => self.keys = false,
            Side::Server => self.list = None,
        }
    }

    pub(super) fn request(&mut self, bytes: &[u8], open: &mut Open, found: &mut Found) -> Result<u64, Short> {
        if self.keys {
            let place = bytes.iter().take(KEY_BYTES).position(|byte| matches!(byte, b' ' | b'\n'));
            let end = match place {
                None if bytes.len() >= KEY_BYTES => return Err(Short::Wrong("a key is too long")),
                None => return Err(Short::More),
                Some(end) => end,
            };
            self.keys = bytes.get(end) == Some(&b' ');
            return Ok(end as u64 + 1);
        }
        let (first, separator) = head(bytes)?;
        if separator == b' ' && RETRIEVAL.iter().any(|name| name.as_bytes() == first) {
            self.keys = true;
            ask(&Request::named(first), open, found);
            return Ok(first.len() as u64 + 1);
        }
        let (content, length) = line(bytes, LINE_BYTES)?;
        let request = Request::read(content)?;
        ask(&request, open, found);
        Ok((length as u64).saturating_add(request.body))
    }

    pub(super) fn response(&mut self, bytes: &[u8], open: &mut Open, found: &mut Found) -> Result<u64, Short> {
        let (content, length) = line(bytes, LINE_BYTES)?;
        let mut all = words(content);
        let first = all.next().unwrap_or_default();
        let known = |known: &[&'static str]| known.iter().find(|word| word.as_bytes() == first).copied();
        if first.starts_with(b"ts=") && self.list.is_none() {
            found.at_end.push(Message::Push { operation: Operation::new("watch", "") });
            return Ok(length as u64);
        }
        let listed = known(&LISTED).or_else(|| first.starts_with(b"key=").then_some("OK"));
        if let Some(word) = listed {
            let body = if word == "VALUE" { body(all.nth(2))? } else { 0 };
            if self.list.is_none() {
                open.answer(|asked| is_answer(asked, first, None), found);
                found.messages.push(Message::Response { id: Id::Order, outcome: None });
                self.list = Some(word);
            }
            return Ok((length as u64).saturating_add(body));
        }
        let mut size = 0;
        let outcome = match known(&ERRORS).or_else(|| known(&ANSWERS)).or_else(|| known(&["END", "VA"])) {
            Some("END") => Outcome::success(self.list.unwrap_or("END")),
            Some(word) if word == FAULT => Outcome::failure(word, Fault::Service),
            Some(word) => {
                if word == "VA" {
                    size = body(all.clone().next())?;
                }
                Outcome::success(word)
            }
            None if number(first).is_some() => Outcome::success("OK"),
            None => return Err(Short::Wrong("a response begins with no known word")),
        };
        if self.list.take().is_none() {
            let token = token(all);
            let exact = |asked: &Asked| token.is_some() && asked.token == token;
            let has_exact = open.asked.iter().any(exact);
            open.answer(|asked| if has_exact { exact(asked) } else { is_answer(asked, first, token) }, found);
            found.messages.push(Message::Response { id: Id::Order, outcome: None });
        }
        found.at_end.push(Message::End { id: Id::Order, outcome: Some(outcome) });
        Ok((length as u64).saturating_add(size))
    }
}

/// A command.
struct Request<'a> {
    name: &'a [u8],
    /// Bytes that follow the line.
    body: u64,
    answered: bool,
    quiet: bool,
    /// It says when not to do what it asks for.
    conditional: bool,
    token: Option<u64>,
}

impl<'a> Request<'a> {
    fn named(name: &'a [u8]) -> Self {
        Self { name, body: 0, answered: true, quiet: false, conditional: false, token: None }
    }

    fn read(content: &'a [u8]) -> Result<Self, Short> {
        let mut all = words(content);
        let mut request = Self::named(all.next().unwrap_or_default());
        let is = |known: &[&str]| known.iter().any(|word| word.as_bytes() == request.name);
        if is(&STORAGE) {
            // A line that is wrong is answered at once, and nothing follows it.
            request.body = all.clone().nth(3).and_then(number).map_or(0, |size| size.saturating_add(2));
        } else if request.name == b"ms" {
            request.body = all.clone().nth(1).and_then(number).map_or(0, |size| size.saturating_add(2));
        }
        if is(&META) {
            let flags = all.skip(1);
            request.quiet = flags.clone().any(|flag| flag == b"q");
            request.conditional = flags.clone().any(|flag| matches!(flag.first(), Some(b'M' | b'C')));
            request.token = token(flags);
        } else {
            request.answered = all.next_back() != Some(b"noreply") && !is(&["quit", "shutdown"]);
        }
        Ok(request)
    }

    /// What silence means; of some quiet commands it depends on the server's version.
    fn silence(&self) -> Option<&'static str> {
        self.quiet.then_some(match self.name {
            b"mg" => "EN",
            b"ms" => "HD",
            _ => "",
        })
    }
}

fn ask(request: &Request<'_>, open: &mut Open, found: &mut Found) {
    let every = STORAGE.iter().chain(&RETRIEVAL).chain(&META).chain(&OTHER);
    // A line that is no command may be anything, such as a value.
    let name = every.copied().find(|name| name.as_bytes() == request.name).unwrap_or("unknown");
    let operation = Operation::new(name, "");
    if request.answered {
        let code = request.name.get(1).copied().filter(|_| META.contains(&name)).unwrap_or_default();
        open.ask(Asked {
            id: Id::Order,
            code,
            token: request.token,
            silence: request.silence(),
            conditional: request.conditional,
        });
    }
    found.messages.push(Message::Request { id: Id::Order, operation, answered: request.answered });
}

/// Whether a response that begins with this word may be the one to a request. One that is not quiet is answered in any
/// case, and nothing behind it before.
fn is_answer(asked: &Asked, word: &[u8], token: Option<u64>) -> bool {
    let Some(silence) = asked.silence else { return true };
    if asked.token.is_some() && asked.token != token {
        return ERRORS.iter().any(|error| error.as_bytes() == word);
    }
    let answers: &[&str] = match asked.code {
        b'g' => &["VA", "HD", "EN"],
        b's' if asked.conditional => &["HD", "NS", "EX", "NF"],
        b'd' => &["HD", "NF", "EX"],
        b'a' => &["VA", "HD", "NF", "NS", "EX"],
        _ => &[],
    };
    let is_silent = word == silence.as_bytes() || (silence.is_empty() && word == b"HD");
    !is_silent && answers.iter().chain(&ERRORS).any(|answer| answer.as_bytes() == word)
}

/// The opaque flag of a meta command, which is answered with the same.
fn token<'a>(mut flags: impl Iterator<Item = &'a [u8]>) -> Option<u64> {
    let flag = flags.find(|flag| flag.first() == Some(&b'O') && flag.len() > 1)?;
    // It is compared and never shown: of two that are alike here, the first is taken.
    Some(u64::from(crc32fast::hash(flag)))
}

/// Bytes of a value whose length a word says.
fn body(size: Option<&[u8]>) -> Result<u64, Short> {
    let size = size.and_then(number).ok_or(Short::Wrong("a value has no length"))?;
    Ok(size.saturating_add(2))
}

/// The word at the beginning, and what separates it from the next.
fn head(bytes: &[u8]) -> Result<(&[u8], u8), Short> {
    match bytes.iter().take(WORD_BYTES).position(|byte| matches!(byte, b' ' | b'\r' | b'\n')) {
        None if bytes.len() >= WORD_BYTES => Err(Short::Wrong("a line begins with no word")),
        None => Err(Short::More),
        Some(end) => Ok((bytes.get(..end).unwrap_or_default(), bytes.get(end).copied().unwrap_or_default())),
    }
}
