//! The difference for people, in lines: `+` new, `-` gone, `~` changed.
//!
//! Invariant: names are shown with everything unprintable escaped, so none can break a line or a terminal; without colour
//! the text says the same. Memory: the text.

use super::{Change, Difference, Entries, Side, Value};
use crate::baseline::{Entry, ExpectedCall};
use crate::escape::printable;
use std::fmt::Write as _;
use unicode_width::UnicodeWidthStr as _;

/// Columns of a call's name, and of other names.
const CALL: usize = 100;
const NAME: usize = 60;
/// Columns of an entry.
const ENTRY: usize = 200;
/// Operations that are listed.
const LISTED: usize = 8;

/// Whether the text has colours (ANSI).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    Plain,
    Coloured,
}

#[derive(Clone, Copy)]
enum Mark {
    New,
    Gone,
    Changed,
}

impl Mark {
    fn sign(self) -> char {
        match self {
            Self::New => '+',
            Self::Gone => '-',
            Self::Changed => '~',
        }
    }

    fn colour(self) -> &'static str {
        match self {
            Self::New => "\x1b[32m",
            Self::Gone => "\x1b[31m",
            Self::Changed => "\x1b[33m",
        }
    }
}

/// The difference, in lines.
#[must_use]
pub fn text(difference: &Difference, paint: Paint) -> String {
    let mut out = String::new();
    let names = [&difference.older, &difference.newer].map(|side| printable(&side.name, NAME));
    let width = names.iter().map(|name| name.width()).max().unwrap_or(0);
    for ((word, side), name) in [("before", &difference.older), ("after", &difference.newer)].into_iter().zip(&names) {
        line(&mut out, &format!("{word:<6}  {}  {}", padded(name, width), learned(side)));
    }
    out.push('\n');
    let changed = || difference.changed.iter().map(|changed| &changed.before);
    let all = difference.new.iter().chain(&difference.gone).chain(changed());
    let width = all.map(|call| named(call).width()).max().unwrap_or(0);
    for (mark, calls) in [(Mark::New, &difference.new), (Mark::Gone, &difference.gone)] {
        for call in calls {
            marked(&mut out, mark, &format!("{}  {}", padded(&named(call), width), figures(call)), paint);
        }
    }
    for changed in &difference.changed {
        marked(&mut out, Mark::Changed, &named(&changed.before), paint);
        changed.changes.iter().for_each(|change| line(&mut out, &format!("      {}", told(change))));
    }
    entries(&mut out, "allow", &difference.allow, paint);
    entries(&mut out, "deny", &difference.deny, paint);
    if !difference.is_empty() {
        out.push('\n');
    }
    line(&mut out, &summary(difference));
    out
}

fn summary(difference: &Difference) -> String {
    let [new, gone, changed] = [difference.new.len(), difference.gone.len(), difference.changed.len()];
    let count = |entries: &Entries| entries.new.len() + entries.gone.len();
    let written = count(&difference.allow) + count(&difference.deny);
    let mut text = if difference.is_empty() {
        "no difference".to_owned()
    } else {
        format!("{new} new, {gone} gone, {changed} changed")
    };
    if written > 0 {
        let _ = write!(text, ", {written} {} of allow and deny", if written == 1 { "entry" } else { "entries" });
    }
    let _ = match difference.same {
        1 => write!(text, "; 1 call is as it was"),
        same => write!(text, "; {same} calls are as they were"),
    };
    text
}

fn learned(side: &Side) -> String {
    let learned = &side.learned;
    let [host, from, until] = [&learned.host, &learned.from, &learned.until].map(|text| printable(text, NAME));
    format!("{host}, {from} – {until}, {} s", number(learned.seconds))
}

fn named(call: &ExpectedCall) -> String {
    printable(&call.key().to_string(), CALL)
}

fn figures(call: &ExpectedCall) -> String {
    let mut text = format!("{} req/s", number(call.requests_per_second));
    if let Some(mean) = call.mean_ms {
        let _ = write!(text, ", mean {} ms", number(mean));
    }
    if let Some(rate) = call.error_rate.filter(|rate| *rate > 0.0) {
        let _ = write!(text, ", {} % errors", number(rate * 100.0));
    }
    text
}

fn told(change: &Change) -> String {
    let (word, unit, factor) = match change.figure {
        "requests_per_second" => ("rate", " req/s", 1.0),
        "mean_ms" => ("mean", " ms", 1.0),
        "p99_ms" => ("p99", " ms", 1.0),
        "error_rate" => ("errors", " %", 100.0),
        other => (other, "", 1.0),
    };
    if let (Value::Operations(gone), Value::Operations(new)) = (&change.before, &change.after) {
        return format!("{word:<10}  {}", operations(gone, new));
    }
    let shown = |value: &Value| match value {
        Value::Figure(figure) => number(figure * factor),
        Value::Port(port) => printable(&port.to_string(), NAME),
        Value::Protocol(protocol) => printable(protocol, NAME),
        Value::Operations(_) => String::new(),
    };
    let both = format!("{} → {}{unit}", shown(&change.before), shown(&change.after));
    match change.margin {
        Some(margin) => format!("{word:<10}  {both}  (may differ by {}{unit})", number(margin * factor)),
        None => format!("{word:<10}  {both}"),
    }
}

fn operations(gone: &[String], new: &[String]) -> String {
    let signed = |sign: char, names: &[String]| -> Vec<String> {
        names.iter().map(|name| format!("{sign} {}", printable(name, NAME))).collect()
    };
    let all: Vec<String> = signed('+', new).into_iter().chain(signed('-', gone)).collect();
    let more = all.len().saturating_sub(LISTED);
    let mut text = all.into_iter().take(LISTED).collect::<Vec<_>>().join(", ");
    if more > 0 {
        let _ = write!(text, ", {more} more");
    }
    text
}

fn entries(out: &mut String, list: &str, entries: &Entries, paint: Paint) {
    for (mark, entries) in [(Mark::New, &entries.new), (Mark::Gone, &entries.gone)] {
        for entry in entries {
            marked(out, mark, &format!("{list:<5}  {}", written(entry)), paint);
        }
    }
}

fn written(entry: &Entry) -> String {
    printable(&serde_json::to_string(entry).unwrap_or_default(), ENTRY)
}

/// Three digits that count, or all before the point.
pub(super) fn number(figure: f64) -> String {
    match figure.abs() {
        0.0 => "0".to_owned(),
        small if small < 0.001 => "<0.001".to_owned(),
        small if small < 1.0 => format!("{figure:.3}"),
        small if small < 10.0 => format!("{figure:.2}"),
        small if small < 100.0 => format!("{figure:.1}"),
        _ => format!("{figure:.0}"),
    }
}

/// Filled with blanks to a width in columns.
fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(text.width())))
}

fn marked(out: &mut String, mark: Mark, text: &str, paint: Paint) {
    let (on, off) = match paint {
        Paint::Plain => ("", ""),
        Paint::Coloured => (mark.colour(), "\x1b[0m"),
    };
    line(out, &format!("{on}{} {}{off}", mark.sign(), text.trim_end()));
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}
