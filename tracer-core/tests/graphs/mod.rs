//! Graphs that the tests of the exporters share: a sample as a README shows it, and one whose every name is an attack.

use tracer_core::graph::snapshot::{
    Anomaly, Call, CallState, Completeness, Degradation, ErrorsByKind, GraphSnapshot, Instance, Latency, SCHEMA,
    Service, ServiceKind,
};

/// Names that break a careless exporter or the reader of its output.
pub(crate) fn hostile_names() -> Vec<String> {
    let mut names: Vec<String> = [
        "",
        " ",
        "end",
        "graph",
        "style",
        "subgraph x",
        "n0",
        "\u{1b}[2J\u{1b}]0;owned\u{7}",
        "a\r\nn9 -> n8\nb",
        "\u{0}\u{1}\u{1f}\u{7f}",
        "\u{80}\u{9b}31m\u{9f}",
        "\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}gpj.exe",
        "\u{2066}\u{2067}\u{2068}\u{2069}",
        "\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}",
        "\u{2028}\u{2029}\u{fffe}\u{ffff}",
        "\"];click n0 \"javascript:alert(1)\"",
        "a --> b",
        "-->",
        "</script><script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<a href=",
        "</FONT></B>",
        "<!-- ",
        "]]>",
        "${HOME}$(id)`id`",
        "`**bold**`",
        "#quot;#35;",
        "&quot;&#60;&amp",
        "%% comment",
        "%%{init: {\"securityLevel\": \"loose\"}}%%",
        "---\ntitle: x\n---",
        "style n0 fill:#f00;",
        "classDef x fill:#f00;",
        "1. list",
        "- list",
        "# heading",
        "    code",
        "http://www.example.com",
        "me@example.com",
        "\\N \\G \\E \\n \\",
        "\\\"",
        "{\"a\": 1}",
        "[(x)]",
        "|pipe|",
        "*a* _b_ ~~c~~",
        ":::class",
        "@{ shape: circle }",
        "$$x^2$$",
        "fa:fa-bomb",
        "größe データ 🦀 e\u{301}",
    ]
    .map(str::to_owned)
    .to_vec();
    names.push("x".repeat(4_096));
    names.push("\u{1b}".repeat(4_096));
    names
}

/// Five services, one of them outside, and one call that nobody expected.
pub(crate) fn sample() -> GraphSnapshot {
    let mut completeness = Completeness { records_lost: 12, ..Completeness::default() };
    completeness
        .degraded
        .push(Degradation { name: "payload".to_owned(), reason: "io_uring buffers cannot be read".to_owned() });
    let mut slow = call("api.py", "postgres", 5432, CallState::Expected, 41.0, 38.4);
    slow.anomalies.push(anomaly("latency-p99"));
    slow.errors = 3;
    let mut psql = call("psql", "postgres", 5432, CallState::Unexpected, 0.04, 1.9);
    psql.anomalies.push(anomaly("unexpected-call"));
    let mut outside = call("api.py", "203.0.113.7", 443, CallState::Expected, 2.5, 87.0);
    if let Some(latency) = &mut outside.recent_latency_ms {
        latency.estimated = true;
    }
    GraphSnapshot {
        cost: None,
        completeness,
        ..graph(
            vec![
                service("203.0.113.7", ServiceKind::Peer, 0),
                service("api.py", ServiceKind::Program, 4),
                service("load.py", ServiceKind::Program, 1),
                service("nginx", ServiceKind::Program, 2),
                service("postgres", ServiceKind::Program, 1),
                service("psql", ServiceKind::Program, 1),
                service("redis-server", ServiceKind::Program, 1),
            ],
            vec![
                outside,
                slow,
                call("api.py", "redis-server", 6379, CallState::Expected, 1_180.0, 0.31),
                call("load.py", "nginx", 8080, CallState::Expected, 120.0, 12.6),
                call("nginx", "api.py", 9000, CallState::Expected, 120.0, 11.8),
                psql,
            ],
        )
    }
}

/// Every hostile name as a service of each kind in turn, called by its neighbour, and as every other text of the graph.
pub(crate) fn hostile() -> GraphSnapshot {
    let names = hostile_names();
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
    let ports = [5432, 80, 0, 6379, 65_535];
    let services = names.iter().zip(kinds.iter().cycle()).map(|(name, kind)| service(name, *kind, 2)).collect();
    let pairs = names.iter().zip(names.iter().cycle().skip(1));
    let calls = pairs.zip(states.iter().cycle()).zip(ports.iter().cycle()).map(|(((from, to), state), port)| {
        let mut call = call(from, to, *port, *state, 1.0, 1.0);
        call.transport = if call.port == 0 { from.clone() } else { "tcp".to_owned() };
        call.protocol = Some(to.clone());
        call.anomalies.push(anomaly(from));
        call
    });
    let calls = calls.collect();
    let mut graph = graph(services, calls);
    // No service has this id: the file was not written by this tool.
    graph.calls.push(call("nobody\u{1b}", "nobody\u{1b}", 1, CallState::Expected, 1.0, 1.0));
    graph.host = names.concat();
    graph.from = "\"\u{1b}".to_owned();
    graph.completeness.degraded =
        names.iter().map(|name| Degradation { name: name.clone(), reason: name.clone() }).collect();
    graph
}

pub(crate) fn graph(services: Vec<Service>, calls: Vec<Call>) -> GraphSnapshot {
    GraphSnapshot {
        cost: None,
        schema: SCHEMA.to_owned(),
        host: "web-1".to_owned(),
        from: "2026-03-01T12:00:00Z".to_owned(),
        until: "2026-03-01T12:05:00Z".to_owned(),
        window_seconds: 5.0,
        completeness: Completeness::default(),
        services,
        calls,
    }
}

/// A service whose id is its name.
pub(crate) fn service(name: &str, kind: ServiceKind, instances: u32) -> Service {
    let instance = |n| Instance {
        pid: 4_000 + n,
        started: "2026-03-01T11:00:00Z".to_owned(),
        exe: Some(format!("/usr/bin/{name}")),
    };
    Service { id: name.to_owned(), name: name.to_owned(), kind, instances: (0..instances).map(instance).collect() }
}

pub(crate) fn call(from: &str, to: &str, port: u16, state: CallState, rate: f64, p99: f64) -> Call {
    let latency = Latency {
        mean: p99 / 2.0,
        p50: p99 / 2.5,
        p90: p99 / 1.25,
        p99,
        max: p99 * 2.0,
        samples: 1_000,
        estimated: false,
        sampled: false,
    };
    Call {
        from: from.to_owned(),
        to: to.to_owned(),
        port: port.into(),
        transport: "tcp".to_owned(),
        protocol: None,
        inner_protocol: None,
        operations: Vec::new(),
        state,
        first_seen: "2026-03-01T12:00:01Z".to_owned(),
        connections: 10,
        failed_connections: 0,
        open_connections: 2,
        most_open_connections: 2,
        accept_queue_drops: 0,
        requests_estimated: 0,
        requests: 1_000,
        errors: 0,
        errors_by_kind: ErrorsByKind::default(),
        error_rate: Some(0.0),
        requests_per_second: Some(rate),
        latency_ms: Some(latency),
        server_latency_ms: None,
        wait_ms: None,
        complete_ms: None,
        recent_latency_ms: Some(latency),
        bytes_sent: 50_000,
        bytes_received: 900_000,
        in_flight: 0,
        oldest_in_flight_ms: None,
        anomalies: Vec::new(),
    }
}

fn anomaly(kind: &str) -> Anomaly {
    Anomaly {
        kind: kind.to_owned(),
        observed: Some(38.4),
        limit: Some(20.0),
        message: format!("{kind} above its limit"),
    }
}
