//! `tracer check`: a gate for continuous integration, tried on the test suite of a small real service.
//!
//! Invariant: every server started here is ended here. Memory: reports.

use crate::alerts::wait_for;
use crate::host::{Folder, Peer, binary, patience, plane, port, signal};
use crate::sinks::Server;
use serde_json::Value;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const SHOP: &str = include_str!("shop.py");
const TESTS: &str = include_str!("test_shop.py");

/// A shop that counts in one Redis, and another Redis that it does not know.
struct Shop {
    folder: Folder,
    port: u16,
    redis: u16,
    other: u16,
    shop: Peer,
    _servers: [Server; 2],
}

impl Shop {
    fn open(name: &str) -> Self {
        let folder = Folder::new(name);
        let (port, redis, other) = (port(), port(), port());
        let servers = [redis, other].map(|at| {
            let command = ["--port", &at.to_string(), "--bind", "127.0.0.1", "--save", ""].map(str::to_owned);
            let server = Command::new("redis-server").args(command).stdout(Stdio::null()).spawn().unwrap();
            let server = Server(server);
            let up = || TcpStream::connect(("127.0.0.1", at)).is_ok();
            wait_for("redis-server answers", Duration::from_secs(10), up);
            server
        });
        std::fs::write(folder.file("test_shop.py"), TESTS).unwrap();
        let shop = serve(port, &[redis]);
        Self { folder, port, redis, other, shop, _servers: servers }
    }

    fn baseline(&self) -> PathBuf {
        self.folder.file("calls.json")
    }

    /// What runs the tests of the shop; `variables` besides the one that they need.
    fn tests(&self, variables: &[String]) -> Vec<String> {
        let mut command = vec!["env".to_owned(), format!("SHOP=http://127.0.0.1:{}", self.port)];
        command.extend_from_slice(variables);
        let file = self.folder.file("test_shop.py").display().to_string();
        command.extend(["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", &file].map(str::to_owned));
        command
    }

    /// What runs a role of the shop's script.
    fn role(&self, arguments: &[&str]) -> Vec<String> {
        let script = self.folder.file("roles.py");
        std::fs::write(&script, SHOP).unwrap();
        let mut command = vec!["/usr/bin/python3".to_owned(), script.display().to_string()];
        command.extend(arguments.iter().map(|&argument| argument.to_owned()));
        command
    }

    /// Runs `tracer check` on a command; its exit code, what it said, and its report.
    fn check(&self, options: &[&str], command: &[String]) -> (Option<i32>, String, Value) {
        let report = self.folder.file("report.json");
        let _ = std::fs::remove_file(&report);
        let mut check = self.checking(options);
        if !options.contains(&"--learn") {
            check.arg("--report").arg(format!("json={}", report.display()));
        }
        let output = check.arg("--").args(command).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let report = std::fs::read(&report).ok().map(|text| serde_json::from_slice(&text).unwrap());
        (output.status.code(), said, report.unwrap_or_default())
    }

    fn checking(&self, options: &[&str]) -> Command {
        let mut check = Command::new(binary());
        check.args(["check", "--baseline", self.baseline().to_str().unwrap()]).args(plane()).args(options);
        check.stdin(Stdio::null());
        check
    }

    fn learn(&self) {
        let (code, said, _) = self.check(&["--learn"], &self.tests(&[]));
        assert_eq!(code, Some(0), "{said}");
    }
}

fn serve(port: u16, redis: &[u16]) -> Peer {
    let mut arguments = vec!["serve".to_owned(), port.to_string()];
    arguments.extend(redis.iter().map(u16::to_string));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Peer::start_script(&[], SHOP, "shop.py", &arguments)
}

/// The calls of a report that were judged so, by the port of each.
fn ports(report: &Value, judgement: &str) -> Vec<u64> {
    let calls = report["calls"].as_array().unwrap();
    calls.iter().filter(|call| call["judgement"] == judgement).filter_map(|call| call["port"].as_u64()).collect()
}

#[test]
fn the_tests_of_a_service_pass_and_with_a_call_to_another_database_they_fail_until_that_is_allowed() {
    let shop = Shop::open("check");
    shop.learn();
    // Somebody else calls the other database meanwhile.
    let noise = Command::new(&shop.role(&[])[0])
        .args(&shop.role(&["visit", &shop.other.to_string(), "0.5"])[1..])
        .spawn()
        .unwrap();
    let _noise = Server(noise);
    let (code, said, report) = shop.check(&[], &shop.tests(&[]));
    assert_eq!(code, Some(0), "{said}");
    assert_eq!((report["schema"].as_str(), report["verdict"].as_str()), (Some("tracer.check/1"), Some("clean")));
    let expected = ports(&report, "expected");
    assert!([shop.port, shop.redis].iter().all(|port| expected.contains(&u64::from(*port))), "{report:#}");
    assert!(said.contains("ok: "), "{said}");

    let with_other = shop.tests(&[format!("OTHER={}", shop.other)]);
    let junit = format!("junit={}", shop.folder.file("junit.xml").display());
    let (code, said, report) = shop.check(&["--report", &junit], &with_other);
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(ports(&report, "unexpected"), [u64::from(shop.other)]);
    let call = &report["calls"][0];
    assert_eq!((call["by"].as_str(), call["to"].as_str()), (Some("command"), Some("program:redis-server")));
    let client = call["evidence"]["client"]["command_line"].as_str().unwrap();
    assert!(client.contains("pytest"), "{client}");
    let allow = call["allow"].as_str().unwrap();
    assert!(said.contains(allow) && said.contains("UNEXPECTED") && said.contains("test_shop.py"), "{said}");
    let junit = std::fs::read_to_string(shop.folder.file("junit.xml")).unwrap();
    assert!(junit.contains("<failure") && junit.contains("unexpected-call"), "{junit}");

    // The line that it names makes the call an expected one.
    let mut baseline: Value = serde_json::from_slice(&std::fs::read(shop.baseline()).unwrap()).unwrap();
    baseline["allow"] = serde_json::json!([serde_json::from_str::<Value>(allow).unwrap()]);
    std::fs::write(shop.baseline(), baseline.to_string()).unwrap();
    let (code, said, _) = shop.check(&[], &with_other);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_call_of_a_service_that_the_tests_call_counts_unless_only_the_command_is_asked_for() {
    let mut shop = Shop::open("reached");
    shop.learn();
    shop.shop.signal("TERM");
    wait_for("the shop is gone", Duration::from_secs(5), || TcpStream::connect(("127.0.0.1", shop.port)).is_err());
    shop.shop = serve(shop.port, &[shop.redis, shop.other]);
    let (code, said, report) = shop.check(&[], &shop.tests(&[]));
    assert_eq!((code, ports(&report, "unexpected")), (Some(1), vec![u64::from(shop.other)]), "{said}");
    assert_eq!(report["calls"][0]["by"], "reached");
    let (code, said, report) = shop.check(&["--only-command"], &shop.tests(&[]));
    assert_eq!((code, ports(&report, "expected")), (Some(0), vec![u64::from(shop.port)]), "{said}");
}

/// Asks a shop again and again, until it is ended.
const VISITOR: &str = "
import sys, time, urllib.request
while True:
    urllib.request.urlopen('http://127.0.0.1:' + sys.argv[1]).read()
    time.sleep(0.02)
";

#[test]
fn another_shop_that_runs_the_same_program_for_somebody_else_does_not_count() {
    let shop = Shop::open("other-shop");
    shop.learn();
    let elsewhere = port();
    let _other = serve(elsewhere, &[shop.other]);
    let visitor = Command::new("/usr/bin/python3").args(["-c", VISITOR, &elsewhere.to_string()]).spawn().unwrap();
    let _visitor = Server(visitor);
    let (code, said, report) = shop.check(&[], &shop.tests(&[]));
    assert_eq!((code, ports(&report, "unexpected")), (Some(0), vec![]), "{said}");
    let expected = ports(&report, "expected");
    assert!([shop.port, shop.redis].iter().all(|port| expected.contains(&u64::from(*port))), "{report:#}");
}

#[test]
fn a_grandchild_whose_parent_is_gone_is_the_commands_own() {
    let shop = Shop::open("descent");
    shop.learn();
    let (code, said, report) = shop.check(&[], &shop.role(&["descend", &shop.other.to_string()]));
    assert_eq!((code, ports(&report, "unexpected")), (Some(1), vec![u64::from(shop.other)]), "{said}");
    assert_eq!(report["calls"][0]["by"], "command");
}

#[test]
fn what_could_not_be_run_or_observed_is_never_called_clean() {
    let shop = Shop::open("doubt");
    let (code, said, _) = shop.check(&[], &["true".to_owned()]);
    assert!(code == Some(2) && said.lines().count() == 1 && said.contains("--learn"), "{said}");
    shop.learn();
    let (code, said, _) = shop.check(&[], &["no-such-program".to_owned()]);
    assert!(code == Some(2) && said.contains("start the command no-such-program"), "{said}");
    let (code, said, report) = shop.check(&[], &["false".to_owned()]);
    assert!(code == Some(2) && said.contains("the command failed") && report["verdict"] == "doubtful", "{said}");
    let (code, said, report) = shop.check(&["--missing"], &["true".to_owned()]);
    assert_eq!((code, ports(&report, "missing").is_empty()), (Some(1), false), "{said}");
    let whole = std::fs::read(shop.baseline()).unwrap();
    std::fs::write(shop.baseline(), &whole[..whole.len() / 2]).unwrap();
    let (code, said, _) = shop.check(&[], &["true".to_owned()]);
    assert!(code == Some(2) && said.lines().count() == 1, "{said}");
}

#[test]
fn a_signal_is_the_commands_and_both_end() {
    let shop = Shop::open("signals");
    shop.learn();
    for name in ["TERM", "INT"] {
        let mut check = shop.checking(&[]);
        check.args(["--", "sh", "-c", "echo started; exec sleep 60"]);
        let mut check = check.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut started = [0; 8];
        std::io::Read::read_exact(check.stdout.as_mut().unwrap(), &mut started).unwrap();
        signal(check.id(), name);
        let asked = Instant::now();
        assert_eq!(check.wait().unwrap().code(), Some(2));
        assert!(asked.elapsed() < patience(Duration::from_secs(2)), "it took {:?} to end", asked.elapsed());
    }
}

#[test]
fn a_tape_is_judged_without_a_kernel() {
    let shop = Shop::open("judged-tape");
    let tape = shop.folder.file("calls.tape");
    let mut watch = Command::new(binary());
    watch.args(["watch", "--output", "json", "--for", "5s", "--record", tape.to_str().unwrap()]).args(plane());
    let watch = watch.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut watch = Server(watch);
    std::thread::sleep(Duration::from_secs(2));
    let role = shop.role(&["visit", &shop.redis.to_string()]);
    assert!(Command::new(&role[0]).args(&role[1..]).status().unwrap().success());
    assert!(watch.0.wait().unwrap().success());
    let judge = |options: &[&str]| {
        let output = shop.checking(options).args(["--tape", tape.to_str().unwrap()]).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert_eq!(judge(&["--learn"]).0, Some(0));
    let (code, said) = judge(&[]);
    assert!(code == Some(0) && said.contains("ok: "), "{said}");
    let mut baseline: Value = serde_json::from_slice(&std::fs::read(shop.baseline()).unwrap()).unwrap();
    let calls = baseline["calls"].as_array_mut().unwrap();
    calls.retain(|call| call["port"] != shop.redis);
    std::fs::write(shop.baseline(), baseline.to_string()).unwrap();
    let (code, said) = judge(&[]);
    assert!(code == Some(1) && said.contains(&format!("port {}/tcp", shop.redis)), "{said}");
}
