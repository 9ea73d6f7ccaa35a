//! What goes wrong on connections is told by its kind.
//!
//! Invariant: as in `main`. Memory: none.

use crate::alerts::config;
use crate::host::{Folder, Peer, Tracer, port};
use crate::windows::{Watch, fires};
use std::time::SystemTime;

fn errors_of(role: Option<&str>, count: &str, early: &str) -> serde_json::Value {
    let folder = Folder::new(role.unwrap_or("refused"));
    let port = port();
    let _server = role.map(|role| Peer::start("server.py", &[role, "127.0.0.1", &port.to_string()]));
    // The accept queue of a deaf server is full with one connection; a second gets no answer at all.
    let _holders: Vec<Peer> = (0..usize::from(role == Some("deaf")))
        .map(|_| Peer::start("holder.py", &["holding", "127.0.0.1", &port.to_string()]))
        .collect();
    let tracer = Tracer::watch(&folder, &[]);
    let mut client = Peer::start("client.py", &["failing", "127.0.0.1", &port.to_string(), count, early]);
    client.expect("done");
    let graph = tracer.finish();
    let mut calls = graph.calls(port).into_iter().filter(|call| call["from"] == "program:client.py");
    let call = calls.next().unwrap().clone();
    assert!(calls.next().is_none());
    call
}

#[test]
fn a_refused_connect_is_an_error_of_a_call_that_has_no_connection() {
    let call = errors_of(None, "5", "0");
    assert_eq!(call["errors_by_kind"]["refused"], 5, "{call:#}");
    assert_eq!((&call["failed_connections"], &call["connections"]), (&5.into(), &0.into()), "{call:#}");
    assert_eq!(call["error_rate"], 1.0, "{call:#}");
}

#[test]
fn a_connect_that_times_out_is_told_apart_from_a_refused_one() {
    let call = errors_of(Some("deaf"), "1", "1");
    assert_eq!(call["errors_by_kind"]["timed_out"], 1, "{call:#}");
    assert_eq!(call["to"], "program:server.py", "{call:#}");
}

#[test]
fn a_reset_by_the_server_and_a_close_without_an_answer_are_errors_of_their_kinds() {
    let call = errors_of(Some("resetter"), "5", "0");
    assert_eq!((&call["errors_by_kind"]["reset"], &call["requests"]), (&5.into(), &5.into()), "{call:#}");
    let call = errors_of(Some("closer"), "5", "0");
    assert_eq!((&call["errors_by_kind"]["unanswered"], &call["errors"]), (&5.into(), &5.into()), "{call:#}");
}

#[test]
fn a_request_that_hangs_is_visible_with_its_age_while_it_hangs_and_told_within_two_windows() {
    let folder = Folder::new("hang");
    let port = port();
    let server = Peer::start("server.py", &["server", "127.0.0.1", &port.to_string()]);
    let limit = config(&folder, "[detect]\nstalled_after = '1s'\n");
    let mut watch = Watch::start(&folder, &["--config", &limit]);
    let mut client = Peer::start("client.py", &["patient", "127.0.0.1", &port.to_string(), "1"]);
    client.go_on();
    watch.next_window();
    let fault = SystemTime::now();
    server.signal("STOP");
    let asks = std::thread::spawn(move || {
        client.go_on();
        client
    });
    watch.tells("stalled", port, fault, 2);
    let (graph, fired) = watch.finish(&[port]);
    server.signal("CONT");
    asks.join().unwrap();
    assert_eq!(fired, fires([["stalled", "program:client.py", "program:server.py"]]));
    let call = graph.only_call("client.py", "server.py", port);
    assert_eq!(call["in_flight"], 1, "{call:#}");
    assert!(call["oldest_in_flight_ms"].as_f64().unwrap() > 1000.0, "{call:#}");
}
