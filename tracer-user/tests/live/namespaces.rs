//! Calls inside and between network namespaces.
//!
//! Invariant: every namespace made here is removed here. Memory: none.

use crate::host::{Folder, Peer, Tracer, port};
use std::process::Command;

/// Two network namespaces joined by a cable.
pub(crate) struct Cable {
    pub(crate) left: String,
    pub(crate) right: String,
}

impl Cable {
    pub(crate) fn lay() -> Self {
        let id = std::process::id() % 100_000;
        let cable = Self { left: format!("tl{id}"), right: format!("tr{id}") };
        let (left, right) = (cable.left.as_str(), cable.right.as_str());
        for words in [
            format!("netns add {left}"),
            format!("netns add {right}"),
            format!("link add v{left} netns {left} type veth peer name v{right} netns {right}"),
            format!("-n {left} addr add 10.77.0.1/24 dev v{left}"),
            format!("-n {right} addr add 10.77.0.2/24 dev v{right}"),
            format!("-n {left} link set v{left} up"),
            format!("-n {right} link set v{right} up"),
            format!("-n {left} link set lo up"),
            format!("-n {right} link set lo up"),
        ] {
            assert!(ip(&words), "ip {words} failed");
        }
        cable
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        ip(&format!("netns del {}", self.left));
        ip(&format!("netns del {}", self.right));
    }
}

pub(crate) fn ip(words: &str) -> bool {
    Command::new("ip").args(words.split(' ')).status().unwrap().success()
}

#[test]
fn a_call_between_two_namespaces_is_one_call_and_loopback_inside_each_is_its_own_world() {
    let folder = Folder::new("netns");
    let cable = Cable::lay();
    let (left, right) = (["ip", "netns", "exec", &cable.left], ["ip", "netns", "exec", &cable.right]);
    let (across, inside) = (port(), port());
    let (across_text, inside_text) = (across.to_string(), inside.to_string());
    let _server = Peer::start_by(&right, "server.py", &["server", "10.77.0.2", &across_text]);
    let _left_server = Peer::start_by(&left, "left-server.py", &["server", "127.0.0.1", &inside_text]);
    let _right_server = Peer::start_by(&right, "right-server.py", &["server", "127.0.0.1", &inside_text]);
    let tracer = Tracer::watch(&folder, &[]);
    let mut clients = [
        Peer::start_by(&left, "client.py", &["short", "10.77.0.2", &across_text, "50", "100"]),
        Peer::start_by(&left, "left.py", &["short", "127.0.0.1", &inside_text, "50", "100"]),
        Peer::start_by(&right, "right.py", &["short", "127.0.0.1", &inside_text, "50", "100"]),
    ];
    clients.iter_mut().for_each(|client| client.expect("done"));
    let graph = tracer.finish();
    let call = graph.only_call("client.py", "server.py", across);
    assert_eq!((&call["connections"], &call["wait_ms"]["samples"]), (&50.into(), &50.into()), "{call:#}");
    let mut inside: Vec<String> =
        graph.calls(inside).iter().map(|call| format!("{} {}", call["from"], call["to"])).collect();
    inside.sort();
    let expected =
        ["\"program:left.py\" \"program:left-server.py\"", "\"program:right.py\" \"program:right-server.py\""];
    assert_eq!(inside, expected);
    crate::coverage::passed("netns/loopback");
}

/// A namespace that is cabled to the host.
struct Outpost {
    name: String,
    cable: String,
}

impl Outpost {
    const HOST: &str = "10.78.0.1";
    const THERE: &str = "10.78.0.2";

    fn build() -> Self {
        let id = std::process::id() % 100_000;
        let outpost = Self { name: format!("to{id}"), cable: format!("vo{id}") };
        let (name, cable) = (&outpost.name, &outpost.cable);
        for words in [
            format!("netns add {name}"),
            format!("link add {cable} type veth peer name in{id} netns {name}"),
            format!("addr add {}/24 dev {cable}", Self::HOST),
            format!("link set {cable} up"),
            format!("-n {name} addr add {}/24 dev in{id}", Self::THERE),
            format!("-n {name} link set in{id} up"),
            format!("-n {name} link set lo up"),
        ] {
            assert!(ip(&words), "ip {words} failed");
        }
        outpost
    }
}

impl Drop for Outpost {
    fn drop(&mut self) {
        ip(&format!("link del {}", self.cable));
        ip(&format!("netns del {}", self.name));
    }
}

#[test]
fn a_call_between_the_host_and_a_namespace_is_one_call_in_either_direction() {
    let folder = Folder::new("outpost");
    let outpost = Outpost::build();
    let there = ["ip", "netns", "exec", &outpost.name];
    let (inward, outward) = (port(), port());
    let _inner = Peer::start_by(&there, "inner.py", &["server", Outpost::THERE, &inward.to_string()]);
    let _outer = Peer::start("outer.py", &["server", Outpost::HOST, &outward.to_string()]);
    let tracer = Tracer::watch(&folder, &[]);
    let mut clients = [
        Peer::start("host.py", &["short", Outpost::THERE, &inward.to_string(), "50", "100"]),
        Peer::start_by(&there, "guest.py", &["short", Outpost::HOST, &outward.to_string(), "50", "100"]),
    ];
    clients.iter_mut().for_each(|client| client.expect("done"));
    let graph = tracer.finish();
    for (from, to, port) in [("host.py", "inner.py", inward), ("guest.py", "outer.py", outward)] {
        let call = graph.only_call(from, to, port);
        assert_eq!((&call["connections"], &call["wait_ms"]["samples"]), (&50.into(), &50.into()), "{call:#}");
    }
    crate::coverage::passed("netns/veth");
}
