//! Every other protocol beside the clock of a client that encodes by hand what it asks on fifty connections, and measures
//! each request where it calls the kernel.
//!
//! The servers wait before they answer, where they can: what is compared is then long beside 0.1 ms. Invariant: as in
//! `main`; the counts agree at the first try. Memory: the time of each request.

use super::super::{account, applications, counts, lookups, messaging, stores};
use super::{Clock, agree};
use crate::host::{Folder, Peer, Tracer, named_script, port};

const SOURCE: &str = include_str!("../../traffic/clocks.py");

/// What fifty connections ask, and of whom.
struct Load<'a> {
    /// As the script calls the protocol.
    asks: &'a str,
    /// As the tracer calls it.
    protocol: &'a str,
    server: &'a str,
    port: u16,
    /// Requests of each connection, and how many of them a second.
    requests: u64,
    rate: u64,
    more: &'a [&'a str],
}

impl<'a> Load<'a> {
    /// So few that nobody waits for the client itself.
    fn of(protocol: &'a str, server: &'a str, port: u16) -> Self {
        Self { asks: protocol, protocol, server, port, requests: 80, rate: 20, more: &[] }
    }

    /// The tracer counts and times what the client counts and times.
    fn takes_as_long_as_its_client_says(&self, folder: &Folder) {
        connections();
        let numbers = [u64::from(self.port), self.requests, self.rate].map(|number| number.to_string());
        let mut arguments = vec!["ask", self.asks];
        arguments.extend(numbers.iter().map(String::as_str));
        arguments.extend(self.more);
        agree(|| {
            let tracer = Tracer::watch(folder, &[]);
            let mut told = account(SOURCE, "client.py", &arguments);
            let graph = tracer.finish();
            let calls = graph.calls(self.port).into_iter().filter(|call| call["from"] == "program:client.py");
            let [call] = calls.collect::<Vec<_>>()[..] else {
                panic!("expected one call: {:#?}", graph.calls(self.port))
            };
            assert_eq!(call["to"], format!("program:{}", self.server), "{call:#}");
            counts(call, self.protocol, &serde_json::from_value(told["operations"].take()).unwrap());
            assert_eq!(graph.0["completeness"]["records_lost"], 0);
            let [client, server] = ["latency_ms", "server_latency_ms"].map(|end| call[end]["p50"].as_f64().unwrap());
            assert!(server <= client * 1.05, "a server's time lies within its client's: {call:#}");
            (Clock::of(serde_json::from_value(told["milliseconds"].take()).unwrap()), call.clone())
        });
    }
}

/// What the script imports, beside it.
fn connections() {
    named_script(include_str!("../../traffic/connections.py"), "connections.py");
}

/// One of the script's other roles at a port.
fn peer(name: &str, role: &str, port: u16) -> Peer {
    connections();
    Peer::start_script(&[], SOURCE, name, &[role, &port.to_string()])
}

#[test]
fn memcached_commands_take_as_long_as_their_client_says() {
    let (folder, port) = (Folder::new("clock-memcached"), port());
    let _server = stores::memcached_server(&folder, port);
    Load::of("memcached", "memcached", port).takes_as_long_as_its_client_says(&folder);
}

#[test]
fn statements_of_mariadb_take_as_long_as_their_client_says() {
    let (folder, port) = (Folder::new("clock-mysql"), port());
    let _server = stores::mariadb(&folder, port);
    Load::of("mysql", "mariadbd", port).takes_as_long_as_its_client_says(&folder);
}

/// By turns of the connection, each would last from what was said after the one before.
#[test]
fn statements_behind_what_nobody_answers_take_as_long_as_their_client_says() {
    let (folder, port) = (Folder::new("clock-closing"), port());
    let _server = stores::mariadb(&folder, port);
    Load { asks: "mysql-closing", ..Load::of("mysql", "mariadbd", port) }.takes_as_long_as_its_client_says(&folder);
}

#[test]
fn nats_requests_take_as_long_as_their_client_says() {
    let (folder, port) = (Folder::new("clock-nats"), port());
    let _server = messaging::nats_server(&folder, port);
    let _service = peer("service.py", "reply", port);
    Load::of("nats", "nats-server", port).takes_as_long_as_its_client_says(&folder);
}

#[test]
fn mqtt_publications_take_as_long_as_their_client_says() {
    let (folder, port) = (Folder::new("clock-mqtt"), port());
    let _server = messaging::mosquitto(&folder, port);
    Load::of("mqtt", "mosquitto", port).takes_as_long_as_its_client_says(&folder);
}

#[test]
fn amqp_publications_take_as_long_as_their_client_says() {
    let (folder, port) = (Folder::new("clock-amqp"), port());
    let _servers = messaging::rabbitmq(&folder, port);
    Load::of("amqp", "beam.smp", port).takes_as_long_as_its_client_says(&folder);
}

/// dnsmasq asks another server, which waits.
#[test]
fn queries_over_udp_take_as_long_as_their_client_says() {
    let (folder, port, back) = (Folder::new("clock-dns"), port(), port());
    let _back = peer("resolver.py", "resolve", back);
    let others = format!("--server=/slow.test/127.0.0.1#{back}");
    let _server = lookups::dnsmasq(&folder, port, &[&others, "--cache-size=0"]);
    Load::of("dns", "dnsmasq", port).takes_as_long_as_its_client_says(&folder);
}

#[test]
fn fastcgi_requests_take_as_long_as_their_client_says() {
    let (folder, port) = (Folder::new("clock-fastcgi"), port());
    let (_server, program) = applications::application(&folder, &format!("127.0.0.1:{port}"));
    let script = applications::script(&folder);
    let more = [script.to_str().unwrap()];
    Load { more: &more, ..Load::of("fastcgi", &program, port) }.takes_as_long_as_its_client_says(&folder);
}

/// A server in Python takes some milliseconds of its core for each call.
#[test]
fn grpc_calls_take_as_long_as_their_client_says() {
    let (folder, port) = (Folder::new("clock-grpc"), port());
    let _server = scripted(include_str!("../../traffic/rpc.py"), port);
    let load = Load { asks: "grpc", requests: 25, rate: 5, ..Load::of("http2", "server.py", port) };
    load.takes_as_long_as_its_client_says(&folder);
}

#[test]
fn kafka_requests_take_as_long_as_their_client_says() {
    let folder = Folder::new("clock-kafka");
    let (_broker, port) = messaging::kafka_broker(&["10"]);
    Load::of("kafka", "broker.py", port).takes_as_long_as_its_client_says(&folder);
}

#[test]
fn commands_of_mongodb_take_as_long_as_their_client_says() {
    let (folder, port) = (Folder::new("clock-mongodb"), port());
    let _server = scripted(include_str!("../../traffic/mongodb.py"), port);
    Load::of("mongodb", "server.py", port).takes_as_long_as_its_client_says(&folder);
}

#[test]
fn statements_of_cassandra_take_as_long_as_their_client_says() {
    let (folder, port) = (Folder::new("clock-cassandra"), port());
    let _server = scripted(include_str!("../../traffic/cassandra.py"), port);
    Load::of("cassandra", "server.py", port).takes_as_long_as_its_client_says(&folder);
}

fn scripted(source: &str, port: u16) -> Peer {
    Peer::start_script(&[], source, "server.py", &["server", &port.to_string()])
}
