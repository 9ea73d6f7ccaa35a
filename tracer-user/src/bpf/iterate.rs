//! Running the iterator programs: the census and the snapshot of all sockets.
//!
//! Invariant: each run reads the iterator to its end. Memory: one buffer of 64 KiB.

use anyhow::{Context as _, Result};
use aya::programs::Iter;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};

const BPF_ITER_CREATE: libc::c_long = 33;
const BPF_LINK_CREATE: libc::c_long = 28;
const BPF_TRACE_ITER: u32 = 28;

/// Bytes of the shortest piece that an iterator writes.
const SHORTEST: usize = 8;

/// The length of a record, as its header says (`tracer_common::Header`).
pub(crate) fn record_length(record: &[u8]) -> usize {
    match record {
        [_, _, low, high, ..] => usize::from(u16::from_ne_bytes([*low, *high])),
        _ => usize::MAX,
    }
}

/// An attached iterator over one map or over all of something.
#[derive(Debug)]
pub(crate) struct Iterator {
    link: OwnedFd,
}

/// `union bpf_attr` as `BPF_LINK_CREATE` reads it for an iterator.
#[repr(C)]
struct LinkCreate {
    program: u32,
    target: u32,
    attach_type: u32,
    flags: u32,
    info: u64,
    info_length: u32,
    padding: u32,
}

/// `union bpf_attr` as `BPF_ITER_CREATE` reads it.
#[repr(C)]
struct IterCreate {
    link: u32,
    flags: u32,
}

impl Iterator {
    /// Attaches a loaded iterator program; `map` is the map it walks, if it walks one. (aya cannot pass the map.)
    pub(crate) fn attach(program: &Iter, map: Option<RawFd>) -> Result<Self> {
        let program = program.fd()?.as_fd().as_raw_fd();
        // union bpf_iter_link_info { struct { __u32 map_fd; } map; … }
        let info = map.map(|map| [map.cast_unsigned(), 0, 0, 0]);
        let attributes = LinkCreate {
            program: program.cast_unsigned(),
            target: 0,
            attach_type: BPF_TRACE_ITER,
            flags: 0,
            info: info.as_ref().map_or(0, |info| info.as_ptr() as u64),
            info_length: info.as_ref().map_or(0, |info| u32::try_from(size_of_val(info)).unwrap_or(0)),
            padding: 0,
        };
        let link = call(BPF_LINK_CREATE, &attributes).context("attach an iterator")?;
        Ok(Self { link })
    }

    /// Runs the iterator once and hands everything it writes to `each`, in pieces as long as `length` says of their
    /// beginning.
    pub(crate) fn run(&self, length: impl Fn(&[u8]) -> usize, mut each: impl FnMut(&[u8])) -> Result<()> {
        let attributes = IterCreate { link: self.link.as_raw_fd().cast_unsigned(), flags: 0 };
        let mut file = File::from(call(BPF_ITER_CREATE, &attributes).context("start an iterator")?);
        let mut buffer = vec![0_u8; 64 << 10];
        let mut filled = 0;
        loop {
            let Some(room) = buffer.get_mut(filled..) else { return Ok(()) };
            match file.read(room) {
                Ok(0) => return Ok(()),
                Ok(length) => filled += length,
                Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => continue,
                Err(error) => return Err(error).context("read an iterator"),
            }
            let mut taken = 0;
            while let Some(rest) = buffer.get(taken..filled).filter(|rest| rest.len() >= SHORTEST) {
                let Some(piece) = rest.get(..length(rest).max(SHORTEST)) else { break };
                each(piece);
                taken += piece.len();
            }
            buffer.copy_within(taken..filled, 0);
            filled -= taken;
        }
    }
}

/// `bpf(2)` with a command that returns a file descriptor.
fn call<T>(command: libc::c_long, attributes: &T) -> Result<OwnedFd> {
    // SAFETY: the attributes are a prefix of `union bpf_attr` of the stated size and outlive the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attributes), size_of::<T>()) };
    let descriptor = RawFd::try_from(result).ok().filter(|descriptor| *descriptor >= 0);
    let descriptor = descriptor.ok_or_else(std::io::Error::last_os_error)?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
