//! A short look with every target: the same inputs each time (see [`engine`](super::engine)), so that a failure is one of the
//! change that is tested.
//!
//! Invariant: a failure names the input and how to run it again. Memory: what two runs print.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
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

/// With how many targets nothing was found, and what was found with the others.
pub(crate) fn run(engine: &Engine) -> Result<(u64, Vec<String>)> {
    let names = Mutex::new(engine.targets()?.into_iter());
    let next = || names.lock().ok()?.next();
    let (passed, failures) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(target) = next() {
                    match look(engine, &target) {
                        Ok(told) => {
                            println!("{told}");
                            passed.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(failure) => {
                            println!("{failure}");
                            failures.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
                        }
                    }
                }
            });
        }
    });
    Ok((passed.into_inner(), failures.into_inner().unwrap_or_else(PoisonError::into_inner)))
}

/// What came of a target, in a line; as an error what was wrong.
fn look(engine: &Engine, target: &str) -> Result<String, String> {
    let runs = if target == "records" { WHOLE_RUNS } else { RUNS };
    let ran = engine.run(target, Limit::Runs(runs, LONGEST));
    let (outcome, took) = ran.map_err(|error| format!("fuzz {target}: {error:#}"))?;
    if let Some(failure) = &outcome.failure {
        let input = failure.rsplit(": ").next().unwrap_or_default();
        return Err(format!(
            "fuzz {target}: FAILED: {failure}\n    run it again: cargo xtask fuzz {target} {input}\n    its bytes: {}",
            bytes(Path::new(input))
        ));
    }
    let new = outcome.after.saturating_sub(outcome.before);
    let seconds = took.as_secs_f64();
    Ok(format!(
        "fuzz {target}: {} runs in {seconds:.1} s, {} edges covered, {new} of them new",
        outcome.runs, outcome.after
    ))
}

/// An input in text, so that it can be had from a log alone.
fn bytes(input: &Path) -> String {
    fs::read(input).map_or_else(|error| error.to_string(), |bytes| bytes.escape_ascii().to_string())
}
