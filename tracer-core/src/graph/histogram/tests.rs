//! What a histogram promises, on values of all magnitudes.
//!
//! Invariant: every promise of `histogram` has a test that states it. Memory: none.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

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
    let enough = |limit: u64| values.iter().filter(|&&value| value <= limit).count() as u64 * 1000 >= per_mille * total;
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
}

#[test]
fn what_was_counted_in_buckets_is_as_what_was_recorded_to_a_128th() {
    let recorded = histogram(&[5_000, 5_001, 70_000, 3_000_000]);
    let told = |(bucket, count): (Bucket, u64)| (bucket.index(), count.try_into().unwrap());
    let counts: Vec<_> = recorded.sorted().counts().map(told).collect();
    let counted = LatencyHistogram::of_counts(&counts, recorded.sum).unwrap();
    assert_eq!((&counted.buckets, counted.len(), counted.mean()), (&recorded.sorted().buckets, 4, recorded.mean()));
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
fn every_bucket_is_stored_once_however_values_come() {
    let mut all = LatencyHistogram::default();
    for index in (0..7_424).rev().chain(0..7_424) {
        all.record(Span(Bucket::at(index).unwrap().highest()));
    }
    assert_eq!(all.touched_buckets(), LatencyHistogram::BUCKETS);
    assert_eq!((all.min(), all.max()), (Some(Span(0)), Some(Span(u64::MAX))));
    assert_eq!(size_of::<LatencyHistogram>(), 72);
}

#[test]
fn what_a_bucket_has_no_room_for_is_counted_all_the_same() {
    let mut busy = LatencyHistogram::default();
    let mut one = LatencyHistogram::default();
    (0..500_000).for_each(|_| busy.record(Span(1_000)));
    one.record(Span(9_000));
    (0..5).for_each(|_| busy.merge(&busy.clone()));
    busy.merge(&one);
    assert_eq!((busy.len(), busy.touched_buckets(), busy.count_above(Span(1_100))), (16_000_001, 2, 1));
    assert!(busy.percentile(100.0 - 1e-5) < busy.percentile(100.0));
    let mut back = LatencyHistogram::default();
    back.merge_packed(&busy.pack());
    assert_eq!(back, busy);
}

#[test]
fn room_is_made_for_what_is_new_and_not_for_what_comes_again() {
    let mut histogram = LatencyHistogram::default();
    for turn in 0..200_000 {
        histogram.record(Span(1 << (turn % 40)));
    }
    assert_eq!((histogram.touched_buckets(), histogram.len()), (40, 200_000));
    assert!(histogram.buckets.capacity() <= 64, "{}", histogram.buckets.capacity());
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
