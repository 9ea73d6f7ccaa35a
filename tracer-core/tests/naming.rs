//! Names of services, from inputs to the graph, without root.
//!
//! Invariant: inputs come from `sim` and from what is written here. Memory: one run.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends by panicking")]

use tracer_common::{ProcessId, SocketCause, SocketRecord};
use tracer_core::engine::Config;
use tracer_core::identity::{ProcessKey, Rules};
use tracer_core::input::{Ancestor, ProcessFacts, Start};
use tracer_core::sim::{self, Connection, Timing};
use tracer_core::time::{Moment, Span, Wall};
use tracer_core::{Engine, Input, Output};

const TIMING: Timing = Timing { one_way: Span::from_millis(1), server: Span::from_millis(8) };
const CLIENT: u32 = 10;
const SERVER: u32 = 20;

fn key(process: ProcessId) -> ProcessKey {
    ProcessKey::from_kernel(process).unwrap()
}

fn facts(process: ProcessId) -> ProcessFacts {
    ProcessFacts {
        process: key(process),
        uid: None,
        comm: None,
        exe: None,
        arguments: vec![],
        variable: None,
        cgroup: None,
        container: None,
        elder: None,
        ancestors: vec![],
    }
}

fn rules(json: &str) -> Rules {
    serde_json::from_str(json).unwrap()
}

/// Two processes execute their programs; facts of what is asked for come before the next tick, `listens` before all.
/// Gives the ids of the client and of the server.
fn run(
    rules: Rules,
    listens: Option<SocketRecord>,
    answer: impl Fn(ProcessKey) -> Option<ProcessFacts>,
) -> [String; 2] {
    let mut engine = Engine::new(Config { rules, ..Config::default() });
    let mut at = Moment(1_000_000_000);
    let mut inputs = vec![Input::Start(Start { host: "host".to_owned(), at, wall: Wall(0), boottime_ahead: 0 })];
    for (pid, program) in [(CLIENT, "/usr/bin/client"), (SERVER, "/usr/bin/server")] {
        inputs.push(sim::input(&sim::exec(sim::process(pid), program.as_bytes(), &[program.as_bytes()], at)));
    }
    inputs.extend(listens.map(|record| sim::input(&record)));
    let ends = sim::tuple(([127, 0, 0, 1], 40_000).into(), ([127, 0, 0, 1], 80).into());
    let mut connection = Connection::open(10, sim::process(CLIENT), sim::process(SERVER), ends, at, &mut inputs);
    at = connection.exchange(100, 300, TIMING, at, &mut inputs);
    let mut outputs = Vec::new();
    inputs.iter().for_each(|input| engine.handle(input, &mut outputs));
    for output in std::mem::take(&mut outputs) {
        if let Output::Need(key) = output
            && let Some(facts) = answer(key)
        {
            engine.handle(&Input::Process(facts), &mut outputs);
        }
    }
    for _ in 0..20 {
        at = at.after(Span::from_millis(100));
        engine.handle(&Input::Tick { at, wall: Wall(0) }, &mut outputs);
    }
    let graph = engine.snapshot();
    let [call] = graph.calls.as_slice() else { panic!("expected one call: {:#?}", graph.calls) };
    [call.from.clone(), call.to.clone()]
}

#[test]
fn what_proc_tells_of_an_executed_program_names_it_before_its_call_is_shown() {
    let answer = |asked: ProcessKey| {
        (asked == key(sim::process(SERVER)))
            .then(|| ProcessFacts { variable: Some(b"shop".to_vec()), ..facts(sim::process(SERVER)) })
    };
    assert_eq!(run(Rules::default(), None, answer), ["program:client", "service:shop"]);
}

#[test]
fn a_process_that_is_gone_before_it_can_be_looked_up_is_named_by_what_it_executed() {
    let named = run(rules(r#"[{"name":"asker","exe":"client"},{"name":"no","unit":"*"}]"#), None, |_| None);
    assert_eq!(named, ["service:asker", "program:server"]);
}

#[test]
fn a_rule_for_a_port_names_the_process_that_listens_on_it_and_not_the_one_that_calls_it() {
    let listens =
        SocketRecord { owner: sim::process(SERVER), ..sim::socket(SocketCause::LISTENING, Moment(900_000_000)) };
    let named = run(rules(r#"[{"name":"web","port":80}]"#), Some(listens), |_| None);
    assert_eq!(named, ["program:client", "service:web"]);
}

#[test]
fn a_unit_names_its_main_process() {
    let init =
        Ancestor { pid: 1, uid: None, comm: None, exe: None, arguments: vec![], cgroup: Some(b"/init.scope".to_vec()) };
    let answer = |asked: ProcessKey| {
        let cgroup = Some(b"/system.slice/web.service".to_vec());
        (asked == key(sim::process(SERVER))).then(|| ProcessFacts {
            cgroup,
            ancestors: vec![init.clone()],
            ..facts(sim::process(SERVER))
        })
    };
    assert_eq!(run(Rules::default(), None, answer), ["program:client", "unit:web.service"]);
}
