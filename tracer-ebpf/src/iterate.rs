//! Programs that user space runs to look at all sockets again and again: the periodic snapshot that makes lost records harmless, hanging requests visible, and finds flows whose socket is gone.
//!
//! Invariant: all write through the iterator's own file, which waits instead of losing. A snapshot reports only
//! what changed since the last one or has a request in flight. Memory: one record for each CPU (`maps::SCRATCH`).

use crate::emit::{self, Condition, now, tally};
use crate::kernel::Object;
#[cfg(feature = "system-calls")]
use crate::kernel::{follow, offset};
use crate::life_cycle::digest;
use crate::maps::{CONTROL, LIVING, SCRATCH, setting};
use crate::{exchange, flow};
use aya_ebpf::helpers::generated::bpf_seq_write;
#[cfg(feature = "system-calls")]
use aya_ebpf::helpers::generated::bpf_sock_from_file;
use core::ffi::c_void;
use tracer_common::{
    Census, FlowKey, FlowRecord, FlowState, Phase, RecordKind, Site, SocketCause, SocketFlags, SocketRecord,
    SocketState, TransportKind,
};

/// A flow whose socket this many looks have not found is over: one look may pass over a socket while others come and
/// go beside it.
const LOOKS_UNTIL_GONE: u32 = 2;

/// `struct bpf_iter_meta`; its layout is stable (`include/linux/bpf.h`).
#[repr(C)]
pub(crate) struct Meta {
    pub(crate) seq: *mut c_void,
    session: u64,
    number: u64,
}

/// `struct bpf_iter__task_file` (`kernel/bpf/task_iter.c`).
#[repr(C)]
pub struct TaskFile {
    pub(crate) meta: *const Meta,
    pub(crate) task: Object,
    descriptor: u32,
    padding: u32,
    pub(crate) file: Object,
}

/// `struct bpf_iter__bpf_sk_storage_map` (`net/core/bpf_sk_storage.c`).
#[cfg(not(feature = "system-calls"))]
#[repr(C)]
pub struct StorageElement<T> {
    meta: *const Meta,
    map: Object,
    socket: Object,
    value: *mut T,
}

/// `struct bpf_iter__bpf_map_elem` (`kernel/bpf/map_iter.c`).
#[repr(C)]
pub struct MapElement<K, V> {
    meta: *const Meta,
    map: Object,
    key: *const K,
    value: *mut V,
}

/// Reports every TCP socket that changed since the last snapshot, or every one if user space asks for that.
#[cfg(not(feature = "system-calls"))]
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/bpf_sk_storage_map")]
pub fn snapshot(context: *const StorageElement<SocketState>) -> i32 {
    // SAFETY: as above.
    let (meta, sk, value) = unsafe { ((*context).meta, (*context).socket, (*context).value) };
    if sk.is_null() || value.is_null() {
        return 0;
    }
    report(meta, sk, value)
}

/// As above, by the table of states.
#[cfg(feature = "system-calls")]
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/bpf_map_elem")]
pub fn snapshot(context: *const MapElement<u64, SocketState>) -> i32 {
    // SAFETY: as above.
    let (meta, key, value) = unsafe { ((*context).meta, (*context).key, (*context).value) };
    if key.is_null() || value.is_null() {
        return 0;
    }
    // SAFETY: the key is the address of the socket, which lives as long as the element.
    report(meta, unsafe { key.read() } as Object, value)
}

#[inline(always)]
fn report(meta: *const Meta, sk: Object, value: *mut SocketState) -> i32 {
    let Some(tally) = tally::<{ Site::SNAPSHOT }>() else { return 0 };
    tally.seen();
    tally.tracked();
    // SAFETY: the value of this socket in the storage map.
    let state = unsafe { &mut *value };
    let at = now();
    if at.wrapping_sub(state.active_at) >= quiet_after() {
        exchange::catch_up(state, sk, at, tally);
        if state.phase == Phase::RESPONSE {
            exchange::finish(state, at, tally);
        }
    }
    let digest = digest(state) | 1;
    if state.flags & SocketFlags::CLOSED != 0 || (digest == state.reported && !is_told_anyway(state)) {
        return 0;
    }
    // SAFETY: `meta` is the iterator's.
    if !unsafe { write_socket(meta, sk, state, SocketCause::SNAPSHOT, None, at) } {
        // The file is full: the kernel calls again for this socket.
        return 1;
    }
    state.reported = digest;
    0
}

/// Notes that a socket which has flows is alive: some process has a descriptor of it.
#[cfg(feature = "system-calls")]
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task_file")]
pub fn living(context: *const TaskFile) -> i32 {
    const EXISTING: u64 = 2; // BPF_EXIST
    // SAFETY: as above.
    let file = unsafe { (*context).file };
    if file.is_null() {
        return 0;
    }
    // SAFETY: as above.
    let holder = unsafe { bpf_sock_from_file(file.cast_mut().cast()) } as Object;
    if holder.is_null() {
        return 0;
    }
    // SAFETY: a `struct socket`.
    let cookie = crate::kernel::cookie(unsafe { follow(holder, offset!(socket_sk)) });
    let _ = LIVING.insert(&cookie, &flow::look(), EXISTING);
    0
}

/// Notes that a socket which has flows is alive.
#[cfg(not(feature = "system-calls"))]
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/bpf_sk_storage_map")]
pub fn living(context: *const StorageElement<u64>) -> i32 {
    // SAFETY: as above.
    let (sk, mark) = unsafe { ((*context).socket, (*context).value) };
    if sk.is_null() || mark.is_null() {
        return 0;
    }
    // SAFETY: the value of this socket in the storage map.
    let cookie = unsafe { mark.read() };
    let _ = LIVING.insert(&cookie, &flow::look(), 0);
    0
}

/// Reports every flow that changed since the last snapshot, as [`snapshot`] does; and as closed those whose socket is
/// gone or which are silent for long, which user space then removes.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/bpf_map_elem")]
pub fn flows(context: *const MapElement<FlowKey, FlowState>) -> i32 {
    // SAFETY: as above.
    let (meta, key, value) = unsafe { ((*context).meta, (*context).key, (*context).value) };
    if key.is_null() || value.is_null() {
        return 0;
    }
    let Some(tally) = tally::<{ Site::FLOWS }>() else { return 0 };
    tally.seen();
    tally.tracked();
    // SAFETY: key and value of this element.
    let (key, flow) = unsafe { (key.read(), &mut *value) };
    let at = now();
    let silent = at.wrapping_sub(flow.socket.active_at);
    let seen = LIVING.get_ptr(&key.cookie);
    // SAFETY: points into the map value.
    let gone = seen.is_none_or(|seen| flow::look().wrapping_sub(unsafe { seen.read() }) >= LOOKS_UNTIL_GONE);
    let idle = flow.socket.transport == TransportKind::UDP && silent >= setting!(flow_idle);
    let over = gone || idle;
    let state = &mut flow.socket;
    if state.phase == Phase::RESPONSE && (over || silent >= quiet_after()) {
        exchange::finish(state, at, tally);
    }
    let digest = digest(state) | 1;
    if !over && digest == state.reported && !is_told_anyway(state) {
        return 0;
    }
    state.reported = digest;
    let cause = if over { SocketCause::CLOSED } else { SocketCause::SNAPSHOT };
    // SAFETY: `meta` is the iterator's.
    if !unsafe { write_flow(meta, &key, flow, cause, None, at) } {
        flow.socket.reported = 0;
        return 1;
    }
    0
}

/// Names the sockets which had flows and were not found for long, so that user space forgets them.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/bpf_map_elem")]
pub fn stale(context: *const MapElement<u64, u32>) -> i32 {
    // SAFETY: as above.
    let (meta, key, value) = unsafe { ((*context).meta, (*context).key, (*context).value) };
    if key.is_null() || value.is_null() {
        return 0;
    }
    // SAFETY: key and value of this element.
    let (cookie, seen) = unsafe { (key.read(), value.read()) };
    if flow::look().wrapping_sub(seen) <= LOOKS_UNTIL_GONE {
        return 0;
    }
    // SAFETY: `meta` is the iterator's.
    i32::from(unsafe { bpf_seq_write((*meta).seq.cast(), (&raw const cookie).cast(), size_of::<u64>() as u32) } != 0)
}

/// Whether a socket is reported although nothing changed: its request hangs, or user space wants all.
#[inline(always)]
fn is_told_anyway(state: &SocketState) -> bool {
    asked() >= Census::DONE_REPORT_ALL || state.phase == Phase::REQUEST
}

/// After which silence an exchange whose response has begun is finished.
#[inline(always)]
fn quiet_after() -> u64 {
    if asked() == Census::FINISH { 0 } else { setting!(quiet_after) }
}

/// What user space wants of the iterators.
#[inline(always)]
pub(crate) fn asked() -> u32 {
    // SAFETY: points into the map value.
    CONTROL.get_ptr(0).map_or(0, |control| unsafe { (*control).census })
}

/// Writes a record to the iterator's file; `false` when there was no room.
#[inline(always)]
pub(crate) unsafe fn write_socket(
    meta: *const Meta,
    sk: Object,
    state: &SocketState,
    cause: u8,
    task: Option<Object>,
    at: u64,
) -> bool {
    let Some(place) = SCRATCH.get_ptr_mut(0) else { return true };
    let place = place.cast::<SocketRecord>();
    // SAFETY: iterators run one at a time on a CPU; every field is written; the file is the iterator's.
    unsafe {
        let header = emit::header::<SocketRecord>(RecordKind::SOCKET, at);
        emit::write_socket(place, header, Condition::of(sk), state, cause, task);
        bpf_seq_write((*meta).seq.cast(), place.cast(), size_of::<SocketRecord>() as u32) == 0
    }
}

/// As [`write_socket`], for a flow.
#[inline(always)]
pub(crate) unsafe fn write_flow(
    meta: *const Meta,
    key: &FlowKey,
    flow: &FlowState,
    cause: u8,
    task: Option<Object>,
    at: u64,
) -> bool {
    let Some(place) = SCRATCH.get_ptr_mut(0) else { return true };
    // SAFETY: as above.
    unsafe {
        emit::write_flow(place, key, flow, cause, task, at);
        bpf_seq_write((*meta).seq.cast(), place.cast(), size_of::<FlowRecord>() as u32) == 0
    }
}
