//! What bytes from elsewhere may never do: one target for each protocol of the table, and one for whatever else is read.
//!
//! A target is a function that panics where an input does what it may not. `main` has an engine look for such inputs,
//! `tests/corpora.rs` runs those that are kept in `fuzz/corpus`. Invariant: a target is a pure function of its input, so
//! each crash can be replayed. Memory: `memory` counts it, and every target says how much it may take.

mod baseline;
mod conversation;
mod holes;
pub mod memory;
mod numbers;
mod records;
pub mod seeds;
mod steps;
mod tape;

#[path = "../../tracer-core/tests/protocols/damage.rs"]
mod damage;
#[path = "../../tracer-core/tests/protocols/wire.rs"]
mod wire;

use tracer_core::protocol::{PARSERS, Row};

/// Of use for finding more, or not worth keeping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    Keep,
    Reject,
}

/// Something that reads bytes.
#[derive(Clone, Copy)]
pub enum Target {
    /// The parser of a protocol.
    Protocol(&'static Row),
    Other(&'static str, fn(&[u8]) -> Use),
}

/// Those that are no parser of a protocol.
const OTHERS: &[Target] = &[
    Target::Other("baseline", baseline::run),
    Target::Other("holes", holes::run),
    Target::Other("records", records::run),
    Target::Other("tape", tape::run),
];

/// Every target; the protocols are those of the table.
pub fn targets() -> impl Iterator<Item = Target> {
    PARSERS.iter().map(Target::Protocol).chain(OTHERS.iter().copied())
}

impl Target {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Protocol(row) => row.name,
            Self::Other(name, _) => name,
        }
    }

    /// Runs it on an input.
    ///
    /// # Panics
    /// When the input does what no input may.
    pub fn run(self, input: &[u8]) -> Use {
        match self {
            Self::Protocol(row) => conversation::run(row, input),
            Self::Other(_, run) => run(input),
        }
    }
}
