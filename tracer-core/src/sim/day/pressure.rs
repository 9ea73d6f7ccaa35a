//! What a day looks like to the detectors of pools and accept queues: figures of windows, not records.
//!
//! The records of the simulated day hold totals and histograms, not single connections that open and wait. So this part of
//! the day begins where those figures come out (`graph/pool.rs`, `engine/overflow.rs`): one call over a pool of connections,
//! busier by day than at night, with moments at which all of it is busy, and a server whose accept queue is long enough
//! but for what goes wrong. Invariant: the same seed and plan give the same figures. Memory: one window.

use super::topology::factor;
use super::{DAY, WINDOW, date};
use crate::detect::{CallWindow, Pool};
use crate::sim::Dice;
use crate::time::Span;

/// Something that goes wrong for a while, since the start of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Squeeze {
    pub kind: SqueezeKind,
    pub begin: Span,
    pub end: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqueezeKind {
    /// All connections are in use and requests wait for them.
    Pool,
    /// The server accepts too slowly.
    AcceptQueue,
}

impl SqueezeKind {
    /// The alert that must tell it.
    #[must_use]
    pub fn alert(self) -> &'static str {
        match self {
            Self::Pool => "pool-saturation",
            Self::AcceptQueue => "listener-overflow",
        }
    }
}

/// Connections of the pool.
const MOST: u64 = 16;

/// So many squeezes, spread over the day, both kinds in turn.
#[must_use]
pub fn squeezes(seed: u64, count: u64) -> Vec<Squeeze> {
    let mut dice = Dice::new(seed);
    let slot = DAY.0 / count.max(1);
    (0..count)
        .map(|number| {
            let begin = Span(slot * number + slot / 8 + dice.below(slot / 4));
            let kind = if number.is_multiple_of(2) { SqueezeKind::Pool } else { SqueezeKind::AcceptQueue };
            Squeeze { kind, begin, end: Span(begin.0 + WINDOW.0 * (6 + dice.below(12))) }
        })
        .collect()
}

/// The windows of the day in their order, each with the moment of its end.
pub fn windows(seed: u64, plan: &[Squeeze]) -> impl Iterator<Item = (Span, CallWindow<'static>)> {
    let mut dice = Dice::new(seed);
    (0..DAY.0 / WINDOW.0).map(move |number| {
        let (began, end) = (Span(number * WINDOW.0), Span((number + 1) * WINDOW.0));
        // What goes wrong for a part of a window is seen at its end, or not yet.
        let now = plan.iter().find(|bad| bad.begin < end && end <= bad.end).map(|bad| bad.kind);
        let load = factor(date(began));
        let busy = dice.poisson(5.0 * load).min(MOST);
        let server = Span::from_millis(8 + dice.below(6));
        let squeezed = now == Some(SqueezeKind::Pool);
        let burst = dice.below(200) == 0;
        let pool = Pool {
            open: if squeezed || burst { MOST } else { busy.max(4) },
            busy: if squeezed || burst { MOST } else { busy },
            high_water: MOST,
            wait: if squeezed || burst { Span(server.0 * 3) } else { Span::from_millis(dice.below(4)) },
            server,
            samples: dice.poisson(300.0 * load),
        };
        let drops = if now == Some(SqueezeKind::AcceptQueue) { 1 + dice.below(30) } else { 0 };
        let window = CallWindow {
            length: WINDOW,
            at: date(began),
            complete: true,
            ever_answered: true,
            requests: pool.samples,
            pool: Some(pool),
            accept_queue_drops: Some(drops),
            ..CallWindow::default()
        };
        (end, window)
    })
}
