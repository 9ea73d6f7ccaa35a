//! Every connection, request and byte is counted, once, for the right processes.
//!
//! Invariant: as in `main`. Memory: none.

use crate::host::{Folder, Peer, Tracer, port, scale, signal};

/// 200 connections a second for 10 s on each of three kinds of address; of an emulated machine, fewer.
#[test]
fn every_short_connection_is_counted_with_both_processes_right() {
    let folder = Folder::new("short");
    let ports = [port(), port(), port()];
    let hosts = [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::", "::ffff:127.0.0.1")];
    let servers: Vec<Peer> = ports
        .iter()
        .zip(hosts)
        .map(|(port, (listen, _))| Peer::start("server.py", &["server", listen, &port.to_string()]))
        .collect();
    let count = scale(2000);
    let tracer = Tracer::watch(&folder, &["--window", "2s"]);
    let mut clients: Vec<Peer> = ports
        .iter()
        .zip(hosts)
        .map(|(port, (_, host))| {
            Peer::start("client.py", &["short", host, &port.to_string(), &count.to_string(), "200"])
        })
        .collect();
    clients.iter_mut().for_each(|client| client.expect("done"));
    let graph = tracer.finish();
    for (number, port) in ports.into_iter().enumerate() {
        let call = graph.only_call("client.py", "server.py", port);
        assert_eq!(call["connections"], count, "{call:#}");
        assert_eq!(call["requests"], count, "{call:#}");
        assert_eq!(call["bytes_sent"], count * 100, "{call:#}");
        assert_eq!(call["bytes_received"], count * 300, "{call:#}");
        assert_eq!((&call["errors"], &call["failed_connections"]), (&0.into(), &0.into()), "{call:#}");
        assert_eq!(call["latency_ms"]["samples"], count, "{call:#}");
        assert_eq!(call["wait_ms"]["samples"], count, "{call:#}");
        assert!(graph.has_instance("server.py", servers[number].pid()));
        assert!(graph.has_instance("client.py", clients[number].pid()));
    }
    assert_eq!(graph.0["completeness"]["records_lost"], 0);
    crate::coverage::passed("socket/tcp");
}

#[test]
fn a_child_that_serves_what_its_parent_accepted_is_the_one_that_is_seen() {
    let folder = Folder::new("prefork");
    let port = port();
    let server = Peer::start("prefork.py", &["preforked", "127.0.0.1", &port.to_string()]);
    let tracer = Tracer::watch(&folder, &[]);
    let mut client = Peer::start("client.py", &["short", "127.0.0.1", &port.to_string(), "20", "100"]);
    client.expect("done");
    let graph = tracer.finish();
    let call = graph.only_call("client.py", "prefork.py", port);
    assert_eq!((&call["connections"], &call["requests"]), (&20.into(), &20.into()), "{call:#}");
    assert!(!graph.has_instance("prefork.py", server.pid()), "the parent did no input or output");
    crate::coverage::passed("owner/prefork");
}

#[test]
fn a_tiny_ring_loses_detail_and_says_so_but_open_connections_keep_exact_counts() {
    let folder = Folder::new("ring");
    let port = port();
    let _server = Peer::start("server.py", &["server", "127.0.0.1", &port.to_string()]);
    let count = scale(20_000);
    let mut client = Peer::start("client.py", &["patient", "127.0.0.1", &port.to_string(), &count.to_string()]);
    let tracer = Tracer::watch(&folder, &["--ring-kib", "4"]);
    // A tracer that stands still reads nothing, so the ring overflows on any machine.
    signal(tracer.pid(), "STOP");
    client.go_on();
    signal(tracer.pid(), "CONT");
    let graph = tracer.finish();
    let call = graph.only_call("client.py", "server.py", port);
    assert_eq!(call["requests"], count, "{call:#}");
    assert_eq!(call["bytes_received"], count * 300, "{call:#}");
    assert!(graph.0["completeness"]["records_lost"].as_u64().unwrap() > 0);
    assert!(call["latency_ms"]["samples"].as_u64().unwrap() < count);
}

#[test]
fn connections_whose_end_is_lost_do_not_stay_open_and_the_loss_is_said() {
    let folder = Folder::new("ends");
    let port = port();
    let _server = Peer::start("server.py", &["server", "127.0.0.1", &port.to_string()]);
    let tracer = Tracer::watch(&folder, &["--ring-kib", "4"]);
    let mut client = Peer::start("client.py", &["short", "127.0.0.1", &port.to_string(), "3000", "2000"]);
    std::thread::sleep(std::time::Duration::from_millis(500));
    // A tracer that stands still reads nothing, so the ends of the rest are lost on any machine.
    signal(tracer.pid(), "STOP");
    client.expect("done");
    signal(tracer.pid(), "CONT");
    // Three looks at all sockets follow a loss, one a second.
    std::thread::sleep(std::time::Duration::from_secs(5));
    let graph = tracer.finish();
    assert!(graph.0["completeness"]["records_lost"].as_u64().unwrap() > 0);
    for call in graph.calls(port) {
        assert_eq!((&call["open_connections"], &call["in_flight"]), (&0.into(), &0.into()), "{call:#}");
        assert!(!call["anomalies"].to_string().contains("stalled"), "{call:#}");
    }
}
