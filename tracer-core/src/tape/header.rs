//! What a tape says about itself: where, when and by which tracer it was recorded.
//!
//! Invariant: a header that [`TapeHeader::parse`] returns has this tracer's version, schema and record layout.
//! Memory: at most one frame of JSON, and its rules compiled. Its strings are as found: whoever shows them escapes them.

use super::error::TapeError;
use super::format::VERSION;
use crate::detect::Policy;
use crate::identity::Rules;
use crate::time::{Span, Wall};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tracer_common::{ExchangeRecord, ExecRecord, FlowRecord, Header, PayloadRecord, SocketRecord, StreamHead};

/// The value of [`TapeHeader::schema`].
pub const SCHEMA: &str = "tracer.tape/1";

/// Characters of the version of the tool that errors show.
const TOOL_SHOWN: usize = 40;

/// The JSON header of a tape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TapeHeader {
    pub schema: String,
    /// The version of the tracer that wrote the tape.
    pub tool: String,
    pub host: String,
    /// Kernel release, as `uname -r` prints it.
    pub kernel: String,
    /// Sizes of the kernel's records by name, bytes: a tracer with others cannot read them.
    pub abi: BTreeMap<String, usize>,
    /// Length of the window of the run, nanoseconds.
    #[serde(rename = "window_ns")]
    pub window: Span,
    /// RFC 3339.
    pub started: String,
    /// How services were named, so that a replay names alike.
    #[serde(default, skip_serializing_if = "Rules::is_empty")]
    pub rules: Rules,
    /// Whether it holds what was said on connections, not only how much and when.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub payload: bool,
    /// What calls were held to, so that a replay judges alike.
    #[serde(default, skip_serializing_if = "Policy::is_default")]
    pub policy: Policy,
}

impl TapeHeader {
    /// The header of a tape that this tracer, of version `tool`, begins to write.
    #[must_use]
    pub fn new(tool: &str, host: &str, kernel: &str, window: Span, started: Wall) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            tool: tool.to_owned(),
            host: host.to_owned(),
            kernel: kernel.to_owned(),
            abi: abi(),
            window,
            started: started.rfc3339(),
            rules: Rules::default(),
            payload: false,
            policy: Policy::default(),
        }
    }

    /// The header with the rules by which services are named.
    #[must_use]
    pub fn with_rules(self, rules: Rules) -> Self {
        Self { rules, ..self }
    }

    /// The header of one with or without payload.
    #[must_use]
    pub fn with_payload(self, payload: bool) -> Self {
        Self { payload, ..self }
    }

    /// The header with what calls are held to.
    #[must_use]
    pub fn with_policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// Reads the header of a tape of format `version`.
    pub(super) fn parse(version: u16, json: &[u8]) -> Result<Self, TapeError> {
        if version != VERSION {
            return Err(TapeError::Version { found: version, tool: tool_of(json) });
        }
        let header: Self =
            serde_json::from_slice(json).map_err(|error| TapeError::Header { reason: error.to_string() })?;
        if header.schema != SCHEMA {
            return Err(TapeError::Header { reason: format!("its schema is not {SCHEMA}") });
        }
        let expected = abi();
        if header.abi != expected {
            return Err(TapeError::Abi { found: shown(&header.abi), expected: shown(&expected), tool: tool_of(json) });
        }
        Ok(header)
    }
}

/// The layout of the kernel's records, as far as sizes tell; a change at equal size makes a new [`VERSION`].
fn abi() -> BTreeMap<String, usize> {
    let sizes = [
        ("header", size_of::<Header>()),
        ("socket", size_of::<SocketRecord>()),
        ("exchange", size_of::<ExchangeRecord>()),
        ("flow", size_of::<FlowRecord>()),
        ("payload", size_of::<PayloadRecord>()),
        ("stream", size_of::<StreamHead>()),
        ("exec", size_of::<ExecRecord>()),
    ];
    sizes.into_iter().map(|(name, size)| (name.to_owned(), size)).collect()
}

/// The sizes for a person, of a few records only: a tape may claim any number of them.
fn shown(abi: &BTreeMap<String, usize>) -> String {
    let records = abi.iter().take(8).map(|(name, size)| format!("{} {size}", cut_and_escape(name)));
    records.collect::<Vec<_>>().join(", ")
}

/// Which tracer wrote a header that may have any other fields.
fn tool_of(json: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Tool {
        tool: String,
    }
    serde_json::from_slice(json).map_or_else(|_| "unknown".to_owned(), |Tool { tool }| cut_and_escape(&tool))
}

fn cut_and_escape(text: &str) -> String {
    text.chars().take(TOOL_SHOWN).flat_map(char::escape_debug).collect()
}
