//! `tracer doctor`: what works on this host, and what to do about what does not.
//!
//! Invariant: everything said was tried just now. Memory: none.

use super::explain;
use crate::bpf::features;
use crate::config::{self, Given, Places};
use crate::console;
use anyhow::Result;
use clap::Args;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Try everything the tracer needs, and say what works here
#[derive(Args, Debug)]
pub(super) struct Doctor {
    /// Say instead what a process is called, and which rule of naming says so
    #[arg(long, value_name = "PID")]
    explain: Option<u32>,

    /// The configuration, with your own names for services
    #[arg(long, value_name = "FILE", requires = "explain")]
    config: Option<PathBuf>,
}

impl Doctor {
    pub(super) fn run(self) -> Result<ExitCode> {
        if let Some(pid) = self.explain {
            let configuration = config::load(&Places::live(self.config, Given::new()))?;
            console::print(&explain::explain(pid, configuration.rules().clone())?)?;
            return Ok(ExitCode::SUCCESS);
        }
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
