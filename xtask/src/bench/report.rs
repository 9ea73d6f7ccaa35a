//! `docs/performance.md`, written from what was measured.
//!
//! Invariant: nothing in it is typed by hand; the same results give the same bytes. Memory: the text.

use std::fmt::Write as _;

use super::Results;
use super::budget::{standings, table};
use super::{again, growth, overhead};
use crate::sample::mebibytes;

/// The page.
pub(super) fn page(results: &Results) -> String {
    let mut text = String::from("# Performance\n\nWhat the tracer costs, as it was measured");
    let Results { machine, cycles, seconds, .. } = results;
    let _ = writeln!(
        text,
        ": by `cargo xtask bench overhead --write`, which writes this page. Nothing here is written by hand.\n\n\
         {machine}.\n"
    );
    for again::Again { machine, what } in &results.again {
        let _ = writeln!(text, "Measured again on {}, commit `{}`: {what}.\n", machine.date, machine.commit);
    }
    let _ = writeln!(text, "## Budget\n\n{}", table(&standings(results)).trim_end());
    fine_table(&mut text, results);
    let _ = writeln!(
        text,
        "\n## Throughput\n\nRuns of {seconds} s, each behind a warm-up of 0.6 s, without and with the tool in turns, {cycles} pairs each. A ratio is the median of the pairs', \
         with the smallest and the largest; `by itself` is the same of pairs without the tool: what the machine does to them. \
         CPU is what all processors together worked for a request. `seen` is how many requests the tracer counted for each that the \
         client made, where the client knows to the last one.\n"
    );
    text.push_str(
        "| load | placement | tool | without | with | ratio | by itself | CPU, µs | tool's CPU | tool's memory | lost | seen |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in &results.overhead {
        throughput_row(&mut text, row);
    }
    growth_tables(&mut text, results);
    missing(&mut text, results);
    programs(&mut text, results);
    text
}

fn fine_table(text: &mut String, results: &Results) {
    text.push_str(
        "\n## A round trip, and calls that are not ours\n\nThe tool comes and goes while one client asks without a pause. Of \
         each third of a second the 10th percentile of windows of 64 requests (4,096 calls) is taken; a slice counts if those \
         before and after it agree within 2 %. Load on one core, the tool on the other. CPU is that of client, server and tool.\n\n\
         | load | tool | without, µs | more, µs | by itself, µs | CPU without, µs | CPU with, µs | ratio | cycles |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for row in &results.fine {
        let title = row.title();
        let _ = writeln!(
            text,
            "| {title} | {} | {:.3} | {:+.3} | {:+.3} | {:.3} | {:.3} | {:.3} | {} of {} |",
            row.tool,
            row.without,
            row.difference,
            row.control,
            row.cpu_without,
            row.cpu_with,
            row.cpu_with / row.cpu_without,
            row.counted,
            row.cycles
        );
    }
}

fn throughput_row(text: &mut String, row: &overhead::Row) {
    let title = row.title();
    let optional = |figure: Option<String>| figure.unwrap_or_default();
    let _ = writeln!(
        text,
        "| {title} | {} | {} | {:.0}/s | {:.0}/s | {:.3} ({:.2} to {:.2}) | {:.3} ({:.2} to {:.2}) | {:.2} → {:.2} | {:.1} % | {:.1} MB | {} | {} |",
        row.placement.title(),
        row.tool,
        row.without,
        row.with,
        row.ratio,
        row.least,
        row.most,
        row.control,
        row.control_least,
        row.control_most,
        row.cpu_without,
        row.cpu_with,
        row.tool_percent,
        megabytes(row.tool_kib),
        optional(row.lost.map(|lost| lost.to_string())),
        optional(row.seen.map(|seen| format!("{seen:.5}"))),
    );
}

fn growth_tables(text: &mut String, results: &Results) {
    if results.growth.is_empty() {
        return;
    }
    text.push_str(
        "\n## With more sockets, and more calls\n\nConnections that were there before the tracer, and are used in turn. Both ends of \
         each are on this host: two open sockets. Memory of the kernel is that of maps and what else it took, each socket's state \
         included.\n",
    );
    for sizes in [growth::SOCKETS, growth::CALLS] {
        text.push_str(
            "\n| open connections | calls | requests | start | CPU | memory | memory of the kernel | found | lost |\n\
             |---|---|---|---|---|---|---|---|---|\n",
        );
        for row in results.growth.iter().filter(|row| sizes.contains(&row.size)) {
            let growth::Row { size, start, percent, resident, maps, kernel, found, lost } = row;
            let growth::Size { calls, connections, rate } = size;
            let _ = writeln!(
                text,
                "| {connections} | {calls} | {rate}/s | {start:.2} s | {percent:.2} % | {:.1} MiB | {:.1} MiB | {found} | {lost} |",
                mebibytes(*resident),
                mebibytes(maps + kernel),
            );
        }
    }
}

fn missing(text: &mut String, results: &Results) {
    if !results.missing.is_empty() {
        text.push_str("\nNot measured:\n\n");
        results.missing.iter().for_each(|what| text.extend(["- ", what, "\n"]));
    }
}

fn programs(text: &mut String, results: &Results) {
    if results.programs.is_empty() {
        return;
    }
    text.push_str(
        "\n## Kernel programs\n\nUnder the TCP ping-pong, with the kernel's statistics on: their mean holds two readings of the \
         clock, and a program that runs is not all that a hook costs.\n\n\
         | program | instructions | verified on all paths | runs | mean, ns |\n|---|---|---|---|---|\n",
    );
    for row in &results.programs {
        let mean = row.nanoseconds.map(|mean| format!("{mean:.0}")).unwrap_or_default();
        let _ = writeln!(text, "| {} | {} | {} | {} | {mean} |", row.name, row.instructions, row.verified, row.runs);
    }
}

#[expect(clippy::cast_precision_loss, reason = "some megabytes")]
fn megabytes(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Idle;
    use crate::bench::fine;
    use crate::bench::machine::Machine;
    use crate::bench::overhead::Placement;

    #[test]
    fn the_page_has_the_budget_and_a_row_for_each_result() {
        let row = overhead::Row {
            load: "ping-pong".to_owned(),
            tool: "default".to_owned(),
            placement: Placement::OneCore,
            without: 60_000.0,
            with: 54_000.0,
            ratio: 0.9,
            least: 0.88,
            most: 0.95,
            control: 1.0,
            control_least: 0.97,
            control_most: 1.02,
            cpu_without: 14.0,
            cpu_with: 15.5,
            tool_percent: 1.25,
            tool_kib: 20_480,
            lost: Some(0),
            seen: Some(1.0),
        };
        let fine = fine::Row {
            load: "round-trip".to_owned(),
            tool: "default".to_owned(),
            without: 13.6,
            difference: 1.2,
            control: 0.01,
            cpu_without: 13.5,
            cpu_with: 14.8,
            counted: 18,
            cycles: 20,
        };
        let results = Results {
            machine: Machine {
                machine: "A processor".to_owned(),
                cores: 2,
                kernel: "6.18".to_owned(),
                date: "2026-01-01".to_owned(),
                commit: "abc".to_owned(),
            },
            cycles: 5,
            seconds: 2.0,
            overhead: vec![row],
            fine: vec![fine],
            programs: vec![],
            start: Some(0.25),
            idle: Some(Idle { percent: 0.02, wake_ups: 1.0, seconds: 60.0 }),
            growth: vec![growth::Row {
                size: growth::CALLS[3],
                start: 0.3,
                percent: 1.25,
                resident: 30 << 20,
                maps: 6 << 20,
                kernel: 1 << 20,
                found: 1_000,
                lost: 0,
            }],
            missing: vec!["10 connections of 10 calls: it ended".to_owned()],
            again: Vec::new(),
        };
        let page = page(&results);
        for line in [
            "| TCP ping-pong, one core | ≥ 0.93 | 0.900 (without it 0.97 to 1.02) | **not met** |",
            "| a TCP round trip, both ends traced | ≤ +1.4 µs | +1.200 µs on 13.600 µs (without it +0.010) | met |",
            "| TCP round trip of 100 B and 300 B | default | 13.600 | +1.200 | +0.010 | 13.500 | 14.800 | 1.096 | 18 of 20 |",
            "| memory at 1,000 calls | ≤ 40 MiB | 30.0 MiB | met |",
            "| 1000 | 1000 | 1000/s | 0.30 s | 1.25 % | 30.0 MiB | 7.0 MiB | 1000 | 0 |",
            "| start until it watches | ≤ 0.3 s | 0.250 s | met |",
            "- 10 connections of 10 calls: it ended",
            "| TCP ping-pong, 100 B, write/read | one core | default | 60000/s | 54000/s | 0.900 (0.88 to 0.95) | 1.000 (0.97 to 1.02) | 14.00 → 15.50 | 1.2 % | 20.0 MB | 0 | 1.00000 |",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
    }
}
