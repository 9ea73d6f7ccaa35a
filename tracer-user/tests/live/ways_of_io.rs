//! Every way of input and output: each byte is counted once, whichever system call carried it.
//!
//! Invariant: as in `main`; the kernel's own count of the connection (`ss`) agrees within one per cent. Memory: none.

use crate::coverage;
use crate::host::{Folder, Graph, Peer, Tracer, port, scale};
use serde_json::Value;
use std::process::Command;

/// What moved on the server's side, as the kernel counts it: bytes acknowledged, bytes received.
fn by_ss(port: u16) -> (u64, u64) {
    let output = Command::new("ss").args(["-tinH", "state", "established", &format!("sport = :{port}")]).output();
    let said = String::from_utf8(output.unwrap().stdout).unwrap();
    let figure = |name: &str| {
        let word = said.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix(':'));
        word.unwrap_or_else(|| panic!("no {name}: {said}")).parse::<u64>().unwrap()
    };
    (figure("bytes_acked"), figure("bytes_received"))
}

fn is_close(one: u64, other: u64) -> bool {
    one.abs_diff(other) * 100 <= other
}

/// Two peers exchange requests of 100 bytes and answers of 300 in one way, and keep the connection.
struct Talk {
    graph: Graph,
    port: u16,
    requests: u64,
    server: u32,
    client: u32,
}

impl Talk {
    fn hold(way: &str) -> Self {
        let folder = Folder::new(way);
        let port = port();
        let requests = scale(200);
        let words = [way.to_owned(), port.to_string(), requests.to_string()];
        let words = |role| [role].into_iter().chain(words.iter().map(String::as_str)).collect::<Vec<_>>();
        let script = include_str!("ways.py");
        let server = Peer::start_script(&[], script, "server.py", &words("server"));
        let tracer = Tracer::watch(&folder, &[]);
        let mut client = Peer::start_script(&[], script, "client.py", &words("client"));
        client.expect("asked");
        // What moves past the hooks is found by a look after a silence.
        std::thread::sleep(std::time::Duration::from_millis(1500));
        let (acknowledged, received) = by_ss(port);
        let talk = Self { server: server.pid(), client: client.pid(), graph: tracer.finish(), port, requests };
        client.let_go();
        let call = talk.call();
        assert!(is_close(call["bytes_received"].as_u64().unwrap(), acknowledged), "ss: {acknowledged}, {call:#}");
        assert!(is_close(call["bytes_sent"].as_u64().unwrap(), received), "ss: {received}, {call:#}");
        talk
    }

    fn call(&self) -> &Value {
        self.graph.only_call("client.py", "server.py", self.port)
    }

    /// Bytes and connections are exact, and the processes right.
    fn moved_all(&self) {
        let call = self.call();
        assert_eq!((&call["connections"], &call["open_connections"]), (&1.into(), &1.into()), "{call:#}");
        assert_eq!(call["bytes_sent"], self.requests * 100, "{call:#}");
        assert_eq!(call["bytes_received"], self.requests * 300, "{call:#}");
        assert!(self.graph.has_instance("client.py", self.client) && self.graph.has_instance("server.py", self.server));
    }

    /// So are the requests.
    fn counted_all(&self) {
        self.moved_all();
        assert_eq!(self.call()["requests"], self.requests, "{:#}", self.call());
    }

    /// And every one is timed at both ends.
    fn timed_all(&self) {
        self.counted_all();
        let call = self.call();
        let samples = (&call["latency_ms"]["samples"], &call["server_latency_ms"]["samples"]);
        assert_eq!(samples, (&self.requests.into(), &self.requests.into()), "{call:#}");
    }
}

#[test]
fn read_and_write() {
    Talk::hold("read-write").timed_all();
    coverage::passed("io/read-write");
}

#[test]
fn vectors_also_with_positions_that_a_socket_ignores() {
    Talk::hold("readv-writev").timed_all();
    coverage::passed("io/readv-writev");
}

#[test]
fn send_and_receive_in_all_their_forms() {
    Talk::hold("send-recv").timed_all();
    coverage::passed("io/send-recv");
}

#[test]
fn several_messages_in_one_call() {
    Talk::hold("mmsg").timed_all();
    coverage::passed("io/mmsg");
}

#[test]
fn a_file_sent_by_the_kernel() {
    Talk::hold("sendfile").timed_all();
    coverage::passed("io/sendfile");
}

#[test]
fn bytes_that_never_reach_the_process() {
    let talk = Talk::hold("splice");
    talk.counted_all();
    if coverage::on_system_calls() {
        talk.timed_all();
        return coverage::passed("io/splice");
    }
    // No hook runs when bytes leave a socket by splice: they are found when the same socket is used next.
    let samples = talk.call()["server_latency_ms"]["samples"].as_u64().unwrap_or(0);
    assert!(samples < talk.requests, "it is no limit any more: {samples} of {} are timed", talk.requests);
    coverage::limited("io/splice", "exact counts and bytes; no latency at an end that receives by splice(2)");
}

#[test]
fn operations_of_io_uring() {
    let talk = Talk::hold("io_uring");
    talk.moved_all();
    if coverage::on_system_calls() {
        let requests = talk.call()["requests"].as_u64().unwrap();
        assert!(requests < talk.requests, "it is no limit any more");
        return coverage::limited("io/io_uring", "exact bytes; no requests or latencies: no system call carries them");
    }
    talk.timed_all();
    coverage::passed("io/io_uring");
}

#[test]
fn bytes_that_are_only_looked_at_are_not_counted_and_those_thrown_away_are() {
    Talk::hold("peek").timed_all();
    coverage::passed("io/peek");
}

#[test]
fn a_socket_that_never_blocks() {
    Talk::hold("nonblocking").timed_all();
    coverage::passed("io/nonblocking");
}

#[test]
fn sending_without_copying_and_its_notices_on_the_error_queue() {
    Talk::hold("zerocopy").timed_all();
    coverage::passed("io/zerocopy");
}

#[test]
fn a_socket_has_no_positions_and_what_fails_counts_nothing() {
    Talk::hold("pread").timed_all();
    coverage::passed("io/pread");
}
