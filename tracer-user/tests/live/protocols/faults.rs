//! Faults of servers and of what lies between, each told by its kind, and in time.
//!
//! Invariant: as in `main`. Memory: none.

use std::time::Duration;

use super::Server;
use crate::host::{Folder, Peer, Tracer, patience, port, signal};

const SOURCE: &str = include_str!("../traffic/faults.py");

/// A client that asks for each path five times.
fn ask(port: u16, paths: &[&str]) {
    let text = port.to_string();
    let mut client = Peer::start_script(&[], SOURCE, "client.py", &[&["client", &text, "5"], paths].concat());
    client.expect("done");
}

#[test]
fn a_close_without_a_response_one_within_it_and_a_reset_are_told_apart() {
    let (folder, port) = (Folder::new("faults"), port());
    let _server = Peer::start_script(&[], SOURCE, "server.py", &["server", &port.to_string()]);
    let tracer = Tracer::watch(&folder, &[]);
    ask(port, &["/fine", "/silent", "/torn", "/reset"]);
    let graph = tracer.finish();
    let call = graph.only_call("client.py", "server.py", port);
    let kinds = &call["errors_by_kind"];
    let [silent, torn, reset] = ["unanswered", "closed_in_response", "reset"].map(|kind| kinds[kind].as_u64().unwrap());
    assert_eq!((silent, torn, reset), (5, 5, 5), "{call:#}");
    assert_eq!((&call["requests"], &call["errors"]), (&20.into(), &15.into()), "{call:#}");
}

#[test]
fn a_server_that_is_killed_leaves_the_requests_that_it_had_unanswered() {
    let (folder, port) = (Folder::new("killed"), port());
    let server = Peer::start_script(&[], SOURCE, "server.py", &["server", &port.to_string()]);
    let tracer = Tracer::watch(&folder, &[]);
    let mut client =
        Peer::start_script(&[], SOURCE, "client.py", &["client", &port.to_string(), "1", "/fine", "/hangs"]);
    std::thread::sleep(patience(Duration::from_millis(500)));
    server.signal("KILL");
    client.expect("done");
    let graph = tracer.finish();
    let call = graph.only_call("client.py", "server.py", port);
    assert_eq!((&call["requests"], &call["errors"]), (&2.into(), &1.into()), "{call:#}");
    assert_eq!(call["errors_by_kind"]["unanswered"], 1, "{call:#}");
}

#[test]
fn a_stopped_redis_is_a_stalled_call_while_it_hangs() {
    let (folder, port) = (Folder::new("stopped"), port());
    let text = port.to_string();
    let server = Server::start(&["redis-server", "--port", &text, "--bind", "127.0.0.1", "--save", ""], &folder, port);
    let config = folder.file("tracer.toml");
    std::fs::write(&config, "[detect]\nstalled_after = '1s'\n").unwrap();
    let mut tracer = Tracer::watch(&folder, &["--window", "1s", "--config", config.to_str().unwrap()]);
    let client = std::thread::spawn({
        let text = text.clone();
        move || std::process::Command::new("redis-cli").args(["-p", &text, "-r", "100", "-i", "0.05", "ping"]).output()
    });
    let call = tracer.told_within(Duration::from_secs(4), |told| told["call"]["port"] == port);
    assert_eq!(call.expect("the call is told")["call"]["to"], "program:redis-server");
    signal(server.0.id(), "STOP");
    let alert = tracer.told_within(Duration::from_secs(4), |told| told["kind"] == "stalled" && told["port"] == port);
    let graph = tracer.finish();
    signal(server.0.id(), "CONT");
    client.join().unwrap().unwrap();
    assert_eq!(alert.expect("a stalled call raises an alert within two windows")["state"], "firing");
    let call = graph.only_call("redis-cli", "redis-server", port);
    assert_eq!((&call["in_flight"], &call["protocol"]), (&1.into(), &"redis".into()), "{call:#}");
    assert!(call["oldest_in_flight_ms"].as_f64().unwrap() > 1000.0, "{call:#}");
}

#[test]
fn a_delay_on_the_way_is_slow_for_the_client_and_not_for_the_server() {
    let (folder, front, back) = (Folder::new("delay"), port(), port());
    let _server = Peer::start_script(&[], SOURCE, "server.py", &["server", &back.to_string()]);
    let mut proxy = Peer::start_script(&[], SOURCE, "proxy.py", &["proxy", &front.to_string(), &back.to_string()]);
    let mut tracer = Tracer::watch(&folder, &["--window", "2s"]);
    let mut client = Peer::start_script(&[], SOURCE, "client.py", &["asking", &front.to_string(), "8", "40"]);
    std::thread::sleep(patience(Duration::from_secs(3)));
    proxy.let_go();
    let of_kind = |told: &serde_json::Value| told["kind"] == "latency-p99" && told["state"] == "firing";
    let alert = tracer.told_within(Duration::from_secs(8), of_kind).expect("an alert within two windows");
    client.expect("done");
    let graph = tracer.finish();
    assert_eq!((&alert["from"], &alert["port"]), (&"program:client.py".into(), &front.into()), "{alert:#}");
    let slowest = |call: &serde_json::Value| call["latency_ms"]["max"].as_f64().unwrap();
    let (client, server) =
        (graph.only_call("client.py", "proxy.py", front), graph.only_call("proxy.py", "server.py", back));
    assert!(slowest(client) >= 1_500.0, "{client:#}");
    assert!(slowest(server) < 1_000.0, "{server:#}");
}

#[test]
fn a_full_pool_is_named_while_its_server_is_as_quick_as_ever() {
    let (folder, port) = (Folder::new("pool"), port());
    let _server = Peer::start_script(&[], SOURCE, "server.py", &["narrow", &port.to_string()]);
    let mut tracer = Tracer::watch(&folder, &["--window", "1s"]);
    let mut client = Peer::start_script(&[], SOURCE, "client.py", &["pool", &port.to_string(), "6", "8"]);
    let of_kind = |told: &serde_json::Value| told["kind"] == "pool-saturation" && told["port"] == port;
    let alert = tracer.told_within(Duration::from_secs(5), of_kind).expect("an alert after two windows");
    client.expect("done");
    let graph = tracer.finish();
    let call = graph.only_call("client.py", "server.py", port);
    assert_eq!(alert["state"], "firing");
    assert_eq!(call["most_open_connections"], 8, "{call:#}");
    let mean = |what: &str| call[what]["mean"].as_f64().unwrap();
    assert!(mean("server_latency_ms") < 40.0 && mean("wait_ms") > 60.0, "{call:#}");
}

#[test]
fn connections_that_a_full_accept_queue_drops_are_counted_and_told() {
    let (folder, port) = (Folder::new("overflow"), port());
    let text = port.to_string();
    let _server = Peer::start("server.py", &["deaf", "127.0.0.1", &text]);
    let _holder = Peer::start("holder.py", &["holding", "127.0.0.1", &text]);
    let mut tracer = Tracer::watch(&folder, &["--window", "1s"]);
    let mut client = Peer::start("client.py", &["failing", "127.0.0.1", &text, "3", "1"]);
    let of_kind = |told: &serde_json::Value| told["kind"] == "listener-overflow" && told["port"] == port;
    let alert = tracer.told_within(Duration::from_secs(4), of_kind).expect("an alert within two windows");
    client.expect("done");
    let graph = tracer.finish();
    assert_eq!((&alert["state"], &alert["to"]), (&"firing".into(), &"program:server.py".into()), "{alert:#}");
    let dropped: u64 = graph.calls(port).iter().map(|call| call["accept_queue_drops"].as_u64().unwrap()).sum();
    assert!(dropped >= 3, "{dropped}");
}
