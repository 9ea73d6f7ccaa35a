//! The tracer against the running kernel and real processes. Needs root.
//!
//! Invariant: every count is compared with what the peers say they did, never with another tracer's word.
//! Memory: none to speak of.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test ends by panicking")]

mod accounting;
mod counting;
mod coverage;
mod demo;
mod failures;
mod host;
mod life;
mod names;
mod namespaces;
mod naming;
mod older;
mod privileges;
