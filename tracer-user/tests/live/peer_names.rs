//! Peers are called by the names that this host asked for.
//!
//! Invariant: as in `main`; the network namespace made here is removed here. Memory: none.

use crate::coverage;
use crate::host::{Folder, Peer, Tracer, port};
use std::process::Command;

/// A network namespace in which every address leads back to itself, so that nothing leaves the host.
struct Cage(String);

impl Cage {
    fn build() -> Self {
        let cage = Self(format!("tc{}", std::process::id() % 100_000));
        let name = &cage.0;
        for words in [
            format!("netns add {name}"),
            format!("-n {name} link set lo up"),
            format!("-n {name} route add default dev lo"),
        ] {
            assert!(Command::new("ip").args(words.split(' ')).status().unwrap().success(), "ip {words} failed");
        }
        cage
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

#[test]
fn a_peer_elsewhere_is_called_by_the_name_that_was_looked_up_over_dns_or_the_local_resolver() {
    let folder = Folder::new("dns");
    let cage = Cage::build();
    let port = port().to_string();
    let tracer = Tracer::watch(&folder, &[]);
    let mut peer = Peer::start_by(&["ip", "netns", "exec", &cage.0], "lookup.py", &["resolving", &port]);
    peer.expect("done");
    let graph = tracer.finish();
    let calls = graph.calls(port.parse().unwrap());
    let mut called: Vec<&str> = calls.iter().map(|call| call["to"].as_str().unwrap()).collect();
    called.sort_unstable();
    assert_eq!(called, ["peer:198.51.100.3", "peer:billing.example.com", "peer:db.example.com"]);
    coverage::passed("name/dns");
}
