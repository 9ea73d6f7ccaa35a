//! Full speed: what is seen of ten thousand connections, and what is exact when records are lost.
//!
//! Invariant: as in `main`. Memory: none.

use crate::coverage;
use crate::host::{Folder, Tracer, port, scale, signal};
use crate::kinds::start;
use serde_json::Value;
use std::time::Duration;

const CLIENTS: u64 = 4;

/// Ten thousand connections of one request each, from four processes at full speed.
fn recall(place: &str, name: &str) {
    let folder = Folder::new(name);
    let each = scale(2_500);
    let server = start("server.py", &["server", place]);
    let tracer = Tracer::watch(&folder, &[]);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| start("client.py", &["short", place, &each.to_string()])).collect();
    clients.iter_mut().for_each(crate::host::Peer::let_go);
    clients.iter_mut().for_each(|client| client.expect("done"));
    let graph = tracer.finish();
    let call = match place.rsplit_once(':') {
        Some((_, port)) => graph.only_call("client.py", "server.py", port.parse().unwrap()),
        None => graph.only_call_by_path("client.py", "server.py", place),
    };
    let seen = call["connections"].as_u64().unwrap();
    let lost = graph.0["completeness"]["records_lost"].as_u64().unwrap();
    eprintln!("{name}: {seen} of {} connections seen, {lost} records lost", CLIENTS * each);
    assert!(seen * 1_000 >= CLIENTS * each * 999 && seen <= CLIENTS * each, "{call:#}");
    assert!(seen == CLIENTS * each || lost > 0, "what is missing is reported: {call:#}");
    assert_eq!((&call["requests"], &call["bytes_received"]), (&seen.into(), &(seen * 300).into()), "{call:#}");
    assert!(graph.has_instance("server.py", server.pid()));
    assert!(clients.iter().all(|client| graph.has_instance("client.py", client.pid())));
}

#[test]
fn ten_thousand_connections_over_ipv4() {
    recall(&format!("127.0.0.1:{}", port()), "ipv4");
    coverage::passed("recall/ipv4");
}

#[test]
fn ten_thousand_connections_over_ipv6() {
    recall(&format!("::1:{}", port()), "ipv6");
    coverage::passed("recall/ipv6");
}

#[test]
fn ten_thousand_connections_over_a_unix_socket() {
    let place = Folder::new("recall-unix");
    recall(place.file("server.sock").to_str().unwrap(), "unix");
    coverage::passed("recall/unix");
}

/// Requests of a call that were counted but not timed.
fn untimed(call: &Value) -> u64 {
    call["requests"].as_u64().unwrap() - call["latency_ms"]["samples"].as_u64().unwrap_or_default()
}

#[test]
fn a_small_ring_under_full_load_loses_details_by_number_and_no_count() {
    let folder = Folder::new("loss");
    let unix = folder.file("server.sock").to_str().unwrap().to_owned();
    let (short, long) = (port(), port());
    let (short_place, long_place) = (format!("127.0.0.1:{short}"), format!("127.0.0.1:{long}"));
    let _servers = [("short.py", &short_place), ("long.py", &long_place), ("unix.py", &unix)]
        .map(|(name, at)| start(name, &["server", at]));
    let tracer = Tracer::watch(&folder, &["--ring-kib", "64"]);
    let (connections, requests) = (scale(2_000), scale(5_000));
    let mut clients = [
        start("short-client.py", &["short", &short_place, &connections.to_string()]),
        start("unix-client.py", &["short", &unix, &connections.to_string()]),
        start("long-client.py", &["patient", &long_place, &requests.to_string()]),
        start("long-client.py", &["patient", &long_place, &requests.to_string()]),
    ];
    clients.iter_mut().for_each(crate::host::Peer::let_go);
    // A tracer that stands still now and then reads nothing meanwhile.
    for _ in 0..4 {
        signal(tracer.pid(), "STOP");
        std::thread::sleep(Duration::from_millis(300));
        signal(tracer.pid(), "CONT");
        std::thread::sleep(Duration::from_millis(100));
    }
    clients.iter_mut().for_each(|client| client.expect("done"));
    let graph = tracer.finish();
    let calls = [
        (graph.only_call("short-client.py", "short.py", short), connections, connections),
        (graph.only_call_by_path("unix-client.py", "unix.py", &unix), connections, connections),
        // Each has asked once before it was let go.
        (graph.only_call("long-client.py", "long.py", long), 2, 2 * (requests + 1)),
    ];
    let mut own = 0;
    for (call, connections, requests) in calls {
        assert_eq!((&call["connections"], &call["requests"]), (&connections.into(), &requests.into()), "{call:#}");
        let bytes = (&call["bytes_sent"], &call["bytes_received"]);
        assert_eq!(bytes, (&(requests * 100).into(), &(requests * 300).into()), "{call:#}");
        own += untimed(call);
    }
    let completeness = &graph.0["completeness"];
    assert!(completeness["records_lost"].as_u64().unwrap() > 0, "{completeness:#}");
    // Whatever else talks on this host loses exchanges too; where nothing does, both sums are one, and the loss is exact.
    // What is never answered has no time that could be lost.
    let calls = graph.0["calls"].as_array().unwrap().iter();
    let all: u64 = calls.filter(|call| call["bytes_received"] != 0).map(untimed).sum();
    let lost = completeness["exchanges_lost"].as_u64().unwrap();
    eprintln!("{lost} exchanges lost; without a time: {own} of these calls, {all} of all");
    assert!((own..=all).contains(&lost), "{lost} is not within {own} and {all}: {completeness:#}");
    coverage::passed("loss/ring");
}
