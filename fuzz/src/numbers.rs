//! Numbers that look like chance and are the same for the same input.
//!
//! Invariant: as xorshift64*, seeded by a hash (FNV-1a) of the input. Memory: one number.

#[derive(Clone, Debug)]
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn of(input: &[u8]) -> Self {
        let hash = input
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
        Self(hash | 1)
    }

    pub(crate) fn hash(&self) -> u64 {
        self.0
    }

    /// One from 1 to `most`.
    pub(crate) fn upto(&mut self, most: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        1 + usize::try_from(number).unwrap_or(0) % most.max(1)
    }
}
