//! What adapters find out about the host when the core asks.
//!
//! Invariant: facts are handed over as inputs, so that a tape holds them. Memory: one answer at a time.

pub(crate) mod hosts;
pub(crate) mod procfs;
