//! What goes wrong on the simulated day: which deviation, where, from when to when.
//!
//! The day is cut into as many slots as there are deviations. In each, one deviation begins at any moment of the first
//! third and lasts some minutes; deploys fall into the last third. A deviation of a rate is put where it can be told within three windows at all:
//! nobody can see by 30 requests that they should have been 24. Invariant: the same seed gives the same plan; deviations
//! do not overlap, and every kind occurs. Memory: one entry for each deviation.

use super::topology::{LINES, Line, SERVICES, factor, service_at};
use super::{DAY, WINDOW, date};
use crate::baseline::CallKey;
use crate::sim::Dice;
use crate::time::Span;

/// Something that goes wrong for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Deviation {
    pub kind: Kind,
    /// Since the start of the day.
    pub begin: Span,
    pub end: Span,
}

/// What goes wrong. A `line` is a place in [`LINES`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// One service calls another that it never called. Places in [`SERVICES`].
    NewCall { from: usize, to: usize },
    /// The call stops.
    Missing { line: usize },
    /// One request gets no answer.
    Stalled { line: usize },
    /// Connects are refused: so many of a hundred attempts.
    Errors { line: usize, percent: u64 },
    /// Three exchanges of a hundred take two seconds.
    Tail { line: usize },
    /// All exchanges take twice as long, and 2 ms.
    Slow { line: usize },
    /// The rate is that many percent of the usual.
    Rate { line: usize, percent: u64 },
    /// The same, by less: worth a warning.
    Drift { line: usize, percent: u64 },
    /// The service takes requests and answers none.
    Silent { service: usize },
}

/// How many kinds there are.
const KINDS: u64 = 9;

impl Kind {
    /// The alert that must tell it.
    #[must_use]
    pub fn alert(self) -> &'static str {
        match self {
            Self::NewCall { .. } => "unexpected-call",
            Self::Missing { .. } => "missing-call",
            Self::Stalled { .. } => "stalled",
            Self::Errors { .. } => "error-rate",
            Self::Tail { .. } => "latency-p99",
            Self::Slow { .. } => "latency-mean",
            Self::Rate { .. } => "call-rate",
            Self::Drift { .. } => "call-rate-drift",
            Self::Silent { .. } => "silent-service",
        }
    }

    /// The call that the alert must name.
    #[must_use]
    pub fn call(self) -> CallKey {
        let key = |from: &str, to: usize| {
            let to = service_at(to);
            CallKey {
                from: from.to_owned(),
                to: format!("program:{}", to.name),
                port: to.port.into(),
                transport: "tcp".to_owned(),
            }
        };
        let named = |from: usize, to: usize| key(&format!("program:{}", service_at(from).name), to);
        match self {
            Self::NewCall { from, to } => named(from, to),
            Self::Silent { service } => key("*", service),
            _ => {
                let line = self.line().and_then(|place| LINES.get(place));
                line.map_or_else(|| key("program:nobody", 0), |line| named(line.from, line.to))
            }
        }
    }

    /// The line that it is about.
    #[must_use]
    pub(super) fn line(self) -> Option<usize> {
        match self {
            Self::NewCall { .. } | Self::Silent { .. } => None,
            Self::Missing { line }
            | Self::Stalled { line }
            | Self::Errors { line, .. }
            | Self::Tail { line }
            | Self::Slow { line }
            | Self::Rate { line, .. }
            | Self::Drift { line, .. } => Some(line),
        }
    }

    /// Whether an alert about a call may be a consequence: the call itself, and for a service each call to it.
    #[must_use]
    pub fn explains(self, call: &CallKey) -> bool {
        let own = self.call();
        own == *call || (matches!(self, Self::Silent { .. }) && (&own.to, &own.port) == (&call.to, &call.port))
    }
}

/// The plan of a day with `count` deviations, all kinds in turn.
#[must_use]
pub fn plan(seed: u64, count: u64) -> Vec<Deviation> {
    let mut dice = Dice::new(seed);
    let mut strangers = strangers();
    (0..count)
        .map(|number| {
            let slot = DAY.0 / count.max(1);
            let begin = Span(slot * number + slot / 12 + dice.below(slot / 4));
            let end = Span(begin.0 + WINDOW.0 * (12 + dice.below(slot / 4 / WINDOW.0)));
            Deviation { kind: kind(number % KINDS, begin, &mut strangers, &mut dice), begin, end }
        })
        .collect()
}

/// Pairs of services that do not call each other.
fn strangers() -> Vec<(usize, usize)> {
    let all = (0..SERVICES.len()).flat_map(|from| (0..SERVICES.len()).map(move |to| (from, to)));
    all.filter(|(from, to)| from != to && !LINES.iter().any(|line| (line.from, line.to) == (*from, *to))).collect()
}

fn kind(number: u64, begin: Span, strangers: &mut Vec<(usize, usize)>, dice: &mut Dice) -> Kind {
    let up = dice.bits().is_multiple_of(2);
    let usual = |line: &Line| line.rate * factor(date(begin));
    // A line on which so many requests a second are usual then.
    let mut line = |least: f64, most: f64| {
        let fit: Vec<usize> =
            (0..).zip(&LINES).filter(|(_, line)| (least..most).contains(&usual(line))).map(|(at, _)| at).collect();
        usize::try_from(dice.below(fit.len() as u64)).ok().and_then(|at| fit.get(at)).copied().unwrap_or(0)
    };
    let any = f64::INFINITY;
    match number {
        0 => {
            let at = usize::try_from(dice.below(strangers.len() as u64)).unwrap_or(0);
            let (from, to) = strangers.swap_remove(at);
            Kind::NewCall { from, to }
        }
        1 => Kind::Missing { line: line(0.8, any) },
        2 => Kind::Stalled { line: line(0.0, any) },
        3 => Kind::Errors { line: line(3.0, 30.0), percent: 25 },
        4 => Kind::Tail { line: line(15.0, any) },
        5 => Kind::Slow { line: line(10.0, any) },
        6 => Kind::Rate { line: line(6.0, any), percent: if up { 230 } else { 25 } },
        7 => Kind::Drift { line: line(80.0, any), percent: if up { 134 } else { 66 } },
        _ => Kind::Silent { service: if up { 10 } else { 11 } },
    }
}
