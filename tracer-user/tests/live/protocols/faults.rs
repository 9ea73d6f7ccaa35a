//! Faults of servers and of what lies between: each is told by its own kind within two windows, and by no other that it does
//! not have as well; errors are told apart.
//!
//! Invariant: as in `main`; a fault begins in the first moments of a window (`windows`), so that the window is the first of
//! two, and it ends before what asks for more windows in a row would be right too, unless that is expected.
//! Memory: what was told.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use super::Server;
use crate::alerts::{config, wait_for};
use crate::host::{Folder, Peer, Tracer, port, signal};
use crate::windows::{Watch, errors, fires};

const SOURCE: &str = include_str!("../traffic/faults.py");

/// A role of the script, with a number for each argument.
fn start(name: &str, role: &str, numbers: &[u16]) -> Peer {
    let numbers: Vec<String> = numbers.iter().map(u16::to_string).collect();
    let arguments: Vec<&str> = std::iter::once(role).chain(numbers.iter().map(String::as_str)).collect();
    Peer::start_script(&[], SOURCE, name, &arguments)
}

/// What an insisting client says that came of its requests.
fn said(client: &mut Peer) -> BTreeMap<String, u64> {
    serde_json::from_str(&client.line()).unwrap()
}

#[test]
fn a_close_without_a_response_one_within_it_and_a_reset_are_told_apart() {
    let (folder, port) = (Folder::new("faults"), port());
    let _server = start("server.py", "server", &[port]);
    let tracer = Tracer::watch(&folder, &[]);
    let asked = ["client", &port.to_string(), "5", "/fine", "/silent", "/torn", "/reset"];
    Peer::start_script(&[], SOURCE, "client.py", &asked).expect("done");
    let graph = tracer.finish();
    let call = graph.only_call("client.py", "server.py", port);
    let kinds = ["unanswered", "closed_in_response", "reset"].map(|kind| (kind.to_owned(), 5));
    assert_eq!(errors(call), kinds.into(), "{call:#}");
    assert_eq!((&call["requests"], &call["errors"]), (&20.into(), &15.into()), "{call:#}");
}

#[test]
fn a_delay_on_the_way_is_a_tail_of_the_clients_call_within_two_windows_and_not_of_the_servers() {
    let (folder, front, back) = (Folder::new("delay"), port(), port());
    let _server = start("server.py", "server", &[back]);
    let mut proxy = start("proxy.py", "proxy", &[front, back]);
    let mut watch = Watch::start(&folder, &[]);
    let mut client = start("client.py", "asking", &[front, 40]);
    watch.next_window();
    let fault = SystemTime::now();
    proxy.let_go();
    watch.tells("latency-p99", front, fault, 2);
    proxy.let_go();
    watch.resolves("latency-p99", front);
    client.let_go();
    client.expect("done");
    let (graph, fired) = watch.finish(&[front, back]);
    // The mean is above its limit for too few windows; nobody waits for a connection, and nothing fails.
    assert_eq!(fired, fires([["latency-p99", "program:client.py", "program:proxy.py"]]));
    let slowest = |call: &serde_json::Value| call["latency_ms"]["max"].as_f64().unwrap();
    let (client, server) =
        (graph.only_call("client.py", "proxy.py", front), graph.only_call("proxy.py", "server.py", back));
    assert!(slowest(client) >= 1_500.0, "{client:#}");
    assert!(slowest(server) < 1_000.0, "{server:#}");
    assert_eq!((errors(client), errors(server)), Default::default(), "{client:#} {server:#}");
}

#[test]
fn a_killed_server_is_a_call_that_fails_within_two_windows_and_then_a_service_that_answers_nobody() {
    let (folder, port) = (Folder::new("killed"), port());
    let server = start("server.py", "server", &[port]);
    let mut watch = Watch::start(&folder, &[]);
    let mut client = start("client.py", "insisting", &[port, 4, 3]);
    client.let_go();
    watch.next_window();
    // Paused, so that at that moment nothing is in flight but what hangs, and what comes of each request is clear.
    client.let_go();
    let before = said(&mut client);
    let fault = SystemTime::now();
    drop(server);
    client.let_go();
    watch.tells("error-rate", port, fault, 2);
    // It has answered in the window of the fault; the next two are without an answer.
    watch.tells("silent-service", port, fault, 3);
    let _server = start("server.py", "server", &[port]);
    watch.resolves("silent-service", port);
    watch.resolves("error-rate", port);
    client.let_go();
    let came = said(&mut client);
    let (graph, fired) = watch.finish(&[port]);
    // Who asks fails, and nobody is answered: both are so. Nothing hangs, and what is answered is quick.
    let server = "program:server.py";
    assert_eq!(fired, fires([["error-rate", "program:client.py", server], ["silent-service", "*", server]]));
    let call = graph.only_call("client.py", "server.py", port);
    assert_eq!(before.keys().collect::<Vec<_>>(), ["fine"]);
    let failed = BTreeMap::from([("unanswered".to_owned(), 3), ("refused".to_owned(), came["refused"])]);
    assert!(came["refused"] > 100, "{came:?}");
    assert_eq!(errors(call), failed, "{came:?} {call:#}");
    assert_eq!(call["requests"], came["fine"] + 3, "{came:?} {call:#}");
}

#[test]
fn a_refused_port_is_a_call_that_fails_within_two_windows_and_nothing_else() {
    let (folder, port) = (Folder::new("refused"), port());
    let mut watch = Watch::start(&folder, &[]);
    let mut client = start("client.py", "insisting", &[port, 4, 0]);
    watch.next_window();
    let fault = SystemTime::now();
    client.let_go();
    watch.tells("error-rate", port, fault, 2);
    // Long enough for what asks for three windows in a row. Who has never answered is not told to answer nobody any more.
    watch.next_window();
    watch.next_window();
    client.let_go();
    let came = said(&mut client);
    let (graph, fired) = watch.finish(&[port]);
    // Nobody listens there, so who it is that does not answer is not known.
    assert_eq!(fired, fires([["error-rate", "program:client.py", "unknown:127.0.0.1"]]));
    let calls = graph.calls(port);
    let [call] = calls[..] else { panic!("{calls:#?}") };
    assert_eq!(came.keys().collect::<Vec<_>>(), ["refused"]);
    assert_eq!(errors(call), came, "{call:#}");
    assert_eq!((&call["requests"], &call["connections"], &call["in_flight"]), (&0.into(), &0.into(), &0.into()));
}

#[test]
fn a_stopped_redis_is_a_stalled_call_while_it_hangs_and_none_when_it_goes_on() {
    let (folder, port) = (Folder::new("stopped"), port());
    let text = port.to_string();
    let server = Server::start(&["redis-server", "--port", &text, "--bind", "127.0.0.1", "--save", ""], &folder, port);
    let limit = config(&folder, "[detect]\nstalled_after = '1s'\n");
    let mut watch = Watch::start(&folder, &["--config", &limit]);
    let client = Command::new("redis-cli")
        .args(["-p", &text, "-r", "-1", "-i", "0.05", "ping"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("redis-cli: {error}; run: cargo xtask setup --tests"));
    let client = Server(client);
    watch.next_window();
    let fault = SystemTime::now();
    signal(server.0.id(), "STOP");
    watch.tells("stalled", port, fault, 2);
    wait_for("the graph shows it while it hangs", Duration::from_secs(2), || {
        let graph = watch.graph().unwrap();
        let call = graph.only_call("redis-cli", "redis-server", port);
        let age = call["oldest_in_flight_ms"].as_f64();
        call["in_flight"] == 1 && age > Some(1_000.0) && call["anomalies"][0]["kind"] == "stalled"
    });
    signal(server.0.id(), "CONT");
    watch.resolves("stalled", port);
    drop(client);
    let (graph, fired) = watch.finish(&[port]);
    // One slow answer is no tail yet, and the service has answered in each window before it was told to be silent.
    assert_eq!(fired, fires([["stalled", "program:redis-cli", "program:redis-server"]]));
    let call = graph.only_call("redis-cli", "redis-server", port);
    assert_eq!((errors(call), &call["protocol"]), (BTreeMap::new(), &"redis".into()), "{call:#}");
    assert_eq!((&call["in_flight"], &call["anomalies"]), (&0.into(), &Vec::<i32>::new().into()), "{call:#}");
    assert!(call["latency_ms"]["max"].as_f64() > Some(1_000.0), "{call:#}");
}

#[test]
fn a_full_pool_is_told_within_two_windows_while_its_server_is_as_quick_as_ever() {
    let (folder, port) = (Folder::new("pool"), port());
    let _server = start("server.py", "narrow", &[port]);
    let mut watch = Watch::start(&folder, &[]);
    let mut client = start("client.py", "pool", &[port, 8]);
    watch.next_window();
    let fault = SystemTime::now();
    client.let_go();
    // That is what it takes by its rule: a full pool at the end of two windows in a row.
    watch.tells("pool-saturation", port, fault, 2);
    let graph = watch.graph().unwrap();
    let call = graph.only_call("client.py", "server.py", port);
    assert_eq!(call["most_open_connections"], 8, "{call:#}");
    let figure = |what: &str, which: &str| call[what][which].as_f64().unwrap();
    assert!(figure("server_latency_ms", "mean") < 80.0 && figure("wait_ms", "max") > 160.0, "{call:#}");
    client.let_go();
    watch.resolves("pool-saturation", port);
    client.let_go();
    client.expect("done");
    let (graph, fired) = watch.finish(&[port]);
    // The client's latency of 320 ms is neither a tail nor a slow mean without a baseline.
    assert_eq!(fired, fires([["pool-saturation", "program:client.py", "program:server.py"]]));
    assert_eq!(errors(graph.only_call("client.py", "server.py", port)), BTreeMap::new());
}

#[test]
fn connections_that_a_full_accept_queue_drops_are_counted_and_told_within_two_windows() {
    let (folder, port) = (Folder::new("overflow"), port());
    let text = port.to_string();
    let _server = Peer::start("server.py", &["deaf", "127.0.0.1", &text]);
    let _holder = Peer::start("holder.py", &["holding", "127.0.0.1", &text]);
    let mut watch = Watch::start(&folder, &[]);
    watch.next_window();
    let fault = SystemTime::now();
    let mut client = Peer::start("client.py", &["failing", "127.0.0.1", &text, "2", "1"]);
    watch.tells("listener-overflow", port, fault, 2);
    client.expect("done");
    let (graph, fired) = watch.finish(&[port]);
    // Who wanted to connect the kernel does not say: the drops may count for the other client. Two failures are no rate.
    let kinds: Vec<_> = fired.iter().map(|[kind, _, to]| (kind.as_str(), to.as_str())).collect();
    assert!(
        !kinds.is_empty() && kinds.iter().all(|told| *told == ("listener-overflow", "program:server.py")),
        "{kinds:?}"
    );
    let calls = graph.calls(port);
    let dropped: u64 = calls.iter().map(|call| call["accept_queue_drops"].as_u64().unwrap()).sum();
    assert!(dropped >= 2, "{dropped}");
    let failed = calls.iter().find(|call| call["from"] == "program:client.py").unwrap();
    assert_eq!(errors(failed), [("timed_out".to_owned(), 2)].into(), "{failed:#}");
}
