//! The demo, with its faults: real servers, real counts, and what the tracer makes of them.
//!
//! Invariant: the checks are the demo's own; a check that does not hold is an error of the demo. Memory: none.

use crate::host::{Folder, binary};

#[test]
fn the_demo_finds_what_is_there_what_is_unexpected_and_every_fault() {
    let folder = Folder::new("demo");
    let out = folder.file("out");
    let words = ["--faults", "--tracer", binary().to_str().unwrap(), "--out", out.to_str().unwrap()];
    xtask::demo::run(&words.map(str::to_owned)).unwrap();
}
