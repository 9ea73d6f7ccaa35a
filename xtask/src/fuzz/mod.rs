//! `cargo xtask fuzz`: looks for bytes that do what no bytes may, with libFuzzer and the targets of `fuzz/`.
//!
//! Invariant: what a run finds stays below the folder of build output until somebody keeps it; `fuzz/corpus` is written by
//! `--seeds` alone. Memory: the engine's, of which there is one process for each target.

pub(crate) mod engine;
pub(crate) mod short;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::host;
use engine::{Engine, Limit};

#[derive(clap::Args)]
#[command(after_help = "\
Without a target, names them. An input that does what none may is left in target/fuzz/crashes; once it is understood and
mended, keep it as fuzz/corpus/TARGET/found-NAME: cargo xtask test runs whatever is there.

Examples:
  cargo xtask fuzz redis --for 10m        goes on from what earlier runs found (target/fuzz/found/redis)
  cargo xtask fuzz --all                  as cargo xtask test does, in less than a minute
  cargo xtask fuzz redis crash-5f3a…      runs one input, and shows where it panics
  cargo xtask fuzz --seeds                after a change of tests/wire")]
pub(crate) struct Options {
    /// What to run: a protocol, or one of the others
    target: Option<String>,
    /// Run this input and no other
    input: Option<PathBuf>,
    /// How long, such as 30s, 10m or 2h
    #[arg(long = "for", value_name = "TIME", value_parser = duration, default_value = "1m")]
    time: Duration,
    /// Look for a few seconds with every target, as `cargo xtask test` does
    #[arg(long, conflicts_with_all = ["target", "input", "seeds"])]
    all: bool,
    /// Write the seeds in fuzz/corpus, made of the tests' conversations
    #[arg(long, conflicts_with_all = ["target", "input"])]
    seeds: bool,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if options.seeds {
        host::run(corpora().env("TRACER_BLESS", "1"))?;
        eprintln!("written: fuzz/corpus");
        return Ok(ExitCode::SUCCESS);
    }
    let engine = match Engine::build()? {
        Ok(engine) => engine,
        Err(obstacle) => bail!("{obstacle}"),
    };
    if options.all {
        let (_, failures) = short::run(&engine)?;
        return Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let Some(target) = &options.target else {
        for name in engine.targets()? {
            println!("{name}");
        }
        return Ok(ExitCode::SUCCESS);
    };
    let targets = engine.targets()?;
    if !targets.contains(target) {
        bail!("there is no target `{target}`; there are {}", targets.join(", "));
    }
    let is_good = match &options.input {
        Some(input) => engine.replay(target, &given(input))?,
        None => engine.shown(target, &engine::found(target), Limit::Time(options.time))?,
    };
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The test that runs every kept input, which needs no engine.
pub(crate) fn corpora() -> std::process::Command {
    let mut cargo = host::cargo();
    cargo.arg("test").current_dir(host::workspace().join("fuzz"));
    // Most of it is what the other tests have built already.
    cargo.env("CARGO_TARGET_DIR", host::target_directory());
    cargo
}

/// As it was typed, or in the workspace.
fn given(input: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default().join(input);
    if here.exists() { here } else { host::workspace().join(input) }
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time such as 30s, 10m or 2h");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err(wrong()),
    };
    let number: u32 = number.parse().map_err(|_| wrong())?;
    let time = Duration::from_secs(u64::from(number) * seconds);
    if time.is_zero() { Err(wrong()) } else { Ok(time) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_number_and_a_unit() {
        assert_eq!(duration("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        for wrong in ["", "m", "10", "0s", "-1s", "1.5h", "1ü"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
