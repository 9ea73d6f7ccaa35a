//! The `tracer` command.
//!
//! Follow one event: `bpf` takes it out of the kernel, `source` delivers it, `run` hands it to the core and what
//! follows from it to a `console`; `cli` decides what is wanted, `facts` answers what the core asks.
//! Invariant: this file only lists what there is. Memory: none.

mod bpf;
mod cli;
mod clock;
mod command;
mod config;
mod console;
mod cost;
mod facts;
mod files;
mod listen;
mod memory;
mod recording;
mod run;
mod sink;
mod source;
mod stop;
mod tui;

fn main() -> std::process::ExitCode {
    memory::prepare();
    cli::main()
}
