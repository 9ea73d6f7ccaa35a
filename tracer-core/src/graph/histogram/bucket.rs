//! One bucket of a histogram: which values fall into it, and how many did.
//!
//! Invariant: values below 256 have a bucket each; above, each power of two has 128 buckets of equal width. Buckets sort
//! by the values that they hold. Memory: 4 bytes.

/// Bits of a value below its leading one that tell buckets apart.
const SUB_BUCKET_BITS: u32 = 7;
const SUB_BUCKETS: u64 = 1 << SUB_BUCKET_BITS;

/// A bucket's index in the upper 13 bits and its count in the lower 19.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Bucket(u32);

impl Bucket {
    /// How many buckets there are for all of `u64`.
    pub(super) const NUMBER: usize = 7_424;
    const COUNT_BITS: u32 = 19;
    const COUNT_MAX: u32 = (1 << Self::COUNT_BITS) - 1;

    /// The bucket of a value, with that value in it.
    pub(super) fn of(value: u64) -> Self {
        let leading_one = (value | SUB_BUCKETS).ilog2();
        let shift = leading_one - SUB_BUCKET_BITS;
        #[expect(clippy::cast_possible_truncation, reason = "eight bits are left of the value")]
        let below = (value >> shift) as u32;
        Self((((shift << SUB_BUCKET_BITS) + below) << Self::COUNT_BITS) | 1)
    }

    /// A bucket with one value in it; `None` if there is none of that index.
    pub(super) fn at(index: u16) -> Option<Self> {
        (usize::from(index) < Self::NUMBER).then_some(Self((u32::from(index) << Self::COUNT_BITS) | 1))
    }

    pub(super) fn index(self) -> u16 {
        (self.0 >> Self::COUNT_BITS) as u16
    }

    pub(super) fn count(self) -> u64 {
        u64::from(self.0 & Self::COUNT_MAX)
    }

    /// Adds `count`, and returns what the bucket has no room for: it keeps one value then.
    pub(super) fn add(&mut self, count: u64) -> u64 {
        let all = self.count().saturating_add(count);
        let (kept, rest) = match u32::try_from(all) {
            Ok(all) if all <= Self::COUNT_MAX => (all, 0),
            _ => (1, all - 1),
        };
        self.0 = (self.0 & !Self::COUNT_MAX) | kept;
        rest
    }

    /// The highest value that falls into this bucket.
    pub(super) fn highest(self) -> u64 {
        self.lowest() | ((1 << self.shift()) - 1)
    }

    /// The lowest value that falls into this bucket.
    pub(super) fn lowest(self) -> u64 {
        (u64::from(self.index()) - self.shift() * SUB_BUCKETS) << self.shift()
    }

    fn shift(self) -> u64 {
        (u64::from(self.index()) / SUB_BUCKETS).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tracer_common::LatencySlot;

    #[test]
    fn the_kernels_buckets_are_these() {
        for value in (0..64).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1, (3 << bit) / 2]) {
            assert_eq!(usize::from(Bucket::of(value).index()), LatencySlot::index(value), "{value}");
        }
        const { assert!(LatencySlot::FIRST + LatencySlot::BUCKETS <= Bucket::NUMBER) };
    }

    #[test]
    fn the_whole_range_of_values_has_as_many_buckets_as_documented_and_no_more() {
        assert_eq!(usize::from(Bucket::of(u64::MAX).index()) + 1, Bucket::NUMBER);
        assert_eq!(Bucket::at(7_424), None);
    }

    #[test]
    fn a_bucket_gives_back_what_it_cannot_hold() {
        let mut bucket = Bucket::of(5);
        assert_eq!(bucket.add(u64::from(Bucket::COUNT_MAX) - 1), 0);
        assert_eq!((bucket.count(), bucket.add(2)), (524_287, 524_288));
        assert_eq!((bucket.count(), bucket.index()), (1, 5));
        assert_eq!(bucket.add(u64::MAX), u64::MAX - 1);
    }

    proptest! {
        #[test]
        fn a_value_lies_in_its_own_bucket_and_not_in_the_one_below(value in any::<u64>(), shift in 0u32..64) {
            let value = value >> shift;
            let bucket = Bucket::of(value);
            prop_assert!((bucket.lowest()..=bucket.highest()).contains(&value));
            let below = bucket.index().checked_sub(1).and_then(Bucket::at);
            prop_assert!(below.is_none_or(|below| value > below.highest()));
        }
    }
}
