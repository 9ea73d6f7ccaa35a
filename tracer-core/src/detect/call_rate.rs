//! `call-rate`: a call happens much more or much less often than the baseline says.
//!
//! `observed` and `limit` are requests per second. A deviation counts when it is outside the allowed share *and* chance
//! does not explain it (`rate`): windows are taken together until there is an answer. It is "clean" when the rate is
//! inside, after so much time that silence would have been told. Silence itself is `missing-call`'s, so that nobody is
//! told twice; and as a call that stops, or comes back, leaves a window between, a finding takes a second deviation in
//! the same direction. Invariant: a call is found by one of `call-rate` and `call-rate-drift` at a time. Memory: two counts and two figures.

use super::rate::Collection;
use super::{CallMemory, CallWindow, Detector, Finding, Limits, Verdict, text};

/// Expected requests, in units of the surprise asked for, after which collecting ends: a deviation of half is then told
/// (it takes 7 below and 10 above), unless the baseline itself rests on too few requests.
const LONGEST_COLLECTION: f64 = 10.0;

#[derive(Debug)]
pub(super) struct CallRate;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Memory {
    collected: Collection,
    /// Deviations in a row: above, or below when negative.
    deviations: i64,
}

/// What a detector of rates looks for.
pub(super) struct Band {
    /// Deviations below this share are clean …
    pub(super) from: f64,
    /// … and those above this are another detector's.
    pub(super) to: f64,
    /// Expected requests, in units of the surprise, after which collecting ends.
    pub(super) longest: f64,
}

impl Detector for CallRate {
    fn kind(&self) -> &'static str {
        "call-rate"
    }

    fn judge(&self, window: &CallWindow<'_>, limits: &Limits, memory: &mut CallMemory) -> Verdict {
        let band = Band { from: limits.call_rate, to: f64::INFINITY, longest: LONGEST_COLLECTION };
        memory.call_rate.judge(&band, window, limits)
    }
}

impl Memory {
    #[expect(clippy::cast_precision_loss, reason = "counts of requests, exact below 2^53")]
    pub(super) fn judge(&mut self, band: &Band, window: &CallWindow<'_>, limits: &Limits) -> Verdict {
        let collected = &mut self.collected;
        let Some(expectation) = collected.add(window) else { return Verdict::NotJudged };
        let (count, expected, time) = (collected.requests as f64, collected.expected, collected.time);
        let deviation = count / expected - 1.0;
        let surprise = expectation.surprise(count, expected);
        let silence_is_told = expectation.surprise(0.0, expected) > limits.call_rate_surprise;
        if deviation.abs() <= band.from {
            if silence_is_told {
                *self = Self::default();
                return Verdict::Clean;
            }
            return Verdict::NotJudged;
        }
        if surprise <= limits.call_rate_surprise {
            if expected >= band.longest * limits.call_rate_surprise * expectation.dispersion {
                *self = Self::default();
                return Verdict::Clean;
            }
            return Verdict::NotJudged;
        }
        let requests = collected.requests;
        collected.clear();
        if requests == 0 || deviation.abs() > band.to {
            self.deviations = 0;
            return Verdict::NotJudged;
        }
        let direction = if deviation > 0.0 { 1 } else { -1 };
        let before = if self.deviations.signum() == direction { self.deviations } else { 0 };
        self.deviations = before.saturating_add(direction);
        if self.deviations.unsigned_abs() < u64::from(limits.call_rate_windows) {
            return Verdict::NotJudged;
        }
        let seconds = time.as_seconds();
        let (observed, rate) = (count / seconds, expected / seconds);
        let limit = if deviation > 0.0 { rate * (1.0 + band.from) } else { rate * (1.0 - band.from).max(0.0) };
        let (counted, time) = (text::count(requests, "request"), text::span(time));
        let (per_second, baseline, bound) = (text::number(observed), text::number(rate), text::number(limit));
        Verdict::Anomalous(Finding {
            observed: Some(observed),
            limit: Some(limit),
            message: format!(
                "{per_second} requests per second, baseline {baseline}, limit {bound} ({counted} in {time})"
            ),
        })
    }
}
