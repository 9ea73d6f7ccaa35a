//! How long to wait before the next attempt: twice as long after each failure, and never in step with others.
//!
//! Invariant: a wait is at least half of what its number asks for and never above the most. Memory: two spans, a number.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
}

impl Backoff {
    pub(super) fn new(first: Duration, most: Duration) -> Self {
        Self { first, most: most.max(first), failures: 0 }
    }

    /// After a success the next failure is the first again.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait after a failure. `asked` is what the receiver asks for, and counts up to the most.
    pub(super) fn fail(&mut self, asked: Option<Duration>) -> Duration {
        // Keys of a hash map are the randomness that the standard library has.
        let wait = self.wait(RandomState::new().build_hasher().finish());
        self.failures = self.failures.saturating_add(1);
        asked.map_or(wait, |asked| wait.max(asked.min(self.most)))
    }

    fn wait(self, random: u64) -> Duration {
        let whole = self.first.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX)).min(self.most);
        let share = f64::from(u32::try_from(random >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX);
        (whole / 2).saturating_add((whole / 2).mul_f64(share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_most_and_lie_between_half_and_the_whole() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        for whole in [1, 2, 4, 5, 5] {
            let whole = Duration::from_secs(whole);
            assert_eq!((backoff.wait(0), backoff.wait(u64::MAX)), (whole / 2, whole));
            let wait = backoff.fail(None);
            assert!(wait >= whole / 2 && wait <= whole, "{wait:?}");
        }
        backoff.reset();
        assert_eq!(backoff.wait(u64::MAX), Duration::from_secs(1));
    }

    #[test]
    fn what_a_receiver_asks_for_counts_up_to_the_most_and_many_failures_overflow_nothing() {
        let mut backoff = Backoff::new(Duration::from_millis(1), Duration::from_secs(5));
        assert_eq!(backoff.fail(Some(Duration::from_secs(3))), Duration::from_secs(3));
        assert_eq!(backoff.fail(Some(Duration::from_secs(3_600))), Duration::from_secs(5));
        for _ in 0..100 {
            let _ = backoff.fail(None);
        }
        assert_eq!(backoff.wait(u64::MAX), Duration::from_secs(5));
    }
}
