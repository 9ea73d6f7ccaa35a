//! `docs/pipeline.md`, written from what was measured.
//!
//! Invariant: every number in it but a limit was measured; the same figures give the same bytes. Memory: the text.

use std::fmt::Write as _;

use anyhow::Result;

use super::figures::Figures;
use crate::bench::budget::{Standing, table};
use crate::sample::MEBIBYTE;

/// Nanoseconds for a record at two million a second.
const RECORD_NANOSECONDS: f64 = 500.0;
/// How many times the figure of the smallest the largest may reach. Beyond the caches each place in memory takes longer.
const GROWTH: f64 = 8.0;

/// What each stage is, by the name of its benchmark.
const STAGES: [(&str, &str); 6] = [
    ("decode", "decode a record"),
    ("pairing", "join the two views of an exchange, each"),
    ("histogram", "add to a histogram"),
    ("whole", "a record of an exchange, from bytes to the call"),
    ("look", "a record of a look at a socket, from bytes to the call"),
    ("latencies", "100 buckets that the kernel counted for a socket"),
];

/// How user space stands to its budget.
pub(super) fn budget(figures: &Figures) -> Result<Vec<Standing>> {
    let at_most = |title, reached: f64, limit: f64, unit: &str| Standing {
        title,
        limit: format!("≤ {limit} {unit}"),
        reached: format!("{} {unit}", short(reached)),
        met: reached <= limit,
        reason: None,
    };
    let share = |rate: &str| -> Result<f64> { Ok(figures.time("second", rate)? / 1e9 * 100.0) };
    let engine = |calls: u32| -> Result<f64> {
        let of = "engine, with so many calls of 1 exchange a second";
        Ok(figures.taken(of, calls)?.bytes * f64::from(calls) / MEBIBYTE)
    };
    let growth = |group: &str| {
        let times = figures.by_number(group);
        times.first().zip(times.last()).map_or(f64::NAN, |((_, first), (_, last))| last / first)
    };
    let records = 1e3 / figures.time("stage", "whole")?;
    Ok(vec![
        Standing {
            title: "records a second and core, a host with 100 calls on 2,000 sockets",
            limit: format!("≥ {} million", 1e3 / RECORD_NANOSECONDS),
            reached: format!("{} million", short(records)),
            met: records >= 1e3 / RECORD_NANOSECONDS,
            reason: None,
        },
        at_most("time for a record, from 10 to 100,000 sockets", growth("sockets"), GROWTH, "times"),
        at_most("time for a record, from 1 to 10,000 calls", growth("calls"), GROWTH, "times"),
        at_most("engine at 10,000 exchanges a second, each told by itself", share("10000")?, 2.0, "% of a core"),
        at_most("engine at 100,000 exchanges a second, each told by itself", share("100000")?, 15.0, "% of a core"),
        at_most("memory of the engine at 1,000 calls", engine(1_000)?, 40.0, "MiB"),
        at_most("memory of the engine at 10,000 calls", engine(10_000)?, 60.0, "MiB"),
        at_most(
            "allocations for a record of an exchange",
            figures.taken("record of an exchange", 200_000)?.allocations,
            0.02,
            "",
        ),
        at_most(
            "allocations for a record of a socket",
            figures.taken("record of a socket", 2_000)?.allocations,
            0.0,
            "",
        ),
    ])
}

/// The page.
pub(super) fn page(figures: &Figures) -> Result<String> {
    let machine = &figures.machine;
    let mut text = format!(
        "# Cost of the pipeline\n\nWhat user space takes from the bytes of a record to the call graph, on simulated hosts, and how that \
         grows: measured by `cargo xtask bench pipeline --write`, which writes this page. Nothing here is written by hand. One exchange is two \
         records, one of either end.\n\n{machine}; all on one core.\n\n## Budget\n\n{}",
        table(&budget(figures)?)
    );
    text.push_str("\n## By stage\n\n| stage | ns |\n|---|---|\n");
    for (stage, title) in STAGES {
        let _ = writeln!(text, "| {title} | {} |", short(figures.time("stage", stage)?));
    }
    let connection = figures.time("churn", "connection")?;
    let _ = writeln!(
        text,
        "| a connection from open to close: 5 records of sockets, 4 of exchanges, and its share of ticks | {} |",
        short(connection)
    );
    text.push_str(
        "\n## By size\n\nTime for a record of an exchange. What is not in the caches any more takes longer to reach; \
         nothing else grows.\n\n| open sockets, 5 calls | ns |\n|---|---|\n",
    );
    numbers(&mut text, &figures.by_number("sockets"), short);
    text.push_str("\n| calls, 20,000 sockets | ns |\n|---|---|\n");
    numbers(&mut text, &figures.by_number("calls"), short);
    text.push_str("\n| exchanges a second, 100 calls | % of a core |\n|---|---|\n");
    numbers(&mut text, &figures.by_number("second"), |second| short(second / 1e7));
    text.push_str(
        "\n## Without records\n\nA tick comes with every drain of the ring, a window ends every ten seconds, and a live view takes two \
         snapshots a second.\n\n| | tick, µs | end of a window, µs | snapshot, µs |\n|---|---|---|---|\n",
    );
    let mut sizes: Vec<&String> = figures.times.get("window").into_iter().flatten().map(|(size, _)| size).collect();
    sizes.sort_unstable_by_key(|size| numbers_of(size));
    for size in sizes {
        let micros = |group: &str| Ok::<_, anyhow::Error>(short(figures.time(group, size)? / 1e3));
        let name = size.replace('_', " ");
        let _ = writeln!(text, "| {name} | {} | {} | {} |", micros("tick")?, micros("window")?, micros("snapshot")?);
    }
    text.push_str(
        "\n## Memory\n\nBytes in use for each. A call holds the latencies of seven windows and three since the start; the simulated ones \
         spread over some 300 different buckets, more than most.\n\n| of | there are | bytes for each |\n|---|---|---|\n",
    );
    for taken in &figures.memory {
        let _ = writeln!(text, "| {} | {} | {} |", taken.of, grouped(taken.count.into()), short(taken.bytes));
    }
    Ok(text)
}

fn numbers(text: &mut String, rows: &[(u64, f64)], show: impl Fn(f64) -> String) {
    for (number, time) in rows {
        let _ = writeln!(text, "| {} | {} |", grouped(*number), show(*time));
    }
}

/// The numbers in a name, to sort by.
fn numbers_of(name: &str) -> Vec<u64> {
    name.split(|letter: char| !letter.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

/// Three digits that matter, or all before the point.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 || size == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// With commas between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!([1_234_567, 100, 1_000].map(grouped), ["1,234,567", "100", "1,000"]);
        assert_eq!([1_234.5, 99.95, 0.01026, 0.0, 5.432].map(short), ["1234", "100.0", "0.0103", "0.00", "5.43"]);
        assert_eq!(numbers_of("1000 calls 20 sockets"), [1_000, 20]);
    }
}
