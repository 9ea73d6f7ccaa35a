//! The call graph.
//!
//! Invariant: see `snapshot`. Memory: bounded by `limits::SERVICES` and `limits::CALLS`.

pub mod histogram;
pub mod snapshot;
