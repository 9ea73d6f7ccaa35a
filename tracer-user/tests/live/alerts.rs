//! Where alerts go, with real receivers: a webhook that fails, an Alertmanager, a full disk, a restart.
//!
//! Invariant: who was told what is compared with what the peers of the test did. Memory: what was told.

use crate::host::{Folder, Peer, Tracer, binary, patience, port, signal};
use crate::receiver::{Mood, Receiver};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A baseline with which every call of the test is unexpected.
pub(crate) fn baseline(folder: &Folder) -> String {
    let path = folder.file("baseline.json");
    let text = r#"{"schema":"tracer.baseline/1","learned":{"host":"h","from":"2026-01-01T00:00:00.000Z",
        "until":"2026-01-01T00:01:00.000Z","seconds":60,"calls_left_out":0},"calls":[{"from":"program:none",
        "to":"program:none","port":1,"transport":"tcp","protocol":null,"requests":0,"requests_per_second":0,
        "mean_ms":null,"p99_ms":null,"error_rate":null,"samples":0}]}"#;
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

pub(crate) fn config(folder: &Folder, text: &str) -> String {
    let path = folder.file("tracer.toml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Waits for something to hold.
pub(crate) fn wait_for(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + patience(limit);
    while !holds() {
        assert!(Instant::now() < end, "{what}: it does not come to that");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A client of its own name that asks `count` times by a connection each; it has ended when this returns.
pub(crate) fn ask(name: &str, port: u16, count: u64) {
    Peer::start(name, &["short", "127.0.0.1", &port.to_string(), &count.to_string(), "100000"]).expect("done");
}

pub(crate) fn unexpected<'a>(client: &'a str, port: u16) -> impl FnMut(&Value) -> bool + use<'a> {
    move |told| told["kind"] == "unexpected-call" && told["port"] == port && told["from"] == format!("program:{client}")
}

#[test]
fn a_webhook_that_is_down_fails_and_is_slow_gets_every_alert_in_order_and_once_and_capture_loses_nothing() {
    let folder = Folder::new("webhook");
    let (port, hook) = (port(), port());
    let directory = folder.file("state");
    let config = config(
        &folder,
        &format!(
            "[alerts]\ndirectory = '{}'\nrate_limit = 1000\n[[sink]]\ntype = 'webhook'\nport = {port}\n\
             url = 'http://127.0.0.1:{hook}/'\ntimeout = '300ms'\nbackoff = '50ms'\nbackoff_most = '200ms'\n",
            directory.display()
        ),
    );
    let _server = Peer::start("server.py", &["server", "127.0.0.1", &port.to_string()]);
    let mut tracer = Tracer::watch(&folder, &["--baseline", &baseline(&folder), "--config", &config]);
    let names: Vec<String> = (0..9).map(|number| format!("client{number}.py")).collect();
    let mut asks = |names: &[String]| {
        for name in names {
            ask(name, port, 300);
            assert!(tracer.told_within(Duration::from_secs(10), unexpected(name, port)).is_some(), "{name}");
        }
    };
    asks(&names[..3]);
    let spooled = || std::fs::read_dir(directory.join("spool-webhook")).map_or(0, Iterator::count);
    wait_for("the spool holds what cannot be delivered", Duration::from_secs(5), || spooled() == 3);
    let receiver = Receiver::listen(hook, Mood::Failing);
    asks(&names[3..6]);
    wait_for("it fails for a while", Duration::from_secs(10), || receiver.asked() >= 3);
    receiver.feels(Mood::Slow);
    asks(&names[6..]);
    let asked = receiver.asked();
    wait_for("it is slow for a while", Duration::from_secs(20), || receiver.asked() >= asked + 2);
    receiver.feels(Mood::Well);
    wait_for("everything arrives", Duration::from_secs(30), || spooled() == 0);

    let kept = receiver.kept();
    let mut seen = BTreeSet::new();
    let once: Vec<&Value> = kept.iter().filter(|(key, _)| seen.insert(key.clone())).map(|(_, body)| body).collect();
    assert!(kept.len() > once.len(), "being slow makes repetitions, which the key tells");
    let from: Vec<&str> = once.iter().map(|body| body["from"].as_str().unwrap()).collect();
    let expected: Vec<String> = names.iter().map(|name| format!("program:{name}")).collect();
    assert_eq!(from, expected, "all, once, in order");
    for body in &once {
        assert_eq!(
            (&body["schema"], &body["alerts"][0]["schema"]),
            (&"tracer.notice/1".into(), &"tracer.alert/1".into())
        );
        assert!(body["alerts"][0]["evidence"]["client"]["user"].is_string(), "{body:#}");
    }
    let (graph, told) = tracer.finish_with_told();
    let own = |told: &&Value| told["schema"] == "tracer.alert/1" && told["port"] == hook;
    assert_eq!(told.iter().find(own), None, "nobody is told that the tracer tells");
    assert!(!graph.calls(hook).is_empty(), "but it is seen");
    assert_eq!(graph.0["completeness"]["records_lost"], 0);
    for name in &names {
        let calls = graph.calls(port);
        let call = calls.iter().find(|call| call["from"] == format!("program:{name}")).unwrap();
        assert_eq!((&call["connections"], &call["requests"]), (&300.into(), &300.into()), "{call:#}");
    }
}

/// What fires, as `tracer alerts show` prints it, and whether it warned.
fn shown(config: &str) -> (String, String) {
    let output = Command::new(binary()).args(["alerts", "show", "--config", config]).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let known = !String::from_utf8_lossy(&output.stdout).contains("not known");
    assert_eq!(output.status.code(), Some(if known { 0 } else { 2 }));
    (text(output.stdout), text(output.stderr))
}

#[test]
fn after_a_restart_nothing_fires_anew_and_a_damaged_state_is_said_and_never_taken_for_silence() {
    let folder = Folder::new("restart");
    let port = port();
    let directory = folder.file("state");
    let config = config(&folder, &format!("[alerts]\ndirectory = '{}'\n", directory.display()));
    let options = ["--baseline", &baseline(&folder), "--config", &config];
    let _server = Peer::start("server.py", &["server", "127.0.0.1", &port.to_string()]);
    let fires = |tracer: &mut Tracer, limit| {
        ask("client.py", port, 3);
        tracer.told_within(Duration::from_secs(limit), unexpected("client.py", port)).is_some()
    };
    let nothing = Command::new(binary()).args(["alerts", "show", "--config", &config]).output().unwrap();
    let said = String::from_utf8_lossy(&nothing.stderr);
    assert!(nothing.status.code() == Some(2) && said.contains("no tracer has kept anything"), "{said}");
    let mut first = Tracer::watch(&folder, &options);
    assert!(fires(&mut first, 10));
    let kept =
        |what: &str| std::fs::read_to_string(directory.join("firing.alerts")).is_ok_and(|text| text.contains(what));
    wait_for("what fires is kept", Duration::from_secs(10), || kept("program:client.py"));
    signal(first.pid(), "KILL");
    drop(first);
    let (screen, _) = shown(&config);
    for part in ["FIRING  unexpected-call (critical)", "client.py → server.py", "python3", "root: "] {
        assert!(screen.contains(part), "{part}: {screen}");
    }
    assert!(screen.lines().count() <= 24 * screen.matches("FIRING").count(), "one screen each: {screen}");

    let mut second = Tracer::watch(&folder, &options);
    assert!(!fires(&mut second, 3), "it fires since before the restart");
    let graph = second.finish();
    assert_eq!(graph.only_call("client.py", "server.py", port)["anomalies"][0]["kind"], "unexpected-call");

    let state = directory.join("firing.alerts");
    let whole = std::fs::read(&state).unwrap();
    std::fs::write(&state, &whole[..40]).unwrap();
    let (screen, warned) = shown(&config);
    assert!(screen.contains("What fires is not known") && warned.contains("cut off or damaged"), "{screen}{warned}");
    let mut third = Tracer::watch(&folder, &options);
    assert!(fires(&mut third, 10), "told again rather than never");
    let degraded = third.finish().0["completeness"]["degraded"].to_string();
    assert!(degraded.contains("what fired before the start is not known whole"), "{degraded}");
}

/// A file system of that many KiB, unmounted at the end.
struct Small(std::path::PathBuf);

impl Small {
    fn mount(path: &Path, kib: u32) -> Self {
        std::fs::create_dir_all(path).unwrap();
        let options = format!("size={kib}k,mode=700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(path).status().unwrap();
        assert!(mounted.success());
        Self(path.to_owned())
    }

    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("filler")).unwrap();
        while std::io::Write::write_all(&mut file, &[b'x'; 4096]).is_ok() {}
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_said_loses_no_alert_and_leaves_whole_lines_and_a_rotated_file_is_opened_again() {
    let folder = Folder::new("full");
    let port = port();
    let disk = Small::mount(&folder.file("disk"), 256);
    let (file, directory) = (folder.file("disk/alerts.jsonl"), folder.file("disk/state"));
    let config = config(
        &folder,
        &format!(
            "[alerts]\ndirectory = '{}'\n[[sink]]\ntype = 'file'\npath = '{}'\nport = {port}\nbackoff = '50ms'\n\
             backoff_most = '100ms'\n",
            directory.display(),
            file.display()
        ),
    );
    let _server = Peer::start("server.py", &["server", "127.0.0.1", &port.to_string()]);
    let mut tracer = Tracer::watch(&folder, &["--baseline", &baseline(&folder), "--config", &config]);
    let mut asks = |name: &str| {
        ask(name, port, 3);
        assert!(tracer.told_within(Duration::from_secs(10), unexpected(name, port)).is_some(), "{name}");
    };
    let lines = |path: &Path| -> Vec<Value> {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("a whole line")).collect()
    };
    asks("before.py");
    wait_for("the first is written", Duration::from_secs(5), || lines(&file).len() == 1);
    // Its page is full too.
    disk.fill();
    let names: Vec<String> = (0..4).map(|number| format!("full{number}.py")).collect();
    names.iter().for_each(|name| asks(name));
    std::thread::sleep(Duration::from_millis(1_500));
    assert!(lines(&file).len() < 5, "the disk is full");
    disk.free();
    wait_for("what waited is written", Duration::from_secs(10), || lines(&file).len() == 5);
    let from: Vec<Value> = lines(&file).iter().map(|line| line["from"].clone()).collect();
    let expected: Vec<String> = std::iter::once("before.py")
        .chain(names.iter().map(String::as_str))
        .map(|name| format!("program:{name}"))
        .collect();
    assert_eq!(from, expected, "in order");

    let rotated = folder.file("disk/alerts.jsonl.1");
    std::fs::rename(&file, &rotated).unwrap();
    signal(tracer.pid(), "HUP");
    // The signal is handled at the end of a turn; what is asked behind it opens the file anew.
    std::thread::sleep(Duration::from_millis(1_500));
    ask("after.py", port, 3);
    wait_for("the new file is written", Duration::from_secs(10), || lines(&file).len() == 1);
    assert_eq!(lines(&rotated).len(), 5);
    let degraded = tracer.finish().0["completeness"]["degraded"].to_string();
    assert!(degraded.contains("what fires is not kept"), "the state could not be written for a while: {degraded}");
    let (screen, warned) = shown(&config);
    assert!(screen.matches("FIRING").count() >= 6 && warned.is_empty(), "the state is whole again: {screen}{warned}");
}
