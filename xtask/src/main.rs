//! What a developer or a newcomer runs: `cargo xtask …`.
//!
//! Invariant: this file only lists what there is. Memory: none.

fn main() {}
