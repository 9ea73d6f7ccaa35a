//! The same system again: after a restart, a deploy, in other containers, nothing is unexpected and nothing differs.
//!
//! Invariant: the second run has no pid, start time, client port, socket or container id of the first. Memory: two runs.

use crate::run::TIMING;
use tracer_common::ProcessId;
use tracer_core::alert::AlertState;
use tracer_core::baseline::{Baseline, Difference};
use tracer_core::engine::Config;
use tracer_core::graph::snapshot::{CallState, GraphSnapshot};
use tracer_core::identity::ProcessKey;
use tracer_core::input::{ProcessFacts, Start};
use tracer_core::sim::{self, Connection};
use tracer_core::time::{Moment, Span, Wall};
use tracer_core::{Engine, Input, Output};

const WINDOW: Span = Span::from_seconds(2);

/// What is different from one run to the next, and is to make no difference.
#[derive(Clone, Copy)]
struct Incarnation {
    /// Added to every pid; start times follow from it.
    pids: u32,
    /// The first client port.
    ports: u16,
    /// The first cookie of a socket.
    cookies: u64,
    /// A digit that container ids are made of.
    container: char,
    /// Requests after which every client and server is started anew, as another process.
    restart_after: u32,
}

const FIRST: Incarnation =
    Incarnation { pids: 100, ports: 40_000, cookies: 10, container: 'a', restart_after: u32::MAX };
const SECOND: Incarnation =
    Incarnation { pids: 7_000, ports: 51_000, cookies: 900_000, container: 'f', restart_after: 100 };

/// A program, its container's name if it is in one, and its place among the pids.
struct Program {
    path: &'static str,
    container: Option<&'static str>,
    pid: u32,
}

const WEB: Program = Program { path: "/usr/sbin/nginx", container: None, pid: 1 };
const SHOP: Program = Program { path: "/usr/bin/shop", container: Some("shop-app"), pid: 2 };
const STORE: Program = Program { path: "/usr/bin/postgres", container: Some("shop-db"), pid: 3 };

struct Host {
    engine: Engine,
    outputs: Vec<Output>,
    now: Moment,
    incarnation: Incarnation,
    connections: u64,
    generation: u32,
}

impl Host {
    fn new(incarnation: Incarnation, baseline: Option<Baseline>) -> Self {
        let learn = baseline.is_none();
        let engine = Engine::new(Config { window: WINDOW, baseline, learn, ..Config::default() });
        let now = Moment(1_000_000_000);
        let mut host = Self { engine, outputs: Vec::new(), now, incarnation, connections: 0, generation: 0 };
        host.give(&[Input::Start(Start { host: "shop".to_owned(), at: now, wall: Wall(0), boottime_ahead: 0 })]);
        host
    }

    fn give(&mut self, inputs: &[Input]) {
        inputs.iter().for_each(|input| self.engine.handle(input, &mut self.outputs));
    }

    /// The process of a program in this generation, with a start time of its own.
    fn process(&self, program: &Program) -> ProcessId {
        sim::process(self.incarnation.pids + 10 * self.generation + program.pid)
    }

    fn start(&mut self, program: &Program) {
        let process = self.process(program);
        self.give(&[sim::input(&sim::exec(process, program.path.as_bytes(), &[program.path.as_bytes()], self.now))]);
        let id: String = std::iter::repeat_n(self.incarnation.container, 62).collect();
        let cgroup = |_| format!("/system.slice/docker-{id}{:02}.scope", self.generation).into_bytes();
        let facts = ProcessFacts {
            process: ProcessKey::from_kernel(process).unwrap(),
            uid: Some(0),
            comm: None,
            exe: Some(program.path.as_bytes().to_vec()),
            arguments: vec![program.path.as_bytes().to_vec()],
            variable: None,
            cgroup: program.container.map(cgroup),
            container: program.container.map(str::to_owned),
            elder: None,
            ancestors: Vec::new(),
        };
        self.give(&[Input::Process(facts)]);
    }

    fn open(&mut self, client: &Program, server: &Program, port: u16) -> Connection {
        self.connections += 1;
        let from = self.incarnation.ports + u16::try_from(self.connections).unwrap();
        let ends = sim::tuple(([127, 0, 0, 1], from).into(), ([127, 0, 0, 1], port).into());
        let cookie = self.incarnation.cookies + self.connections * 10;
        let mut out = Vec::new();
        let (client, server) = (self.process(client), self.process(server));
        let connection = Connection::open(cookie, client, server, ends, self.now, &mut out);
        self.give(&out);
        connection
    }

    /// Some minutes of a request each 100 ms from the web server to the shop, and from there to the database.
    fn work(&mut self) {
        let mut left = 0;
        let mut open: Vec<Connection> = Vec::new();
        for _ in 0..400 {
            if left == 0 {
                for mut old in open.drain(..) {
                    let mut out = Vec::new();
                    old.close(self.now, &mut out);
                    self.give(&out);
                }
                self.generation += 1;
                [WEB, SHOP, STORE].iter().for_each(|program| self.start(program));
                open = vec![self.open(&WEB, &SHOP, 8000), self.open(&SHOP, &STORE, 5432)];
                left = self.incarnation.restart_after;
            }
            left -= 1;
            for connection in &mut open {
                let mut out = Vec::new();
                self.now = connection.exchange(100, 300, TIMING, self.now, &mut out);
                self.give(&out);
            }
            self.now = self.now.after(Span::from_millis(80));
            self.give(&[Input::Tick { at: self.now, wall: Wall(0) }]);
        }
    }

    /// The kinds of the alerts that fired.
    fn fired(&self) -> Vec<String> {
        let fired = |output: &Output| match output {
            Output::Alert(alert) if alert.state == AlertState::Firing => Some(alert.kind.clone()),
            _ => None,
        };
        self.outputs.iter().filter_map(fired).collect()
    }
}

fn pids(graph: &GraphSnapshot) -> Vec<u32> {
    graph.services.iter().flat_map(|service| service.instances.iter().map(|instance| instance.pid)).collect()
}

#[test]
fn restarts_and_other_pids_ports_and_containers_make_no_difference_to_a_baseline() {
    let mut first = Host::new(FIRST, None);
    first.work();
    let learned = first.engine.learned().unwrap();
    let names: Vec<String> = learned.calls().iter().map(|call| call.key().to_string()).collect();
    let calls =
        ["container:shop-app -> container:shop-db port 5432/tcp", "program:nginx -> container:shop-app port 8000/tcp"];
    assert_eq!(names, calls);

    let mut second = Host::new(SECOND, Some(learned.clone()));
    second.work();
    let graph = second.engine.snapshot();
    assert!(graph.calls.iter().all(|call| call.state == CallState::Expected), "{:#?}", graph.calls);
    assert_eq!(second.fired(), [""; 0]);
    let before = pids(&first.engine.snapshot());
    assert!(pids(&graph).len() >= 12 && !pids(&graph).iter().any(|pid| before.contains(pid)), "other processes");

    let mut again = Host::new(SECOND, None);
    again.work();
    let relearned = again.engine.learned().unwrap();
    let difference = Difference::of(("first", &learned), ("second", &relearned), true);
    assert!(difference.is_empty() && difference.same == 2, "{difference:#?}");
}

#[test]
fn another_program_in_the_same_place_does_make_a_difference() {
    let mut first = Host::new(FIRST, None);
    first.work();
    let learned = first.engine.learned().unwrap();
    let mut second = Host::new(SECOND, Some(learned));
    second.work();
    let intruder = Program { path: "/usr/bin/psql", container: None, pid: 9 };
    second.start(&intruder);
    let mut connection = second.open(&intruder, &STORE, 5432);
    let mut out = Vec::new();
    second.now = connection.exchange(100, 300, TIMING, second.now, &mut out);
    second.give(&out);
    second.now = second.now.after(Span::from_seconds(2));
    second.give(&[Input::Tick { at: second.now, wall: Wall(0) }]);
    assert_eq!(second.fired(), ["unexpected-call"]);
}
