//! Messaging: NATS, MQTT, AMQP, Kafka.
//!
//! Invariant: as in `main`. Memory: none.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use super::{Server, agrees, report, traffic};
use crate::coverage;
use crate::host::{Folder, Tracer, named_script, port, scale};

/// A server of NATS.
pub(super) fn nats_server(folder: &Folder, port: u16) -> Server {
    Server::start(&["nats-server", "-a", "127.0.0.1", "-p", &port.to_string()], folder, port)
}

#[test]
fn nats() {
    let (folder, port) = (Folder::new("nats"), port());
    let _server = nats_server(&folder, port);
    traffic("nats", "nats-server", include_str!("../traffic/nats.py"), &[], &folder, port);
}

/// A broker of MQTT, which takes anybody and refuses the topic `secret`.
pub(super) fn mosquitto(folder: &Folder, port: u16) -> Server {
    let (acl, configuration) = (folder.file("acl"), folder.file("mosquitto.conf"));
    std::fs::write(&acl, "topic readwrite #\ntopic deny secret\n").unwrap();
    let lines = format!("listener {port} 127.0.0.1\nallow_anonymous true\nuser root\nacl_file {}\n", acl.display());
    std::fs::write(&configuration, lines).unwrap();
    Server::start(&["mosquitto", "-c", configuration.to_str().unwrap()], folder, port)
}

#[test]
fn mqtt() {
    let (folder, port) = (Folder::new("mqtt"), port());
    let _server = mosquitto(&folder, port);
    traffic("mqtt", "mosquitto", include_str!("../traffic/mqtt.py"), &[], &folder, port);
}

/// RabbitMQ, before its own list of nodes.
pub(super) fn rabbitmq(folder: &Folder, server: u16) -> (Server, Server) {
    let (names, distribution) = (port(), port());
    let place = |name: &str| folder.file(name).to_str().unwrap().to_owned();
    let epmd = names.to_string();
    let list = Server::start(&["epmd", "-address", "127.0.0.1", "-port", &epmd], folder, names);
    std::fs::write(folder.file("plugins"), "[].\n").unwrap();
    std::fs::write(folder.file(".erlang.cookie"), "tracer").unwrap();
    std::fs::set_permissions(folder.file(".erlang.cookie"), std::os::unix::fs::PermissionsExt::from_mode(0o400))
        .unwrap();
    let settings = [
        // The script becomes the broker; otherwise that is a child of it, which outlives it.
        "RUNNING_UNDER_SYSTEMD=1".to_owned(),
        format!("ERL_EPMD_PORT={names}"),
        "ERL_EPMD_ADDRESS=127.0.0.1".to_owned(),
        format!("RABBITMQ_DIST_PORT={distribution}"),
        format!("RABBITMQ_NODENAME=tracer{server}@localhost"),
        "RABBITMQ_NODE_IP_ADDRESS=127.0.0.1".to_owned(),
        format!("RABBITMQ_NODE_PORT={server}"),
        format!("RABBITMQ_MNESIA_BASE={}", place("mnesia")),
        format!("RABBITMQ_LOG_BASE={}", place("log")),
        format!("RABBITMQ_ENABLED_PLUGINS_FILE={}", place("plugins")),
        format!("HOME={}", place("")),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let command = [&["env"], &settings[..], &["/usr/lib/rabbitmq/bin/rabbitmq-server"]].concat();
    (Server::start(&command, folder, server), list)
}

#[test]
fn amqp() {
    let (folder, port) = (Folder::new("amqp"), port());
    let _servers = rabbitmq(&folder, port);
    traffic("amqp", "beam.smp", include_str!("../traffic/amqp.py"), &[], &folder, port);
}

/// A broker of Kafka and its port, which it chooses; `wait` has the milliseconds before each response, if there are any.
pub(super) fn kafka_broker(wait: &[&str]) -> (Server, u16) {
    let script = named_script(include_str!("../traffic/kafka_broker.py"), "broker.py");
    let mut broker = Command::new("/usr/bin/python3").arg(script).args(wait).stdout(Stdio::piped()).spawn().unwrap();
    let told = broker.stdout.take().unwrap();
    let broker = Server(broker);
    let mut text = String::new();
    BufReader::new(told).read_line(&mut text).unwrap();
    let port = text.trim().parse();
    (broker, port.unwrap_or_else(|_| panic!("a broker does not start; run: cargo xtask setup --tests")))
}

#[test]
fn kafka() {
    let folder = Folder::new("kafka");
    let (_broker, port) = kafka_broker(&[]);
    let tracer = Tracer::watch(&folder, &[]);
    let (text, requests) = (port.to_string(), scale(1_000).to_string());
    let told = report(include_str!("../traffic/kafka.py"), "client.py", &[&text, &requests, "50"]);
    agrees(&tracer.finish(), "client.py", "broker.py", port, "kafka", &told);
    coverage::passed("protocol/kafka");
}
