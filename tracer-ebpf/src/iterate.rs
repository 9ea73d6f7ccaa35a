//! Programs that user space runs to look at all sockets: the census of what was open before the tracer, and the
//! periodic snapshot that makes lost records harmless and hanging requests visible.
//!
//! Invariant: both write through the iterator's own file, which waits instead of losing. A snapshot reports only
//! sockets that changed since the last one or have a request in flight. Memory: one record on the stack.

use crate::emit::{self, now, tally};
use crate::kernel::{Object, follow, load, offset, process_id};
use crate::life_cycle::digest;
use crate::maps::{CONTROL, settings};
use crate::{exchange, socket};
use aya_ebpf::helpers::generated::{bpf_seq_write, bpf_sock_from_file};
use core::ffi::c_void;
use core::mem::MaybeUninit;
use tracer_common::{Census, Phase, Role, Site, SocketCause, SocketFlags, SocketRecord, SocketState};

const TCP_ESTABLISHED: u8 = 1;
const TCP_SYN_SENT: u8 = 2;
const TCP_CLOSE_WAIT: u8 = 8;
const TCP_LISTEN: u8 = 10;

/// `struct bpf_iter_meta`; its layout is stable (`include/linux/bpf.h`).
#[repr(C)]
struct Meta {
    seq: *mut c_void,
    session: u64,
    number: u64,
}

/// `struct bpf_iter__task_file` (`kernel/bpf/task_iter.c`).
#[repr(C)]
pub struct TaskFile {
    meta: *const Meta,
    task: Object,
    descriptor: u32,
    padding: u32,
    file: Object,
}

/// `struct bpf_iter__bpf_sk_storage_map` (`net/core/bpf_sk_storage.c`).
#[repr(C)]
pub struct StorageElement {
    meta: *const Meta,
    map: Object,
    socket: Object,
    value: *mut SocketState,
}

/// Takes in every TCP socket that some process holds open, in every network namespace.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task_file")]
pub fn census(context: *const TaskFile) -> i32 {
    // SAFETY: the kernel passes a context of this layout; its pointers may be null.
    let (meta, task, file) = unsafe { ((*context).meta, (*context).task, (*context).file) };
    if task.is_null() || file.is_null() {
        return 0;
    }
    let Some(tally) = tally::<{ Site::CENSUS }>() else { return 0 };
    // SAFETY: `file` is not null; the helper returns null for what is not a socket.
    let holder = unsafe { bpf_sock_from_file(file.cast_mut().cast()) } as Object;
    if holder.is_null() {
        return 0;
    }
    // SAFETY: a `struct socket`.
    let sk = unsafe { follow(holder, offset!(socket_sk)) };
    if sk.is_null() {
        return 0;
    }
    tally.seen();
    if !socket::is_tcp(sk) {
        tally.filtered();
        return 0;
    }
    // SAFETY: a `struct sock`.
    let tcp_state = unsafe { load::<u8>(sk, offset!(sock_state)) };
    let pass = match CONTROL.get_ptr(0) {
        // SAFETY: points into the map value.
        Some(control) => unsafe { (*control).census },
        None => 0,
    };
    let wanted = match pass {
        Census::LISTENERS => tcp_state == TCP_LISTEN,
        Census::CONNECTIONS => matches!(tcp_state, TCP_ESTABLISHED | TCP_SYN_SENT | TCP_CLOSE_WAIT),
        _ => false,
    };
    if !wanted {
        tally.filtered();
        return 0;
    }
    let at = now();
    let Some((state, _)) = socket::find_or_create(sk, at, tally) else { return 0 };
    tally.tracked();
    if state.role == Role::UNKNOWN {
        if tcp_state == TCP_LISTEN {
            state.role = Role::LISTENER;
            state.flags |= SocketFlags::PREEXISTING;
            socket::note_listener(&state.tuple, true, tally);
        } else {
            socket::infer_role(state);
        }
    }
    if state.reported != 0 {
        // Another descriptor of the same socket.
        return 0;
    }
    // SAFETY: the task that holds the descriptor.
    let holder = unsafe { process_id(task) };
    if state.owner.pid == 0 {
        state.owner = holder;
        // SAFETY: as above.
        state.owner_thread = unsafe { load(task, offset!(task_pid)) };
    }
    let owns = state.owner.pid == holder.pid && state.owner.started == holder.started;
    let described = if owns { Some(task) } else { None };
    // SAFETY: `meta` is the iterator's.
    if !unsafe { write(meta, sk, state, SocketCause::CENSUS, described, at) } {
        // The file is full: the kernel calls again for this descriptor.
        return 1;
    }
    state.reported = digest(state) | 1;
    0
}

/// Reports every socket that changed since the last snapshot, or every one if user space asks for that.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/bpf_sk_storage_map")]
pub fn snapshot(context: *const StorageElement) -> i32 {
    // SAFETY: as above.
    let (meta, sk, value) = unsafe { ((*context).meta, (*context).socket, (*context).value) };
    if sk.is_null() || value.is_null() {
        return 0;
    }
    let Some(tally) = tally::<{ Site::SNAPSHOT }>() else { return 0 };
    tally.seen();
    tally.tracked();
    // SAFETY: the value of this socket in the storage map.
    let state = unsafe { &mut *value };
    let at = now();
    if state.phase == Phase::RESPONSE && at.wrapping_sub(state.active_at) >= settings().quiet_after {
        exchange::finish(state, at, tally);
    }
    let digest = digest(state) | 1;
    let in_flight = state.phase == Phase::REQUEST;
    let all = match CONTROL.get_ptr(0) {
        // SAFETY: points into the map value.
        Some(control) => unsafe { (*control).census == Census::DONE_REPORT_ALL },
        None => false,
    };
    if state.flags & SocketFlags::CLOSED != 0 || (digest == state.reported && !in_flight && !all) {
        return 0;
    }
    // SAFETY: `meta` is the iterator's.
    if !unsafe { write(meta, sk, state, SocketCause::SNAPSHOT, None, at) } {
        // The file is full: the kernel calls again for this socket.
        return 1;
    }
    state.reported = digest;
    0
}

/// Writes a record to the iterator's file; `false` when there was no room.
#[inline(always)]
unsafe fn write(meta: *const Meta, sk: Object, state: &SocketState, cause: u8, task: Option<Object>, at: u64) -> bool {
    let mut record = MaybeUninit::<SocketRecord>::uninit();
    // SAFETY: every field of the record is written; the file is the iterator's.
    unsafe {
        emit::write_socket(record.as_mut_ptr(), sk, state, cause, task, at);
        bpf_seq_write((*meta).seq.cast(), record.as_ptr().cast(), size_of::<SocketRecord>() as u32) == 0
    }
}
