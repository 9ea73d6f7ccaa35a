//! `[[sink]]`: where alerts go.
//!
//! Invariant: an entry is taken whole or refused with the line and the next step; a key that its type does not have is
//! refused, and names are each their own. Memory: at most [`MOST`] entries.

use super::document::{SHOWN_COLUMNS, condition, line, nearest, written};
use crate::sink::alerts::settings::{SinkSettings, Value};
use crate::sink::alerts::table::{COMMON, SINKS, SinkKind};
use anyhow::{Result, anyhow, bail};
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use tracer_core::alert::Filter;
use tracer_core::detect::{self, CallRule, Severity};
use tracer_core::escape::printable;

/// Sinks at once: each is a thread.
const MOST: usize = 32;

/// Every key of some kind of sink.
pub(super) fn keys() -> Vec<&'static str> {
    let mut keys: Vec<&str> = COMMON.iter().map(|(name, _)| *name).collect();
    keys.extend(SINKS.iter().flat_map(SinkKind::keys).map(|key| key.name));
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// The sink of an entry whose keys are all keys of some kind.
pub(super) fn sink(text: &str, table: &DeTable<'_>, at: usize, before: &[SinkSettings]) -> Result<SinkSettings> {
    let kind = kind(text, table, at)?;
    let mut settings =
        SinkSettings { kind, name: kind.name.to_owned(), filter: Filter::default(), values: BTreeMap::new(), line: at };
    for (name, value) in table {
        let (name, at) = (name.get_ref().as_ref(), line(text, value.span().start));
        match name {
            "type" => {}
            "name" => settings.name = self_name(value.get_ref()).map_err(|reason| anyhow!("line {at}: {reason}"))?,
            "severity" => settings.filter.severity = Some(severity(value, at)?),
            "kinds" => settings.filter.kinds = kinds(value, at)?,
            _ if CallRule::CONDITIONS.contains(&name) => {
                let text = written(value.get_ref())
                    .ok_or_else(|| anyhow!("line {at}: invalid type: `{name}` takes a text or a number"))?;
                condition(&mut settings.filter.call, name, text).map_err(|reason| anyhow!("line {at}: {reason}"))?;
            }
            _ => {
                let Some(key) = kind.keys().find(|key| key.name == name) else {
                    let known: Vec<&str> = kind.keys().map(|key| key.name).collect();
                    let hint = if known.is_empty() { String::new() } else { nearest(name, &known) };
                    bail!("line {at}: a sink of the type {} has no key `{name}`{hint}", kind.name);
                };
                let found = value_of(value.get_ref()).filter(|value| key.form.takes(value));
                let expected = key.form.expected();
                let found = found.ok_or_else(|| anyhow!("line {at}: `{name}` must be {expected}"))?;
                settings.values.insert(key.name, found);
            }
        }
    }
    if before.len() >= MOST {
        bail!("line {at}: there are more than {MOST} sinks");
    }
    if kind.make.is_some() && before.iter().any(|other| other.name == settings.name) {
        bail!("line {at}: two sinks are called `{}`: give one of them another `name`", settings.name);
    }
    Ok(settings)
}

fn kind(text: &str, table: &DeTable<'_>, at: usize) -> Result<&'static SinkKind> {
    let names = SINKS.each_ref().map(|kind| kind.name);
    let entry = table.iter().find(|(name, _)| name.get_ref().as_ref() == "type");
    let Some((_, value)) = entry else {
        bail!("line {at}: a [[sink]] has no `type`: it must be one of {}", names.join(", "));
    };
    let at = line(text, value.span().start);
    let name = value.get_ref().as_str().unwrap_or_default();
    SinkKind::find(name).ok_or_else(|| {
        anyhow!("line {at}: `{}` is no type of a sink{}", printable(name, SHOWN_COLUMNS), nearest(name, &names))
    })
}

/// A name is part of the path of a spool.
fn self_name(value: &DeValue<'_>) -> Result<String, String> {
    let name = value.as_str().unwrap_or_default();
    let fits = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    if name.is_empty() || name.len() > 40 || !name.chars().all(fits) {
        return Err("`name` must be 1 to 40 letters, digits, `-` and `_`".to_owned());
    }
    Ok(name.to_owned())
}

fn severity(value: &Spanned<DeValue<'_>>, at: usize) -> Result<Severity> {
    match value.get_ref().as_str() {
        Some("warning") => Ok(Severity::Warning),
        Some("critical") => Ok(Severity::Critical),
        _ => bail!("line {at}: `severity` must be \"warning\" or \"critical\""),
    }
}

fn kinds(value: &Spanned<DeValue<'_>>, at: usize) -> Result<std::collections::BTreeSet<String>> {
    let known = detect::kinds();
    let Some(Value::Words(words)) = value_of(value.get_ref()) else {
        bail!("line {at}: `kinds` must be a list of kinds of anomalies, such as [\"stalled\"]");
    };
    for word in &words {
        if !known.contains(&word.as_str()) {
            bail!("line {at}: `{}` is no kind of anomaly{}", printable(word, SHOWN_COLUMNS), nearest(word, &known));
        }
    }
    Ok(words.into_iter().collect())
}

fn value_of(value: &DeValue<'_>) -> Option<Value> {
    match value {
        DeValue::Array(list) => {
            let words: Option<Vec<String>> =
                list.iter().map(|word| Some(word.get_ref().as_str()?.to_owned())).collect();
            words.map(Value::Words)
        }
        other => written(other).map(Value::Text),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::document::Document;

    fn parse(text: &str) -> Result<Document, String> {
        Document::parse(text.as_bytes()).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_sink_has_its_type_its_filter_and_its_own_values() {
        let text = "[[sink]]\ntype = 'command'\nname = 'page'\nseverity = 'critical'\nkinds = ['stalled']\nto = 'db*'\n\
                    port = 5432\ncommand = ['/bin/x', 'a,b']\ntime_limit = '3s'\n[[sink]]\ntype = 'terminal'\n";
        let sinks = parse(text).unwrap().sinks;
        assert_eq!((sinks.len(), sinks[0].name.as_str(), sinks[0].line), (2, "page", 1));
        assert_eq!(sinks[0].words("command"), ["/bin/x", "a,b"]);
        assert_eq!(sinks[0].time("time_limit"), std::time::Duration::from_secs(3));
        assert_eq!(sinks[0].time("backoff"), std::time::Duration::from_secs(1), "the default");
        assert_eq!(sinks[0].filter.call.port, Some(5432.into()));
        assert_eq!(sinks[0].filter.kinds.len(), 1);
    }

    #[test]
    fn what_a_sink_cannot_be_is_refused_with_its_line_and_the_next_step() {
        for (expected, text) in [
            ("line 1: a [[sink]] has no `type`: it must be one of terminal, file", "[[sink]]\nname = 'a'\n"),
            ("line 2: `webhok` is no type of a sink; did you mean `webhook`?", "[[sink]]\ntype = 'webhok'\n"),
            ("line 3: `ulr` is no key of a [[sink]]; did you mean `url`?", "[[sink]]\ntype = 'webhook'\nulr = 'x'\n"),
            ("line 3: a sink of the type file has no key `url`", "[[sink]]\ntype = 'file'\nurl = 'x'\n"),
            ("line 3: `timeout` must be a time", "[[sink]]\ntype = 'webhook'\ntimeout = 'soon'\n"),
            ("line 3: `command` must be a list", "[[sink]]\ntype = 'command'\ncommand = 'rm -rf'\n"),
            (
                "line 3: `stalld` is no kind of anomaly; did you mean `stalled`?",
                "[[sink]]\ntype = 'file'\nkinds = ['stalld']\n",
            ),
            ("line 3: `severity` must be", "[[sink]]\ntype = 'file'\nseverity = 'high'\n"),
            ("line 3: `name` must be 1 to 40", "[[sink]]\ntype = 'file'\nname = '../x'\n"),
            ("line 3: two sinks are called `file`", "[[sink]]\ntype = 'file'\n[[sink]]\ntype = 'file'\n"),
            ("line 3: the pattern `[x` cannot be used", "[[sink]]\ntype = 'file'\nto = '[x'\n"),
        ] {
            let refused = parse(text).unwrap_err();
            assert!(refused.contains(expected), "{refused} is not {expected}");
        }
    }
}
