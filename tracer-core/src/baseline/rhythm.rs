//! The rhythm of a day: how much of its usual rate a call has at each hour.
//!
//! A flat rate would be wrong at night and at noon. Hours are those of UTC: the core knows no time zone, so where clocks
//! are changed by an hour the rhythm is an hour off until it is learned again. Between the middles of two hours the rate
//! is interpolated. Invariant: a rhythm knows all hours. Memory: 24 figures.

use super::parse;
use crate::time::{Span, Wall};
use serde::{Deserialize, Deserializer, Serialize};

const HOUR: i64 = 3_600_000_000_000;
const HOURS: usize = 24;
/// What must have been seen of each hour before it is taken for usual. 15 min.
const LEAST_SEEN: Span = Span::from_seconds(900);

/// Factors of the mean rate for the hours of a day, that from midnight to one (UTC) first.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Rhythm([f64; HOURS]);

/// Requests and time by hour, while learning.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Hours([(u64, Span); HOURS]);

impl Rhythm {
    #[expect(clippy::cast_precision_loss, reason = "24")]
    fn of_rates(rates: [f64; HOURS]) -> Option<Self> {
        let mean = rates.iter().sum::<f64>() / rates.len() as f64;
        (mean > 0.0).then(|| Self(rates.map(|rate| (rate / mean * 1e4).round() / 1e4)))
    }

    /// The factor at a moment.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds of an hour, exact below 2^53")]
    pub fn factor(&self, at: Wall) -> f64 {
        // From the middle of one hour to that of the next.
        let since_middle = at.0.wrapping_sub(HOUR / 2);
        let hour = usize::try_from(since_middle.div_euclid(HOUR).rem_euclid(24)).unwrap_or(0);
        let share = since_middle.rem_euclid(HOUR) as f64 / HOUR as f64;
        let factor = |hour: usize| self.0.get(hour % HOURS).copied().unwrap_or(1.0);
        factor(hour) * (1.0 - share) + factor(hour + 1) * share
    }
}

impl Hours {
    /// Adds a window by its middle.
    pub(super) fn add(&mut self, at: Wall, requests: u64, length: Span) {
        let hour = usize::try_from(at.0.div_euclid(HOUR).rem_euclid(24)).unwrap_or(0);
        if let Some((all, time)) = self.0.get_mut(hour) {
            *all = all.saturating_add(requests);
            time.0 = time.0.saturating_add(length.0);
        }
    }

    /// The rhythm, once enough was seen of each hour.
    #[expect(clippy::cast_precision_loss, reason = "counts of requests, exact below 2^53")]
    pub(super) fn rhythm(&self) -> Option<Rhythm> {
        if self.0.iter().any(|(_, time)| *time < LEAST_SEEN) {
            return None;
        }
        Rhythm::of_rates(self.0.map(|(requests, time)| requests as f64 / time.as_seconds()))
    }
}

/// The mean of rhythms, each with the weight of its rate; `None` of none, or where nothing ever came.
pub(super) fn mean(rhythms: impl Iterator<Item = (Rhythm, f64)>) -> Option<Rhythm> {
    let mut hours = [0.0; HOURS];
    for (rhythm, weight) in rhythms {
        hours.iter_mut().zip(rhythm.0).for_each(|(hour, factor)| *hour += factor * weight);
    }
    Rhythm::of_rates(hours)
}

impl<'de> Deserialize<'de> for Rhythm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let factors = <[f64; HOURS]>::deserialize(deserializer)?;
        factors.iter().try_for_each(|factor| parse::not_negative(*factor).map(drop))?;
        Ok(Self(factors))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: f64) -> Wall {
        #[expect(clippy::cast_possible_truncation, reason = "a few days")]
        Wall((hours * 3.6e12) as i64)
    }

    #[test]
    fn a_rhythm_is_known_once_a_quarter_of_every_hour_was_seen_and_interpolates_between_hours() {
        let mut hours = Hours::default();
        for quarter in 0..96_u32 {
            assert_eq!(hours.rhythm(), None, "before quarter {quarter}");
            let hour = u64::from(quarter / 4);
            hours.add(at(f64::from(quarter) / 4.0), if hour < 12 { 900 } else { 2_700 }, Span::from_seconds(900));
            if quarter == 92 {
                break;
            }
        }
        let rhythm = hours.rhythm().unwrap();
        assert_eq!((rhythm.factor(at(6.0)), rhythm.factor(at(18.0))), (0.5, 1.5));
        assert!((rhythm.factor(at(12.0)) - 1.0).abs() < 1e-9);
        assert!((rhythm.factor(at(24.0)) - 1.0).abs() < 1e-9);
        assert!((rhythm.factor(at(24.0 * 20_000.0 + 11.75)) - 0.75).abs() < 1e-9);
        assert!((rhythm.factor(at(-12.0)) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_rhythm_of_nothing_is_none_and_one_that_cannot_be_is_refused() {
        let mut hours = Hours::default();
        for hour in 0..24_u32 {
            hours.add(at(f64::from(hour)), 0, Span::from_seconds(3_600));
        }
        assert_eq!(hours.rhythm(), None);
        let json = |factor: &str| format!("[{}{factor}]", "1.0,".repeat(23));
        assert!(serde_json::from_str::<Rhythm>(&json("2")).is_ok());
        assert!(serde_json::from_str::<Rhythm>(&json("-1")).is_err());
        assert!(serde_json::from_str::<Rhythm>("[1.0]").is_err());
    }
}
