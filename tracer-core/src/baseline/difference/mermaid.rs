//! The difference as a Mermaid flowchart, which GitHub and GitLab draw in Markdown: new calls green, gone ones red and
//! dashed, changed ones amber. Calls that are as they were are not drawn.
//!
//! Invariant: nodes are named `n0`, `n1`, … in the order of the service ids, so no name from outside is ever syntax; what
//! the colours say is said in words too. Memory: the text. Limit: Mermaid refuses more than 500 edges.

use super::{Change, Difference, Value};
use crate::baseline::ExpectedCall;
use crate::export::escape::{quote_mermaid, quote_yaml, visible};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// What an arrow says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    New,
    Gone,
    Changed,
}

impl Mood {
    const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::New, "new", "stroke:#1a7f37,color:#1a7f37,stroke-width:2px"),
        (Self::Gone, "gone", "stroke:#cf222e,color:#cf222e,stroke-width:2px,stroke-dasharray:5 4"),
        (Self::Changed, "changed", "stroke:#bf8700,color:#bf8700,stroke-width:2px"),
    ];
}

/// The difference as Mermaid.
#[must_use]
pub fn mermaid(difference: &Difference) -> String {
    let side = |name: &str| quote_yaml(&visible(name));
    let title = format!("{} → {}", side(&difference.older.name), side(&difference.newer.name));
    let mut text = format!("---\ntitle: \"{title}\"\n---\ngraph LR\n");
    let arrows = arrows(difference);
    let ids: BTreeSet<&str> = arrows.iter().flat_map(|(_, call, _)| [call.from.as_str(), call.to.as_str()]).collect();
    // Writing to a `String` cannot fail.
    for (place, id) in ids.iter().enumerate() {
        let name = id.split_once(':').map_or(*id, |(_, name)| name);
        let _ = writeln!(text, "    n{place}(\"{}\")", quote_mermaid(&visible(name)));
    }
    if ids.is_empty() {
        let _ = writeln!(text, "    none(\"no call is new, gone or changed\")");
    }
    let places: BTreeMap<&str, usize> = ids.iter().enumerate().map(|(place, id)| (*id, place)).collect();
    let place = |id: &str| places.get(id).copied().unwrap_or(0);
    for (mood, call, changes) in &arrows {
        let (open, close) = if *mood == Mood::Gone { ("-.", ".->") } else { ("--", "-->") };
        let word = Mood::ALL.iter().find(|(other, ..)| other == mood).map_or("", |(_, word, _)| word);
        let (from, to) = (place(&call.from), place(&call.to));
        let _ = writeln!(text, "    n{from} {open} \"{}\" {close} n{to}", label(word, call, changes));
    }
    for (mood, _, style) in Mood::ALL {
        let places = arrows.iter().enumerate().filter(|(_, (other, ..))| *other == mood);
        let places: Vec<String> = places.map(|(place, _)| place.to_string()).collect();
        if !places.is_empty() {
            let _ = writeln!(text, "    linkStyle {} {style}", places.join(","));
        }
    }
    text
}

fn arrows(difference: &Difference) -> Vec<(Mood, &ExpectedCall, &[Change])> {
    let plain = |mood| move |call| (mood, call, [].as_slice());
    let new = difference.new.iter().map(plain(Mood::New));
    let gone = difference.gone.iter().map(plain(Mood::Gone));
    let changed = difference.changed.iter().map(|it| (Mood::Changed, &it.before, it.changes.as_slice()));
    new.chain(gone).chain(changed).collect()
}

fn label(word: &str, call: &ExpectedCall, changes: &[Change]) -> String {
    let transport = if call.transport == "tcp" { String::new() } else { format!("/{}", call.transport) };
    let place = quote_mermaid(&visible(&format!(":{}{transport}", call.port)));
    let mut label = format!("{word} {place}");
    for change in changes {
        let _ = write!(label, "<br/>{}", quote_mermaid(&visible(&told(change))));
    }
    label
}

fn told(change: &Change) -> String {
    match (&change.before, &change.after) {
        (Value::Figure(before), Value::Figure(after)) => {
            let (name, factor, unit) = match change.figure {
                "requests_per_second" => ("rate", 1.0, "req/s"),
                "mean_ms" => ("mean", 1.0, "ms"),
                "p99_ms" => ("p99", 1.0, "ms"),
                _ => ("errors", 100.0, "%"),
            };
            let [before, after] = [before, after].map(|figure| super::text::number(figure * factor));
            format!("{name} {before} → {after} {unit}")
        }
        (Value::Port(before), Value::Port(after)) => format!("port {before} → {after}"),
        (Value::Protocol(before), Value::Protocol(after)) => format!("{before} → {after}"),
        (Value::Operations(gone), Value::Operations(new)) => {
            format!("operations: {} new, {} gone", new.len(), gone.len())
        }
        _ => change.figure.to_owned(),
    }
}
