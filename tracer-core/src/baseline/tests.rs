//! Tests of the baseline: what is learned, what is read, what is refused, what is different.

use super::*;
use crate::graph::snapshot::{
    Call, CallState, Completeness, ErrorsByKind, GraphSnapshot, Latency, SCHEMA as GRAPH_SCHEMA, Service, ServiceKind,
};
use crate::identity::Port;
use crate::limits;
use proptest::prelude::*;

pub(super) fn service(id: &str, kind: ServiceKind) -> Service {
    Service { id: id.into(), name: id.into(), kind, instances: Vec::new() }
}

pub(super) fn call(from: &str, to: &str, port: u16) -> Call {
    Call {
        from: from.into(),
        to: to.into(),
        port: port.into(),
        transport: "tcp".into(),
        protocol: Some("http/1.1".into()),
        inner_protocol: None,
        operations: Vec::new(),
        state: CallState::Unjudged,
        first_seen: "2025-01-01T00:00:50.000Z".into(),
        connections: 3,
        failed_connections: 20,
        open_connections: 1,
        most_open_connections: 1,
        accept_queue_drops: 0,
        requests_estimated: 0,
        requests: 180,
        errors: 50,
        errors_by_kind: ErrorsByKind::default(),
        error_rate: Some(0.9),
        requests_per_second: Some(99.0),
        latency_ms: Some(Latency {
            mean: 12.345_678_9,
            p50: 10.0,
            p90: 20.0,
            p99: 40.5,
            max: 80.0,
            samples: 170,
            estimated: false,
            sampled: false,
        }),
        server_latency_ms: None,
        wait_ms: None,
        complete_ms: None,
        recent_latency_ms: None,
        bytes_sent: 1,
        bytes_received: 2,
        in_flight: 0,
        oldest_in_flight_ms: None,
        anomalies: Vec::new(),
    }
}

pub(super) fn graph(calls: Vec<Call>) -> GraphSnapshot {
    GraphSnapshot {
        schema: GRAPH_SCHEMA.into(),
        host: "shop".into(),
        from: "2025-01-01T00:00:00.000Z".into(),
        until: "2025-01-01T00:01:00.000Z".into(),
        window_seconds: 10.0,
        cost: None,
        completeness: Completeness::default(),
        services: vec![
            service("other", ServiceKind::Other),
            service("peer:10.0.0.1", ServiceKind::Peer),
            service("program:nginx", ServiceKind::Program),
            service("program:php", ServiceKind::Program),
            service("unknown", ServiceKind::Unknown),
        ],
        calls,
    }
}

pub(super) fn learned() -> Baseline {
    let calls = vec![call("program:nginx", "program:php", 9000), call("program:php", "peer:10.0.0.1", 443)];
    Baseline::learn(&graph(calls)).unwrap()
}

#[test]
fn figures_are_learned_over_the_whole_time_of_the_graph_and_not_from_its_last_windows() {
    let baseline = Baseline::learn(&graph(vec![call("program:nginx", "program:php", 9000)])).unwrap();
    assert_eq!(
        baseline.calls(),
        [ExpectedCall {
            from: "program:nginx".into(),
            to: "program:php".into(),
            port: 9000.into(),
            transport: "tcp".into(),
            protocol: Some("http/1.1".into()),
            requests: 180,
            requests_per_second: 3.0,
            mean_ms: Some(12.345_679),
            p99_ms: Some(40.5),
            error_rate: Some(0.25),
            samples: 170,
            rate_spread: None,
            mean_spread: None,
            p99_spread: None,
            error_spread: None,
            rhythm: None,
            operations: None,
        }]
    );
    assert_eq!(baseline.learned().seconds, 60.0);
    assert_eq!(baseline.learned().host, "shop");
}

#[test]
fn a_call_without_an_exchange_is_expected_without_latency_or_error_rate() {
    let mut quiet = call("program:nginx", "program:php", 9000);
    (quiet.requests, quiet.failed_connections, quiet.errors, quiet.latency_ms) = (0, 0, 0, None);
    let baseline = Baseline::learn(&graph(vec![quiet])).unwrap();
    let expected = baseline.calls().first().unwrap();
    assert_eq!((expected.mean_ms, expected.p99_ms, expected.error_rate, expected.samples), (None, None, None, 0));
    assert_eq!(expected.requests_per_second, 0.0);
}

#[test]
fn calls_of_services_that_are_not_identified_are_left_out_and_counted() {
    let calls = vec![
        call("program:nginx", "program:php", 9000),
        call("program:nginx", "unknown", 9000),
        call("other", "program:php", 9000),
        call("program:nginx", "program:not-listed", 9000),
    ];
    let baseline = Baseline::learn(&graph(calls)).unwrap();
    assert_eq!(baseline.calls().len(), 1);
    assert_eq!(baseline.learned().calls_left_out, 3);
}

#[test]
fn nothing_is_learned_from_a_graph_that_covers_no_time() {
    for until in ["2025-01-01T00:00:00.000Z", "2024-12-31T00:00:00.000Z", "yesterday", ""] {
        let graph = GraphSnapshot { until: until.into(), ..graph(Vec::new()) };
        assert!(matches!(Baseline::learn(&graph), Err(LearnError::NoTime { .. })), "{until:?}");
    }
}

#[test]
fn nothing_is_learned_from_a_graph_that_lists_a_call_twice() {
    let calls = vec![call("program:nginx", "program:php", 1), call("program:nginx", "program:php", 1)];
    let error = Baseline::learn(&graph(calls)).unwrap_err();
    assert_eq!(error, LearnError::Duplicate { call: "program:nginx -> program:php port 1/tcp".into() });
}

#[test]
fn figures_of_a_graph_that_are_no_numbers_are_not_learned() {
    let mut odd = call("program:nginx", "program:php", 1);
    odd.latency_ms = odd.latency_ms.map(|latency| Latency { mean: f64::NAN, p99: -1.0, ..latency });
    let baseline = Baseline::learn(&graph(vec![odd])).unwrap();
    let expected = baseline.calls().first().unwrap();
    assert_eq!((expected.mean_ms, expected.p99_ms), (None, None));
    assert_eq!(Baseline::parse(baseline.render().as_bytes()), Ok(baseline));
}

#[test]
fn the_file_is_what_a_person_reviews() {
    let baseline = Baseline::learn(&graph(vec![call("program:nginx", "program:php", 9000)])).unwrap();
    let file = r#"{
  "schema": "tracer.baseline/1",
  "learned": {
    "host": "shop",
    "from": "2025-01-01T00:00:00.000Z",
    "until": "2025-01-01T00:01:00.000Z",
    "seconds": 60.0,
    "calls_left_out": 0
  },
  "calls": [
    {
      "from": "program:nginx",
      "to": "program:php",
      "port": 9000,
      "transport": "tcp",
      "protocol": "http/1.1",
      "requests": 180,
      "requests_per_second": 3.0,
      "mean_ms": 12.345679,
      "p99_ms": 40.5,
      "error_rate": 0.25,
      "samples": 170
    }
  ]
}
"#;
    assert_eq!(baseline.render(), file);
    assert_eq!(Baseline::parse(file.as_bytes()), Ok(baseline));
}

#[test]
fn every_truncation_of_a_file_is_an_error_that_says_so() {
    let file = learned().render();
    let contents = file.trim_end();
    for end in 0..contents.len() {
        let result = Baseline::parse(&contents.as_bytes()[..end]);
        assert!(matches!(result, Err(BaselineError::Truncated { .. })), "cut at {end}: {result:?}");
    }
    assert!(Baseline::parse(contents.as_bytes()).is_ok(), "only the last newline is missing");
}

#[test]
fn another_file_given_by_mistake_is_called_by_its_name() {
    let graph = serde_json::to_vec_pretty(&graph(Vec::new())).unwrap();
    assert_eq!(Baseline::parse(&graph), Err(BaselineError::Graph));
    let newer = learned().render().replace("tracer.baseline/1", "tracer.baseline/2");
    assert_eq!(Baseline::parse(newer.as_bytes()), Err(BaselineError::Newer { found: "tracer.baseline/2".into() }));
    let foreign = ["{}", r#"{"schema": 1}"#, r#"{"schema": "other"}"#, "[]", r#"["tracer.baseline/1", 1, []]"#];
    for foreign in foreign.into_iter().chain([r#"{"schema": "tracer.baseline/0"}"#]) {
        let result = Baseline::parse(foreign.as_bytes());
        assert!(matches!(result, Err(BaselineError::Foreign { .. })), "{foreign}: {result:?}");
    }
    for no_json in ["graph {", "%PDF-1.7", "\u{feff}{}", "3"] {
        let result = Baseline::parse(no_json.as_bytes());
        assert!(matches!(result, Err(BaselineError::Malformed { line: 1, .. })), "{no_json}: {result:?}");
    }
}

#[test]
fn a_wrong_entry_is_an_error_that_names_its_line_and_what_is_wrong() {
    let cases = [
        ("\"mean_ms\": 12.345679", "\"mean_ms\": -1", "must be 0 or more"),
        ("\"p99_ms\": 40.5", "\"p99_ms\": NaN", "expected value"),
        ("\"p99_ms\": 40.5", "\"p99_ms\": 1e999", "out of range"),
        ("\"p99_ms\": 40.5", "\"p98_ms\": 40.5", "unknown field `p98_ms`"),
        ("\"requests_per_second\": 3.0", "\"requests_per_second\": -3.0", "must be 0 or more"),
        ("\"requests_per_second\": 3.0", "\"requests_per_second\": null", "expected f64"),
        ("\"error_rate\": 0.25", "\"error_rate\": 25", "from 0 to 1"),
        ("\"requests\": 180", "\"requests\": -180", "expected u64"),
        ("\"port\": 9000", "\"port\": 90000", "expected a port number"),
        ("\"samples\": 170", "\"samples\": \"170\"", "expected u64"),
    ];
    let file = learned().render();
    for (right, wrong, expected) in cases {
        let wrong_file = file.replacen(right, wrong, 1);
        assert_ne!(wrong_file, file, "{right}");
        let line_of_error = 1 + file.lines().position(|line| line.contains(right)).unwrap();
        match Baseline::parse(wrong_file.as_bytes()) {
            Err(BaselineError::Malformed { line, reason, .. }) => {
                assert!(reason.contains(expected), "{wrong}: {reason}");
                assert_eq!(line, line_of_error, "{wrong}: {reason}");
            }
            other => panic!("{wrong}: {other:?}"),
        }
    }
}

#[test]
fn a_call_listed_twice_is_an_error_where_its_second_entry_ends() {
    let calls = [9000, 9001, 9002].map(|port| call("program:nginx", "program:php", port));
    let file = Baseline::learn(&graph(calls.into())).unwrap().render().replace("9001", "9000");
    let entries: Vec<_> = (1..).zip(file.lines()).filter(|(_, line)| *line == "    {").map(|(at, _)| at).collect();
    let reason = "the entry before this lists the call program:nginx -> program:php port 9000/tcp again";
    match Baseline::parse(file.as_bytes()) {
        Err(BaselineError::Malformed { line, reason: found, .. }) => {
            assert_eq!((line, found.as_str()), (entries[2], reason));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_list_of_too_many_calls_and_a_file_of_too_many_bytes_are_errors() {
    let expected = learned().calls()[0].clone();
    let calls = (0..=limits::CALLS).map(|i| ExpectedCall { to: format!("peer:{i:05}"), ..expected.clone() });
    let mut baseline = Baseline { calls: calls.collect(), ..learned() };
    let error = Baseline::parse(baseline.render().as_bytes()).unwrap_err().to_string();
    assert!(error.contains("more than 16384 calls"), "{error}");
    baseline.calls.pop();
    assert_eq!(Baseline::parse(baseline.render().as_bytes()), Ok(baseline));
    let bytes = vec![b' '; limits::BASELINE_BYTES + 1];
    assert_eq!(Baseline::parse(&bytes), Err(BaselineError::TooLong { bytes: limits::BASELINE_BYTES + 1 }));
}

#[test]
fn an_error_does_not_let_the_file_speak_to_the_terminal() {
    let file = learned().render().replacen("\"samples\"", "\"\\u001b[2J\\u009b\"", 1);
    let error = Baseline::parse(file.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("unknown field") && !error.contains(char::is_control), "{error:?}");
    let error = Baseline::parse(br#"{"schema": "\u001b[2J"}"#).unwrap_err().to_string();
    assert!(!error.contains(char::is_control), "{error:?}");
}

#[test]
fn only_a_call_between_identified_services_can_be_unexpected() {
    let baseline = learned();
    let known = baseline.calls()[0].key();
    let new = CallKey { port: 1.into(), ..known.clone() };
    let programs = [ServiceKind::Program, ServiceKind::Program];
    let of = |key, ends| Standing::of(Some(&baseline), key, ends).state();
    assert_eq!(of(&known, programs), CallState::Expected);
    assert_eq!(of(&new, programs), CallState::Unexpected);
    assert_eq!(of(&new, [ServiceKind::Program, ServiceKind::Peer]), CallState::Unexpected);
    assert_eq!(of(&new, [ServiceKind::Program, ServiceKind::Unknown]), CallState::Unjudged);
    assert_eq!(of(&new, [ServiceKind::Other, ServiceKind::Program]), CallState::Unjudged);
    assert_eq!(Standing::of(None, &known, programs).state(), CallState::Unjudged);
}

prop_compose! {
    pub(super) fn any_call()(
        from in prop_oneof![Just("program:a".to_owned()), any::<String>()],
        to in any::<String>(),
        port in prop_oneof![any::<u16>().prop_map(Port::from), any::<String>().prop_map(Port::Path)],
        transport in "tcp|unix",
        protocol in proptest::option::of(any::<String>()),
        (requests, samples) in any::<(u64, u64)>(),
        requests_per_second in 0.0..f64::MAX,
        (mean_ms, p99_ms) in (proptest::option::of(0.0..1e9), proptest::option::of(0.0..1e9)),
        error_rate in proptest::option::of(0.0..=1.0),
    ) -> ExpectedCall {
        ExpectedCall {
            from, to, port, transport, protocol, requests, requests_per_second, mean_ms, p99_ms, error_rate, samples,
            rate_spread: None,
            mean_spread: None,
            p99_spread: None,
            error_spread: None,
            rhythm: None,
            operations: None,
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = Baseline::parse(&bytes);
    }

    #[test]
    fn no_change_to_a_file_panics(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = learned().render().into_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Err(error) = Baseline::parse(&bytes) {
            prop_assert!(!error.to_string().contains(char::is_control));
        }
    }

    #[test]
    fn every_baseline_is_read_back_as_it_was_written_whatever_the_order_of_its_calls(
        calls in prop::collection::btree_map(any_call().prop_map(|call| call.key()), any_call(), 0..6),
        rotation: usize,
    ) {
        let calls = calls.into_iter().map(|(CallKey { from, to, port, transport }, call)| {
            ExpectedCall { from, to, port, transport, ..call }
        });
        let baseline = Baseline { calls: calls.collect(), ..learned() };
        let mut turned = baseline.clone();
        let middle = rotation % turned.calls.len().max(1);
        turned.calls.rotate_left(middle);
        prop_assert_eq!(Baseline::parse(turned.render().as_bytes()), Ok(baseline));
    }

    #[test]
    fn learning_does_not_depend_on_the_order_of_the_graph(
        calls in Just((1..20).map(|port| call("program:nginx", "program:php", port)).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let in_order = (1..20).map(|port| call("program:nginx", "program:php", port)).collect();
        let mut shuffled = graph(calls);
        shuffled.services.reverse();
        prop_assert_eq!(Baseline::learn(&shuffled).unwrap().render(), Baseline::learn(&graph(in_order)).unwrap().render());
    }
}

fn with_entries(entries: &str) -> Result<Baseline, BaselineError> {
    let services = vec![service("program:web", ServiceKind::Program), service("program:db", ServiceKind::Program)];
    let graph = GraphSnapshot { services, ..graph(vec![call("program:web", "program:db", 5432)]) };
    let text = Baseline::learn(&graph).unwrap().render();
    Baseline::parse(text.replacen("\"calls\"", &format!("{entries}, \"calls\""), 1).as_bytes())
}

#[test]
fn a_denial_beats_what_is_allowed_and_that_beats_what_is_not_known() {
    let baseline = with_entries(
        r#""allow": [{"to": "db", "port": 5433, "comment": "the replica"}, {"from": "cron*"}],
        "deny": [{"from": "program:web", "port": 5433}, {"to": "*", "port": 23, "comment": "no telnet"}]"#,
    )
    .unwrap();
    let programs = [ServiceKind::Program, ServiceKind::Program];
    let key = |from: &str, port: u16| CallKey {
        from: format!("program:{from}"),
        to: "program:db".into(),
        port: port.into(),
        transport: "tcp".into(),
    };
    let state = |from, port, ends| Standing::of(Some(&baseline), &key(from, port), ends).state();
    assert_eq!(state("web", 5432, programs), CallState::Expected, "learned");
    assert_eq!(state("api", 5433, programs), CallState::Expected, "allowed");
    assert_eq!(state("cronie", 1, programs), CallState::Expected, "allowed by a glob");
    assert_eq!(state("web", 5433, programs), CallState::Unexpected, "denied, though allowed");
    assert_eq!(state("cronie", 23, programs), CallState::Unexpected, "denied, though allowed");
    assert_eq!(state("api", 5432, programs), CallState::Unexpected, "neither");
    let unknown = [ServiceKind::Program, ServiceKind::Unknown];
    assert_eq!(state("api", 5432, unknown), CallState::Unjudged);
    assert_eq!(state("api", 23, unknown), CallState::Unexpected, "denied to whomever");
    let Standing::Denied(entry) = Standing::of(Some(&baseline), &key("web", 23), programs) else { panic!() };
    assert_eq!(entry.to_string(), "no telnet");

    let again = Baseline::parse(baseline.render().as_bytes()).unwrap();
    assert_eq!(again, baseline);
    let learned_again = with_entries(r#""allow": []"#).unwrap().with_entries_of(&baseline);
    assert_eq!((learned_again.allow(), learned_again.deny()), (baseline.allow(), baseline.deny()));
}

#[test]
fn an_entry_that_says_nothing_or_is_misspelt_is_an_error() {
    for (entry, reason) in [
        (r#"{"comment": "everything"}"#, "no condition"),
        (r#"{"form": "web"}"#, "unknown field `form`"),
        (r#"{"from": "["}"#, "cannot be used"),
    ] {
        let error = with_entries(&format!(r#""allow": [{entry}]"#)).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    let many = vec![r#"{"port": 1}"#; limits::RULES + 1].join(",");
    assert!(with_entries(&format!(r#""deny": [{many}]"#)).is_err());
}

proptest! {
    #[test]
    fn what_allows_a_call_is_about_this_call_alone(from in ".{1,60}", to in ".{1,60}", other in ".{1,60}", port: u16) {
        let key = |from: &str| CallKey {
            from: format!("program:{from}"), to: format!("peer:{to}"), port: port.into(), transport: "tcp".into(),
        };
        let entry: Entry = serde_json::from_str(&key(&from).allow()).unwrap();
        prop_assert!(entry.matches(&key(&from)));
        prop_assert_eq!(entry.matches(&key(&other)), other == from);
        let next_port = CallKey { port: port.wrapping_add(1).into(), ..key(&from) };
        prop_assert!(!entry.matches(&next_port));
    }
}
