//! From the two ends of connections to exchanges seen from both sides.
//!
//! Invariant: what happened on a connection is counted once, from one end, whatever order the ends' records come in.
//! Memory: bounded by `limits::CONNECTIONS`.

pub mod closing;
pub mod connection;
pub mod connections;
pub mod joining;
pub mod overlap;
pub mod pairing;
mod said;
pub mod speech;

pub use closing::Closing;
pub use connection::{Connection, End, Episode, Side};
pub use connections::{ConnectionId, Connections};
pub use overlap::Overlaps;
pub use pairing::{Half, Pairing, Sample};
pub use speech::{Said, Speech, Told};
