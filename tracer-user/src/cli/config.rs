//! `tracer config`: what holds and why, and what there is.
//!
//! Invariant: shows what `watch` with the same options would use, by the same code. Memory: the file.

use super::watch::Watch;
use crate::config::{self, reference, show};
use crate::console;
use anyhow::Result;
use clap::{Args, Subcommand};
use std::process::ExitCode;

/// Show the configuration, and where each value comes from
#[derive(Args, Debug)]
pub(super) struct Config {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print every key, its value and where that comes from; takes the options of `tracer watch`
    #[command(after_help = "\
Examples:
  tracer config show                                    what `tracer watch` would use
  tracer config show --config new.toml                  whether a new file can be used, before SIGHUP
  tracer config show --window 2s                        which of command line, environment and file counts")]
    Show(Box<Watch>),
    /// Print what each key means, as Markdown
    Reference,
}

impl Config {
    pub(super) fn run(self) -> Result<ExitCode> {
        match self.command {
            Command::Show(watch) => console::print(&show::table(&config::load(&watch.places())?))?,
            Command::Reference => console::print(&reference::page())?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
