//! DOT, for Graphviz (<https://graphviz.org/doc/info/lang.html>).
//!
//! Invariant: nodes are named by number, so no name is ever syntax; labels are quoted strings in which `"` and `\` are
//! escaped, and nothing else means anything. Memory: the text.

use super::labels::{self, Shape};
use crate::graph::snapshot::{Call, CallState, GraphSnapshot};
use std::collections::BTreeMap;
use std::fmt::Write as _;

const RED: &str = "#c62828";
const ORANGE: &str = "#e65100";
const GREY: &str = "#546e7a";

/// The graph in DOT.
pub(super) fn render(graph: &GraphSnapshot) -> String {
    let mut text = String::from("digraph calls {\n");
    text.push_str("  graph [rankdir=LR, fontname=\"Helvetica\", fontsize=10, fontcolor=\"#546e7a\", nodesep=0.5, ranksep=1.1, pad=0.3, labelloc=b");
    add(&mut text, format_args!(", label=\"{}\"];\n", quoted(&labels::graph(graph).join("\n"))));
    text.push_str("  node [fontname=\"Helvetica\", fontsize=12, penwidth=1.2, margin=\"0.2,0.1\"];\n");
    text.push_str(
        "  edge [fontname=\"Helvetica\", fontsize=10, color=\"#546e7a\", fontcolor=\"#37474f\", arrowsize=0.8];\n\n",
    );
    let shapes = labels::shapes(graph);
    let mut numbers = BTreeMap::new();
    for (number, service) in graph.services.iter().enumerate() {
        numbers.insert(service.id.as_str(), number);
        let shape = shapes.get(service.id.as_str()).copied().unwrap_or(Shape::Unknown);
        add(&mut text, format_args!("  n{number} [label=\"{}\", {}];\n", quoted(&labels::name(service)), style(shape)));
    }
    text.push('\n');
    for call in &graph.calls {
        if let (Some(from), Some(to)) = (numbers.get(call.from.as_str()), numbers.get(call.to.as_str())) {
            let label = quoted(&labels::call(call).join("\n"));
            add(&mut text, format_args!("  n{from} -> n{to} [label=\"{label}\"{}];\n", line(call)));
        }
    }
    text.push_str("}\n");
    text
}

fn add(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = text.write_fmt(arguments);
}

fn style(shape: Shape) -> &'static str {
    match shape {
        Shape::Program => "shape=box, style=\"rounded,filled\", fillcolor=\"#e3f2fd\", color=\"#1565c0\"",
        Shape::Store => "shape=cylinder, style=filled, fillcolor=\"#fff8e1\", color=\"#ff8f00\"",
        Shape::Outside => "shape=ellipse, style=dashed, color=\"#546e7a\", fontcolor=\"#546e7a\"",
        Shape::Unknown => "shape=box, style=dashed, color=\"#546e7a\", fontcolor=\"#546e7a\"",
    }
}

fn line(call: &Call) -> String {
    let colour = if call.state == CallState::Unexpected {
        RED
    } else if call.anomalies.is_empty() {
        GREY
    } else {
        ORANGE
    };
    match colour {
        GREY => String::new(),
        _ => {
            let dashed = if colour == RED { ", style=dashed" } else { "" };
            format!(", color=\"{colour}\", fontcolor=\"{colour}\", penwidth=2{dashed}")
        }
    }
}

/// The inside of a quoted string. A backslash is written as a character reference: doubled, it would still begin an
/// escape such as `\N` where Graphviz expands labels.
fn quoted(label: &str) -> String {
    let mut text = String::new();
    for character in label.chars() {
        match character {
            '\n' => text.push_str("\\n"),
            '"' => text.push_str("&quot;"),
            '\\' => text.push_str("&#92;"),
            // The labels' own entities are the only ones.
            '&' => text.push_str("&amp;"),
            _ => text.push(character),
        }
    }
    text
}
