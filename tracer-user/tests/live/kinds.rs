//! Every kind of socket is seen, with both processes.
//!
//! Invariant: as in `main`. Memory: none.

use std::thread::sleep;
use std::time::Duration;

use crate::coverage;
use crate::host::{Folder, Peer, Tracer, named_script, port, scale};

const SCRIPT: &str = include_str!("kinds.py");

/// A role of `kinds.py` under the script's own name.
pub(crate) fn start(name: &str, arguments: &[&str]) -> Peer {
    Peer::start_script(&[], SCRIPT, name, arguments)
}

/// The script under another name, for a peer to execute.
pub(crate) fn script(name: &str) -> String {
    named_script(SCRIPT, name).to_str().unwrap().to_owned()
}

/// Short connections to `place`: all there, timed at both ends, and closed.
fn short_connections(place: &str, kind: &str, name: &str) {
    let folder = Folder::new(name);
    let count = scale(500);
    let server = start("server.py", &["server", place, kind]);
    let tracer = Tracer::watch(&folder, &[]);
    let mut client = start("client.py", &["short", place, &count.to_string(), kind]);
    client.go_on();
    let graph = tracer.finish();
    let call = graph.only_call_by_path("client.py", "server.py", place);
    assert_eq!(call["transport"], "unix", "{call:#}");
    let counts = (&call["connections"], &call["requests"], &call["errors"]);
    assert_eq!(counts, (&count.into(), &count.into(), &0.into()), "{call:#}");
    assert_eq!((&call["bytes_sent"], &call["bytes_received"]), (&(count * 100).into(), &(count * 300).into()));
    let samples = (&call["latency_ms"]["samples"], &call["wait_ms"]["samples"]);
    assert_eq!(samples, (&count.into(), &count.into()), "{call:#}");
    assert!(graph.has_instance("client.py", client.pid()) && graph.has_instance("server.py", server.pid()));
}

#[test]
fn unix_streams_are_named_by_their_path_or_abstract_name() {
    let place = Folder::new("paths");
    short_connections(place.file("server.sock").to_str().unwrap(), "stream", "unix-path");
    short_connections(&format!("@tracer-live-{}", std::process::id()), "stream", "unix-abstract");
    coverage::passed("socket/unix-stream");
}

#[test]
fn unix_seqpacket_sockets_are_seen() {
    let place = Folder::new("packets");
    short_connections(place.file("server.sock").to_str().unwrap(), "seqpacket", "unix-packet");
    coverage::passed("socket/unix-seqpacket");
}

#[test]
fn unix_datagrams_are_calls_to_the_path_whether_connected_or_not() {
    let folder = Folder::new("datagrams");
    let paths = ["one.sock", "two.sock", "three.sock"].map(|name| folder.file(name).to_str().unwrap().to_owned());
    let receivers = paths.clone().map(|path| start("server.py", &["receiver", &path, "datagram"]));
    let tracer = Tracer::watch(&folder, &[]);
    let mut loose = start("loose.py", &["sender", &format!("{},{}", paths[0], paths[1]), "50", "loose"]);
    let mut bound = start("bound.py", &["sender", &paths[2], "50", "connected"]);
    loose.go_on();
    bound.go_on();
    let graph = tracer.finish();
    for (path, client) in paths.iter().zip(["loose.py", "loose.py", "bound.py"]) {
        let call = graph.only_call_by_path(client, "server.py", path);
        assert_eq!((&call["bytes_sent"], &call["errors"]), (&5_000.into(), &0.into()), "{call:#}");
    }
    assert!(receivers.iter().all(|receiver| graph.has_instance("server.py", receiver.pid())));
    coverage::passed("socket/unix-datagram");
}

#[test]
fn an_unnamed_pair_between_two_programs_is_a_call_from_the_one_that_asks() {
    let folder = Folder::new("pair");
    let tracer = Tracer::watch(&folder, &[]);
    let mut parent = start("parent.py", &["pair", &script("child.py"), "50"]);
    parent.go_on();
    let graph = tracer.finish();
    let calls: Vec<_> = graph.calls_by_path("").into_iter().filter(|call| call["bytes_received"] == 15_000).collect();
    let [call] = calls.as_slice() else { panic!("expected one call: {calls:#?}") };
    assert_eq!((&call["from"], &call["to"]), (&"program:parent.py".into(), &"program:child.py".into()), "{call:#}");
    parent.let_go();
    coverage::passed("socket/unix-pair");
}

/// Datagrams to `hosts`, a port each, from one socket; each host is where the server is bound and what the client names.
fn datagrams(hosts: &[(&str, &str)], connects: &str) {
    let folder = Folder::new("udp");
    let count = scale(200);
    let ports: Vec<u16> = hosts.iter().map(|_| port()).collect();
    let servers: Vec<Peer> = hosts
        .iter()
        .zip(&ports)
        .map(|((host, _), port)| start("server.py", &["receiver", &format!("{host}:{port}"), "datagram"]))
        .collect();
    let tracer = Tracer::watch(&folder, &[]);
    let places: Vec<String> = hosts.iter().zip(&ports).map(|((_, host), port)| format!("{host}:{port}")).collect();
    let mut client = start("client.py", &["sender", &places.join(","), &count.to_string(), connects]);
    client.go_on();
    let graph = tracer.finish();
    for (port, server) in ports.into_iter().zip(&servers) {
        let call = graph.only_call("client.py", "server.py", port);
        assert_eq!((&call["transport"], &call["connections"]), (&"udp".into(), &1.into()), "{call:#}");
        assert_eq!((&call["requests"], &call["errors"]), (&count.into(), &0.into()), "{call:#}");
        assert_eq!((&call["bytes_sent"], &call["bytes_received"]), (&(count * 100).into(), &(count * 300).into()));
        let samples = (&call["latency_ms"]["samples"], &call["wait_ms"]["samples"]);
        assert_eq!(samples, (&count.into(), &count.into()), "{call:#}");
        assert!(graph.has_instance("server.py", server.pid()) && graph.has_instance("client.py", client.pid()));
    }
}

#[test]
fn a_connected_datagram_socket_is_one_call() {
    datagrams(&[("127.0.0.1", "127.0.0.1")], "connected");
    datagrams(&[("::1", "::1")], "connected");
    coverage::passed("socket/udp-connected");
}

#[test]
fn who_serves_datagrams_on_a_port_that_the_kernel_chose_is_no_client_of_those_who_ask() {
    let folder = Folder::new("udp-chosen");
    let mut server = start("server.py", &["receiver", "127.0.0.1:0", "datagram"]);
    let port: u16 = server.line().trim().parse().unwrap();
    let tracer = Tracer::watch(&folder, &[]);
    // Until then, a first datagram may be an answer.
    sleep(Duration::from_secs(6));
    let place = format!("127.0.0.1:{port}");
    for connects in ["connected", "loose"] {
        start("client.py", &["sender", &place, "10", connects]).go_on();
    }
    let graph = tracer.finish();
    let call = graph.only_call("client.py", "server.py", port);
    assert_eq!((&call["requests"], &call["connections"]), (&20.into(), &2.into()), "{call:#}");
    let calls = graph.0["calls"].as_array().unwrap();
    let asked: Vec<_> = calls.iter().filter(|call| call["from"] == "program:server.py").collect();
    assert!(asked.is_empty(), "{asked:#?}");
}

#[test]
fn a_datagram_socket_that_talks_to_several_is_a_call_to_each() {
    datagrams(&[("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("127.0.0.3", "127.0.0.3")], "loose");
    datagrams(&[("::1", "::1"), ("::", "::ffff:127.0.0.1")], "loose");
    coverage::passed("socket/udp-unconnected");
}
