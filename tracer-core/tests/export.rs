//! Exporters: their bytes, and whether the programs that read them agree.
//!
//! Invariant: the readers are the real ones, Graphviz and Mermaid; where one is missing the test says so, and fails in
//! CI. Memory: a few graphs.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test ends by panicking")]

use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::process::Command;
use tracer_core::export::{Format, parse};
use tracer_core::graph::snapshot::{
    Anomaly, Call, CallState, Completeness, Degradation, ErrorsByKind, GraphSnapshot, Latency, SCHEMA, Service,
    ServiceKind,
};

/// Names that would be syntax somewhere.
const HOSTILE: [&str; 16] = [
    "\x1b[2J\x1b]8;;http://x\x07",
    "line\r\nbreak",
    "bell\x07\u{85}\u{9b}",
    "\u{202e}txt.exe\u{2066}",
    "\"];click n0 \"javascript:alert(1)\"",
    "a --> b",
    "</script><script>",
    "${HOME} `id`",
    "#quot; &quot; &#34;",
    "%% comment",
    "end",
    "\\N \\G \\\"",
    "subgraph x; direction LR",
    "<b>bold</b><br/>",
    "日本語 é ü",
    "\u{200b}\u{feff}",
];

fn service(name: &str, kind: ServiceKind) -> Service {
    Service { id: format!("program:{name}"), name: name.to_owned(), kind, instances: Vec::new() }
}

fn call(from: &str, to: &str, port: u16, state: CallState) -> Call {
    let latency = Latency { mean: 1.25, p50: 1.0, p90: 2.0, p99: 3.25, max: 7.5, samples: 1200, estimated: true };
    Call {
        from: format!("program:{from}"),
        to: format!("program:{to}"),
        port,
        transport: "tcp".to_owned(),
        protocol: None,
        state,
        first_seen: "2026-01-02T03:04:05.000Z".to_owned(),
        connections: 4,
        failed_connections: 0,
        open_connections: 4,
        requests: 1200,
        errors: 0,
        errors_by_kind: ErrorsByKind::default(),
        error_rate: Some(0.0),
        requests_per_second: Some(120.0),
        latency_ms: Some(latency),
        server_latency_ms: None,
        wait_ms: None,
        recent_latency_ms: None,
        bytes_sent: 120_000,
        bytes_received: 360_000,
        in_flight: 0,
        oldest_in_flight_ms: None,
        anomalies: Vec::new(),
    }
}

fn graph(services: Vec<Service>, calls: Vec<Call>) -> GraphSnapshot {
    GraphSnapshot {
        schema: SCHEMA.to_owned(),
        host: "host".to_owned(),
        from: "2026-01-02T03:04:00.000Z".to_owned(),
        until: "2026-01-02T03:05:00.000Z".to_owned(),
        window_seconds: 10.0,
        completeness: Completeness::default(),
        services,
        calls,
    }
}

/// Every kind of service, call and remark.
fn sample() -> GraphSnapshot {
    let program = |name: &str| service(name, ServiceKind::Program);
    let mut services = ["api.py", "load.py", "nginx", "postgres", "psql", "redis-server"].map(program).to_vec();
    services.push(Service { id: "peer:203.0.113.7".to_owned(), ..service("203.0.113.7", ServiceKind::Peer) });
    let mut slow = call("api.py", "redis-server", 6379, CallState::Expected);
    slow.anomalies.push(Anomaly {
        kind: "latency-p99".to_owned(),
        observed: Some(2003.0),
        limit: Some(1000.0),
        message: "p99 2.00 s, limit 1 s".to_owned(),
    });
    slow.errors = 2;
    let outside = Call { to: "peer:203.0.113.7".to_owned(), ..call("api.py", "", 443, CallState::Expected) };
    let calls = vec![
        outside,
        call("api.py", "postgres", 5432, CallState::Expected),
        slow,
        call("load.py", "nginx", 8080, CallState::Unjudged),
        call("nginx", "api.py", 9000, CallState::Expected),
        call("psql", "postgres", 5432, CallState::Unexpected),
    ];
    let mut graph = graph(services, calls);
    graph.completeness.records_lost = 7;
    let degradation = Degradation { name: "hook x is not attached".to_owned(), reason: "no such hook".to_owned() };
    graph.completeness.degraded.push(degradation);
    graph
}

/// A call from each name to the next.
fn named(names: &[String]) -> GraphSnapshot {
    let services = names.iter().map(|name| service(name, ServiceKind::Program)).collect();
    let pairs = names.iter().zip(names.iter().cycle().skip(1));
    let state = |number: usize| if number.is_multiple_of(2) { CallState::Unexpected } else { CallState::Expected };
    let calls = pairs.enumerate().map(|(number, (from, to))| call(from, to, 80, state(number))).collect();
    graph(services, calls)
}

fn hostile() -> GraphSnapshot {
    let mut names: Vec<String> = HOSTILE.map(str::to_owned).to_vec();
    // Two that differ only behind the cut.
    names.extend(["x".repeat(4096), "x".repeat(4095) + "y"]);
    named(&names)
}

fn render(graph: &GraphSnapshot, ending: &str) -> String {
    Format::from_path(Path::new(&format!("graph.{ending}"))).unwrap().render(graph)
}

/// Compares with the golden file, or writes it with `TRACER_BLESS=1`.
fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("TRACER_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{name} differs; TRACER_BLESS=1 accepts it");
}

#[test]
fn the_sample_is_exported_as_before() {
    for ending in ["dot", "mmd", "json"] {
        golden(&format!("sample.{ending}"), &render(&sample(), ending));
    }
}

#[test]
fn what_is_unexpected_is_dashed_in_dot_and_dotted_and_labelled_in_mermaid() {
    let dot = render(&sample(), "dot");
    let unexpected: Vec<&str> =
        dot.lines().filter(|line| line.contains("style=dashed") && line.contains("->")).collect();
    assert!(matches!(unexpected.as_slice(), [one] if one.contains("unexpected")), "{unexpected:?}");
    let mermaid = render(&sample(), "mmd");
    let dotted: Vec<&str> = mermaid.lines().filter(|line| line.contains(".->")).collect();
    assert!(matches!(dotted.as_slice(), [one] if one.contains("unexpected")), "{dotted:?}");
}

#[test]
fn json_is_read_back_as_it_was_written_and_another_schema_is_refused() {
    assert_eq!(parse(render(&hostile(), "json").as_bytes()).unwrap(), hostile());
    let foreign = GraphSnapshot { schema: "tracer.graph/2".to_owned(), ..sample() };
    assert!(parse(render(&foreign, "json").as_bytes()).unwrap_err().to_string().contains("tracer.graph/2"));
}

fn nodes_and_edges(graph: &GraphSnapshot) -> (usize, usize) {
    (graph.services.len(), graph.calls.len())
}

/// Says that a test could not run; in CI that is a failure.
fn skipped(what: &str) {
    assert!(std::env::var_os("CI").is_none(), "{what} is missing; run: cargo xtask setup --tests");
    println!("SKIPPED: {what} is missing");
}

fn scratch(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("tracer-export-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}

#[test]
fn graphviz_draws_every_node_and_edge_whatever_the_names() {
    for (name, graph) in [("sample.dot", sample()), ("hostile.dot", hostile())] {
        let file = scratch(name);
        std::fs::write(&file, render(&graph, "dot")).unwrap();
        let Ok(output) = Command::new("dot").arg("-Tsvg").arg(&file).output() else { return skipped("dot") };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let svg = String::from_utf8(output.stdout).unwrap();
        let drawn = (svg.matches("class=\"node\"").count(), svg.matches("class=\"edge\"").count());
        assert_eq!(drawn, nodes_and_edges(&graph));
        assert!(!svg.contains("<script") && !svg.contains("xlink:href"));
    }
}

#[test]
fn mermaid_parses_every_node_and_edge_whatever_the_names() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let modules =
        std::env::var_os("TRACER_NODE_MODULES").map_or_else(|| root.join("../target/node/node_modules"), PathBuf::from);
    if !modules.join("mermaid").is_dir() {
        return skipped("the npm package mermaid");
    }
    let graphs = [sample(), hostile()];
    let files = ["sample.mmd", "hostile.mmd"].map(scratch);
    for (graph, file) in graphs.iter().zip(&files) {
        std::fs::write(file, render(graph, "mmd")).unwrap();
    }
    let check = root.join("tests/mermaid/check.mjs");
    let modules = modules.canonicalize().unwrap();
    let Ok(output) = Command::new("node").arg(check).arg(modules).args(&files).output() else { return skipped("node") };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let counted = String::from_utf8(output.stdout).unwrap();
    let expected: String =
        graphs.iter().map(nodes_and_edges).map(|(nodes, edges)| format!("{nodes} {edges}\n")).collect();
    assert_eq!(counted, expected);
}

proptest! {
    #[test]
    fn no_name_adds_a_line_or_a_control_character(names in proptest::collection::btree_set(any::<String>(), 1..6)) {
        let names: Vec<String> = names.into_iter().collect();
        let graph = named(&names);
        for ending in ["dot", "mmd", "json"] {
            let text = render(&graph, ending);
            prop_assert!(text.chars().all(|character| character == '\n' || character >= ' '));
        }
        let lines = |text: String, mark: &str| text.lines().filter(|line| line.contains(mark)).count();
        prop_assert_eq!(lines(render(&graph, "dot"), " -> n"), names.len());
        prop_assert_eq!(lines(render(&graph, "mmd"), "> n"), names.len());
        prop_assert_eq!(parse(render(&graph, "json").as_bytes()).unwrap(), graph);
    }
}
