//! What is said stays between its two ends: nothing of it is in what the tracer shows, sends or keeps, but on a tape that
//! was asked for.
//!
//! Invariant: as in `main`; the tape that was asked for has every secret, so the search would find one that is there.
//! Memory: all that the tracer wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::tls::Shore;
use super::{Server, applications, messaging, stores};
use crate::alerts::{baseline, config, wait_for};
use crate::host::{Folder, Graph, Peer, Tracer, binary, plane, port, signal};
use crate::receiver::{Mood, Receiver};
use crate::sinks::get;

const SOURCE: &str = include_str!("../traffic/canaries.py");
const PAGES: [&str; 7] = ["/", "/health", "/metrics", "/graph.json", "/graph.dot", "/graph.mmd", "/alerts"];

type Start = fn(&Folder, u16) -> Server;

/// Servers of every protocol, by its name; what they need goes with them.
struct Servers {
    ports: BTreeMap<&'static str, u16>,
    _servers: Vec<Server>,
    _http: Peer,
    _folders: Vec<Folder>,
}

impl Servers {
    fn start() -> Self {
        let mut ports: BTreeMap<&'static str, u16> = BTreeMap::new();
        let (mut servers, mut folders) = (Vec::new(), Vec::new());
        let mut place = |name: &'static str| {
            let port = port();
            ports.insert(name, port);
            (Folder::new(&format!("privacy-{name}")), port)
        };
        let starts: [(&str, Start); 6] = [
            ("redis", stores::redis_server),
            ("memcached", stores::memcached_server),
            ("postgres", stores::postgres),
            ("mysql", stores::mariadb),
            ("mqtt", messaging::mosquitto),
            ("nats", messaging::nats_server),
        ];
        for (name, start) in starts {
            let (folder, port) = place(name);
            servers.push(start(&folder, port));
            folders.push(folder);
        }
        // One user needs a password, which is sent as it is; read with the next reload.
        let rules = "host all reader 127.0.0.1/32 password\nhost all all 127.0.0.1/32 trust\n";
        let data = folders.iter().map(|folder| folder.file("data/pg_hba.conf")).find(|rules| rules.exists());
        std::fs::write(data.unwrap(), rules).unwrap();
        let (folder, port) = place("amqp");
        let (broker, names) = messaging::rabbitmq(&folder, port);
        servers.extend([broker, names]);
        folders.push(folder);
        // The web server of the application is asked.
        let ((folder, front), (inner, back)) = (place("fastcgi"), place("php"));
        let address = format!("127.0.0.1:{back}");
        servers.push(applications::application(&inner, &address).0);
        servers.push(applications::gateway(&folder, front, &address, true));
        folders.extend([folder, inner]);
        let (folder, port) = place("http");
        folders.push(folder);
        let http = Peer::start_script(&[], SOURCE, "http.py", &["http", &port.to_string()]);
        Self { ports, _servers: servers, _http: http, _folders: folders }
    }

    /// Talks to all of them; gives the secrets.
    fn ask(&self) -> BTreeSet<String> {
        let asked = self.ports.iter().filter(|(name, _)| **name != "php");
        let servers: Vec<String> = asked.map(|(name, port)| format!("{name}={port}")).collect();
        let arguments: Vec<&str> = std::iter::once("ask").chain(servers.iter().map(String::as_str)).collect();
        secrets(Peer::start_script(&[], SOURCE, "client.py", &arguments))
    }

    /// Whether all that was asked is understood, so that there is something that could be told.
    fn are_understood(&self, graph: &Graph) -> bool {
        self.ports.iter().all(|(name, port)| {
            let protocol = match *name {
                "fastcgi" => "http",
                "php" => "fastcgi",
                name => name,
            };
            let has = |call: &&serde_json::Value| {
                let operations = call["operations"].as_array().unwrap();
                call["protocol"] == protocol && operations.iter().any(|operation| operation["name"].is_string())
            };
            graph.calls(*port).iter().any(has)
        })
    }
}

fn secrets(mut peer: Peer) -> BTreeSet<String> {
    let line = peer.line();
    serde_json::from_str(&line).unwrap_or_else(|_| panic!("it failed, and said: {line}"))
}

/// Runs the tracer to its end; what it said is kept in the folder.
fn run(out: &Path, name: &str, words: &[&str]) {
    let output = Command::new(binary()).args(words).output().unwrap();
    assert!(output.status.code().is_some_and(|code| code < 2), "{words:?}: {output:?}");
    std::fs::write(out.join(format!("{name}.out")), output.stdout).unwrap();
    std::fs::write(out.join(format!("{name}.err")), output.stderr).unwrap();
}

/// A second tracer, which tells as much as it can in lines of text and records what is said.
struct Loud(Child);

impl Loud {
    fn watch(out: &Path, tape: &str, baseline: &str) -> Self {
        let file = |name: &str| std::fs::File::create(out.join(name)).unwrap();
        let export = |ending: &str| out.join(format!("loud.{ending}")).display().to_string();
        let child = Command::new(binary())
            .args(["watch", "--output", "text", "--kernel-log", "--kernel-counters", "--baseline", baseline])
            .args(["--record", tape, "--record-payload"])
            .args(["--export", &export("dot"), "--export", &export("mmd"), "--export", &export("json")])
            .args(plane())
            .stdin(Stdio::null())
            .stdout(file("loud.out"))
            .stderr(file("loud.err"))
            .spawn()
            .unwrap();
        let said = || std::fs::read_to_string(out.join("loud.err")).unwrap();
        wait_for("it watches", Duration::from_secs(20), || said().contains("watching"));
        Self(child)
    }

    fn finish(mut self) {
        signal(self.0.id(), "INT");
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Loud {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let of = |path: std::path::PathBuf| match path.is_dir() {
        true => files(&path),
        false => vec![(path.display().to_string(), std::fs::read(&path).unwrap())],
    };
    entries.flat_map(of).collect()
}

fn has(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}

#[test]
fn nothing_that_is_said_is_in_what_the_tracer_shows_sends_or_keeps_but_on_a_tape_that_was_asked_for() {
    let (folder, shore, servers) = (Folder::new("privacy"), Shore::build(), Servers::start());
    let (hook, away, listen) = (port(), port(), port());
    let path = |name: &str| folder.file(name).display().to_string();
    let out = folder.file("out");
    std::fs::create_dir_all(&out).unwrap();
    let wait = "backoff = '50ms'\nbackoff_most = '100ms'\n";
    let config = config(
        &folder,
        &format!(
            "[alerts]\ndirectory = '{state}'\nrate_limit = 1000\n\
             [[sink]]\ntype = 'file'\npath = '{file}'\n\
             [[sink]]\ntype = 'command'\ncommand = ['/bin/sh', '-c', 'cat >> {command}']\n\
             [[sink]]\ntype = 'webhook'\nname = 'here'\nurl = 'http://127.0.0.1:{hook}/'\n{wait}\
             [[sink]]\ntype = 'webhook'\nname = 'away'\nurl = 'http://127.0.0.1:{away}/'\n{wait}",
            state = path("out/state"),
            file = path("out/alerts.jsonl"),
            command = path("out/command.jsonl"),
        ),
    );
    // With this one every call is unexpected, so what it asks for most is evidence.
    let unexpected = baseline(&folder);
    let receiver = Receiver::listen(hook, Mood::Well);
    let (plain, asked_for) = (path("out/plain.tape"), path("payload.tape"));
    let loud = Loud::watch(&out, &asked_for, &unexpected);
    let options = ["--config", &config, "--baseline", &unexpected, "--record", &plain];
    let address = format!("127.0.0.1:{listen}");
    let tracer = Tracer::watch(&folder, &[&options[..], &["--listen", &address]].concat());

    let inside = ["ip", "netns", "exec", &shore.0];
    let mut secrets = secrets(Peer::start_script(&inside, SOURCE, "names.py", &["names"]));
    secrets.append(&mut servers.ask());
    wait_for("all is understood", Duration::from_secs(20), || {
        let graph = get(listen, "/graph.json").and_then(|text| serde_json::from_str(&text).ok());
        graph.is_some_and(|graph| servers.are_understood(&Graph(graph)))
    });
    wait_for("a receiver is told of all", Duration::from_secs(20), || receiver.kept().len() >= servers.ports.len());
    for page in PAGES {
        std::fs::write(out.join(format!("page{}", page.replace('/', "-"))), get(listen, page).unwrap()).unwrap();
    }
    run(&out, "alerts", &["alerts", "show", "--config", &config]);
    let (graph, told) = tracer.finish_with_told();
    loud.finish();
    std::fs::write(out.join("told.jsonl"), serde_json::to_string(&told).unwrap()).unwrap();
    std::fs::write(out.join("graph.json"), graph.0.to_string()).unwrap();
    std::fs::write(out.join("received.json"), format!("{:?}", receiver.kept())).unwrap();

    // What is made of the tape that has all of it.
    let (learned, again) = (path("out/learned.json"), path("out/again.tape"));
    let reports = ["text", "json", "junit"].map(|format| format!("{format}={}", path(&format!("out/report.{format}"))));
    let report = reports.iter().flat_map(|report| ["--report", report]);
    let exports = ["dot", "mmd", "json"].map(|ending| path(&format!("out/replayed.{ending}")));
    let export = exports.iter().flat_map(|file| ["--export", file]);
    run(&out, "learned", &["baseline", "learn", "--operations", "--tape", &asked_for, &learned]);
    run(&out, "shown", &["baseline", "show", &learned]);
    run(&out, "difference", &["baseline", "diff", &unexpected, &learned, "--output", "json"]);
    let check: Vec<&str> =
        ["check", "--baseline", &unexpected, "--tape", &asked_for].into_iter().chain(report).collect();
    run(&out, "checked", &check);
    let replay: Vec<&str> =
        ["replay", &asked_for, "--output", "json", "--record", &again].into_iter().chain(export).collect();
    run(&out, "replayed", &replay);
    run(&out, "without", &["replay", &plain, "--output", "text"]);

    let written = files(&out);
    let names: Vec<&str> = written.iter().filter_map(|(name, _)| name.rsplit('/').next()).collect();
    for name in
        ["firing.alerts", "alerts.jsonl", "command.jsonl", "plain.tape", "again.tape", "report.junit", "page-metrics"]
    {
        assert!(names.contains(&name), "{name} is among {names:?}");
    }
    assert!(written.iter().any(|(name, _)| name.contains("spool-away/")), "what could not be delivered: {names:?}");
    let text = |name: &str| String::from_utf8_lossy(&std::fs::read(out.join(name)).unwrap()).into_owned();
    for (name, operation) in [("learned.json", "SELECT orders"), ("replayed.out", "SET"), ("alerts.jsonl", "orders")] {
        assert!(text(name).contains(operation), "{name} has operations");
    }
    for (name, written) in &written {
        for secret in &secrets {
            assert!(!has(written, secret), "{secret} is in {name}");
        }
    }
    let recorded = std::fs::read(&asked_for).unwrap();
    let missing: Vec<&String> = secrets.iter().filter(|secret| !has(&recorded, secret)).collect();
    assert!(secrets.len() > 60 && missing.is_empty(), "of {} secrets the tape has not {missing:?}", secrets.len());
    // Each tape says which of the two it is.
    let says = |tape: &str| has(&std::fs::read(tape).unwrap()[..4_096], "\"payload\":true");
    assert_eq!([&asked_for, &plain, &again].map(|tape| says(tape)), [true, false, false]);
    assert!(text("without.err").contains("holds no payload"));
}
