//! Emitting records into the ring, and counting what each hook did.
//!
//! Invariant: a record is either submitted or counted as `ring_full`. The reader is not woken for each record: only
//! the first one after it fell asleep, or one that finds the ring filled to the mark, wakes it.
//! Memory: the ring.

use crate::kernel::{self, Object, follow, load, offset};
use crate::maps::{self, CONTROL, COUNTERS, RECORDS, settings};
use aya_ebpf::bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP};
use aya_ebpf::helpers::generated::{
    bpf_get_smp_processor_id, bpf_ktime_get_ns, bpf_ringbuf_query, bpf_ringbuf_reserve, bpf_ringbuf_submit,
};
use tracer_common::{
    Exchange, ExchangeRecord, Header, Phase, ProcessId, Reader, RecordKind, SiteCounters, SocketRecord, SocketState,
};

/// The figures of one hook on this CPU.
#[derive(Clone, Copy)]
pub(crate) struct Tally(*mut SiteCounters);

macro_rules! tally {
    ($($(#[$doc:meta])* $field:ident),*) => {
        impl Tally {
            $($(#[$doc])*
            #[inline(always)]
            pub(crate) fn $field(self) {
                // SAFETY: points into this CPU's map value; a program is not migrated while it runs.
                unsafe { (*self.0).$field = (*self.0).$field.wrapping_add(1) }
            })*
        }
    };
}
tally!(seen, filtered, tracked, map_full, emitted, submitted, ring_full, read_fault);

/// The figures of the hook `SITE`.
#[inline(always)]
pub(crate) fn tally<const SITE: usize>() -> Option<Tally> {
    let counters = COUNTERS.get_ptr_mut(0)?;
    // SAFETY: `SITE` is a constant below `Site::COUNT`.
    Some(Tally(unsafe { (&raw mut (*counters).sites).cast::<SiteCounters>().add(SITE) }))
}

/// `CLOCK_MONOTONIC`, nanoseconds.
#[inline(always)]
pub(crate) fn now() -> u64 {
    // SAFETY: no preconditions.
    unsafe { bpf_ktime_get_ns() }
}

/// Room for a record in the ring.
#[inline(always)]
pub(crate) fn reserve<T>(tally: Tally) -> Option<*mut T> {
    tally.emitted();
    // SAFETY: the map is a ring; the size is a constant.
    let place = unsafe { bpf_ringbuf_reserve(maps::handle(&RECORDS), size_of::<T>() as u64, 0) }.cast::<T>();
    if place.is_null() {
        tally.ring_full();
        return None;
    }
    Some(place)
}

/// Hands a record to user space.
#[inline(always)]
pub(crate) fn submit<T>(place: *mut T, tally: Tally) {
    tally.submitted();
    // SAFETY: `place` comes from `reserve` and is not used again.
    unsafe { bpf_ringbuf_submit(place.cast(), wake_flags()) }
}

/// Whether this record wakes the reader.
#[inline(always)]
fn wake_flags() -> u64 {
    let no = u64::from(BPF_RB_NO_WAKEUP);
    let Some(control) = CONTROL.get_ptr_mut(0) else { return no };
    // SAFETY: points into the map value; a lost race costs one more wake-up.
    unsafe {
        let reader = core::ptr::read_volatile(&raw const (*control).reader);
        let wake = match reader {
            Reader::ASLEEP => true,
            Reader::ON_TIMER => {
                bpf_ringbuf_query(maps::handle(&RECORDS), u64::from(BPF_RB_AVAIL_DATA)) >= settings().fill_mark
            }
            _ => false,
        };
        if !wake {
            return no;
        }
        core::ptr::write_volatile(&raw mut (*control).reader, Reader::WOKEN);
    }
    u64::from(BPF_RB_FORCE_WAKEUP)
}

/// The header of a record of type `T`.
#[inline(always)]
pub(crate) fn header<T>(kind: u16, at: u64) -> Header {
    // SAFETY: no preconditions.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    Header { kind, length: size_of::<T>() as u16, cpu: cpu as u32, at }
}

/// Writes the record of a socket's state to `place`: ring memory, or the stack of an iterator.
/// `task` describes the owner when it is known to be that thread.
///
/// # Safety
/// `place` is writable, `socket` is a kernel socket, and `task`, if any, is a kernel task.
#[inline(always)]
pub(crate) unsafe fn write_socket(
    place: *mut SocketRecord,
    socket: Object,
    state: &SocketState,
    cause: u8,
    task: Option<Object>,
    at: u64,
) {
    // SAFETY: by contract; the offsets come from the kernel's BTF.
    unsafe {
        let record = &mut *place;
        record.header = header::<SocketRecord>(RecordKind::SOCKET, at);
        record.cookie = state.cookie;
        record.tuple = state.tuple;
        record.owner = state.owner;
        record.totals = state.totals;
        record.opened_at = state.opened_at;
        record.established_at = state.established_at;
        record.request_first = if state.phase == Phase::REQUEST { state.exchange.request_first } else { 0 };
        record.owner_thread = state.owner_thread;
        record.retransmits = state.retransmits;
        record.error = load::<i32>(socket, offset!(sock_error)) as u32;
        record.cause = cause;
        record.role = state.role;
        record.phase = state.phase;
        record.tcp_state = load::<u8>(socket, offset!(sock_state));
        record.flags = state.flags;
        record.reserved = [0; 5];
        record.exchange_index = state.exchange.index;
        record.active_at = state.active_at;
        if let Some(task) = task {
            let parent = follow(task, offset!(task_parent));
            record.parent = kernel::process_id(parent);
            // The leader's: a thread may have a name of its own.
            record.comm = load(follow(task, offset!(task_leader)), offset!(task_comm));
            record.uid = load(follow(task, offset!(task_cred)), offset!(cred_uid));
            record.parent_exec_at_fork = load::<u64>(task, offset!(task_parent_exec)) as u32;
            record.described = 1;
        } else {
            record.parent = ProcessId { pid: 0, exec: 0, started: 0 };
            record.comm = [0; 16];
            record.uid = 0;
            record.parent_exec_at_fork = 0;
            record.described = 0;
        }
    }
}

/// Emits the state of a socket.
#[inline(always)]
pub(crate) fn socket(socket: Object, state: &SocketState, cause: u8, task: Option<Object>, at: u64, tally: Tally) {
    let Some(place) = reserve::<SocketRecord>(tally) else { return };
    // SAFETY: `place` was just reserved; the objects come from the hook.
    unsafe { write_socket(place, socket, state, cause, task, at) };
    submit(place, tally);
}

/// Emits the socket's exchange as finished.
#[inline(always)]
pub(crate) fn exchange(state: &SocketState, exchange: &Exchange, at: u64, tally: Tally) {
    let Some(place) = reserve::<ExchangeRecord>(tally) else { return };
    // SAFETY: `place` was just reserved.
    unsafe {
        let record = &mut *place;
        record.header = header::<ExchangeRecord>(RecordKind::EXCHANGE, at);
        record.cookie = state.cookie;
        record.owner = state.owner;
        record.totals = state.totals;
        record.exchange = *exchange;
        record.role = state.role;
        record.padding = [0; 7];
    }
    submit(place, tally);
}
