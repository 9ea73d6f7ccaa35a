//! Lookups of names: DNS over TCP and over UDP, by queries and by the resolver of the C library.
//!
//! Invariant: as in `main`; every namespace made here is removed here. Memory: none.

use super::{Operations, Server, operations, traffic};
use crate::host::{Folder, Tracer, port, scale};
use crate::namespaces::ip;
use std::path::PathBuf;
use std::process::Command;

/// What makes dnsmasq know its own domain, and ask nobody else.
const NAMES: [&str; 7] = [
    "--no-resolv",
    "--no-hosts",
    "--pid-file=",
    "--max-tcp-connections=100",
    "--local=/example.com/",
    "--host-record=db.example.com,10.0.0.1,fd00::1",
    "--srv-host=_http._tcp.example.com,db.example.com,80",
];

fn command(port: &str) -> Vec<&str> {
    let place = ["dnsmasq", "-k", "-C", "/dev/null", "-p", port, "-a", "127.0.0.1", "--bind-interfaces", "--user=root"];
    [&place[..], &NAMES].concat()
}

/// dnsmasq on a port, with more options.
pub(super) fn dnsmasq(folder: &Folder, port: u16, more: &[&str]) -> Server {
    Server::start(&[&command(&port.to_string()), more].concat(), folder, port)
}

/// dnsmasq serves each connection by a process of its own.
#[test]
fn dns() {
    let (folder, port) = (Folder::new("dns"), port());
    let _server = dnsmasq(&folder, port, &[]);
    traffic("dns", "dnsmasq", include_str!("../traffic/dns.py"), &[], &folder, port);
}

#[test]
fn dns_over_udp() {
    let (folder, port) = (Folder::new("dns-udp"), port());
    let _server = dnsmasq(&folder, port, &[]);
    traffic("dns", "dnsmasq", include_str!("../traffic/dns.py"), &["udp"], &folder, port);
}

/// A network namespace with a resolver's configuration of its own (ip-netns(8)).
struct Resolving {
    name: String,
    files: PathBuf,
}

impl Resolving {
    fn new() -> Self {
        let name = format!("tn{}", std::process::id() % 100_000);
        let files = PathBuf::from("/etc/netns").join(&name);
        assert!(ip(&format!("netns add {name}")) && ip(&format!("-n {name} link set lo up")));
        std::fs::create_dir_all(&files).unwrap();
        std::fs::write(files.join("resolv.conf"), "nameserver 127.0.0.1\n").unwrap();
        std::fs::write(files.join("nsswitch.conf"), "hosts: dns\n").unwrap();
        Self { name, files }
    }
}

impl Drop for Resolving {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.files);
        ip(&format!("netns del {}", self.name));
    }
}

/// The C library asks for both kinds of addresses at once, in one batch of datagrams.
#[test]
fn both_queries_of_a_batch_are_told() {
    let folder = Folder::new("batch");
    let resolving = Resolving::new();
    let inside = ["ip", "netns", "exec", &resolving.name];
    let command = [&inside[..], &command("53")].concat();
    let mut server = Command::new(command[0]);
    let mut server = Server(server.args(&command[1..]).spawn().unwrap());
    // Each lookup is a socket of its own: few of them, and many ports, so that hardly ever two have the same, which are one
    // flow to their server.
    let count = scale(20);
    let ports = ["sysctl", "-qw", "net.ipv4.ip_local_port_range=1024 65535"];
    assert!(Command::new(inside[0]).args(&inside[1..]).args(ports).status().unwrap().success());
    let ask = format!(
        "import socket, time\n\
         def ask():\n\
         \x20   for _ in range(500):\n\
         \x20       try: return socket.getaddrinfo('db.example.com', 80, type=socket.SOCK_STREAM)\n\
         \x20       except OSError: time.sleep(0.02)\n\
         for _ in range({count}):\n\
         \x20   assert len(ask()) == 2\n"
    );
    let lookup = |source: &str| Command::new("ip").args(&inside[1..]).args(["/usr/bin/python3", "-c", source]).status();
    // Until it answers.
    assert!(lookup(&ask.replace(&format!("range({count})"), "range(1)")).unwrap().success());
    let tracer = Tracer::watch(&folder, &[]);
    assert!(lookup(&ask).unwrap().success());
    let graph = tracer.finish();
    let calls: Vec<_> = graph.calls(53).into_iter().filter(|call| call["to"] == "program:dnsmasq").collect();
    let [call] = calls[..] else { panic!("{calls:#?}") };
    let told = |kind: &str| (format!("{kind} db.example.com"), [("NOERROR".to_owned(), count)].into());
    assert_eq!(operations(call), Operations::from(["A", "AAAA"].map(told)), "{call:#}");
    assert_eq!((&call["requests"], &call["in_flight"]), (&(2 * count).into(), &0.into()), "{call:#}");
    assert!(server.0.try_wait().unwrap().is_none());
}
