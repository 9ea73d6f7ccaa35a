//! What the tracer may cost, a row each, and whether it does.
//!
//! Invariant: a row is met by what was measured or it is not; where nothing was measured, nothing is said. Memory: one
//! static table.

use std::fmt::Write as _;

use super::overhead::{self, Placement};
use super::reasons::{self, Reason};
use super::{DEFAULT, Results};
use crate::sample::mebibytes;

/// What a row of the budget is about.
pub(super) enum Figure {
    /// Throughput with the tool over throughput without it: at least the limit.
    Ratio {
        load: &'static str,
        tool: &'static str,
        placement: Placement,
    },
    /// The same, of calls that are not ours: within what pairs without the tool differ.
    Untouched {
        load: &'static str,
    },
    /// Microseconds more for each request or call, in fine mode: at most the limit.
    Difference {
        load: &'static str,
    },
    /// CPU time for each request, all processes, with over without, in fine mode: at most the limit.
    Cpu {
        load: &'static str,
    },
    /// CPU of the tracer's process, percent of one: at most the limit.
    Tracer {
        load: &'static str,
    },
    /// The same for so many requests a second, from a load that makes as many as it can.
    TracerAt {
        load: &'static str,
        rate: f64,
    },
    /// Memory with so many calls, MiB.
    Memory {
        calls: u32,
    },
    /// Records lost in all runs of up to [`USUAL`] requests a second.
    Lost,
    /// Requests seen for each that was made, in the run of those that is furthest from one; in the others.
    Seen,
    SeenBeyond,
    /// Seconds until it watches.
    Start,
    /// CPU of an idle host's tracer, percent of one.
    Idle,
    /// Wake-ups a second on an idle host.
    WakeUps,
}

/// A row.
struct Row {
    title: &'static str,
    figure: Figure,
    limit: f64,
}

/// Requests a second on one host of which none may be lost; pipelines and HTTP/2 on loopback make several times as many.
const USUAL: f64 = 150_000.0;

const COUNTS: &str = "counts";

const fn ratio(title: &'static str, load: &'static str, limit: f64) -> Row {
    Row { title, figure: Figure::Ratio { load, tool: DEFAULT, placement: Placement::OneCore }, limit }
}

const fn counts(title: &'static str, load: &'static str) -> Row {
    Row { title, figure: Figure::Ratio { load, tool: COUNTS, placement: Placement::OneCore }, limit: 0.97 }
}

const fn two(title: &'static str, load: &'static str) -> Row {
    Row { title, figure: Figure::Ratio { load, tool: DEFAULT, placement: Placement::TwoCores }, limit: 0.98 }
}

const BUDGET: &[Row] = &[
    ratio("TCP ping-pong, one core", "ping-pong", 0.93),
    ratio("nginx keep-alive, one core", "nginx", 0.95),
    ratio("nginx, new connections, one core", "nginx-connections", 0.95),
    ratio("Redis GET, one core", "redis-16", 0.95),
    ratio("bulk, one core", "bulk", 0.99),
    two("nginx keep-alive, two cores", "nginx"),
    two("nginx, new connections, two cores", "nginx-connections"),
    two("Redis GET, two cores", "redis-16"),
    two("Redis GET of 200 clients, two cores", "redis-200"),
    counts("`--detail counts`: TCP ping-pong, one core", "ping-pong"),
    counts("`--detail counts`: nginx keep-alive, one core", "nginx"),
    counts("`--detail counts`: Redis GET, one core", "redis-16"),
    Row { title: "getppid, one core", figure: Figure::Untouched { load: "getppid" }, limit: 1.0 },
    Row { title: "read of /dev/zero, one core", figure: Figure::Untouched { load: "zeros" }, limit: 1.0 },
    Row { title: "a TCP round trip, both ends traced", figure: Figure::Difference { load: "round-trip" }, limit: 1.4 },
    Row { title: "CPU of all for a TCP round trip", figure: Figure::Cpu { load: "round-trip" }, limit: 1.10 },
    Row { title: "getppid", figure: Figure::Difference { load: "getppid" }, limit: 0.002 },
    Row { title: "read of /dev/zero", figure: Figure::Difference { load: "zeros" }, limit: 0.002 },
    Row { title: "the tracer at 10,000 requests a second", figure: Figure::Tracer { load: "paced" }, limit: 2.0 },
    Row {
        title: "the tracer for 100,000 requests a second, from Redis GETs of 200 clients",
        figure: Figure::TracerAt { load: "redis-200", rate: 100_000.0 },
        limit: 15.0,
    },
    Row { title: "memory at 1,000 calls", figure: Figure::Memory { calls: 1_000 }, limit: 40.0 },
    Row { title: "memory at 10,000 calls", figure: Figure::Memory { calls: 10_000 }, limit: 60.0 },
    Row { title: "records lost, up to 150,000 requests a second", figure: Figure::Lost, limit: 0.0 },
    Row { title: "requests seen of those made, up to 150,000 a second", figure: Figure::Seen, limit: 1e-4 },
    Row {
        title: "requests seen of those made, beyond that, some by estimate",
        figure: Figure::SeenBeyond,
        limit: 0.02,
    },
    Row { title: "start until it watches", figure: Figure::Start, limit: 0.3 },
    Row { title: "an idle host: CPU of the tracer", figure: Figure::Idle, limit: 0.1 },
    Row { title: "an idle host: wake-ups", figure: Figure::WakeUps, limit: 1.5 },
];

/// A row as it stands.
pub(super) struct Standing {
    pub(super) title: &'static str,
    pub(super) limit: String,
    pub(super) reached: String,
    pub(super) met: bool,
    /// Why it is not met.
    pub(super) reason: Option<Reason>,
}

/// Rows as a table, and below it the reasons of those that are not met.
pub(super) fn table(standings: &[Standing]) -> String {
    let mut text = String::from("| | limit | reached | |\n|---|---|---|---|\n");
    for Standing { title, limit, reached, met, .. } in standings {
        let met = if *met { "met" } else { "**not met**" };
        let _ = writeln!(text, "| {title} | {} | {} | {met} |", limit.trim_end(), reached.trim_end());
    }
    let missed: Vec<_> = standings.iter().filter_map(|row| Some((row.title, row.reason.as_ref()?))).collect();
    if !missed.is_empty() {
        text.push_str("\nWhat is not met, and why:\n\n");
    }
    for (place, (title, Reason { why, figures })) in missed.iter().enumerate() {
        let before = missed.iter().take(place).find(|(_, before)| before.why == *why);
        let why = before.map_or_else(|| why.clone(), |(title, _)| format!("as for \"{title}\""));
        let _ = writeln!(text, "- {title}: {why}{figures}");
    }
    text
}

/// Every row of which something was measured.
pub(super) fn standings(results: &Results) -> Vec<Standing> {
    BUDGET.iter().filter_map(|row| standing(row, results)).collect()
}

fn standing(row: &Row, results: &Results) -> Option<Standing> {
    let limit = row.limit;
    let told = |limit: String, reached: String, met: bool| {
        let reason = if met { None } else { reasons::of(&row.figure, results) };
        Some(Standing { title: row.title, limit, reached, met, reason })
    };
    let throughput = |load: &str, tool: &str, placement: Placement| {
        let mut rows = results.overhead.iter();
        rows.find(|row| row.load == load && row.tool == tool && row.placement == placement)
    };
    let fine = |load: &str| results.fine.iter().find(|row| row.load == load && row.tool == DEFAULT);
    let ours = || results.overhead.iter().filter(|row| row.lost.is_some());
    let seen = |usual: bool| {
        let seen = ours().filter(|row| (row.without <= USUAL) == usual).filter_map(|row| row.seen);
        let worst = seen.max_by(|a, b| (a - 1.0).abs().total_cmp(&(b - 1.0).abs()))?;
        told(format!("1 ± {limit}"), format!("{worst:.6}"), (worst - 1.0).abs() <= limit)
    };
    match row.figure {
        Figure::Ratio { load, tool, placement } => {
            let overhead::Row { ratio, control_least, control_most, .. } = throughput(load, tool, placement)?;
            let noise = format!("{ratio:.3} (without it {control_least:.2} to {control_most:.2})");
            told(format!("≥ {limit:.2}"), noise, *ratio >= limit)
        }
        Figure::Untouched { load } => {
            let row = throughput(load, DEFAULT, Placement::OneCore)?;
            let noise = format!("{:.3} (without it {:.2} to {:.2})", row.ratio, row.control_least, row.control_most);
            told("1.00 within noise".to_owned(), noise, row.ratio >= row.control_least.min(limit))
        }
        Figure::Difference { load } => {
            let row = fine(load)?;
            let reached =
                format!("+{:.3} µs on {:.3} µs (without it {:+.3})", row.difference, row.without, row.control);
            told(format!("≤ +{limit} µs"), reached, row.difference <= limit + row.control.abs())
        }
        Figure::Cpu { load } => {
            let row = fine(load)?;
            let ratio = row.cpu_with / row.cpu_without;
            told(format!("≤ {limit:.2}"), format!("{ratio:.3}"), ratio <= limit)
        }
        Figure::Tracer { load } => {
            let row = throughput(load, DEFAULT, Placement::TwoCores)?;
            told(format!("≤ {limit} % of a core"), format!("{:.2} %", row.tool_percent), row.tool_percent <= limit)
        }
        Figure::TracerAt { load, rate } => {
            let row = throughput(load, DEFAULT, Placement::TwoCores)?;
            let percent = row.tool_percent * rate / row.with;
            let reached = format!("{percent:.2} % (measured {:.2} % at {:.0}/s)", row.tool_percent, row.with);
            told(format!("≤ {limit} % of a core"), reached, percent <= limit)
        }
        Figure::Memory { calls } => {
            let row = results.growth.iter().find(|row| row.size.calls == calls)?;
            let memory = mebibytes(row.resident);
            told(format!("≤ {limit} MiB"), format!("{memory:.1} MiB"), memory <= limit)
        }
        Figure::Lost => {
            let lost: u64 = ours().filter(|row| row.without <= USUAL).filter_map(|row| row.lost).sum();
            told("0".to_owned(), lost.to_string(), lost == 0)
        }
        Figure::Seen => seen(true),
        Figure::SeenBeyond => seen(false),
        Figure::Start => {
            let seconds = results.start?;
            told(format!("≤ {limit} s"), format!("{seconds:.3} s"), seconds <= limit)
        }
        Figure::Idle => {
            let idle = results.idle?;
            told("not measurable".to_owned(), format!("{:.3} % of a core", idle.percent), idle.percent <= limit)
        }
        Figure::WakeUps => {
            let idle = results.idle?;
            told("none below 1 s".to_owned(), format!("{:.2} a second", idle.wake_ups), idle.wake_ups <= limit)
        }
    }
}
