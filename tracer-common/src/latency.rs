//! Latencies as the kernel programs count them for a busy socket.
//!
//! Invariant: buckets are those of an HDR histogram with seven bits below the leading one, the same that user space keeps,
//! so a latency is known as exactly as if it had been told by itself; what lies outside them is told by itself.
//! Memory: [`LatencySlot::COUNT`] slots.

abi! {
    /// The latencies of one socket since it became busy. Only grows until user space clears it for another socket.
    pub struct LatencySlot: 10256 {
        /// The socket's cookie; 0 while the slot is free.
        pub cookie: u64,
        /// Nanoseconds.
        pub sum: u64,
        pub counts: [u32; LatencySlot::BUCKETS],
    }
}

impl LatencySlot {
    /// How many sockets can be busy at once; the others have each exchange told by itself.
    pub const COUNT: usize = 512;
    /// Bits of a value below its leading one that tell buckets apart.
    pub const SUB_BUCKET_BITS: u32 = 7;
    /// From here: 1.024 µs.
    pub const LOWEST: u64 = 1 << 10;
    /// To below here: 1.07 s.
    pub const LIMIT: u64 = 1 << 30;
    /// The number of the first bucket among those for all of `u64`.
    pub const FIRST: usize = Self::index(Self::LOWEST);
    pub const BUCKETS: usize = Self::index(Self::LIMIT) - Self::FIRST;

    /// The bucket of a value among those for all of `u64`.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "eight bits are left of the value, and there are 7,424 buckets"
    )]
    pub const fn index(value: u64) -> usize {
        let shift = (value | 1 << Self::SUB_BUCKET_BITS).ilog2() - Self::SUB_BUCKET_BITS;
        ((shift as usize) << Self::SUB_BUCKET_BITS) + (value >> shift) as usize
    }
}
