//! The ways of hooking: the kernel's trace points on sockets, or the end of system calls.
//!
//! Invariant: both give the same records. The plane is chosen by trying, never by the version of the kernel.
//! Memory: none.

use super::addresses;
use super::hooks::{Hook, IteratorRow, SOCKET_PLANE, SYSTEM_CALL_PLANE};
use clap::ValueEnum;

/// The kernel programs of each plane, compiled when this program was.
static SOCKET_OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/tracer-ebpf"));
static SYSTEM_CALL_OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/tracer-ebpf-system-calls"));

/// A way of hooking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plane {
    /// Trace points on every send and receive of a socket (kernel 6.3 and later).
    Socket,
    /// The end of every system call.
    Syscall,
}

/// Which plane to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlaneChoice {
    /// Trace points on sockets where the kernel has them, else system calls
    #[default]
    Auto,
    /// Trace points on sockets (kernel 6.3 and later): costs nothing where no socket is used
    Socket,
    /// The end of system calls: any kernel from 5.16 on; costs every system call of the host a little
    Syscall,
}

/// The programs that user space runs to look at all of something.
pub(super) struct Iterators {
    pub(super) census: IteratorRow,
    pub(super) snapshot: IteratorRow,
    pub(super) living: IteratorRow,
    pub(super) flows: IteratorRow,
    pub(super) stale: IteratorRow,
}

impl Plane {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Syscall => "syscall",
        }
    }

    pub(super) fn object(self) -> &'static [u8] {
        match self {
            Self::Socket => SOCKET_OBJECT,
            Self::Syscall => SYSTEM_CALL_OBJECT,
        }
    }

    /// The hooks on input and output.
    pub(super) fn hooks(self) -> &'static [Hook] {
        match self {
            Self::Socket => SOCKET_PLANE,
            Self::Syscall => SYSTEM_CALL_PLANE,
        }
    }

    /// The programs on the addresses of datagrams. On the plane of system calls those are read from the memory of the
    /// process.
    pub(super) fn addresses(self) -> &'static [&'static str] {
        match self {
            Self::Socket => &addresses::PROGRAMS,
            Self::Syscall => &[],
        }
    }

    pub(super) fn iterators(self) -> Iterators {
        let (snapshot, living) = match self {
            Self::Socket => ("bpf_sk_storage_map", ("living", "bpf_sk_storage_map", Some("MARKS"))),
            Self::Syscall => ("bpf_map_elem", ("living", "task_file", None)),
        };
        Iterators {
            census: ("census", "task_file", None),
            snapshot: ("snapshot", snapshot, Some("SOCKETS")),
            living,
            flows: ("flows", "bpf_map_elem", Some("FLOWS")),
            stale: ("stale", "bpf_map_elem", Some("LIVING")),
        }
    }

    /// Every how many looks to find out which sockets with flows live: on the plane of system calls that takes a look at all
    /// descriptors of the host.
    pub(super) fn looks_between_living(self) -> u32 {
        match self {
            Self::Socket => 1,
            Self::Syscall => 5,
        }
    }
}
