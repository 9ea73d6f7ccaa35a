//! The judgement of a check: its verdict, and its reports as agreed in `golden/` and under every hostile name.
//!
//! `TRACER_BLESS=1` rewrites the golden files; the difference is then for the eye.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helper functions too")]

mod graphs;

use std::path::Path;
use tracer_core::alert::{Evidence, NearestCall, ProcessEvidence};
use tracer_core::baseline::Baseline;
use tracer_core::check::{By, Demands, Judgement, Outcome, Report, Seen, Verdict, json, junit, text};
use tracer_core::graph::snapshot::{CallState, Completeness, GraphSnapshot};

fn evidence(name: &str) -> Evidence {
    let process = |pid: u32, line: &str| ProcessEvidence {
        pid,
        name: name.to_owned(),
        exe: Some(name.to_owned()),
        uid: Some(1000),
        user: Some("ci".to_owned()),
        command_line: line.to_owned(),
    };
    Evidence {
        from_name: name.to_owned(),
        to_name: name.to_owned(),
        first_seen: "2026-03-01T12:00:01.000Z".to_owned(),
        connections: 10,
        requests: 1_000,
        client: Some(process(4_711, &format!("{name} -c 'select 1'"))),
        client_parents: vec![process(4_700, "sh ./tests.sh")],
        server: Some(process(300, "postgres")),
        nearest: Some(NearestCall {
            from: "api.py".to_owned(),
            to: "postgres".to_owned(),
            port: 5432.into(),
            transport: "tcp".to_owned(),
        }),
        operation: Some("SELECT orders".to_owned()),
        ..Evidence::default()
    }
}

fn outcome(succeeded: bool) -> Outcome {
    let status = if succeeded { "exit status: 0" } else { "exit status: 3" };
    Outcome { line: "pytest -q".to_owned(), status: status.to_owned(), succeeded, processes: 4 }
}

fn report(graph: &GraphSnapshot, demands: Demands, command: Option<Outcome>) -> Report {
    let seen = graph.calls.iter().map(|call| Seen {
        call: call.clone(),
        by: By::Command,
        denied: None,
        evidence: (call.state != CallState::Expected).then(|| evidence(&call.from)),
    });
    let baseline = Baseline::learn(&graphs::sample()).unwrap();
    Report::new(graph, seen.collect(), ("calls.json", &baseline), demands, command)
}

/// A graph in which every call is expected and nothing was lost.
fn clean() -> GraphSnapshot {
    let mut graph = graphs::sample();
    graph.completeness = Completeness::default();
    graph.calls.retain(|call| call.state == CallState::Expected);
    graph
}

#[test]
fn a_report_is_written_as_agreed() {
    let demands = Demands { missing: true, ..Demands::default() };
    let mut graph = graphs::sample();
    graph.calls.retain(|call| call.to != "redis-server");
    graph.calls.push(graphs::call("api.py", "127.0.0.1", 9, CallState::Unjudged, 1.0, 1.0));
    let mut report = report(&graph, demands, Some(outcome(true)));
    report.calls.retain(|call| call.judgement != Judgement::Missing || call.to == "redis-server");
    let texts =
        [("check.txt", text(&report)), ("check.json", json(&report).unwrap()), ("check.xml", junit(&report).unwrap())];
    for (name, rendered) in texts {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
        if std::env::var_os("TRACER_BLESS").is_some() {
            std::fs::write(&path, &rendered).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(rendered == golden, "{name} is no longer as agreed; if that is meant, TRACER_BLESS=1:\n{rendered}");
    }
}

#[test]
fn a_check_is_clean_only_if_nothing_was_unexpected_and_everything_observed() {
    let none = Demands::default();
    let verdict = |graph: &GraphSnapshot, demands, command| report(graph, demands, command).verdict;
    assert_eq!(verdict(&clean(), none, None), Verdict::Clean);
    assert_eq!(verdict(&clean(), none, Some(outcome(true))), Verdict::Clean);
    assert_eq!(verdict(&clean(), none, Some(outcome(false))), Verdict::Doubtful);
    let untold = Outcome { processes: 0, ..outcome(true) };
    assert_eq!(verdict(&clean(), none, Some(untold)), Verdict::Doubtful);

    let mut lossy = clean();
    lossy.completeness.records_lost = 1;
    assert_eq!(verdict(&lossy, none, None), Verdict::Doubtful);
    assert_eq!(verdict(&lossy, Demands { allow_loss: true, ..none }, None), Verdict::Clean);

    let mut degraded = clean();
    degraded.completeness.degraded = graphs::sample().completeness.degraded;
    assert_eq!(verdict(&degraded, none, None), Verdict::Clean);
    assert_eq!(verdict(&degraded, Demands { strict: true, ..none }, None), Verdict::Doubtful);

    let mut unjudged = clean();
    unjudged.calls[0].state = CallState::Unjudged;
    assert_eq!(verdict(&unjudged, none, None), Verdict::Clean);
    assert_eq!(verdict(&unjudged, Demands { strict: true, ..none }, None), Verdict::Doubtful);

    // What is unexpected is, however much was lost besides.
    let mut unexpected = lossy;
    unexpected.calls[0].state = CallState::Unexpected;
    assert_eq!(verdict(&unexpected, none, Some(outcome(false))), Verdict::Deviations);

    let mut fewer = clean();
    fewer.calls.pop();
    assert_eq!(verdict(&fewer, none, None), Verdict::Clean);
    assert_eq!(verdict(&fewer, Demands { missing: true, ..none }, None), Verdict::Deviations);
}

#[test]
fn no_name_breaks_a_report() {
    let graph = graphs::hostile();
    let report = report(&graph, Demands::default(), Some(outcome(true)));
    assert_eq!(report.verdict, Verdict::Deviations);
    let said = text(&report);
    let is_plain = |character: char| character == '\n' || !character.is_control();
    assert!(said.chars().all(is_plain), "a control character reaches the terminal");
    let deviations = report.calls.iter().filter(|call| call.is_deviation()).count();
    assert_eq!(said.lines().filter(|line| line.starts_with("UNEXPECTED")).count(), deviations);
    let read: serde_json::Value = serde_json::from_str(&json(&report).unwrap()).unwrap();
    assert_eq!(read["calls"].as_array().unwrap().len(), report.calls.len());
    let written = junit(&report).unwrap();
    let xml = roxmltree::Document::parse(&written).unwrap();
    let count = |name: &str| xml.descendants().filter(|node| node.has_tag_name(name)).count();
    assert_eq!((count("testcase"), count("failure")), (report.calls.len() + 1, deviations));
    for call in report.calls.iter().filter_map(|call| call.allow.as_ref()) {
        assert!(serde_json::from_str::<serde_json::Value>(call).unwrap().is_object());
    }
}
