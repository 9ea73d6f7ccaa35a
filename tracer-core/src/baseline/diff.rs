//! What is different between two baselines.
//!
//! Invariant: every call of either baseline is in at most one list, each list sorted by key. Memory: borrows.

use super::{Baseline, ExpectedCall};

/// The difference of two baselines.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Diff<'a> {
    /// Calls that only the newer baseline has.
    pub new: Vec<&'a ExpectedCall>,
    /// Calls that only the older baseline has.
    pub gone: Vec<&'a ExpectedCall>,
    /// Calls that both have, (older, newer), whose protocol or figures differ.
    pub changed: Vec<(&'a ExpectedCall, &'a ExpectedCall)>,
}

/// Compares two baselines. Figures differ if the larger exceeds the smaller by more than the share `tolerance` of it
/// (0.5: half as much again), since no two measurements are equal.
#[must_use]
pub fn diff<'a>(older: &'a Baseline, newer: &'a Baseline, tolerance: f64) -> Diff<'a> {
    let mut diff = Diff::default();
    for call in newer.calls() {
        match older.expectation(&call.key()) {
            None => diff.new.push(call),
            Some(before) if has_changed(before, call, tolerance) => diff.changed.push((before, call)),
            Some(_) => {}
        }
    }
    diff.gone = older.calls().iter().filter(|call| newer.expectation(&call.key()).is_none()).collect();
    diff
}

fn has_changed(before: &ExpectedCall, after: &ExpectedCall, tolerance: f64) -> bool {
    let differ = |a: Option<f64>, b: Option<f64>| match (a, b) {
        (Some(a), Some(b)) => a.max(b) > a.min(b) * (1.0 + tolerance),
        (a, b) => a.is_some() != b.is_some(),
    };
    before.protocol != after.protocol
        || differ(Some(before.requests_per_second), Some(after.requests_per_second))
        || differ(before.mean_ms, after.mean_ms)
        || differ(before.p99_ms, after.p99_ms)
        || differ(before.error_rate, after.error_rate)
}
