//! A line for every new call and alert, for people and logs.
//!
//! Invariant: names are shown with everything unprintable escaped, so no name can break a line or a terminal.
//! Memory: one line.

use tracer_core::Output;
use tracer_core::alert::{Alert, AlertState, ProcessEvidence};
use tracer_core::escape::printable;
use tracer_core::graph::snapshot::CallState;
use tracer_core::identity::Port;
use tracer_core::input::NewCall;

/// Columns of a name.
const NAME: usize = 40;
/// Columns of a command line.
const COMMAND_LINE: usize = 100;

/// Colours of a terminal (ECMA-48 §8.3.117).
const RED: &str = "\x1b[1;31m";
const GREEN: &str = "\x1b[32m";
const PLAIN: &str = "\x1b[0m";

/// The line that tells an output.
pub(crate) fn line(output: &Output) -> Option<String> {
    tell(output, false)
}

/// As [`line()`], in colours.
pub(crate) fn coloured_line(output: &Output) -> Option<String> {
    tell(output, true)
}

fn tell(output: &Output, coloured: bool) -> Option<String> {
    let (line, colour) = match output {
        Output::Need(_) | Output::Listens { .. } | Output::Capture(_) => return None,
        Output::NewCall(call) => (new_call(call), (call.call.state == CallState::Unexpected).then_some(RED)),
        Output::Alert(alert) => (told_alert(alert), Some(if alert.state == AlertState::Firing { RED } else { GREEN })),
    };
    match colour.filter(|_| coloured) {
        Some(colour) => Some(format!("{colour}{line}{PLAIN}")),
        None => Some(line),
    }
}

fn new_call(new: &NewCall) -> String {
    let call = &new.call;
    let state = match call.state {
        CallState::Unexpected => "  unexpected",
        CallState::Expected | CallState::Unjudged => "",
    };
    format!(
        "{} call      {} → {} {}{state}",
        clock(&new.at),
        printable(&new.from_name, NAME),
        printable(&new.to_name, NAME),
        place(&call.port, &call.transport)
    )
}

/// Where a service is reached, such as `:5432/tcp` or `/run/postgresql/.s.PGSQL.5432`.
pub(crate) fn place(port: &Port, transport: &str) -> String {
    match port {
        Port::Number(number) => format!(":{number}/{transport}"),
        Port::Path(_) => printable(&port.to_string(), 2 * NAME),
    }
}

/// As [`place`], where the transport is not told.
fn alert_place(port: &Port) -> String {
    match port {
        Port::Number(number) => format!(":{number}"),
        Port::Path(_) => printable(&port.to_string(), 2 * NAME),
    }
}

fn told_alert(alert: &Alert) -> String {
    let evidence = &alert.evidence;
    let word = match alert.state {
        AlertState::Firing => "ALERT   ",
        AlertState::Resolved => "resolved",
    };
    let mut line = format!(
        "{} {word}  {}: {} → {} {}  {}",
        clock(&alert.at),
        alert.kind,
        printable(&evidence.from_name, NAME),
        printable(&evidence.to_name, NAME),
        alert_place(&alert.port),
        printable(&alert.message, 200),
    );
    if let (Some(client), AlertState::Firing) = (&evidence.client, alert.state) {
        line.push_str(&format!("\n{:22}by {}", "", process(client)));
        for parent in evidence.client_parents.iter().take(3) {
            line.push_str(&format!("\n{:22}of {}", "", process(parent)));
        }
    }
    if let (Some(nearest), AlertState::Firing) = (&evidence.nearest, alert.state) {
        let (from, to) = (printable(&nearest.from, NAME), printable(&nearest.to, NAME));
        line.push_str(&format!("\n{:22}nearest expected: {from} → {to} {}", "", alert_place(&nearest.port)));
    }
    line
}

fn process(process: &ProcessEvidence) -> String {
    let exe = process.exe.as_deref().unwrap_or("?");
    let uid = match (&process.user, process.uid) {
        (Some(user), _) => format!(" user {}", printable(user, NAME)),
        (None, Some(uid)) => format!(" uid {uid}"),
        (None, None) => String::new(),
    };
    format!(
        "pid {}{uid} {}: {}",
        process.pid,
        printable(exe, COMMAND_LINE),
        printable(&process.command_line, COMMAND_LINE)
    )
}

/// The time of day of an RFC 3339 time.
fn clock(at: &str) -> &str {
    at.get(11..23).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracer_core::alert::{Evidence, NearestCall};

    fn alert(name: &str) -> Output {
        let client = ProcessEvidence {
            pid: 4711,
            name: name.to_owned(),
            exe: Some("/usr/bin/psql".to_owned()),
            uid: Some(1000),
            user: None,
            command_line: format!("{name} -c 'select 1'"),
        };
        Output::Alert(Box::new(Alert {
            schema: "tracer.alert/1".to_owned(),
            id: String::new(),
            since: String::new(),
            count: 1,
            transport: "tcp".to_owned(),
            kind: "unexpected-call".to_owned(),
            state: AlertState::Firing,
            severity: tracer_core::detect::Severity::Critical,
            at: "2026-01-02T03:04:05.678Z".to_owned(),
            from: "program:psql".to_owned(),
            to: "program:postgres".to_owned(),
            port: 5432.into(),
            protocol: None,
            observed: None,
            limit: None,
            message: "not in the baseline".to_owned(),
            evidence: Evidence {
                from_name: name.to_owned(),
                to_name: "postgres".to_owned(),
                first_seen: "2026-01-02T03:04:05.600Z".to_owned(),
                connections: 1,
                requests: 3,
                client: Some(client.clone()),
                client_parents: vec![ProcessEvidence { pid: 1, ..client }],
                server: None,
                nearest: Some(NearestCall {
                    from: "program:api".to_owned(),
                    to: "program:postgres".to_owned(),
                    port: 5432.into(),
                    transport: "tcp".to_owned(),
                }),
                ..Evidence::default()
            },
        }))
    }

    #[test]
    fn an_alert_says_what_where_and_who() {
        let expected = "\
03:04:05.678 ALERT     unexpected-call: psql → postgres :5432  not in the baseline
                      by pid 4711 uid 1000 /usr/bin/psql: psql -c 'select 1'
                      of pid 1 uid 1000 /usr/bin/psql: psql -c 'select 1'
                      nearest expected: program:api → program:postgres :5432";
        assert_eq!(line(&alert("psql")).unwrap(), expected);
    }

    #[test]
    fn a_hostile_name_adds_no_line_and_no_control_character() {
        let told = line(&alert("x\n03:04:05 ALERT\x1b[2J\u{202e}")).unwrap();
        assert_eq!(told.lines().count(), 4);
        assert!(told.chars().all(|character| character == '\n' || !character.is_control()));
    }
}
