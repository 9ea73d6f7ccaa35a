//! Each check holds on a right graph and fails on the mistake that it is there for.

use std::sync::LazyLock;

use serde_json::json;

use super::*;

static EXPECTED: LazyLock<Expected> = LazyLock::new(|| Expected {
    entry: ExpectedCall::new("load.py", "nginx", 1001),
    to_api: ExpectedCall::new("nginx", "api.py", 1002),
    to_redis: ExpectedCall::new("api.py", "redis-server", 1003),
    to_postgres: ExpectedCall::new("api.py", "postgres", 1004),
    unexpected: ExpectedCall::new("psql", "postgres", 1004),
});

fn call(from: &str, to: &str, port: u16) -> Value {
    let state = if from == "psql" { "unexpected" } else { "expected" };
    let id = |name: &str| format!("id:{name}");
    json!({"from": id(from), "to": id(to), "port": port, "state": state, "requests": 40})
}

/// The right graph, with a program of the host that has nothing to do with the demo.
fn graph() -> Value {
    let names = ["load.py", "nginx", "api.py", "redis-server", "postgres", "psql", "sshd", "remote"];
    let services: Vec<Value> = names.iter().map(|name| json!({"id": format!("id:{name}"), "name": name})).collect();
    let mut calls: Vec<Value> =
        EXPECTED.calls().iter().map(|wanted| call(&wanted.from, &wanted.to, wanted.port)).collect();
    calls.push(call("remote", "sshd", 22));
    json!({"services": services, "calls": calls})
}

fn alert(kind: &str, from: &str, to: &str, port: u16) -> Value {
    let (from, to) = (format!("id:{from}"), format!("id:{to}"));
    json!({"kind": kind, "state": "firing", "from": from, "to": to, "port": port, "message": "so it is"})
}

fn part(graph: &Value) -> Part<'_> {
    Part::of(graph, &EXPECTED)
}

fn holds(check: &Check) -> bool {
    check.outcome.is_ok()
}

fn calls_of(graph: &mut Value) -> &mut Vec<Value> {
    graph["calls"].as_array_mut().unwrap()
}

#[test]
fn the_right_graph_passes_and_programs_of_the_host_do_not_matter() {
    let graph = graph();
    assert!(holds(&part(&graph).services()));
    assert!(holds(&part(&graph).calls()));
    assert!(holds(&part(&graph).states()));
    assert!(holds(&part(&graph).requests(40)));
}

#[test]
fn an_empty_graph_fails_every_check() {
    let graph = json!({});
    assert!(!holds(&part(&graph).services()));
    assert!(!holds(&part(&graph).calls()));
    assert!(!holds(&part(&graph).states()));
    assert!(!holds(&part(&graph).requests(0)));
    assert!(!holds(&part(&graph).one_unexpected_call(&[])));
}

#[test]
fn a_service_under_another_name_or_twice_fails() {
    let mut renamed = graph();
    renamed["services"][2]["name"] = json!("python3");
    assert!(!holds(&part(&renamed).services()));

    let mut twice = graph();
    twice["services"].as_array_mut().unwrap().push(json!({"id": "id:nginx-2", "name": "nginx"}));
    calls_of(&mut twice)[1]["from"] = json!("id:nginx-2");
    assert!(!holds(&part(&twice).services()));
}

#[test]
fn a_call_that_is_missing_doubled_or_turned_round_fails() {
    let mut missing = graph();
    calls_of(&mut missing).remove(2);
    assert!(!holds(&part(&missing).calls()));

    let mut doubled = graph();
    calls_of(&mut doubled).push(call("nginx", "api.py", 1002));
    assert!(!holds(&part(&doubled).calls()));

    // A connection older than the tracer, seen from the wrong end: the client's own port becomes the server's.
    let mut turned = graph();
    calls_of(&mut turned).push(call("redis-server", "api.py", 45_678));
    assert!(!holds(&part(&turned).calls()));
}

#[test]
fn an_expected_call_that_is_judged_unexpected_fails() {
    let mut graph = graph();
    calls_of(&mut graph)[0]["state"] = json!("unexpected");
    assert!(!holds(&part(&graph).states()));
}

#[test]
fn one_request_too_few_fails() {
    assert!(!holds(&part(&graph()).requests(41)));
}

#[test]
fn exactly_one_alert_about_the_right_call_passes() {
    let right = alert("unexpected-call", "psql", "postgres", 1004);
    let elsewhere = alert("unexpected-call", "remote", "sshd", 22);
    let other_kind = alert("call-rate", "load.py", "nginx", 1001);
    let mut resolved = right.clone();
    resolved["state"] = json!("resolved");
    let check = |alerts: &[Value]| holds(&part(&graph()).one_unexpected_call(alerts));

    assert!(check(&[right.clone(), elsewhere, other_kind, resolved.clone()]));
    assert!(!check(&[]));
    assert!(!check(&[resolved]));
    assert!(!check(&[right.clone(), right.clone()]));
    assert!(!check(&[right, alert("unexpected-call", "api.py", "postgres", 1004)]));
    assert!(!check(&[alert("unexpected-call", "api.py", "postgres", 1004)]));
}

#[test]
fn a_fault_must_be_alerted_on_its_own_call() {
    let redis = EXPECTED.to_redis.clone();
    let check = |alerts: &[Value]| holds(&part(&graph()).is_alerted("frozen", "stalled", &redis, alerts));
    assert!(check(&[alert("stalled", "nginx", "api.py", 1002), alert("stalled", "api.py", "redis-server", 1003)]));
    assert!(!check(&[alert("stalled", "nginx", "api.py", 1002)]));
    assert!(!check(&[alert("latency-p99", "api.py", "redis-server", 1003)]));
}

#[test]
fn files_are_the_same_only_to_the_last_byte() {
    let holds = |one: &[u8], other: &[u8]| same_bytes("files", one, other).outcome.is_ok();
    assert!(holds(b"abc", b"abc"));
    assert!(!holds(b"abc", b"abd"));
    assert!(!holds(b"abc", b"ab"));
    assert!(!holds(b"", b""));
}
