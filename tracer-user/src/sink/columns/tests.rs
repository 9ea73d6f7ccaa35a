//! The table in text: order, alignment, widths, hostile names, completeness. Invariant: none. Memory: small graphs.

use super::sample::{call, graph, graph_of, latency, served};
use super::{Call, Fit, Names, Period, Row, Severity, Sort, completeness, is_lossy, ordered, rows, table};
use tracer_core::graph::snapshot::{Completeness, Degradation};
use unicode_width::UnicodeWidthStr;

fn shown(calls: Vec<Call>, period: Period) -> String {
    let graph = graph_of(calls);
    let names = Names::of(&graph, period);
    let rows: Vec<Row> = graph.calls.iter().map(|call| Row::of(call, &names)).collect();
    let fit = Fit::new(200, &rows);
    rows.iter().map(|row| fit.line(row).split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn unexpected_calls_come_first_then_anomalous_ones_then_the_busiest() {
    let graph = graph();
    let order: Vec<(String, Severity)> =
        rows(&graph).into_iter().map(|row| (format!("{} {}", row.client, row.server), row.severity)).collect();
    let expected = [
        ("cron 198.51.100.7", Severity::Unexpected),
        ("api cache", Severity::Anomalous),
        ("api db", Severity::Anomalous),
        ("web api", Severity::Ordinary),
        ("cron db", Severity::Ordinary),
    ];
    assert_eq!(order, expected.map(|(call, severity)| (call.to_owned(), severity)));
}

#[test]
fn within_a_severity_the_order_is_the_chosen_one_and_what_is_absent_comes_last() {
    let slow = Call { recent_latency_ms: Some(latency(90.0, false)), ..served(call("a", "x", 1), 1, 1.0) };
    let failing = Call { error_rate: Some(0.5), ..served(call("b", "x", 1), 2, 2.0) };
    let busy = Call { recent_latency_ms: Some(latency(1.0, false)), ..served(call("c", "x", 1), 9, 9.0) };
    let graph = graph_of(vec![slow, failing, busy, call("d", "x", 1)]);
    let order = |sort| -> String {
        ordered(&graph, Period::Recent, sort).iter().map(|call| call.from.trim_start_matches("program:")).collect()
    };
    assert_eq!(order(Sort::Rate), "cbad");
    assert_eq!(order(Sort::P99), "acbd");
    assert_eq!(order(Sort::Errors), "bcad");
    assert_eq!(order(Sort::Name), "abcd");
}

#[test]
fn the_whole_table_is_aligned_and_figures_end_in_their_columns() {
    let text = table(&graph(), 140);
    let mut lines = text.lines();
    let heading = lines.next().unwrap();
    let end = |title: &str| heading[..heading.find(title).unwrap() + title.len()].width();
    for line in lines {
        let columns: Vec<char> = line.chars().collect();
        for title in ["PORT", "REQ/S", "MEAN", "P50", "P90", "P99", "ERR%", "SENT", "RECV", "OPEN"] {
            assert_ne!(columns[end(title) - 1], ' ', "{title}: {line}");
            assert_eq!(columns[end(title)], ' ', "{title}: {line}");
        }
    }
    assert_eq!(text.lines().count(), 6);
}

#[test]
fn a_period_is_about_all_of_rate_latency_and_errors() {
    let call = Call {
        errors: 30,
        error_rate: Some(0.0),
        recent_latency_ms: Some(latency(10.0, false)),
        ..served(call("a", "b", 1), 120, 7.0)
    };
    assert_eq!(
        shown(vec![call.clone()], Period::Recent),
        "a → b 1 7 10 ms 9 ms 20 ms 117 ms 0 37 kB 492 kB 1 expected"
    );
    assert_eq!(
        shown(vec![call], Period::SinceStart),
        "a → b 1 2 ~2.5 ms ~2.2 ms ~5 ms ~29 ms 25 37 kB 492 kB 1 expected"
    );
}

#[test]
fn what_is_absent_is_a_dash_and_not_zero() {
    assert_eq!(shown(vec![call("a", "b", 1)], Period::Recent), "a → b 1 – – – – – – 0 B 0 B 1 expected");
}

#[test]
fn the_state_names_what_is_wrong_once() {
    let states: Vec<String> = rows(&graph()).into_iter().map(|row| row.state).collect();
    assert_eq!(states, ["unexpected", "latency-p99", "hanging 4.2 s", "expected", "expected"]);
    let young = Call { oldest_in_flight_ms: Some(1_000.0), ..call("a", "b", 1) };
    assert_eq!(rows(&graph_of(vec![young]))[0].state, "expected");
}

#[test]
fn no_line_is_wider_than_asked_for_and_hostile_names_stay_in_their_line() {
    let mut graph = graph();
    for (service, name) in
        graph.services.iter_mut().zip(["\x1b[2J\x1b]0;x\x07", "日本語日本語日本語日本語", "a\nb", "\u{202e}x"])
    {
        name.clone_into(&mut service.name);
    }
    graph.services[4].name = "n".repeat(500);
    for width in 0..250 {
        let text = table(&graph, width);
        assert_eq!(text.lines().count(), 6, "width {width}");
        assert!(!text.contains(['\x1b', '\x07', '\u{202e}']));
        for line in text.lines() {
            assert!(line.width() <= width, "width {width}: {line}");
        }
    }
}

#[test]
fn completeness_hides_nothing() {
    let mut graph = graph();
    assert_eq!(completeness(&graph), "Complete: nothing was lost, nothing is degraded.");
    graph.completeness.connections_before_start = 1;
    assert_eq!(completeness(&graph), "Nothing was lost, but: 1 connection older than the tracer.");
    assert!(!is_lossy(&graph));
    graph.completeness = Completeness {
        records_lost: 12,
        exchanges_lost: 3,
        exchanges_counted: 0,
        connections_before_start: 5,
        unresolved_peers: 2,
        degraded: vec![Degradation { name: "no\x1bhook".to_owned(), reason: "refused".to_owned() }],
    };
    assert!(is_lossy(&graph));
    assert_eq!(
        completeness(&graph),
        "Incomplete: 12 records lost (buffer full); 3 exchanges counted without their times; 5 connections older than \
         the tracer; 2 local peers not found; degraded: no\\u{1b}hook (refused)."
    );
}
