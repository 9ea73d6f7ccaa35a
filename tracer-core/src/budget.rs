//! Keeping the tracer's own cost within a budget, by telling less and never by counting less.
//!
//! Invariant: detail is never more than what was asked for; it is lowered after three costly seconds in a row and raised
//! after a minute that was cheap enough. Memory: two counters.

use crate::input::Detail;

/// Seconds in a row above the budget until detail is lowered.
const PATIENCE: u32 = 3;
/// Seconds in a row below half of the budget until it is raised again.
const CALM: u32 = 60;

/// A budget, in percent of one CPU.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    limit: f64,
    asked: Detail,
    now: Detail,
    over: u32,
    under: u32,
}

impl Budget {
    /// A budget of `limit` percent of one CPU, under which `asked` is told as long as that fits.
    #[must_use]
    pub fn new(limit: f64, asked: Detail) -> Self {
        Self { limit, asked, now: asked, over: 0, under: 0 }
    }

    /// Percent of one CPU.
    #[must_use]
    pub fn limit(&self) -> f64 {
        self.limit
    }

    /// Takes in what the last second cost, in percent of one CPU; the detail from now on, if it is another.
    pub fn spend(&mut self, percent: f64) -> Option<Detail> {
        self.over = if percent > self.limit { self.over + 1 } else { 0 };
        self.under = if percent < self.limit / 2.0 { self.under + 1 } else { 0 };
        let next = if self.over >= PATIENCE {
            lower(self.now)
        } else if self.under >= CALM && self.now < self.asked {
            higher(self.now)
        } else {
            self.now
        };
        if next == self.now {
            return None;
        }
        (self.now, self.over, self.under) = (next, 0, 0);
        Some(next)
    }
}

fn lower(detail: Detail) -> Detail {
    match detail {
        Detail::Exchanges => Detail::Latencies,
        Detail::Latencies | Detail::Counts => Detail::Counts,
    }
}

fn higher(detail: Detail) -> Detail {
    match detail {
        Detail::Counts => Detail::Latencies,
        Detail::Latencies | Detail::Exchanges => Detail::Exchanges,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(budget: &mut Budget, percent: f64, seconds: u32) -> Vec<Detail> {
        (0..seconds).filter_map(|_| budget.spend(percent)).collect()
    }

    #[test]
    fn detail_is_lowered_step_by_step_while_it_costs_too_much_and_not_for_a_moment_of_it() {
        let mut budget = Budget::new(3.0, Detail::Exchanges);
        assert_eq!(after(&mut budget, 4.0, 2), []);
        assert_eq!(after(&mut budget, 2.0, 1), []);
        assert_eq!(after(&mut budget, 4.0, 6), [Detail::Latencies, Detail::Counts]);
        assert_eq!(after(&mut budget, 9.0, 100), []);
    }

    #[test]
    fn detail_comes_back_after_a_calm_minute_and_never_beyond_what_was_asked_for() {
        let mut budget = Budget::new(3.0, Detail::Latencies);
        assert_eq!(after(&mut budget, 4.0, 3), [Detail::Counts]);
        assert_eq!(after(&mut budget, 2.0, 600), []);
        assert_eq!(after(&mut budget, 1.0, 59), []);
        assert_eq!(after(&mut budget, 1.0, 200), [Detail::Latencies]);
    }
}
