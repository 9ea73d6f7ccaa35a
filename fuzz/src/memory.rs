//! How much memory a target takes.
//!
//! Invariant: counted is what was asked for, also where it is never touched, so that a length which the peer only claims
//! shows. It is counted for the whole process: targets run one after the other. Memory: two numbers.

use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// Runs `work`, which may hold no more than `most` bytes at once beyond what was held before.
///
/// # Panics
/// When it does.
pub fn within<T>(most: usize, work: impl FnOnce() -> T) -> T {
    ALLOCATED.reset_peak_usage();
    let before = held();
    let value = work();
    let taken = ALLOCATED.peak_usage().saturating_sub(before);
    assert!(taken <= most, "{taken} bytes were held at once, the most is {most}");
    value
}

/// Bytes that are held now.
pub fn held() -> usize {
    ALLOCATED.current_usage()
}
