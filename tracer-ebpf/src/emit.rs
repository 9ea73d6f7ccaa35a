//! Emitting records into the ring, and counting what each hook did.
//!
//! Invariant: a record is submitted, or kept aside where it must not be lost, or counted as `ring_full`. The reader is not woken for each record: only
//! the first one after it fell asleep, one that finds the ring filled to the mark, or one that waits for a choice wakes it.
//! Memory: the ring, and what `maps` says of the records kept aside.

use crate::kernel::{self, Object, current_task, follow, load, offset};
use crate::maps::{self, CONTROL, COUNTERS, RECORDS, SPILLED, setting};
use aya_ebpf::bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP};
use aya_ebpf::helpers::generated::{
    bpf_get_smp_processor_id, bpf_ktime_get_ns, bpf_ringbuf_output, bpf_ringbuf_query, bpf_ringbuf_reserve,
    bpf_ringbuf_submit,
};
use tracer_common::{
    ExchangeRecord, FlowKey, FlowRecord, FlowState, Header, Phase, ProcessId, Reader, RecordKind, SiteCounters,
    SocketCause, SocketRecord, SocketState,
};

/// The figures of one hook on this CPU.
#[derive(Clone, Copy)]
pub(crate) struct Tally(*mut SiteCounters);

impl Tally {
    /// Of figures that are another program's argument.
    #[inline(always)]
    pub(crate) fn of(counters: *mut SiteCounters) -> Self {
        Self(counters)
    }

    #[inline(always)]
    pub(crate) fn counters(self) -> *mut SiteCounters {
        self.0
    }
}

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
tally!(seen, filtered, tracked, map_full, emitted, submitted, spilled, ring_full, read_fault);

/// The state and the figures that a global function was given; `None` if one is missing.
///
/// # Safety
/// They are arguments of a global function: the verifier lets nothing but whole ones or null be given.
#[inline(always)]
pub(crate) unsafe fn given(
    state: *mut SocketState,
    counters: *mut SiteCounters,
) -> Option<(&'static mut SocketState, Tally)> {
    if counters.is_null() {
        return None;
    }
    // SAFETY: the caller's.
    Some((unsafe { state.as_mut() }?, Tally::of(counters)))
}

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
    if place.is_null() { None } else { Some(place) }
}

/// Room for a record in a map of records kept aside, for one that found the ring full.
#[inline(always)]
pub(crate) fn keep_aside<M, T>(map: &'static M, tally: Tally) -> Option<&'static mut T> {
    let place = maps::make::<M, u64, T>(map, &maps::next_number());
    match place {
        Some(_) => tally.spilled(),
        None => tally.ring_full(),
    }
    place
}

/// Hands a record to user space.
#[inline(always)]
pub(crate) fn submit<T>(place: *mut T, tally: Tally) {
    tally.submitted();
    // SAFETY: `place` comes from `reserve` and is not used again.
    unsafe { bpf_ringbuf_submit(place.cast(), wake_flags(false)) }
}

/// Hands a record of any length to user space, which is woken for it if it `is_urgent`.
///
/// # Safety
/// `record` points to `length` bytes of a map value.
#[inline(always)]
pub(crate) unsafe fn output(record: *mut u8, length: u64, is_urgent: bool, tally: Tally) {
    tally.emitted();
    let flags = wake_flags(is_urgent);
    // SAFETY: by contract.
    let result = unsafe { bpf_ringbuf_output(maps::handle(&RECORDS), record.cast(), length, flags) };
    if result == 0 { tally.submitted() } else { tally.ring_full() }
}

/// Whether this record wakes the reader.
#[inline(always)]
fn wake_flags(is_urgent: bool) -> u64 {
    let no = u64::from(BPF_RB_NO_WAKEUP);
    let Some(control) = CONTROL.get_ptr_mut(0) else { return no };
    let fill_mark = setting!(fill_mark);
    // SAFETY: points into the map value; a lost race costs one more wake-up.
    unsafe {
        let reader = core::ptr::read_volatile(&raw const (*control).reader);
        let wake = match reader {
            Reader::ASLEEP => true,
            Reader::ON_TIMER if is_urgent => true,
            Reader::ON_TIMER => bpf_ringbuf_query(maps::handle(&RECORDS), u64::from(BPF_RB_AVAIL_DATA)) >= fill_mark,
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
/// `place` is writable, and `task`, if any, is a kernel task.
#[inline(always)]
pub(crate) unsafe fn write_socket(
    place: *mut SocketRecord,
    header: Header,
    condition: Condition,
    state: &SocketState,
    cause: u8,
    task: Option<Object>,
) {
    // SAFETY: by contract; the offsets come from the kernel's BTF.
    unsafe {
        let record = &mut *place;
        record.cookie = state.cookie;
        record.peer_cookie = state.peer_cookie;
        record.tuple = state.tuple;
        record.owner = state.owner;
        record.totals = state.totals;
        record.opened_at = state.opened_at;
        record.established_at = state.established_at;
        record.request_first = if state.phase == Phase::REQUEST { state.exchange.request_first } else { 0 };
        record.owner_thread = state.owner_thread;
        record.retransmits = state.retransmits;
        record.error = condition.error;
        record.cause = cause;
        record.role = state.role;
        record.phase = state.phase;
        record.tcp_state = condition.tcp_state;
        record.flags = state.flags;
        record.transport = state.transport;
        record.slot = state.slot;
        record.reserved = [0; 2];
        record.first_sent = state.first_sent;
        record.first_received = state.first_received;
        record.exchange_index = state.exchange.index;
        record.active_at = state.active_at;
        if let Some(task) = task {
            describe(record, task);
        } else {
            record.parent = ProcessId { pid: 0, exec: 0, started: 0 };
            record.comm = [0; 16];
            record.uid = 0;
            record.parent_exec_at_fork = 0;
            record.described = 0;
        }
        // Last: a reader of a record kept aside takes it only when it has its length.
        core::ptr::write_volatile(&raw mut record.header, header);
    }
}

/// Describes the owner, which is the process of `task`.
///
/// # Safety
/// `task` is a kernel task.
#[inline(always)]
pub(crate) unsafe fn describe(record: &mut SocketRecord, task: Object) {
    // SAFETY: by contract; the offsets come from the kernel's BTF.
    unsafe {
        let walked = kernel::walked_task(task);
        record.parent = kernel::process_id(follow(walked, offset!(task_parent)));
        // The leader's: a thread may have a name of its own.
        record.comm = load(follow(walked, offset!(task_leader)), offset!(task_comm));
        record.uid = load(follow(walked, offset!(task_cred)), offset!(cred_uid));
        record.parent_exec_at_fork = load::<u64>(task, offset!(task_parent_exec)) as u32;
        record.described = 1;
    }
}

/// Writes the record of a flow's state to `place`; see [`write_socket`].
///
/// # Safety
/// As [`write_socket`].
#[inline(always)]
pub(crate) unsafe fn write_flow(
    place: *mut FlowRecord,
    key: &FlowKey,
    flow: &FlowState,
    cause: u8,
    task: Option<Object>,
    at: u64,
) {
    // SAFETY: by contract.
    unsafe {
        let record = &mut *place;
        record.key = *key;
        record.path_length = flow.path_length;
        record.padding = [0; 6];
        record.path = flow.path;
        let header = header::<FlowRecord>(RecordKind::FLOW, at);
        write_socket(&raw mut record.socket, header, Condition::NONE, &flow.socket, cause, task);
    }
}

/// What a record says of the kernel's socket itself.
#[derive(Clone, Copy)]
pub(crate) struct Condition {
    error: u32,
    tcp_state: u8,
}

impl Condition {
    /// Nothing.
    pub(crate) const NONE: Self = Self { error: 0, tcp_state: 0 };

    /// As the socket is now.
    #[inline(always)]
    pub(crate) fn of(socket: Object) -> Self {
        // SAFETY: `socket` comes from a hook.
        unsafe {
            Self {
                error: load::<i32>(socket, offset!(sock_error)) as u32,
                tcp_state: load(socket, offset!(sock_state)),
            }
        }
    }
}

/// Whether a record must be kept aside when it finds the ring full. What a connection did is told again by a later record,
/// unless this was the last one, or the last under its owner; who listens is told once.
#[inline(always)]
fn must_arrive(cause: u8) -> bool {
    matches!(cause, SocketCause::CLOSED | SocketCause::OWNER | SocketCause::LISTENING)
}

/// Whether it is the owner who runs, so that it can be described.
#[inline(always)]
fn owner_runs(cause: u8) -> Option<Object> {
    let by_owner = matches!(cause, SocketCause::CONNECTING | SocketCause::LISTENING | SocketCause::OWNER);
    if by_owner { Some(current_task()) } else { None }
}

/// Emits the state of a socket. Where it has its owner for a cause, it is the running process.
#[inline(always)]
pub(crate) fn socket(socket: Object, state: &mut SocketState, cause: u8, at: u64, tally: Tally) {
    let Condition { error, tcp_state } = Condition::of(socket);
    let condition = u64::from(tcp_state) << 32 | u64::from(error);
    let _ = tell_socket(state, tally.counters(), condition, u32::from(cause), at);
}

/// As above, the condition as one word; 0. A global function of BTF: the verifier looks at it once, for any arguments, and not
/// on each path that leads to it; so for those that follow.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn tell_socket(
    state: *mut SocketState,
    counters: *mut SiteCounters,
    condition: u64,
    cause: u32,
    at: u64,
) -> u32 {
    // SAFETY: the arguments of a global function.
    if let Some((state, tally)) = unsafe { given(state, counters) } {
        let condition = Condition { error: condition as u32, tcp_state: (condition >> 32) as u8 };
        submit_socket(state, condition, cause as u8, at, tally);
    }
    0
}

#[inline(always)]
fn submit_socket(state: &SocketState, condition: Condition, cause: u8, at: u64, tally: Tally) {
    let (header, task) = (header::<SocketRecord>(RecordKind::SOCKET, at), owner_runs(cause));
    if let Some(place) = reserve::<SocketRecord>(tally) {
        // SAFETY: `place` was just reserved; the task is the running one.
        unsafe { write_socket(place, header, condition, state, cause, task) };
        submit(place, tally);
    } else if must_arrive(cause) {
        if let Some(place) = keep_aside::<_, FlowRecord>(&SPILLED, tally) {
            // SAFETY: as above.
            unsafe { write_socket(&raw mut place.socket, header, condition, state, cause, task) };
        }
    } else {
        tally.ring_full();
    }
}

/// Emits the state of a flow, as [`socket`] does.
#[inline(always)]
pub(crate) fn flow(key: &FlowKey, flow: &mut FlowState, cause: u8, at: u64, tally: Tally) {
    let _ = tell_flow(key, flow, tally.counters(), u32::from(cause), at);
}

/// As above; 0. Not a function of its own on the plane of system calls: together, the frames would not fit on the stack of
/// older kernels.
#[cfg_attr(not(feature = "system-calls"), unsafe(no_mangle), inline(never))]
#[cfg_attr(feature = "system-calls", inline(always))]
extern "C" fn tell_flow(
    key: *const FlowKey,
    flow: *mut FlowState,
    counters: *mut SiteCounters,
    cause: u32,
    at: u64,
) -> u32 {
    if !counters.is_null() {
        // SAFETY: the verifier lets nothing but a whole key, flow or null be given; so for the counters.
        if let (Some(key), Some(flow)) = unsafe { (key.as_ref(), flow.as_ref()) } {
            submit_flow(key, flow, cause as u8, at, Tally::of(counters));
        }
    }
    0
}

#[inline(always)]
fn submit_flow(key: &FlowKey, flow: &FlowState, cause: u8, at: u64, tally: Tally) {
    let task = owner_runs(cause);
    if let Some(place) = reserve::<FlowRecord>(tally) {
        // SAFETY: as above.
        unsafe { write_flow(place, key, flow, cause, task, at) };
        submit(place, tally);
    } else if must_arrive(cause) {
        if let Some(place) = keep_aside::<_, FlowRecord>(&SPILLED, tally) {
            // SAFETY: as above.
            unsafe { write_flow(place, key, flow, cause, task, at) };
        }
    } else {
        tally.ring_full();
    }
}

/// Emits the socket's exchange as finished.
#[inline(always)]
pub(crate) fn exchange(state: &mut SocketState, at: u64, tally: Tally) {
    let _ = tell_exchange(state, tally.counters(), at);
}

/// As above; 0.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn tell_exchange(state: *mut SocketState, counters: *mut SiteCounters, at: u64) -> u32 {
    // SAFETY: the arguments of a global function.
    if let Some((state, tally)) = unsafe { given(state, counters) } {
        submit_exchange(state, at, tally);
    }
    0
}

#[inline(always)]
fn submit_exchange(state: &SocketState, at: u64, tally: Tally) {
    let Some(place) = reserve::<ExchangeRecord>(tally) else {
        tally.ring_full();
        return;
    };
    // SAFETY: `place` was just reserved.
    unsafe {
        let record = &mut *place;
        record.header = header::<ExchangeRecord>(RecordKind::EXCHANGE, at);
        record.cookie = state.cookie;
        record.owner = state.owner;
        record.totals = state.totals;
        record.exchange = state.exchange;
        record.role = state.role;
        record.padding = [0; 7];
    }
    submit(place, tally);
}

/// Adds to a total that two threads of the owner may grow at once.
#[inline(always)]
pub(crate) fn add(total: &mut u64, amount: u64) {
    // SAFETY: one atomic addition to an aligned, valid word. The target's `core` has no read-modify-write atomics.
    unsafe {
        core::arch::asm!("lock *(u64 *)({total} + 0) += {amount}", total = in(reg) total, amount = in(reg) amount);
    }
}
