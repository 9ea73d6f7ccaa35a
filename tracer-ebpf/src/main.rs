//! The kernel programs of the tracer: thin hooks without policy.
//!
//! Follow one event: a hook (`input_output`, `life_cycle`, `process`) finds the socket's state (`socket` for TCP, `flow`
//! for `datagram` and `local` sockets), moves the exchange on (`exchange`) and emits records (`emit`). `census` and `iterate` hold the programs that user space
//! runs to look at all sockets. `kernel` reads kernel structures, `maps` holds everything shared with user space.
//! Invariant: a program never waits, loops only a bounded number of times and never fails the traced process.
//! Memory: bounded by `maps`.
#![no_std]
#![no_main]
// The atomic additions of `exchange` need assembly for this target.
#![feature(asm_experimental_arch)]

mod answer;
mod batch;
mod call;
mod census;
mod datagram;
mod emit;
mod exchange;
mod flow;
mod input_output;
mod iterate;
mod kernel;
mod latency;
mod life_cycle;
mod local;
mod maps;
mod payload;
mod process;
mod socket;
#[cfg(feature = "system-calls")]
mod system_call;

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: the build has no path that panics; the verifier refuses a program in which this is reachable.
    unsafe { core::hint::unreachable_unchecked() }
}

// Licence of the kernel programs as the kernel asks for it: helpers such as `bpf_probe_read_user` are GPL-only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
