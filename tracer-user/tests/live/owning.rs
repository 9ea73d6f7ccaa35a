//! Whoever does input and output on a socket is who is shown, however it came by the socket.
//!
//! Invariant: as in `main`. Memory: none.

use crate::coverage;
use crate::host::{Folder, Graph, Tracer, port, scale};
use crate::kinds::{script, start};

/// `count` requests to what serves at `port`, each on a connection of its own; the graph afterwards.
fn asked(folder: &Folder, port: u16, count: u64) -> Graph {
    let tracer = Tracer::watch(folder, &[]);
    let mut client = start("client.py", &["short", &format!("127.0.0.1:{port}"), &count.to_string()]);
    client.go_on();
    tracer.finish()
}

fn counted(graph: &Graph, from: &str, to: &str, port: u16, connections: u64, requests: u64) {
    let call = graph.only_call(from, to, port);
    assert_eq!((&call["connections"], &call["requests"]), (&connections.into(), &requests.into()), "{call:#}");
    assert_eq!(call["bytes_received"], requests * 300, "{call:#}");
}

#[test]
fn a_program_that_inherits_the_connection_over_fork_and_exec_serves_it() {
    let (folder, port, count) = (Folder::new("inetd"), port(), scale(50));
    let server = start("inetd.py", &["inetd", &format!("127.0.0.1:{port}"), &script("worker.py")]);
    let graph = asked(&folder, port, count);
    counted(&graph, "client.py", "worker.py", port, count, count);
    assert!(!graph.has_instance("worker.py", server.pid()));
    coverage::passed("owner/inherited");
}

#[test]
fn a_connection_passed_to_another_program_is_served_by_that_one() {
    let (folder, port, count) = (Folder::new("passed"), port(), scale(50));
    let door = folder.file("door.sock");
    let worker = start("worker.py", &["passed", door.to_str().unwrap()]);
    let _server = start("passing.py", &["passing", &format!("127.0.0.1:{port}"), door.to_str().unwrap()]);
    let graph = asked(&folder, port, count);
    counted(&graph, "client.py", "worker.py", port, count, count);
    assert!(graph.has_instance("worker.py", worker.pid()));
    coverage::passed("owner/passed");
}

#[test]
fn a_listener_made_by_another_process_is_served_by_who_accepts() {
    let (folder, port, count) = (Folder::new("activated"), port(), scale(50));
    let launcher = start("launcher.py", &["activator", &format!("127.0.0.1:{port}"), &script("service.py")]);
    let graph = asked(&folder, port, count);
    counted(&graph, "client.py", "service.py", port, count, count);
    assert!(!graph.has_instance("service.py", launcher.pid()));
    coverage::passed("owner/activated");
}

#[test]
fn workers_that_share_a_port_are_instances_of_one_service() {
    let (folder, port, count) = (Folder::new("reuseport"), port(), scale(100));
    let server = start("server.py", &["workers", &format!("127.0.0.1:{port}"), "3"]);
    let graph = asked(&folder, port, count);
    counted(&graph, "client.py", "server.py", port, count, count);
    let services = graph.0["services"].as_array().unwrap().iter();
    let instances = services.filter(|service| service["id"] == "program:server.py");
    let pids: Vec<u64> = instances
        .flat_map(|service| service["instances"].as_array().unwrap().iter().map(|one| one["pid"].as_u64().unwrap()))
        .collect();
    // Which worker gets a connection is the kernel's choice; that one gets none of a hundred is unlikely beyond reason.
    assert!(pids.len() >= 2 && !pids.contains(&u64::from(server.pid())), "{pids:?}");
    coverage::passed("owner/reuseport");
}

#[test]
fn duplicates_of_a_descriptor_are_one_connection() {
    let (folder, port) = (Folder::new("dup"), port());
    let _server = start("server.py", &["server", &format!("127.0.0.1:{port}")]);
    let tracer = Tracer::watch(&folder, &[]);
    let mut client = start("client.py", &["duplicated", &format!("127.0.0.1:{port}"), "50"]);
    client.go_on();
    counted(&tracer.finish(), "client.py", "server.py", port, 1, 50);
    coverage::passed("owner/dup");
}

#[test]
fn threads_belong_to_their_process_also_when_the_first_of_them_is_gone() {
    let (folder, port) = (Folder::new("headless"), port());
    let _server = start("server.py", &["server", &format!("127.0.0.1:{port}")]);
    let tracer = Tracer::watch(&folder, &[]);
    let mut client = start("client.py", &["headless", &format!("127.0.0.1:{port}"), "50"]);
    client.go_on();
    let graph = tracer.finish();
    counted(&graph, "client.py", "server.py", port, 1, 50);
    assert!(graph.has_instance("client.py", client.pid()));
    coverage::passed("owner/threads");
}

#[test]
fn of_a_connection_that_two_programs_use_in_turn_each_has_its_own_requests() {
    let (folder, port) = (Folder::new("handing"), port());
    let _server = start("server.py", &["server", &format!("127.0.0.1:{port}")]);
    let tracer = Tracer::watch(&folder, &[]);
    let mut client = start("parent.py", &["handing", &format!("127.0.0.1:{port}"), &script("child.py"), "30"]);
    client.go_on();
    let graph = tracer.finish();
    let calls = graph.calls(port);
    let requests = |from: &str| {
        let call = calls.iter().find(|call| call["from"] == format!("program:{from}"));
        call.unwrap_or_else(|| panic!("no call of {from}: {calls:#?}"))["requests"].as_u64().unwrap()
    };
    assert_eq!((calls.len(), requests("parent.py"), requests("child.py")), (2, 60, 30), "{calls:#?}");
    let bytes: u64 = calls.iter().map(|call| call["bytes_received"].as_u64().unwrap()).sum();
    assert_eq!(bytes, 90 * 300, "{calls:#?}");
    coverage::passed("owner/changes");
}
