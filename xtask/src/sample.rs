//! What the tracer takes at a moment, as the kernel shows it in `/proc`.
//!
//! Invariant: a figure that cannot be read is an error, but for what the kernel says of maps. Memory: one of each.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::time::Instant;

use anyhow::{Context, Result};

/// The tracer at a moment.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// Seconds since the load began.
    pub(crate) at: f64,
    /// Resident memory, bytes.
    pub(crate) resident: u64,
    /// CPU time, seconds.
    pub(crate) cpu: f64,
    /// Open descriptors.
    pub(crate) descriptors: usize,
    /// Its maps, by their ids.
    pub(crate) maps: BTreeMap<u64, Map>,
    /// Processes that the load had started.
    pub(crate) processes: u64,
}

/// A map of the kernel programs (proc_pid_fdinfo(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Map {
    kind: u64,
    entry: u64,
    most: u64,
    pub(crate) memory: u64,
}

/// `BPF_MAP_TYPE_HASH`.
const HASH: u64 = 1;

impl Sample {
    pub(crate) fn take(pid: u32, begin: Instant, processes: u64) -> Result<Self> {
        let resident = status(pid, "VmRSS")? * 1024;
        let folder = format!("/proc/{pid}/fdinfo");
        let entries = fs::read_dir(&folder).with_context(|| format!("reading {folder}"))?;
        // A descriptor may be closed meanwhile.
        let texts: Vec<String> = entries.filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok()).collect();
        Ok(Self {
            at: begin.elapsed().as_secs_f64(),
            resident,
            cpu: cpu(pid)?,
            descriptors: texts.len(),
            maps: texts.iter().filter_map(|text| Map::of(text)).collect(),
            processes,
        })
    }

    /// What the kernel's maps occupy, bytes.
    pub(crate) fn kernel_memory(&self) -> u64 {
        self.maps.values().map(|map| map.memory).sum()
    }

    /// The fullest map that is made of entries on demand, against when it was as in `first`: percent.
    pub(crate) fn fullest(&self, first: &Self) -> f64 {
        let fill = |(id, map): (&u64, &Map)| Some(map.fill(first.maps.get(id)?));
        self.maps.iter().filter_map(fill).fold(0.0, f64::max)
    }

    /// As a line, with means since `first`.
    pub(crate) fn since(&self, first: Option<&Self>) -> String {
        let first = first.unwrap_or(self);
        let percent = (self.cpu - first.cpu) / (self.at - first.at).max(f64::EPSILON) * 100.0;
        let fullest = self.fullest(first);
        format!("{self}, {percent:.1} % of a CPU, fullest map {fullest:.1} %")
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (resident, kernel) = (mebibytes(self.resident), mebibytes(self.kernel_memory()));
        write!(f, "{resident:.1} MiB resident, {kernel:.1} MiB in maps, {} descriptors", self.descriptors)
    }
}

impl Map {
    /// `None` for a descriptor of something else.
    fn of(fdinfo: &str) -> Option<(u64, Self)> {
        let value = |key: &str| fdinfo.lines().find_map(|line| line.strip_prefix(key)?.trim().parse::<u64>().ok());
        let entry = value("key_size:")? + value("value_size:")?;
        let map = Self { kind: value("map_type:")?, entry, most: value("max_entries:")?, memory: value("memlock:")? };
        Some((value("map_id:")?, map))
    }

    /// How full it is if it was empty when it was `before`: percent. Each entry takes a header of the kernel's as well, so this
    /// is too high rather than too low.
    fn fill(&self, before: &Self) -> f64 {
        if self.kind != HASH {
            return 0.0;
        }
        percent(self.memory.saturating_sub(before.memory), self.most.saturating_mul(self.entry))
    }
}

pub(crate) const MEBIBYTE: f64 = 1_048_576.0;

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / MEBIBYTE
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn percent(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64 * 100.0
}

/// A number of `/proc/PID/status`.
fn status(pid: u32, key: &str) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).with_context(|| format!("{path} has no {key}"))
}

/// Seconds for which CPUs worked for any of its threads (`/proc/PID/task/TID/schedstat`).
fn cpu(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/task");
    let threads = fs::read_dir(&path).with_context(|| format!("reading {path}"))?;
    let time = threads.filter_map(|thread| {
        fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?.split(' ').next()?.parse::<u64>().ok()
    });
    Ok(std::time::Duration::from_nanos(time.sum()).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_as_full_as_it_has_grown_and_another_descriptor_is_no_map() {
        let text = |memory: u32| {
            format!(
                "pos:\t0\nmap_type:\t1\nkey_size:\t8\nvalue_size:\t392\nmax_entries:\t1000\nmemlock:\t{memory}\nmap_id:\t7\n"
            )
        };
        let (id, empty) = Map::of(&text(16_000)).unwrap();
        let (_, used) = Map::of(&text(116_000)).unwrap();
        assert_eq!((id, empty.fill(&empty)), (7, 0.0));
        assert!((used.fill(&empty) - 25.0).abs() < 1e-9);
        assert_eq!(Map::of("pos:\t0\nprog_type:\t26\nmemlock:\t4096\nprog_id:\t12\n"), None);
    }

    #[test]
    fn this_process_can_be_sampled() {
        let sample = Sample::take(std::process::id(), Instant::now(), 0).unwrap();
        assert!(sample.resident > 100_000 && sample.descriptors > 2, "{sample}");
    }
}
