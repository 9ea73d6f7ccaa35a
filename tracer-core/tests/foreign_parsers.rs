//! The real Graphviz and the real Mermaid read what the exporters write, and see exactly what the graph holds.
//!
//! Graphviz is the program `dot`. Mermaid runs in node, its modules in `TRACER_NODE_MODULES` or else in
//! `target/node/node_modules`: `npm install --prefix target/node mermaid@… jsdom@…` with the versions of
//! `mermaid/package.json`. Where a tool is missing, a test says `SKIPPED` and passes; with `CI` set, it fails.
#![expect(clippy::print_stdout, reason = "a skipped test says so")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helper functions too")]

mod graphs;

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use roxmltree::{Document, Node, ParsingOptions};
use serde::Deserialize;
use tracer_core::baseline::{Baseline, Difference, difference};
use tracer_core::export::Format;
use tracer_core::graph::snapshot::{Call, GraphSnapshot};

/// What a foreign tool drew; a label has a line for each line of the picture.
#[derive(Debug, Deserialize)]
struct Drawing {
    nodes: usize,
    edges: usize,
    node_labels: Vec<String>,
    edge_labels: Vec<String>,
    /// Links, scripts, images and handlers: a picture of a graph has none.
    active: usize,
}

fn skip(what: &str, install: &str) {
    assert!(std::env::var_os("CI").is_none(), "{what} is missing, and CI must not skip: {install}");
    println!("SKIPPED: {what} is missing: {install}");
}

/// The standard output of `command` for `input`, or `None` where there is no such program.
fn output(command: &mut Command, input: &str) -> Option<String> {
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = match spawned {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        spawned => spawned.unwrap(),
    };
    // Both tools read all of their input before they write; a tool that gives up early tells why on standard error.
    let written = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && complaints.is_empty(), "{command:?} complains: {complaints}");
    written.unwrap();
    Some(String::from_utf8(output.stdout).unwrap())
}

fn drawn_by_graphviz(graph: &GraphSnapshot) -> Option<Drawing> {
    let Some(svg) = output(Command::new("dot").arg("-Tsvg"), &Format::Dot.render(graph)) else {
        skip("Graphviz", "apt-get install graphviz");
        return None;
    };
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(&svg, options).unwrap();
    let labels = |class: &str| -> Vec<String> {
        let of_class = document.descendants().filter(|node| node.attribute("class") == Some(class));
        let mut groups: Vec<_> = of_class.collect();
        groups.sort_by_key(|group| place(*group));
        groups.into_iter().map(lines).collect()
    };
    let (node_labels, edge_labels) = (labels("node"), labels("edge"));
    let active = |node: &Node<'_, '_>| matches!(node.tag_name().name(), "a" | "script" | "image");
    Some(Drawing {
        nodes: node_labels.len(),
        edges: edge_labels.len(),
        node_labels,
        edge_labels,
        active: document.descendants().filter(active).count(),
    })
}

/// The number in a node's title, `n12`: Graphviz draws nodes where an edge first names them.
fn place(group: Node<'_, '_>) -> Option<u32> {
    let title = group.children().find(|child| child.tag_name().name() == "title")?;
    title.text()?.strip_prefix('n')?.parse().ok()
}

fn lines(group: Node<'_, '_>) -> String {
    let texts = group.descendants().filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "text")));
    // Graphviz draws each space as one that does not break.
    let texts: Vec<String> = texts.filter_map(|node| node.text()).map(|text| text.replace('\u{a0}', " ")).collect();
    texts.join("\n")
}

fn drawn_by_mermaid(graph: &GraphSnapshot) -> Option<Drawing> {
    read_by_mermaid(&Format::Mermaid.render(graph))
}

fn read_by_mermaid(text: &str) -> Option<Drawing> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let modules =
        std::env::var_os("TRACER_NODE_MODULES").map_or_else(|| here.join("../target/node/node_modules"), PathBuf::from);
    if !(modules.join("mermaid").is_dir() && modules.join("jsdom").is_dir()) {
        skip("Mermaid", "npm install the packages of tests/mermaid/package.json, name them in TRACER_NODE_MODULES");
        return None;
    }
    let modules = modules.canonicalize().unwrap();
    let mut node = Command::new("node");
    node.arg(here.join("tests/mermaid/check.mjs")).arg(modules);
    let Some(seen) = output(&mut node, text) else {
        skip("node", "install Node.js 20 or later");
        return None;
    };
    Some(serde_json::from_str(&seen).unwrap())
}

fn assert_same(drawing: &Drawing, graph: &GraphSnapshot, nodes: usize) {
    assert_eq!((drawing.nodes, drawing.edges, drawing.active), (nodes, graph.calls.len(), 0));
    assert_eq!((drawing.node_labels.len(), drawing.edge_labels.len()), (nodes, graph.calls.len()));
    let mut compared = 0;
    for (service, label) in graph.services.iter().zip(&drawing.node_labels) {
        // The others are shown escaped or cut, as `export/escape.rs` tests.
        let shown_as_is = |c: char| c == ' ' || c.is_ascii_graphic();
        if service.name.len() <= 64 && !service.name.trim().is_empty() && service.name.chars().all(shown_as_is) {
            assert_eq!(label.lines().next(), Some(service.name.as_str()));
            compared += 1;
        }
    }
    assert!(compared * 2 > graph.services.len(), "too few names were compared: {compared}");
}

#[test]
fn graphviz_draws_the_sample() {
    let graph = graphs::sample();
    if let Some(drawing) = drawn_by_graphviz(&graph) {
        assert_same(&drawing, &graph, graph.services.len());
        assert_eq!(drawing.edge_labels.iter().filter(|label| label.contains("unexpected")).count(), 1);
    }
}

#[test]
fn graphviz_draws_hostile_names_as_names() {
    let graph = graphs::hostile();
    if let Some(drawing) = drawn_by_graphviz(&graph) {
        assert_same(&drawing, &graph, graph.services.len() + 1);
    }
}

#[test]
fn mermaid_draws_the_sample() {
    let graph = graphs::sample();
    if let Some(drawing) = drawn_by_mermaid(&graph) {
        assert_same(&drawing, &graph, graph.services.len());
        assert_eq!(drawing.edge_labels.iter().filter(|label| label.contains("unexpected")).count(), 1);
    }
}

#[test]
fn mermaid_draws_hostile_names_as_names() {
    let graph = graphs::hostile();
    if let Some(drawing) = drawn_by_mermaid(&graph) {
        assert_same(&drawing, &graph, graph.services.len() + 1);
    }
}

/// All calls of a graph but each third, of which some have changed, as the difference of two baselines.
fn difference(graph: &GraphSnapshot) -> Difference {
    let call = |place: usize, call: &Call| {
        serde_json::json!({
            "from": call.from, "to": call.to, "port": call.port, "transport": call.transport,
            "protocol": if place.is_multiple_of(2) { "http" } else { "h2" }, "requests": 1, "requests_per_second": 1.0,
            "mean_ms": null, "p99_ms": null, "error_rate": null, "samples": 0,
        })
    };
    let baseline = |left_out: usize, shift: usize| {
        let calls = graph.calls.iter().enumerate().filter(|(place, _)| place % 3 != left_out);
        let calls: Vec<_> = calls.map(|(place, it)| call(place + shift * usize::from(place % 3 == 2), it)).collect();
        let learned = serde_json::json!({"host": "a", "from": "", "until": "", "seconds": 1.0, "calls_left_out": 0});
        let file = serde_json::json!({"schema": "tracer.baseline/1", "learned": learned, "calls": calls});
        Baseline::parse(file.to_string().as_bytes()).unwrap()
    };
    Difference::of((&graph.host, &baseline(0, 0)), ("new.json", &baseline(1, 1)), true)
}

#[test]
fn mermaid_draws_the_difference_of_two_baselines_with_any_names() {
    for graph in [graphs::sample(), graphs::hostile()] {
        let difference = difference(&graph);
        let all = [difference.new.len(), difference.gone.len(), difference.changed.len()];
        assert!(all.iter().all(|count| *count > 0), "{all:?}");
        let Some(drawing) = read_by_mermaid(&difference::mermaid(&difference)) else { return };
        assert_eq!((drawing.edges, drawing.active), (all.iter().sum(), 0));
        for (word, count) in ["new", "gone", "changed"].into_iter().zip(all) {
            let labels = drawing.edge_labels.iter().filter(|label| label.starts_with(word));
            assert_eq!(labels.count(), count, "{word}");
        }
    }
}

#[test]
fn mermaid_draws_no_difference() {
    let baseline = Baseline::learn(&graphs::sample()).unwrap();
    let difference = Difference::of(("a", &baseline), ("b", &baseline), true);
    if let Some(drawing) = read_by_mermaid(&difference::mermaid(&difference)) {
        assert_eq!((drawing.nodes, drawing.edges), (1, 0));
    }
}
