//! Has libFuzzer look for inputs that do what none may: `TRACER_FUZZ_TARGET=redis fuzz FOLDER…`, or `fuzz` for the names.
//!
//! `cargo xtask fuzz` builds and runs this. Invariant: one target in one process. Memory: the engine's.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::{Corpus, fuzz_target};
use tracer_fuzz::{Target, Use, targets};

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let asked = std::env::var("TRACER_FUZZ_TARGET").unwrap_or_default();
    targets().find(|target| target.name() == asked).unwrap_or_else(|| {
        // One on a line, as `cargo xtask fuzz` reads them.
        targets().for_each(|target| println!("{}", target.name()));
        std::process::exit(2);
    })
});

fuzz_target!(init: { LazyLock::force(&TARGET); }, |input: &[u8]| -> Corpus {
    match TARGET.run(input) {
        Use::Keep => Corpus::Keep,
        Use::Reject => Corpus::Reject,
    }
});
