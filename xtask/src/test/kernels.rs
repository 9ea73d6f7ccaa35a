//! The capture tests on other kernels, in guests.
//!
//! Invariant: a kernel that cannot be tried is counted as not run; its reason is told where that is found out.
//! Memory: none.

use anyhow::Result;

use super::outcome::{Counts, Report};
use crate::vm;

pub(super) fn run() -> Result<Report> {
    let (vm::Totals { passed, failed, ignored, not_run }, failures) = vm::step()?;
    Ok(Report::from(Counts { passed, failed, ignored, not_run }).with_failures(failures))
}
