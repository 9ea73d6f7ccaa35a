//! What windows teach of a call beyond its totals: the rhythm of its day and how its figures scatter.
//!
//! Invariant: the same windows in the same order give the same habits. Memory: 24 counts and four times
//! `spread::MOST_VALUES` values for each call.

use super::rhythm::Hours;
use super::spread::{Spread, Thinned};
use super::{Baseline, CallKey, ExpectedCall};
use crate::limits;
use crate::time::{Span, Wall};
use std::collections::BTreeMap;

/// The habits of all calls, while learning.
#[derive(Clone, Debug, Default)]
pub struct Habits {
    calls: BTreeMap<CallKey, CallHabits>,
}

/// A window of a call.
#[derive(Clone, Copy, Debug)]
pub struct Observed {
    /// The middle of the window.
    pub at: Wall,
    pub length: Span,
    pub requests: u64,
    pub mean: Option<Span>,
    pub p99: Option<Span>,
    /// Share of the attempts that failed; `None` of none.
    pub error_rate: Option<f64>,
}

#[derive(Clone, Debug, Default)]
struct CallHabits {
    hours: Hours,
    /// When and how many requests a second.
    rates: Thinned<(Wall, f64)>,
    /// Mean latencies, milliseconds.
    means: Thinned<f64>,
    /// 99th percentiles, milliseconds.
    p99s: Thinned<f64>,
    errors: Thinned<f64>,
}

impl Habits {
    /// Adds a window of a call that it saw the whole of. Calls beyond `limits::CALLS` have no habits.
    #[expect(clippy::cast_precision_loss, reason = "counts of requests, exact below 2^53")]
    pub fn add(&mut self, call: &CallKey, window: &Observed) {
        if !self.calls.contains_key(call) && self.calls.len() >= limits::CALLS {
            return;
        }
        let habits = self.calls.entry(call.clone()).or_default();
        habits.hours.add(window.at, window.requests, window.length);
        habits.rates.add((window.at, window.requests as f64 / window.length.as_seconds()));
        if let Some(mean) = window.mean {
            habits.means.add(mean.as_millis());
        }
        if let Some(p99) = window.p99 {
            habits.p99s.add(p99.as_millis());
        }
        if let Some(rate) = window.error_rate {
            habits.errors.add(rate);
        }
    }

    /// Writes what was learned into the calls of a baseline.
    pub fn write_into(&self, baseline: &mut Baseline) {
        for call in &mut baseline.calls {
            if let Some(habits) = self.calls.get(&call.key()) {
                habits.write_into(call);
            }
        }
    }
}

impl CallHabits {
    fn write_into(&self, call: &mut ExpectedCall) {
        call.rhythm = self.hours.rhythm();
        let relative = |(at, rate): &(Wall, f64)| {
            let usual = call.rate_at(*at).filter(|usual| *usual > 0.0)?;
            Some(rate / usual)
        };
        call.rate_spread = Spread::of(self.rates.iter().filter_map(relative), self.rates.seen()).map(rounded);
        let spread = |values: &Thinned<f64>| Spread::of(values.iter().copied(), values.seen()).map(rounded);
        call.mean_spread = spread(&self.means);
        call.p99_spread = spread(&self.p99s);
        call.error_spread = spread(&self.errors);
    }
}

/// Six decimals, as all figures of a baseline.
fn rounded(spread: Spread) -> Spread {
    let round = |figure: f64| (figure * 1e6).round() / 1e6;
    Spread { median: round(spread.median), mad: round(spread.mad), ..spread }
}
