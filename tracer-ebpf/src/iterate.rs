//! Programs that user space runs to look at all sockets: the census of what was open before the tracer, and the
//! periodic snapshot that makes lost records harmless, hanging requests visible, and finds flows whose socket is gone.
//!
//! Invariant: all write through the iterator's own file, which waits instead of losing. A snapshot reports only
//! what changed since the last one or has a request in flight. Memory: one record for each CPU (`maps::SCRATCH`).

use crate::emit::{self, Condition, Tally, now, tally};
use crate::kernel::{Object, follow, load, offset, process_id};
use crate::life_cycle::digest;
use crate::local::{self, Ends};
use crate::maps::{CONTROL, LIVING, SCRATCH, settings};
use crate::{datagram, exchange, flow, socket};
use aya_ebpf::helpers::generated::{bpf_seq_write, bpf_sock_from_file};
use core::ffi::c_void;
use tracer_common::{
    Census, FlowKey, FlowRecord, FlowState, Phase, RecordKind, Role, Site, SocketCause, SocketFlags, SocketRecord,
    SocketState, TransportKind,
};

const TCP_ESTABLISHED: u8 = 1;
const TCP_SYN_SENT: u8 = 2;
const TCP_CLOSE_WAIT: u8 = 8;
const TCP_LISTEN: u8 = 10;

/// A flow whose socket this many looks have not found is over: one look may pass over a socket while others come and
/// go beside it.
const LOOKS_UNTIL_GONE: u32 = 2;

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

/// Takes in every TCP, UDP and Unix socket that some process holds open, in every network namespace.
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
    let pass = asked();
    let found = Found { meta, task, sk, at: now(), tally };
    let written = match socket::transport(sk) {
        Some(TransportKind::TCP) => found.tcp(pass),
        Some(TransportKind::UDP) => found.udp(pass),
        Some(transport) => found.unix(pass, transport),
        None => {
            tally.filtered();
            true
        }
    };
    // Where the file is full, the kernel calls again for this descriptor.
    i32::from(!written)
}

/// A socket that the census has found.
struct Found {
    meta: *const Meta,
    task: Object,
    sk: Object,
    at: u64,
    tally: Tally,
}

impl Found {
    #[inline(always)]
    fn tcp_state(&self) -> u8 {
        // SAFETY: a `struct sock`.
        unsafe { load(self.sk, offset!(sock_state)) }
    }

    /// `false` when there was no room.
    #[inline(always)]
    fn tcp(&self, pass: u32) -> bool {
        let tcp_state = self.tcp_state();
        let wanted = match pass {
            Census::LISTENERS => tcp_state == TCP_LISTEN,
            Census::CONNECTIONS => matches!(tcp_state, TCP_ESTABLISHED | TCP_SYN_SENT | TCP_CLOSE_WAIT),
            _ => false,
        };
        if !wanted {
            self.tally.filtered();
            return true;
        }
        let Some((state, _)) = socket::find_or_create(self.sk, self.at, self.tally) else { return true };
        self.tally.tracked();
        if state.role == Role::UNKNOWN {
            if tcp_state == TCP_LISTEN {
                state.role = Role::LISTENER;
                state.flags |= SocketFlags::PREEXISTING;
                socket::note_listener(&state.tuple, true, self.tally);
            } else {
                socket::infer_role(state, self.sk);
            }
        }
        if state.reported != 0 {
            // Another descriptor of the same socket.
            return true;
        }
        let described = self.hold(state);
        // SAFETY: `meta` is the iterator's.
        let written = unsafe { write_socket(self.meta, self.sk, state, SocketCause::CENSUS, described, self.at) };
        if written {
            state.reported = digest(state) | 1;
        }
        written
    }

    #[inline(always)]
    fn udp(&self, pass: u32) -> bool {
        // SAFETY: a `struct sock`.
        let connected_to = u16::from_be(unsafe { load::<u16>(self.sk, offset!(sock_dport)) });
        let bound = datagram::is_bound(self.sk);
        if connected_to == 0 {
            if bound && pass == Census::LISTENERS {
                self.tally.tracked();
                return self.listener(TransportKind::UDP);
            }
            self.tally.filtered();
            return true;
        }
        if pass != Census::CONNECTIONS {
            self.tally.filtered();
            return true;
        }
        let mut key = flow::key(self.sk);
        key.peer = socket::remote_words(self.sk);
        key.peer_port = connected_to;
        let flow = match flow::find(&key) {
            Some(flow) => flow,
            // As if it had sent: a server that is connected and has the lower port answers, all others ask.
            None => match datagram::begin(&key, self.sk, true, self.at, self.tally) {
                Some(flow) => flow,
                None => return true,
            },
        };
        self.tally.tracked();
        self.flow(&key, flow)
    }

    #[inline(always)]
    fn unix(&self, pass: u32, transport: u8) -> bool {
        let ends = Ends::of(self.sk);
        let listens = if transport == TransportKind::UNIX_DATAGRAM {
            ends.peer.is_null() && !ends.own_name.is_null()
        } else {
            self.tcp_state() == TCP_LISTEN
        };
        if listens && pass == Census::LISTENERS {
            self.tally.tracked();
            return self.listener(transport);
        }
        // Who asks and who answers on an unnamed pair is told by who sends first.
        let named = !ends.own_name.is_null() || !ends.peer_name.is_null();
        if listens || ends.peer.is_null() || pass != Census::CONNECTIONS || !named {
            self.tally.filtered();
            return true;
        }
        let key = flow::key(self.sk);
        let flow = match flow::find(&key) {
            Some(flow) => flow,
            None => match local::connected(&key, self.sk, transport, &ends, true, self.at, self.tally) {
                Some(flow) => flow,
                None => return true,
            },
        };
        self.tally.tracked();
        self.flow(&key, flow)
    }

    /// Reports a flow once.
    #[inline(always)]
    fn flow(&self, key: &FlowKey, flow: &mut FlowState) -> bool {
        if flow.socket.reported != 0 {
            return true;
        }
        flow.socket.flags |= SocketFlags::PREEXISTING;
        let described = self.hold(&mut flow.socket);
        // SAFETY: `meta` is the iterator's.
        let written = unsafe { write_flow(self.meta, key, flow, SocketCause::CENSUS, described, self.at) };
        if written {
            flow.socket.reported = digest(&flow.socket) | 1;
        }
        written
    }

    /// Reports a socket that has no state: it waits for anybody to send to it.
    #[inline(always)]
    fn listener(&self, transport: u8) -> bool {
        let Some(place) = SCRATCH.get_ptr_mut(0) else { return true };
        // SAFETY: iterators run one at a time on a CPU.
        let record = unsafe { &mut *place };
        // SAFETY: all zeros is a record.
        unsafe { core::ptr::write_bytes(place.cast::<u64>(), 0, size_of::<FlowRecord>() / 8) };
        let socket = &mut record.socket;
        socket.cookie = crate::kernel::cookie(self.sk);
        socket.opened_at = self.at;
        socket.active_at = self.at;
        socket.cause = SocketCause::CENSUS;
        socket.role = Role::LISTENER;
        socket.transport = transport;
        socket.flags = SocketFlags::PREEXISTING;
        socket::locate(&mut socket.tuple, self.sk);
        // SAFETY: the task that holds the descriptor.
        unsafe { emit::describe(socket, self.task) };
        // SAFETY: as above.
        socket.owner = unsafe { process_id(self.task) };
        socket.header = emit::header::<FlowRecord>(RecordKind::FLOW, self.at);
        if transport != TransportKind::UDP {
            record.path_length = local::take_name(&mut record.path, Ends::of(self.sk).own_name);
        }
        // SAFETY: `meta` is the iterator's.
        unsafe { bpf_seq_write((*self.meta).seq.cast(), place.cast(), size_of::<FlowRecord>() as u32) == 0 }
    }

    /// The holder of the descriptor owns the socket unless somebody is known to; its task, if it does.
    #[inline(always)]
    fn hold(&self, state: &mut SocketState) -> Option<Object> {
        // SAFETY: the task that holds the descriptor.
        let holder = unsafe { process_id(self.task) };
        if state.owner.pid == 0 {
            state.owner = holder;
            // SAFETY: as above.
            state.owner_thread = unsafe { load(self.task, offset!(task_pid)) };
        }
        let owns = state.owner.pid == holder.pid && state.owner.started == holder.started;
        if owns { Some(self.task) } else { None }
    }
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
    let idle = flow.socket.transport == TransportKind::UDP && silent >= settings().flow_idle;
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
    if asked() == Census::FINISH { 0 } else { settings().quiet_after }
}

/// What user space wants of the iterators.
#[inline(always)]
fn asked() -> u32 {
    // SAFETY: points into the map value.
    CONTROL.get_ptr(0).map_or(0, |control| unsafe { (*control).census })
}

/// Writes a record to the iterator's file; `false` when there was no room.
#[inline(always)]
unsafe fn write_socket(
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
unsafe fn write_flow(
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
