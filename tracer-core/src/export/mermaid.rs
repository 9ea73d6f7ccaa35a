//! The graph as a Mermaid flowchart, which GitHub and GitLab draw in Markdown.
//!
//! Invariant: nodes are named `n0`, `n1`, … in the order of the services, so no name from outside is ever syntax; one line
//! for each node and each edge; `linkStyle` numbers are the places of the edge lines. Memory: the text.
//! Limit: Mermaid itself refuses more than 500 edges or 50,000 characters unless its page allows more; DOT has no limit.

use std::fmt::Write as _;
use std::iter;

use super::escape::{quote_mermaid, quote_yaml};
use super::picture::{Arrow, Figure, Mood, Picture, Shape};
use crate::graph::snapshot::GraphSnapshot;

const CLASSES: &str = "    classDef program fill:#ddf4ff,stroke:#0969da,color:#1f2328
    classDef store fill:#dafbe1,stroke:#1a7f37,color:#1f2328
    classDef outside fill:#ffffff,stroke:#6e7781,color:#1f2328,stroke-dasharray:5 4
    classDef vague fill:#f6f8fa,stroke:#6e7781,color:#1f2328,stroke-dasharray:2 3
";

pub(super) fn render(graph: &GraphSnapshot) -> String {
    let picture = Picture::of(graph);
    let mut text = format!("---\ntitle: \"{}\"\n---\ngraph TD\n", title(&picture));
    // Writing to a `String` cannot fail.
    for (place, figure) in picture.figures.iter().enumerate() {
        let (open, close, class) = node_form(figure.shape);
        let _ = writeln!(text, "    n{place}{open}\"{}\"{close}:::{class}", node_label(figure));
    }
    for arrow in &picture.arrows {
        let (open, close) = if arrow.mood == Mood::Unexpected { ("-.", ".->") } else { ("--", "-->") };
        let _ = writeln!(text, "    n{} {open} \"{}\" {close} n{}", arrow.from, edge_label(arrow), arrow.to);
    }
    text.push_str(CLASSES);
    for (mood, style) in [
        (Mood::Unexpected, "stroke:#cf222e,color:#cf222e,stroke-width:2px"),
        (Mood::Anomalous, "stroke:#d9730d,color:#d9730d,stroke-width:2px"),
    ] {
        let places = picture.arrows.iter().enumerate().filter(|(_, arrow)| arrow.mood == mood);
        let places: Vec<String> = places.map(|(place, _)| place.to_string()).collect();
        if !places.is_empty() {
            let _ = writeln!(text, "    linkStyle {} {style}", places.join(","));
        }
    }
    text
}

fn title(picture: &Picture) -> String {
    let mut title = quote_yaml(&format!("{}, {}", picture.host, picture.span));
    if !picture.missing.is_empty() {
        title.push_str(". Incomplete: ");
        title.push_str(&quote_yaml(&picture.missing.join(", ")));
    }
    title
}

fn node_label(figure: &Figure) -> String {
    let name = quote_mermaid(&figure.name);
    match &figure.note {
        Some(note) => format!("{name}<br/>{}", quote_mermaid(note)),
        None => name,
    }
}

const fn node_form(shape: Shape) -> (&'static str, &'static str, &'static str) {
    match shape {
        Shape::Program => ("(", ")", "program"),
        Shape::Store => ("[(", ")]", "store"),
        Shape::Peer => ("([", "])", "outside"),
        Shape::PeerStore => ("[(", ")]", "outside"),
        Shape::Unknown => ("{{", "}}", "vague"),
        Shape::Other => ("[[", "]]", "vague"),
    }
}

fn edge_label(arrow: &Arrow) -> String {
    let lines = iter::once(&arrow.port).chain(&arrow.figures).chain(&arrow.troubles);
    let lines: Vec<String> = lines.map(|line| quote_mermaid(line)).collect();
    let label = lines.join("<br/>");
    if arrow.mood == Mood::Unexpected { format!("unexpected {label}") } else { label }
}
