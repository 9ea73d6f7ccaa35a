//! The results of the benchmarks, as they are read back.
//!
//! Invariant: a figure that is asked for and was not measured is an error that names it. Memory: the figures.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::bench::machine::Machine;

/// Everything that was measured, and where.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Figures {
    #[serde(flatten)]
    pub(super) machine: Machine,
    /// Nanoseconds by group and case: of one record, tick, connection or second, as the group says.
    pub(super) times: BTreeMap<String, BTreeMap<String, f64>>,
    pub(super) memory: Vec<Taken>,
}

/// What there is so many of, and what each takes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Taken {
    pub(super) of: String,
    pub(super) count: u32,
    pub(super) bytes: f64,
    pub(super) allocations: f64,
}

/// What criterion writes of one case, as far as it is of use here.
#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
}

impl Figures {
    /// Reads the folder that criterion wrote and the lines that the benchmark of memory printed.
    pub(super) fn read(times: &Path, memory: &str) -> Result<Self> {
        let memory: Vec<Taken> = memory
            .lines()
            .filter(|line| line.starts_with('{'))
            .map(|line| serde_json::from_str(line).with_context(|| format!("the benchmark of memory printed {line}")))
            .collect::<Result<_>>()?;
        Ok(Self {
            machine: Machine::this()?,
            times: folders(times)?
                .into_iter()
                .map(|group| Ok((group.clone(), cases(&times.join(group))?)))
                .collect::<Result<_>>()?,
            memory,
        })
    }

    /// Nanoseconds of one case.
    pub(super) fn time(&self, group: &str, case: &str) -> Result<f64> {
        let time = self.times.get(group).and_then(|cases| cases.get(case));
        time.copied().with_context(|| format!("the benchmark {group}/{case} was not run"))
    }

    /// The cases of a group that are numbers, in order.
    pub(super) fn by_number(&self, group: &str) -> Vec<(u64, f64)> {
        let cases = self.times.get(group).into_iter().flatten();
        let mut found: Vec<_> = cases.filter_map(|(case, time)| Some((case.parse().ok()?, *time))).collect();
        found.sort_unstable_by_key(|(number, _)| *number);
        found
    }

    /// What each of `count` things takes.
    pub(super) fn taken(&self, of: &str, count: u32) -> Result<&Taken> {
        let found = self.memory.iter().find(|taken| taken.of == of && taken.count == count);
        found.with_context(|| format!("the benchmark of memory said nothing of {count} × {of}"))
    }
}

/// The names of the folders in a folder.
fn folders(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.filter(|name| folder.join(name).is_dir()).collect())
}

/// The results of a group, by case.
fn cases(group: &Path) -> Result<BTreeMap<String, f64>> {
    let cases = folders(group)?.into_iter();
    Ok(cases.filter_map(|case| Some((case.clone(), median(&group.join(case))?))).collect())
}

/// `None` for a folder that holds no result, such as that of a report.
fn median(case: &Path) -> Option<f64> {
    let text = fs::read_to_string(case.join("new/estimates.json")).ok()?;
    serde_json::from_str::<Estimates>(&text).ok().map(|estimates| estimates.median.point_estimate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read_where_criterion_leaves_them_and_a_missing_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for (case, time) in [("calls/10", 70.5), ("calls/1", 60.0)] {
            let new = folder.path().join(case).join("new");
            fs::create_dir_all(&new).unwrap();
            let text = format!("{{\"mean\":{{\"point_estimate\":1}},\"median\":{{\"point_estimate\":{time}}}}}");
            fs::write(new.join("estimates.json"), text).unwrap();
        }
        fs::create_dir_all(folder.path().join("calls/report")).unwrap();
        let memory = "running\n{\"of\":\"call\",\"count\":10,\"bytes\":900.5,\"allocations\":0.0}\n";
        let figures = Figures::read(folder.path(), memory).unwrap();
        assert_eq!(figures.by_number("calls"), [(1, 60.0), (10, 70.5)]);
        assert!((figures.taken("call", 10).unwrap().bytes - 900.5).abs() < 1e-9);
        assert!(figures.time("stage", "whole").unwrap_err().to_string().contains("stage/whole"));
        assert!(figures.taken("call", 11).unwrap_err().to_string().contains("11 × call"));
    }
}
