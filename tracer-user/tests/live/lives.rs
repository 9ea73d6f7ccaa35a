//! Processes that are gone before anybody could look at them.
//!
//! Invariant: as in `main`. Memory: none.

use crate::coverage;
use crate::host::{Folder, Tracer, port, scale};
use crate::kinds::start;
use std::path::PathBuf;
use std::process::Command;

/// A program that asks once and is gone within a millisecond, under each of `names`.
pub(crate) fn programs<const N: usize>(folder: &Folder, names: [&str; N]) -> [PathBuf; N] {
    let source = folder.file("short.c");
    std::fs::write(&source, include_str!("short.c")).unwrap();
    names.map(|name| {
        let program = folder.file(name);
        let words = ["-O1", "-static", "-o", program.to_str().unwrap(), source.to_str().unwrap()];
        let status = Command::new("cc").args(words).status();
        let status = status.unwrap_or_else(|error| panic!("cc: {error}; run: cargo xtask setup --tests"));
        assert!(status.success());
        program
    })
}

#[test]
fn a_process_that_lives_for_a_millisecond_has_its_name_and_command_line() {
    let (folder, port, count) = (Folder::new("short-lived"), port(), scale(200));
    let [program] = programs(&folder, ["short-lived"]);
    let _server = start("server.py", &["server", &format!("127.0.0.1:{port}")]);
    // Nothing is expected, so the call raises an alert, which tells the command line.
    let baseline = folder.file("baseline.json");
    let learned =
        r#"{"host":"h","from":"2026-01-01T00:00:00Z","until":"2026-01-01T00:01:00Z","seconds":60,"calls_left_out":0}"#;
    let nothing = format!(r#"{{"schema":"tracer.baseline/1","learned":{learned},"calls":[]}}"#);
    std::fs::write(&baseline, nothing).unwrap();
    let mut tracer = Tracer::watch(&folder, &["--baseline", baseline.to_str().unwrap()]);
    for number in 0..count {
        let status = Command::new(&program).args([format!("word-{number}"), port.to_string()]).status().unwrap();
        assert!(status.success(), "{status}");
    }
    let is_alert = |told: &serde_json::Value| told["kind"] == "unexpected-call" && told["port"] == port;
    let alert = tracer.told_within(std::time::Duration::from_secs(2), is_alert).expect("the call is unexpected");
    let line = alert["evidence"]["client"]["command_line"].as_str().unwrap();
    assert!(line.starts_with(&format!("{} word-", program.display())), "{line}");
    let graph = tracer.finish();
    let call = graph.only_call("short-lived", "server.py", port);
    assert_eq!((&call["connections"], &call["requests"]), (&count.into(), &count.into()), "{call:#}");
    coverage::passed("owner/short-lived");
}

#[test]
fn an_interpreter_that_lives_for_a_millisecond_is_named_by_the_script_in_its_command_line() {
    let (folder, port, count) = (Folder::new("short-script"), port(), scale(200));
    // What it is called makes it an interpreter; the command line that names the script is gone when the process is.
    let [interpreter] = programs(&folder, ["python3"]);
    let _server = start("server.py", &["server", &format!("127.0.0.1:{port}")]);
    let tracer = Tracer::watch(&folder, &[]);
    let mut pids = Vec::new();
    for _ in 0..count {
        let mut child = Command::new(&interpreter).args(["/srv/brief.py", &port.to_string()]).spawn().unwrap();
        pids.push(child.id());
        assert!(child.wait().unwrap().success());
    }
    let graph = tracer.finish();
    let call = graph.only_call("brief.py", "server.py", port);
    assert_eq!((&call["connections"], &call["requests"]), (&count.into(), &count.into()), "{call:#}");
    let instances = graph.instances("brief.py");
    assert!(!instances.is_empty());
    for (pid, executed) in instances {
        assert!(pids.contains(&pid), "{pid} is none of {pids:?}");
        assert_eq!(std::path::Path::new(&executed), interpreter);
    }
}
