//! Time as the tracer has it: moments and spans as newtypes, never bare integers.
//!
//! Invariant: durations are differences of monotonic moments only; wall-clock time is for display.
//! Memory: none.

use serde::{Deserialize, Serialize};

/// A moment on `CLOCK_MONOTONIC`, nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Moment(pub u64);

/// A span of time, nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span(pub u64);

/// Wall-clock time, nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Wall(pub i64);

impl Moment {
    /// The span since `earlier`; zero when `earlier` is later, as happens between CPUs.
    #[must_use]
    pub fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// The moment `span` later.
    #[must_use]
    pub fn after(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Span {
    pub const ZERO: Self = Self(0);

    #[must_use]
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000))
    }

    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros.saturating_mul(1_000))
    }

    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Milliseconds, rounded to a microsecond.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub fn as_millis(self) -> f64 {
        (self.0 as f64 / 1e3).round() / 1e3
    }
}

impl Wall {
    /// RFC 3339 in UTC with milliseconds, as in `2026-11-23T01:02:03.456Z`.
    #[must_use]
    pub fn rfc3339(self) -> String {
        jiff::Timestamp::from_nanosecond(i128::from(self.0))
            .map_or_else(|_| "1970-01-01T00:00:00.000Z".to_owned(), |at| format!("{at:.3}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_time_is_written_in_rfc_3339_with_milliseconds() {
        assert_eq!(Wall(1_763_859_723_456_789_000).rfc3339(), "2025-11-23T01:02:03.456Z");
        assert_eq!(Wall(0).rfc3339(), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn a_span_between_cpus_whose_clocks_disagree_is_zero_and_not_huge() {
        assert_eq!(Moment(5).since(Moment(7)), Span::ZERO);
    }
}
