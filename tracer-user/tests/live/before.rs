//! What was open before the tracer is there, with owner and direction.
//!
//! Invariant: as in `main`. Memory: none.

use crate::coverage;
use crate::host::{Folder, Graph, Peer, Tracer, port, scale};
use crate::kinds::start;
use crate::namespaces::Cable;
use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Sockets of each holder for a number: TCP and UDP on two addresses, Unix by path and by abstract name.
const SOCKETS: usize = 2 * 5 + 2 * 3;

#[test]
fn a_thousand_sockets_of_all_kinds_in_two_namespaces_are_there_within_two_seconds() {
    let folder = Folder::new("mixed");
    let cable = Cable::lay();
    let count = 32;
    let (first, second) = (folder.file("a"), folder.file("b"));
    let mut holders = Vec::new();
    for (namespace, place, name) in [(&cable.left, &first, "left.py"), (&cable.right, &second, "right.py")] {
        std::fs::create_dir_all(place).unwrap();
        let arguments = ["many", place.to_str().unwrap(), "21000", &count.to_string()];
        let prefix = ["ip", "netns", "exec", namespace];
        let mut holder = Peer::start_script(&prefix, include_str!("kinds.py"), name, &arguments);
        holder.expect(&(SOCKETS * count).to_string());
        holders.push(holder);
    }
    let mut tracer = Tracer::watch(&folder, &[]);
    // TCP and UDP by number, Unix by path: a call for each of both namespaces, told as soon as it is known.
    let wanted = 2 * count * 4;
    let mut told = HashSet::new();
    tracer.told_within(Duration::from_secs(2), |object| {
        let call = &object["call"];
        if let Some(from) = call["from"].as_str().filter(|from| ["program:left.py", "program:right.py"].contains(from))
        {
            told.insert(format!("{from} {} {}", call["port"], call["transport"]));
        }
        told.len() >= wanted
    });
    assert_eq!(told.len(), wanted, "within two seconds");
    let graph = tracer.finish();
    for (holder, name) in holders.iter().zip(["left.py", "right.py"]) {
        assert!(graph.has_instance(name, holder.pid()));
        let id = format!("program:{name}");
        let calls: Vec<_> =
            graph.0["calls"].as_array().unwrap().iter().filter(|call| call["from"] == id || call["to"] == id).collect();
        let mut open: Vec<_> = calls
            .iter()
            .map(|call| format!("{} {} {} {}", call["port"], call["from"], call["to"], call["open_connections"]))
            .collect();
        open.sort_unstable();
        // Two TCP connections and two UDP ones by number, one on each path and abstract name.
        let sum: u64 = calls.iter().map(|call| call["open_connections"].as_u64().unwrap()).sum();
        assert_eq!(sum, u64::try_from(count * 6).unwrap(), "{open:#?}");
        assert!(calls.iter().all(|call| call["from"] == id && call["to"] == id), "{open:#?}");
    }
    coverage::passed("before/mixed");
}

#[test]
fn a_tracer_that_is_restarted_finds_the_call_each_time_and_loses_no_request() {
    let port = port();
    let place = format!("127.0.0.1:{port}");
    let count = scale(2_000);
    let server = start("server.py", &["server", &place]);
    let mut client = start("client.py", &["patient", &place, &count.to_string()]);
    for round in 0..5 {
        let folder = Folder::new(&format!("restart{round}"));
        let tracer = Tracer::watch(&folder, &[]);
        client.go_on();
        let graph = tracer.finish();
        let call = graph.only_call("client.py", "server.py", port);
        let counts = (&call["connections"], &call["requests"], &call["bytes_received"]);
        assert_eq!(counts, (&1.into(), &count.into(), &(count * 300).into()), "{round}: {call:#}");
        assert!(graph.has_instance("client.py", client.pid()) && graph.has_instance("server.py", server.pid()));
    }
}

/// A client that asks 500 times a second without end, and notes how often it has.
struct Load {
    folder: Folder,
    port: u16,
    server: Peer,
    client: Peer,
}

impl Load {
    fn start() -> Self {
        let (folder, port) = (Folder::new("noted"), port());
        let place = format!("127.0.0.1:{port}");
        let server = start("server.py", &["server", &place]);
        let noted = folder.file("requests");
        let client = start("steady.py", &["steady", &place, "500", noted.to_str().unwrap()]);
        Self { folder, port, server, client }
    }

    fn made(&self) -> u64 {
        u64::from_ne_bytes(std::fs::read(self.folder.file("requests")).unwrap().try_into().unwrap())
    }

    /// Watches for a second; the graph, and the least and the most requests that were made meanwhile.
    fn watched(&self, round: u32) -> (Graph, RangeInclusive<u64>) {
        let folder = Folder::new(&format!("loaded{round}"));
        let before = self.made();
        let tracer = Tracer::watch(&folder, &[]);
        let watching = self.made();
        std::thread::sleep(Duration::from_secs(1));
        let asked_to_end = self.made();
        let graph = tracer.finish();
        // It watches from some moment before it says so until some moment after it is asked to end; one request is under
        // way at either.
        let meanwhile = asked_to_end - watching - 1..=self.made() - before + 1;
        (graph, meanwhile)
    }
}

#[test]
fn a_tracer_that_is_restarted_under_load_finds_the_call_each_time_with_all_that_was_asked_meanwhile() {
    let load = Load::start();
    for round in 0..5 {
        let (graph, meanwhile) = load.watched(round);
        let call = graph.only_call("steady.py", "server.py", load.port);
        println!("{round}: {} requests of {meanwhile:?}", call["requests"]);
        assert!(meanwhile.contains(&call["requests"].as_u64().unwrap()), "{round}: {meanwhile:?}: {call:#}");
        assert_eq!((&call["connections"], &call["failed_connections"]), (&1.into(), &0.into()), "{round}: {call:#}");
        assert!(graph.has_instance("steady.py", load.client.pid()));
        assert!(graph.has_instance("server.py", load.server.pid()));
    }
    coverage::passed("before/restarts");
}

#[test]
fn requests_and_bytes_of_a_connection_from_before_are_counted_from_one_moment_on() {
    let load = Load::start();
    let (graph, _) = load.watched(0);
    let call = graph.only_call("steady.py", "server.py", load.port);
    let figure = |name: &str| call[name].as_u64().unwrap();
    // Of what was under way at that moment, the request or the answer may be missing.
    assert!(figure("bytes_sent").abs_diff(figure("requests") * 100) <= 100, "{call:#}");
    assert!(figure("bytes_received").abs_diff(figure("requests") * 300) <= 300, "{call:#}");
}
