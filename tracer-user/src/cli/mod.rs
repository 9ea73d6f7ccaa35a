//! The command line: one file for each subcommand.
//!
//! Invariant: exit codes are those of the contract: 0 done, 1 deviations found, 2 could not run, 64 wrong usage.
//! Memory: the arguments.

mod alerts;
mod baseline;
mod check;
mod config;
mod doctor;
mod explain;
mod export;
mod observed;
mod options;
mod replay;
mod simulate;
mod watch;

use crate::console;
use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

const DEVIATIONS: u8 = 1;
const COULD_NOT_RUN: u8 = 2;
const WRONG_USAGE: u8 = 64;

/// Shows who calls whom on this host, what each call costs, and what is not as it was.
///
/// Run `sudo tracer watch` and look: services, the calls between them, their rates, latencies and errors, with no
/// change to any program. Learn what is normal with `tracer baseline learn`, then watch for what is not.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 110)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Watch(watch::Watch),
    Replay(replay::Replay),
    Baseline(baseline::Baseline),
    Check(check::Check),
    Export(export::Export),
    Config(config::Config),
    Alerts(alerts::Alerts),
    Simulate(simulate::Simulate),
    Doctor(doctor::Doctor),
}

/// Runs the command that was asked for.
pub(crate) fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are answers, not errors. A closed standard output changes nothing about either.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(WRONG_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match run(arguments.command) {
        Ok(code) => code,
        Err(error) => {
            // One line, whatever the kernel's verifier had to say.
            let reason = format!("{error:#}");
            let lines: Vec<&str> = reason.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
            console::say(&format!("tracer: {}", lines.join(" ")));
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Watch(command) => command.run(),
        Command::Replay(command) => command.run(),
        Command::Baseline(command) => command.run(),
        Command::Check(command) => command.run(),
        Command::Export(command) => command.run(),
        Command::Config(command) => command.run(),
        Command::Alerts(command) => command.run(),
        Command::Simulate(command) => command.run(),
        Command::Doctor(command) => command.run(),
    }
}
