//! What the exporters write: as agreed in `golden/`, and whatever the names, whole, printable and one line for each thing.
//!
//! `TRACER_BLESS=1` rewrites the golden files; the difference is then for the eye.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helper functions too")]

mod graphs;

use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::*;
use tracer_core::export::Format;
use tracer_core::graph::snapshot::{CallState, GraphSnapshot, ServiceKind};

const FORMATS: [Format; 3] = [Format::Dot, Format::Mermaid, Format::Json];

fn compare_with_golden(name: &str) {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let rendered = Format::from_path(&path).unwrap().render(&graphs::sample());
    if std::env::var_os("TRACER_BLESS").is_some() {
        std::fs::write(&path, &rendered).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    assert!(rendered == golden, "{name} is no longer as agreed; if that is meant, run this test with TRACER_BLESS=1");
}

/// Lines that declare a node, and lines that declare an edge: `n0…` alone and `n0 … n1`.
fn node_and_edge_lines(text: &str, arrows: &[&str]) -> (usize, usize) {
    let declares = |line: &&str| {
        let line = line.trim_start();
        line.strip_prefix('n').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let is_edge = |line: &&str| {
        let after_name = line.trim_start().trim_start_matches(|c: char| c.is_ascii_alphanumeric());
        arrows.iter().any(|arrow| after_name.starts_with(arrow))
    };
    let (edges, nodes): (Vec<_>, Vec<_>) = text.lines().filter(declares).partition(is_edge);
    (nodes.len(), edges.len())
}

fn assert_whole_and_printable(graph: &GraphSnapshot, nodes: usize) {
    for format in FORMATS {
        let text = format.render(graph);
        let unseen = text.chars().find(|c| {
            (c.is_control() && *c != '\n')
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
        });
        assert_eq!(unseen, None, "{format:?}");
        assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{format:?}");
    }
    let expected = (nodes, graph.calls.len());
    assert_eq!(node_and_edge_lines(&Format::Dot.render(graph), &[" -> "]), expected);
    assert_eq!(node_and_edge_lines(&Format::Mermaid.render(graph), &[" -- ", " -. "]), expected);
    assert_eq!(&serde_json::from_str::<GraphSnapshot>(&Format::Json.render(graph)).unwrap(), graph);
}

#[test]
fn the_sample_as_dot_is_as_agreed() {
    compare_with_golden("sample.dot");
}

#[test]
fn the_sample_as_mermaid_is_as_agreed() {
    compare_with_golden("sample.mmd");
}

#[test]
fn the_sample_as_json_is_as_agreed() {
    compare_with_golden("sample.json");
}

#[test]
fn hostile_names_stay_names_and_an_id_without_a_service_is_a_node() {
    let graph = graphs::hostile();
    assert_whole_and_printable(&graph, graph.services.len() + 1);
}

#[test]
fn names_that_differ_only_beyond_the_cut_stay_two_nodes() {
    let name = |end| format!("{}{end}", "x".repeat(4_096));
    let service = |end| graphs::service(&name(end), ServiceKind::Program, 1);
    let call = graphs::call(&name("a"), &name("b"), 80, CallState::Expected, 1.0, 1.0);
    let graph = graphs::graph(vec![service("a"), service("b")], vec![call]);
    assert_whole_and_printable(&graph, 2);
    assert!(Format::Dot.render(&graph).contains("n0 -> n1 "));
    assert!(Format::Mermaid.render(&graph).contains("n0 -- "));
}

#[test]
fn an_empty_graph_is_a_valid_file() {
    assert_whole_and_printable(&graphs::graph(vec![], vec![]), 0);
}

#[test]
fn a_complete_graph_says_nothing_of_what_is_missing() {
    let graph = graphs::graph(vec![], vec![]);
    for format in [Format::Dot, Format::Mermaid] {
        assert!(!format.render(&graph).contains("Incomplete:"));
        assert!(format.render(&graphs::sample()).contains("Incomplete:"));
    }
}

fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        prop::sample::select(graphs::hostile_names()),
        "[\\x00-\\x7f\u{80}-\u{9f}\u{200b}-\u{2069}]{0,80}",
    ]
}

proptest! {
    #[test]
    fn any_names_give_printable_text_with_a_line_for_each_node_and_edge(
        names in vec(any_name(), 1..8),
        ends in vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u16>(), 0..3_usize), 0..12),
        host in any_name(),
    ) {
        let kinds = [
            ServiceKind::Program,
            ServiceKind::Peer,
            ServiceKind::Unknown,
            ServiceKind::Other,
            ServiceKind::Service,
            ServiceKind::Container,
            ServiceKind::Pod,
            ServiceKind::Unit,
        ];
        let states = [CallState::Expected, CallState::Unexpected, CallState::Unjudged];
        let services: Vec<_> =
            names.iter().zip(kinds.iter().cycle()).map(|(name, kind)| graphs::service(name, *kind, 2)).collect();
        let calls = ends.iter().map(|(from, to, port, state)| {
            graphs::call(from.get::<String>(&names), to.get::<String>(&names), *port, states[*state], 1.0, 1.0)
        });
        let mut graph = graphs::graph(services, calls.collect());
        graph.host = host;
        assert_whole_and_printable(&graph, names.len());
    }
}
