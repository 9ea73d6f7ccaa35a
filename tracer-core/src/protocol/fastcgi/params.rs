//! What a request asks: the parameters of CGI in its first record of them, as pairs of name and value (§3.4).
//!
//! Invariant: no value is kept but the method and the route of the path. Memory: none beyond these.

use super::super::http::route::route;
use super::{Record, Short};

/// Bytes of a method.
const METHOD_BYTES: usize = 24;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) route: String,
}

/// Reads pairs until method and target are known, or the record is over.
pub(super) fn read(record: &Record, bytes: &[u8]) -> Result<Asked, Short> {
    let (mut left, is_whole) = record.content(bytes);
    let (mut method, mut target, mut script) = (None, None, None);
    while method.is_none() || target.is_none() {
        let Some((name, value, rest)) = pair(left) else {
            // More of it may come; what is cut by the end of the record goes on in one that is not read.
            if is_whole {
                break;
            }
            return Err(Short::More);
        };
        match name {
            b"REQUEST_METHOD" => method = Some(value),
            b"REQUEST_URI" => target = Some(value),
            b"SCRIPT_NAME" => script = Some(value),
            _ => {}
        }
        left = rest;
    }
    let is_name = |method: &&[u8]| method.len() <= METHOD_BYTES && method.iter().all(u8::is_ascii_alphabetic);
    let method = method.filter(is_name).map(|method| String::from_utf8_lossy(method).into_owned());
    let target = target.or(script).filter(|target| !target.is_empty());
    Ok(Asked {
        method: method.unwrap_or_else(|| "?".to_owned()),
        route: target.map(|target| route(b"", target)).unwrap_or_default(),
    })
}

/// A pair, and what follows it.
fn pair(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (name, rest) = length(bytes)?;
    let (value, rest) = length(rest)?;
    let (name, rest) = rest.split_at_checked(name)?;
    let (value, rest) = rest.split_at_checked(value)?;
    Some((name, value, rest))
}

/// A length of one byte, or of four with the highest bit set.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [short, rest @ ..] if *short < 0x80 => Some((usize::from(*short), rest)),
        [b0, b1, b2, b3, rest @ ..] => {
            Some((usize::try_from(u32::from_be_bytes([*b0 & 0x7f, *b1, *b2, *b3])).ok()?, rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Vec<u8> {
        let length = |text: &str| (u32::try_from(text.len()).unwrap() | 0x8000_0000).to_be_bytes();
        let pair = |(name, value): &(&str, &str)| {
            [&[u8::try_from(name.len()).unwrap()][..], &length(value), name.as_bytes(), value.as_bytes()].concat()
        };
        let content = pairs.iter().flat_map(pair).collect::<Vec<_>>();
        let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[1, 4, 0, 1, high, low, 0, 0], &content[..]].concat()
    }

    fn asked(pairs: &[(&str, &str)]) -> (String, String) {
        let bytes = params(pairs);
        let asked = read(&Record::read(&bytes).unwrap(), &bytes).unwrap();
        (asked.method, asked.route)
    }

    #[test]
    fn the_path_that_was_asked_for_comes_before_the_script_that_serves_it() {
        let script = ("SCRIPT_NAME", "/index.php");
        let method = ("REQUEST_METHOD", "GET");
        assert_eq!(asked(&[script, method]), ("GET".into(), "/index.php".into()));
        assert_eq!(asked(&[script, method, ("REQUEST_URI", "/users/42?a=b")]), ("GET".into(), "/users/{id}".into()));
        assert_eq!(asked(&[("REQUEST_METHOD", "a secret"), ("QUERY_STRING", "a=b")]), ("?".into(), String::new()));
        let bytes = params(&[("QUERY_STRING", "a=b"), method]);
        let record = Record::read(&bytes).unwrap();
        assert_eq!(read(&record, &bytes[..30]), Err(Short::More));
        // A pair that goes on in the next record.
        let cut = [&[1, 4, 0, 1, 0, 5, 0, 0], &[14, 3, b'R', b'E', b'Q'][..]].concat();
        assert_eq!(read(&Record::read(&cut).unwrap(), &cut).unwrap().method, "?");
    }
}
