//! Synthetic inputs: what the kernel programs would write, without a kernel. The source of inputs for tests and
//! benchmarks.
//!
//! `records` makes single records; `socket` follows one socket as the kernel programs do, `connection` joins two of
//! them, and `host` keeps many, so that totals, phases and sequence numbers are those that a real host would show;
//! `day` lets twelve services run from midnight to midnight, with all that goes wrong.
//! Invariant: every record has the right kind and length, and the same calls give the same bytes. What is not
//! simulated: resets, retransmits, sends overtaken by their answers, and which exchange caused which.
//! Memory: the caller's vector of inputs.

mod connection;
pub mod day;
mod dice;
mod host;
mod records;
mod socket;

pub use connection::{Connection, Timing};
pub use dice::Dice;
pub use host::{Host, Size, named};
pub use records::{NETNS, exchange, exec, input, process, reversed, said, said_in, socket, tuple};
pub use socket::SimSocket;
