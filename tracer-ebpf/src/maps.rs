//! Everything shared with user space: who writes it, who reads it, what bounds it.
//!
//! Invariant: no map is keyed by a file descriptor or by a pid alone. Memory: as stated at each map.

use crate::batch::Batch;
#[cfg(not(feature = "system-calls"))]
use aya_ebpf::btf_maps::SkStorage;
use aya_ebpf::helpers::generated::{bpf_map_lookup_elem, bpf_map_pop_elem, bpf_map_update_elem};
use aya_ebpf::{
    bindings::{
        BPF_F_NO_PREALLOC, BPF_NOEXIST,
        bpf_map_type::{BPF_MAP_TYPE_QUEUE, BPF_MAP_TYPE_TASK_STORAGE},
    },
    btf_maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf},
    macros::btf_map,
};
use core::ffi::c_void;
use tracer_common::{
    Capture, Choice, Control, Counters, ExecRecord, FlowKey, FlowRecord, FlowState, LatencySlot, ListenerKey, Settings,
    SocketState,
};

/// Entries are made when they are needed (`BPF_F_NO_PREALLOC`), so an empty map costs next to nothing.
const ON_DEMAND: usize = BPF_F_NO_PREALLOC as usize;

/// State of each tracked TCP socket. Written by the hooks, read by the iterators; freed by the kernel with the socket.
#[cfg(not(feature = "system-calls"))]
#[btf_map]
pub(crate) static SOCKETS: SkStorage<SocketState> = SkStorage::new();

/// State of each tracked TCP socket, by its address. Written by the hooks, read by the iterators; removed when the kernel
/// destroys the socket. When it is full, new sockets are counted as `map_full`.
#[cfg(feature = "system-calls")]
#[btf_map]
pub(crate) static SOCKETS: HashMap<u64, SocketState, 262144, ON_DEMAND> = HashMap::new();

/// State of each flow of UDP and Unix sockets. Written by the hooks, read by the iterator `flows`; user space removes
/// those whose socket is gone or which are silent for long. When it is full, new flows are counted as `map_full`.
#[btf_map]
pub(crate) static FLOWS: HashMap<FlowKey, FlowState, 65536, ON_DEMAND> = HashMap::new();

/// The cookie of each socket that has flows. Written by the hooks, read by the iterator `living`; freed with the socket.
#[cfg(not(feature = "system-calls"))]
#[btf_map]
pub(crate) static MARKS: SkStorage<u64> = SkStorage::new();

/// In which look a socket that has flows was last found alive, by its cookie. Written by the hooks and `living`, read by
/// `flows`; user space removes an entry with the socket's last flow.
#[btf_map]
pub(crate) static LIVING: HashMap<u64, u32, 65536, ON_DEMAND> = HashMap::new();

/// The address that the running system call of a thread sends to, or was sent from: written by the hooks on addresses,
/// read and removed by those on input and output of the same call. The least recently used goes first.
#[btf_map]
pub(crate) static ADDRESSES: LruHashMap<u64, Address, 4096> = LruHashMap::new();

/// Which message of a batch a thread has moved last. Written by `batch` with each datagram of a batch, read by `call`; the
/// least recently used goes first.
#[btf_map]
pub(crate) static BATCHES: LruHashMap<u64, Batch, 1024> = LruHashMap::new();

/// Records about sockets that must not be lost and found the ring full. Written by `emit`, read and removed by user
/// space with every drain; when it is full, the record is counted as `ring_full`.
#[btf_map]
pub(crate) static SPILLED: HashMap<u64, FlowRecord, 65536, ON_DEMAND> = HashMap::new();

/// As [`SPILLED`], for executed programs.
#[btf_map]
pub(crate) static SPILLED_EXECS: HashMap<u64, ExecRecord, 8192, ON_DEMAND> = HashMap::new();

/// Zeros: what a new entry begins with.
#[btf_map]
pub(crate) static ZEROS: Array<[u64; ZERO_WORDS], 1> = Array::new();

/// Words of the largest value that begins with zeros.
const ZERO_WORDS: usize = size_of::<ExecRecord>() / 8;

/// Where the iterators write their records. They run one at a time, started by the daemon.
#[btf_map]
pub(crate) static SCRATCH: PerCpuArray<FlowRecord, 1> = PerCpuArray::new();

/// The last number given to something that has none of its own, and the last slot given for the first time.
#[btf_map]
pub(crate) static NUMBERS: Array<u64, 2> = Array::new();

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

/// The latencies of busy sockets. Written by `latency`, read by user space, which clears a slot before it is free again.
#[btf_map]
pub(crate) static LATENCIES: Array<LatencySlot, { LatencySlot::COUNT + 1 }> = Array::new();

/// The numbers of the slots of [`LATENCIES`] that user space has given back. Taken by `latency`, as are those that were
/// never given, from 1 on; when none is left, each exchange of another busy socket is told by itself.
#[btf_map]
pub(crate) static FREE_SLOTS: Queue<u32, { LatencySlot::COUNT }> = Queue::new();

/// What is told of the bytes of a socket, by its cookie. Written by user space, read by
/// `payload`; the least recently used goes first.
#[btf_map]
pub(crate) static CAPTURES: LruHashMap<u64, Choice, { Capture::SOCKETS as usize }> = LruHashMap::new();

/// The same of all connections to a port. Written by user space, which bounds it, read by `payload`.
#[btf_map]
pub(crate) static CAPTURES_OF_PORTS: HashMap<ListenerKey, Choice, { Capture::PORTS as usize }, ON_DEMAND> =
    HashMap::new();

/// Where `payload` puts records together, one for received and one for sent bytes.
#[btf_map]
pub(crate) static STREAMS: PerCpuArray<crate::payload::Stream, 2> = PerCpuArray::new();

/// The inbound exchange that a thread is serving. Written and read by the hooks; freed by the kernel with the thread.
#[btf_map]
pub(crate) static SERVING: TaskStorage<Serving> = TaskStorage::new();

/// Written by user space before the programs are loaded; constant for the verifier.
#[unsafe(no_mangle)]
pub(crate) static SETTINGS: Settings = Settings::UNSET;

/// The named one of the [`SETTINGS`].
macro_rules! setting {
    ($($place:tt)+) => {
        // SAFETY: reads the program's own read-only data; volatile because user space writes it before the load.
        unsafe { core::ptr::read_volatile(&raw const $crate::maps::SETTINGS.$($place)+) }
    };
}
pub(crate) use setting;

/// The other end of a datagram on the socket with this cookie.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Address {
    pub(crate) cookie: u64,
    pub(crate) address: [u64; 2],
    pub(crate) port: u16,
    pub(crate) padding: [u8; 6],
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

/// A first-in-first-out queue (`BPF_MAP_TYPE_QUEUE`), in the form of the BTF maps.
#[repr(C)]
pub(crate) struct Queue<T, const LENGTH: usize> {
    r#type: *const [i32; BPF_MAP_TYPE_QUEUE as usize],
    value: *const T,
    max_entries: *const [i32; LENGTH],
}

// SAFETY: as for [`TaskStorage`].
unsafe impl<T, const LENGTH: usize> Sync for Queue<T, LENGTH> {}

impl<T, const LENGTH: usize> Queue<T, LENGTH> {
    const fn new() -> Self {
        Self { r#type: core::ptr::null(), value: core::ptr::null(), max_entries: core::ptr::null() }
    }
}

impl Queue<u32, { LatencySlot::COUNT }> {
    /// Takes the oldest element.
    #[inline(always)]
    pub(crate) fn take(&'static self) -> Option<u32> {
        let mut value = 0_u32;
        // SAFETY: the helper writes a value of the map's type, or fails.
        let result = unsafe { bpf_map_pop_elem(handle(self), (&raw mut value).cast()) };
        if result == 0 { Some(value) } else { None }
    }
}

/// A number that nothing else has: counts up from 1, over all CPUs.
#[inline(always)]
pub(crate) fn next_number() -> u64 {
    NUMBERS.get_ptr_mut(0).map_or(0, count_up)
}

/// A slot of [`LATENCIES`] that is free; it is the caller's.
#[inline(always)]
pub(crate) fn free_slot() -> Option<u32> {
    const MOST: u64 = LatencySlot::COUNT as u64;
    if let Some(number) = FREE_SLOTS.take() {
        return Some(number);
    }
    let fresh = NUMBERS.get_ptr_mut(1)?;
    // SAFETY: points into the map value.
    if unsafe { core::ptr::read_volatile(fresh) } >= MOST {
        return None;
    }
    let number = count_up(fresh);
    if number <= MOST { Some(number as u32) } else { None }
}

#[inline(always)]
fn count_up(place: *mut u64) -> u64 {
    let mut number = 1_u64;
    // SAFETY: one atomic addition to the map's aligned word. The target's `core` has no read-modify-write atomics.
    unsafe {
        core::arch::asm!(
            "{number} = atomic_fetch_add((u64 *)({place} + 0), {number})",
            place = in(reg) place,
            number = inout(reg) number
        );
    }
    number + 1
}

/// Makes an entry of zeros, unless there is one; the entry.
#[inline(always)]
pub(crate) fn make<M, K, V>(map: &'static M, key: &K) -> Option<&'static mut V> {
    const { assert!(size_of::<V>() <= ZERO_WORDS * 8) };
    let zeros = ZEROS.get_ptr(0)?;
    let key = core::ptr::from_ref(key).cast_mut().cast::<c_void>();
    // SAFETY: the map's keys and values are of these types; the zeros are as long as the longest value.
    unsafe {
        bpf_map_update_elem(handle(map), key, zeros.cast_mut().cast(), u64::from(BPF_NOEXIST));
        bpf_map_lookup_elem(handle(map), key).cast::<V>().as_mut()
    }
}

/// The kernel's handle of a map.
#[inline(always)]
pub(crate) const fn handle<M>(map: &'static M) -> *mut c_void {
    core::ptr::from_ref(map).cast_mut().cast()
}
