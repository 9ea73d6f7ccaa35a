//! How a count of requests compares with what the baseline expects, shared by the detectors of rates.
//!
//! The count n is taken for Poisson, with e expected, and so is the N that the baseline rests on. The surprise that one
//! rate gave both is `N ln(N / rN) + n ln(n / re)` with r = (N + n) / (N + e), half the statistic of the
//! likelihood-ratio test; the chance is about e to the minus that. Traffic that comes in bursts scatters more than
//! Poisson: the surprise is divided by how much more the windows of the baseline did. Little evidence on either side thus needs no
//! rule of its own. Invariant: what is expected follows the hour of the day where the baseline knows it. Memory: none.

use super::CallWindow;
use crate::baseline::{ExpectedCall, MAD_DEVIATIONS, Standing};
use crate::time::Span;

/// What the baseline expects of a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expectation {
    /// Requests in the window.
    pub(super) count: f64,
    /// Requests that the baseline rests on.
    learned: f64,
    /// Variance of the windows' counts over that of Poisson, 1 or more.
    pub(super) dispersion: f64,
}

impl Expectation {
    /// `None` where the baseline says nothing that a count could be compared with.
    #[expect(clippy::cast_precision_loss, reason = "counts of requests, exact below 2^53")]
    pub(super) fn of(window: &CallWindow<'_>) -> Option<Self> {
        let Standing::Expected(expected) = window.standing else { return None };
        if expected.requests == 0 || window.length == Span::ZERO {
            return None;
        }
        let count = expected.rate_at(window.at)? * window.length.as_seconds();
        let dispersion = dispersion(expected, count);
        (count > 0.0).then_some(Self { count, learned: expected.requests as f64, dispersion })
    }

    /// The surprise of `count` requests where `expected` were.
    pub(super) fn surprise(&self, count: f64, expected: f64) -> f64 {
        let rate = (self.learned + count) / (self.learned + expected);
        let term = |count: f64, expected: f64| {
            if count > 0.0 { count * (count / (rate * expected)).ln() } else { 0.0 }
        };
        (term(self.learned, self.learned) + term(count, expected)) / self.dispersion
    }
}

/// The spread of the windows' rates is relative to what was expected of each; Poisson's would be 1 / √count.
fn dispersion(expected: &ExpectedCall, count: f64) -> f64 {
    let deviation = expected.rate_spread.map_or(0.0, |spread| spread.mad * MAD_DEVIATIONS);
    (deviation * deviation * count).max(1.0)
}

/// Windows of a call since the last verdict on its rate.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Collection {
    pub(super) requests: u64,
    pub(super) expected: f64,
    pub(super) time: Span,
    makes_up_for_loss: bool,
}

impl Collection {
    /// Adds a window; `None` for one that cannot be compared, or is partial, has lost records or makes up for a loss.
    pub(super) fn add(&mut self, window: &CallWindow<'_>) -> Option<Expectation> {
        let makes_up_for_loss = std::mem::replace(&mut self.makes_up_for_loss, window.loss);
        let expectation = Expectation::of(window)?;
        if !window.complete || window.loss || makes_up_for_loss {
            return None;
        }
        self.requests = self.requests.saturating_add(window.requests);
        self.expected += expectation.count;
        self.time = Span(self.time.0.saturating_add(window.length.0));
        Some(expectation)
    }

    pub(super) fn clear(&mut self) {
        *self = Self { makes_up_for_loss: self.makes_up_for_loss, ..Self::default() };
    }
}
