//! Why a row of the budget is not met, where that is known.
//!
//! Invariant: every figure of a cost in a reason was measured by the same run. Memory: the text.

use super::budget::Figure;
use super::overhead::{Placement, Row};
use super::{EMPTY, Results};

/// Why, which may be so for several rows, and what was measured for this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reason {
    pub(super) why: String,
    pub(super) figures: String,
}

/// The reason, if the row that is about `figure` is not met.
pub(super) fn of(figure: &Figure, results: &Results) -> Option<Reason> {
    match *figure {
        Figure::Ratio { load, tool, placement } => {
            let row = row(results, load, tool, placement)?;
            let why = match load {
                "bulk" => bulk(results),
                "nginx-connections" => connections(row, results),
                "ping-pong" => requests(tool, results),
                _ => format!("{}. {ERRORS}", requests(tool, results)),
            };
            let Row { cpu_without, cpu_with, control_least, control_most, .. } = row;
            let figures = format!(
                "; CPU of all for one of them {cpu_without:.2} → {cpu_with:.2} µs; pairs of runs without it differ by themselves \
                 from {control_least:.2} to {control_most:.2}"
            );
            Some(Reason { why, figures })
        }
        Figure::Start => {
            let verified: u64 = results.programs.iter().map(|program| program.verified).sum();
            let why = format!(
                "the kernel verifies {verified} instructions before it takes the programs, two at a time; most of the time is that \
                 and reading the kernel's types"
            );
            Some(Reason { why, figures: String::new() })
        }
        _ => None,
    }
}

/// Where the protocol is known.
const ERRORS: &str = "Beside that the first bytes of each answer are read in the server's memory (twice where it gives several buffers), as \
                      every error is told, not a share of them";

/// What a round trip takes more, and how much of that hooks do that do nothing.
fn requests(tool: &str, results: &Results) -> String {
    let fine = |tool: &str| results.fine.iter().find(|row| row.load == "round-trip" && row.tool == tool);
    let Some((own, empty)) = fine(tool).zip(fine(EMPTY)) else { return "not known".to_owned() };
    format!(
        "in fine mode, which resolves more, a round trip takes {:.2} µs more, {:.2} µs of it for four hooks that do nothing yet. \
         What is left counts and times both ends. Tried and kept: TCP's own moments in place of readings of the clock, one look-up for \
         each call, one record of 512, no call where a load does, what is rare out of the way (\"Cost is kept down\" in \
         ARCHITECTURE.md)",
        own.difference, empty.difference
    )
}

fn connections(row: &Row, results: &Results) -> String {
    let own = row.tool_percent / 100.0 / row.with * 1e6;
    format!(
        "a connection with one request runs sixteen hooks{}, and the tracer itself works {own:.1} µs to join, name and close its two \
         ends. Tried and kept: the heads of a share of the connections at a busy port, ended ones looked at once. Who connects, \
         that it is established and who accepts it are told by themselves: told together, what hangs or whose process is gone by \
         then would not be known",
        floor("nginx-connections", results)
    )
}

fn bulk(results: &Results) -> String {
    format!(
        "the kernel cuts sendfile(2) into sends of 8 KiB, so that a GiB runs some 131,000 hooks{}. Each takes a look-up and an \
         addition. Tried and kept: where the direction stays, nothing is timed and no byte is read. None is passed over: it may be \
         another process that sends",
        floor("bulk", results)
    )
}

/// What is left with programs that do nothing at the same trace points.
fn floor(load: &str, results: &Results) -> String {
    let floor = row(results, load, EMPTY, Placement::OneCore);
    floor.map_or_else(String::new, |row| format!(" (empty ones leave {:.3} on one core)", row.ratio))
}

fn row<'a>(results: &'a Results, load: &str, tool: &str, placement: Placement) -> Option<&'a Row> {
    results.overhead.iter().find(|row| row.load == load && row.tool == tool && row.placement == placement)
}
