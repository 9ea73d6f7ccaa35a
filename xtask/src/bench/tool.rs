//! What is measured: the tracer in one of its modes, or another tool in its place.
//!
//! Invariant: a tool counts as running only when it has said so, or its time to begin is over. Memory: its last line.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::process::Process;

/// How long a tool may take to begin.
const BEGIN_LIMIT: Duration = Duration::from_secs(60);

/// A tool.
#[derive(Clone, Debug)]
pub(super) struct Tool {
    pub(super) name: String,
    pub(super) words: Vec<String>,
    /// What it says when it has begun.
    pub(super) says: &'static str,
    /// Whether it is a tracer, which exports what it has seen.
    pub(super) is_tracer: bool,
}

/// A tool that runs.
pub(super) struct Running {
    pub(super) process: Process,
    export: Option<PathBuf>,
    last_line: LastLine,
}

/// What it said last.
type LastLine = Arc<Mutex<String>>;

impl Tool {
    /// The tracer with more arguments.
    pub(super) fn tracer(name: &str, binary: &Path, arguments: &[&str]) -> Self {
        let mut words: Vec<String> = vec![binary.display().to_string(), "watch".to_owned()];
        words.extend(["--output", "json"].iter().chain(arguments).map(|word| (*word).to_owned()));
        Self { name: name.to_owned(), words, says: "watching", is_tracer: true }
    }

    /// Another tool, as `NAME=COMMAND` or `COMMAND`.
    pub(super) fn other(text: &str) -> Result<Self> {
        let named = text.split_once('=').filter(|(name, _)| !name.is_empty() && !name.contains([' ', '/']));
        let (name, command) = named.unwrap_or((text, text));
        let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        if words.is_empty() {
            bail!("--against needs a command, such as --against 'name=command with arguments'");
        }
        Ok(Self { name: name.to_owned(), words, says: "ttach", is_tracer: false })
    }

    /// Programs that do nothing at the tracer's trace points: what any hook costs here.
    pub(super) fn empty() -> Result<Self> {
        let own = std::env::current_exe().context("where this program is")?;
        let words = [own.display().to_string(), "bench-work".to_owned(), "empty".to_owned()];
        Ok(Self { name: super::EMPTY.to_owned(), words: words.to_vec(), says: "ttach", is_tracer: false })
    }

    /// Starts it on these CPUs and waits until it runs. A tracer writes its graph to `folder` when it ends.
    pub(super) fn start(&self, cpus: &str, folder: &Path) -> Result<Running> {
        let export = self.is_tracer.then(|| folder.join("graph.json"));
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", cpus]).args(&self.words);
        if let Some(export) = &export {
            command.arg("--export").arg(export);
        }
        command.stdin(Stdio::null());
        // bpftrace says on its output that it begins, the tracer on its errors.
        if self.is_tracer {
            command.stdout(Stdio::null()).stderr(Stdio::piped());
        } else {
            command.stdout(Stdio::piped()).stderr(Stdio::null());
        }
        let mut process = Process::spawn(&self.name, command)?;
        let (said, hears) = mpsc::channel();
        let begins = self.says;
        let last_line = LastLine::default();
        let listen = |stream: Box<dyn std::io::Read + Send>| {
            let (said, last_line) = (said.clone(), Arc::clone(&last_line));
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if line.contains(begins) {
                        let _ = said.send(());
                    }
                    *last_line.lock().unwrap_or_else(PoisonError::into_inner) = line;
                }
            });
        };
        if let Some(stream) = process.child.stderr.take() {
            listen(Box::new(stream));
        }
        if let Some(stream) = process.child.stdout.take() {
            listen(Box::new(stream));
        }
        let has_begun = hears.recv_timeout(BEGIN_LIMIT).is_ok();
        let mut running = Running { process, export, last_line };
        running.must_run()?;
        if !has_begun {
            bail!("{} did not begin within {} s", self.name, BEGIN_LIMIT.as_secs());
        }
        if !self.is_tracer {
            // It says so before it has attached everything.
            std::thread::sleep(Duration::from_secs(1));
        }
        Ok(running)
    }
}

/// What a tracer saw.
pub(super) struct Saw {
    graph: Option<Value>,
}

impl Running {
    /// Fails if it has ended, with what it said last.
    pub(super) fn must_run(&mut self) -> Result<()> {
        let runs = self.process.must_run();
        runs.with_context(|| self.last_line.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Ends it; what it saw, if it is a tracer.
    pub(super) fn end(self) -> Result<Saw> {
        self.process.end(Signal::SIGINT)?;
        let Some(export) = self.export else { return Ok(Saw { graph: None }) };
        let text = fs::read(&export).with_context(|| format!("reading {}", export.display()))?;
        Ok(Saw { graph: Some(serde_json::from_slice(&text).context("reading the tracer's graph")?) })
    }
}

impl Saw {
    /// Requests of the calls to a port or path.
    pub(super) fn requests(&self, port: &Value) -> Option<u64> {
        let calls = self.graph.as_ref()?["calls"].as_array()?;
        Some(calls.iter().filter(|call| call["port"] == *port).filter_map(|call| call["requests"].as_u64()).sum())
    }

    /// Open connections of the calls to `port` and those above it.
    pub(super) fn open_connections(&self, port: u16) -> Option<u64> {
        let calls = self.graph.as_ref()?["calls"].as_array()?;
        let is_ours = |call: &&Value| {
            call["port"].as_u64().is_some_and(|found| (0..10_000).contains(&(found.wrapping_sub(port.into()))))
        };
        Some(calls.iter().filter(is_ours).filter_map(|call| call["open_connections"].as_u64()).sum())
    }

    /// A figure of `completeness`.
    pub(super) fn completeness(&self, name: &str) -> Option<u64> {
        self.graph.as_ref()?["completeness"].get(name)?.as_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_tool_may_have_a_name() {
        let named = Tool::other("latency=bpftrace x.bt").unwrap();
        assert_eq!((named.name.as_str(), named.words), ("latency", vec!["bpftrace".to_owned(), "x.bt".to_owned()]));
        assert_eq!(Tool::other("bpftrace -e BEGIN{a=1}").unwrap().words.len(), 3);
        assert!(Tool::other("").is_err());
    }
}
