//! The tracer against the running kernel and real processes. Needs root.
//!
//! Invariant: every count is compared with what the peers say they did, never with another tracer's word.
//! Memory: none to speak of.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test ends by panicking")]

mod accounting;
mod alerts;
mod before;
mod check;
mod counting;
mod coverage;
mod delivery;
mod demo;
mod detail;
mod failures;
mod host;
mod journal;
mod kinds;
mod life;
mod listen;
mod lives;
mod names;
mod namespaces;
mod naming;
mod nat;
mod older;
mod owning;
mod peer_names;
mod pids;
mod privileges;
mod protocols;
mod recall;
mod receiver;
mod reload;
mod sinks;
mod ways_of_io;
mod windows;
