//! Where something was measured: the machine, its kernel, the day and the commit.
//!
//! Invariant: what cannot be found out is an error, but for the processor's name. Memory: a few words.

use std::fmt;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::host;

/// A machine, at a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Machine {
    pub(super) machine: String,
    pub(super) cores: usize,
    pub(super) kernel: String,
    pub(super) date: String,
    pub(super) commit: String,
}

impl Machine {
    /// This one, now.
    pub(super) fn this() -> Result<Self> {
        Ok(Self {
            machine: processor(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: said("uname", &["-r"])?,
            date: said("date", &["--utc", "+%Y-%m-%d"])?,
            commit: said("git", &["rev-parse", "--short", "HEAD"])?,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { machine, cores, kernel, date, commit } = self;
        write!(f, "{machine}, {cores} cores, Linux {kernel}, {date}, commit `{commit}`")
    }
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| "a processor without a name".to_owned(), |(_, name)| name.to_owned())
}

fn said(name: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(name).args(arguments).current_dir(host::workspace()).output();
    let output = output.with_context(|| format!("starting {name}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
