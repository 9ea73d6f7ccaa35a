//! Mermaid flowcharts (<https://mermaid.js.org/syntax/flowchart.html>).
//!
//! Invariant: nodes are named by number, so no name is ever syntax; labels are quoted, and every character in them
//! that Mermaid or HTML could take for syntax is written as an entity code. Memory: the text.

use super::labels::{self, Shape};
use crate::graph::snapshot::{CallState, GraphSnapshot};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The graph as a Mermaid flowchart.
pub(super) fn render(graph: &GraphSnapshot) -> String {
    let mut text = String::from("graph TD\n");
    for line in labels::graph(graph) {
        add(&mut text, format_args!("  %% {}\n", comment(&line)));
    }
    let shapes = labels::shapes(graph);
    let mut numbers = BTreeMap::new();
    for (number, service) in graph.services.iter().enumerate() {
        numbers.insert(service.id.as_str(), number);
        let name = quoted(&labels::name(service));
        let shape = shapes.get(service.id.as_str()).copied().unwrap_or(Shape::Unknown);
        let (open, close) = match shape {
            Shape::Program => ("(", ")"),
            Shape::Store => ("[(", ")]"),
            Shape::Outside => ("([", "])"),
            Shape::Unknown => ("[", "]"),
        };
        add(&mut text, format_args!("  n{number}{open}\"{name}\"{close}\n"));
    }
    let (mut drawn, mut red, mut orange) = (0_usize, Vec::new(), Vec::new());
    for call in &graph.calls {
        let (Some(from), Some(to)) = (numbers.get(call.from.as_str()), numbers.get(call.to.as_str())) else { continue };
        let label = labels::call(call).iter().map(|line| quoted(line)).collect::<Vec<_>>().join("<br/>");
        let unexpected = call.state == CallState::Unexpected;
        let (start, end) = if unexpected { ("-. ", " .->") } else { ("-- ", " -->") };
        add(&mut text, format_args!("  n{from} {start}\"{label}\"{end} n{to}\n"));
        match (unexpected, call.anomalies.is_empty()) {
            (true, _) => red.push(drawn.to_string()),
            (false, false) => orange.push(drawn.to_string()),
            (false, true) => {}
        }
        drawn += 1;
    }
    for (links, colour) in [(red, "#c62828"), (orange, "#e65100")] {
        if !links.is_empty() {
            add(
                &mut text,
                format_args!("  linkStyle {} stroke:{colour},color:{colour},stroke-width:2px\n", links.join(",")),
            );
        }
    }
    text
}

fn add(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = text.write_fmt(arguments);
}

/// The inside of a quoted label: letters, digits and harmless signs as they are, all else as `#code;`.
fn quoted(label: &str) -> String {
    let mut text = String::new();
    for character in label.chars() {
        let harmless = matches!(character, ' ' | '.' | ',' | ':' | '/' | '_' | '-' | '(' | ')' | '…');
        if character.is_alphanumeric() || harmless {
            text.push(character);
        } else {
            add(&mut text, format_args!("#{};", u32::from(character)));
        }
    }
    text
}

/// The inside of a comment, which ends with its line. Braces would begin a directive.
fn comment(line: &str) -> String {
    line.chars().map(|character| if matches!(character, '{' | '}' | '%') { '_' } else { character }).collect()
}
