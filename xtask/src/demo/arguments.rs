//! The options of `cargo xtask demo`.
//!
//! Invariant: every option is either understood or refused by name. Memory: a few paths.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// What `--help` prints, and every refusal refers to.
pub(super) const USAGE: &str = "\
cargo xtask demo [--seconds N] [--faults] [--out DIR] [--tracer FILE] [--keep]

Starts a small real system (load client, nginx, a Python service, Redis, PostgreSQL), learns its baseline with tracer,
watches it while an unexpected call happens, and checks what tracer found.

  --seconds N    how long to watch (default 20, at least 14)
  --faults       also freeze Redis, delay answers and stop PostgreSQL, and check that each is noticed
  --out DIR      where the graphs, the tape and the baseline go (default target/demo)
  --tracer FILE  the tracer to use (default: the newest of target/release and target/debug)
  --keep         leave the private folder with the logs of all servers";

/// The shortest watch in which load, the unexpected call and the last window have room.
const LEAST_SECONDS: u64 = 14;

/// The options, checked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Arguments {
    pub(super) watch: Duration,
    pub(super) faults: bool,
    pub(super) keep: bool,
    pub(super) help: bool,
    pub(super) out: Option<PathBuf>,
    pub(super) tracer: Option<PathBuf>,
}

impl Arguments {
    pub(super) fn parse(words: &[String]) -> Result<Self> {
        let mut arguments =
            Self { watch: Duration::from_secs(20), faults: false, keep: false, help: false, out: None, tracer: None };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value\n\n{USAGE}"));
            match word.as_str() {
                "--faults" => arguments.faults = true,
                "--keep" => arguments.keep = true,
                "--help" | "-h" => arguments.help = true,
                "--out" => arguments.out = Some(value()?.into()),
                "--tracer" => arguments.tracer = Some(value()?.into()),
                "--seconds" => {
                    let text = value()?;
                    match text.parse() {
                        Ok(seconds) if seconds >= LEAST_SECONDS => arguments.watch = Duration::from_secs(seconds),
                        _ => bail!("--seconds {text}: a whole number from {LEAST_SECONDS} is needed\n\n{USAGE}"),
                    }
                }
                _ => bail!("{word} is not an option of the demo\n\n{USAGE}"),
            }
        }
        Ok(arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments> {
        Arguments::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn all_options_are_understood() {
        let arguments = parse("--seconds 30 --faults --keep --out a/b --tracer t").unwrap();
        assert_eq!(arguments.watch, Duration::from_secs(30));
        assert!(arguments.faults && arguments.keep && !arguments.help);
        assert_eq!((arguments.out, arguments.tracer), (Some("a/b".into()), Some("t".into())));
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        for (line, name) in [("--nonsense", "--nonsense"), ("--out", "--out"), ("--seconds 3", "--seconds 3")] {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
        }
    }
}
