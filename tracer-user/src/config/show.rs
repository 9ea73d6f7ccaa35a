//! The configuration as a table: every key, its value, where that comes from, and what it means.
//!
//! Invariant: nothing is left out, not even what is not set. Memory: one text.

use super::{Configuration, keys};
use crate::sink::alerts::settings::SinkSettings;
use std::fmt::Write as _;
use tracer_core::alert::Filter;
use tracer_core::detect::{CallRule, Severity};
use tracer_core::escape::printable;

/// Columns of a value.
const VALUE_COLUMNS: usize = 60;

/// The table.
pub(crate) fn table(configuration: &Configuration) -> String {
    let mut rows = vec![["KEY", "VALUE", "ORIGIN", "MEANING"].map(str::to_owned)];
    for key in keys::keys() {
        let set = configuration.values.get(&key.path());
        let value = set.map_or_else(|| "–".to_owned(), |setting| printable(&setting.text, VALUE_COLUMNS));
        let origin = set.map_or_else(|| "default".to_owned(), |setting| setting.origin.to_string());
        rows.push([key.path(), value, origin, key.about.to_owned()]);
    }
    let place = |lines: &[usize], number: usize| {
        let file = configuration.path.as_ref().map(|path| printable(&path.to_string_lossy(), 120));
        match (file, lines.get(number)) {
            (Some(file), Some(line)) => format!("{file}:{line}"),
            _ => "the tape".to_owned(),
        }
    };
    for (number, rule) in configuration.policy.calls().iter().enumerate() {
        rows.push([
            format!("call {}", number + 1),
            of_call(rule),
            place(&configuration.call_lines, number),
            String::new(),
        ]);
    }
    for (number, line) in configuration.service_lines.iter().enumerate() {
        let json = serde_json::to_value(&configuration.rules).unwrap_or_default();
        let name = json.get(number).and_then(|rule| rule.get("name")?.as_str().map(str::to_owned)).unwrap_or_default();
        let value = printable(&name, VALUE_COLUMNS);
        rows.push([format!("service {}", number + 1), value, place(&[*line], 0), String::new()]);
    }
    for (number, sink) in configuration.sinks.iter().enumerate() {
        let value = printable(&of_sink(sink), 2 * VALUE_COLUMNS);
        rows.push([format!("sink {}", number + 1), value, place(&[sink.line], 0), String::new()]);
    }
    let [first, second, third] = [0, 1, 2].map(|column| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    });
    let mut text = String::new();
    for [key, value, origin, meaning] in rows {
        let line = format!("{key:<first$}  {value:<second$}  {origin:<third$}  {meaning}");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// No value of a sink is shown but what it is told of: a URL may be a secret, and so may an argument of a command.
fn of_sink(sink: &SinkSettings) -> String {
    let Filter { kinds, severity, call } = &sink.filter;
    let kinds = (!kinds.is_empty()).then(|| kinds.iter().map(String::as_str).collect::<Vec<_>>().join(" "));
    let severity = severity.filter(|severity| *severity == Severity::Critical).map(|_| "critical only".to_owned());
    let call = (*call != CallRule::default()).then(|| conditions(call));
    let set = sink.values.keys().map(|key| (*key).to_owned());
    let set = Some(set.collect::<Vec<_>>().join(" ")).filter(|set| !set.is_empty()).map(|set| format!("sets {set}"));
    let parts: Vec<String> = [severity, kinds, call, set].into_iter().flatten().collect();
    format!("{} {}: {}", sink.kind.name, sink.name, parts.join("; "))
}

fn of_call(rule: &CallRule) -> String {
    let limits: Vec<String> = rule.limits.iter().map(|(name, value)| format!("{name} {value}")).collect();
    printable(&format!("{}: {}", conditions(rule), limits.join(", ")), 2 * VALUE_COLUMNS)
}

fn conditions(rule: &CallRule) -> String {
    let side = |name: &str, value: Option<String>| value.map(|value| format!("{name} {value}"));
    let conditions = [
        side("from", rule.from.as_ref().map(ToString::to_string)),
        side("to", rule.to.as_ref().map(ToString::to_string)),
        side("port", rule.port.as_ref().map(ToString::to_string)),
        side("transport", rule.transport.clone()),
    ];
    let conditions: Vec<String> = conditions.into_iter().flatten().collect();
    if conditions.is_empty() { "all".to_owned() } else { conditions.join(", ") }
}
