//! The `tracer` command.
//!
//! Invariant: this file only lists what there is. Memory: none.

fn main() {}
