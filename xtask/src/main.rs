//! What a developer or a newcomer runs: `cargo xtask …`.
//!
//! Invariant: this file only lists what there is; each subcommand is one module. Memory: none.
#![expect(clippy::print_stdout, reason = "the results of a task go to standard output, its progress to standard error")]

mod bench;
mod build;
mod coverage;
mod demonstrate;
mod fuzz;
mod host;
mod protocols;
mod sample;
mod setup;
mod soak;
mod test;
mod vm;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The tasks of the tracer project", version = None)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what building needs and this machine lacks
    Setup(setup::Options),
    /// Build the kernel programs and the `tracer` binary
    Build(build::Options),
    /// Build, then run `tracer watch` as root
    Watch(watch::Options),
    /// Show the tracer on a small real system, with a call that nobody expects
    Demo(demonstrate::Options),
    /// Run every check and every test
    Test(test::Options),
    /// Write or check docs/coverage.md from what the live tests have shown
    Coverage(coverage::Options),
    /// Write or check docs/protocols.md from the parsers and their tests
    Protocols(protocols::Options),
    /// Look for bytes that do what no bytes may, with libFuzzer
    Fuzz(fuzz::Options),
    /// Watch a host on which processes and connections come and go, for long: what the tracer takes must not grow
    Soak(soak::Options),
    /// A process of the soak
    #[command(hide = true)]
    SoakWork(soak::work::Options),
    /// Try the tracer on other kernels, in guests
    Vm(vm::Options),
    /// Measure what the tracer costs
    Bench(bench::Options),
    /// A load of the measurements
    #[command(hide = true)]
    BenchWork(bench::work::Options),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Setup(options) => setup::run(&options).map(|()| ExitCode::SUCCESS),
        Task::Build(options) => build::run(&options).map(|_| ExitCode::SUCCESS),
        Task::Watch(options) => watch::run(&options),
        Task::Demo(options) => demonstrate::run(&options).map(|()| ExitCode::SUCCESS),
        Task::Test(options) => test::run(&options),
        Task::Coverage(options) => coverage::run(&options).map(|()| ExitCode::SUCCESS),
        Task::Protocols(options) => protocols::run(&options).map(|()| ExitCode::SUCCESS),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Soak(options) => soak::run(&options),
        Task::SoakWork(options) => soak::work::run(&options),
        Task::Vm(options) => vm::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::BenchWork(options) => bench::work::run(&options),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
