//! How long to wait until the next look at all sockets.
//!
//! A look walks every socket in the kernel, changed or not: a microsecond for each. It is also taken where a window ends, as
//! that is judged by what is in flight then, and a socket may not have been told of for as long as a look is ago. Invariant:
//! two looks pass within `LONGEST` twice, for what the core waits to be found by several (a socket that nobody has used, one
//! whose end was lost). Memory: five numbers.

use std::time::Duration;
use tracer_core::time::{Moment, Span};

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
    /// The length of windows, and when the first of them began.
    window: Span,
    began: Moment,
    /// The beginning of the last look.
    last: Moment,
}

impl Pace {
    /// For windows of this length, the first of which begins now.
    pub(super) fn new(window: Span, now: Moment) -> Self {
        Self { every: SHORTEST, quiet: 0, window, began: now, last: now }
    }

    /// The first window begins only now.
    pub(super) fn begin(&mut self, now: Moment) {
        self.began = now;
    }

    /// How long it is until the next look.
    pub(super) fn wait(&self, now: Moment) -> Span {
        let next = self.last.after(self.every);
        // Where windows are shorter than that, their ends would cost too much.
        let end = Some(self.window).filter(|window| *window >= self.every).map(|window| {
            let ended = self.last.since(self.began).0.checked_div(window.0).unwrap_or(0);
            self.began.after(Span(window.0.saturating_mul(ended.saturating_add(1))))
        });
        end.map_or(next, |end| next.min(end)).since(now)
    }

    /// A look began then and took so much of a CPU; `idle` says that it found nothing, and that nothing was told since the
    /// one before.
    pub(super) fn looked(&mut self, began: Moment, took: Duration, idle: bool) {
        self.last = began;
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
        let mut pace = Pace::new(Span::from_seconds(100), Moment(0));
        let mut every = |millis, idle| {
            pace.looked(Moment(7), Duration::from_millis(millis), idle);
            pace.wait(Moment(7))
        };
        assert_eq!(every(1, false), SHORTEST);
        assert_eq!(every(50, false), Span::from_millis(1_600));
        assert_eq!(every(120, false), LONGEST);
        assert_eq!([(); 9].map(|()| every(1, true)), [SHORTEST; 9]);
        assert_eq!(every(1, true), LONGEST);
        assert_eq!(every(1, false), SHORTEST, "as soon as something happens");
    }

    #[test]
    fn a_look_is_taken_where_a_window_ends_unless_windows_are_shorter_than_the_time_between_looks() {
        let at = |millis| Moment(1_000_000_000).after(Span::from_millis(millis));
        let wait = |window, looked, took| {
            let mut pace = Pace::new(Span::from_millis(window), Moment(0));
            pace.begin(at(0));
            pace.looked(at(looked), Duration::from_millis(took), false);
            pace.wait(at(looked)).0 / 1_000_000
        };
        assert_eq!([wait(2_000, 300, 1), wait(2_000, 1_070, 1), wait(2_000, 2_000, 1)], [1_000, 930, 1_000]);
        assert_eq!([wait(1_000, 1_050, 1), wait(500, 1_050, 1), wait(1_500, 1_400, 60)], [950, 1_000, 1_920]);
    }
}
