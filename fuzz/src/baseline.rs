//! Files of expected calls, in front of their parser.
//!
//! Held to be true: what is read can be written and read again; an error says nothing that a terminal would obey.
//! Invariant: as said. Memory: [`MOST`].

use tracer_core::baseline::Baseline;

use crate::{Use, memory};

const MOST: usize = 16 << 20;

pub(crate) fn run(input: &[u8]) -> Use {
    memory::within(MOST, || match Baseline::parse(input) {
        Ok(baseline) => {
            let text = baseline.render();
            let again = Baseline::parse(text.as_bytes()).expect("what was written is a baseline");
            assert_eq!(again.render(), text);
        }
        Err(error) => {
            let text = error.to_string();
            assert!(!text.chars().any(char::is_control), "{text:?}");
        }
    });
    Use::Keep
}
