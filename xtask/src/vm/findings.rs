//! What a guest left behind, read and judged.
//!
//! Invariant: what is judged is what the tracer said and did there: exit codes, lines, the exported graph. A file that
//! is missing or broken is a complaint, never a pass. Memory: the results of one boot.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::conditions::PLAIN;
use super::runs::{Plane, Probe};

/// The known exchange of every probe, as `run.sh` makes it.
const CLIENT: &str = "program:client.py";
const SERVER: &str = "program:server.py";
const REQUESTS: u64 = 10;

/// The exit code of a tracer that cannot run here, and says so.
const COULD_NOT_RUN: i64 = 2;

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The guest did not come to it.
    Missing,
    /// The kernel does not let the condition be made.
    NotMade,
    Tried(Tried),
}

/// What the tracer did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tried {
    pub(super) doctor: Option<i64>,
    /// The lines of the doctor about what does not work, or not as well as it could.
    pub(super) diagnosis: Vec<String>,
    pub(super) watch: Option<i64>,
    /// What `tracer watch` said on standard error, but for its greeting.
    pub(super) said: Vec<String>,
    /// The names in `completeness.degraded`.
    pub(super) degraded: Vec<String>,
    /// How many of their reasons have more than one line.
    pub(super) long_reasons: usize,
    pub(super) seen: Seen,
}

/// How much of the known exchanges the graph shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Seen {
    #[default]
    Nothing,
    /// The call, but with other names or counts.
    Part(String),
    /// The call, between the right processes, with every connection and request.
    Whole,
}

/// Reads what a probe left below the folder of its boot; `port` is that of the known call.
pub(super) fn read(boot: &Path, probe: &Probe) -> Found {
    let folder = boot.join("probes").join(probe.folder());
    if !folder.exists() {
        return Found::Missing;
    }
    if !folder.join("made").exists() {
        return Found::NotMade;
    }
    let text = |name: &str| fs::read(folder.join(name)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let code = |name: &str| text(name).ok().and_then(|text| text.trim().parse().ok());
    let diagnosis = text("doctor.out").unwrap_or_default();
    let graph = text("graph.json").ok().and_then(|text| serde_json::from_str::<Value>(&text).ok());
    Found::Tried(Tried {
        doctor: code("doctor.code"),
        diagnosis: diagnosis.lines().filter(|line| is_limit(line)).map(squeezed).collect(),
        watch: code("watch.code"),
        said: said(&text("watch.err").unwrap_or_default()),
        degraded: graph.as_ref().map(degraded).unwrap_or_default(),
        long_reasons: graph.as_ref().map(long_reasons).unwrap_or_default(),
        seen: graph.as_ref().map(seen).unwrap_or_default(),
    })
}

/// Whether a line of the doctor's tells of a limit: by its mark, or of a capability by what is missing without it.
fn is_limit(line: &str) -> bool {
    let mut words = line.split_whitespace();
    match (words.next(), words.next()) {
        (Some("FAIL" | "warn"), _) => true,
        (Some("ok"), Some("capabilities")) => words.any(|word| word == "without"),
        _ => false,
    }
}

/// A line with its columns' spaces taken out.
fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn said(text: &str) -> Vec<String> {
    let lines = text.lines().map(squeezed).filter(|line| !line.is_empty() && !line.contains("watching"));
    lines.collect()
}

fn degraded(graph: &Value) -> Vec<String> {
    of_degradations(graph, "name").map(str::to_owned).collect()
}

fn long_reasons(graph: &Value) -> usize {
    of_degradations(graph, "reason").filter(|reason| reason.lines().count() > 1).count()
}

fn of_degradations<'a>(graph: &'a Value, field: &'static str) -> impl Iterator<Item = &'a str> {
    let list = graph.pointer("/completeness/degraded").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(move |one| one.get(field).and_then(Value::as_str))
}

fn seen(graph: &Value) -> Seen {
    let end = |call: &Value, end: &str| call.get(end).and_then(Value::as_str).unwrap_or("nothing").to_owned();
    let count = |call: &Value, field: &str| call.get(field).and_then(Value::as_u64);
    let calls = graph.get("calls").and_then(Value::as_array);
    // In a guest there is no other call than ours.
    let mut calls = calls.into_iter().flatten().peekable();
    if calls.peek().is_none() {
        return Seen::Nothing;
    }
    let shown: Vec<_> = calls
        .map(|call| (end(call, "from"), end(call, "to"), count(call, "connections"), count(call, "requests")))
        .collect();
    let figure = |count: &Option<u64>| count.map_or_else(|| "unknown".to_owned(), |count| count.to_string());
    match shown.as_slice() {
        [(from, to, Some(REQUESTS), Some(REQUESTS))] if from == CLIENT && to == SERVER => Seen::Whole,
        calls => {
            let words = calls.iter().map(|(from, to, connections, requests)| {
                format!("{from} → {to}, {} connections, {} requests", figure(connections), figure(requests))
            });
            Seen::Part(words.collect::<Vec<_>>().join("; "))
        }
    }
}

impl Found {
    /// Whether the tracer watched here.
    pub(super) fn ran(&self) -> bool {
        matches!(self, Self::Tried(Tried { watch: Some(0), .. }))
    }

    /// What the tracer said where it refused to run.
    pub(super) fn refusal(&self) -> Option<&str> {
        match self {
            Self::Tried(Tried { watch: Some(COULD_NOT_RUN), said, .. }) => said.first().map(String::as_str),
            _ => None,
        }
    }

    /// What breaks the tracer's word: it ends well with what it shows or names what it cannot, or it ends with 2 and
    /// one line. The doctor says the same, but for a plane that was asked for: he speaks of the one that is chosen.
    pub(super) fn complaint(&self, plane: Plane) -> Option<String> {
        let Self::Tried(tried) = self else {
            return (*self == Self::Missing).then(|| "the guest did not come to it".to_owned());
        };
        match tried.watch {
            Some(0) if plane.is_empty() && tried.doctor != Some(0) => {
                Some(format!("the tracer runs, and the doctor ended with {}", shown(tried.doctor)))
            }
            Some(0) if tried.long_reasons > 0 => {
                Some(format!("{} degradations have a reason of more than one line", tried.long_reasons))
            }
            Some(0) => match &tried.seen {
                Seen::Whole => None,
                _ if !tried.degraded.is_empty() => None,
                Seen::Nothing => Some("nothing was seen, and no degradation says why".to_owned()),
                Seen::Part(part) => Some(format!("no degradation says why this was seen: {part}")),
            },
            Some(COULD_NOT_RUN) if tried.said.len() != 1 => {
                Some(format!("the refusal has {} lines: {}", tried.said.len(), tried.said.join(" / ")))
            }
            Some(COULD_NOT_RUN) if plane.is_empty() && tried.doctor != Some(COULD_NOT_RUN) => {
                Some(format!("the tracer does not run, and the doctor ended with {}", shown(tried.doctor)))
            }
            Some(COULD_NOT_RUN) => None,
            other => Some(format!("the tracer ended with {}: {}", shown(other), tried.said.join(" / "))),
        }
    }
}

fn shown(code: Option<i64>) -> String {
    code.map_or_else(|| "no exit code".to_owned(), |code| code.to_string())
}

/// The live tests of one plane in one guest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Live {
    pub(super) plane: Plane,
    pub(super) passed: Vec<String>,
    /// Failed, or began and did not end.
    pub(super) failed: Vec<String>,
    pub(super) ignored: Vec<String>,
    /// Whether the harness came to its end.
    pub(super) whole: bool,
}

/// Reads the live tests' output; `None` where they were not started.
pub(super) fn live(boot: &Path, plane: Plane) -> Option<Live> {
    let name = Probe { condition: PLAIN, plane }.folder();
    let text = fs::read(boot.join("live").join(format!("{name}.out"))).ok()?;
    Some(Live { plane, ..tests(&String::from_utf8_lossy(&text)) })
}

/// Reads the harness' `test NAME ... OUTCOME`; what tests print between the two is theirs.
fn tests(text: &str) -> Live {
    let mut live = Live::default();
    let mut running: Option<String> = None;
    for line in text.lines() {
        if let Some((name, rest)) = line.strip_prefix("test ").and_then(|line| line.split_once(" ... ")) {
            live.failed.extend(running.replace(name.to_owned()));
            settle(&mut live, &mut running, rest);
        } else if line.starts_with("test result: ") {
            live.whole = true;
            break;
        } else {
            settle(&mut live, &mut running, line);
        }
    }
    live.failed.extend(running);
    live
}

fn settle(live: &mut Live, running: &mut Option<String>, outcome: &str) {
    let list = match outcome.trim() {
        "ok" => &mut live.passed,
        "FAILED" => &mut live.failed,
        ignored if ignored == "ignored" || ignored.starts_with("ignored, ") => &mut live.ignored,
        _ => return,
    };
    list.extend(running.take());
}

#[cfg(test)]
#[path = "findings_tests.rs"]
mod tests;
