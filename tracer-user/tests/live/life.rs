//! Starting, ending, being killed, and not being alone.
//!
//! Invariant: as in `main`. Memory: none.

use crate::host::{Folder, Graph, Peer, Tracer, binary, port, signal};
use std::process::Command;
use std::time::{Duration, Instant};

/// The kernel programs that `pid` holds.
fn programs_of(pid: u32) -> usize {
    let Ok(descriptors) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return 0 };
    descriptors
        .flatten()
        .filter(|one| std::fs::read_link(one.path()).is_ok_and(|to| to.to_string_lossy().contains("bpf-prog")))
        .count()
}

/// Ids of all kernel programs with one of the tracer's names.
fn loaded() -> Vec<u64> {
    let output = Command::new("/usr/sbin/bpftool").args(["prog", "show", "--json"]).output().unwrap();
    let programs: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let ours = |name: &serde_json::Value| name == "census" || name == "snapshot" || name == "reset_received";
    let of_ours = programs.as_array().unwrap().iter().filter(|program| ours(&program["name"]));
    of_ours.map(|program| program["id"].as_u64().unwrap()).collect()
}

#[test]
fn a_tracer_that_is_killed_leaves_nothing_in_the_kernel_and_the_next_one_works() {
    let folder = Folder::new("kill");
    let before = loaded();
    let tracer = Tracer::watch(&folder, &[]);
    assert!(programs_of(tracer.pid()) > 0);
    let with_it = loaded();
    assert!(with_it.len() > before.len());
    signal(tracer.pid(), "KILL");
    drop(tracer);
    let end = Instant::now() + Duration::from_secs(5);
    while loaded().iter().any(|id| !before.contains(id)) {
        assert!(Instant::now() < end, "programs of a killed tracer are still loaded");
        std::thread::sleep(Duration::from_millis(50));
    }
    one_call_is_seen("after", Tracer::watch(&folder, &[]));
}

fn one_call_is_seen(name: &str, tracer: Tracer) {
    let port = port();
    let _server = Peer::start("server.py", &["server", "127.0.0.1", &port.to_string()]);
    let mut client = Peer::start(name, &["short", "127.0.0.1", &port.to_string(), "10", "100"]);
    client.expect("done");
    let graph = tracer.finish();
    assert_eq!(graph.only_call(name, "server.py", port)["requests"], 10);
}

#[test]
fn two_tracers_at_once_see_the_same() {
    let (first, second) = (Folder::new("first"), Folder::new("second"));
    let port = port();
    let _server = Peer::start("server.py", &["server", "127.0.0.1", &port.to_string()]);
    let tracers = [Tracer::watch(&first, &[]), Tracer::watch(&second, &[])];
    let mut client = Peer::start("client.py", &["short", "127.0.0.1", &port.to_string(), "200", "200"]);
    client.expect("done");
    for tracer in tracers {
        let graph = tracer.finish();
        let call = graph.only_call("client.py", "server.py", port);
        assert_eq!((&call["connections"], &call["requests"]), (&200.into(), &200.into()), "{call:#}");
    }
}

#[test]
fn a_replay_gives_the_same_graph_byte_for_byte_and_the_same_alerts() {
    let folder = Folder::new("replay");
    let port = port();
    let _server = Peer::start("server.py", &["server", "127.0.0.1", &port.to_string()]);
    let baseline = folder.file("baseline.json");
    std::fs::write(&baseline, empty_baseline()).unwrap();
    let tape = folder.file("run.tape");
    let (tape, baseline) = (tape.to_str().unwrap(), baseline.to_str().unwrap());
    let tracer = Tracer::watch(&folder, &["--record", tape, "--baseline", baseline, "--window", "1s"]);
    let mut client = Peer::start("client.py", &["short", "127.0.0.1", &port.to_string(), "300", "100"]);
    client.expect("done");
    let (_, told) = tracer.finish_with_told();
    let again = folder.file("again.json");
    let output = Command::new(binary())
        .args(["replay", tape, "--baseline", baseline, "--output", "json", "--export", again.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(output.status.success());
    let retold: Vec<serde_json::Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(told, retold);
    assert!(told.iter().any(|told| told["kind"] == "unexpected-call" && told["port"] == port));
    assert_eq!(std::fs::read(folder.file("graph.json")).unwrap(), std::fs::read(&again).unwrap());
    assert_eq!(Graph::read(&again).only_call("client.py", "server.py", port)["state"], "unexpected");
}

/// A baseline that expects nothing.
fn empty_baseline() -> String {
    serde_json::json!({
        "schema": "tracer.baseline/1",
        "learned": {"host": "test", "from": "2026-01-01T00:00:00Z", "until": "2026-01-01T00:01:00Z", "seconds": 60.0, "calls_left_out": 0},
        "calls": [],
    })
    .to_string()
}
