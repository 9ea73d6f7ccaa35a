//! TLS: its records are recognised, and the first message of a client says whom it wants to reach and what it wants to
//! speak inside; what is asked stays hidden, so latencies are estimates.
//!
//! Invariant: as in `main`; the network namespace made here is removed here. Memory: none.

use super::web;
use crate::coverage;
use crate::host::{Folder, Peer, Tracer, port};
use crate::namespaces::ip;
use crate::sinks::certificate;
use crate::windows::errors;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// The call is told apart by turns: nothing of what is asked is known, and nothing that was measured is more than an estimate.
fn is_tls(call: &Value, inside: &str) {
    assert_eq!((&call["protocol"], &call["inner_protocol"]), (&"tls".into(), &inside.into()), "{call:#}");
    assert_eq!(call["operations"], Value::Array(Vec::new()), "{call:#}");
    let latency = &call["latency_ms"];
    assert!(latency["samples"].as_u64() > Some(0), "{call:#}");
    assert_eq!((&latency["estimated"], &call["recent_latency_ms"]["estimated"]), (&true.into(), &true.into()));
}

/// Asks nginx once, by way of the client of OpenSSL.
fn ask(port: u16, inside: &str) {
    let mut client = Command::new("openssl")
        .args(["s_client", "-quiet", "-connect", &format!("127.0.0.1:{port}")])
        .args(["-servername", "shop.example.com", "-alpn", inside])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("openssl: {error}; run: cargo xtask setup --tests"));
    let request = b"GET /orders/7 HTTP/1.1\r\nHost: shop.example.com\r\nConnection: close\r\n\r\n";
    client.stdin.take().unwrap().write_all(request).unwrap();
    let answer = client.wait_with_output().unwrap().stdout;
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn tls_to_a_server_on_this_host_is_recognised_and_its_latency_is_an_estimate() {
    let (folder, front) = (Folder::new("tls"), port());
    let (key, certificate) = certificate(&folder);
    let speaks = format!("ssl; ssl_certificate {certificate}; ssl_certificate_key {key}");
    let _server = web::gateway_that_speaks(&speaks, &folder, front, port(), port());
    let tracer = Tracer::watch(&folder, &[]);
    (0..5).for_each(|_| ask(front, "http/1.1"));
    let graph = tracer.finish();
    // Who is on this host is called by its own name, whatever a client wants to reach.
    let call = graph.only_call("openssl", "nginx", front);
    is_tls(call, "http/1.1");
    assert_eq!(call["connections"], 5, "{call:#}");
    assert_eq!(call["server_latency_ms"]["estimated"], true, "{call:#}");
    coverage::passed("protocol/tls");
}

/// A network namespace behind which other hosts are.
pub(super) struct Shore(pub(super) String);

impl Shore {
    const TUNNEL: &str = "far";

    pub(super) fn build() -> Self {
        let shore = Self(format!("tt{}", std::process::id() % 100_000));
        let (name, tunnel) = (&shore.0, Self::TUNNEL);
        for words in [
            format!("netns add {name}"),
            format!("-n {name} link set lo up"),
            format!("-n {name} tuntap add dev {tunnel} mode tun"),
            format!("-n {name} addr add 192.0.2.1/24 dev {tunnel}"),
            format!("-n {name} link set {tunnel} up"),
            format!("-n {name} route add default dev {tunnel}"),
        ] {
            assert!(ip(&words), "ip {words} failed");
        }
        shore
    }
}

impl Drop for Shore {
    fn drop(&mut self) {
        ip(&format!("netns del {}", self.0));
    }
}

#[test]
fn a_peer_elsewhere_is_called_by_the_name_that_a_tls_client_wants_to_reach() {
    let (folder, shore, port) = (Folder::new("sni"), Shore::build(), port());
    let (key, certificate) = certificate(&folder);
    let (inside, text) = (["ip", "netns", "exec", &shore.0], port.to_string());
    let start = |name: &str, arguments: &[&str]| {
        Peer::start_script(&inside, include_str!("../traffic/tls.py"), name, arguments)
    };
    let _elsewhere = start("elsewhere.py", &["elsewhere", Shore::TUNNEL, &certificate, &key]);
    let tracer = Tracer::watch(&folder, &[]);
    for (address, name, speaks) in
        [("198.51.100.7", "shop.example.com", "h2"), ("198.51.100.8", "mail.example.com", "http/1.1")]
    {
        start("client.py", &["client", address, &text, name, speaks, "5"]).expect("done");
    }
    let graph = tracer.finish();
    let calls = graph.calls(port);
    assert_eq!(calls.len(), 2, "{calls:#?}");
    for (name, speaks) in [("shop.example.com", "h2"), ("mail.example.com", "http/1.1")] {
        let call = calls.iter().find(|call| call["to"] == format!("peer:{name}"));
        let call = call.unwrap_or_else(|| panic!("{name}: {calls:#?}"));
        assert_eq!(call["from"], "program:client.py", "{call:#}");
        is_tls(call, speaks);
        // The other host leaves first, and what the client then says for goodbye is answered with a reset.
        assert_eq!(errors(call), BTreeMap::new(), "{call:#}");
    }
    coverage::passed("name/tls");
}
