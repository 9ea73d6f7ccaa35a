//! The demo's system, for real: it needs nginx, redis-server, PostgreSQL and Python with its modules.
//!
//! Invariant: nothing started here outlives a test. Memory: the servers.

use std::path::Path;
use std::time::Duration;

use xtask::demo::{Options, Place, Proxy, Server, Stack};

const LIMIT: Duration = Duration::from_secs(60);

fn alive(pids: &[u32]) -> Vec<u32> {
    pids.iter().copied().filter(|pid| Path::new(&format!("/proc/{pid}")).exists()).collect()
}

#[test]
fn every_request_is_answered_and_nothing_is_left_behind() {
    let mut stack = Stack::start(&Options::default()).unwrap();
    let names: Vec<&str> = stack.servers().map(Server::name).collect();
    assert_eq!(names, ["nginx", "api.py", "redis-server", "postgres"]);
    let pids: Vec<u32> = stack.servers().map(Server::pid).collect();
    assert_eq!(alive(&pids), pids);

    let report = stack.load(50, 200.0, 4).unwrap().wait(LIMIT).unwrap();
    assert_eq!((report.sent, report.answered, report.connections_opened), (200, 200, 4), "{report:?}");
    assert_eq!(report.statuses.get("200"), Some(&200), "{report:?}");
    stack.unexpected_call().unwrap();

    let folder = stack.folder().to_owned();
    stack.stop().unwrap();
    assert!(alive(&pids).is_empty());
    assert!(!folder.exists());
}

#[test]
fn a_stopped_database_costs_503_and_is_used_again_when_it_is_back() {
    let mut stack = Stack::start(&Options::default()).unwrap();
    assert!(stack.load(5, 100.0, 1).unwrap().wait(LIMIT).unwrap().statuses.contains_key("200"));
    stack.postgres_stop().unwrap();
    let down = stack.load(10, 100.0, 1).unwrap().wait(LIMIT).unwrap();
    assert_eq!(down.statuses.get("503"), Some(&10), "{down:?}");
    stack.postgres_start().unwrap();
    let back = stack.load(10, 100.0, 1).unwrap().wait(LIMIT).unwrap();
    assert_eq!(back.statuses.get("200"), Some(&10), "{back:?}");
}

#[test]
fn a_frozen_redis_is_waited_for_and_a_stopped_load_reports_what_hangs() {
    let mut stack = Stack::start(&Options::default()).unwrap();
    assert!(stack.load(5, 100.0, 1).unwrap().wait(LIMIT).unwrap().statuses.contains_key("200"));
    stack.redis_freeze().unwrap();
    let hanging = stack.load(10, 100.0, 1).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let report = hanging.stop().unwrap();
    assert_eq!((report.sent, report.answered, report.unanswered), (1, 0, 1), "{report:?}");
    stack.redis_thaw().unwrap();
    let report = stack.load(10, 100.0, 1).unwrap().wait(LIMIT).unwrap();
    assert_eq!(report.statuses.get("200"), Some(&10), "{report:?}");
}

#[test]
fn the_proxy_delays_answers_while_it_is_told_to() {
    for place in [Place::BeforeApi, Place::BeforeRedis] {
        let proxy = Some(Proxy { place, delay: Duration::from_millis(700) });
        let mut stack = Stack::start(&Options { proxy, ..Options::default() }).unwrap();
        stack.load(8, 100.0, 1).unwrap().wait(LIMIT).unwrap();
        stack.set_delayed(true).unwrap();
        let slow = stack.load(2, 100.0, 1).unwrap().wait(LIMIT).unwrap();
        assert!(slow.latency_ms.unwrap().p50 >= 700.0, "{slow:?}");
        assert_eq!(slow.statuses.get("200"), Some(&2), "{slow:?}");
        stack.set_delayed(false).unwrap();
        let again = stack.load(8, 100.0, 1).unwrap().wait(LIMIT).unwrap();
        assert!(again.latency_ms.unwrap().p50 < 700.0, "{again:?}");
    }
}
