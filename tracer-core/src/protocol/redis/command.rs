//! A command of Redis: an array of bulk strings, or a line.
//!
//! Invariant: of its arguments nothing but a subcommand is looked at. Memory: none.

use super::reply::{bulk, integer, line};
use super::{NAME_BYTES, Short, Verdict};
use crate::protocol::lines;

/// Arguments of a command (Redis itself takes no more).
const ARGUMENTS: i64 = 1 << 20;
/// Bytes of a command that is a line (the server's own limit is 64 KiB).
const INLINE_BYTES: usize = 8_192;
/// Commands that mean nothing without the next word.
const CONTAINERS: [&str; 16] = [
    "ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DEBUG", "FUNCTION", "LATENCY", "MEMORY", "MODULE", "OBJECT",
    "PUBSUB", "SCRIPT", "SENTINEL", "SLOWLOG", "XINFO",
];
/// Commands that are sent as lines by hand and by whoever asks for the server's health, and that no other protocol has.
const INLINE: [&str; 11] =
    ["PING", "ECHO", "SET", "GET", "DEL", "INCR", "EXISTS", "KEYS", "CONFIG", "MONITOR", "DBSIZE"];

/// A command, up to its name.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) name: String,
    pub(super) subcommand: String,
    /// What `CLIENT REPLY` asks for.
    pub(super) mode: String,
    /// Bytes up to here, and arguments after them.
    pub(super) length: u64,
    pub(super) arguments: i64,
    /// Arguments in all.
    pub(super) words: i64,
}

impl Command {
    /// `None` for a line that is empty.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<Self>, Short> {
        if bytes.first() == Some(&b'*') { Self::array(bytes).map(Some) } else { Self::inline(bytes) }
    }

    fn array(bytes: &[u8]) -> Result<Self, Short> {
        let (number, mut length) = line(bytes, b"*")?;
        let words = integer(number)?;
        if !(1..=ARGUMENTS).contains(&words) {
            return Err(Short::Wrong("a command has no word, or too many"));
        }
        let mut arguments = words;
        let mut word = || -> Result<String, Short> {
            let rest = bytes.get(length..).unwrap_or_default();
            let (content, taken) = bulk(rest)?;
            let name = name(content)?;
            let taken = usize::try_from(taken).unwrap_or(usize::MAX);
            if rest.len() < taken {
                return Err(Short::More);
            }
            length += taken;
            arguments -= 1;
            Ok(name)
        };
        let name = word()?;
        let has_more = CONTAINERS.contains(&name.as_str()) && words > 1;
        let subcommand = if has_more { word()? } else { String::new() };
        let is_mode = name == "CLIENT" && subcommand == "REPLY" && words > 2;
        let mode = if is_mode { word()? } else { String::new() };
        Ok(Self { name, subcommand, mode, length: length as u64, arguments, words })
    }

    fn inline(bytes: &[u8]) -> Result<Option<Self>, Short> {
        let (content, length) = lines::line(bytes, INLINE_BYTES)?;
        let mut all = lines::words(content);
        let Some(first) = all.next() else { return Ok(None) };
        let name = name(first)?;
        let words = i64::try_from(all.clone().count()).unwrap_or(i64::MAX).saturating_add(1);
        let mut next = |is_wanted: bool| -> Result<String, Short> {
            all.next().filter(|_| is_wanted).map_or(Ok(String::new()), self::name)
        };
        let subcommand = next(CONTAINERS.contains(&name.as_str()))?;
        let mode = next(name == "CLIENT" && subcommand == "REPLY")?;
        Ok(Some(Self { name, subcommand, mode, length: length as u64, arguments: 0, words }))
    }
}

/// Whether a command begins, as an array or as one of the lines that are known.
pub(super) fn begins(bytes: &[u8]) -> Verdict {
    if bytes.first() == Some(&b'*') {
        return match Command::array(bytes) {
            Ok(_) => Verdict::Certain,
            Err(Short::More) => Verdict::More,
            Err(Short::Wrong(_)) => Verdict::No,
        };
    }
    let end = bytes.iter().position(|byte| matches!(byte, b' ' | b'\r' | b'\n'));
    let word = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
    let is_begun =
        |name: &&str| name.get(..word.len()).is_some_and(|begin| begin.as_bytes().eq_ignore_ascii_case(word));
    if end.is_none() {
        return if INLINE.iter().any(&is_begun) { Verdict::More } else { Verdict::No };
    }
    if !INLINE.iter().any(|name| is_begun(name) && name.len() == word.len()) {
        return Verdict::No;
    }
    match lines::line(bytes, super::LINE_BYTES) {
        Err(Short::More) => Verdict::More,
        Ok((content, _)) if content.iter().all(|byte| (b' '..0x7f).contains(byte)) => Verdict::Likely,
        Ok(_) | Err(Short::Wrong(_)) => Verdict::No,
    }
}

fn name(word: &[u8]) -> Result<String, Short> {
    let is_name = word.len() <= NAME_BYTES
        && word.first().is_some_and(u8::is_ascii_alphabetic)
        && word.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-|".contains(byte));
    if !is_name {
        return Err(Short::Wrong("the name of a command is no name"));
    }
    Ok(String::from_utf8_lossy(word).to_ascii_uppercase())
}
