//! How much is told of each request, and that less is counted of none.
//!
//! Invariant: as in `main`. Memory: none.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::host::{Folder, Graph, Peer, Tracer, port, scale};

/// A client that asks `count` times on one connection, again and again for as long as it takes until `length` is over: how
/// often it asked, and what was seen.
fn busy(name: &str, arguments: &[&str], count: u64, length: Duration) -> (u64, Graph, u16) {
    let folder = Folder::new(name);
    let port = port();
    let _server = Peer::start("server.py", &["server", "127.0.0.1", &port.to_string()]);
    let tracer = Tracer::watch(&folder, arguments);
    let mut client = Peer::start("client.py", &["patient", "127.0.0.1", &port.to_string(), &count.to_string()]);
    let begin = Instant::now();
    let mut asked = 1;
    while asked == 1 || begin.elapsed() < length {
        client.go_on();
        asked += count;
    }
    (asked, tracer.finish(), port)
}

#[test]
fn every_request_of_a_busy_connection_is_in_the_percentiles() {
    let (asked, graph, port) = busy("busy", &[], scale(2_000), Duration::from_secs(2));
    let call = graph.only_call("client.py", "server.py", port);
    assert_eq!(call["requests"], asked, "{call:#}");
    assert_eq!(call["latency_ms"]["samples"], asked, "{call:#}");
    assert_eq!(call["server_latency_ms"]["samples"], asked, "{call:#}");
    assert!(graph.0["completeness"]["exchanges_counted"].as_u64().unwrap() > 0, "{:#}", graph.0["completeness"]);
    assert_eq!(graph.0["completeness"]["exchanges_lost"], 0);
}

#[test]
fn counts_alone_are_as_exact_as_with_all_detail() {
    let (asked, graph, port) = busy("counts", &["--detail", "counts"], scale(2_000), Duration::from_secs(1));
    let call = graph.only_call("client.py", "server.py", port);
    assert_eq!(call["requests"], asked, "{call:#}");
    assert_eq!((&call["bytes_sent"], &call["bytes_received"]), (&(asked * 100).into(), &(asked * 300).into()));
    assert!(call["latency_ms"].is_null(), "{call:#}");
    assert!(graph.0["completeness"]["degraded"].to_string().contains("latencies are not measured"));
}

#[test]
fn a_budget_that_is_too_small_lowers_detail_and_says_so_and_counts_stay_exact() {
    let arguments = ["--detail", "exchanges", "--budget", "0.1%"];
    let (asked, graph, port) = busy("budget", &arguments, scale(2_000), Duration::from_secs(12));
    let call = graph.only_call("client.py", "server.py", port);
    assert_eq!(call["requests"], asked, "{call:#}");
    assert_eq!(call["bytes_received"], asked * 300, "{call:#}");
    let samples = call["latency_ms"]["samples"].as_u64().unwrap();
    assert!(samples > 0 && samples < asked, "{call:#}");
    let degraded = graph.0["completeness"]["degraded"].to_string();
    assert!(degraded.contains("the budget is 0.1 %"), "{degraded}");
    assert!(graph.0["cost"]["budget_percent"].as_f64().unwrap() > 0.0);
}

#[test]
fn an_answer_counts_as_there_when_its_client_reads_it() {
    let folder = Folder::new("late");
    let port = port();
    let _server = Peer::start("server.py", &["server", "127.0.0.1", &port.to_string()]);
    let tracer = Tracer::watch(&folder, &[]);
    let mut client = Peer::start("client.py", &["late", "127.0.0.1", &port.to_string(), "5", "0.2"]);
    client.expect("done");
    let graph = tracer.finish();
    let call = graph.only_call("client.py", "server.py", port);
    assert_eq!((&call["requests"], &call["latency_ms"]["samples"]), (&5.into(), &5.into()), "{call:#}");
    assert!(call["latency_ms"]["p50"].as_f64().unwrap() >= 199.0, "{call:#}");
}

#[test]
fn of_what_nobody_understands_no_more_is_told_than_fits_the_ring_many_times() {
    let folder = Folder::new("unknown");
    let tape = folder.file("tape");
    let tracer = Tracer::watch(&folder, &["--record", tape.to_str().unwrap(), "--record-payload"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut receiver, _) = listener.accept().unwrap();
    let (piece, count) = (vec![0xff; 4_000], scale(4_000));
    let received = std::thread::spawn(move || {
        let mut buffer = vec![0; 4_000];
        (0..count).for_each(|_| receiver.read_exact(&mut buffer).unwrap());
        assert_eq!(receiver.read(&mut buffer).unwrap(), 0);
    });
    (0..count).for_each(|_| sender.write_all(&piece).unwrap());
    drop(sender);
    received.join().unwrap();
    let graph = tracer.finish();
    assert_eq!(graph.0["completeness"]["records_lost"], 0);
    // At both ends 1,024 units of 256 bytes, and the last pieces.
    let recorded = std::fs::metadata(tape).unwrap().len();
    assert!((4_000..2 * 1_024 * 256 + 65_536).contains(&recorded), "{recorded} bytes on tape");
}
