//! How long to wait until the next look at all sockets.
//!
//! A look walks every socket in the kernel, changed or not: a microsecond for each. Invariant: two looks pass within
//! `LONGEST` twice, for what the core waits to be found by several (a socket that nobody has used, one whose end was lost).
//! Memory: two numbers.

use std::time::Duration;
use tracer_core::time::Span;

/// Between two looks, where nothing else is said.
const SHORTEST: Span = Span::from_seconds(1);
/// Between two looks at most.
const LONGEST: Span = Span::from_seconds(2);
/// A look may take this share of the time until the next one.
const SHARE: u32 = 32;
/// Looks in a row that find nothing, while nothing happens either, after which the host is quiet.
const QUIET_LOOKS: u32 = 10;

/// When to look.
#[derive(Debug)]
pub(super) struct Pace {
    every: Span,
    quiet: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { every: SHORTEST, quiet: 0 }
    }
}

impl Pace {
    /// From the beginning of a look to that of the next.
    pub(super) fn every(&self) -> Span {
        self.every
    }

    /// A look took so much of a CPU; `idle` says that it found nothing, and that nothing was told since the one before.
    pub(super) fn looked(&mut self, took: Duration, idle: bool) {
        self.quiet = if idle { self.quiet.saturating_add(1) } else { 0 };
        let bearable = Span(u64::try_from((took * SHARE).as_nanos()).unwrap_or(u64::MAX));
        self.every = if self.quiet >= QUIET_LOOKS { LONGEST } else { bearable.clamp(SHORTEST, LONGEST) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_is_taken_each_second_and_less_often_where_it_costs_much_or_nothing_happens() {
        let mut pace = Pace::default();
        let mut every = |millis, idle| {
            pace.looked(Duration::from_millis(millis), idle);
            pace.every()
        };
        assert_eq!(every(1, false), SHORTEST);
        assert_eq!(every(50, false), Span::from_millis(1_600));
        assert_eq!(every(120, false), LONGEST);
        assert_eq!([(); 9].map(|()| every(1, true)), [SHORTEST; 9]);
        assert_eq!(every(1, true), LONGEST);
        assert_eq!(every(1, false), SHORTEST, "as soon as something happens");
    }
}
