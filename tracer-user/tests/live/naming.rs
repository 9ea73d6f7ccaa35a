//! What services are called: by rules, variables, control groups, programs; of real processes.
//!
//! Invariant: every control group made here is removed here, after its processes. Memory: none.

use crate::coverage;
use crate::host::{Folder, Graph, Peer, Tracer, binary, port};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

const CONTAINER: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// The hierarchy of control groups (v2), mounted for the test; every host has it, whatever else it uses.
struct Groups {
    mount: PathBuf,
    made: Vec<PathBuf>,
}

impl Groups {
    fn mount(folder: &Folder) -> Self {
        let mount = folder.file("cgroup");
        std::fs::create_dir_all(&mount).unwrap();
        let mounted = Command::new("mount").args(["-t", "cgroup2", "none"]).arg(&mount).status().unwrap();
        assert!(mounted.success(), "mount -t cgroup2 failed");
        Self { mount, made: Vec::new() }
    }

    /// Makes a group; gives the words that run a command in it.
    fn make(&mut self, path: &str) -> Vec<String> {
        let mut group = self.mount.clone();
        for segment in path.split('/') {
            group.push(segment);
            if !group.exists() {
                std::fs::create_dir(&group).unwrap();
                self.made.push(group.clone());
            }
        }
        let enter = format!("echo $$ > '{}/cgroup.procs' && exec \"$@\"", group.display());
        ["sh", "-c", &enter, "sh"].map(str::to_owned).to_vec()
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        for group in self.made.iter().rev() {
            // What ran in it may not have ended yet.
            let tries = std::iter::repeat_with(|| std::fs::remove_dir(group)).take(100);
            tries.take_while(Result::is_err).for_each(|_| std::thread::sleep(Duration::from_millis(20)));
        }
        let _ = Command::new("umount").arg(&self.mount).status();
    }
}

/// A server, the call to it, and what it must be called.
struct Case {
    port: u16,
    expected: String,
    server: Peer,
}

impl Case {
    /// Starts a server by way of `prefix`.
    fn start(expected: &str, prefix: &[String], script: &str, role: &str, port: u16) -> Self {
        let prefix: Vec<&str> = prefix.iter().map(String::as_str).collect();
        let server = Peer::start_by(&prefix, script, &[role, "127.0.0.1", &port.to_string()]);
        Self { port, expected: expected.to_owned(), server }
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Who calls whom on a port; there must be one call.
fn ends(graph: &Graph, port: u16) -> (String, String) {
    let calls = graph.calls(port);
    let [call] = calls.as_slice() else { panic!("expected one call: {calls:#?}") };
    let end = |end: &str| call[end].as_str().unwrap().to_owned();
    (end("from"), end("to"))
}

fn explain(pid: u32, config: &Path) -> Output {
    let pid = pid.to_string();
    Command::new(binary()).args(["doctor", "--explain", &pid, "--config"]).arg(config).output().unwrap()
}

#[test]
fn services_are_named_by_rule_variable_container_unit_and_program_in_this_order() {
    let folder = Folder::new("naming");
    let mut groups = Groups::mount(&folder);
    let own = std::process::id();
    let slice = format!("tracer-{own}.slice");
    let unit = groups.make(&format!("{slice}/shop-{own}.service"));
    let container = groups.make(&format!("{slice}/docker-{CONTAINER}.scope"));
    let supervisor = groups.make(&format!("{slice}/supervisor-{own}.service"));
    // In all, a lower rule would give another name.
    let variable = [container.clone(), words(&["env", "OTEL_SERVICE_NAME=checkout", "SERVICE_NAME=no"])].concat();
    let cart = groups.make(&format!("{slice}/cart-{own}.service"));
    let attributes = [cart, words(&["env", "OTEL_RESOURCE_ATTRIBUTES=a=b,service.name=cart%20v2"])].concat();
    let by_port = port();
    let unit_id = format!("unit:shop-{own}.service");
    let cases = [
        Case::start("service:front", &variable, "by-command.py", "server", port()),
        // The parent listens, a forked child serves.
        Case::start("service:till", &container, "by-port.py", "preforked", by_port),
        Case::start("service:checkout", &variable, "by-variable.py", "server", port()),
        Case::start("service:cart v2", &attributes, "by-attributes.py", "server", port()),
        Case::start("container:0123456789ab", &container, "in-container.py", "server", port()),
        Case::start(&unit_id, &unit, "in-unit.py", "preforked", port()),
        // What an older process of the unit did not start in a way that can be seen: its parent is elsewhere.
        Case::start("program:left-behind.py", &unit, "left-behind.py", "server", port()),
        Case::start("program:by-script.py", &[], "by-script.py", "server", port()),
    ];
    let config = folder.file("tracer.toml");
    let rules = format!(
        "[[service]]\nname = 'front'\ncommand = '/by-command[.]py server/'\n\n\
         [[service]]\nname = 'till'\nport = {by_port}\n"
    );
    std::fs::write(&config, rules).unwrap();
    let tape = folder.file("tape");
    let options = ["--config", config.to_str().unwrap(), "--record", tape.to_str().unwrap()];
    let tracer = Tracer::watch(&folder, &options);

    for case in &cases {
        let mut client = Peer::start("client.py", &["short", "127.0.0.1", &case.port.to_string(), "3", "100"]);
        client.expect("done");
    }
    let supervised = {
        let target = Case::start("program:target.py", &[], "target.py", "server", port());
        let words = [supervisor, words(&["sh", "-c", "\"$@\"; true", "sh"])].concat();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let arguments = ["patient", "127.0.0.1", &target.port.to_string(), "3"];
        let mut client = Peer::start_by(&words, "supervised.py", &arguments);
        client.go_on();
        (target, client)
    };
    let explained = cases.each_ref().map(|case| (case, explain(case.server.pid(), &config)));
    let graph = tracer.finish();

    for case in &cases {
        assert_eq!(ends(&graph, case.port), ("program:client.py".to_owned(), case.expected.clone()));
    }
    let (from, to) = ends(&graph, supervised.0.port);
    assert_eq!((from.as_str(), to.as_str()), ("program:supervised.py", "program:target.py"));

    for (case, output) in &explained {
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        assert!(output.status.success() && text.contains(&format!("({})", case.expected)), "{text}");
    }

    // A tape names alike, without the configuration.
    let replayed = folder.file("replayed.json");
    let status = Command::new(binary()).arg("export").arg("--from").args([&tape, &replayed]).status().unwrap();
    assert!(status.success());
    let replayed = Graph::read(&replayed);
    cases.iter().for_each(|case| assert_eq!(ends(&replayed, case.port), ends(&graph, case.port)));
    drop((cases, supervised));
    coverage::passed("name/rules");
}

#[test]
fn what_shells_sudo_and_the_like_start_is_named_and_they_are_not() {
    let folder = Folder::new("acting");
    let tracer = Tracer::watch(&folder, &[]);
    let mut started = Vec::new();
    for (script, prefix) in [
        ("by-bash.py", &["bash", "-c", "exec \"$@\"", "bash"][..]),
        ("by-child-of-bash.py", &["bash", "-c", "\"$@\"; true", "bash"]),
        ("by-env.py", &["env", "A=b"]),
        ("by-nohup.py", &["nohup"]),
        ("by-timeout.py", &["timeout", "60"]),
        ("by-setsid.py", &["setsid", "--wait"]),
    ] {
        let (port, server) = (port(), format!("server-{script}"));
        let server = Peer::start(&server, &["server", "127.0.0.1", &port.to_string()]);
        let mut client = Peer::start_by(prefix, script, &["patient", "127.0.0.1", &port.to_string(), "3"]);
        client.go_on();
        started.push((script, port, server, client));
    }
    let graph = tracer.finish();
    for (script, port, ..) in &started {
        graph.only_call(script, &format!("server-{script}"), *port);
    }
}

#[test]
fn a_process_that_is_gone_or_a_configuration_that_cannot_be_used_is_an_error_with_the_next_step() {
    let folder = Folder::new("explain");
    let config = folder.file("tracer.toml");
    std::fs::write(&config, "").unwrap();
    // Beyond the most that the kernel gives (PID_MAX_LIMIT, 2^22).
    let output = explain(5_000_000, &config);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("no process has the pid 5000000"), "{said}");

    std::fs::write(&config, "[[service]]\nname = 'a'\nexec = 'b'\n").unwrap();
    let output = explain(std::process::id(), &config);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("line 3: `exec` is no key of a [[service]]; did you mean `exe`?"), "{said}");
}
