//! Programs that do nothing, at the trace points of the tracer: what a hook costs on this machine before it has done
//! anything. (bpftrace reaches trace points by perf events, which cost several times as much.)
//!
//! Invariant: whoever asks for them holds them until it ends, and they are gone with it. Memory: none.
#![expect(unsafe_code, reason = "bpf(2) has no wrapper without a library of its own")]

use std::ffi::CString;
use std::io::Error;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::libc;
use signal_hook::consts::{SIGINT, SIGTERM};

/// Those that a request on TCP and its connection run (`tracer-user/src/bpf/hooks.rs`).
const TRACE_POINTS: [&str; 4] = ["sock_send_length", "sock_recv_length", "inet_sock_set_state", "tcp_destroy_sock"];

/// `r0 = 0; exit` (include/uapi/linux/bpf.h, `struct bpf_insn`).
const PROGRAM: [u64; 2] = [0xb7, 0x95];

/// Commands and the type of a program (`enum bpf_cmd`, `enum bpf_prog_type`).
const PROG_LOAD: libc::c_int = 5;
const RAW_TRACEPOINT_OPEN: libc::c_int = 17;
const RAW_TRACEPOINT: u32 = 17;

/// The beginning of `union bpf_attr` for `BPF_PROG_LOAD`.
#[repr(C)]
struct Load {
    kind: u32,
    instructions: u32,
    first: u64,
    license: u64,
}

/// The same for `BPF_RAW_TRACEPOINT_OPEN`.
#[repr(C)]
struct Open {
    name: u64,
    program: u32,
    padding: u32,
}

/// Attaches them, says so, and waits for a signal.
pub(super) fn run() -> Result<()> {
    let load = Load {
        kind: RAW_TRACEPOINT,
        instructions: u32::try_from(PROGRAM.len())?,
        first: PROGRAM.as_ptr().addr() as u64,
        license: c"GPL".as_ptr().addr() as u64,
    };
    let program = bpf(PROG_LOAD, &load).context("loading a program that does nothing")?;
    let mut attached = Vec::new();
    for name in TRACE_POINTS {
        let text = CString::new(name)?;
        let open = Open { name: text.as_ptr().addr() as u64, program: u32::try_from(program.as_raw_fd())?, padding: 0 };
        attached.push(bpf(RAW_TRACEPOINT_OPEN, &open).with_context(|| format!("attaching to {name}"))?);
    }
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("cannot handle SIGINT and SIGTERM")?;
    }
    println!("attached to {} trace points", attached.len());
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// bpf(2) for a command that makes a descriptor.
fn bpf<T>(command: libc::c_int, attributes: &T) -> Result<OwnedFd> {
    // SAFETY: the kernel reads `size_of::<T>()` bytes of `attributes`, takes what is missing of its own structure for
    // zero, and reads what they point to, which outlives the call; it writes nothing.
    let made = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attributes), size_of::<T>()) };
    let descriptor = libc::c_int::try_from(made)?;
    if descriptor < 0 {
        return Err(Error::last_os_error()).context("bpf(2)");
    }
    // SAFETY: the kernel has just made it for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
