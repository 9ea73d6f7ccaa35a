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
    /// `rules` are those of an nftables table of the family `ip`. Unless `server_knows_the_way`, answers find the client only if
    /// its address is translated.
    fn build(rules: &str, server_knows_the_way: bool) -> Self {
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
        ] {
            assert!(ip(&words), "ip {words} failed");
        }
        if server_knows_the_way {
            assert!(ip(&format!("-n {server} route add default via 10.79.2.1")));
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

/// Twenty requests on new connections and ten on one from before the tracer, to `place`, which is translated to the server
/// at `listens`.
fn through(name: &str, router: &Router, place: (&str, u16), listens: u16) {
    let folder = Folder::new(name);
    let (near, far) = (["ip", "netns", "exec", &router.client], ["ip", "netns", "exec", &router.server]);
    let (host, asked) = (place.0, place.1.to_string());
    let server = Peer::start_by(&far, "server.py", &["server", "10.79.2.2", &listens.to_string()]);
    let mut older = Peer::start_by(&near, "client.py", &["patient", host, &asked, "10"]);
    let tracer = Tracer::watch(&folder, &[]);
    older.go_on();
    let mut client = Peer::start_by(&near, "client.py", &["short", host, &asked, "20", "100"]);
    client.expect("done");
    let graph = tracer.finish();
    // The port is where the service listens, which only its own end knows.
    let call = graph.only_call("client.py", "server.py", listens);
    let counts = (&call["connections"], &call["requests"], &call["wait_ms"]["samples"]);
    assert_eq!(counts, (&21.into(), &30.into(), &30.into()), "{call:#}");
    assert_eq!((&call["bytes_sent"], &call["bytes_received"]), (&3_000.into(), &9_000.into()), "{call:#}");
    assert!(graph.has_instance("client.py", client.pid()) && graph.has_instance("client.py", older.pid()));
    assert!(graph.has_instance("server.py", server.pid()));
    assert!(place.1 == listens || graph.calls(place.1).is_empty(), "one call, not one for each end");
}

fn dnat(asked: u16, listens: u16) -> String {
    format!("chain in {{ type nat hook prerouting priority -100; tcp dport {asked} dnat to 10.79.2.2:{listens}; }}")
}

const MASQUERADE: &str = "chain out { type nat hook postrouting priority 100; oifname \"s\" masquerade; }";

fn table(chains: &[&str]) -> String {
    format!("table ip nat {{\n{}\n}}\n", chains.join("\n"))
}

#[test]
fn a_call_to_a_translated_destination_is_one_call() {
    let (asked, listens) = (port(), port());
    let router = Router::build(&table(&[&dnat(asked, listens)]), true);
    through("dnat", &router, ("10.79.1.1", asked), listens);
    coverage::passed("netns/dnat");
}

#[test]
fn a_call_from_a_masqueraded_client_is_one_call() {
    let port = port();
    let router = Router::build(&table(&[MASQUERADE]), false);
    through("masquerade", &router, ("10.79.2.2", port), port);
    coverage::passed("netns/masquerade");
}

#[test]
fn a_call_whose_both_addresses_are_translated_is_one_call() {
    let (asked, listens) = (port(), port());
    let router = Router::build(&table(&[&dnat(asked, listens), MASQUERADE]), false);
    through("both", &router, ("10.79.1.1", asked), listens);
}
