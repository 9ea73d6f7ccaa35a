//! The parts of the tasks that others use: `tracer-user`'s build script and tests.
//!
//! `toolchain` finds a compiler and linker for the BPF target, `bpf_object` runs them; `demo` is a small real system.
//! Invariant: nothing here installs anything. Memory: a few paths and one command's output at a time.

pub mod bpf_object;
#[cfg(feature = "demo")]
pub mod demo;
pub mod toolchain;
