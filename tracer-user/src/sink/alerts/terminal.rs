//! Which alerts the terminal shows, and the evidence of one of them on one screen.
//!
//! The lines themselves are written by the console, in its place among the calls. Invariant: everything that other
//! programs have chosen is escaped, and nothing is more than 24 lines. Memory: one text.

use crate::sink::text::place;
use std::fmt::Write as _;
use tracer_core::alert::{Alert, AlertState, Figures, ProcessEvidence};
use tracer_core::escape::printable;

pub(super) const ABOUT: &str =
    "Standard output, as `--output` says. Without any entry of this type all alerts are shown there.";

/// Columns of a name, and of a command line.
const NAME: usize = 60;
const COMMAND_LINE: usize = 110;

/// All that is known of an alert.
pub(crate) fn screen(alert: &Alert) -> String {
    let evidence = &alert.evidence;
    let state = if alert.state == AlertState::Firing { "FIRING" } else { "resolved" };
    let severity = serde_json::to_value(alert.severity).ok();
    let severity = severity.as_ref().and_then(|severity| severity.as_str()).unwrap_or_default();
    let name = |text: &str| printable(text, NAME);
    let mut text = String::new();
    let mut row = |label: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{label:>11}  {value}");
    };
    row(state, &format!("{} ({severity})  id {}", name(&alert.kind), name(&alert.id)));
    row("", &printable(&alert.message, 2 * COMMAND_LINE));
    let (from, to) = (name(&evidence.from_name), name(&evidence.to_name));
    row("call", &format!("{from} → {to} {}", place(&alert.port, &alert.transport)));
    row("since", &format!("{}, found {} times; last told {}", name(&alert.since), alert.count, name(&alert.at)));
    let (connections, requests) = (evidence.connections, evidence.requests);
    row("first seen", &format!("{}, {connections} connections, {requests} requests", name(&evidence.first_seen)));
    if let Some(operation) = &evidence.operation {
        row("asks for", &printable(operation, COMMAND_LINE));
    }
    if let Some(figures) = &evidence.figures {
        for line in figure_lines(figures) {
            row("figures", &line);
        }
    }
    if let Some(near) = &evidence.nearest {
        let place = place(&near.port, &near.transport);
        row("nearest", &format!("{} → {} {place} (expected)", name(&near.from), name(&near.to)));
    }
    // The tree from the outermost parent that is known down to the client.
    let tree = evidence.client_parents.iter().rev().chain(&evidence.client);
    for (depth, process) in tree.enumerate() {
        row(if depth == 0 { "client" } else { "" }, &format!("{}{}", "  ".repeat(depth), process_line(process)));
    }
    if let Some(server) = &evidence.server {
        row("server", &process_line(server));
    }
    text
}

fn figure_lines(figures: &Figures) -> Vec<String> {
    let per_second = |rate: f64| format!("{rate:.3} requests/s");
    let percent = |rate: f64| format!("{:.2} % errors", rate * 100.0);
    let (mean, p99) = (|mean: f64| format!("mean {mean:.3} ms"), |p99: f64| format!("p99 {p99:.3} ms"));
    let join = |parts: [Option<String>; 4]| parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let mut lines = vec![join([
        figures.requests_per_second.map(per_second),
        figures.error_rate.map(percent),
        figures.mean_ms.map(mean),
        figures.p99_ms.map(p99),
    ])];
    let oldest = figures.oldest_in_flight_ms.map(|age| format!(", the oldest for {age:.0} ms")).unwrap_or_default();
    lines.push(format!("{} open connections, {} requests wait{oldest}", figures.open_connections, figures.in_flight));
    if let Some(expected) = &figures.expected {
        let expected = join([
            Some(per_second(expected.requests_per_second)),
            expected.error_rate.map(percent),
            expected.mean_ms.map(mean),
            expected.p99_ms.map(p99),
        ]);
        lines.push(format!("baseline: {expected}"));
    }
    lines.retain(|line| !line.is_empty());
    lines
}

fn process_line(process: &ProcessEvidence) -> String {
    let user = match (&process.user, process.uid) {
        (Some(user), _) => printable(user, 32),
        (None, Some(uid)) => format!("uid {uid}"),
        (None, None) => "?".to_owned(),
    };
    format!("{} {user}: {}", process.pid, printable(&process.command_line, COMMAND_LINE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracer_core::alert::{ExpectedFigures, NearestCall, sample};

    fn alert(name: &str) -> Alert {
        let mut alert = sample::alert("2026-01-02T03:04:05.678Z");
        let client = alert.evidence.client.clone().unwrap();
        let parent = ProcessEvidence { pid: 7, user: None, command_line: format!("{name} -c x"), ..client };
        alert.evidence.client_parents = vec![parent.clone(), ProcessEvidence { pid: 1, ..parent }];
        alert.evidence.operation = Some("GET /users/{id}".to_owned());
        alert.evidence.nearest = Some(NearestCall {
            from: "program:api".into(),
            to: "program:db".into(),
            port: 5432.into(),
            transport: "tcp".into(),
        });
        let expected =
            ExpectedFigures { requests_per_second: 2.0, error_rate: Some(0.01), mean_ms: Some(1.0), p99_ms: None };
        alert.evidence.figures.as_mut().unwrap().expected = Some(expected);
        alert
    }

    #[test]
    fn the_evidence_is_one_screen() {
        let expected = "     FIRING  test (critical)  id ID
             this is a test of the alerts, nothing is wrong
       call  tracer → nobody :9/tcp
      since  2026-01-02T03:04:05.678Z, found 1 times; last told 2026-01-02T03:04:05.678Z
 first seen  2026-01-02T03:04:05.678Z, 0 connections, 0 requests
   asks for  GET /users/{id}
    figures  1.000 requests/s, mean 1.500 ms, p99 3.000 ms
    figures  1 open connections, 0 requests wait
    figures  baseline: 2.000 requests/s, 1.00 % errors, mean 1.000 ms
    nearest  program:api → program:db :5432/tcp (expected)
     client  1 uid 0: bash -c x
               7 uid 0: bash -c x
                 1 root: tracer alerts test
";
        let alert = alert("bash");
        assert_eq!(screen(&alert), expected.replace("ID", &alert.id));
    }

    #[test]
    fn a_hostile_name_adds_no_line_and_no_control_character() {
        let (plain, hostile) = (screen(&alert("bash")), screen(&alert("x\n\x1b[2J\u{202e}")));
        assert_eq!(plain.lines().count(), hostile.lines().count());
        assert!(hostile.chars().all(|character| character == '\n' || !character.is_control()));
    }
}
