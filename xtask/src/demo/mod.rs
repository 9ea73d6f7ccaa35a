//! A small real system to look at, and the scripted demo of `tracer` on top of it.
//!
//! ```text
//! load.py ──► nginx ──► api.py ──┬─► redis-server
//!                                └─► postgres
//! ```
//!
//! Everything listens on 127.0.0.1 only, on ports below the ephemeral range, with its data and logs in one private
//! folder. [`Stack`] starts it for tests, [`run`] is `cargo xtask demo`.
//!
//! Invariant: whatever way a [`Stack`] ends (stopped, dropped, its thread ended or killed), its processes end with it;
//! only after SIGKILL the private folder stays.
//! Readiness is read from the kernel and from files, never by connecting, so the only traffic is the traffic asked for.
//! Memory: one small record for each server.

mod account;
mod arguments;
mod checks;
mod expect;
mod faults;
mod interrupt;
mod load;
mod ports;
mod postgres;
mod programs;
mod report;
mod scenario;
mod server;
mod stack;
mod tracer;
mod wait;
mod watch;
mod workshop;

pub use load::{LoadHandle, LoadLatency, LoadReport};
pub use scenario::run;
pub use server::Server;
pub use stack::{Options, Place, Proxy, Stack};
