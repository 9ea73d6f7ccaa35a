//! Chance from a seed: the same seed gives the same throws.
//!
//! Invariant: every figure is finite. Memory: eight bytes.

use std::f64::consts::TAU;

/// A stream of throws (SplitMix64, by Steele, Lea and Flood).
#[derive(Clone, Debug)]
pub struct Dice(u64);

/// From here, a Poisson count is taken from a normal distribution.
const MANY: f64 = 40.0;

impl Dice {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to, and without, 1.
    pub fn share(&mut self) -> f64 {
        f64::from(u32::try_from(self.bits() >> 32).unwrap_or(0)) / 4_294_967_296.0
    }

    /// From 0 up to, and without, `sides`; 0 of none.
    pub fn below(&mut self, sides: u64) -> u64 {
        self.bits().checked_rem(sides).unwrap_or(0)
    }

    /// Of a normal distribution with mean 0 and deviation 1 (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.share()).ln()).sqrt();
        radius * (TAU * self.share()).cos()
    }

    /// A count of a Poisson process with that mean.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, saturating")]
    pub fn poisson(&mut self, mean: f64) -> u64 {
        if mean >= MANY {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0) as u64;
        }
        let (mut count, mut passed) = (0, -(1.0 - self.share()).ln());
        while passed <= mean {
            count += 1;
            passed -= (1.0 - self.share()).ln();
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throws_repeat_with_their_seed_and_have_the_mean_and_the_spread_of_their_distribution() {
        let (mut one, mut other) = (Dice::new(7), Dice::new(7));
        assert!((0..100).all(|_| one.bits() == other.bits()));
        for mean in [0.5, 5.0, 500.0] {
            let mut dice = Dice::new(1);
            let counts: Vec<f64> = (0..20_000).map(|_| f64::from(u32::try_from(dice.poisson(mean)).unwrap())).collect();
            let found = counts.iter().sum::<f64>() / 20_000.0;
            let variance = counts.iter().map(|count| (count - found).powi(2)).sum::<f64>() / 20_000.0;
            assert!((found / mean - 1.0).abs() < 0.03, "{mean}: {found}");
            assert!((variance / mean - 1.0).abs() < 0.06, "{mean}: {variance}");
        }
        assert_eq!(Dice::new(1).below(0), 0);
    }
}
