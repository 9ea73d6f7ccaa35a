//! A short look with every target: the same inputs each time (see [`engine`](super::engine)), so that a failure is one of the
//! change that is tested.
//!
//! Invariant: a failure names the input and how to run it again. Memory: what two runs print.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::engine::{Engine, Limit};

/// Inputs of each target; seconds on two processors.
const RUNS: u64 = 10_000;
/// Of one that runs the whole engine on each input.
const WHOLE_RUNS: u64 = 2_000;
/// And no longer than this on a slow machine.
const LONGEST: Duration = Duration::from_secs(5);
/// Targets that run at once.
const AT_ONCE: usize = 2;

/// With how many targets nothing was found, and with how many something.
pub(crate) fn run(engine: &Engine) -> Result<(u64, u64)> {
    let names = Mutex::new(engine.targets()?.into_iter());
    let next = || names.lock().ok()?.next();
    let (passed, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(target) = next() {
                    let count = if look(engine, &target) { &passed } else { &failed };
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    Ok((passed.into_inner(), failed.into_inner()))
}

/// Says in a line what came of a target; whether nothing was wrong.
fn look(engine: &Engine, target: &str) -> bool {
    let runs = if target == "records" { WHOLE_RUNS } else { RUNS };
    let (outcome, took) = match engine.run(target, Limit::Runs(runs, LONGEST)) {
        Ok(ran) => ran,
        Err(error) => {
            println!("fuzz {target}: {error:#}");
            return false;
        }
    };
    if let Some(failure) = &outcome.failure {
        let input = failure.rsplit(": ").next().unwrap_or_default();
        println!("fuzz {target}: FAILED: {failure}\n  run it again: cargo xtask fuzz {target} {input}");
        return false;
    }
    let new = outcome.after.saturating_sub(outcome.before);
    let seconds = took.as_secs_f64();
    println!(
        "fuzz {target}: {} runs in {seconds:.1} s, {} edges covered, {new} of them new",
        outcome.runs, outcome.after
    );
    true
}
