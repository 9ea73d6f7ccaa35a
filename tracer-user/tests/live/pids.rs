//! Pids that are used again, at once and all over.
//!
//! Invariant: as in `main`; what is changed for the whole host is put back. Memory: none.

use crate::coverage;
use crate::host::{Folder, Graph, Peer, Tracer, port, scale};
use crate::lives::programs;
use serde_json::Value;

const PROGRAMS: [&str; 8] = ["ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen"];
const PID_MAX: &str = "/proc/sys/kernel/pid_max";
/// Pids that stay free when there are few of them: what else runs on the host goes on.
const SPARE_PIDS: u64 = 1_000;

/// Programs under different names, each with a port of its own: a call on a port from any other program is a wrong
/// attribution, and no two mistakes can make up for each other.
struct Crowd {
    folder: Folder,
    server: Vec<Peer>,
    ports: Vec<u16>,
}

impl Crowd {
    fn gather(name: &str) -> Self {
        let ports: Vec<u16> = PROGRAMS.iter().map(|_| port()).collect();
        let start = |port: &u16| Peer::start("crowd-server.py", &["server", "127.0.0.1", &port.to_string()]);
        Self { folder: Folder::new(name), server: ports.iter().map(start).collect(), ports }
    }

    /// Starts each program `rounds` times in a role of `pids.py` by way of `prefix`: each has made all of its own requests
    /// and no other's. Gives the graph, and what the script said at the end.
    fn run(&self, prefix: &[&str], role: &str, rounds: u64) -> (Graph, Vec<u64>) {
        let mut arguments = vec![role.to_owned(), rounds.to_string()];
        for (program, port) in programs(&self.folder, PROGRAMS).iter().zip(&self.ports) {
            arguments.extend([program.to_str().unwrap().to_owned(), port.to_string()]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut launcher = Peer::start_script(prefix, include_str!("pids.py"), "launcher.py", &arguments);
        let tracer = Tracer::watch(&self.folder, &[]);
        launcher.go_on();
        let said = launcher.line().split_whitespace().map(|word| word.parse().unwrap()).collect();
        let graph = tracer.finish();
        self.is_told_apart(&graph, rounds);
        (graph, said)
    }

    fn is_told_apart(&self, graph: &Graph, rounds: u64) {
        for (program, port) in PROGRAMS.iter().zip(&self.ports) {
            let call = graph.only_call(program, "crowd-server.py", *port);
            let counts = (&call["connections"], &call["requests"], &call["open_connections"], &call["errors"]);
            assert_eq!(counts, (&rounds.into(), &rounds.into(), &0.into(), &0.into()), "{call:#}");
            let bytes = (&call["bytes_sent"], &call["bytes_received"]);
            assert_eq!(bytes, (&(rounds * 100).into(), &(rounds * 300).into()), "{call:#}");
            let instances = graph.instances(program);
            assert!(!instances.is_empty(), "{program}");
            let is_right = |executed: &String| *executed == self.folder.file(program).to_string_lossy();
            assert!(instances.iter().all(|(_, executed)| is_right(executed)), "{program}: {instances:?}");
        }
        assert!(self.server.iter().all(|server| graph.has_instance("crowd-server.py", server.pid())));
        let server = Value::from("program:crowd-server.py");
        let calls = graph.0["calls"].as_array().unwrap().iter();
        let calls: Vec<_> = calls.filter(|call| call["from"] == server || call["to"] == server).collect();
        assert_eq!(calls.len(), PROGRAMS.len(), "a call that nobody made: {calls:#?}");
    }
}

fn pids(graph: &Graph) -> Vec<u64> {
    PROGRAMS.iter().flat_map(|program| graph.instances(program)).map(|(pid, _)| u64::from(pid)).collect()
}

#[test]
fn a_pid_that_other_programs_use_again_at_once_is_another_process_each_time() {
    let (graph, said) = Crowd::gather("reused").run(&[], "reusing", scale(25));
    println!("at most {} µs between two processes of one pid", said[1]);
    assert!(pids(&graph).iter().all(|pid| *pid == said[0]), "all had pid {}: {graph:?}", said[0]);
}

#[test]
fn processes_that_have_one_pid_in_a_namespace_of_their_own_are_told_by_the_pids_of_the_host() {
    let prefix = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let (graph, said) = Crowd::gather("inside").run(&prefix, "reusing", scale(25));
    assert!(!pids(&graph).contains(&said[0]), "pid {} is another process of the host: {graph:?}", said[0]);
}

/// The number of pids there may be, made small, and put back.
struct PidMax(String);

impl PidMax {
    /// Gives how many there are then.
    fn lower() -> (Self, u64) {
        let before = Self(std::fs::read_to_string(PID_MAX).unwrap());
        let load = std::fs::read_to_string("/proc/loadavg").unwrap();
        let tasks: u64 = load.split([' ', '/']).nth(4).unwrap().parse().unwrap();
        // The first 300 are not given out again (`RESERVED_PIDS` in the kernel).
        let lowered = 300 + tasks + SPARE_PIDS;
        std::fs::write(PID_MAX, lowered.to_string()).unwrap();
        (before, lowered)
    }
}

impl Drop for PidMax {
    fn drop(&mut self) {
        let _ = std::fs::write(PID_MAX, &self.0);
    }
}

#[test]
fn a_storm_of_processes_that_goes_round_all_pids_leaves_every_call_with_its_program() {
    let crowd = Crowd::gather("storm");
    // On a slow machine too: fewer processes would not use all pids twice.
    let rounds = scale(250).max(100);
    let (before, pids) = PidMax::lower();
    let (_, said) = crowd.run(&[], "storming", rounds);
    drop(before);
    println!("{} processes on {pids} pids", said[0]);
    assert!(said[0] > 2 * pids, "{} processes on {pids} pids", said[0]);
    coverage::passed("owner/pid-reuse");
}
