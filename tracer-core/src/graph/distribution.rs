//! A latency distribution at fixed bounds, as monitoring systems take it: how many values are at most each of them.
//!
//! Invariant: the counts ascend and the last is at most `count`; with what is recorded they only grow, so rates of them can be
//! taken. A value that is less than 1/128 above a bound may count as at most it (`histogram`). Memory: one number for each bound.

use super::histogram::LatencyHistogram;
use crate::time::Span;

/// Upper bounds, in seconds as they are written, and the same as spans: from a call on loopback to one that hangs.
pub const BOUNDS: [(&str, Span); 17] = [
    ("0.0001", Span::from_micros(100)),
    ("0.00025", Span::from_micros(250)),
    ("0.0005", Span::from_micros(500)),
    ("0.001", Span::from_millis(1)),
    ("0.0025", Span::from_micros(2_500)),
    ("0.005", Span::from_millis(5)),
    ("0.01", Span::from_millis(10)),
    ("0.025", Span::from_millis(25)),
    ("0.05", Span::from_millis(50)),
    ("0.1", Span::from_millis(100)),
    ("0.25", Span::from_millis(250)),
    ("0.5", Span::from_millis(500)),
    ("1.0", Span::from_seconds(1)),
    ("2.5", Span::from_millis(2_500)),
    ("5.0", Span::from_seconds(5)),
    ("10.0", Span::from_seconds(10)),
    ("30.0", Span::from_seconds(30)),
];

/// Counts at [`BOUNDS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    /// Values that are at most each bound.
    pub up_to: [u64; BOUNDS.len()],
    /// All values.
    pub count: u64,
    /// Of all values.
    pub sum: Span,
}

/// Latencies of one call since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Distributions {
    /// At the client.
    pub client: Distribution,
    /// At the server.
    pub server: Distribution,
    /// What the client waited outside the server.
    pub wait: Distribution,
}

impl Distribution {
    #[must_use]
    pub fn of(histogram: &LatencyHistogram) -> Self {
        let up_to = histogram.counts_up_to(&BOUNDS.map(|(_, bound)| bound));
        Self { up_to, count: histogram.len(), sum: histogram.sum() }
    }

    /// Adds what another one holds.
    pub fn add(&mut self, other: &Self) {
        for (held, more) in self.up_to.iter_mut().zip(other.up_to) {
            *held = held.saturating_add(more);
        }
        self.count = self.count.saturating_add(other.count);
        self.sum = Span(self.sum.0.saturating_add(other.sum.0));
    }
}

impl Distributions {
    /// Adds what another one holds.
    pub fn add(&mut self, other: &Self) {
        self.client.add(&other.client);
        self.server.add(&other.server);
        self.wait.add(&other.wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bounds_ascend_and_are_written_as_they_are() {
        assert!(BOUNDS.windows(2).all(|pair| pair[0].1 < pair[1].1));
        for (text, bound) in BOUNDS {
            assert_eq!(text.parse::<f64>().unwrap(), bound.as_seconds());
        }
    }

    proptest! {
        #[test]
        fn a_value_counts_from_the_bound_on_that_it_does_not_exceed_by_more_than_its_bucket(
            values in proptest::collection::vec(0_u64..60_000_000_000, 0..200)
        ) {
            let mut histogram = LatencyHistogram::default();
            values.iter().for_each(|value| histogram.record(Span(*value)));
            let found = Distribution::of(&histogram);
            for ((_, bound), up_to) in BOUNDS.iter().zip(found.up_to) {
                let surely = values.iter().filter(|value| **value <= bound.0).count() as u64;
                let perhaps = values.iter().filter(|value| **value <= bound.0 + bound.0 / 128).count() as u64;
                prop_assert!((surely..=perhaps).contains(&up_to));
            }
            prop_assert_eq!((found.count, found.sum.0), (values.len() as u64, values.iter().sum::<u64>()));
        }
    }
}
