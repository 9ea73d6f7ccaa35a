//! One baseline of several: of hosts, of days, of test suites.
//!
//! The union of their calls and entries. The figures of a call that several list are combined by what they rest on: rates
//! by the time that was observed, latencies by samples, error rates by requests. The scatter of the result holds that
//! within each run and that between the runs. A 99th percentile cannot be had from two; their average by samples lies
//! between them. What one of them does not list is not known to be rare there, so it does not thin the others' rates.
//!
//! Invariant: it does not depend on the order, and what is given twice counts once, so `merge(A, A)` is `A`. Memory: the
//! baselines.

use super::learn::rounded;
use super::spread::{MAD_DEVIATIONS, Spread};
use super::{Baseline, CallKey, Entry, ExpectedCall, Learned, SCHEMA};
use crate::limits;
use std::collections::{BTreeMap, BTreeSet};

/// Why baselines cannot be one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    #[error("there is nothing to merge")]
    Nothing,
    #[error("together they list {calls} calls, and a baseline can list {}", limits::CALLS)]
    TooManyCalls { calls: usize },
    #[error("together they have {entries} entries of `{list}`, and a baseline can have {}", limits::RULES)]
    TooManyEntries { list: &'static str, entries: usize },
}

/// A call as one baseline has it, with the seconds that its rate rests on.
struct Part<'a> {
    call: &'a ExpectedCall,
    seconds: f64,
}

/// Makes one of several.
///
/// # Errors
/// When there are none, or the result would be larger than a baseline can be.
pub fn merge(baselines: &[Baseline]) -> Result<Baseline, MergeError> {
    let mut parts: Vec<&Baseline> = baselines.iter().collect();
    // The text is a total order of baselines. Sums of floating-point numbers depend on theirs.
    parts.sort_by_cached_key(|baseline| baseline.render());
    parts.dedup();
    let [first, rest @ ..] = parts.as_slice() else { return Err(MergeError::Nothing) };
    if rest.is_empty() {
        return Ok((*first).clone());
    }
    let entries = |list, of: fn(&Baseline) -> &[Entry]| united(list, parts.iter().flat_map(|it| of(it)));
    let (allow, deny) = (entries("allow", Baseline::allow)?, entries("deny", Baseline::deny)?);
    // The same run with other entries, as after an approval, is the same run.
    let mut runs: Vec<&Baseline> = Vec::new();
    for part in parts {
        if !runs.iter().any(|run| run.learned == part.learned && run.calls == part.calls) {
            runs.push(part);
        }
    }
    let mut calls: BTreeMap<CallKey, Vec<Part<'_>>> = BTreeMap::new();
    for run in &runs {
        for call in &run.calls {
            let seconds = seconds(call, run.learned.seconds);
            calls.entry(call.key()).or_default().push(Part { call, seconds });
        }
    }
    if calls.len() > limits::CALLS {
        return Err(MergeError::TooManyCalls { calls: calls.len() });
    }
    let calls = calls.into_values().filter_map(|parts| combined(&parts)).collect();
    let learned = when(&runs).ok_or(MergeError::Nothing)?;
    Ok(Baseline { schema: SCHEMA.to_owned(), learned, allow, deny, calls })
}

fn united<'a>(list: &'static str, entries: impl Iterator<Item = &'a Entry>) -> Result<Vec<Entry>, MergeError> {
    let text = |entry: &Entry| serde_json::to_string(entry).unwrap_or_default();
    let united: BTreeMap<String, &Entry> = entries.map(|entry| (text(entry), entry)).collect();
    if united.len() > limits::RULES {
        return Err(MergeError::TooManyEntries { list, entries: united.len() });
    }
    Ok(united.into_values().cloned().collect())
}

/// All hosts by name, from the first beginning to the last end.
fn when(runs: &[&Baseline]) -> Option<Learned> {
    let hosts: BTreeSet<&str> = runs.iter().flat_map(|run| run.learned.host.split(", ")).collect();
    let learned = || runs.iter().map(|run| &run.learned);
    Some(Learned {
        host: hosts.into_iter().collect::<Vec<_>>().join(", "),
        from: learned().map(|it| it.from.as_str()).min()?.to_owned(),
        until: learned().map(|it| it.until.as_str()).max()?.to_owned(),
        seconds: rounded(learned().map(|it| it.seconds).sum()),
        calls_left_out: learned().map(|it| it.calls_left_out).fold(0, u64::saturating_add),
    })
}

/// The time that a call's rate rests on: of a call that was merged before, that of the runs that saw it.
#[expect(clippy::cast_precision_loss, reason = "a count of requests, exact below 2^53")]
fn seconds(call: &ExpectedCall, all: f64) -> f64 {
    let told = call.requests as f64 / call.requests_per_second;
    if told.is_finite() && told > 0.0 { told } else { all }
}

#[expect(clippy::cast_precision_loss, reason = "counts, exact below 2^53")]
fn combined(parts: &[Part<'_>]) -> Option<ExpectedCall> {
    let [first, rest @ ..] = parts else { return None };
    if rest.is_empty() {
        return Some(first.call.clone());
    }
    let time: f64 = parts.iter().map(|part| part.seconds).sum();
    let rate = mean(parts.iter().map(|part| (part.seconds, Some(part.call.requests_per_second)))).unwrap_or(0.0);
    let by_samples =
        |of: fn(&ExpectedCall) -> Option<f64>| mean(parts.iter().map(|part| (part.call.samples as f64, of(part.call))));
    let spread = |of: fn(&ExpectedCall) -> Option<Spread>| pooled(parts.iter().map(|part| (of(part.call), 1.0)));
    // The windows' rates are relative to the rate of their own run.
    let relative = |part: &Part<'_>| if rate > 0.0 { part.call.requests_per_second / rate } else { 1.0 };
    let known = parts.iter().filter(|part| part.call.protocol.is_some());
    let most = known.max_by_key(|part| (part.call.requests, std::cmp::Reverse(&part.call.protocol)));
    let listed: Option<Vec<_>> = parts.iter().map(|part| part.call.operations.as_ref()).collect();
    Some(ExpectedCall {
        protocol: most.and_then(|part| part.call.protocol.clone()),
        requests: parts.iter().map(|part| part.call.requests).fold(0, u64::saturating_add),
        requests_per_second: if time > 0.0 { rounded(rate) } else { 0.0 },
        mean_ms: by_samples(|call| call.mean_ms),
        p99_ms: by_samples(|call| call.p99_ms),
        error_rate: mean(parts.iter().map(|part| (part.call.requests as f64, part.call.error_rate))),
        samples: parts.iter().map(|part| part.call.samples).fold(0, u64::saturating_add),
        rate_spread: pooled(parts.iter().map(|part| (part.call.rate_spread, relative(part)))),
        mean_spread: spread(|call| call.mean_spread),
        p99_spread: spread(|call| call.p99_spread),
        error_spread: spread(|call| call.error_spread),
        rhythm: super::rhythm::mean(
            parts.iter().filter_map(|part| Some((part.call.rhythm?, part.seconds * part.call.requests_per_second))),
        ),
        // One that lists none expects all.
        operations: listed.map(|listed| listed.into_iter().flatten().cloned().collect()),
        ..first.call.clone()
    })
}

/// The mean of what is known, by weight; by equal weights where nothing weighs anything. It lies between the least and the
/// largest, whatever is lost by rounding.
fn mean(values: impl Iterator<Item = (f64, Option<f64>)>) -> Option<f64> {
    let known: Vec<(f64, f64)> = values.filter_map(|(weight, value)| Some((weight, value?))).collect();
    let all: f64 = known.iter().map(|(weight, _)| weight).sum();
    let share = |weight: f64| if all > 0.0 { weight / all } else { 1.0 / (known.len() as f64) };
    let sum: f64 = known.iter().map(|(weight, value)| share(*weight) * value).sum();
    let least = known.iter().map(|(_, value)| *value).reduce(f64::min)?;
    let most = known.iter().map(|(_, value)| *value).reduce(f64::max)?;
    Some(rounded(sum.clamp(least, most)))
}

/// The scatter of all windows, each spread in units of its own: the variance within the runs and that between them.
#[expect(clippy::cast_precision_loss, reason = "counts of windows, exact below 2^53")]
fn pooled(spreads: impl Iterator<Item = (Option<Spread>, f64)>) -> Option<Spread> {
    let known: Vec<(Spread, f64)> = spreads.filter_map(|(spread, unit)| Some((spread?, unit))).collect();
    let weight = |spread: &Spread| spread.samples as f64;
    let median = mean(known.iter().map(|(spread, unit)| (weight(spread), Some(spread.median * unit))))?;
    let variance = mean(known.iter().map(|(spread, unit)| {
        let (deviation, between) = (spread.mad * unit * MAD_DEVIATIONS, spread.median * unit - median);
        (weight(spread), Some(deviation * deviation + between * between))
    }))?;
    let samples = known.iter().map(|(spread, _)| spread.samples).fold(0, u64::saturating_add);
    Some(Spread { median, mad: rounded(variance.sqrt() / MAD_DEVIATIONS), samples })
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
