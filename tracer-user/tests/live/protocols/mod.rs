//! What calls say, against real servers and clients: every request under its operation and status, as its client counted
//! it, and as long as its client took it to be.
//!
//! Invariant: as in `main`. Memory: none.

mod applications;
mod clocks;
mod faults;
mod lookups;
mod messaging;
mod privacy;
mod stores;
mod tls;
mod web;

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::coverage;
use crate::host::{Folder, Graph, Tracer, named_script, patience, scale};

/// A server, which ends with the test.
struct Server(Child);

impl Server {
    /// Starts it, and waits until it listens on the port.
    fn start(command: &[&str], folder: &Folder, port: u16) -> Self {
        let log = std::fs::File::create(folder.file("server.log")).unwrap();
        let child = Command::new(command[0])
            .args(&command[1..])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}; run: cargo xtask setup --tests", command[0]));
        let server = Self(child);
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let said = || std::fs::read_to_string(folder.file("server.log")).unwrap();
            assert!(begin.elapsed() < patience(Duration::from_secs(30)), "{} does not listen: {}", command[0], said());
            sleep(Duration::from_millis(20));
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status();
        let begin = Instant::now();
        while self.0.try_wait().is_ok_and(|ended| ended.is_none()) && begin.elapsed() < Duration::from_secs(5) {
            sleep(Duration::from_millis(20));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

type Operations = BTreeMap<String, BTreeMap<String, u64>>;

/// Runs a client to its end: what it says at last.
fn account(source: &str, name: &str, arguments: &[&str]) -> Value {
    let output = Command::new("/usr/bin/python3")
        .arg(named_script(source, name))
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{name} failed");
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

/// What it says that it asked and was answered.
fn report(source: &str, name: &str, arguments: &[&str]) -> Operations {
    serde_json::from_value(account(source, name, arguments)["operations"].take()).unwrap()
}

/// What the tracer counted.
fn operations(call: &Value) -> Operations {
    let of = |operation: &Value| {
        let name = operation["name"].as_str().unwrap_or("(other)").to_owned();
        (name, serde_json::from_value(operation["statuses"].clone()).unwrap())
    };
    call["operations"].as_array().unwrap().iter().map(of).collect()
}

/// The call is what its client says it was.
fn agrees(graph: &Graph, client: &str, server: &str, port: u16, protocol: &str, told: &Operations) {
    counts(graph.only_call(client, server, port), protocol, told);
    assert_eq!(graph.0["completeness"]["records_lost"], 0);
}

/// The call has the requests that its client says it made.
fn counts(call: &Value, protocol: &str, told: &Operations) {
    assert_eq!(call["protocol"], protocol, "{call:#}");
    assert_eq!(operations(call), *told, "{protocol}");
    let requests: u64 = told.values().flat_map(BTreeMap::values).sum();
    assert_eq!(call["requests"], requests, "{call:#}");
    assert_eq!(call["in_flight"], 0, "{call:#}");
}

/// A client of that server which makes so many requests on fifty connections.
fn traffic(protocol: &str, server: &str, source: &str, more: &[&str], folder: &Folder, port: u16) {
    let tracer = Tracer::watch(folder, &[]);
    let (port_text, requests) = (port.to_string(), scale(1_000).to_string());
    let mut arguments = vec![port_text.as_str(), &requests, "50"];
    arguments.extend(more);
    let told = report(source, "client.py", &arguments);
    agrees(&tracer.finish(), "client.py", server, port, protocol, &told);
    coverage::passed(&format!("protocol/{protocol}"));
}
