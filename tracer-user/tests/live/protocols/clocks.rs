//! Latencies beside the clocks of clients that measure them: p50 and p99 of fifty connections within five percent, or
//! 0.1 ms.
//!
//! Invariant: as in `main`; a test may try again, as the tails of two clocks differ where others use the host. Memory: none.

mod wire;

use std::process::Command;

use serde_json::Value;

use super::stores::postgres_program;
use super::{stores, web};
use crate::host::{Folder, Peer, Tracer, port};

const TRIES: usize = 3;

/// What a client says that half of its requests took, and 99 of 100, at most: milliseconds.
#[derive(Debug)]
struct Clock {
    p50: f64,
    p99: f64,
}

impl Clock {
    fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        let at = |of_hundred: usize| times[(times.len() * of_hundred / 100).min(times.len() - 1)];
        Self { p50: at(50), p99: at(99) }
    }

    /// What does not agree.
    fn differs(&self, figures: &Value) -> Option<String> {
        [("p50", self.p50), ("p99", self.p99)].into_iter().find_map(|(name, wanted)| {
            let found = figures["latency_ms"][name].as_f64().unwrap_or(f64::NAN);
            // Half of what takes less: nothing at all would agree with everything short.
            let agrees = (found - wanted).abs() <= (wanted * 0.05).max((wanted * 0.5).min(0.1));
            (!agrees).then(|| format!("{name}: {found} ms, {wanted} ms for its client: {figures:#}"))
        })
    }
}

/// Measures at both places, again where others who use the host come between the two clocks: at most [`TRIES`] times.
fn agree(mut measure: impl FnMut() -> (Clock, Value)) {
    let mut differences = Vec::new();
    for _ in 0..TRIES {
        let (clock, call) = measure();
        match clock.differs(&call) {
            None => return,
            Some(difference) => differences.push(difference),
        }
    }
    panic!("{}", differences.join("\n"));
}

fn output(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(command).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{command}: {error}; run: cargo xtask setup --tests"));
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// `12.34ms`, `987.00us`.
fn milliseconds(text: &str) -> f64 {
    let digits = text.trim_end_matches(char::is_alphabetic);
    let unit = match &text[digits.len()..] {
        "us" => 0.001,
        "ms" => 1.0,
        "s" => 1_000.0,
        unit => panic!("{unit}"),
    };
    digits.parse::<f64>().unwrap() * unit
}

#[test]
fn http_requests_take_as_long_as_wrk_says() {
    let folder = Folder::new("clock-http");
    let (front, back, nobody) = (port(), port(), port());
    let source = include_str!("../traffic/http.py");
    let _back = Peer::start_script(&[], source, "back.py", &["server", &back.to_string()]);
    let _front = web::gateway(&folder, front, back, nobody);
    let address = format!("http://127.0.0.1:{front}/wait/1");
    agree(|| {
        let tracer = Tracer::watch(&folder, &[]);
        let told = output("wrk", &["-t1", "-c50", "-d3s", "--latency", &address]);
        let quantile = |name| {
            let line = told.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap();
            milliseconds(line.trim())
        };
        let clock = Clock { p50: quantile("50%"), p99: quantile("99%") };
        (clock, tracer.finish().only_call("wrk", "nginx", front).clone())
    });
}

#[test]
fn redis_commands_take_as_long_as_redis_benchmark_says() {
    let (folder, port) = (Folder::new("clock-redis"), port());
    let (_server, text) = (stores::redis_server(&folder, port), port.to_string());
    agree(|| {
        let tracer = Tracer::watch(&folder, &[]);
        let told = output("redis-benchmark", &["-p", &text, "-c", "50", "-n", "100000", "-t", "get", "--csv"]);
        let line = told.lines().last().unwrap().replace('"', "");
        // "test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"
        let fields: Vec<&str> = line.split(',').collect();
        let clock = Clock { p50: fields[4].parse().unwrap(), p99: fields[6].parse().unwrap() };
        (clock, tracer.finish().only_call("redis-benchmark", "redis-server", port).clone())
    });
}

/// Streams whose answers wait behind the gateway, so that what is compared is long beside the turns of the two cores.
#[test]
fn http2_streams_take_as_long_as_h2load_says() {
    let folder = Folder::new("clock-http2");
    let (front, back, nobody) = (port(), port(), port());
    let source = include_str!("../traffic/http.py");
    let _back = Peer::start_script(&[], source, "back.py", &["server", &back.to_string()]);
    let _front = web::gateway_that_speaks("http2", &folder, front, back, nobody);
    let (log, address) = (folder.file("log"), format!("http://127.0.0.1:{front}/wait/20"));
    // What the first requests took is known at the server alone: until then, only one end tells what is said.
    let load = ["-n", "3000", "-c", "50", "-m", "2", "--rps", "12", "--log-file", log.to_str().unwrap(), &address];
    agree(|| {
        let tracer = Tracer::watch(&folder, &[]);
        output("h2load", &load);
        let lines = std::fs::read_to_string(&log).unwrap();
        let times = lines.lines().map(|line| line.split_whitespace().nth(2).unwrap().parse::<f64>().unwrap() / 1_000.0);
        let call = tracer.finish().only_call("h2load", "nginx", front).clone();
        assert_eq!(call["protocol"], "http2", "{call:#}");
        (Clock::of(times.collect()), call)
    });
}

/// So many statements for each connection that its beginning, which the client does not count, is none of the slowest.
#[test]
fn statements_take_as_long_as_pgbench_says() {
    let (folder, port) = (Folder::new("clock-postgres"), port());
    let _server = stores::postgres(&folder, port);
    let (script, log, text) = (folder.file("script.sql"), folder.file("log"), port.to_string());
    std::fs::write(&script, "SELECT pg_sleep(0.01);\n").unwrap();
    let common = ["-h", "127.0.0.1", "-p", &text, "-U", "postgres", "-n", "-c", "50", "-t", "200", "-M", "extended"];
    let more = ["-f", script.to_str().unwrap(), "-l", "--log-prefix", log.to_str().unwrap(), "postgres"];
    agree(|| {
        let tracer = Tracer::watch(&folder, &[]);
        output(&postgres_program("pgbench"), &[&common[..], &more].concat());
        let graph = tracer.finish();
        let logs = std::fs::read_dir(folder.file("")).unwrap().map(|entry| entry.unwrap().path());
        let logs = logs.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("log."));
        let mut lines = String::new();
        for log in logs {
            lines.push_str(&std::fs::read_to_string(&log).unwrap());
            std::fs::remove_file(log).unwrap();
        }
        let times = lines.lines().map(|line| line.split_whitespace().nth(2).unwrap().parse::<f64>().unwrap() / 1_000.0);
        (Clock::of(times.collect()), graph.only_call("pgbench", "postgres", port).clone())
    });
}
