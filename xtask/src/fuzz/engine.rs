//! libFuzzer: built with the targets, run, and read.
//!
//! The stable compiler instruments our code by passes of LLVM that it has (`-C passes`); no sanitizer is needed, as the code
//! has no `unsafe`, and counts what it allocates. `cargo fuzz` would add a command of its own and nothing else.
//! Invariant: the same number of runs of the same program is the same inputs, where addresses may be fixed (`setarch`) and
//! the target's tables have no seed of their own, as those of the whole engine have (`records`). Memory: what one run prints.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use xtask::toolchain::{output_of, program};

use crate::host;

/// Counts how often each edge is taken, and shows what is compared with what.
const INSTRUMENTATION: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
];
/// Bytes of an input: what is longer is only slower.
const LONGEST: u32 = 6_144;
/// Seconds that one input may take.
const SLOWEST: u32 = 20;

/// The program with all targets.
pub(crate) struct Engine {
    program: PathBuf,
    /// What fixes its addresses, if it may.
    setarch: Option<PathBuf>,
}

/// When a run is over.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    Time(Duration),
    /// After so many inputs, or this time on a slow machine.
    Runs(u64, Duration),
}

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) runs: u64,
    /// Edges that the kept inputs take, and those of all inputs at the end.
    pub(crate) before: u64,
    pub(crate) after: u64,
    /// What an input has done, and where it is.
    pub(crate) failure: Option<String>,
}

/// Where runs keep what they find.
pub(crate) fn found(target: &str) -> PathBuf {
    folder().join("found").join(target)
}

fn folder() -> PathBuf {
    host::target_directory().join("fuzz")
}

impl Engine {
    /// Builds it; inside, why it cannot be built on this machine.
    pub(crate) fn build() -> Result<std::result::Result<Self, String>> {
        let compiler = env::var_os("CXX").map_or_else(|| program("c++"), |name| program(&name.to_string_lossy()));
        if compiler.is_none() {
            return Ok(Err(
                "libFuzzer is built by a C++ compiler, and there is no `c++`: apt-get install g++".to_owned()
            ));
        }
        let version = output_of("rustc", &["-vV"]).context("rustc -vV does not answer")?;
        let triple = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc -vV names no host")?;
        let mut cargo = host::cargo();
        cargo.args(["build", "--release", "--features", "engine", "--bin", "fuzz"]);
        // A target of its own, so that build scripts are not instrumented.
        cargo.args(["--target", triple]).current_dir(host::workspace().join("fuzz"));
        cargo.env("CARGO_TARGET_DIR", folder()).env("RUSTFLAGS", INSTRUMENTATION.join(" "));
        if !host::status(&mut cargo)?.success() {
            return Ok(Err("libFuzzer, or the targets with it, cannot be built here; cargo says why".to_owned()));
        }
        let may_fix = |setarch: &PathBuf| {
            Command::new(setarch)
                .args(["-R", "true"])
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
        };
        let setarch = program("setarch").filter(may_fix);
        Ok(Ok(Self { program: folder().join(triple).join("release/fuzz"), setarch }))
    }

    /// The names of the targets.
    pub(crate) fn targets(&self) -> Result<Vec<String>> {
        let output =
            Command::new(&self.program).output().with_context(|| format!("start {}", self.program.display()))?;
        let names: Vec<_> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
        if names.is_empty() {
            bail!("{} names no targets", self.program.display());
        }
        Ok(names)
    }

    /// Runs one input with our terminal; whether it did what inputs may.
    pub(crate) fn replay(&self, target: &str, input: &Path) -> Result<bool> {
        if !input.is_file() {
            bail!("there is no input {}", input.display());
        }
        Ok(host::status(Self::told(&mut Command::new(&self.program), target)?.arg(input))?.success())
    }

    /// Looks for inputs with our terminal; whether none did what none may.
    pub(crate) fn shown(&self, target: &str, found: &Path, limit: Limit) -> Result<bool> {
        Ok(host::status(&mut self.search(target, found, limit)?)?.success())
    }

    /// Looks for inputs, beginning with the kept ones alone.
    pub(crate) fn run(&self, target: &str, limit: Limit) -> Result<(Outcome, Duration)> {
        let work = folder().join("work").join(target);
        if work.exists() {
            fs::remove_dir_all(&work).with_context(|| format!("empty {}", work.display()))?;
        }
        let begun = Instant::now();
        let mut search = self.search(target, &work, limit)?;
        let output =
            search.stdin(Stdio::null()).output().with_context(|| format!("start {}", self.program.display()))?;
        let text = String::from_utf8_lossy(&output.stderr);
        let mut outcome = Outcome::read(&text);
        if !output.status.success() && outcome.failure.is_none() {
            outcome.failure = Some(format!("{}: {}", output.status, text.lines().last().unwrap_or_default()));
        }
        Ok((outcome, begun.elapsed()))
    }

    fn search(&self, target: &str, found: &Path, limit: Limit) -> Result<Command> {
        fs::create_dir_all(found).with_context(|| format!("make {}", found.display()))?;
        let kept = host::workspace().join("fuzz/corpus").join(target);
        let mut command;
        match limit {
            Limit::Time(time) => {
                command = Command::new(&self.program);
                command.arg(format!("-max_total_time={}", time.as_secs())).args([found, &kept]);
            }
            Limit::Runs(runs, time) => {
                command = self.repeatable();
                command.args([
                    format!("-runs={runs}"),
                    format!("-max_total_time={}", time.as_secs()),
                    "-seed=1".to_owned(),
                    // Else it looks now and then for what others have found.
                    "-reload=0".to_owned(),
                    format!("-seed_inputs={}", in_order(&kept)?),
                ]);
                command.arg(found);
            }
        }
        command.arg(format!("-max_len={LONGEST}"));
        Self::told(&mut command, target)?;
        Ok(command)
    }

    /// The program with the same addresses each time: what is compared with what leads it, and addresses are compared too.
    fn repeatable(&self) -> Command {
        let mut command = Command::new(self.setarch.as_ref().unwrap_or(&self.program));
        if self.setarch.is_some() {
            command.arg("-R").arg(&self.program);
        }
        // The stack begins behind it.
        command.env_clear();
        command
    }

    /// Says to the program what it is about, and where what it finds goes.
    fn told<'a>(command: &'a mut Command, target: &str) -> Result<&'a mut Command> {
        let crashes = folder().join("crashes").join(target);
        fs::create_dir_all(&crashes).with_context(|| format!("make {}", crashes.display()))?;
        command.env("TRACER_FUZZ_TARGET", target).env("RUST_BACKTRACE", "1");
        Ok(command.args([format!("-artifact_prefix={}/", crashes.display()), format!("-timeout={SLOWEST}")]))
    }
}

/// The files of a folder, as libFuzzer wants them: by name, as the folder's own order is another on each disk.
fn in_order(folder: &Path) -> Result<String> {
    let entries = fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    let names = entries.map(|entry| Ok(entry?.path().display().to_string())).collect::<Result<BTreeSet<_>>>()?;
    Ok(names.into_iter().collect::<Vec<_>>().join(","))
}

impl Outcome {
    /// Reads what libFuzzer prints.
    fn read(text: &str) -> Self {
        let mut outcome = Self::default();
        let (mut reason, mut panic) = (None, false);
        for line in text.lines() {
            if let Some((runs, edges)) = progress(line) {
                outcome.runs = outcome.runs.max(runs);
                outcome.after = outcome.after.max(edges);
                if line.contains("\tINITED") {
                    outcome.before = edges;
                }
            }
            if std::mem::take(&mut panic) {
                reason = Some(line.to_owned());
            }
            panic = line.starts_with("thread ") && line.contains(" panicked at ");
            if let Some((_, rest)) = line.split_once("ERROR: libFuzzer: ") {
                reason.get_or_insert_with(|| rest.to_owned());
            }
            if let Some((_, input)) = line.split_once("Test unit written to ") {
                outcome.failure = Some(format!("{}: {input}", reason.as_deref().unwrap_or("it failed")));
            }
        }
        outcome
    }
}

/// How many inputs were run, and the edges that they took: `#2000`, a tab, `DONE   cov: 10 ft: 10 …`.
fn progress(line: &str) -> Option<(u64, u64)> {
    let (runs, rest) = line.strip_prefix('#')?.split_once('\t')?;
    let (_, edges) = rest.split_once("cov: ")?;
    Some((runs.parse().ok()?, edges.split(' ').next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runs_and_the_edges_are_read_from_what_the_engine_prints() {
        let text = "INFO: Seed: 1\n#12\tINITED cov: 90 ft: 91 corp: 3/9b\n#200\tNEW    cov: 93 ft: 99 corp: 4/10b\n\
                    #2000\tDONE   cov: 95 ft: 99 corp: 4/10b lim: 4096\nDone 2000 runs in 0 second(s)\n";
        assert_eq!(Outcome::read(text), Outcome { runs: 2_000, before: 90, after: 95, failure: None });
    }

    #[test]
    fn a_failure_says_what_happened_and_where_the_input_is() {
        let text = "#12\tINITED cov: 90 ft: 91\nthread '<unnamed>' (7) panicked at src/tape.rs:4:5:\nattempt to add\n\
                    ==7== ERROR: libFuzzer: deadly signal\nartifact_prefix='x/'; Test unit written to x/crash-1\n";
        assert_eq!(Outcome::read(text).failure.as_deref(), Some("attempt to add: x/crash-1"));
        let slow = "==7== ERROR: libFuzzer: timeout after 20 seconds\nartifact_prefix='x/'; Test unit written to x/timeout-1\n";
        assert_eq!(Outcome::read(slow).failure.as_deref(), Some("timeout after 20 seconds: x/timeout-1"));
    }
}
