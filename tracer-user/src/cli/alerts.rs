//! `tracer alerts`: whether alerts arrive, and what fires.
//!
//! Invariant: reads the configuration as `watch` does; shows no secret. Memory: the configuration, or what fires.

use super::COULD_NOT_RUN;
use crate::config::{self, Configuration, Given, Places};
use crate::console;
use crate::sink::alerts::{self, state, terminal};
use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use tracer_core::escape::printable;

/// Try where alerts go; show what fires
#[derive(Args, Debug)]
pub(super) struct Alerts {
    #[command(subcommand)]
    command: Command,

    /// The configuration, TOML [default: /etc/tracer/tracer.toml if it is there]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Send a sample alert, and its end, to every sink, and tell how each went
    #[command(after_help = "\
Examples:
  tracer alerts test                                    every [[sink]] of /etc/tracer/tracer.toml
  tracer alerts test --config new.toml                  before a new configuration is put in force

The alert is of the kind `test`; it passes every filter and is kept nowhere. Exit code: 0 when every sink has taken it,
2 when one has not.")]
    Test,
    /// Show the alerts that fire, each with its evidence on one screen
    #[command(after_help = "\
Examples:
  sudo tracer alerts show                               all that fire
  sudo tracer alerts show 3f2a                          those whose id begins so

They are read from where a tracer keeps them: `directory` in [alerts]; the last line says when it wrote them. It writes
what begins and what ends, and once a minute while something fires. Exit code: 2 when what fires is not known.")]
    Show {
        /// The beginning of an id
        id: Option<String>,
    },
}

impl Alerts {
    pub(super) fn run(self) -> Result<ExitCode> {
        let configuration = config::load(&Places::live(self.config, Given::new()))?;
        match self.command {
            Command::Test => test(&configuration),
            Command::Show { id } => show(&configuration, id.as_deref().unwrap_or_default()),
        }
    }
}

fn test(configuration: &Configuration) -> Result<ExitCode> {
    let sinks = configuration.sinks();
    if sinks.is_empty() {
        console::print(
            "No [[sink]] is configured: alerts are shown where `tracer watch` runs, and told to nobody else.\n",
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut failed = false;
    for sink in sinks {
        let result = match alerts::test(sink) {
            None => "shows alerts where `tracer watch` runs".to_owned(),
            Some(Ok(())) => "ok".to_owned(),
            Some(Err(error)) => {
                failed = true;
                format!("FAILED: {}", printable(&format!("{error:#}"), 400))
            }
        };
        console::print(&format!("{:<20} {:<13} {result}\n", sink.name, sink.kind.name))?;
    }
    Ok(if failed { ExitCode::from(COULD_NOT_RUN) } else { ExitCode::SUCCESS })
}

fn show(configuration: &Configuration, id: &str) -> Result<ExitCode> {
    let folder = configuration.alert_directory();
    let folder = folder.context("what fires is kept nowhere: set `directory` in [alerts] of the configuration")?;
    let found = state::read(&folder)?;
    if let Some(trouble) = &found.trouble {
        console::say(&format!("warning: {trouble}"));
    }
    let alerts: Vec<String> =
        found.alerts.iter().filter(|alert| alert.id.starts_with(id)).map(terminal::screen).collect();
    let as_of = found.saved.as_deref().map(|saved| format!("as of {}", printable(saved, 40)));
    let (text, code) = match (alerts.is_empty(), found.trouble, as_of) {
        (false, _, Some(as_of)) => {
            let ending = if alerts.len() == 1 { "" } else { "s" };
            (format!("{}\n{} alert{ending}, {as_of}\n", alerts.join("\n"), alerts.len()), 0)
        }
        (true, None, Some(as_of)) if id.is_empty() => (format!("Nothing fires, {as_of}\n"), 0),
        (true, None, Some(as_of)) => (format!("Nothing that fires has an id that begins so, {as_of}\n"), 0),
        (true, None, None) => bail!("{}: no tracer has kept anything there yet", folder.display()),
        _ => ("What fires is not known.\n".to_owned(), COULD_NOT_RUN),
    };
    console::print(&text)?;
    Ok(ExitCode::from(code))
}
