//! How far learning is: a line on a terminal, and whether it may end.
//!
//! Invariant: what is said follows from the engine's clock, so a tape says the same as the run it holds. Memory: one line.

use super::calls;
use crate::console::{Console, say};
use anyhow::Result;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};
use tracer_core::baseline::{Progress, SATURATION_TIMES};
use tracer_core::graph::snapshot::GraphSnapshot;
use tracer_core::time::Span;
use tracer_core::{Engine, Output};

/// Between two lines.
const EVERY: Duration = Duration::from_millis(500);

/// Shows how learning goes on, on standard error.
pub(super) struct Learning {
    /// End as soon as it is saturated.
    until_saturated: bool,
    is_saturated: bool,
    shown: Option<Instant>,
    on_terminal: bool,
}

impl Learning {
    pub(super) fn new(until_saturated: bool) -> Self {
        Self { until_saturated, is_saturated: false, shown: None, on_terminal: std::io::stderr().is_terminal() }
    }
}

impl Console for Learning {
    fn begin(&mut self, host: &str) {
        say(&format!("watching {host}; Ctrl-C ends it"));
    }

    fn tell(&mut self, _output: Output) {}

    fn show(&mut self, engine: &Engine) {
        let due = self.on_terminal && self.shown.is_none_or(|shown| shown.elapsed() >= EVERY);
        if !due && !self.until_saturated {
            return;
        }
        let Some(progress) = engine.progress() else { return };
        self.is_saturated = progress.is_saturated();
        if due {
            self.shown = Some(Instant::now());
            // Nobody is left to tell when it is closed.
            let _ = write!(std::io::stderr(), "\r\x1b[K{}", line(&progress));
            let _ = std::io::stderr().flush();
        }
    }

    fn wants_to_quit(&mut self) -> bool {
        self.until_saturated && self.is_saturated
    }

    fn finish(&mut self, graph: &GraphSnapshot, warning: Option<&str>) -> Result<()> {
        if self.shown.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
        let lost = graph.completeness.records_lost;
        if lost > 0 {
            say(&format!(
                "warning: {lost} records were lost, so calls may be missing (a larger --ring-kib holds more)"
            ));
        }
        if let Some(warning) = warning {
            say(&format!("warning: {warning}"));
        }
        Ok(())
    }
}

fn line(progress: &Progress) -> String {
    let state = if progress.is_saturated() {
        "saturated".to_owned()
    } else {
        format!("saturated in {} if none comes", seconds(Span(progress.needed().0.saturating_sub(progress.quiet.0))))
    };
    let quiet = if progress.calls == 0 { String::new() } else { format!(", last new {} ago", seconds(progress.quiet)) };
    format!("learning: {}, {}{quiet}; {state}", seconds(progress.observed), calls(progress.calls))
}

/// Whether it is saturated, and why, for the end.
pub(super) fn verdict(progress: &Progress) -> String {
    let (quiet, median, needed) = (seconds(progress.quiet), seconds(progress.median), seconds(progress.needed()));
    let of = if progress.is_measured { "the median time between new ones" } else { "a window" };
    let times = format!("{:.1} times {of}, {median}", progress.times());
    let seen = format!("{} in {}, no new one for {quiet} ({times})", calls(progress.calls), seconds(progress.observed));
    if progress.is_saturated() {
        format!("saturated: {seen}")
    } else {
        format!("not saturated: {seen}; with {SATURATION_TIMES} times, {needed}, it would be: learn for longer")
    }
}

fn seconds(span: Span) -> String {
    let whole = Duration::from_secs(span.0 / 1_000_000_000);
    humantime::format_duration(whole).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracer_core::baseline::Saturation;
    use tracer_core::time::Moment;

    #[test]
    fn what_is_said_has_the_numbers_that_decide() {
        let at = |seconds| Moment(0).after(Span::from_seconds(seconds));
        let mut saturation = Saturation::new(Span::from_seconds(10), at(0));
        [0, 0, 20].into_iter().for_each(|second| saturation.new_call(at(second)));
        let not_yet = saturation.progress(at(60));
        assert_eq!(line(&not_yet), "learning: 1m, 3 calls, last new 40s ago; saturated in 2m 40s if none comes");
        assert_eq!(
            verdict(&not_yet),
            "not saturated: 3 calls in 1m, no new one for 40s (2.0 times the median time between new ones, 20s); \
             with 10 times, 3m 20s, it would be: learn for longer"
        );
        let done = saturation.progress(at(300));
        assert!(line(&done).ends_with("; saturated") && verdict(&done).starts_with("saturated: 3 calls in 5m"));
    }
}
