//! The journal of systemd itself, in a folder of the test's own: what an alert is once `journalctl` reads it.
//!
//! Invariant: the journal of this host is neither asked nor told; every process started here is ended here. Memory: entries.

use crate::alerts::{baseline, config, wait_for};
use crate::host::{Folder, Peer, Tracer, port};
use crate::sinks::Server;
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Where Debian and others have it; it is in no search path.
const JOURNALD: &str = "/lib/systemd/systemd-journald";

/// Starts a journal for which two folders are `/run/systemd` and `/run/log`.
const START: &str = r#"
set -e
mount -t tmpfs tmpfs /run
mkdir /run/systemd /run/log
mount --bind "$1" /run/systemd
mount --bind "$2" /run/log
mkdir -p /run/systemd/journald.conf.d
printf '[Journal]\nStorage=volatile\nAudit=no\nReadKMsg=no\nForwardToSyslog=no\nRuntimeMaxUse=32M\n' \
    > /run/systemd/journald.conf.d/test.conf
exec "$3"
"#;

/// A journal.
struct Journal {
    run: PathBuf,
    log: PathBuf,
    server: Option<Server>,
}

impl Journal {
    fn start(folder: &Folder) -> Self {
        let (run, log) = (folder.file("run"), folder.file("log"));
        [&run, &log].into_iter().for_each(|path| std::fs::create_dir_all(path).unwrap());
        let mut journal = Self { run, log, server: None };
        journal.go_on();
        journal
    }

    fn socket(&self) -> PathBuf {
        self.run.join("journal/socket")
    }

    fn go_on(&mut self) {
        let child = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", START, "sh"])
            .args([&self.run, &self.log])
            .arg(JOURNALD)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("unshare: {error}; run: cargo xtask setup --tests"));
        self.server = Some(Server(child));
        let path = self.socket();
        let listens = || std::os::unix::net::UnixDatagram::unbound().unwrap().connect(&path).is_ok();
        wait_for("the journal listens", Duration::from_secs(10), listens);
    }

    fn stop(&mut self) {
        self.server = None;
    }

    /// The entries of the tracer about a port, as `journalctl` reads them.
    fn entries(&self, port: u16) -> Vec<Value> {
        let output = Command::new("journalctl")
            .args([
                "--output",
                "json",
                "--all",
                "--no-pager",
                "SYSLOG_IDENTIFIER=tracer",
                &format!("TRACER_PORT={port}"),
            ])
            .arg("--directory")
            .arg(self.log.join("journal"))
            .output()
            .unwrap_or_else(|error| panic!("journalctl: {error}; run: cargo xtask setup --tests"));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A field; what is not printable comes as bytes.
fn field(entry: &Value, name: &str) -> String {
    match &entry[name] {
        Value::Array(bytes) => {
            let bytes = bytes.iter().map(|byte| u8::try_from(byte.as_u64().unwrap()).unwrap()).collect();
            String::from_utf8(bytes).unwrap()
        }
        other => other.as_str().unwrap_or_else(|| panic!("{name}: {entry:#}")).to_owned(),
    }
}

/// Asks once, by a command line of several lines that looks like fields.
fn ask(port: u16) {
    let script = format!(
        "import socket\nPRIORITY=7\nTRACER_KIND='none'\nserver = socket.create_connection(('127.0.0.1', {port}))\n\
         server.sendall(b'x' * 100)\nserver.recv(300)  # \u{1b}[2J\n"
    );
    let python = "/usr/bin/python3";
    assert!(Command::new(python).args(["-c", &script]).status().unwrap().success());
}

#[test]
fn the_journal_has_a_field_for_everything_none_can_be_forged_and_what_it_missed_comes_once_it_is_back() {
    let folder = Folder::new("journal");
    let mut journal = Journal::start(&folder);
    let ports = [port(), port()];
    let text = format!(
        "[[sink]]\ntype = 'journald'\nsocket = '{}'\nkinds = ['unexpected-call']\nbackoff = '50ms'\nbackoff_most = '100ms'\n",
        journal.socket().display()
    );
    let config = config(&folder, &text);
    let _servers = ports.map(|port| Peer::start("server.py", &["server", "127.0.0.1", &port.to_string()]));
    let mut tracer = Tracer::watch(&folder, &["--baseline", &baseline(&folder), "--config", &config]);
    let pid = tracer.pid().to_string();
    let mut asks = |port: u16| {
        ask(port);
        let told = |told: &Value| told["kind"] == "unexpected-call" && told["port"] == port;
        tracer.told_within(Duration::from_secs(10), told).unwrap()
    };
    let alert = asks(ports[0]);
    wait_for("the entry is there", Duration::from_secs(10), || journal.entries(ports[0]).len() == 1);
    let entry = journal.entries(ports[0]).remove(0);
    for (name, expected) in [
        ("PRIORITY", "2"),
        ("MESSAGE_ID", "dc6e5d39bde849c28ffbcb03d25486d3"),
        ("TRACER_KIND", "unexpected-call"),
        ("TRACER_STATE", "firing"),
        ("TRACER_SEVERITY", "critical"),
        ("TRACER_TO", "program:server.py"),
        ("TRACER_CLIENT_USER", "root"),
        ("TRACER_ID", alert["id"].as_str().unwrap()),
        ("_TRANSPORT", "journal"),
        // By the journal's own word.
        ("_PID", &pid),
    ] {
        assert_eq!(field(&entry, name), expected, "{name}");
    }
    let command_line = field(&entry, "TRACER_CLIENT_COMMAND_LINE");
    assert!(command_line.contains("\nPRIORITY=7\nTRACER_KIND='none'\n") && command_line.contains('\u{1b}'));
    assert!(!field(&entry, "MESSAGE").contains(char::is_control));
    let evidence = field(&entry, "TRACER_EVIDENCE");
    assert!(evidence.lines().count() > 5 && !evidence.contains('\u{1b}'), "{evidence}");

    journal.stop();
    asks(ports[1]);
    journal.go_on();
    wait_for("what it missed is there", Duration::from_secs(10), || journal.entries(ports[1]).len() == 1);
    tracer.finish();
    assert_eq!(ports.map(|port| journal.entries(port).len()), [1, 1], "once each");
}
