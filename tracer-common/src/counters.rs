//! What every hook counts about itself, per CPU.
//!
//! Invariant, for each site when the host is quiet: `seen = filtered + tracked + map_full`, and
//! `emitted = submitted + spilled + ring_full`. Memory: one [`Counters`] for each CPU.

abi! {
    /// Figures of one hook.
    pub struct SiteCounters: 72 {
        /// Times the hook ran.
        pub seen: u64,
        /// Not ours: another protocol family, no data, a peek.
        pub filtered: u64,
        /// Reached the state of a socket or process.
        pub tracked: u64,
        /// No state could be made for the socket.
        pub map_full: u64,
        /// Records that should be sent.
        pub emitted: u64,
        /// Records handed to user space.
        pub submitted: u64,
        /// Records that found the ring full and were kept aside for the reader instead.
        pub spilled: u64,
        /// Records that found the ring full: lost.
        pub ring_full: u64,
        /// Kernel or user memory could not be read; the field concerned is empty.
        pub read_fault: u64,
    }
}

/// Indices into [`Counters::sites`].
#[derive(Debug)]
pub struct Site;

impl Site {
    pub const SEND: usize = 0;
    pub const RECEIVE: usize = 1;
    pub const STATE: usize = 2;
    pub const RESET_SENT: usize = 3;
    pub const RESET_RECEIVED: usize = 4;
    pub const RETRANSMIT: usize = 5;
    pub const EXEC: usize = 6;
    pub const CENSUS: usize = 7;
    pub const SNAPSHOT: usize = 8;
    pub const DESTROY: usize = 9;
    pub const ADDRESS: usize = 10;
    pub const FLOWS: usize = 11;
    pub const FORK: usize = 12;
    pub const COUNT: usize = 13;
    /// Names, in the order of the indices.
    pub const NAMES: [&'static str; Self::COUNT] = [
        "send",
        "receive",
        "state",
        "reset sent",
        "reset received",
        "retransmit",
        "exec",
        "census",
        "snapshot",
        "destroy",
        "address",
        "flows",
        "fork",
    ];
}

abi! {
    /// The figures of all hooks on one CPU.
    pub struct Counters: 936 {
        pub sites: [SiteCounters; Site::COUNT],
    }
}
