//! Calls through address translation: both ends are joined although neither sees the other's address.
//!
//! Invariant: every namespace made here is removed here, with its rules. Memory: none.

use crate::coverage;
use crate::host::{Folder, Peer, Tracer, port};
use crate::namespaces::ip;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// A client's and a server's namespace, and a router's between them that translates.
struct Router {
    client: String,
    router: String,
    server: String,
}

impl Router {
    /// `rules` are those of an nftables table of the family `ip`.
    fn build(rules: &str) -> Self {
        let id = std::process::id() % 100_000;
        let built = Self { client: format!("nc{id}"), router: format!("nr{id}"), server: format!("ns{id}") };
        let Self { client, router, server } = &built;
        for words in [
            format!("netns add {client}"),
            format!("netns add {router}"),
            format!("netns add {server}"),
            format!("link add c netns {client} type veth peer name c netns {router}"),
            format!("link add s netns {server} type veth peer name s netns {router}"),
            format!("-n {client} addr add 10.79.1.2/24 dev c"),
            format!("-n {router} addr add 10.79.1.1/24 dev c"),
            format!("-n {router} addr add 10.79.2.1/24 dev s"),
            format!("-n {server} addr add 10.79.2.2/24 dev s"),
            format!("-n {client} link set c up"),
            format!("-n {router} link set c up"),
            format!("-n {router} link set s up"),
            format!("-n {server} link set s up"),
            format!("-n {client} route add default via 10.79.1.1"),
            format!("-n {server} route add default via 10.79.2.1"),
        ] {
            assert!(ip(&words), "ip {words} failed");
        }
        let sysctl = "echo 1 > /proc/sys/net/ipv4/ip_forward";
        assert!(Command::new("ip").args(["netns", "exec", router, "sh", "-c", sysctl]).status().unwrap().success());
        let mut nft =
            Command::new("ip").args(["netns", "exec", router, "nft", "-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        nft.stdin.take().unwrap().write_all(rules.as_bytes()).unwrap();
        assert!(nft.wait().unwrap().success(), "nft refused the rules");
        built
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        for name in [&self.client, &self.router, &self.server] {
            ip(&format!("netns del {name}"));
        }
    }
}

/// Twenty requests on new connections and ten on one from before the tracer, to `place`, which is translated to the server.
fn through(name: &str, rules: impl Fn(u16) -> String, place: &str, translated: u16) {
    let folder = Folder::new(name);
    let port = port();
    let router = Router::build(&rules(port));
    let (near, far) = (["ip", "netns", "exec", &router.client], ["ip", "netns", "exec", &router.server]);
    let asked = if translated == 0 { port } else { translated }.to_string();
    let _server = Peer::start_by(&far, "server.py", &["server", "10.79.2.2", &port.to_string()]);
    let mut older = Peer::start_by(&near, "client.py", &["patient", place, &asked, "10"]);
    let tracer = Tracer::watch(&folder, &[]);
    older.go_on();
    let mut client = Peer::start_by(&near, "client.py", &["short", place, &asked, "20", "100"]);
    client.expect("done");
    let graph = tracer.finish();
    let call = graph.only_call("client.py", "server.py", port);
    let counts = (&call["connections"], &call["requests"], &call["wait_ms"]["samples"]);
    assert_eq!(counts, (&21.into(), &30.into(), &30.into()), "{call:#}");
    assert!(graph.has_instance("client.py", client.pid()) && graph.has_instance("client.py", older.pid()));
}

#[test]
fn a_call_to_a_translated_destination_is_one_call() {
    let rules = |port| {
        format!(
            "table ip nat {{ chain in {{ type nat hook prerouting priority -100; tcp dport 8080 dnat to 10.79.2.2:{port}; }}\n}}\n"
        )
    };
    through("dnat", rules, "10.79.1.1", 8080);
    coverage::passed("netns/dnat");
}

#[test]
fn a_call_from_a_masqueraded_client_is_one_call() {
    let rules = |_| {
        "table ip nat { chain out { type nat hook postrouting priority 100; oifname \"s\" masquerade; }\n}\n".to_owned()
    };
    through("masquerade", rules, "10.79.2.2", 0);
    coverage::passed("netns/masquerade");
}
