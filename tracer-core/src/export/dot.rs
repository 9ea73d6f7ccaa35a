//! The graph for Graphviz, read from left to right: `dot -Tsvg graph.dot -o graph.svg`.
//!
//! Invariant: nodes are named `n0`, `n1`, … in the order of the services, so no name from outside is ever syntax; one line
//! for each node and each edge. Labels are HTML-like, for which Graphviz needs expat, as every distribution builds it.
//! Memory: the text.

use std::fmt::Write as _;

use super::escape::quote_dot;
use super::picture::{Arrow, Figure, Mood, Picture, Shape};
use crate::graph::snapshot::GraphSnapshot;

const HEAD: &str = r##"digraph tracer {
  graph [rankdir=LR, bgcolor="#ffffff", pad=0.3, nodesep=0.5, ranksep=0.9, fontname="Helvetica,Arial,sans-serif", fontsize=12, fontcolor="#57606a", labelloc=b, labeljust=l];
  node [fontname="Helvetica,Arial,sans-serif", fontsize=14, fontcolor="#1f2328", penwidth=1.4, margin="0.22,0.12"];
  edge [fontname="Helvetica,Arial,sans-serif", fontsize=11, fontcolor="#57606a", arrowsize=0.8];
"##;

const GREY: &str = "#57606a";

pub(super) fn render(graph: &GraphSnapshot) -> String {
    let picture = Picture::of(graph);
    let mut text = HEAD.to_owned();
    text.push_str("  label=<");
    text.push_str(&caption(&picture));
    text.push_str(">;\n\n");
    // Writing to a `String` cannot fail.
    for (place, figure) in picture.figures.iter().enumerate() {
        let _ = writeln!(text, "  n{place} [label=<{}>, {}];", node_label(figure), node_style(figure.shape));
    }
    text.push('\n');
    for arrow in &picture.arrows {
        let Arrow { from, to, .. } = arrow;
        let _ = writeln!(text, "  n{from} -> n{to} [label=<{}>, {}];", edge_label(arrow), edge_style(arrow));
    }
    text.push_str("}\n");
    text
}

fn caption(picture: &Picture) -> String {
    let mut caption = format!(
        r#"<BR/><B>{}</B>&#160;&#160;{}<BR ALIGN="LEFT"/>"#,
        quote_dot(&picture.host),
        quote_dot(&picture.span)
    );
    if !picture.missing.is_empty() {
        caption.push_str(r##"<FONT COLOR="#bc4c00">Incomplete:</FONT><BR ALIGN="LEFT"/>"##);
    }
    for line in &picture.missing {
        let _ = write!(caption, r##"<FONT COLOR="#bc4c00">{}</FONT><BR ALIGN="LEFT"/>"##, quote_dot(line));
    }
    caption
}

fn node_label(figure: &Figure) -> String {
    let mut label = format!("<B>{}</B>", quote_dot(&figure.name));
    if let Some(note) = &figure.note {
        let _ = write!(label, r#"<BR/><FONT POINT-SIZE="10" COLOR="{GREY}">{}</FONT>"#, quote_dot(note));
    }
    label
}

const fn node_style(shape: Shape) -> &'static str {
    match shape {
        Shape::Program => r##"shape=box, style="rounded,filled", color="#0969da", fillcolor="#ddf4ff""##,
        Shape::Store => r##"shape=cylinder, style="filled", color="#1a7f37", fillcolor="#dafbe1""##,
        Shape::Peer => r##"shape=ellipse, style="dashed,filled", color="#6e7781", fillcolor="#ffffff""##,
        Shape::PeerStore => r##"shape=cylinder, style="dashed,filled", color="#6e7781", fillcolor="#ffffff""##,
        Shape::Unknown => r##"shape=hexagon, style="dotted,filled", color="#6e7781", fillcolor="#f6f8fa""##,
        Shape::Other => r##"shape=box3d, style="filled", color="#6e7781", fillcolor="#f6f8fa""##,
    }
}

fn edge_label(arrow: &Arrow) -> String {
    let mut lines = vec![format!(r##"<FONT COLOR="#1f2328"><B>{}</B></FONT>"##, quote_dot(&arrow.port))];
    let color = line_color(arrow.mood);
    if arrow.mood == Mood::Unexpected {
        lines.insert(0, format!(r#"<FONT COLOR="{color}"><B>unexpected</B></FONT>"#));
    }
    lines.extend(arrow.figures.iter().map(|figure| quote_dot(figure)));
    let trouble_color = if arrow.mood == Mood::Calm { "#cf222e" } else { color };
    lines.extend(
        arrow.troubles.iter().map(|trouble| format!(r#"<FONT COLOR="{trouble_color}">{}</FONT>"#, quote_dot(trouble))),
    );
    // A table of one cell, for the room around the text: labels touch their line otherwise.
    format!(r#"<TABLE BORDER="0" CELLSPACING="0" CELLPADDING="5"><TR><TD>{}</TD></TR></TABLE>"#, lines.join("<BR/>"))
}

fn edge_style(arrow: &Arrow) -> String {
    let color = line_color(arrow.mood);
    let dashed = if arrow.mood == Mood::Unexpected { ", style=dashed" } else { "" };
    format!(r#"color="{color}", penwidth={}{dashed}"#, line_width(arrow))
}

const fn line_color(mood: Mood) -> &'static str {
    match mood {
        Mood::Unexpected => "#cf222e",
        Mood::Anomalous => "#d9730d",
        Mood::Calm => "#57606a",
    }
}

/// The busier, the wider.
fn line_width(arrow: &Arrow) -> &'static str {
    match arrow.requests_per_second {
        rate if rate >= 1_000.0 => "3.0",
        rate if rate >= 100.0 => "2.3",
        rate if rate >= 10.0 => "1.7",
        _ => "1.3",
    }
}
