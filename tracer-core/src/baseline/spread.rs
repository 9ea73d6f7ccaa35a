//! How a figure scatters from window to window: its median and median absolute deviation.
//!
//! Both are robust: a few windows of trouble while learning widen nothing. Invariant: figures are finite and not negative;
//! the same values in the same order give the same spread. Memory: [`MOST_VALUES`] values while learning.

use super::parse;
use serde::{Deserialize, Serialize};

/// Values that a spread is computed from; of more, every second, fourth, … is kept.
pub(super) const MOST_VALUES: usize = 256;

/// What the median absolute deviation of a normal distribution is multiplied by to give its standard deviation.
pub(crate) const MAD_DEVIATIONS: f64 = 1.4826;

/// The scatter of a figure over windows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    #[serde(deserialize_with = "parse::figure")]
    pub median: f64,
    /// Median absolute deviation from the median.
    #[serde(deserialize_with = "parse::figure")]
    pub mad: f64,
    /// Windows.
    pub samples: u64,
}

/// Values of windows, evenly thinned.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Thinned<T> {
    values: Vec<T>,
    seen: u64,
    stride: u64,
}

impl Spread {
    /// The spread of values; `None` of none. `samples` is how many windows they stand for.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>, samples: u64) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        let center = median(&mut values)?;
        let mut deviations: Vec<f64> = values.iter().map(|value| (value - center).abs()).collect();
        Some(Self { median: center, mad: median(&mut deviations)?, samples })
    }
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = values.len() / 2;
    let lower = values.len().checked_sub(1)? / 2;
    Some((values.get(lower)? + values.get(upper)?) / 2.0)
}

impl<T> Default for Thinned<T> {
    fn default() -> Self {
        Self { values: Vec::new(), seen: 0, stride: 1 }
    }
}

impl<T> Thinned<T> {
    pub(super) fn add(&mut self, value: T) {
        if self.seen.is_multiple_of(self.stride) {
            if self.values.len() == MOST_VALUES {
                let mut number = 0_u64;
                self.values.retain(|_| {
                    number += 1;
                    number % 2 == 1
                });
                self.stride = self.stride.saturating_mul(2);
            }
            if self.seen.is_multiple_of(self.stride) {
                self.values.push(value);
            }
        }
        self.seen = self.seen.saturating_add(1);
    }

    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.values.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_the_median_and_the_median_deviation_and_one_bad_window_widens_nothing() {
        let of = |values: &[f64]| Spread::of(values.iter().copied(), 9).map(|it| (it.median, it.mad, it.samples));
        assert_eq!(of(&[1.0, 2.0, 3.0, 4.0, 100.0]), Some((3.0, 1.0, 9)));
        assert_eq!(of(&[1.0, 3.0]), Some((2.0, 1.0, 9)));
        assert_eq!(of(&[7.0]), Some((7.0, 0.0, 9)));
        assert_eq!(of(&[f64::NAN]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn thinning_keeps_values_from_the_whole_time_and_never_too_many() {
        let mut thinned = Thinned::default();
        for number in 0..10_000_u32 {
            thinned.add(number);
            assert!(thinned.iter().count() <= MOST_VALUES);
        }
        let kept: Vec<u32> = thinned.iter().copied().collect();
        assert!(kept.len() > MOST_VALUES / 2 - 1);
        assert!(kept.windows(2).all(|pair| pair[1] - pair[0] == 64), "{kept:?}");
        assert_eq!((kept[0], thinned.seen()), (0, 10_000));
    }
}
