//! Whether learning is saturated: no new call for much longer than new ones were apart.
//!
//! Calls that are first seen within one window count as one moment: what is there at the start comes all at once, and
//! says nothing of how calls come. Between such moments the median is taken, at least a window; learning is saturated
//! when [`TIMES`] as long no new call came. It is a statement about calls of that kind: one that is made once a day is not
//! missed by who looks for an hour. Invariant: the same moments give the same answer. Memory: `limits::CALLS` spans.

use crate::limits;
use crate::time::{Moment, Span};

/// How many times the median must have passed. 10: if new calls came evenly at that rate, the chance of such a silence
/// is below 1 in 1,000 (2 to the minus 10).
pub const TIMES: u64 = 10;

/// When new calls came.
#[derive(Clone, Debug)]
pub struct Saturation {
    window: Span,
    began: Moment,
    calls: u64,
    /// The first call of the last moment, and the last call.
    last: Option<(Moment, Moment)>,
    gaps: Vec<Span>,
}

/// How far learning is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub calls: u64,
    /// Since the beginning.
    pub observed: Span,
    /// Since the last new call; since the beginning, if there was none.
    pub quiet: Span,
    /// The median time between new calls, at least a window.
    pub median: Span,
    /// Whether new calls came at more than one moment, so that the median is one of observed times.
    pub is_measured: bool,
}

impl Saturation {
    /// Nothing was seen before `began`.
    #[must_use]
    pub fn new(window: Span, began: Moment) -> Self {
        Self { window, began, calls: 0, last: None, gaps: Vec::new() }
    }

    /// A call was seen for the first time. Beyond `limits::CALLS` moments no more times are taken.
    pub fn new_call(&mut self, at: Moment) {
        self.calls = self.calls.saturating_add(1);
        match self.last {
            Some((first, _)) if at.since(first) < self.window => self.last = Some((first, at)),
            Some((first, _)) => {
                if self.gaps.len() < limits::CALLS {
                    self.gaps.push(at.since(first));
                }
                self.last = Some((at, at));
            }
            None => self.last = Some((at, at)),
        }
    }

    #[must_use]
    pub fn progress(&self, now: Moment) -> Progress {
        let mut gaps = self.gaps.clone();
        gaps.sort_unstable();
        // Of an even number the upper of the two in the middle: rather too long than too short.
        let median = gaps.get(gaps.len() / 2).copied();
        Progress {
            calls: self.calls,
            observed: now.since(self.began),
            quiet: now.since(self.last.map_or(self.began, |(_, last)| last)),
            median: median.unwrap_or(self.window).max(self.window),
            is_measured: median.is_some(),
        }
    }
}

impl Progress {
    /// How long no new call must come.
    #[must_use]
    pub fn needed(&self) -> Span {
        Span(self.median.0.saturating_mul(TIMES))
    }

    /// Whether that has passed. Where no call was seen, nothing was learned, however long it takes.
    #[must_use]
    pub fn is_saturated(&self) -> bool {
        self.calls > 0 && self.quiet >= self.needed()
    }

    /// `quiet` in medians.
    #[must_use]
    pub fn times(&self) -> f64 {
        self.quiet.as_seconds() / self.median.as_seconds()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WINDOW: Span = Span::from_seconds(10);

    fn at(seconds: u64) -> Moment {
        Moment(0).after(Span::from_seconds(seconds))
    }

    fn seen(seconds: &[u64]) -> Saturation {
        let mut saturation = Saturation::new(WINDOW, at(0));
        seconds.iter().for_each(|second| saturation.new_call(at(*second)));
        saturation
    }

    #[test]
    fn learning_is_saturated_ten_medians_after_the_last_new_call_and_no_second_sooner() {
        // Moments at 0, 30, 50, 90: 30, 20 and 40 s apart.
        let saturation = seen(&[0, 1, 2, 30, 31, 50, 90]);
        let progress = saturation.progress(at(389));
        assert_eq!(
            (progress.calls, progress.median, progress.quiet),
            (7, Span::from_seconds(30), Span::from_seconds(299))
        );
        assert!(!progress.is_saturated());
        assert!(saturation.progress(at(390)).is_saturated());
    }

    #[test]
    fn a_new_call_ends_a_saturation() {
        let mut saturation = seen(&[0]);
        assert!(saturation.progress(at(100)).is_saturated());
        saturation.new_call(at(101));
        assert!(!saturation.progress(at(102)).is_saturated());
    }

    #[test]
    fn calls_that_are_there_at_the_start_are_one_moment_so_the_median_is_never_below_a_window() {
        let progress = seen(&[0, 0, 0, 0, 1, 1]).progress(at(99));
        assert_eq!((progress.median, progress.is_measured, progress.is_saturated()), (WINDOW, false, false));
        assert!(seen(&[0, 0, 0, 0, 1, 1]).progress(at(101)).is_saturated());
    }

    #[test]
    fn who_saw_no_call_is_never_saturated() {
        assert!(!seen(&[]).progress(at(1_000_000)).is_saturated());
    }

    proptest! {
        #[test]
        fn a_longer_silence_never_takes_saturation_back(mut calls in prop::collection::vec(0_u64..5_000, 1..40), wait in 0_u64..5_000) {
            calls.sort_unstable();
            let saturation = seen(&calls);
            let end = calls.last().unwrap() + wait;
            if saturation.progress(at(end)).is_saturated() {
                prop_assert!(saturation.progress(at(end + 1)).is_saturated());
            }
        }
    }
}
