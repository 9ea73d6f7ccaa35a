//! A baseline from the bytes of a file that a person, or anybody, may have changed.
//!
//! Read in two steps, so that the wrong file is called by its name before its fields are complained about: first the
//! syntax and `schema`, then the contents, strictly: a misspelt field is an error, not a default.
//! Invariant: bytes that are not wholly a baseline are an error that says where and what to do; no bytes panic, and no
//! character of the file reaches a terminal unescaped. Memory: `limits::BASELINE_BYTES` and the calls themselves.

use super::entry::entries;
use super::{Baseline, Entry, ExpectedCall, Learned, SCHEMA};
use crate::graph::snapshot;
use crate::limits;
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, SeqAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;

/// Characters of the file that an error repeats.
const QUOTED_CHARS: usize = 200;

/// Why bytes are not a baseline.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaselineError {
    #[error("{bytes} bytes are more than a baseline can have ({}): is this the right file?", limits::BASELINE_BYTES)]
    TooLong { bytes: usize },
    #[error(
        "the file ends too early, at line {line}, column {column}: restore it from version control or learn it \
         again with `tracer baseline learn`"
    )]
    Truncated { line: usize, column: usize },
    #[error("line {line}, column {column}: {reason}: correct it, or learn again with `tracer baseline learn`")]
    Malformed { line: usize, column: usize, reason: String },
    #[error("this is a graph ({}), not a baseline: make one of it with `tracer baseline learn`", snapshot::SCHEMA)]
    Graph,
    #[error("this baseline is of format {found}, and this tracer reads {SCHEMA}: use a newer tracer")]
    Newer { found: String },
    #[error("this is not a baseline: its `schema` is {found}, not {SCHEMA}: is this the right file?")]
    Foreign { found: String },
}

/// What every file of ours has.
#[derive(Deserialize)]
struct Header {
    schema: Option<serde_json::Value>,
}

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    #[serde(rename = "schema")]
    _schema: IgnoredAny,
    learned: Learned,
    #[serde(default, deserialize_with = "entries")]
    allow: Vec<Entry>,
    #[serde(default, deserialize_with = "entries")]
    deny: Vec<Entry>,
    #[serde(deserialize_with = "calls")]
    calls: Vec<ExpectedCall>,
}

impl Baseline {
    /// Reads a file. Calls may be in any order.
    ///
    /// # Errors
    /// When the bytes are cut, are another kind of file or a newer format, or hold anything that is not allowed.
    pub fn parse(bytes: &[u8]) -> Result<Self, BaselineError> {
        if bytes.len() > limits::BASELINE_BYTES {
            return Err(BaselineError::TooLong { bytes: bytes.len() });
        }
        check_schema(bytes)?;
        let contents: Contents = serde_json::from_slice(bytes).map_err(|error| malformed(&error, bytes))?;
        let Contents { learned, allow, deny, calls, .. } = contents;
        Ok(Self { schema: SCHEMA.to_owned(), learned, allow, deny, calls })
    }
}

fn check_schema(bytes: &[u8]) -> Result<(), BaselineError> {
    // serde would take an array for a struct whose fields have no names.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(BaselineError::Foreign { found: "absent (the file is a JSON array)".to_owned() });
    }
    let header: Header = serde_json::from_slice(bytes).map_err(|error| malformed(&error, bytes))?;
    let Some(serde_json::Value::String(schema)) = header.schema else {
        return Err(BaselineError::Foreign { found: "absent".to_owned() });
    };
    if schema == SCHEMA {
        return Ok(());
    }
    let version = schema.strip_prefix("tracer.baseline/").and_then(|version| version.parse::<u32>().ok());
    Err(match version {
        _ if schema == snapshot::SCHEMA => BaselineError::Graph,
        Some(2..) => BaselineError::Newer { found: quoted(&schema) },
        _ => BaselineError::Foreign { found: quoted(&schema) },
    })
}

fn malformed(error: &serde_json::Error, bytes: &[u8]) -> BaselineError {
    let (line, column) = (error.line(), error.column());
    // serde_json calls `0.` at the end of a file an invalid number, not an end.
    let is_cut_number = error.is_syntax()
        && bytes.last().is_some_and(|byte| b".eE+-".contains(byte))
        && line == bytes.split(|byte| *byte == b'\n').count();
    if error.is_eof() || is_cut_number {
        return BaselineError::Truncated { line, column };
    }
    let text = error.to_string();
    let reason = text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text);
    BaselineError::Malformed { line, column, reason: quoted(reason) }
}

/// Cut, and without characters that a terminal would obey.
fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for character in text.chars().take(QUOTED_CHARS) {
        if character.is_control() {
            quoted.extend(character.escape_default());
        } else {
            quoted.push(character);
        }
    }
    quoted
}

/// A finite number that is not negative. (JSON has no NaN, and serde_json refuses what overflows to infinity.)
pub(super) fn figure<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    not_negative(f64::deserialize(deserializer)?)
}

/// A [`figure`] or `null`.
pub(super) fn optional_figure<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Option::deserialize(deserializer)?.map(not_negative).transpose()
}

/// A number from 0 to 1, or `null`.
pub(super) fn optional_fraction<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    match Option::<f64>::deserialize(deserializer)? {
        Some(fraction) if !(0.0..=1.0).contains(&fraction) => {
            Err(D::Error::custom(format_args!("{fraction} is not a share: it must be from 0 to 1")))
        }
        fraction => Ok(fraction),
    }
}

pub(super) fn not_negative<E: Error>(figure: f64) -> Result<f64, E> {
    if figure.is_finite() && figure >= 0.0 {
        Ok(figure)
    } else {
        Err(E::custom(format_args!("{figure} is not a figure that can be expected: it must be 0 or more")))
    }
}

/// The list of calls, sorted, no key twice: checked while reading, so that the error can say where.
fn calls<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ExpectedCall>, D::Error> {
    struct Calls;

    impl<'de> Visitor<'de> for Calls {
        type Value = Vec<ExpectedCall>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of calls")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut calls = BTreeMap::new();
            while let Some(call) = list.next_element::<ExpectedCall>()? {
                if calls.len() == limits::CALLS {
                    return Err(A::Error::custom(format_args!("more than {} calls", limits::CALLS)));
                }
                if let Some(first) = calls.insert(call.key(), call) {
                    // serde_json says where it stands: behind the comma that follows the entry.
                    let key = first.key();
                    return Err(A::Error::custom(format_args!("the entry before this lists the call {key} again")));
                }
            }
            Ok(calls.into_values().collect())
        }
    }

    deserializer.deserialize_seq(Calls)
}
