//! What the live tests run: the tracer, and peers that talk to each other.
//!
//! Invariant: every process started here is ended here, by pid. Memory: the tracer's output.

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// A port that no other test of this run uses, below the ephemeral ones.
pub(crate) fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 21_000 + u16::try_from(std::process::id() % 5_000).unwrap();
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// How many times slower an emulated machine is taken to be; the variable is set by `cargo xtask vm`.
fn slowness() -> u32 {
    if std::env::var_os("TRACER_LIVE_SLOW").is_some_and(|value| value == "1") { 10 } else { 1 }
}

/// `count` where the machine is as fast as any, a tenth of it (at least one) where it is emulated.
pub(crate) fn scale(count: u64) -> u64 {
    (count / u64::from(slowness())).max(1)
}

/// `limit` where the machine is as fast as any, ten times that where it is emulated.
pub(crate) fn patience(limit: Duration) -> Duration {
    limit * slowness()
}

/// A folder that goes with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tracer-live-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// One of `peers.py`'s roles, running.
pub(crate) struct Peer {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts a role under the script's own name, and waits until it is ready.
    pub(crate) fn start(name: &str, arguments: &[&str]) -> Self {
        Self::start_by(&[], name, arguments)
    }

    /// As [`Self::start`], by way of another command such as `ip netns exec NAME`.
    pub(crate) fn start_by(prefix: &[&str], name: &str, arguments: &[&str]) -> Self {
        Self::start_script(prefix, include_str!("peers.py"), name, arguments)
    }

    /// As above, a role of another script.
    pub(crate) fn start_script(prefix: &[&str], source: &str, name: &str, arguments: &[&str]) -> Self {
        let script = named_script(source, name);
        let mut words: Vec<&str> = prefix.to_vec();
        words.extend(["/usr/bin/python3", script.to_str().unwrap()]);
        words.extend(arguments);
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}; run: cargo xtask setup --tests", words[0]));
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut peer = Self { child, output };
        peer.expect("ready");
        peer
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the peer to say `word`.
    pub(crate) fn expect(&mut self, word: &str) {
        assert_eq!(self.line().trim(), word, "the peer said something else, or ended");
    }

    /// What it says next.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line
    }

    /// Lets a patient peer go on, and waits until it has.
    pub(crate) fn go_on(&mut self) {
        writeln!(self.child.stdin.as_mut().unwrap(), "go").unwrap();
        self.expect("done");
    }

    /// Lets a patient peer end.
    pub(crate) fn let_go(&mut self) {
        let _ = writeln!(self.child.stdin.as_mut().unwrap(), "go");
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A script under another name: services are called by the script they run.
pub(crate) fn named_script(source: &str, name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("tracer-live-peers-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let script = folder.join(name);
    std::fs::write(&script, source).unwrap();
    script
}

/// Sends a signal to a process that this test started.
pub(crate) fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap().success());
}

/// The tracer, watching.
pub(crate) struct Tracer {
    child: Child,
    graph: PathBuf,
    lines: std::sync::mpsc::Receiver<String>,
    told: Vec<Value>,
}

impl Tracer {
    /// Starts `tracer watch` and waits until it watches.
    pub(crate) fn watch(folder: &Folder, arguments: &[&str]) -> Self {
        let graph = folder.file("graph.json");
        let mut child = Command::new(binary())
            .args(["watch", "--output", "json", "--export", graph.to_str().unwrap()])
            .args(plane())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains("watching") {
            if errors.read_line(&mut said).unwrap() == 0 {
                panic!("the tracer ended with {:?} and said: {said}", child.wait());
            }
        }
        std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::stderr()));
        let (sender, lines) = std::sync::mpsc::channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, graph, lines, told: Vec::new() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The first object it tells for which `wanted` holds, within `limit` ([`patience`] applies).
    pub(crate) fn told_within(&mut self, limit: Duration, mut wanted: impl FnMut(&Value) -> bool) -> Option<Value> {
        let end = Instant::now() + patience(limit);
        loop {
            if let Some(found) = self.told.iter().find(|object| wanted(object)) {
                return Some(found.clone());
            }
            let line = self.lines.recv_timeout(end.saturating_duration_since(Instant::now())).ok()?;
            self.told.push(serde_json::from_str(&line).unwrap());
        }
    }

    /// Ends it with SIGINT; gives the exported graph.
    pub(crate) fn finish(mut self) -> Graph {
        signal(self.pid(), "INT");
        let asked = Instant::now();
        assert!(self.child.wait().unwrap().success());
        assert!(asked.elapsed() < patience(Duration::from_secs(1)), "it took {:?} to end", asked.elapsed());
        Graph::read(&self.graph)
    }

    /// Everything it has told; only after it ended.
    pub(crate) fn finish_with_told(mut self) -> (Graph, Vec<Value>) {
        signal(self.pid(), "INT");
        assert!(self.child.wait().unwrap().success());
        while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(1)) {
            self.told.push(serde_json::from_str(&line).unwrap());
        }
        (Graph::read(&self.graph), std::mem::take(&mut self.told))
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The plane that the tests are run on, if one is asked for.
pub(crate) fn plane() -> Vec<String> {
    std::env::var("TRACER_LIVE_PLANE").map_or_else(|_| Vec::new(), |plane| vec!["--plane".to_owned(), plane])
}

/// The `tracer` binary under test.
pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_tracer"))
}

/// An exported graph.
#[derive(Debug)]
pub(crate) struct Graph(pub(crate) Value);

impl Graph {
    pub(crate) fn read(path: &Path) -> Self {
        Self(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
    }

    /// The calls on a Unix socket's path.
    pub(crate) fn calls_by_path(&self, path: &str) -> Vec<&Value> {
        self.0["calls"].as_array().unwrap().iter().filter(|call| call["port"] == path).collect()
    }

    /// The calls on a port.
    pub(crate) fn calls(&self, port: u16) -> Vec<&Value> {
        self.0["calls"].as_array().unwrap().iter().filter(|call| call["port"] == port).collect()
    }

    /// The only call on a port, which must be from `from` to `to` (services by name of their program).
    pub(crate) fn only_call(&self, from: &str, to: &str, port: u16) -> &Value {
        only(&self.calls(port), from, to)
    }

    /// As [`Self::only_call`], by the path of a Unix socket (`@name` for an abstract one).
    pub(crate) fn only_call_by_path(&self, from: &str, to: &str, path: &str) -> &Value {
        only(&self.calls_by_path(path), from, to)
    }

    /// Whether `pid` is an instance of the service of that program.
    pub(crate) fn has_instance(&self, program: &str, pid: u32) -> bool {
        self.instances(program).iter().any(|(one, _)| *one == pid)
    }

    /// Pids and executed files of the instances of the service of that program.
    pub(crate) fn instances(&self, program: &str) -> Vec<(u32, String)> {
        let services = self.0["services"].as_array().unwrap().iter();
        let service = services.filter(|service| service["id"] == format!("program:{program}"));
        let instances = service.flat_map(|service| service["instances"].as_array().unwrap());
        let figures = |one: &Value| {
            let pid = u32::try_from(one["pid"].as_u64().unwrap()).unwrap();
            (pid, one["exe"].as_str().unwrap_or_default().to_owned())
        };
        instances.map(figures).collect()
    }
}

fn only<'a>(calls: &[&'a Value], from: &str, to: &str) -> &'a Value {
    let [call] = calls else { panic!("expected one call: {calls:#?}") };
    let named = |end: &str| call[end].as_str().unwrap().to_owned();
    assert_eq!((named("from"), named("to")), (format!("program:{from}"), format!("program:{to}")), "{call:#}");
    call
}
