//! The file: TOML, checked key by key, each value with its line.
//!
//! Invariant: a file is taken whole or refused with the line and the next step; a key that means nothing is an error that
//! names the nearest that does. Memory: a file of at most [`MOST_BYTES`], so that what a tape must hold of it fits the
//! tape's header.

use super::keys::{self, Key};
use super::sections::{SECTIONS, Section};
use super::sinks;
use crate::sink::alerts::settings::SinkSettings;
use anyhow::{Context as _, Result, anyhow, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};
use tracer_core::detect::{CallRule, Knob, Limits};
use tracer_core::escape::printable;
use tracer_core::identity::Rules;
use tracer_core::identity::rules::Pattern;

/// Bytes of a configuration file. Half of a tape's frame, as JSON may write a backslash as two.
pub(super) const MOST_BYTES: usize = 28 << 10;
/// Columns of a key or a value in an error.
pub(super) const SHOWN_COLUMNS: usize = 60;

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// Single values by key: the text and the line.
    pub(super) values: BTreeMap<String, (String, usize)>,
    pub(super) services: Rules,
    pub(super) service_lines: Vec<usize>,
    pub(super) calls: Vec<CallRule>,
    pub(super) call_lines: Vec<usize>,
    pub(super) sinks: Vec<SinkSettings>,
}

/// The sections that serde reads. Their keys were checked before.
#[derive(Deserialize)]
struct Lists {
    #[serde(default)]
    service: Rules,
}

impl Document {
    pub(super) fn parse(contents: &[u8]) -> Result<Self> {
        if contents.len() > MOST_BYTES {
            bail!("it has {} bytes, the most is {MOST_BYTES}", contents.len());
        }
        let text = std::str::from_utf8(contents).context("it is not UTF-8")?;
        let at_line = |error: &toml::de::Error| {
            let place = error.span().map(|span| format!("line {}: ", line(text, span.start))).unwrap_or_default();
            anyhow!("{place}{}", error.message())
        };
        let top = DeTable::parse(text).map_err(|error| at_line(&error))?;
        let mut document = Self::default();
        for (key, value) in top.get_ref() {
            let section = SECTIONS.iter().find(|section| section.name == key.get_ref().as_ref());
            let Some(section) = section else {
                bail!(unknown(text, key, &SECTIONS.map(|section| section.name), "the configuration"));
            };
            document.section(text, section, value)?;
        }
        let lists: Lists = toml::from_str(text).map_err(|error| at_line(&error))?;
        document.services = lists.service;
        Ok(document)
    }

    fn section(&mut self, text: &str, section: &Section, value: &Spanned<DeValue<'_>>) -> Result<()> {
        let at = line(text, value.span().start);
        if section.repeats {
            let Some(entries) = value.get_ref().as_array() else {
                bail!("line {at}: invalid type: `{0}` is a list; write [[{0}]]", section.name);
            };
            for entry in entries.iter() {
                let at = line(text, entry.span().start);
                let Some(table) = entry.get_ref().as_table() else {
                    bail!("line {at}: invalid type: an entry of `{0}` is a table; write [[{0}]]", section.name);
                };
                check_keys(text, table, section, &format!("a [[{}]]", section.name))?;
                match section.name {
                    "call" => {
                        self.calls.push(call_rule(text, table)?);
                        self.call_lines.push(at);
                    }
                    "service" => self.service_lines.push(at),
                    "sink" => {
                        let sink = sinks::sink(text, table, at, &self.sinks)?;
                        self.sinks.push(sink);
                    }
                    _ => {}
                }
            }
            return Ok(());
        }
        let Some(table) = value.get_ref().as_table() else {
            bail!("line {at}: invalid type: `{0}` is a table; write [{0}]", section.name);
        };
        check_keys(text, table, section, &format!("[{}]", section.name))?;
        for (name, value) in table {
            let Some(key) = keys::find(section.name, name.get_ref().as_ref()) else { continue };
            let (value, at) = (single(text, key, value)?, line(text, value.span().start));
            key.check(&value).map_err(|reason| anyhow!("line {at}: {reason}"))?;
            self.values.insert(key.path(), (value, at));
        }
        Ok(())
    }
}

/// The limits that an entry of `[[call]]` sets, and for which calls.
fn call_rule(text: &str, table: &DeTable<'_>) -> Result<CallRule> {
    let mut rule = CallRule::default();
    for (name, value) in table {
        let name = name.get_ref().as_ref();
        let at = line(text, value.span().start);
        let refused = |reason: String| anyhow!("line {at}: {reason}");
        let written = written(value.get_ref())
            .ok_or_else(|| refused(format!("invalid type: `{name}` takes a text, a number or a list of texts")))?;
        match name {
            _ if CallRule::CONDITIONS.contains(&name) => condition(&mut rule, name, written).map_err(refused)?,
            _ => {
                let knob = Knob::find(name).ok_or_else(|| refused(format!("`{name}` is no limit")))?;
                knob.set(&mut Limits::default(), &written).map_err(|error| refused(error.to_string()))?;
                rule.limits.insert(name.to_owned(), written);
            }
        }
    }
    Ok(rule)
}

/// Sets one of [`CallRule::CONDITIONS`]; the error is a reason for a person.
pub(super) fn condition(rule: &mut CallRule, name: &str, written: String) -> Result<(), String> {
    let pattern = |text: String| Pattern::try_from(text).map(Some).map_err(|error| error.to_string());
    match name {
        "from" => rule.from = pattern(written)?,
        "to" => rule.to = pattern(written)?,
        "port" => {
            let port = match written.parse::<i64>() {
                Ok(number) => serde_json::Value::from(number),
                Err(_) => serde_json::Value::from(written),
            };
            rule.port = Some(serde_json::from_value(port).map_err(|error| error.to_string())?);
        }
        _ => {
            if !["tcp", "udp", "unix"].contains(&written.as_str()) {
                let shown = printable(&written, SHOWN_COLUMNS);
                return Err(format!("`{shown}` is no transport: it must be tcp, udp or unix"));
            }
            rule.transport = Some(written);
        }
    }
    Ok(())
}

/// The text of a value that its key may have.
fn single(text: &str, key: &Key, value: &Spanned<DeValue<'_>>) -> Result<String> {
    let at = line(text, value.span().start);
    written(value.get_ref()).ok_or_else(|| anyhow!("line {at}: invalid type: `{}` must be {}", key.name, key.expected))
}

/// A text, a number, or texts in a list, separated by commas.
pub(super) fn written(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Array(list) => {
            let words: Option<Vec<&str>> = list.iter().map(|word| word.get_ref().as_str()).collect();
            words.map(|words| words.join(","))
        }
        _ => None,
    }
}

/// Refuses keys that mean nothing: misspelt, a rule would hold for more than was meant.
fn check_keys(text: &str, table: &DeTable<'_>, section: &Section, place: &str) -> Result<()> {
    let known = (section.keys)();
    let unknown_key = table.keys().find(|key| !known.contains(&key.get_ref().as_ref()));
    unknown_key.map_or(Ok(()), |key| Err(anyhow!(unknown(text, key, &known, place))))
}

fn unknown(text: &str, key: &Spanned<DeString<'_>>, known: &[&str], place: &str) -> String {
    let name = key.get_ref().as_ref();
    let line = line(text, key.span().start);
    format!("line {line}: `{}` is no key of {place}{}", printable(name, SHOWN_COLUMNS), nearest(name, known))
}

/// The end of an error that says what may have been meant.
pub(super) fn nearest(name: &str, known: &[&str]) -> String {
    let nearest = known.iter().min_by_key(|known| strsim::damerau_levenshtein(known, name)).copied();
    nearest.map(|key| format!("; did you mean `{key}`?")).unwrap_or_default()
}

/// The number of the line that a byte is in, from 1.
pub(super) fn line(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|byte| *byte == b'\n').count() + 1
}
