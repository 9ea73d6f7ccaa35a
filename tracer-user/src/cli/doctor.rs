//! `tracer doctor`: what works on this host, and what to do about what does not.
//!
//! Invariant: everything said was tried just now. Memory: none.

use crate::bpf::features;
use crate::console;
use anyhow::Result;
use clap::Args;
use std::fmt::Write as _;
use std::process::ExitCode;

/// Try everything the tracer needs, and say what works here
#[derive(Args, Debug)]
pub(super) struct Doctor {}

impl Doctor {
    pub(super) fn run(self) -> Result<ExitCode> {
        let checks = features::checks();
        let mut text = String::new();
        let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
        for check in &checks {
            let (mark, found) = match &check.found {
                Ok(found) => ("ok  ", found.clone()),
                Err(error) if check.essential => ("FAIL", format!("{error:#}")),
                Err(error) => ("warn", format!("{error:#}")),
            };
            writeln!(text, "{mark}  {:width$}  {found}", check.name)?;
        }
        let failed = checks.iter().any(|check| check.essential && check.found.is_err());
        let limited = checks.iter().any(|check| check.found.is_err());
        text.push_str(match (failed, limited) {
            (true, _) => "\nThe tracer cannot run here; see FAIL above.\n",
            (false, true) => "\nThe tracer runs here, with the limits that are marked warn.\n",
            (false, false) => "\nThe tracer runs here with everything it has.\n",
        });
        console::print(&text)?;
        Ok(if failed { ExitCode::from(super::COULD_NOT_RUN) } else { ExitCode::SUCCESS })
    }
}
