//! From kernel records to a call graph, its anomalies and its alerts.
//!
//! Follow one event: bytes enter as an [`Input`], `decode` makes a record of them, `identity` names the process,
//! `exchange` joins the two ends of its connection, `graph` adds to the call, `baseline` and `detect` judge it,
//! `alert` raises what is to be told, `export` writes the graph. `engine` wires them; `tape` stores the inputs.
//! Invariant: no I/O, no clock, no thread, no randomness: the same inputs give the same outputs, byte for byte.
//! Memory: every table has a cap and counts what it dropped; see `limits`.
#![forbid(unsafe_code)]

pub mod alert;
pub mod baseline;
pub mod budget;
pub mod check;
pub mod decode;
pub mod detect;
pub mod engine;
pub mod escape;
pub mod exchange;
pub mod export;
pub mod graph;
pub mod identity;
pub mod input;
pub mod limits;
pub mod protocol;
pub mod sim;
pub mod tape;
pub mod time;

pub use engine::Engine;
pub use input::{Input, Output};
