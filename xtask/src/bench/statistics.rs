//! The few figures that runs are compared by.
//!
//! Invariant: no value makes them panic; of nothing there is no figure. Memory: a sorted copy.

/// The middle value, or the mean of the two in the middle.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let sorted = sorted(values);
    let (low, high) = (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
    Some(f64::midpoint(*low, *high))
}

/// The value below which `percent` % of the others lie (the nearest rank).
pub(super) fn percentile(values: &[f64], percent: usize) -> Option<f64> {
    let sorted = sorted(values);
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// The smallest and the largest.
pub(super) fn spread(values: &[f64]) -> Option<(f64, f64)> {
    let sorted = sorted(values);
    Some((*sorted.first()?, *sorted.last()?))
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_taken_by_rank_and_of_nothing_there_is_none() {
        let values = [5.0, 1.0, f64::NAN, 3.0, 2.0];
        assert_eq!(median(&values), Some(2.5));
        assert_eq!(median(&values[..1]), Some(5.0));
        assert_eq!(percentile(&values, 10), Some(1.0));
        assert_eq!(percentile(&values, 100), Some(5.0));
        assert_eq!(spread(&values), Some((1.0, 5.0)));
        assert_eq!((median(&[]), percentile(&[], 50), spread(&[f64::NAN])), (None, None, None));
    }
}
