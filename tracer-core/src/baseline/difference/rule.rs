//! When a call is not as it was.
//!
//! No two measurements are equal, so a figure has changed only if it moved by more than all of these explain: a share of
//! it, by which it differs from one day to the next; how it scattered from window to window while either baseline was
//! learned; and chance, by how much either rests on. What only one of the two knows has not changed: it was not seen.
//! The limits are those of the detectors (`detect::limits`) where these have one, so that a call which has not changed
//! would hardly raise an alert against the other baseline. Invariant: neither of the two is preferred: turned round, the
//! same figures have changed. Memory: none.

use crate::baseline::{ExpectedCall, Learned, MAD_DEVIATIONS, Spread};
use crate::identity::Port;
use crate::time::Wall;
use jiff::Timestamp;
use serde::Serialize;

/// Shares of the smaller of two figures: rates, mean latencies, 99th percentiles (doubled: they scatter the most).
const RATE_SHARE: f64 = 0.2;
const MEAN_SHARE: f64 = 0.2;
const P99_SHARE: f64 = 1.0;
/// What error rates differ by at least: one attempt in a hundred.
const ERROR_FLOOR: f64 = 0.01;
/// What latencies differ by at least, milliseconds: a busy neighbour holds a CPU for that long.
const LATENCY_FLOOR: f64 = 1.0;
/// Median absolute deviations from window to window: four standard deviations of a normal distribution.
const MADS: f64 = 6.0;
/// Standard errors of the difference of two means.
const ERRORS: f64 = 3.0;
/// Minus the natural logarithm of the chance that two counts differ so much: one in a million.
const SURPRISE: f64 = 14.0;
/// Exchanges that a mean must rest on, and a 99th percentile: ten of a thousand are above it.
const MEAN_SAMPLES: u64 = 5;
const P99_SAMPLES: u64 = 1_000;
/// The 99th percentile of the normal distribution in standard deviations.
const P99_DEVIATIONS: f64 = 2.33;

/// Something of a call that is not as it was.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// The name of the field: `port`, `protocol`, `requests_per_second`, `mean_ms`, `p99_ms`, `error_rate`, `operations`.
    pub figure: &'static str,
    pub before: Value,
    pub after: Value,
    /// What the two may differ by, in the unit of the figure; `None` where any difference counts.
    pub margin: Option<f64>,
}

/// What a field held.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    Figure(f64),
    Port(Port),
    Protocol(String),
    /// Operations that only this side lists.
    Operations(Vec<String>),
}

/// What has changed between two expectations of one call, each with when it was learned.
pub(super) fn changes(before: (&ExpectedCall, &Learned), after: (&ExpectedCall, &Learned)) -> Vec<Change> {
    let (old, new) = (before.0, after.0);
    let change = |figure, before, after| Some(Change { figure, before, after, margin: None });
    let protocol = || match (&old.protocol, &new.protocol) {
        (Some(old), Some(new)) if old != new => {
            change("protocol", Value::Protocol(old.clone()), Value::Protocol(new.clone()))
        }
        _ => None,
    };
    let operations = || {
        let (old, new) = (old.operations.as_ref()?, new.operations.as_ref()?);
        let alone = |one: &std::collections::BTreeSet<String>, other| {
            Value::Operations(one.difference(other).cloned().collect())
        };
        (old != new).then(|| change("operations", alone(old, new), alone(new, old)))?
    };
    let port = || change("port", Value::Port(old.port.clone()), Value::Port(new.port.clone()));
    let found = [
        (old.port != new.port).then(port).flatten(),
        protocol(),
        rate(before, after),
        mean(old, new),
        p99(old, new),
        error_rate(old, new),
        operations(),
    ];
    found.into_iter().flatten().collect()
}

fn figure(figure: &'static str, before: f64, after: f64, margin: f64) -> Option<Change> {
    let beyond = (before - after).abs() > margin;
    beyond.then_some(Change {
        figure,
        before: Value::Figure(before),
        after: Value::Figure(after),
        margin: Some(crate::baseline::learn::rounded(margin)),
    })
}

fn mad(one: Option<Spread>, other: Option<Spread>) -> f64 {
    [one, other].into_iter().flatten().map(|spread| spread.mad).fold(0.0, f64::max)
}

/// The counts are taken for Poisson, widened by how much more the windows scattered (see `detect::rate`).
#[expect(clippy::cast_precision_loss, reason = "counts of requests, exact below 2^53")]
fn rate(before: (&ExpectedCall, &Learned), after: (&ExpectedCall, &Learned)) -> Option<Change> {
    let (old, new) = (usual(before, after), usual(after, before));
    let (counted_old, counted_new) = (before.0.requests as f64, after.0.requests as f64);
    // The time that each count stands for, at the rates that are compared.
    let time = |count: f64, rate: f64, all: f64| if rate > 0.0 { count / rate } else { all };
    let (time_old, time_new) = (time(counted_old, old, before.1.seconds), time(counted_new, new, after.1.seconds));
    let together = (counted_old + counted_new) / (time_old + time_new);
    let term = |count: f64, time: f64| if count > 0.0 { count * (count / (together * time)).ln() } else { 0.0 };
    let scatter = mad(before.0.rate_spread, after.0.rate_spread);
    let per_window =
        |call: &ExpectedCall| call.requests as f64 / call.rate_spread.map_or(1, |it| it.samples).max(1) as f64;
    let dispersion = (scatter * MAD_DEVIATIONS).powi(2) * per_window(before.0).max(per_window(after.0));
    let surprise = (term(counted_old, time_old) + term(counted_new, time_new)) / dispersion.max(1.0);
    // Figures that somebody wrote may fit no count: no number, and no surprise.
    if surprise.is_nan() || surprise <= SURPRISE {
        return None;
    }
    let smaller = old.min(new);
    // The spread is relative to the rate.
    figure("requests_per_second", old, new, (RATE_SHARE * smaller).max(MADS * scatter * smaller))
}

/// The rate that a baseline expects: where it knows the rhythm of the day and the other does not, that of the hours in
/// which the other was learned.
fn usual((call, _): (&ExpectedCall, &Learned), (other, when): (&ExpectedCall, &Learned)) -> f64 {
    const STEPS: i64 = 24;
    let nanoseconds = |text: &str| {
        let at: Timestamp = text.parse().ok()?;
        i64::try_from(at.as_nanosecond()).ok()
    };
    let Some(((from, until), rhythm)) = nanoseconds(&when.from)
        .zip(nanoseconds(&when.until))
        .zip(call.rhythm)
        .filter(|((from, until), _)| other.rhythm.is_none() && from < until)
    else {
        return call.requests_per_second;
    };
    let step = until.saturating_sub(from) / STEPS;
    let at = |number: i64| Wall(from.saturating_add(step.saturating_mul(number)).saturating_add(step / 2));
    let factors: f64 = (0..STEPS).map(|number| rhythm.factor(at(number))).sum();
    call.requests_per_second * factors / 24.0
}

/// As `detect::latency_mean`, for two means that each have an error of their own.
#[expect(clippy::cast_precision_loss, reason = "counts of samples, exact below 2^53")]
fn mean(old: &ExpectedCall, new: &ExpectedCall) -> Option<Change> {
    let known = |call: &ExpectedCall| Some((call.mean_ms?, call.p99_ms?)).filter(|_| call.samples >= MEAN_SAMPLES);
    let ((mean_old, p99_old), (mean_new, p99_new)) = (known(old)?, known(new)?);
    // Means that fewer than one exchange in a hundred makes: how many of those there were is chance.
    if p99_old < mean_old / 2.0 || p99_new < mean_new / 2.0 {
        return None;
    }
    let variance = |mean: f64, p99: f64, samples: u64| {
        let deviation = mean.max((p99 - mean) / P99_DEVIATIONS);
        deviation * deviation / samples as f64
    };
    let error = (variance(mean_old, p99_old, old.samples) + variance(mean_new, p99_new, new.samples)).sqrt();
    let margin = (MEAN_SHARE * mean_old.min(mean_new))
        .max(MADS * mad(old.mean_spread, new.mean_spread))
        .max(LATENCY_FLOOR)
        .max(ERRORS * error);
    figure("mean_ms", mean_old, mean_new, margin)
}

fn p99(old: &ExpectedCall, new: &ExpectedCall) -> Option<Change> {
    let known = |call: &ExpectedCall| call.p99_ms.filter(|_| call.samples >= P99_SAMPLES);
    let (old_p99, new_p99) = (known(old)?, known(new)?);
    let margin = (P99_SHARE * old_p99.min(new_p99)).max(MADS * mad(old.p99_spread, new.p99_spread)).max(LATENCY_FLOOR);
    figure("p99_ms", old_p99, new_p99, margin)
}

/// Errors are taken for binomial: the likelihood ratio of one share against two.
#[expect(clippy::cast_precision_loss, reason = "counts of requests, exact below 2^53")]
fn error_rate(old: &ExpectedCall, new: &ExpectedCall) -> Option<Change> {
    let (rate_old, rate_new) = (old.error_rate?, new.error_rate?);
    // Failed connections are attempts as well, and the file does not say how many: where nothing but errors was seen, one.
    let (of_old, of_new) = (old.requests.max(1) as f64, new.requests.max(1) as f64);
    let all = (rate_old * of_old + rate_new * of_new) / (of_old + of_new);
    let term = |share: f64, all: f64| if share > 0.0 { share * (share / all).ln() } else { 0.0 };
    let surprise = |rate: f64, of: f64| of * (term(rate, all) + term(1.0 - rate, 1.0 - all));
    let surprise = surprise(rate_old, of_old) + surprise(rate_new, of_new);
    if surprise.is_nan() || surprise <= SURPRISE {
        return None;
    }
    figure("error_rate", rate_old, rate_new, ERROR_FLOOR.max(MADS * mad(old.error_spread, new.error_spread)))
}
