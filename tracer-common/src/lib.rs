//! The ABI between the kernel programs and user space, and nothing else.
//!
//! Invariant: every type here is `repr(C)`, made of fixed-width integers and byte arrays, without implicit
//! padding, and its size is asserted at compile time; both sides are built from this one file set.
//! Memory: nothing here allocates.
#![no_std]

#[macro_use]
mod layout;

pub mod counters;
pub mod kernel;
pub mod latency;
pub mod record;
pub mod socket;

pub use counters::{Counters, Site, SiteCounters};
pub use kernel::{Cast, Census, Control, Detail, ListenerKey, Offsets, Reader, Settings, SystemCall};
pub use latency::LatencySlot;
pub use record::{
    ExchangeRecord, ExecRecord, FlowRecord, ForkRecord, Header, PayloadRecord, RecordKind, SocketCause, SocketRecord,
    StreamHead,
};
pub use socket::{
    Capture, Choice, Exchange, FlowKey, FlowState, Phase, ProcessId, Role, SocketFlags, SocketState, Totals,
    TransportKind, Tuple,
};
