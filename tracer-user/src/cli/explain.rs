//! `tracer doctor --explain PID`: what a process is called, and which rule says so.
//!
//! Invariant: the rules are those by which `watch` names, asked in the same order by the same code. Memory: one
//! process.

use crate::facts::{Facts, listening};
use anyhow::{Context as _, Result};
use std::fmt::Write as _;
use tracer_core::escape::printable;
use tracer_core::graph::ServiceName;
use tracer_core::identity::choose::Finding;
use tracer_core::identity::{Processes, Rules};

/// Characters of a name and of what a rule saw.
const NAME_WIDTH: usize = 40;
const SAW_WIDTH: usize = 120;

/// The rules, a line each: what it saw, and what it would call the process.
pub(super) fn explain(pid: u32, rules: Rules) -> Result<String> {
    let facts = Facts::new()
        .look_up_pid(pid)
        .with_context(|| format!("no process has the pid {pid}: it is gone, or runs in another PID namespace"))?;
    let mut processes = Processes::new(rules);
    processes.learned(&facts);
    for port in listening::ports(pid) {
        processes.listens(facts.process, port);
    }
    let findings = processes.explain(facts.process).with_context(|| format!("nothing is known of process {pid}"))?;
    Ok(table(pid, &findings))
}

fn table(pid: u32, findings: &[Finding]) -> String {
    let chosen = findings.iter().position(|finding| finding.name.is_some());
    let called = |name: &Option<ServiceName>| {
        name.as_ref().map_or_else(|| "–".to_owned(), |name| printable(&name.id(), NAME_WIDTH))
    };
    let width = findings.iter().map(|finding| called(&finding.name).chars().count()).max().unwrap_or(0);
    let mut text = format!("   {:<19}  {:<width$}  WHAT IT SAW\n", "RULE", "NAME");
    for (place, finding) in findings.iter().enumerate() {
        let mark = if chosen == Some(place) { '*' } else { ' ' };
        let (name, saw) = (called(&finding.name), printable(&finding.saw, SAW_WIDTH));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{mark} {}. {:<17}  {name:<width$}  {saw}", place + 1, finding.rule);
    }
    let found =
        chosen.and_then(|place| findings.get(place)).and_then(|finding| Some((finding, finding.name.as_ref()?)));
    match found {
        Some((finding, name)) => {
            let (name, id) = (printable(&name.display(), NAME_WIDTH), printable(&name.id(), NAME_WIDTH));
            let _ = writeln!(
                text,
                "\nProcess {pid} is called {name} ({id}): {} is the first rule that names it.",
                finding.rule
            );
        }
        None => {
            let _ = writeln!(text, "\nNothing names process {pid}: it is shown by its pid.");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_explained_by_its_program_unless_a_rule_comes_before() {
        let own = std::process::id();
        let rules = |json: &str| serde_json::from_str(json).unwrap();
        let by_rule =
            explain(own, rules(r#"[{"name":"no","exe":"/nowhere/*"},{"name":"me","exe":"tracer*"}]"#)).unwrap();
        assert!(by_rule.contains("* 1. configuration"), "{by_rule}");
        assert!(by_rule.contains("[[service]] number 2 of 2 matches"), "{by_rule}");
        assert!(by_rule.ends_with("is called me (service:me): configuration is the first rule that names it.\n"));
        assert!(explain(own, Rules::default()).unwrap().contains(" 6. program"));
    }

    #[test]
    fn a_process_that_is_gone_is_an_error_that_names_it() {
        let error = format!("{:#}", explain(u32::MAX, Rules::default()).unwrap_err());
        assert!(error.contains("no process has the pid 4294967295"), "{error}");
    }

    #[test]
    fn what_was_seen_is_shown_escaped() {
        let name = Some(ServiceName::Service("\x1b]0;x\x07".to_owned()));
        let text = table(1, &[Finding { rule: "environment", saw: "\x1b[2J\n".to_owned(), name }]);
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    }
}
