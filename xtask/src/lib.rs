//! The parts of `xtask` that tests of other crates use as well.
//!
//! Invariant: this file only lists what there is. Memory: none.

pub mod demo;
