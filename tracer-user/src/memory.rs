//! How the allocator takes memory from the kernel, and gives it back.
//!
//! glibc makes an arena for each thread, and once a large block was freed it takes such blocks from the heap as well, where
//! what grows leaves holes behind. Both cost a tracer of 10,000 calls a fifth of its memory; jemalloc and mimalloc take more
//! still. So there is one arena, and large blocks are always mapped by themselves: a table that grows moves without
//! being copied, and a buffer is given back with its last use. Invariant: nothing but where memory comes from
//! changes. Memory: none.
#![allow(unsafe_code, reason = "calls of the C library that no crate offers; each with its reason")]

/// Bytes from which on a block is mapped by itself, and that the heap may keep free at its end.
#[cfg(target_env = "gnu")]
const LARGE: libc::c_int = 128 << 10;

/// To be called before there is a second thread.
pub(crate) fn prepare() {
    #[cfg(target_env = "gnu")]
    for (parameter, value) in [(libc::M_ARENA_MAX, 1), (libc::M_MMAP_THRESHOLD, LARGE), (libc::M_TRIM_THRESHOLD, LARGE)]
    {
        // SAFETY: it has no preconditions; an unknown parameter changes nothing.
        unsafe {
            libc::mallopt(parameter, value);
        }
    }
}

/// Gives back what is free, whole pages in the middle of the heap as well: some milliseconds for a large one.
pub(crate) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it has no preconditions; it returns free memory to the kernel.
    unsafe {
        libc::malloc_trim(0);
    }
}
