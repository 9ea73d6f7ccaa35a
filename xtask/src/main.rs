//! What a developer or a newcomer runs.
//!
//! Invariant: this file only lists what there is. Memory: none.

fn main() {}
