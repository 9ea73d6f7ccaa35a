//! Everything shared with user space: who writes it, who reads it, what bounds it.
//!
//! Invariant: no map is keyed by a file descriptor or by a pid alone. Memory: as stated at each map.

use aya_ebpf::{
    bindings::{BPF_F_NO_PREALLOC, bpf_map_type::BPF_MAP_TYPE_TASK_STORAGE},
    btf_maps::{Array, HashMap, PerCpuArray, RingBuf, SkStorage},
    macros::btf_map,
};
use core::ffi::c_void;
use tracer_common::{Control, Counters, ListenerKey, Settings, SocketState};

/// State of each tracked socket. Written by the hooks, read by the iterators; freed by the kernel with the socket.
#[btf_map]
pub(crate) static SOCKETS: SkStorage<SocketState> = SkStorage::new();

/// Records for user space. Written by `emit`, read by the daemon; the size is set when the programs are loaded.
#[btf_map]
pub(crate) static RECORDS: RingBuf<u8, { 4 << 20 }> = RingBuf::new();

/// What each hook counts. Written by the hooks, read by the daemon; one entry for each CPU.
#[btf_map]
pub(crate) static COUNTERS: PerCpuArray<Counters, 1> = PerCpuArray::new();

/// How many sockets listen on a port of a network namespace. Written by the hooks and the census, read by the hooks
/// to tell the role of a connection older than the tracer; a full map is counted as `map_full`.
#[btf_map]
pub(crate) static LISTENERS: HashMap<ListenerKey, u64, 16384> = HashMap::new();

/// What the daemon and the programs tell each other.
#[btf_map]
pub(crate) static CONTROL: Array<Control, 1> = Array::new();

/// The inbound exchange that a thread is serving. Written and read by the hooks; freed by the kernel with the thread.
#[btf_map]
pub(crate) static SERVING: TaskStorage<Serving> = TaskStorage::new();

/// Written by user space before the programs are loaded; constant for the verifier.
#[unsafe(no_mangle)]
static SETTINGS: Settings = Settings::UNSET;

/// The settings.
#[inline(always)]
pub(crate) fn settings() -> Settings {
    // SAFETY: reads the program's own read-only data; volatile because user space writes it before the load.
    unsafe { core::ptr::read_volatile(&raw const SETTINGS) }
}

/// An inbound exchange: the cookie of its socket and its index.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Serving {
    pub(crate) cookie: u64,
    pub(crate) index: u64,
}

/// Storage that the kernel keeps with each thread (`BPF_MAP_TYPE_TASK_STORAGE`), in the form of the BTF maps.
#[repr(C)]
pub(crate) struct TaskStorage<T> {
    r#type: *const [i32; BPF_MAP_TYPE_TASK_STORAGE as usize],
    key: *const i32,
    value: *const T,
    max_entries: *const [i32; 0],
    map_flags: *const [i32; BPF_F_NO_PREALLOC as usize],
}

// SAFETY: the fields are placeholders that the loader reads as type information; nothing dereferences them.
unsafe impl<T> Sync for TaskStorage<T> {}

impl<T> TaskStorage<T> {
    const fn new() -> Self {
        Self {
            r#type: core::ptr::null(),
            key: core::ptr::null(),
            value: core::ptr::null(),
            max_entries: core::ptr::null(),
            map_flags: core::ptr::null(),
        }
    }
}

/// The kernel's handle of a map.
#[inline(always)]
pub(crate) const fn handle<M>(map: &'static M) -> *mut c_void {
    core::ptr::from_ref(map).cast_mut().cast()
}
