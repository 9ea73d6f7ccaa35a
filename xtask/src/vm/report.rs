//! `docs/kernels.md`: what the tracer gives on each kernel and under each condition, written from what ran.
//!
//! Invariant: the same findings give the same bytes; nothing is in it that no run said, and no time of day or duration.
//! A kernel that was not run keeps what the page said of it. Memory: the text.

use std::fmt::Write as _;

use super::findings::{Found, Seen, Tried};
use super::kernels::KERNELS;
use super::outcome::Outcome;
use super::runs::{NOT_IN_GUESTS, Plane};

const OPENING: &str = "\
# Kernels

What the tracer gave on each kernel and under each condition, as it was seen in guests: Debian's kernels under QEMU,
booted, probed and tested by `cargo xtask vm --all --write`, which writes this page. Nothing here is written by hand.

A *probe* asks `tracer doctor`, then watches one client that makes ten connections with one request each to one server.
`seen` means that the graph shows this call between these two processes with ten connections and ten requests. The
condition `nothing missing` is probed on every plane; the others on the one that the tracer chooses.
";

/// The page: what came of the kernels that ran, and what the `previous` page says of the others. The error is the name
/// of a kernel of which neither says anything.
pub(super) fn page(outcomes: &[Outcome], previous: &str) -> Result<String, &'static str> {
    let mut text = OPENING.to_owned();
    text.push_str("\n| kernel | Debian's version | machine | nothing missing | live tests |\n|---|---|---|---|---|\n");
    let mut sections = String::new();
    for kernel in KERNELS {
        if let Some(outcome) = outcomes.iter().find(|outcome| outcome.kernel.name == kernel.name) {
            row(&mut text, outcome);
            section(&mut sections, outcome);
        } else {
            let (row, section) = kept(previous, kernel.name).ok_or(kernel.name)?;
            let _ = writeln!(text, "{row}");
            sections.push_str(section);
        }
    }
    let left_out = NOT_IN_GUESTS.join("`, `");
    let _ = write!(text, "\nNo guest runs the live tests `{left_out}…`: they take a real machine.\n");
    text.push_str(&sections);
    Ok(text)
}

/// The row and the section of a kernel on a page.
fn kept<'a>(page: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let row = page.lines().find(|line| line.starts_with(&format!("| {name} |")))?;
    let section = &page[page.find(&format!("\n## {name}\n"))?..];
    let end = section[1..].find("\n## ").map_or(section.len(), |end| end + 1);
    Some((row, &section[..end]))
}

fn row(text: &mut String, outcome: &Outcome) {
    let plain = outcome.probes.first().map_or("not run".to_owned(), |(_, found)| verdict(found));
    let live = if outcome.live.is_empty() {
        "not run".to_owned()
    } else {
        let each = outcome.live.iter().map(|live| {
            let plane = plane(live.plane);
            format!("{plane}: {} passed, {} failed", live.passed.len(), live.failed.len())
        });
        each.collect::<Vec<_>>().join("<br>")
    };
    let kernel = &outcome.kernel;
    line(text, &[kernel.name, &outcome.version, kernel.machine.rust(), &plain, &live]);
}

fn section(text: &mut String, outcome: &Outcome) {
    let kernel = &outcome.kernel;
    let _ = write!(text, "\n## {}\n\n`{}`, {}.\n\n", kernel.name, outcome.release, kernel.machine.rust());
    text.push_str("| condition | plane | `tracer watch` | the known call | what the tracer says |\n");
    text.push_str("|---|---|---|---|---|\n");
    let always = outcome.probes.first().map_or(Vec::new(), |(_, found)| says(found));
    for (number, (probe, found)) in outcome.probes.iter().enumerate() {
        let always = if number == 0 { &[][..] } else { &always };
        let known = match found {
            Found::Tried(Tried { watch: Some(0), seen, .. }) => match seen {
                Seen::Whole => "seen".to_owned(),
                Seen::Nothing => "not seen".to_owned(),
                Seen::Part(part) => format!("in part: {part}"),
            },
            _ => "".to_owned(),
        };
        line(
            text,
            &[probe.condition.title, plane(probe.plane), &verdict(found), &known, &besides(&says(found), always)],
        );
    }
    for live in outcome.live.iter().filter(|live| !live.failed.is_empty()) {
        let _ = write!(text, "\nLive tests that failed ({}): `{}`.\n", plane(live.plane), live.failed.join("`, `"));
    }
}

fn plane(plane: Plane) -> &'static str {
    if plane.is_empty() { "chosen" } else { plane }
}

fn verdict(found: &Found) -> String {
    match found {
        Found::Missing => "not run".to_owned(),
        Found::NotMade => "this kernel does not let the condition be made".to_owned(),
        Found::Tried(Tried { watch: Some(0), .. }) => "runs".to_owned(),
        Found::Tried(Tried { watch: Some(2), .. }) => "refuses, exit code 2".to_owned(),
        Found::Tried(Tried { watch, .. }) => match watch {
            Some(code) => format!("**exit code {code}**"),
            None => "**no exit code**".to_owned(),
        },
    }
}

/// A refusal as it is said; of a tracer that runs, every degradation and every line of the doctor's about one.
fn says(found: &Found) -> Vec<String> {
    let Found::Tried(tried) = found else { return Vec::new() };
    let mut said: Vec<String> = tried.said.iter().map(|said| code(said)).collect();
    if tried.watch == Some(0) {
        said.extend(tried.degraded.iter().map(|name| format!("degraded: {name}")));
        said.extend(tried.diagnosis.iter().map(|line| format!("doctor: {}", code(line))));
    }
    said
}

/// What is said, without what is said where nothing is missing.
fn besides(said: &[String], always: &[String]) -> String {
    let (known, new): (Vec<_>, Vec<_>) = said.iter().partition(|line| always.contains(line));
    let known = (!known.is_empty()).then_some("as where nothing is missing");
    let lines = known.into_iter().chain(new.into_iter().map(String::as_str));
    lines.collect::<Vec<_>>().join("<br>")
}

/// Text as it is, which may itself hold the mark that surrounds it.
fn code(text: &str) -> String {
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}

/// A row of a table; what would end a cell is escaped.
fn line(text: &mut String, cells: &[&str]) {
    let cells = cells.iter().map(|cell| cell.replace('|', r"\|").replace('\n', " "));
    let _ = writeln!(text, "| {} |", cells.collect::<Vec<_>>().join(" | "));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::conditions::{FAULTS, PLAIN};
    use crate::vm::findings::Live;
    use crate::vm::runs::Probe;

    /// A page with one kernel that ran, and every other one as an older page has it.
    fn page_of(outcome: Outcome) -> String {
        let older = KERNELS.iter().map(|kernel| Outcome { kernel: *kernel, ..self::outcome() });
        let older = page(&older.collect::<Vec<_>>(), "").unwrap();
        page(&[outcome], &older).unwrap()
    }

    fn outcome() -> Outcome {
        let ran = Tried { doctor: Some(0), watch: Some(0), seen: Seen::Whole, ..Tried::default() };
        let refused = Tried { watch: Some(2), said: vec!["tracer: no `BTF` | none".to_owned()], ..Tried::default() };
        Outcome {
            kernel: KERNELS[0],
            release: "6.1.0-1-amd64".to_owned(),
            version: "6.1.1-1".to_owned(),
            probes: vec![
                (Probe { condition: PLAIN, plane: "" }, Found::Tried(ran)),
                (Probe { condition: FAULTS[2], plane: "" }, Found::Tried(refused)),
            ],
            live: vec![Live {
                plane: "socket",
                passed: vec!["a".to_owned()],
                failed: vec!["b::c".to_owned()],
                ignored: vec![],
                whole: true,
            }],
            broken: vec![],
            planes: vec!["socket"],
        }
    }

    #[test]
    fn each_probe_is_a_row_with_what_was_said_and_a_bar_in_it_does_not_end_the_cell() {
        let page = page_of(outcome());
        let rows: Vec<_> = page.lines().filter(|line| line.starts_with('|')).collect();
        assert!(rows.contains(&"| 6.1-generic | 6.1.1-1 | x86_64 | runs | socket: 1 passed, 1 failed |"), "{page}");
        assert!(rows.contains(&"| nothing missing | chosen | runs | seen |  |"), "{page}");
        let refused =
            format!(r"| {} | chosen | refuses, exit code 2 |  | `` tracer: no `BTF` \| none `` |", FAULTS[2].title);
        assert!(rows.contains(&refused.as_str()), "{page}");
        assert!(page.contains("failed (socket): `b::c`"), "{page}");
    }

    #[test]
    fn what_is_degraded_and_what_did_not_run_is_there() {
        let mut outcome = outcome();
        let degraded = vec!["hook x is not attached".to_owned()];
        let tried = Tried { watch: Some(0), degraded, seen: Seen::Part("half".to_owned()), ..Tried::default() };
        outcome.probes = vec![
            (Probe { condition: PLAIN, plane: "" }, Found::Missing),
            (Probe { condition: FAULTS[0], plane: "" }, Found::Tried(tried)),
        ];
        outcome.live.clear();
        let page = page_of(outcome);
        assert!(page.contains("| not run | not run |"), "{page}");
        assert!(page.contains("| runs | in part: half | degraded: hook x is not attached |"), "{page}");
    }

    #[test]
    fn a_kernel_that_was_not_run_stays_on_the_page_and_one_that_nothing_is_known_of_is_named() {
        let every: Vec<_> = KERNELS.iter().map(|kernel| Outcome { kernel: *kernel, ..outcome() }).collect();
        let older = page(&every, "").unwrap();
        assert_eq!(page(&[], &older).unwrap(), older);
        assert_eq!(page(&every[1..], &older).unwrap(), older);
        assert_eq!(page(&every[1..], "").unwrap_err(), "6.1-generic");
    }

    #[test]
    fn what_is_said_where_nothing_is_missing_is_said_once() {
        let degraded = |names: &[&str]| {
            let degraded = names.iter().map(|name| (*name).to_owned()).collect();
            Found::Tried(Tried { watch: Some(0), degraded, seen: Seen::Whole, ..Tried::default() })
        };
        let mut outcome = outcome();
        outcome.probes = vec![
            (Probe { condition: PLAIN, plane: "" }, degraded(&["a"])),
            (Probe { condition: FAULTS[0], plane: "" }, degraded(&["a", "b"])),
        ];
        let page = page_of(outcome);
        assert!(page.contains("| nothing missing | chosen | runs | seen | degraded: a |"), "{page}");
        assert!(page.contains("| seen | as where nothing is missing<br>degraded: b |"), "{page}");
    }
}
