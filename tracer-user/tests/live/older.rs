//! Connections that are older than the tracer.
//!
//! Invariant: as in `main`. Memory: none.

use crate::host::{Folder, Peer, Tracer, port};
use std::time::Duration;

#[test]
fn a_keep_alive_connection_from_before_is_there_within_two_seconds_with_the_right_direction() {
    let folder = Folder::new("older");
    let port = port();
    let _server = Peer::start("server.py", &["server", "127.0.0.1", &port.to_string()]);
    let mut client = Peer::start("client.py", &["patient", "127.0.0.1", &port.to_string(), "10"]);
    let mut tracer = Tracer::watch(&folder, &[]);
    client.go_on();
    let told = tracer.told_within(Duration::from_secs(2), |told| told["call"]["port"] == port);
    let told = told.expect("the call is told within two seconds");
    assert_eq!((&told["from_name"], &told["to_name"]), (&"client.py".into(), &"server.py".into()));
    let graph = tracer.finish();
    let call = graph.only_call("client.py", "server.py", port);
    assert_eq!((&call["requests"], &call["connections"]), (&10.into(), &1.into()), "{call:#}");
    let older = graph.0["completeness"]["connections_before_start"].as_u64().unwrap();
    assert!(older >= 1);
}

#[test]
fn an_idle_connection_from_before_is_there_too() {
    let folder = Folder::new("idle");
    let port = port();
    let _server = Peer::start("server.py", &["server", "::1", &port.to_string()]);
    let client = Peer::start("client.py", &["patient", "::1", &port.to_string(), "1"]);
    let mut tracer = Tracer::watch(&folder, &[]);
    let told = tracer.told_within(Duration::from_secs(2), |told| told["call"]["port"] == port);
    assert!(told.is_some(), "the call is told within two seconds");
    let graph = tracer.finish();
    let call = graph.only_call("client.py", "server.py", port);
    assert_eq!((&call["requests"], &call["open_connections"]), (&0.into(), &1.into()), "{call:#}");
    assert!(graph.has_instance("client.py", client.pid()));
}
