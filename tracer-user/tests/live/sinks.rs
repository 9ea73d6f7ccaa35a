//! `tracer alerts test`, and an Alertmanager from the distribution. Only the latter watches the kernel.
//!
//! Invariant: every server started here is ended here. Memory: their answers.

use crate::alerts::{ask, baseline, config, unexpected, wait_for};
use crate::host::{Folder, Peer, Tracer, binary, port};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A server that is ended with the test.
pub(crate) struct Server(pub(crate) Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A receiver with TLS, whose certificate no public authority has signed; it prints what it is sent.
const TLS_RECEIVER: &str = r#"
import http.server, ssl, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        print(self.headers["Authorization"], body.decode(), flush=True)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments):
        pass

server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"#;

/// The paths of a key and of its certificate, which no public authority has signed.
pub(crate) fn certificate(folder: &Folder) -> (String, String) {
    let (key, certificate) = (folder.file("key.pem"), folder.file("certificate.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .unwrap_or_else(|error| panic!("openssl: {error}; run: cargo xtask setup --tests"));
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (key.to_str().unwrap().to_owned(), certificate.to_str().unwrap().to_owned())
}

/// A receiver with TLS at a port, which writes what it is sent into a file; and its certificate.
pub(crate) fn tls_receiver(folder: &Folder, port: u16) -> (Server, PathBuf, String) {
    let (key, certificate) = certificate(folder);
    let (script, received) = (folder.file("receiver.py"), folder.file("received"));
    std::fs::write(&script, TLS_RECEIVER).unwrap();
    let server = Command::new("/usr/bin/python3")
        .arg(&script)
        .args([&port.to_string(), &certificate, &key])
        .stdout(std::fs::File::create(&received).unwrap())
        .spawn()
        .unwrap();
    let server = Server(server);
    wait_for("the receiver listens", Duration::from_secs(10), || TcpStream::connect(("127.0.0.1", port)).is_ok());
    (server, received, certificate)
}

#[test]
fn a_test_of_the_alerts_tells_of_each_sink_how_it_went_and_shows_no_secret() {
    let folder = Folder::new("alerts-test");
    let (secure, closed) = (port(), port());
    let (_server, received, certificate) = tls_receiver(&folder, secure);
    let journal = folder.file("journal");
    let listens = UnixDatagram::bind(&journal).unwrap();
    let (lines, ran) = (folder.file("alerts.jsonl"), folder.file("ran"));
    std::fs::write(folder.file("token"), "s3cret-token\n").unwrap();
    let text = format!(
        "[[sink]]\ntype = 'terminal'\n[[sink]]\ntype = 'file'\npath = '{}'\n[[sink]]\ntype = 'journald'\nsocket = '{}'\n\
         [[sink]]\ntype = 'command'\ncommand = ['/bin/sh', '-c', 'cat >> {}']\n\
         [[sink]]\ntype = 'webhook'\nname = 'secure'\nurl = 'https://localhost:{secure}/s3cret-path'\nca_file = '{certificate}'\n\
         token_file = '{}'\n",
        lines.display(),
        journal.display(),
        ran.display(),
        folder.file("token").display()
    );
    let good = config(&folder, &text);
    let run = |words: &[&str]| {
        let output = Command::new(binary()).args(words).output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!said.contains("s3cret"), "a secret is shown: {said}");
        (output.status.code(), said)
    };
    let (code, said) = run(&["alerts", "test", "--config", &good]);
    assert_eq!((code, said.matches(" ok\n").count()), (Some(0), 4), "{said}");
    for file in [&lines, &ran] {
        let text = std::fs::read_to_string(file).unwrap();
        let states: Vec<Value> =
            text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["state"].clone()).collect();
        assert_eq!(states, ["firing", "resolved"]);
    }
    let mut datagram = [0; 65_536];
    let length = listens.recv(&mut datagram).unwrap();
    assert!(String::from_utf8_lossy(&datagram[..length]).contains("\nTRACER_KIND=test\n"));
    let told = std::fs::read_to_string(&received).unwrap();
    assert!(told.starts_with("Bearer s3cret-token {") && told.lines().count() == 2, "{told}");

    let untrusted = text.replace(&format!("ca_file = '{certificate}'\n"), "");
    let more =
        format!("[[sink]]\ntype = 'webhook'\nname = 'closed'\nurl = 'http://u:s3cret@127.0.0.1:{closed}/s3cret'\n");
    let bad = config(&folder, &format!("{untrusted}{more}"));
    let (code, said) = run(&["alerts", "test", "--config", &bad]);
    assert_eq!((code, said.matches(" ok\n").count(), said.matches("FAILED: ").count()), (Some(2), 3, 2), "{said}");
    assert!(said.contains("certificate"), "a certificate of nobody is not trusted: {said}");
    assert!(run(&["config", "show", "--config", &bad]).1.contains("webhook closed: sets url"));
}

/// What a server answers to a GET.
pub(crate) fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    head.contains(" 200 ").then(|| body.to_owned())
}

fn alertmanager(folder: &Folder, port: u16) -> Server {
    let config = folder.file("alertmanager.yml");
    std::fs::write(&config, "route:\n  receiver: none\nreceivers:\n  - name: none\n").unwrap();
    let storage = folder.file(&format!("alertmanager-{:?}", std::time::Instant::now()));
    let child = Command::new("prometheus-alertmanager")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.path={}", storage.display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--cluster.listen-address=")
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("prometheus-alertmanager: {error}; run: cargo xtask setup --tests"));
    let server = Server(child);
    wait_for("the Alertmanager is ready", Duration::from_secs(20), || get(port, "/-/ready").is_some());
    server
}

#[test]
fn an_alertmanager_has_what_fires_after_its_own_restart_too_and_not_what_is_resolved() {
    let folder = Folder::new("alertmanager");
    let (port, manager) = (port(), port());
    let config = config(
        &folder,
        &format!(
            "[detect]\nstalled_after = '1s'\n[[sink]]\ntype = 'alertmanager'\nurl = 'http://127.0.0.1:{manager}/'\n\
             port = {port}\nresend = '500ms'\nbackoff = '100ms'\nbackoff_most = '200ms'\n"
        ),
    );
    let first = alertmanager(&folder, manager);
    let server = Peer::start("server.py", &["server", "127.0.0.1", &port.to_string()]);
    let options = ["--window", "1s", "--baseline", &baseline(&folder), "--config", &config];
    let mut tracer = Tracer::watch(&folder, &options);
    let at = &port.to_string();
    let has = |kind: &str, client: &str| {
        let alerts: Vec<Value> = serde_json::from_str(&get(manager, "/api/v2/alerts")?).unwrap();
        let from = format!("program:{client}");
        let wanted = |labels: &Value| labels["alertname"] == kind && labels["from"] == *from && labels["port"] == **at;
        alerts.into_iter().find(|alert| wanted(&alert["labels"]))
    };
    ask("before.py", port, 3);
    assert!(tracer.told_within(Duration::from_secs(10), unexpected("before.py", port)).is_some());
    wait_for("it has the alert", Duration::from_secs(10), || has("unexpected-call", "before.py").is_some());
    let alert = has("unexpected-call", "before.py").unwrap();
    assert_eq!((&alert["labels"]["job"], &alert["status"]["state"]), (&"tracer".into(), &"active".into()), "{alert:#}");
    assert!(alert["annotations"]["evidence"].as_str().unwrap().contains("python3"), "{alert:#}");

    let mut client = Peer::start("client.py", &["patient", "127.0.0.1", &port.to_string(), "1"]);
    client.go_on();
    server.signal("STOP");
    let asks = std::thread::spawn(move || {
        client.go_on();
        client
    });
    wait_for("it has the request that hangs", Duration::from_secs(15), || has("stalled", "client.py").is_some());
    drop(first);
    let _second = alertmanager(&folder, manager);
    wait_for("the new one has both", Duration::from_secs(15), || {
        has("stalled", "client.py").is_some() && has("unexpected-call", "before.py").is_some()
    });
    assert_eq!(has("unexpected-call", "before.py").unwrap()["startsAt"], alert["startsAt"], "it is the same alert");
    server.signal("CONT");
    asks.join().unwrap();
    let resolved = |told: &Value| told["kind"] == "stalled" && told["state"] == "resolved" && told["port"] == port;
    assert!(tracer.told_within(Duration::from_secs(15), resolved).is_some());
    wait_for("what is resolved is gone", Duration::from_secs(15), || has("stalled", "client.py").is_none());
    assert!(has("unexpected-call", "before.py").is_some(), "the other one still fires");
    tracer.finish();
}
