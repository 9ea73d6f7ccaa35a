//! What Prometheus is told: as agreed in `golden/`, every metric documented, and whatever the names, no series twice.
//!
//! `TRACER_BLESS=1` rewrites the golden files and docs/metrics.md; the difference is then for the eye.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helper functions too")]

mod graphs;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tracer_core::alert::Account;
use tracer_core::export::metrics::{Exposition, FAMILIES, MOST_CALLS, TextFormat, page, render};
use tracer_core::graph::distribution::{Distribution, Distributions};
use tracer_core::graph::histogram::LatencyHistogram;
use tracer_core::graph::snapshot::GraphSnapshot;
use tracer_core::time::Span;

const FORMATS: [TextFormat; 2] = [TextFormat::Prometheus, TextFormat::OpenMetrics];

fn compare_with(path: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("TRACER_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    assert!(text == golden, "{} is no longer as agreed; if that is meant, TRACER_BLESS=1", path.display());
}

fn exposition(graph: GraphSnapshot) -> Exposition {
    let mut histogram = LatencyHistogram::default();
    [Span::from_micros(90), Span::from_millis(3), Span::from_seconds(40)]
        .iter()
        .for_each(|span| histogram.record(*span));
    let client = Distribution::of(&histogram);
    let distributions = vec![Distributions { client, ..Distributions::default() }; graph.calls.len()];
    let pager = Account {
        raised: 9,
        found: 3,
        delivered: 6,
        failures: 40,
        refused: 1,
        on_disk: 4,
        in_memory: 1,
        ..Account::default()
    };
    assert!(pager.is_balanced());
    Exposition { graph, distributions, firing: 1, sinks: vec![("pager \"a\"".to_owned(), pager)] }
}

/// The series of a text: everything of a line but its value.
fn series(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit_once(' ').unwrap().0).collect()
}

/// The sum of a metric over all its series.
fn sum(text: &str, name: &str) -> f64 {
    let of = |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{'));
    text.lines().filter(|line| of(line)).map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
}

#[test]
fn the_sample_is_as_agreed_in_both_formats() {
    let sample = exposition(graphs::sample());
    compare_with("tests/golden/sample.prom", &render(&sample, TextFormat::Prometheus, MOST_CALLS));
    compare_with("tests/golden/sample.openmetrics", &render(&sample, TextFormat::OpenMetrics, MOST_CALLS));
}

#[test]
fn the_page_in_docs_is_the_one_that_is_made() {
    compare_with("../docs/metrics.md", &page());
}

#[test]
fn every_family_has_its_own_name_and_one_sentence() {
    let names: BTreeSet<&str> = FAMILIES.iter().map(|family| family.name).collect();
    assert_eq!(names.len(), FAMILIES.len());
    assert!(FAMILIES.iter().all(|family| family.help.ends_with('.') && !family.help.contains('\n')));
}

#[test]
fn hostile_names_end_no_line_move_no_cursor_and_make_no_series_twice() {
    let mut graph = graphs::hostile();
    // A name that is written like another one that cannot be written.
    let mut twin = graph.calls[0].clone();
    twin.from = "program:\\u{1b}".to_owned();
    graph.calls[0].from = "program:\u{1b}".to_owned();
    graph.calls.push(twin);
    let requests: u64 = graph.calls.iter().map(|call| call.requests + call.failed_connections).sum();
    let exposition = exposition(graph);
    for format in FORMATS {
        let text = render(&exposition, format, MOST_CALLS);
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
        let all = series(&text);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        let names: BTreeSet<&str> = FAMILIES.iter().map(|family| family.name).collect();
        for line in &all {
            assert!(names.iter().any(|name| line.starts_with(name)), "{line}");
        }
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let expected = requests as f64;
        assert_eq!(sum(&text, "traces_service_graph_request_total"), expected);
    }
}

#[test]
fn calls_beyond_the_cap_are_counted_together_and_those_seen_first_keep_their_series() {
    let mut graph = graphs::sample();
    let mut calls = Vec::new();
    for number in 0..10_u16 {
        let mut call = graph.calls[0].clone();
        call.port = tracer_core::identity::Port::Number(1000 + number);
        // The last one was seen first.
        call.first_seen = format!("2026-01-01T00:00:{:02}.000Z", 59 - number);
        (call.requests, call.failed_connections) = (1 << number, 0);
        calls.push(call);
    }
    graph.calls = calls;
    let exposition = exposition(graph);
    let text = render(&exposition, TextFormat::OpenMetrics, 3);
    let requests: BTreeMap<String, f64> = text
        .lines()
        .filter(|line| line.starts_with("traces_service_graph_request_total"))
        .map(|line| {
            let port = line.split("port=\"").nth(1).unwrap().split('"').next().unwrap();
            (port.to_owned(), line.rsplit_once(' ').unwrap().1.parse().unwrap())
        })
        .collect();
    let expected = [("", 127.0), ("1007", 128.0), ("1008", 256.0), ("1009", 512.0)];
    assert_eq!(requests, expected.map(|(port, count)| (port.to_owned(), count)).into());
    assert!(text.contains("client=\"other\"") && text.contains("\ntracer_calls_folded 7\n"));
}

#[test]
fn a_histogram_ascends_to_its_count_and_openmetrics_ends() {
    let text = render(&exposition(graphs::sample()), TextFormat::OpenMetrics, MOST_CALLS);
    assert!(text.ends_with("\n# EOF\n"));
    let first = text.lines().find(|line| line.contains("client_seconds_bucket")).unwrap();
    let labels = first.split(",le=").next().unwrap();
    let buckets: Vec<u64> = text
        .lines()
        .filter(|line| line.starts_with(labels) && line.contains("_bucket"))
        .map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
        .collect();
    assert_eq!((buckets.first(), buckets.last(), buckets.len()), (Some(&1), Some(&3), 18));
    assert!(buckets.is_sorted());
}
