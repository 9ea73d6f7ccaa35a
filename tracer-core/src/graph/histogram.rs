//! Latency distributions that are cheap while they are small: a sparse log-linear histogram.
//!
//! What it is: the bucket layout of HDR (high dynamic range) histograms with 7 bits below the leading one, so that
//! a value is known to 1/128 of itself over the whole range of `u64` nanoseconds, values below 256 ns exactly; but
//! only buckets that hold something are stored. The kernel programs count the latencies of busy sockets in the same
//! buckets (`tracer_common::LatencySlot`). The `hdrhistogram` crate keeps dense counters, 4 to 25 KB for each
//! histogram; three kinds of latency × seven windows × 10,000 calls of those need gigabytes, where the tracer has
//! some 60 MB. Count, minimum and maximum are exact, the sum up to 584 years.
//! Invariant: buckets are sorted by index, none is empty, and their counts add up to `count`.
//! Memory: 56 bytes, and 8 for each touched bucket (at most [`LatencyHistogram::BUCKETS`], twice that while the
//! vector grows): some tens of buckets for the latency of one call. [`LatencyHistogram::clear`] frees it.

use super::snapshot::Latency;
use crate::time::Span;

/// Bits of a value below its leading one that tell buckets apart.
const SUB_BUCKET_BITS: u32 = 7;
const SUB_BUCKETS: u64 = 1 << SUB_BUCKET_BITS;

/// A distribution of spans. Nothing here panics or overflows: counts and the sum saturate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LatencyHistogram {
    buckets: Vec<Bucket>,
    count: u64,
    /// Nanoseconds, saturating.
    sum: u64,
    /// Meaningless while `count` is 0, as is `max`.
    min: u64,
    max: u64,
}

impl LatencyHistogram {
    /// How many buckets there are for all of `u64`; none is stored before it is touched.
    pub const BUCKETS: usize = 7_424;

    /// Adds one value.
    pub fn record(&mut self, span: Span) {
        let index = Bucket::index_of(span.0);
        // The position of the bucket, or where it belongs.
        let at = self.buckets.partition_point(|bucket| bucket.index() < index);
        match self.buckets.get_mut(at) {
            Some(bucket) if bucket.index() == index => bucket.add(1),
            _ => self.buckets.insert(at, Bucket::new(index, 1)),
        }
        self.account(1, span.0, span.0, span.0);
    }

    /// What somebody else counted in buckets of the same layout; `None` if a bucket is none of them. The smallest and the
    /// largest value are known to 1/128 then.
    #[must_use]
    pub fn of_counts(counts: &[(u16, u32)], sum: u64) -> Option<Self> {
        let mut buckets: Vec<Bucket> = Vec::with_capacity(counts.len());
        for &(index, count) in counts {
            let in_order = buckets.last().is_none_or(|last| last.index() < u64::from(index));
            if usize::from(index) >= Self::BUCKETS || count == 0 || !in_order {
                return None;
            }
            buckets.push(Bucket::new(index.into(), count.into()));
        }
        let (first, last) = (buckets.first()?, buckets.last()?);
        let (min, max) = (first.lowest(), last.highest());
        let mut histogram = Self::default();
        histogram.account(counts.iter().map(|&(_, count)| u64::from(count)).sum(), sum, min, max);
        histogram.buckets = buckets;
        Some(histogram)
    }

    /// Adds everything that `other` holds: the same as recording its values one by one.
    pub fn merge(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        let mut merged = Vec::with_capacity(self.buckets.len().max(other.buckets.len()));
        let mut theirs = other.buckets.iter().copied().peekable();
        for mut ours in self.buckets.drain(..) {
            while let Some(earlier) = theirs.next_if(|theirs| theirs.index() < ours.index()) {
                merged.push(earlier);
            }
            if let Some(same) = theirs.next_if(|theirs| theirs.index() == ours.index()) {
                ours.add(same.count());
            }
            merged.push(ours);
        }
        merged.extend(theirs);
        self.buckets = merged;
        self.account(other.count, other.sum, other.min, other.max);
    }

    /// Forgets everything and frees the buckets, so that one busy window does not cost memory for ever.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// How many values were recorded.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.count
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many buckets are stored: what memory is in proportion to.
    #[must_use]
    pub fn touched_buckets(&self) -> usize {
        self.buckets.len()
    }

    /// The mean, rounded down to a nanosecond. Exact unless the values add up to more than 584 years.
    #[must_use]
    pub fn mean(&self) -> Option<Span> {
        let mean = self.sum.checked_div(self.count)?;
        Some(Span(mean.clamp(self.min, self.max)))
    }

    /// The smallest recorded value, exactly.
    #[must_use]
    pub fn min(&self) -> Option<Span> {
        (!self.is_empty()).then_some(Span(self.min))
    }

    /// The largest recorded value, exactly.
    #[must_use]
    pub fn max(&self) -> Option<Span> {
        (!self.is_empty()).then_some(Span(self.max))
    }

    /// The smallest recorded value `v` such that at least `percent` % of the recorded values are ≤ `v`, reported as
    /// the highest value of its bucket but never above the maximum: at least `v`, at most `v` × (1 + 1/128).
    ///
    /// `percent` is taken to a millionth (so that 99.9 % of 1,000 is 999 and not, by a float's error, 1,000) and
    /// limited to 0 ..= 100; NaN counts as 0.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Option<Span> {
        if self.is_empty() {
            return None;
        }
        let rank = rank(percent, self.count);
        let mut seen = 0u64;
        let bucket = self.buckets.iter().find(|bucket| {
            seen = seen.saturating_add(bucket.count());
            seen >= rank
        });
        Some(Span(bucket.map_or(self.max, |bucket| bucket.highest().min(self.max))))
    }

    /// How many recorded values are above `limit`; values that share its bucket (within 1/128) do not count as
    /// above, except that a limit below the minimum has all values above it.
    #[must_use]
    pub fn count_above(&self, limit: Span) -> u64 {
        if limit.0 < self.min {
            return self.count;
        }
        let index = Bucket::index_of(limit.0);
        let above = self.buckets.iter().rev().take_while(|bucket| bucket.index() > index);
        above.fold(0, |count, bucket| count.saturating_add(bucket.count()))
    }

    /// The figures for people, in milliseconds; `None` without values. `estimated` is passed through.
    #[must_use]
    pub fn summary(&self, estimated: bool) -> Option<Latency> {
        Some(Latency {
            mean: self.mean()?.as_millis(),
            p50: self.percentile(50.0)?.as_millis(),
            p90: self.percentile(90.0)?.as_millis(),
            p99: self.percentile(99.0)?.as_millis(),
            max: self.max()?.as_millis(),
            samples: self.count,
            estimated,
            sampled: false,
        })
    }

    fn account(&mut self, count: u64, sum: u64, min: u64, max: u64) {
        self.min = if self.is_empty() { min } else { self.min.min(min) };
        self.max = self.max.max(max);
        self.sum = self.sum.saturating_add(sum);
        self.count = self.count.saturating_add(count);
    }
}

/// Which value, counted from 1 in ascending order, is the percentile.
fn rank(percent: f64, count: u64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "limited to 0 ..= 1e8; NaN becomes 0")]
    let millionths = (percent.clamp(0.0, 100.0) * 1e6).round() as u64;
    let rank = (u128::from(millionths) * u128::from(count)).div_ceil(100_000_000);
    u64::try_from(rank).unwrap_or(count).max(1)
}

/// A bucket's index in the upper 16 bits and its count in the lower 48 (at a million values a second, nine years),
/// so that one takes 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bucket(u64);

impl Bucket {
    const COUNT_BITS: u32 = 48;
    const COUNT_MAX: u64 = (1 << Self::COUNT_BITS) - 1;

    fn new(index: u64, count: u64) -> Self {
        Self((index << Self::COUNT_BITS) | count.min(Self::COUNT_MAX))
    }

    fn index(self) -> u64 {
        self.0 >> Self::COUNT_BITS
    }

    fn count(self) -> u64 {
        self.0 & Self::COUNT_MAX
    }

    fn add(&mut self, count: u64) {
        *self = Self::new(self.index(), self.count().saturating_add(count));
    }

    /// Values below 256 have a bucket each; above, each power of two has 128 buckets of equal width.
    fn index_of(value: u64) -> u64 {
        let leading_one = (value | SUB_BUCKETS).ilog2();
        let shift = leading_one - SUB_BUCKET_BITS;
        u64::from(shift) * SUB_BUCKETS + (value >> shift)
    }

    /// The highest value that falls into this bucket.
    fn highest(self) -> u64 {
        self.lowest() | ((1 << self.shift()) - 1)
    }

    /// The lowest value that falls into this bucket.
    fn lowest(self) -> u64 {
        (self.index() - self.shift() * SUB_BUCKETS) << self.shift()
    }

    fn shift(self) -> u64 {
        (self.index() / SUB_BUCKETS).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use tracer_common::LatencySlot;

    fn histogram(values: &[u64]) -> LatencyHistogram {
        let mut histogram = LatencyHistogram::default();
        for &value in values {
            histogram.record(Span(value));
        }
        histogram
    }

    /// The percentile by its definition: by trying every recorded value.
    fn percentile_by_definition(values: &[u64], per_mille: u64) -> u64 {
        let total = values.len() as u64;
        let enough =
            |limit: u64| values.iter().filter(|&&value| value <= limit).count() as u64 * 1000 >= per_mille * total;
        values.iter().copied().filter(|&value| enough(value)).min().unwrap()
    }

    /// Values of all magnitudes, as uniform ones would nearly all be above 2^56.
    fn values() -> impl Strategy<Value = Vec<u64>> {
        vec((any::<u64>(), 0u32..64).prop_map(|(value, shift)| value >> shift), 1..300)
    }

    proptest! {
        #[test]
        fn a_percentile_is_never_below_the_exact_one_and_at_most_a_128th_above(values in values(), per_mille in 0u64..=1000) {
            let exact = percentile_by_definition(&values, per_mille);
            let Span(found) = histogram(&values).percentile(per_mille as f64 / 10.0).unwrap();
            prop_assert!(found >= exact);
            prop_assert!(found - exact <= exact / 128, "{found} for {exact}");
        }

        #[test]
        fn percentiles_do_not_fall_as_the_percentage_rises(values in values(), a in -1.0..101.0f64, b in -1.0..101.0f64) {
            let histogram = histogram(&values);
            prop_assert!(histogram.percentile(a.min(b)) <= histogram.percentile(a.max(b)));
            prop_assert!(histogram.percentile(a.min(b)) >= histogram.min());
            prop_assert_eq!(histogram.percentile(100.0), histogram.max());
        }

        #[test]
        fn merging_equals_recording_everything_in_one(a in values(), b in values()) {
            let mut merged = histogram(&a);
            merged.merge(&histogram(&b));
            prop_assert_eq!(&merged, &histogram(&[a, b].concat()));
            merged.merge(&LatencyHistogram::default());
            let mut from_empty = LatencyHistogram::default();
            from_empty.merge(&merged);
            prop_assert_eq!(from_empty, merged);
        }

        #[test]
        fn count_minimum_maximum_and_mean_are_exact(values in vec(0..u64::MAX / 300, 1..300)) {
            let histogram = histogram(&values);
            prop_assert_eq!(histogram.len(), values.len() as u64);
            prop_assert_eq!(histogram.min(), values.iter().min().map(|&min| Span(min)));
            prop_assert_eq!(histogram.max(), values.iter().max().map(|&max| Span(max)));
            prop_assert_eq!(histogram.mean(), Some(Span(values.iter().sum::<u64>() / values.len() as u64)));
        }

        #[test]
        fn the_count_above_a_limit_errs_only_by_values_within_a_128th_of_it(values in values(), limit in any::<u64>(), shift in 0u32..64) {
            let limit = limit >> shift;
            let above = |limit: u64| values.iter().filter(|&&value| value > limit).count() as u64;
            let found = histogram(&values).count_above(Span(limit));
            prop_assert!(found <= above(limit) && found >= above(limit.saturating_add(limit / 128)));
        }

        #[test]
        fn a_value_lies_in_its_own_bucket_and_not_in_the_one_below(value in any::<u64>(), shift in 0u32..64) {
            let value = value >> shift;
            let index = Bucket::index_of(value);
            prop_assert!(value <= Bucket::new(index, 1).highest());
            prop_assert!(index == 0 || value > Bucket::new(index - 1, 1).highest());
        }
    }

    #[test]
    fn the_kernels_buckets_are_these() {
        for value in (0..64).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1, (3 << bit) / 2]) {
            assert_eq!(Bucket::index_of(value), LatencySlot::index(value) as u64, "{value}");
        }
        const { assert!(LatencySlot::FIRST + LatencySlot::BUCKETS <= LatencyHistogram::BUCKETS) };
    }

    #[test]
    fn what_was_counted_in_buckets_is_as_what_was_recorded_to_a_128th() {
        let recorded = histogram(&[5_000, 5_001, 70_000, 3_000_000]);
        let told = |bucket: &Bucket| (bucket.index().try_into().unwrap(), bucket.count().try_into().unwrap());
        let counts: Vec<_> = recorded.buckets.iter().map(told).collect();
        let counted = LatencyHistogram::of_counts(&counts, recorded.sum).unwrap();
        assert_eq!((&counted.buckets, counted.len(), counted.mean()), (&recorded.buckets, 4, recorded.mean()));
        assert!(counted.max() >= recorded.max() && counted.max().unwrap().0 <= 3_000_000 * 129 / 128);
        assert!(counted.min() <= recorded.min() && counted.percentile(100.0) == counted.max());
    }

    #[test]
    fn counts_that_no_kernel_writes_are_refused() {
        for counts in [&[][..], &[(7_424, 1)], &[(1, 0)], &[(2, 1), (1, 1)], &[(1, 1), (1, 1)]] {
            assert_eq!(LatencyHistogram::of_counts(counts, 1), None, "{counts:?}");
        }
    }

    #[test]
    fn nothing_recorded_has_no_figures() {
        let empty = LatencyHistogram::default();
        assert_eq!((empty.mean(), empty.max(), empty.percentile(50.0), empty.summary(false)), (None, None, None, None));
        assert_eq!((empty.len(), empty.count_above(Span(0))), (0, 0));
    }

    #[test]
    fn a_percentage_in_decimals_means_that_and_not_the_float_nearest_to_it() {
        for hundredths in 1..=10_000u32 {
            assert_eq!(rank(f64::from(hundredths) / 100.0, 10_000), u64::from(hundredths));
        }
    }

    #[test]
    fn a_tenth_of_a_percent_of_a_thousand_values_is_one_value() {
        let histogram = histogram(&(1..=1000).map(|value| value << 40).collect::<Vec<_>>());
        assert_eq!(histogram.count_above(Span(999 << 40)), 1);
        assert!(histogram.percentile(99.9) < histogram.percentile(99.901));
        assert_eq!(histogram.percentile(f64::NAN), histogram.percentile(0.0));
        assert_eq!(histogram.percentile(f64::INFINITY), histogram.max());
    }

    #[test]
    fn the_whole_range_of_values_has_as_many_buckets_as_documented_and_no_more() {
        assert_eq!(Bucket::index_of(u64::MAX) + 1, LatencyHistogram::BUCKETS as u64);
        let mut all = LatencyHistogram::default();
        for index in (0..LatencyHistogram::BUCKETS as u64).rev() {
            all.record(Span(Bucket::new(index, 1).highest()));
            all.record(Span(Bucket::new(index, 1).highest()));
        }
        assert_eq!(all.touched_buckets(), LatencyHistogram::BUCKETS);
        assert_eq!((all.min(), all.max()), (Some(Span(0)), Some(Span(u64::MAX))));
        assert_eq!(size_of::<LatencyHistogram>(), 56);
    }

    #[test]
    fn full_counters_stay_full_and_the_mean_stays_within_the_values() {
        let mut histogram = histogram(&[u64::MAX]);
        for _ in 0..70 {
            let copy = histogram.clone();
            histogram.merge(&copy);
        }
        assert_eq!(histogram.len(), u64::MAX);
        assert_eq!(histogram.mean(), Some(Span(u64::MAX)));
        assert_eq!(histogram.percentile(50.0), Some(Span(u64::MAX)));
    }

    #[test]
    fn a_cleared_histogram_is_as_new_and_holds_no_memory() {
        let mut cleared = histogram(&[1, 1_000, 1_000_000]);
        cleared.clear();
        assert_eq!(cleared, LatencyHistogram::default());
        assert_eq!(cleared.buckets.capacity(), 0);
    }

    #[test]
    fn the_summary_is_in_milliseconds() {
        let summary = histogram(&[1_000_000, 2_000_000, 3_000_000, 10_000_000]).summary(true).unwrap();
        assert_eq!((summary.mean, summary.max, summary.samples, summary.estimated), (4.0, 10.0, 4, true));
        assert!((2.0..=2.0 * 129.0 / 128.0).contains(&summary.p50), "{summary:?}");
        assert_eq!(summary.p99, 10.0);
    }
}
