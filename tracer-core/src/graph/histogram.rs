//! Latency distributions that are cheap while they are small: a sparse log-linear histogram.
//!
//! What it is: the bucket layout of HDR (high dynamic range) histograms with 7 bits below the leading one, so that
//! a value is known to 1/128 of itself over the whole range of `u64` nanoseconds, values below 256 ns exactly; but
//! only buckets that hold something are stored. The kernel programs count the latencies of busy sockets in the same
//! buckets (`tracer_common::LatencySlot`). The `hdrhistogram` crate keeps dense counters, 4 to 25 KB for each
//! histogram; three kinds of latency × seven windows × 10,000 calls of those need gigabytes, where the tracer has
//! some 60 MB. Count, minimum and maximum are exact, the sum up to 584 years.
//!
//! A value is put behind the buckets and sorted in among them when the room is used up, so recording touches one place
//! in memory however many buckets there are. Invariant: the first `settled` buckets are sorted by index, each index once;
//! none is empty; their counts and what they carried over add up to `count`. Memory: 72 bytes, and 4 for each touched
//! bucket (at most [`LatencyHistogram::BUCKETS`]) with a quarter of room: some tens of buckets for the latency of one call.

mod bucket;

use super::snapshot::Latency;
use crate::time::Span;
use bucket::Bucket;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::borrow::Cow;

/// Room for values that a histogram begins with.
const FIRST_ROOM: usize = 6;

/// A distribution of spans. Nothing here panics or overflows: counts and the sum saturate.
#[derive(Clone, Debug, Default)]
pub struct LatencyHistogram {
    buckets: Vec<Bucket>,
    /// How many of them are sorted and different.
    settled: usize,
    /// What buckets had no room for.
    carried: Option<Box<Carried>>,
    count: u64,
    /// Nanoseconds, saturating.
    sum: u64,
    /// Meaningless while `count` is 0, as is `max`.
    min: u64,
    max: u64,
}

/// Counts beyond what buckets can hold, by index: of a call that was busy for days.
#[derive(Clone, Debug, Default)]
struct Carried(Vec<(u16, u64)>);

impl Carried {
    fn add(&mut self, index: u16, count: u64) {
        match self.0.iter_mut().find(|(held, _)| *held == index) {
            Some((_, held)) => *held = held.saturating_add(count),
            None => self.0.push((index, count)),
        }
    }

    fn of(&self, index: u16) -> u64 {
        self.0.iter().find(|(held, _)| *held == index).map_or(0, |(_, count)| *count)
    }
}

/// A histogram as it is put away: postcard writes most buckets in two bytes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Packed {
    sum: u64,
    min: u64,
    max: u64,
    /// How far each bucket is from the one before it, and how many values it holds.
    buckets: Vec<(u16, u64)>,
}

impl LatencyHistogram {
    /// How many buckets there are for all of `u64`; none is stored before it is touched.
    pub const BUCKETS: usize = Bucket::NUMBER;

    /// Adds one value.
    pub fn record(&mut self, span: Span) {
        if self.buckets.len() == self.buckets.capacity() {
            self.make_room();
        }
        self.buckets.push(Bucket::of(span.0));
        self.account(1, span.0, span.0, span.0);
    }

    /// What somebody else counted in buckets of the same layout; `None` if a bucket is none of them. The smallest and the
    /// largest value are known to 1/128 then.
    #[must_use]
    pub fn of_counts(counts: &[(u16, u32)], sum: u64) -> Option<Self> {
        let mut histogram = Self { buckets: Vec::with_capacity(counts.len()), ..Self::default() };
        for &(index, count) in counts {
            let in_order = histogram.buckets.last().is_none_or(|last| last.index() < index);
            if count == 0 || !in_order {
                return None;
            }
            histogram.push(index, count.into())?;
        }
        histogram.settled = histogram.buckets.len();
        let (min, max) = (histogram.buckets.first()?.lowest(), histogram.buckets.last()?.highest());
        histogram.account(counts.iter().map(|&(_, count)| u64::from(count)).sum(), sum, min, max);
        Some(histogram)
    }

    /// Adds everything that `other` holds: the same as recording its values one by one.
    pub fn merge(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        self.buckets.reserve_exact(other.buckets.len());
        self.buckets.extend_from_slice(&other.buckets);
        for (index, count) in other.carried.iter().flat_map(|carried| &carried.0) {
            self.carried.get_or_insert_default().add(*index, *count);
        }
        self.account(other.count, other.sum, other.min, other.max);
        self.settle();
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

    /// Of all recorded values.
    #[must_use]
    pub fn sum(&self) -> Span {
        Span(self.sum)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many buckets are touched: what memory is in proportion to.
    #[must_use]
    pub fn touched_buckets(&self) -> usize {
        self.sorted().buckets.len()
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
        let sorted = self.sorted();
        let found = sorted.counts().find(|(_, count)| {
            seen = seen.saturating_add(*count);
            seen >= rank
        });
        Some(Span(found.map_or(self.max, |(bucket, _)| bucket.highest().min(self.max))))
    }

    /// How many recorded values are above `limit`; values that share its bucket (within 1/128) do not count as
    /// above, except that a limit below the minimum has all values above it.
    #[must_use]
    pub fn count_above(&self, limit: Span) -> u64 {
        if limit.0 < self.min {
            return self.count;
        }
        let index = Bucket::of(limit.0).index();
        let sorted = self.sorted();
        let above = sorted.counts().filter(|(bucket, _)| bucket.index() > index);
        above.fold(0, |all, (_, count)| all.saturating_add(count))
    }

    /// How many recorded values are at most each of `bounds`, which ascend; values that share the bucket of a bound (within
    /// 1/128) count as at most it.
    #[must_use]
    pub fn counts_up_to<const BOUNDS: usize>(&self, bounds: &[Span; BOUNDS]) -> [u64; BOUNDS] {
        let mut counts = [0_u64; BOUNDS];
        let bounds = bounds.map(|bound| Bucket::of(bound.0).index());
        for (bucket, count) in self.sorted().counts() {
            let first = bounds.partition_point(|bound| *bound < bucket.index());
            for held in counts.iter_mut().skip(first) {
                *held = held.saturating_add(count);
            }
        }
        counts
    }

    /// The figures for people, in milliseconds; `None` without values. `estimated` is passed through.
    #[must_use]
    pub fn summary(&self, estimated: bool) -> Option<Latency> {
        let sorted = self.sorted();
        Some(Latency {
            mean: sorted.mean()?.as_millis(),
            p50: sorted.percentile(50.0)?.as_millis(),
            p90: sorted.percentile(90.0)?.as_millis(),
            p99: sorted.percentile(99.0)?.as_millis(),
            max: sorted.max()?.as_millis(),
            samples: self.count,
            estimated,
            sampled: false,
        })
    }

    /// As it is put away.
    pub(super) fn pack(&self) -> Packed {
        let mut before = 0;
        let sorted = self.sorted();
        let buckets = sorted.counts().map(|(bucket, count)| {
            let step = bucket.index() - before;
            before = bucket.index();
            (step, count)
        });
        Packed { sum: self.sum, min: self.min, max: self.max, buckets: buckets.collect() }
    }

    /// Adds what was put away.
    pub(super) fn merge_packed(&mut self, packed: &Packed) {
        let mut index = 0_u16;
        let mut count = 0_u64;
        self.buckets.reserve_exact(packed.buckets.len());
        for (step, held) in &packed.buckets {
            index = index.saturating_add(*step);
            count = count.saturating_add(*held);
            self.push(index, *held);
        }
        if count > 0 {
            self.account(count, packed.sum, packed.min, packed.max);
        }
        self.settle();
    }

    /// Puts a bucket behind the others.
    fn push(&mut self, index: u16, count: u64) -> Option<()> {
        let mut bucket = Bucket::at(index)?;
        let rest = bucket.add(count.saturating_sub(1));
        if rest > 0 {
            self.carried.get_or_insert_default().add(index, rest);
        }
        self.buckets.push(bucket);
        Some(())
    }

    /// Sorts in what was added; makes room for more if that alone does not.
    fn make_room(&mut self) {
        self.settle();
        let used = self.buckets.len();
        if self.buckets.capacity() - used <= used / 8 {
            self.buckets.reserve_exact((used / 4).max(FIRST_ROOM));
        }
    }

    /// Sorts in what was added: in one walk over the buckets, most of which are there.
    fn settle(&mut self) {
        let (settled, added) = self.buckets.split_at_mut(self.settled);
        added.sort_unstable();
        let mut places = settled.iter_mut();
        let mut place = places.next();
        let mut new: SmallVec<[Bucket; 16]> = SmallVec::new();
        for bucket in added {
            while place.as_ref().is_some_and(|held| held.index() < bucket.index()) {
                place = places.next();
            }
            let held = place.as_deref_mut().filter(|held| held.index() == bucket.index());
            let last = new.last_mut().filter(|last| last.index() == bucket.index());
            match held.or(last) {
                Some(held) => {
                    let rest = held.add(bucket.count());
                    if rest > 0 {
                        self.carried.get_or_insert_default().add(held.index(), rest);
                    }
                }
                None => new.push(*bucket),
            }
        }
        self.buckets.truncate(self.settled);
        if !new.is_empty() {
            self.buckets.extend_from_slice(&new);
            // The standard sort joins two sorted parts without sorting them again.
            self.buckets.sort();
        }
        self.settled = self.buckets.len();
    }

    /// The same with everything sorted in.
    fn sorted(&self) -> Cow<'_, Self> {
        if self.settled == self.buckets.len() {
            return Cow::Borrowed(self);
        }
        let mut sorted = self.clone();
        sorted.settle();
        Cow::Owned(sorted)
    }

    /// Every bucket in order, and how many values it holds. Only of what is sorted.
    fn counts(&self) -> impl Iterator<Item = (Bucket, u64)> + '_ {
        let carried = self.carried.as_deref();
        let of = move |bucket: &Bucket| carried.map_or(0, |carried| carried.of(bucket.index()));
        self.buckets.iter().map(move |bucket| (*bucket, bucket.count().saturating_add(of(bucket))))
    }

    fn account(&mut self, count: u64, sum: u64, min: u64, max: u64) {
        self.min = if self.is_empty() { min } else { self.min.min(min) };
        self.max = self.max.max(max);
        self.sum = self.sum.saturating_add(sum);
        self.count = self.count.saturating_add(count);
    }
}

/// Whatever the order in which values came.
impl PartialEq for LatencyHistogram {
    fn eq(&self, other: &Self) -> bool {
        let figures = |held: &Self| (held.count, held.sum, held.min, held.max);
        let (own, others) = (self.sorted(), other.sorted());
        let index = |(bucket, count): (Bucket, u64)| (bucket.index(), count);
        figures(self) == figures(other) && own.counts().map(index).eq(others.counts().map(index))
    }
}

impl Eq for LatencyHistogram {}

/// Which value, counted from 1 in ascending order, is the percentile.
fn rank(percent: f64, count: u64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "limited to 0 ..= 1e8; NaN becomes 0")]
    let millionths = (percent.clamp(0.0, 100.0) * 1e6).round() as u64;
    let rank = (u128::from(millionths) * u128::from(count)).div_ceil(100_000_000);
    u64::try_from(rank).unwrap_or(count).max(1)
}

#[cfg(test)]
mod tests;
