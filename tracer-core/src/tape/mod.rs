//! The tape: a file of inputs, from which a run can be replayed exactly, without root and without the host.
//!
//! A tape is private data. It holds what the tracer found out about processes: names, command lines, users, and the
//! addresses that they talked to; command lines can hold passwords. Bytes that programs sent to each other are never
//! in it. Whoever writes one to a file should make the file readable by its owner alone.
//! Invariant: reading gives the very inputs that were written, in order, up to the end of the tape or the first
//! damaged byte; never a different input. Memory: one frame, see [`FRAME_BYTES`].

mod error;
mod format;
mod header;
mod reader;
mod writer;

pub use error::TapeError;
pub use format::{FRAME_BYTES, MAGIC, VERSION};
pub use header::{SCHEMA, TapeHeader};
pub use reader::{Ending, Reader};
pub use writer::Writer;
