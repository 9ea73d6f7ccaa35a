//! Building the kernel programs: the part of the tasks that `tracer-user`'s build script shares.
//!
//! `toolchain` finds a compiler and linker for the BPF target, `bpf_object` runs them.
//! Invariant: nothing here installs anything. Memory: a few paths and one command's output at a time.

pub mod bpf_object;
pub mod toolchain;
