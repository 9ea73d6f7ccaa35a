//! `tracer baseline` as somebody calls it: what it prints, its exit codes, and what it does with files that are not whole.
//!
//! Invariant: no test needs root or the network; each has a folder of its own, which it removes.
#![expect(clippy::print_stdout, reason = "a skipped test says so")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helper functions too")]

use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder that is gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tracer-baseline-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, contents).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn tracer(folder: &Folder, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tracer")).args(arguments).current_dir(&folder.0).output().unwrap()
}

/// Exit code, standard output and standard error.
fn said(folder: &Folder, arguments: &[&str]) -> (i32, String, String) {
    let output = tracer(folder, arguments);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn call(from: &str, to: &str, port: u16, requests: u64) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "small")]
    let rate = requests as f64 / 60.0;
    json!({
        "from": format!("program:{from}"), "to": format!("program:{to}"), "port": port, "transport": "tcp",
        "protocol": null, "requests": requests, "requests_per_second": rate, "mean_ms": 2.0, "p99_ms": 5.0,
        "error_rate": 0.0, "samples": requests,
    })
}

fn baseline(calls: &[Value]) -> String {
    let learned = json!({
        "host": "shop", "from": "2026-01-01T00:00:00Z", "until": "2026-01-01T00:01:00Z", "seconds": 60.0,
        "calls_left_out": 0,
    });
    format!("{:#}\n", json!({"schema": "tracer.baseline/1", "learned": learned, "calls": calls}))
}

/// A graph in which these programs call one another.
fn graph(calls: &[(&str, &str, u16)]) -> String {
    let programs: std::collections::BTreeSet<&str> = calls.iter().flat_map(|(from, to, _)| [*from, *to]).collect();
    let service =
        |name: &&str| json!({"id": format!("program:{name}"), "name": name, "kind": "program", "instances": []});
    let call = |(from, to, port): &(&str, &str, u16)| {
        json!({
            "from": format!("program:{from}"), "to": format!("program:{to}"), "port": port, "transport": "tcp",
            "protocol": null, "state": "unjudged", "first_seen": "2026-01-01T00:00:00Z", "connections": 1,
            "failed_connections": 0, "open_connections": 0, "requests": 600, "errors": 0,
            "errors_by_kind": {"refused": 0, "timed_out": 0, "connect_failed": 0, "reset": 0, "unanswered": 0},
            "error_rate": 0.0, "requests_per_second": 10.0, "latency_ms": null, "server_latency_ms": null, "wait_ms": null,
            "recent_latency_ms": null, "bytes_sent": 1, "bytes_received": 1, "in_flight": 0, "oldest_in_flight_ms": null,
            "anomalies": [],
        })
    };
    let completeness = json!({
        "records_lost": 0, "exchanges_lost": 0, "connections_before_start": 0, "unresolved_peers": 0, "degraded": [],
    });
    json!({
        "schema": "tracer.graph/1", "host": "shop", "from": "2026-01-01T00:00:00Z", "until": "2026-01-01T00:01:00Z",
        "window_seconds": 10.0, "completeness": completeness,
        "services": programs.iter().map(service).collect::<Vec<_>>(), "calls": calls.iter().map(call).collect::<Vec<_>>(),
    })
    .to_string()
}

#[test]
fn diff_exits_with_0_for_the_same_1_for_a_difference_2_for_what_cannot_be_read_and_64_for_wrong_usage() {
    let folder = Folder::new("diff");
    folder.file("old.json", baseline(&[call("web", "db", 5432, 600), call("web", "cache", 6379, 600)]));
    folder.file("new.json", baseline(&[call("web", "db", 5432, 6_000), call("web", "mail", 25, 600)]));
    assert_eq!(tracer(&folder, &["baseline", "diff", "old.json", "old.json"]).status.code(), Some(0));
    let (code, text, errors) = said(&folder, &["baseline", "diff", "old.json", "new.json"]);
    assert_eq!((code, errors.as_str()), (1, ""));
    for line in [
        "+ program:web -> program:mail port 25/tcp     10.0 req/s, mean 2.00 ms",
        "- program:web -> program:cache port 6379/tcp  10.0 req/s, mean 2.00 ms",
        "~ program:web -> program:db port 5432/tcp",
        "      rate        10.0 → 100 req/s  (may differ by 2.00 req/s)",
        "1 new, 1 gone, 1 changed; 0 calls are as they were",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(!text.contains('\x1b'), "a pipe has no colours");
    let (code, text, _) = said(&folder, &["baseline", "diff", "old.json", "new.json", "--output", "json"]);
    let read: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &read["schema"], &read["new"][0]["port"]), (1, &json!("tracer.baseline-diff/1"), &json!(25)));
    let (code, text, _) = said(&folder, &["baseline", "diff", "old.json", "new.json", "--output", "mermaid"]);
    assert_eq!((code, text.matches("linkStyle").count()), (1, 3));
    let (code, _, error) = said(&folder, &["baseline", "diff", "old.json", "none.json"]);
    assert!(code == 2 && error.contains("none.json") && error.lines().count() == 1, "{code} {error}");
    assert_eq!(tracer(&folder, &["baseline", "diff", "old.json"]).status.code(), Some(64));
    assert_eq!(
        tracer(&folder, &["baseline", "diff", "old.json", "new.json", "--output", "xml"]).status.code(),
        Some(64)
    );
}

#[test]
fn a_graph_is_compared_by_what_would_be_learned_of_it() {
    let folder = Folder::new("graph");
    folder.file("graph.json", graph(&[("web", "db", 5432)]));
    folder.file("same.json", baseline(&[call("web", "db", 5432, 600)]));
    folder.file("other.json", baseline(&[call("web", "db", 5433, 600)]));
    assert_eq!(said(&folder, &["baseline", "diff", "same.json", "graph.json"]).0, 0);
    let (code, text, _) = said(&folder, &["baseline", "diff", "other.json", "graph.json"]);
    assert!(code == 1 && text.contains("port        5433 → 5432"), "{text}");
}

#[test]
fn approve_takes_what_is_chosen_says_so_and_leaves_the_rest() {
    let folder = Folder::new("approve");
    let file = folder.file("calls.json", baseline(&[call("web", "db", 5432, 600)]));
    folder.file("graph.json", graph(&[("web", "db", 5432), ("cron", "db", 5432), ("web", "mail", 25)]));
    let before = fs::read(&file).unwrap();
    let approve =
        |more: &[&str]| said(&folder, &[&["baseline", "approve", "calls.json", "--from", "graph.json"], more].concat());
    assert_eq!(approve(&[]).0, 64, "nothing is chosen");
    let (code, _, error) = approve(&["--call", "mysql"]);
    assert!(
        code == 2 && error.contains("`mysql` means none") && error.contains("program:cron -> program:db"),
        "{error}"
    );
    let (code, text, error) = approve(&["--call", "cron -> db", "--dry-run"]);
    assert_eq!((code, text.lines().next()), (0, Some("allowed  program:cron -> program:db port 5432/tcp")));
    assert!(error.contains("1 call would be allowed") && fs::read(&file).unwrap() == before, "{error}");
    let (code, text, _) = approve(&["--call", "cron -> db", "--comment", "nightly"]);
    assert_eq!((code, text.lines().nth(1)), (0, Some("left     program:web -> program:mail port 25/tcp")));
    let now: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let expected = json!([
        {"from": "program:cron", "to": "program:db", "port": 5432, "transport": "tcp", "comment": "nightly"}
    ]);
    assert_eq!(now["allow"], expected);
    assert_eq!(approve(&["--all"]).0, 0);
    let (code, _, error) = approve(&["--all"]);
    assert!(code == 2 && error.contains("nothing to approve"), "{error}");
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 2, "nothing is left beside the file");
}

#[test]
fn merge_makes_one_file_of_several_whatever_their_order() {
    let folder = Folder::new("merge");
    let one = folder.file("one.json", baseline(&[call("web", "db", 5432, 600)]));
    folder.file("two.json", baseline(&[call("web", "db", 5432, 1_200), call("web", "mail", 25, 60)]));
    let (code, _, error) = said(&folder, &["baseline", "merge", "all.json", "one.json", "two.json"]);
    assert!(code == 0 && error.contains("all.json: 2 calls and 0 entries, of 2 baselines"), "{error}");
    assert_eq!(said(&folder, &["baseline", "merge", "turned.json", "two.json", "one.json"]).0, 0);
    assert_eq!(said(&folder, &["baseline", "merge", "self.json", "one.json", "one.json"]).0, 0);
    let read = |name: &str| serde_json::from_slice::<Value>(&fs::read(folder.0.join(name)).unwrap()).unwrap();
    assert_eq!(read("all.json"), read("turned.json"));
    assert_eq!(read("self.json"), read(one.to_str().unwrap()));
    assert_eq!(read("all.json")["calls"][0]["requests_per_second"], json!(15.0));
    assert_eq!(said(&folder, &["baseline", "merge", "all.json"]).0, 64);
}

#[test]
fn a_baseline_cut_off_at_any_byte_is_an_error_that_names_the_file_and_never_loads() {
    let folder = Folder::new("cut");
    let whole = baseline(&[call("web", "db", 5432, 600)]);
    // Every byte is tried in the core; here, that each way to use a file asks it.
    for cut in [0, 1, whole.len() / 3, whole.len() / 2, whole.len() - 2] {
        folder.file("cut.json", whole.get(..cut).unwrap());
        folder.file("graph.json", graph(&[("web", "db", 1)]));
        for arguments in [
            ["baseline", "show", "cut.json"].as_slice(),
            &["baseline", "diff", "cut.json", "graph.json"],
            &["baseline", "merge", "out.json", "cut.json"],
            &["baseline", "approve", "cut.json", "--from", "graph.json", "--all"],
        ] {
            let (code, _, error) = said(&folder, arguments);
            assert_eq!(code, 2, "{arguments:?} at {cut}");
            assert!(error.contains("cut.json") && error.contains("ends too early"), "{arguments:?} at {cut}: {error}");
        }
        assert_eq!(fs::read_to_string(folder.0.join("cut.json")).unwrap().len(), cut, "it is left as it was");
        assert!(!folder.0.join("out.json").exists());
    }
}

#[test]
fn a_version_that_is_not_known_and_a_file_that_is_too_large_are_refused_by_name() {
    let folder = Folder::new("refused");
    folder.file("newer.json", baseline(&[]).replace("tracer.baseline/1", "tracer.baseline/7"));
    let (code, _, error) = said(&folder, &["baseline", "show", "newer.json"]);
    assert!(code == 2 && error.contains("newer.json") && error.contains("tracer.baseline/7"), "{error}");
    // Of 1 GiB, none of which is on the disk.
    fs::File::create(folder.0.join("large.json")).unwrap().set_len(1 << 30).unwrap();
    let (code, _, error) = said(&folder, &["baseline", "show", "large.json"]);
    assert!(code == 2 && error.contains("large.json is larger than"), "{error}");
    folder.file("long.json", " ".repeat(33 << 20));
    let (code, _, error) = said(&folder, &["baseline", "show", "long.json"]);
    assert!(code == 2 && error.contains("more than a baseline can have"), "{error}");
}

#[test]
fn a_file_that_every_user_can_write_or_replace_is_refused_with_the_command_that_mends_it() {
    let folder = Folder::new("writable");
    let path = folder.file("calls.json", baseline(&[call("web", "db", 5432, 600)]));
    let config = folder.file("tracer.toml", "[detect]\n");
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let show = |name: &str| said(&folder, &["baseline", "show", name]);
    let configured = || said(&folder, &["config", "show", "--config", "tracer.toml"]);
    assert_eq!((show("calls.json").0, configured().0), (0, 0));

    mode(&path, 0o646);
    mode(&config, 0o666);
    let (code, _, error) = show("calls.json");
    assert!(code == 2 && error.contains("chmod go-w calls.json"), "{error}");
    let (code, _, error) = configured();
    assert!(code == 2 && error.contains("chmod go-w tracer.toml"), "{error}");
    mode(&path, 0o644);

    let open = folder.0.join("open");
    fs::create_dir(&open).unwrap();
    fs::copy(&path, open.join("calls.json")).unwrap();
    symlink(&path, open.join("link.json")).unwrap();
    symlink(open.join("calls.json"), folder.0.join("into.json")).unwrap();
    symlink(&path, folder.0.join("fine.json")).unwrap();
    assert_eq!(show("fine.json").0, 0, "a link in a folder of one's own");
    mode(&open, 0o777);
    for name in ["open/calls.json", "open/link.json", "into.json"] {
        let (code, _, error) = show(name);
        assert!(code == 2 && error.contains("every user can replace it"), "{name}: {error}");
    }
    // As /tmp is: others cannot replace the file, but they can have put the link there.
    mode(&open, 0o1777);
    assert_eq!((show("open/calls.json").0, show("into.json").0, show("open/link.json").0), (0, 0, 2));
}

#[test]
fn what_was_added_by_hand_is_there_after_learning_again() {
    let folder = Folder::new("again");
    let learn = ["baseline", "learn", "--tape", "day.tape", "calls.json"];
    let (code, _, error) = said(&folder, &["simulate", "day.tape"]);
    assert_eq!(code, 0, "{error}");
    let (code, _, error) = said(&folder, &learn);
    assert_eq!(code, 0, "{error}");
    let path = folder.0.join("calls.json");
    let read = || serde_json::from_slice::<Value>(&fs::read(&path).unwrap()).unwrap();
    let mut calls = read();
    let allow = json!([{ "from": "program:backup*", "to": "*", "comment": "every night" }]);
    let deny = json!([{ "to": "program:database", "from": "program:web*", "comment": "through the service only" }]);
    (calls["allow"], calls["deny"]) = (allow.clone(), deny.clone());
    let learned = calls["calls"].as_array_mut().unwrap();
    let count = learned.len();
    learned.truncate(count / 2);
    fs::write(&path, calls.to_string()).unwrap();
    let (code, _, error) = said(&folder, &learn);
    assert_eq!(code, 0, "{error}");
    let again = read();
    assert_eq!(again["calls"].as_array().unwrap().len(), count);
    for (name, entries) in [("allow", &allow), ("deny", &deny)] {
        for (key, value) in entries[0].as_object().unwrap() {
            assert_eq!(&again[name][0][key], value, "{name}");
        }
    }
}

#[test]
fn learning_from_what_is_no_tape_changes_nothing() {
    let folder = Folder::new("tape");
    let path = folder.file("calls.json", baseline(&[call("web", "db", 5432, 600)]));
    folder.file("no.tape", "TRACERTP");
    let before = fs::read(&path).unwrap();
    let (code, _, error) = said(&folder, &["baseline", "learn", "--tape", "no.tape", "calls.json"]);
    assert!(code == 2 && error.contains("no.tape"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

/// Runs a script in a mount namespace of its own, with a disk of 64 KiB at `$DISK`; `None` where that is not allowed.
fn on_a_small_disk(folder: &Folder, script: &str) -> Option<Output> {
    fs::create_dir_all(folder.0.join("disk")).unwrap();
    let script = format!("mount -t tmpfs -o size=64k,mode=755 small disk || exit 99\n{script}");
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", &script]).current_dir(&folder.0);
    let output = command.env("TRACER", env!("CARGO_BIN_EXE_tracer")).output();
    let output =
        output.ok().filter(|output| !matches!(output.status.code(), Some(1 | 99)) || !output.stdout.is_empty());
    if output.is_none() {
        assert!(std::env::var_os("CI").is_none(), "a mount namespace cannot be made, and CI must not skip");
        println!("SKIPPED: a mount namespace cannot be made: run as root");
    }
    output
}

#[test]
fn a_full_disk_leaves_the_baseline_as_it_was_and_nothing_beside_it() {
    let folder = Folder::new("full");
    let small = baseline(&[call("web", "db", 5432, 600)]);
    folder.file("small.json", &small);
    let many: Vec<Value> = (1..400).map(|port| call("web", "db", port, 600)).collect();
    folder.file("large.json", baseline(&many));
    folder.file("graph.json", graph(&[("web", "mail", 25)]));
    let script = "cp small.json disk/ && echo begun
        $TRACER baseline merge disk/small.json small.json large.json; echo merged $?
        cmp small.json disk/small.json && echo intact; ls -A disk
        dd if=/dev/zero of=disk/rest bs=1k 2>/dev/null
        $TRACER baseline approve disk/small.json --from graph.json --all; echo approved $?
        rm disk/rest; cmp small.json disk/small.json && echo intact; ls -A disk
        $TRACER baseline approve disk/small.json --from graph.json --all; echo approved $?";
    let Some(output) = on_a_small_disk(&folder, script) else { return };
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let expected = "begun\nmerged 2\nintact\nsmall.json\napproved 2\nintact\nsmall.json\n\
        allowed  program:web -> program:mail port 25/tcp\napproved 0\n";
    assert_eq!(text, expected, "{errors}");
    assert_eq!(errors.matches("No space left on device").count(), 2, "{errors}");
    assert!(errors.contains("what was there before is unchanged"), "{errors}");
}
