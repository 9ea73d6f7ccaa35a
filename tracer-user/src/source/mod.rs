//! Where inputs come from: the kernel, or a tape.
//!
//! Invariant: a source delivers everything that happened before a tick before it delivers the tick.
//! Memory: as the source says.

pub(crate) mod live;
mod pace;
pub(crate) mod tape;

use anyhow::Result;
use tracer_core::identity::ProcessKey;
use tracer_core::input::{Choice, Input, ProcessFacts};

/// Something delivered by a source: a record is lent, so that none is copied on its way to the core.
#[derive(Debug)]
pub(crate) enum Delivery<'a> {
    Record(&'a [u8]),
    Input(Input),
}

/// What ended a turn.
#[derive(Debug, PartialEq)]
pub(crate) enum Turn {
    /// Time has passed: the tick, to be handled when everything else is.
    Tick(Input),
    /// Nothing will come any more.
    Over,
}

/// A source of inputs.
pub(crate) trait Source {
    /// The host that is watched; `None` when nothing is.
    fn host(&self) -> Option<&str>;

    /// Delivers what has come until the next tick.
    fn turn(&mut self, each: &mut dyn FnMut(Delivery<'_>)) -> Result<Turn>;

    /// Delivers what can still be had; after that, the last tick.
    fn finish(&mut self, each: &mut dyn FnMut(Delivery<'_>)) -> Result<Turn>;

    /// Looks a process up, where that is possible.
    fn look_up(&mut self, process: ProcessKey) -> Option<ProcessFacts>;

    /// Changes what is told of the bytes of connections, where that is possible.
    fn choose(&mut self, _choice: Choice) {}

    /// Looks at the accept queues of a network namespace in which this process is, from now on, where that is possible.
    fn watch_queues(&mut self, _netns: u32, _by: ProcessKey) {}

    /// A warning to tell at the end, if there is one.
    fn warning(&self) -> Option<String> {
        None
    }
}
