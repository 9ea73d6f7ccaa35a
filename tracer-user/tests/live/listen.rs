//! `--listen`: a Prometheus from the distribution scrapes a tracer that watches.
//!
//! Invariant: every server started here is ended here. Memory: their answers.

use crate::alerts::wait_for;
use crate::host::{Folder, Peer, Tracer, port, scale};
use crate::kinds::start;
use crate::sinks::{Server, get};
use serde_json::Value;
use std::io::Write as _;
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A client and a server, each request of which is counted; the client asks when it is let.
struct Pair {
    port: u16,
    count: u64,
    client: Peer,
    _server: Peer,
}

impl Pair {
    fn start() -> Self {
        let (port, count) = (port(), scale(2_000));
        let place = format!("127.0.0.1:{port}");
        let server = start("server.py", &["server", &place]);
        let client = start("client.py", &["patient", &place, &count.to_string()]);
        Self { port, count, client, _server: server }
    }
}

fn prometheus(folder: &Folder, scraped: u16, port: u16) -> Server {
    let config = folder.file("prometheus.yml");
    let text = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n  - job_name: tracer\n    static_configs:\n      \
         - targets: ['127.0.0.1:{scraped}']\n"
    );
    std::fs::write(&config, text).unwrap();
    let child = Command::new("prometheus")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", folder.file("prometheus").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("prometheus: {error}; run: cargo xtask setup --tests"));
    Server(child)
}

/// The only value that Prometheus has of an expression.
fn value(port: u16, expression: &str) -> Option<f64> {
    let answer = get(port, &format!("/api/v1/query?query={expression}"))?;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let [result] = answer["data"]["result"].as_array()?.as_slice() else { return None };
    result["value"][1].as_str()?.parse().ok()
}

#[test]
fn prometheus_has_the_requests_that_the_client_made_and_its_tool_finds_no_fault_in_the_metrics() {
    let (folder, listen, query) = (Folder::new("listen"), port(), port());
    let mut pair = Pair::start();
    let tracer = Tracer::watch(&folder, &["--listen", &format!("127.0.0.1:{listen}")]);
    let _prometheus = prometheus(&folder, listen, query);
    pair.client.go_on();
    let of_the_call = |metric: &str| {
        // {client="client.py",server="server.py",port="…"}
        let port = pair.port;
        format!("{metric}%7Bclient%3D%22client.py%22,server%3D%22server.py%22,port%3D%22{port}%22%7D")
    };
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let wanted = pair.count as f64;
    for metric in ["traces_service_graph_request_total", "traces_service_graph_request_client_seconds_count"] {
        wait_for(metric, Duration::from_secs(20), || value(query, &of_the_call(metric)) == Some(wanted));
    }
    assert_eq!(value(query, &of_the_call("traces_service_graph_request_failed_total")), Some(0.0));
    let metrics = get(listen, "/metrics").unwrap();
    let mut check = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("promtool: {error}; run: cargo xtask setup --tests"));
    check.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let checked = check.wait_with_output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&checked.stdout), String::from_utf8_lossy(&checked.stderr));
    assert!(checked.status.success() && said.is_empty(), "{said}");
    let health: Value = serde_json::from_str(&get(listen, "/health").unwrap()).unwrap();
    assert!(matches!(health["status"].as_str(), Some("ready" | "degraded")), "{health:#}");
    let graph: Value = serde_json::from_str(&get(listen, "/graph.json").unwrap()).unwrap();
    assert_eq!(graph["schema"], "tracer.graph/1");
    // Also with somebody who scrapes, it ends at once.
    tracer.finish();
}

/// Whether the socket between these ports of loopback has something that its owner does not read.
fn waits_unread(local: u16, remote: u16) -> bool {
    // `ss -Htn`: State Recv-Q Send-Q Local:Port Peer:Port
    let (local, remote) = (format!("sport = :{local}"), format!("dport = :{remote}"));
    let told = Command::new("ss").args(["-Htn", &local, &remote]).output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    told.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() > 0
}

#[test]
fn who_asks_and_does_not_read_keeps_nothing_from_being_seen() {
    let (folder, listen) = (Folder::new("slow-reader"), port());
    let mut pair = Pair::start();
    let tracer = Tracer::watch(&folder, &["--listen", &format!("127.0.0.1:{listen}")]);
    let readers: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut reader = TcpStream::connect(("127.0.0.1", listen)).unwrap();
            // More than the kernel holds of the answers, so that the server is kept from reading all that it is asked.
            reader.write_all(&b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(500)).unwrap();
            reader
        })
        .collect();
    pair.client.go_on();
    wait_for("it answers others", Duration::from_secs(10), || get(listen, "/health").is_some());
    wait_for("its answers fill what the kernel holds", Duration::from_secs(10), || {
        readers.iter().all(|reader| waits_unread(listen, reader.local_addr().unwrap().port()))
    });
    let graph = tracer.finish();
    assert_eq!(graph.only_call("client.py", "server.py", pair.port)["requests"], pair.count);
    assert_eq!(graph.0["completeness"]["records_lost"], 0);
}
