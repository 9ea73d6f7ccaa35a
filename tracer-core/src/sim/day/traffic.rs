//! How many requests a call has in a window, how long they take, and what a deviation makes of both.
//!
//! Counts are Poisson around a rate that scatters by three percent from window to window; latencies are log-normal, grow
//! with the load by a quarter, and are told as the kernel tells those of a busy socket: by counts in buckets. They are
//! put into eight equal parts of the distribution, not thrown one by one. Invariant: as many latencies are told as
//! requests were answered. Memory: one window.

use super::plan::{Deviation, Kind};
use super::topology::Line;
use crate::sim::Dice;
use crate::time::Span;
use std::collections::BTreeMap;
use tracer_common::LatencySlot;

/// A window of one line.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Flow {
    /// Requests that were answered.
    pub(super) answered: u64,
    /// Connects that were refused.
    pub(super) refused: u64,
    /// Buckets of `LatencyHistogram`.
    pub(super) buckets: BTreeMap<u16, u32>,
    /// Of all latencies, nanoseconds.
    pub(super) sum: u64,
}

/// Deviation of the logarithm of a latency.
const SIGMA: f64 = 0.5;
/// How much longer everything takes at the highest load.
const LOAD: f64 = 0.25;
/// The middles of eight equal parts of the normal distribution.
const PARTS: [f64; 8] = [-1.534, -0.887, -0.489, -0.157, 0.157, 0.489, 0.887, 1.534];
/// What a slow exchange takes.
const TAIL: f64 = 2_000.0;

/// One window of a line, `load` being the share of its mean rate, `bad` the deviation of this line and which share of
/// the window it takes.
pub(super) fn flow(line: &Line, load: f64, length: Span, bad: Option<(Deviation, f64)>, dice: &mut Dice) -> Flow {
    let scatter = |dice: &mut Dice| 1.0 + 0.03 * dice.normal().clamp(-3.0, 3.0);
    let (mut rate, mut slower, mut tail, mut refuse) = (load * scatter(dice), 0.0, 0.0, 0.0);
    if let Some((Deviation { kind, .. }, share)) = bad {
        let percent = |percent: u64| f64::from(u32::try_from(percent).unwrap_or(100)) / 100.0;
        match kind {
            Kind::Missing { .. } | Kind::Silent { .. } => rate *= 1.0 - share,
            Kind::Rate { percent: p, .. } | Kind::Drift { percent: p, .. } => rate *= 1.0 + (percent(p) - 1.0) * share,
            Kind::Errors { percent: p, .. } => refuse = percent(p) * share,
            Kind::Tail { .. } => tail = 0.03 * share,
            Kind::Slow { .. } => slower = share,
            Kind::NewCall { .. } | Kind::Stalled { .. } => {}
        }
    }
    let attempts = dice.poisson(line.rate * rate * length.as_seconds());
    let refused = part(attempts, refuse);
    let answered = attempts - refused;
    let median = line.latency_ms * (1.0 + LOAD * load / 1.8) * scatter(dice);
    let median = median + slower * (median + 2.0);
    let mut flow = Flow { answered, refused, ..Flow::default() };
    let slow = part(answered, tail);
    flow.add(TAIL, slow);
    flow.spread(median, answered - slow, dice);
    flow
}

impl Flow {
    /// So many exchanges around a median, milliseconds.
    fn spread(&mut self, median: f64, count: u64, dice: &mut Dice) {
        let parts = PARTS.len() as u64;
        for deviation in PARTS {
            self.add(median * (SIGMA * deviation).exp(), count / parts);
        }
        for _ in 0..count % parts {
            let deviation = dice.normal().clamp(-4.0, 4.0);
            self.add(median * (SIGMA * deviation).exp(), 1);
        }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some seconds in nanoseconds")]
    fn add(&mut self, millis: f64, count: u64) {
        let nanoseconds = ((millis * 1e6) as u64).max(LatencySlot::LOWEST);
        let bucket = u16::try_from(LatencySlot::index(nanoseconds)).unwrap_or(u16::MAX);
        if count > 0 {
            *self.buckets.entry(bucket).or_default() += u32::try_from(count).unwrap_or(u32::MAX);
            self.sum = self.sum.saturating_add(nanoseconds.saturating_mul(count));
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a part of a count"
)]
fn part(count: u64, share: f64) -> u64 {
    (count as f64 * share).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_latencies_are_told_as_requests_were_answered_and_a_deviation_changes_its_own_figure_only() {
        let line = Line { from: 0, to: 1, rate: 100.0, latency_ms: 10.0 };
        let length = Span::from_seconds(10);
        let at = |kind| {
            let bad = Deviation { kind, begin: Span(0), end: Span(1) };
            flow(&line, 1.0, length, Some((bad, 1.0)), &mut Dice::new(3))
        };
        let usual = flow(&line, 1.0, length, None, &mut Dice::new(3));
        assert_eq!(usual.buckets.values().map(|count| u64::from(*count)).sum::<u64>(), usual.answered);
        assert!((900..1_100).contains(&usual.answered));
        let mean = |flow: &Flow| flow.sum / flow.answered.max(1) / 100_000;
        assert!((110..150).contains(&mean(&usual)), "{}", mean(&usual));
        assert!(mean(&at(Kind::Slow { line: 0 })) > 230);
        assert_eq!(at(Kind::Missing { line: 0 }).answered, 0);
        let errors = at(Kind::Errors { line: 0, percent: 25 });
        assert_eq!(errors.answered + errors.refused, usual.answered);
        assert!(errors.refused * 4 >= usual.answered);
        assert!(at(Kind::Rate { line: 0, percent: 230 }).answered > usual.answered * 2);
    }
}
