//! The clocks of this host.
//!
//! Invariant: the only place that reads a clock for the core. Memory: none.

use rustix::time::{ClockId, Timespec, clock_gettime};
use std::time::Duration;
use tracer_core::time::{Moment, Wall};

/// `CLOCK_MONOTONIC`, the clock of the kernel's records.
pub(crate) fn now() -> Moment {
    Moment(nanoseconds(clock_gettime(ClockId::Monotonic)))
}

/// Wall-clock time.
pub(crate) fn wall() -> Wall {
    Wall(i64::try_from(nanoseconds(clock_gettime(ClockId::Realtime))).unwrap_or(0))
}

/// How far `CLOCK_BOOTTIME`, the clock of process start times, is ahead of `CLOCK_MONOTONIC`, nanoseconds.
pub(crate) fn boottime_ahead() -> u64 {
    let monotonic = now().0;
    nanoseconds(clock_gettime(ClockId::Boottime)).saturating_sub(monotonic)
}

/// The time for which the CPUs worked for this process.
pub(crate) fn of_this_process() -> Duration {
    Duration::from_nanos(nanoseconds(clock_gettime(ClockId::ProcessCPUTime)))
}

fn nanoseconds(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}
