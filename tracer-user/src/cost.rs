//! What the tracer itself costs: measured, never estimated.
//!
//! The kernel programs' time is known only while the kernel keeps statistics of them (`kernel.bpf_stats_enabled`), which
//! costs each run of a program two readings of a clock; for a budget they are switched on for a tenth of a second in five.
//! Invariant: a figure that is not known is not there. Memory: one of each.

use crate::bpf::Capture;
use crate::clock;
use anyhow::{Context as _, Result};
use std::os::fd::OwnedFd;
use std::time::Duration;
use tracer_core::budget::Budget;
use tracer_core::graph::snapshot::Cost;
use tracer_core::time::Moment;

/// Looks between two samples of the kernel programs' time.
const SAMPLE_EVERY: u32 = 5;
/// Looks between two readings of the kernel's memory.
const MEMORY_EVERY: u32 = 10;

/// Measures from one look to the next.
pub(crate) struct Meter {
    at: Moment,
    cpu: Duration,
    records: u64,
    programs: Programs,
    until_sample: u32,
    last_programs: Option<f64>,
    until_memory: u32,
    kernel_memory: Option<u64>,
}

/// How the kernel programs' time is measured.
enum Programs {
    /// From look to look, while the kernel's statistics are on anyway: as it was at the last one.
    Steady(Duration),
    /// Statistics were switched on at that moment, and are as long as the descriptor is held.
    Sample { at: Moment, before: Duration, _statistics: OwnedFd },
}

impl Meter {
    pub(crate) fn new(capture: &Capture) -> Self {
        Self {
            at: clock::now(),
            cpu: clock::of_this_process(),
            records: 0,
            programs: Programs::Steady(capture.programs_run_time()),
            until_sample: 1,
            last_programs: None,
            until_memory: 1,
            kernel_memory: None,
        }
    }

    /// What was spent since it was last asked, `records` being those taken since the start.
    pub(crate) fn measure(&mut self, capture: &Capture, records: u64, budget: Option<&Budget>) -> Result<Cost> {
        let (now, cpu) = (clock::now(), clock::of_this_process());
        let seconds = now.since(self.at).as_seconds().max(f64::EPSILON);
        let daemon = cpu.saturating_sub(self.cpu).as_secs_f64() / seconds * 100.0;
        if let Programs::Steady(before) = self.programs {
            let run = capture.programs_run_time();
            if run > before {
                // Statistics are on.
                self.last_programs = Some(run.saturating_sub(before).as_secs_f64() / seconds * 100.0);
            } else if budget.is_none() {
                self.last_programs = None;
            }
            self.programs = Programs::Steady(run);
            self.until_sample = self.until_sample.saturating_sub(1);
            if budget.is_some() && self.until_sample == 0 && run == before {
                self.begin_sample(capture)?;
            }
        }
        self.until_memory -= 1;
        if self.until_memory == 0 {
            self.until_memory = MEMORY_EVERY;
            self.kernel_memory = kernel_memory();
        }
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let records_per_second = records.saturating_sub(self.records) as f64 / seconds;
        (self.at, self.cpu, self.records) = (now, cpu, records);
        Ok(Cost {
            daemon_percent: daemon,
            programs_percent: self.last_programs,
            memory_bytes: memory()?,
            kernel_memory_bytes: self.kernel_memory,
            records_per_second,
            budget_percent: budget.map(Budget::limit),
        })
    }

    fn begin_sample(&mut self, capture: &Capture) -> Result<()> {
        let statistics = aya::sys::enable_stats(aya::sys::Stats::RunTime)
            .context("the kernel gives no statistics of its programs, which --budget needs (CAP_SYS_ADMIN)")?;
        let before = capture.programs_run_time();
        self.programs = Programs::Sample { at: clock::now(), before, _statistics: statistics };
        Ok(())
    }

    /// Ends a sample that has begun: to be called some tenth of a second later.
    pub(crate) fn end_sample(&mut self, capture: &Capture) {
        if let Programs::Sample { at, before, .. } = &self.programs {
            let run = capture.programs_run_time();
            let seconds = clock::now().since(*at).as_seconds().max(f64::EPSILON);
            self.last_programs = Some(run.saturating_sub(*before).as_secs_f64() / seconds * 100.0);
            self.programs = Programs::Steady(run);
            self.until_sample = SAMPLE_EVERY;
        }
    }
}

/// Resident memory of this process, bytes (proc_pid_statm(5)).
fn memory() -> Result<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").context("read /proc/self/statm")?;
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).context("read /proc/self/statm")?;
    Ok(pages * u64::try_from(rustix::param::page_size())?)
}

/// What the maps that this process holds occupy in the kernel, bytes (proc_pid_fdinfo(5)).
fn kernel_memory() -> Option<u64> {
    let entries = std::fs::read_dir("/proc/self/fdinfo").ok()?;
    let texts = entries.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok());
    Some(texts.filter_map(|text| map_memory(&text)).sum())
}

/// The memory of a map, from what the kernel says of its descriptor; `None` for other descriptors.
fn map_memory(fdinfo: &str) -> Option<u64> {
    let value = |key: &str| fdinfo.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok());
    value("map_id:\t").and_then(|_: u64| value("memlock:\t"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_descriptors_of_maps_have_memory() {
        let map = "pos:\t0\nflags:\t02000002\nmap_type:\t2\nmemlock:\t5251136\nmap_id:\t77\nfrozen:\t0\n";
        let program = "pos:\t0\nprog_type:\t26\nmemlock:\t4096\nprog_id:\t12\n";
        assert_eq!((map_memory(map), map_memory(program)), (Some(5_251_136), None));
    }
}
