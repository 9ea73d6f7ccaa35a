//! Lines of text protocols, and why nothing was read.
//!
//! Invariant: what is read depends only on bytes up to the end of the line. Memory: none.

use super::Next;

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

/// The line at the beginning without its end, and its length with it. A line may end without a carriage return.
pub(super) fn line(bytes: &[u8], most: usize) -> Result<(&[u8], usize), Short> {
    match bytes.iter().take(most).position(|byte| *byte == b'\n') {
        None if bytes.len() >= most => Err(Short::Wrong("a line is too long")),
        None => Err(Short::More),
        Some(end) => {
            let content = bytes.get(..end).unwrap_or_default();
            Ok((content.strip_suffix(b"\r").unwrap_or(content), end.saturating_add(1)))
        }
    }
}

/// The words of a line.
pub(super) fn words(line: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> + Clone {
    line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty())
}

/// A decimal number without a sign.
pub(super) fn number(word: &[u8]) -> Option<u64> {
    let is_number = word.first().is_some_and(u8::is_ascii_digit);
    std::str::from_utf8(word).ok().filter(|_| is_number).and_then(|text| text.parse().ok())
}
