//! The judgement for people, in a log.
//!
//! Invariant: names are shown with everything unprintable escaped, so no name can break a line or a terminal; what is to
//! be added to a baseline is shown as it is to be added. Memory: the text.

use super::{By, Judged, Judgement, Report, Verdict};
use crate::alert::{Evidence, ProcessEvidence};
use crate::escape::printable;
use std::fmt::Write as _;

/// Columns of a name.
const NAME: usize = 80;
/// Columns of a command line.
const COMMAND_LINE: usize = 160;
/// Parents that are shown.
const PARENTS: usize = 4;
/// Calls that are shown of those that nothing is wrong with.
const UNJUDGED: usize = 20;

/// The report, in lines.
#[must_use]
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    for call in report.calls.iter().filter(|call| call.is_deviation()) {
        deviation(&mut out, call, &report.baseline);
    }
    let unjudged = || report.calls.iter().filter(|call| call.judgement == Judgement::Unjudged);
    for call in unjudged().take(UNJUDGED) {
        line(&mut out, &format!("not judged: {} (an end of it is not identified)", named(call)));
    }
    if let Some(more) = unjudged().count().checked_sub(UNJUDGED).filter(|more| *more > 0) {
        line(&mut out, &format!("not judged: {more} more"));
    }
    for degradation in &report.completeness.degraded {
        let (name, reason) = (printable(&degradation.name, COMMAND_LINE), printable(&degradation.reason, COMMAND_LINE));
        line(&mut out, &format!("degraded: {name}: {reason}"));
    }
    for doubt in &report.doubts {
        line(&mut out, &format!("doubt: {}", printable(doubt, 2 * COMMAND_LINE)));
    }
    if let Some(command) = &report.command {
        let (ran, processes) = (printable(&command.line, COMMAND_LINE), command.processes);
        line(&mut out, &format!("command: {ran}: {}, {processes} processes", command.status));
    }
    line(&mut out, &summary(report));
    out
}

fn summary(report: &Report) -> String {
    let [unexpected, missing, unjudged] =
        [Judgement::Unexpected, Judgement::Missing, Judgement::Unjudged].map(|judgement| report.count(judgement));
    let all = report.calls.len().saturating_sub(missing);
    let mut found = format!("{all} calls seen, {unexpected} unexpected");
    if missing > 0 {
        let _ = write!(found, ", {missing} missing");
    }
    if unjudged > 0 {
        let _ = write!(found, ", {unjudged} not judged");
    }
    match report.verdict {
        Verdict::Clean => format!("ok: {found}"),
        Verdict::Deviations => format!("FAILED: {found}"),
        Verdict::Doubtful => format!("NOT SURE: {found}, but calls may have been missed"),
    }
}

fn deviation(out: &mut String, call: &Judged, baseline: &str) {
    if call.judgement == Judgement::Missing {
        return line(out, &format!("MISSING call {} was not seen\n", named(call)));
    }
    line(out, &format!("UNEXPECTED call {}", named(call)));
    let by = match call.by {
        Some(By::Reached) => " (a service that the command calls made it)",
        _ => "",
    };
    line(out, &format!("  seen     {} connections, {} requests{by}", call.connections, call.requests));
    if let Some(evidence) = &call.evidence {
        supported(out, evidence);
    }
    if let Some(denied) = &call.denied {
        line(out, &format!("  denied   {}", printable(denied, COMMAND_LINE)));
    }
    if let Some(allow) = &call.allow {
        let file = printable(baseline, NAME);
        line(out, &format!("  expected? review it, then add to the list \"allow\" of {file}:"));
        line(out, &format!("    {allow}"));
    }
    out.push('\n');
}

fn supported(out: &mut String, evidence: &Evidence) {
    line(out, &format!("  first    {}", printable(&evidence.first_seen, NAME)));
    if let Some(operation) = &evidence.operation {
        line(out, &format!("  such as  {}", printable(operation, NAME)));
    }
    if let Some(client) = &evidence.client {
        line(out, &format!("  by       {}", process(client)));
    }
    for parent in evidence.client_parents.iter().take(PARENTS) {
        line(out, &format!("  of       {}", process(parent)));
    }
    if let Some(server) = &evidence.server {
        line(out, &format!("  served   {}", process(server)));
    }
    if let Some(nearest) = &evidence.nearest {
        let (from, to) = (printable(&nearest.from, NAME), printable(&nearest.to, NAME));
        let place = printable(&format!("{}/{}", nearest.port, nearest.transport), NAME);
        line(out, &format!("  nearest  {from} -> {to} port {place}"));
    }
}

fn process(process: &ProcessEvidence) -> String {
    let user = match (&process.user, process.uid) {
        (Some(user), _) => format!(" user {}", printable(user, NAME)),
        (None, Some(uid)) => format!(" uid {uid}"),
        (None, None) => String::new(),
    };
    let shown = if process.command_line.is_empty() { &process.name } else { &process.command_line };
    format!("pid {}{user}: {}", process.pid, printable(shown, COMMAND_LINE))
}

/// A call by its names.
pub(super) fn named(call: &Judged) -> String {
    printable(&call.key().to_string(), 3 * NAME)
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}
