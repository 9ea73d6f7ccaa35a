//! The judgement of an observation for continuous integration: does it hold calls that the baseline does not list?
//! `tracer.check/1`.
//!
//! `text`, `json` and `junit` write it down. Invariant: it is clean only of what was observed as a whole; where calls may
//! have been missed, that is the verdict, unless there are deviations, which are deviations however much was missed.
//! Memory: the calls in scope.

mod json;
mod junit;
mod text;

pub use json::json;
pub use junit::{JunitError, junit};
pub use text::text;

use crate::alert::Evidence;
use crate::baseline::{Baseline, CallKey};
use crate::graph::snapshot::{Call, CallState, Completeness, GraphSnapshot};
use crate::identity::Port;
use serde::Serialize;

/// The value of [`Report::schema`].
pub const SCHEMA: &str = "tracer.check/1";

/// Which calls are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of the host.
    Host,
    /// Those of the processes that are followed.
    Command,
    /// Those, and those of the services that are called in scope.
    Reached,
}

/// Why a call is in scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    Host,
    /// A process of the command made it.
    Command,
    /// A service made it that the command calls, perhaps by way of others.
    Reached,
}

/// A call in scope.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub call: Call,
    pub by: By,
    /// The entry of the baseline that denies it, in words.
    pub denied: Option<String>,
    /// Of a call that is not expected.
    pub evidence: Option<Evidence>,
}

/// What is asked of an observation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Demands {
    /// Expected calls that were not seen are deviations.
    pub missing: bool,
    /// Whatever could not be judged or observed is a reason for doubt.
    pub strict: bool,
    /// Lost records are not.
    pub allow_loss: bool,
}

/// A command that was observed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// Its arguments, separated by spaces.
    pub line: String,
    /// How it ended, such as `exit status: 1`.
    pub status: String,
    pub succeeded: bool,
    /// Processes that it started, itself among them.
    pub processes: usize,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything was observed, and nothing was unexpected.
    Clean,
    /// There are deviations.
    Deviations,
    /// None were found, but they may have been missed.
    Doubtful,
}

/// How a call was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Judgement {
    Expected,
    Unexpected,
    /// One of its ends is not identified, so it is not the same call in another run.
    Unjudged,
    /// It is expected and was not seen, and that is a deviation.
    Missing,
}

/// A call that was judged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    pub from: String,
    pub to: String,
    pub port: Port,
    pub transport: String,
    pub protocol: Option<String>,
    pub judgement: Judgement,
    /// `None` of one that was not seen.
    pub by: Option<By>,
    pub connections: u64,
    pub requests: u64,
    pub errors: u64,
    /// Why it is unexpected although it may be listed: the entry of the list `deny`, by its comment.
    pub denied: Option<String>,
    pub evidence: Option<Evidence>,
    /// What makes an unexpected call an expected one: an element of the list `allow` of the baseline.
    pub allow: Option<String>,
}

/// The judgement.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    pub schema: String,
    pub host: String,
    /// RFC 3339.
    pub from: String,
    /// RFC 3339.
    pub until: String,
    /// The file that was compared with.
    pub baseline: String,
    pub command: Option<Outcome>,
    pub verdict: Verdict,
    /// Why calls may have been missed.
    pub doubts: Vec<String>,
    /// Sorted: deviations first, then what was not judged, then what is expected.
    pub calls: Vec<Judged>,
    pub completeness: Completeness,
}

impl Report {
    /// Judges what was seen. `baseline` is the file's name and what it says.
    #[must_use]
    pub fn new(
        graph: &GraphSnapshot,
        seen: Vec<Seen>,
        baseline: (&str, &Baseline),
        demands: Demands,
        command: Option<Outcome>,
    ) -> Self {
        let mut calls: Vec<Judged> = seen.into_iter().map(judge).collect();
        if demands.missing {
            calls.extend(missing(baseline.1, &calls));
        }
        let rank = |call: &Judged| match call.judgement {
            Judgement::Unexpected => 0,
            Judgement::Missing => 1,
            Judgement::Unjudged => 2,
            Judgement::Expected => 3,
        };
        calls.sort_by_cached_key(|call| (rank(call), call.key()));
        let doubts = doubts(&graph.completeness, &calls, demands, command.as_ref());
        let verdict = match () {
            () if calls.iter().any(Judged::is_deviation) => Verdict::Deviations,
            () if !doubts.is_empty() => Verdict::Doubtful,
            () => Verdict::Clean,
        };
        Self {
            schema: SCHEMA.to_owned(),
            host: graph.host.clone(),
            from: graph.from.clone(),
            until: graph.until.clone(),
            baseline: baseline.0.to_owned(),
            command,
            verdict,
            doubts,
            calls,
            completeness: graph.completeness.clone(),
        }
    }

    /// How many calls were judged so.
    #[must_use]
    pub fn count(&self, judgement: Judgement) -> usize {
        self.calls.iter().filter(|call| call.judgement == judgement).count()
    }
}

impl Judged {
    #[must_use]
    pub fn is_deviation(&self) -> bool {
        matches!(self.judgement, Judgement::Unexpected | Judgement::Missing)
    }

    #[must_use]
    pub fn key(&self) -> CallKey {
        CallKey::new(&self.from, &self.to, &self.port, &self.transport)
    }
}

fn judge(Seen { call, by, denied, evidence }: Seen) -> Judged {
    let judgement = match call.state {
        CallState::Expected => Judgement::Expected,
        CallState::Unexpected => Judgement::Unexpected,
        CallState::Unjudged => Judgement::Unjudged,
    };
    let may_be_allowed = judgement == Judgement::Unexpected && denied.is_none();
    let allow = may_be_allowed.then(|| CallKey::of(&call).allow());
    Judged {
        from: call.from,
        to: call.to,
        port: call.port,
        transport: call.transport,
        protocol: call.protocol,
        judgement,
        by: Some(by),
        connections: call.connections,
        requests: call.requests,
        errors: call.errors,
        denied,
        evidence,
        allow,
    }
}

fn missing<'a>(baseline: &'a Baseline, seen: &[Judged]) -> impl Iterator<Item = Judged> + use<'a> {
    let seen: std::collections::BTreeSet<CallKey> = seen.iter().map(Judged::key).collect();
    let is_missing = move |call: &&crate::baseline::ExpectedCall| !seen.contains(&call.key());
    baseline.calls().iter().filter(is_missing).map(|call| Judged {
        from: call.from.clone(),
        to: call.to.clone(),
        port: call.port.clone(),
        transport: call.transport.clone(),
        protocol: call.protocol.clone(),
        judgement: Judgement::Missing,
        by: None,
        connections: 0,
        requests: 0,
        errors: 0,
        denied: None,
        evidence: None,
        allow: None,
    })
}

fn doubts(completeness: &Completeness, calls: &[Judged], demands: Demands, command: Option<&Outcome>) -> Vec<String> {
    let mut doubts = Vec::new();
    if let Some(command) = command {
        if command.processes == 0 {
            doubts.push("the command was not seen to start".to_owned());
        }
        if !command.succeeded {
            doubts.push(format!("the command failed ({}), so it may not have made its calls", command.status));
        }
    }
    if completeness.records_lost > 0 && !demands.allow_loss {
        let lost = completeness.records_lost;
        doubts.push(format!("{lost} records were lost, and calls may be missing (a larger --ring-kib holds more)"));
    }
    if demands.strict {
        let unjudged = calls.iter().filter(|call| call.judgement == Judgement::Unjudged).count();
        if unjudged > 0 {
            doubts.push(format!("{unjudged} calls have an end that is not identified"));
        }
        let degraded = completeness.degraded.iter().map(|it| format!("{}: {}", it.name, it.reason));
        doubts.extend(degraded);
    }
    doubts
}
