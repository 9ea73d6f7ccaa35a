//! Every kept input does what inputs may, and the seeds are those that the tests' conversations give.
//!
//! `TRACER_BLESS=1` (`cargo xtask fuzz --seeds`) writes the seeds anew. Invariant: needs no engine. Memory: one input.

use std::collections::BTreeMap;
use std::fs;

use tracer_fuzz::{seeds, targets};

#[test]
fn the_seeds_are_what_the_conversations_of_the_tests_give_and_no_kept_input_does_what_none_may() {
    // One test, as memory is counted for the whole process.
    seeds_are_made();
    for target in targets() {
        let folder = seeds::folder(target.name());
        let mut inputs = 0_u32;
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            let input = fs::read(&path).unwrap();
            let ran = std::panic::catch_unwind(|| target.run(&input));
            assert!(ran.is_ok(), "{}: replay it with: cargo xtask fuzz {} {0}", path.display(), target.name());
            inputs += 1;
        }
        assert!(inputs > 0, "{} has no seed in {}", target.name(), folder.display());
        println!("{}: {inputs} inputs", target.name());
    }
}

fn seeds_are_made() {
    let mut made: BTreeMap<_, Vec<u8>> = BTreeMap::new();
    for (target, name, bytes) in seeds::all() {
        made.insert(seeds::folder(target).join(name), bytes);
    }
    let bless = std::env::var_os("TRACER_BLESS").is_some();
    for target in targets() {
        let folder = seeds::folder(target.name());
        if bless {
            fs::create_dir_all(&folder).unwrap();
        }
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let is_found = path.file_name().unwrap().to_string_lossy().starts_with(seeds::FOUND);
            if !is_found && !made.contains_key(&path) {
                assert!(bless, "nothing gives {} any more: cargo xtask fuzz --seeds", path.display());
                fs::remove_file(&path).unwrap();
            }
        }
    }
    for (path, bytes) in made {
        if bless {
            fs::write(&path, bytes).unwrap();
        } else {
            let kept = fs::read(&path).unwrap_or_default();
            assert!(kept == bytes, "{} is not what the tests give: cargo xtask fuzz --seeds", path.display());
        }
    }
}
