//! What the configuration says of one sink, and what its keys may be.
//!
//! Invariant: every value was checked when the configuration was read, so using one cannot fail; what shows a sink shows
//! none of its secrets. Memory: the texts of one entry.

use super::table::SinkKind;
use crate::config::values;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tracer_core::alert::Filter;

/// One `[[sink]]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SinkSettings {
    pub(crate) kind: &'static SinkKind,
    pub(crate) name: String,
    pub(crate) filter: Filter,
    pub(crate) values: BTreeMap<&'static str, Value>,
    /// Of the configuration file, from 1.
    pub(crate) line: usize,
}

/// A value as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Words(Vec<String>),
}

/// A key of a sink.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SinkKey {
    pub(crate) name: &'static str,
    /// One sentence.
    pub(crate) about: &'static str,
    pub(crate) form: Form,
    pub(crate) default: Option<&'static str>,
}

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Time,
    Count,
    /// A program and its arguments.
    Words,
}

impl Form {
    pub(crate) fn expected(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Time => "a time above 0, such as \"10s\"",
            Self::Count => "a whole number of 1 or more",
            Self::Words => "a list of texts, such as [\"/usr/bin/logger\", \"-t\", \"tracer\"]",
        }
    }

    /// Whether a value is of this form.
    pub(crate) fn takes(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Text, Value::Text(text)) => !text.is_empty(),
            (Self::Time, Value::Text(text)) => values::time(text).is_some(),
            (Self::Count, Value::Text(text)) => text.parse().is_ok_and(|count: u32| count > 0),
            (Self::Words, Value::Words(words)) => words.first().is_some_and(|program| !program.is_empty()),
            _ => false,
        }
    }
}

impl SinkSettings {
    /// What was written, else the default.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.values.get(name) {
            Some(Value::Text(text)) => Some(text),
            Some(Value::Words(_)) => None,
            None => self.kind.keys().find(|key| key.name == name)?.default,
        }
    }

    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    pub(crate) fn words(&self, name: &str) -> &[String] {
        match self.values.get(name) {
            Some(Value::Words(words)) => words,
            _ => &[],
        }
    }

    /// Zero only for a key that has no default, and is not set.
    pub(crate) fn time(&self, name: &str) -> Duration {
        self.text(name).and_then(values::time).unwrap_or_default()
    }

    /// As [`Self::time`].
    pub(crate) fn count(&self, name: &str) -> u32 {
        self.text(name).and_then(|text| text.parse().ok()).unwrap_or_default()
    }
}
