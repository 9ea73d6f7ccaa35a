//! A configuration that is read again while the tracer watches.
//!
//! Invariant: what is expected follows from what the test wrote into the file. Memory: what the tracer tells.

use crate::host::{Folder, Peer, Tracer, port, signal};
use std::time::Duration;

#[test]
fn a_changed_limit_takes_effect_with_sighup_and_a_bad_file_is_refused_and_changes_nothing() {
    let folder = Folder::new("reload");
    let config = folder.file("tracer.toml");
    let write = |text: &str| std::fs::write(&config, text).unwrap();
    write("[detect]\nstalled_after = '1h'\n");
    let port = port();
    let server = Peer::start("server.py", &["server", "127.0.0.1", &port.to_string()]);
    let mut tracer = Tracer::watch(&folder, &["--window", "1s", "--config", config.to_str().unwrap()]);
    let mut client = Peer::start("client.py", &["patient", "127.0.0.1", &port.to_string(), "1"]);
    client.go_on();
    server.signal("STOP");
    let asks = std::thread::spawn(move || {
        client.go_on();
        client
    });
    let stalls = |told: &serde_json::Value| told["kind"] == "stalled" && told["port"] == port;
    assert!(tracer.told_within(Duration::from_secs(3), stalls).is_none(), "an hour is not over");
    write("[detect]\nstalled_after = '1s'\nstaled_after = '1s'\n");
    signal(tracer.pid(), "HUP");
    assert!(tracer.told_within(Duration::from_secs(3), stalls).is_none(), "a bad file changes nothing");
    write("[detect]\nstalled_after = '1s'\n");
    signal(tracer.pid(), "HUP");
    let alert = tracer.told_within(Duration::from_secs(4), stalls);
    let graph = tracer.finish();
    server.signal("CONT");
    asks.join().unwrap();
    assert_eq!(alert.expect("the new limit holds")["limit"], 1000.0);
    let degraded = graph.0["completeness"]["degraded"].to_string();
    assert!(degraded.contains("was refused") && degraded.contains("did you mean `stalled_after`"), "{degraded}");
}
