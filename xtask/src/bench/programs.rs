//! What each kernel program of the tracer costs: its size, what the verifier looked at, and its mean time.
//!
//! Invariant: the kernel's own statistics are as before when this is over. Memory: bpftool's list, and a
//! number for each program.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::loads::Load;
use super::tool::Tool;

const STATISTICS: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// One program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) name: String,
    /// Instructions after the verifier's changes, and how many it looked at on all paths.
    pub(super) instructions: u64,
    pub(super) verified: u64,
    pub(super) runs: u64,
    /// Mean, nanoseconds, the two readings of the clock included.
    pub(super) nanoseconds: Option<f64>,
}

/// The kernel's statistics of programs, switched on or off for as long as this is held.
pub(super) struct Statistics {
    before: String,
}

impl Statistics {
    pub(super) fn set(on: bool) -> Result<Self> {
        let before = fs::read_to_string(STATISTICS).with_context(|| format!("reading {STATISTICS}"))?;
        fs::write(STATISTICS, if on { "1" } else { "0" }).with_context(|| format!("writing {STATISTICS}"))?;
        Ok(Self { before })
    }
}

impl Drop for Statistics {
    fn drop(&mut self) {
        // It was written a moment ago.
        let _ = fs::write(STATISTICS, self.before.trim());
    }
}

/// The tracer's programs under a load.
pub(super) fn measure(load: Load, tool: &Tool, folder: &Path) -> Result<Vec<Row>> {
    let _on = Statistics::set(true)?;
    let others: HashSet<u64> = list()?.iter().filter_map(|program| program["id"].as_u64()).collect();
    let served = load.serve(folder, "0", "0")?;
    let running = tool.start("1", folder)?;
    served.run(3.0, 20_000.0)?;
    let rows = rows(&list()?, &others, &verified(running.process.id()));
    running.end()?;
    Ok(rows)
}

fn list() -> Result<Vec<Value>> {
    let output = Command::new("bpftool").args(["prog", "show", "--json"]).output();
    let output = output.context("starting bpftool: apt-get install bpftool")?;
    serde_json::from_slice(&output.stdout).context("reading what bpftool says")
}

/// How many instructions the verifier looked at, of each program that a process holds, by the program's number
/// (kernel/bpf/syscall.c, `bpf_prog_show_fdinfo`); bpftool does not tell it.
fn verified(pid: u32) -> HashMap<u64, u64> {
    let entries = fs::read_dir(format!("/proc/{pid}/fdinfo")).into_iter().flatten();
    let texts = entries.filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok());
    texts.filter_map(|text| Some((field(&text, "prog_id")?, field(&text, "verified_insns")?))).collect()
}

fn field(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    line.trim().parse().ok()
}

fn rows(programs: &[Value], others: &HashSet<u64>, verified: &HashMap<u64, u64>) -> Vec<Row> {
    let ours = programs.iter().filter(|program| program["id"].as_u64().is_some_and(|id| !others.contains(&id)));
    let mut rows: Vec<Row> = ours
        .map(|program| {
            let number = |key: &str| program[key].as_u64().unwrap_or(0);
            let runs = number("run_cnt");
            #[expect(clippy::cast_precision_loss, reason = "some millions")]
            let nanoseconds = (runs > 0).then(|| number("run_time_ns") as f64 / runs as f64);
            let name = program["name"].as_str().unwrap_or("?").to_owned();
            // Eight bytes each (include/uapi/linux/bpf.h).
            Row {
                name,
                instructions: number("bytes_xlated") / 8,
                verified: verified.get(&number("id")).copied().unwrap_or(0),
                runs,
                nanoseconds,
            }
        })
        .collect();
    rows.sort_by(|one, other| other.runs.cmp(&one.runs).then_with(|| one.name.cmp(&other.name)));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_field_of_what_the_kernel_says_of_a_descriptor_is_found_by_its_whole_name() {
        let text = "pos:\t0\nprog_type:\t5\nprog_id:\t71\nverified_insns:\t4711\n";
        assert_eq!(
            (field(text, "prog_id"), field(text, "verified_insns"), field(text, "prog")),
            (Some(71), Some(4711), None)
        );
    }

    #[test]
    fn only_programs_that_came_with_the_tool_are_told_the_busiest_first() {
        let list = [
            json!({"id": 1, "name": "other", "bytes_xlated": 80}),
            json!({"id": 2, "name": "exec", "bytes_xlated": 800}),
            json!({"id": 3, "name": "send", "bytes_xlated": 8000, "run_cnt": 4, "run_time_ns": 600}),
        ];
        let rows = rows(&list, &HashSet::from([1]), &HashMap::from([(2, 90)]));
        let told: Vec<_> =
            rows.iter().map(|row| (row.name.as_str(), row.instructions, row.verified, row.nanoseconds)).collect();
        assert_eq!(told, [("send", 1000, 0, Some(150.0)), ("exec", 100, 90, None)]);
    }
}
