//! What guests leave behind, as they might: whole, cut, broken.
//!
//! Invariant: each judgement has a case that passes and one that does not. Memory: none.

use serde_json::json;

use super::*;

fn graph(from: &str, requests: u64) -> Value {
    json!({
        "completeness": {"degraded": [{"name": "hook x is not attached", "reason": "no x"}]},
        "calls": [{"from": from, "to": "program:server.py", "connections": 10, "requests": requests}],
    })
}

fn tried() -> Tried {
    Tried { doctor: Some(0), watch: Some(0), seen: Seen::Whole, ..Tried::default() }
}

fn refused() -> Tried {
    let said = vec!["tracer: this kernel has no BTF".to_owned()];
    Tried { doctor: Some(2), watch: Some(2), said, ..Tried::default() }
}

#[test]
fn the_known_exchange_is_whole_only_with_both_names_and_every_count() {
    assert_eq!(seen(&graph("program:client.py", 10)), Seen::Whole);
    for other in [graph("program:other.py", 10), graph("program:client.py", 9)] {
        assert!(matches!(seen(&other), Seen::Part(_)), "{other}");
    }
    let unknown = json!({"calls": [{"from": "program:client.py", "to": "program:server.py", "requests": null}]});
    assert_eq!(
        seen(&unknown),
        Seen::Part("program:client.py → program:server.py, unknown connections, unknown requests".to_owned())
    );
    assert_eq!(seen(&json!({"calls": []})), Seen::Nothing);
    assert_eq!(seen(&json!({})), Seen::Nothing);
}

#[test]
fn degradations_are_read_by_name() {
    assert_eq!(degraded(&graph("a", 1)), ["hook x is not attached"]);
    assert_eq!(degraded(&json!([])), Vec::<String>::new());
    assert_eq!(long_reasons(&graph("a", 1)), 0);
    let log = json!({"completeness": {"degraded": [{"name": "hook x", "reason": "refused\n0: r1 = 0\n1: exit"}]}});
    assert_eq!(long_reasons(&log), 1);
}

#[test]
fn a_tracer_that_shows_everything_or_refuses_in_one_line_is_fine() {
    assert_eq!(Found::Tried(tried()).complaint(""), None);
    assert_eq!(Found::Tried(refused()).complaint(""), None);
    assert_eq!(Found::NotMade.complaint(""), None);
    let asked_for = Found::Tried(Tried { doctor: Some(0), ..refused() });
    assert_eq!(asked_for.complaint("socket"), None, "the doctor speaks of the plane that is chosen");
    let named = Tried { seen: Seen::Nothing, degraded: vec!["hook x".to_owned()], ..tried() };
    assert_eq!(Found::Tried(named).complaint(""), None);
}

#[test]
fn whatever_is_silent_or_abrupt_is_a_complaint() {
    let two_lines = vec!["one".to_owned(), "two".to_owned()];
    for (broken, part) in [
        (Tried { seen: Seen::Nothing, ..tried() }, "no degradation says why"),
        (Tried { seen: Seen::Part("half".to_owned()), ..tried() }, "half"),
        (Tried { doctor: Some(2), ..tried() }, "the doctor ended with 2"),
        (Tried { long_reasons: 1, ..tried() }, "more than one line"),
        (Tried { doctor: Some(0), ..refused() }, "the doctor ended with 0"),
        (Tried { said: Vec::new(), ..refused() }, "0 lines"),
        (Tried { said: two_lines, ..refused() }, "one / two"),
        (Tried { watch: Some(101), ..tried() }, "ended with 101"),
        (Tried { watch: None, ..tried() }, "no exit code"),
    ] {
        let complaint = Found::Tried(broken).complaint("").unwrap_or_default();
        assert!(complaint.contains(part), "{complaint}");
    }
    assert!(Found::Missing.complaint("").is_some());
}

#[test]
fn what_the_tracer_says_is_told_without_its_greeting() {
    assert_eq!(said("tracer: watching; Ctrl-C ends\n"), Vec::<String>::new());
    assert_eq!(said("\ntracer:  CAP_BPF   missing\n"), ["tracer: CAP_BPF missing"]);
}

#[test]
fn the_harness_output_is_read_with_what_tests_print_in_between_and_where_it_was_cut() {
    let text = "\nrunning 4 tests\ntest a::one ... ok\ntest a::two ... Error: no device\nFAILED\n\
        test a::three ... ignored, wants a mouse\ntest a::four ... ok\n\ntest result: FAILED. 2 passed\n";
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let live = tests(text);
    assert_eq!((live.passed, live.whole), (names(&["a::one", "a::four"]), true));
    assert_eq!((live.failed, live.ignored), (names(&["a::two"]), names(&["a::three"])));
    let cut = tests("test a::one ... ok\ntest a::two ... watching\n");
    assert_eq!((cut.passed, cut.failed, cut.whole), (names(&["a::one"]), names(&["a::two"]), false));
}

#[test]
fn a_limit_is_told_from_what_works() {
    for limit in ["warn  hook x  not there", "FAIL  BTF  none", "ok  capabilities  without CAP_SYS_PTRACE names"] {
        assert!(is_limit(limit), "{limit}");
    }
    for fine in ["ok  capabilities  all that are needed", "ok  hook x  without fail", "", "5: (18) warn"] {
        assert!(!is_limit(fine), "{fine}");
    }
}

#[test]
fn results_are_read_from_the_folder_of_the_probe_and_a_missing_file_is_no_exit_code() {
    let boot = tempfile::tempdir().unwrap();
    let probe = Probe { condition: super::super::conditions::PLAIN, plane: "" };
    assert_eq!(read(boot.path(), &probe), Found::Missing);
    let folder = boot.path().join("probes/plain-auto");
    std::fs::create_dir_all(&folder).unwrap();
    assert_eq!(read(boot.path(), &probe), Found::NotMade);
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write("made", "");
    write("doctor.code", "0\n");
    write("doctor.out", "ok    kernel    6.1\nwarn  hook tcp_send_reset  no such\n");
    write("watch.err", "tracer: watching\n");
    write("graph.json", &graph("program:client.py", 10).to_string());
    let Found::Tried(found) = read(boot.path(), &probe) else { panic!("it was tried") };
    assert_eq!((found.doctor, found.watch, &found.seen), (Some(0), None, &Seen::Whole));
    assert_eq!(found.diagnosis, ["warn hook tcp_send_reset no such"]);
}
