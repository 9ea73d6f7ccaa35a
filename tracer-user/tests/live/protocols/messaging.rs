//! Messaging: NATS, MQTT, AMQP, Kafka.
//!
//! Invariant: as in `main`. Memory: none.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use super::{Server, agrees, report, traffic};
use crate::coverage;
use crate::host::{Folder, Tracer, named_script, port, scale};

#[test]
fn nats() {
    let (folder, port) = (Folder::new("nats"), port());
    let text = port.to_string();
    let command = ["nats-server", "-a", "127.0.0.1", "-p", &text];
    traffic("nats", "nats-server", &command, include_str!("../traffic/nats.py"), &[], &folder, port);
}

#[test]
fn mqtt() {
    let (folder, port) = (Folder::new("mqtt"), port());
    let (acl, configuration) = (folder.file("acl"), folder.file("mosquitto.conf"));
    std::fs::write(&acl, "topic readwrite #\ntopic deny secret\n").unwrap();
    let lines = format!("listener {port} 127.0.0.1\nallow_anonymous true\nuser root\nacl_file {}\n", acl.display());
    std::fs::write(&configuration, lines).unwrap();
    let command = ["mosquitto", "-c", configuration.to_str().unwrap()];
    traffic("mqtt", "mosquitto", &command, include_str!("../traffic/mqtt.py"), &[], &folder, port);
}

#[test]
fn amqp() {
    let (folder, port, names, distribution) = (Folder::new("amqp"), port(), port(), port());
    let place = |name: &str| folder.file(name).to_str().unwrap().to_owned();
    let epmd = names.to_string();
    // Its own list of nodes, which ends with the test.
    let _names = Server::start(&["epmd", "-address", "127.0.0.1", "-port", &epmd], &folder, names);
    std::fs::write(folder.file("plugins"), "[].\n").unwrap();
    std::fs::write(folder.file(".erlang.cookie"), "tracer").unwrap();
    std::fs::set_permissions(folder.file(".erlang.cookie"), std::os::unix::fs::PermissionsExt::from_mode(0o400))
        .unwrap();
    let settings = [
        format!("ERL_EPMD_PORT={names}"),
        "ERL_EPMD_ADDRESS=127.0.0.1".to_owned(),
        format!("RABBITMQ_DIST_PORT={distribution}"),
        format!("RABBITMQ_NODENAME=tracer{port}@localhost"),
        "RABBITMQ_NODE_IP_ADDRESS=127.0.0.1".to_owned(),
        format!("RABBITMQ_NODE_PORT={port}"),
        format!("RABBITMQ_MNESIA_BASE={}", place("mnesia")),
        format!("RABBITMQ_LOG_BASE={}", place("log")),
        format!("RABBITMQ_ENABLED_PLUGINS_FILE={}", place("plugins")),
        format!("HOME={}", place("")),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let command = [&["env"], &settings[..], &["/usr/lib/rabbitmq/bin/rabbitmq-server"]].concat();
    traffic("amqp", "beam.smp", &command, include_str!("../traffic/amqp.py"), &[], &folder, port);
}

/// The broker chooses its port.
#[test]
fn kafka() {
    let folder = Folder::new("kafka");
    let script = named_script(include_str!("../traffic/kafka_broker.py"), "broker.py");
    let mut broker = Command::new("/usr/bin/python3").arg(script).stdout(Stdio::piped()).spawn().unwrap();
    let told = broker.stdout.take().unwrap();
    let _broker = Server(broker);
    let mut text = String::new();
    BufReader::new(told).read_line(&mut text).unwrap();
    let port = text.trim().parse().expect("a broker does not start; run: cargo xtask setup --tests");
    let tracer = Tracer::watch(&folder, &[]);
    let requests = scale(1_000).to_string();
    let told = report(include_str!("../traffic/kafka.py"), "client.py", &[text.trim(), &requests, "50"]);
    agrees(&tracer.finish(), "client.py", "broker.py", port, "kafka", &told);
    coverage::passed("protocol/kafka");
}
