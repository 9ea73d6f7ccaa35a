//! Finding and making the state of a socket.
//!
//! Invariant: state exists only for TCP sockets; identity, endpoints and role are set once when it is made and
//! corrected only by what the kernel says. Memory: one `SocketState` for each tracked socket, freed with it.

use crate::emit::{self, Tally};
use crate::kernel::{Object, current_task, follow, load, offset, process_id, write_sequence};
use crate::maps::{self, CONTROL, LISTENERS, SOCKETS};
use aya_ebpf::bindings::BPF_SK_STORAGE_GET_F_CREATE;
use aya_ebpf::helpers::generated::{bpf_get_socket_cookie, bpf_sk_storage_get};
use tracer_common::{Census, ListenerKey, Role, SocketCause, SocketFlags, SocketState, Tuple};

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const IPPROTO_TCP: u16 = 6;
/// Ports from here up are ephemeral by default (`net.ipv4.ip_local_port_range`).
const EPHEMERAL: u16 = 32768;

/// Whether the tracer follows this kind of socket.
#[inline(always)]
pub(crate) fn is_tcp(socket: Object) -> bool {
    // SAFETY: `socket` comes from a hook.
    unsafe {
        let family = load::<u16>(socket, offset!(sock_family));
        (family == AF_INET || family == AF_INET6) && load::<u16>(socket, offset!(sock_protocol)) == IPPROTO_TCP
    }
}

/// The state of a socket, if it has one.
#[inline(always)]
pub(crate) fn find(socket: Object) -> Option<&'static mut SocketState> {
    get(socket, 0)
}

#[inline(always)]
fn get(socket: Object, flags: u64) -> Option<&'static mut SocketState> {
    // SAFETY: the map is socket storage of `SocketState`; the value lives as long as the socket, which the hook holds.
    unsafe {
        bpf_sk_storage_get(maps::handle(&SOCKETS), socket.cast_mut(), core::ptr::null_mut(), flags)
            .cast::<SocketState>()
            .as_mut()
    }
}

/// The state of a socket, made now if it has none; `true` says that it is new.
#[inline(always)]
pub(crate) fn find_or_create(socket: Object, at: u64, tally: Tally) -> Option<(&'static mut SocketState, bool)> {
    if let Some(state) = find(socket) {
        return Some((state, false));
    }
    let Some(state) = get(socket, u64::from(BPF_SK_STORAGE_GET_F_CREATE)) else {
        tally.map_full();
        return None;
    };
    begin(state, socket, at);
    Some((state, true))
}

/// Starts the life of a state: everything zero but identity and endpoints.
#[inline(always)]
pub(crate) fn begin(state: &mut SocketState, socket: Object, at: u64) {
    // SAFETY: a state is plain data for which zero is valid.
    unsafe { core::ptr::write_bytes(core::ptr::from_mut(state).cast::<u64>(), 0, size_of::<SocketState>() / 8) };
    // SAFETY: `socket` comes from a hook.
    state.cookie = unsafe { bpf_get_socket_cookie(socket.cast_mut()) };
    state.opened_at = at;
    state.active_at = at;
    state.sent_sequence = write_sequence(socket);
    locate(state, socket);
}

/// Reads the endpoints.
#[inline(always)]
pub(crate) fn locate(state: &mut SocketState, socket: Object) {
    let tuple: &mut Tuple = &mut state.tuple;
    // SAFETY: `socket` comes from a hook; offsets come from the kernel's BTF.
    unsafe {
        tuple.netns = load(follow(socket, offset!(sock_net)), offset!(net_inum));
        tuple.local_port = load::<u16>(socket, offset!(sock_num));
        tuple.remote_port = u16::from_be(load::<u16>(socket, offset!(sock_dport)));
        if load::<u16>(socket, offset!(sock_family)) == AF_INET {
            mapped(&mut tuple.local_address, load(socket, offset!(sock_rcv_saddr)));
            mapped(&mut tuple.remote_address, load(socket, offset!(sock_daddr)));
        } else {
            address(&mut tuple.local_address, socket, offset!(sock_v6_rcv_saddr));
            address(&mut tuple.remote_address, socket, offset!(sock_v6_daddr));
        }
    }
}

/// Reads the local port and address again, once they are chosen.
#[inline(always)]
pub(crate) fn locate_local_port(state: &mut SocketState, socket: Object) {
    // SAFETY: `socket` comes from a hook.
    state.tuple.local_port = unsafe { load::<u16>(socket, offset!(sock_num)) };
}

/// Writes an IPv4 address (network order) in IPv4-mapped form.
#[inline(always)]
fn mapped(place: &mut [u8; 16], address: u32) {
    let words = place.as_mut_ptr().cast::<u32>();
    // SAFETY: the array has four words, and `tuple` begins at a multiple of eight.
    unsafe {
        words.write(0);
        words.add(1).write(0);
        words.add(2).write(0xffff_0000_u32);
        words.add(3).write(address);
    }
}

/// Copies an IPv6 address.
#[inline(always)]
unsafe fn address(place: &mut [u8; 16], socket: Object, offset: usize) {
    let words = place.as_mut_ptr().cast::<u32>();
    // SAFETY: the array has four words; the offset names an `in6_addr`.
    unsafe {
        words.write(load(socket, offset));
        words.add(1).write(load(socket, offset + 4));
        words.add(2).write(load(socket, offset + 8));
        words.add(3).write(load(socket, offset + 12));
    }
}

/// The role of a connection that is older than its state: whoever has the listening port is the server.
#[inline(always)]
pub(crate) fn infer_role(state: &mut SocketState) {
    let tuple = &state.tuple;
    let (local, remote) = (listens(tuple.netns, tuple.local_port), listens(tuple.netns, tuple.remote_port));
    state.flags |= SocketFlags::PREEXISTING | SocketFlags::ESTABLISHED;
    state.role = if local {
        Role::SERVER
    } else if remote {
        Role::CLIENT
    } else {
        state.flags |= SocketFlags::ROLE_INFERRED;
        if tuple.local_port < EPHEMERAL && tuple.remote_port >= EPHEMERAL { Role::SERVER } else { Role::CLIENT }
    };
}

/// Whether all listening ports are known, so that a role can be inferred.
#[inline(always)]
pub(crate) fn census_done() -> bool {
    match CONTROL.get_ptr(0) {
        // SAFETY: points into the map value.
        Some(control) => unsafe { (*control).census >= Census::DONE },
        None => false,
    }
}

#[inline(always)]
fn listens(netns: u32, port: u16) -> bool {
    LISTENERS.get_ptr(&ListenerKey { netns, port, padding: 0 }).is_some()
}

/// Counts a listening socket in or out of the table of listening ports.
#[inline(always)]
pub(crate) fn note_listener(tuple: &Tuple, begins: bool, tally: Tally) {
    let key = ListenerKey { netns: tuple.netns, port: tuple.local_port, padding: 0 };
    let held = match LISTENERS.get_ptr(&key) {
        // SAFETY: points into the map value.
        Some(count) => unsafe { count.read() },
        None => 0,
    };
    let result = if begins {
        LISTENERS.insert(&key, &(held + 1), 0)
    } else if held > 1 {
        LISTENERS.insert(&key, &(held - 1), 0)
    } else {
        LISTENERS.remove(&key)
    };
    if begins && result.is_err() {
        tally.map_full();
    }
}

/// Makes the running process the owner, and reports it when it was another one.
/// Only to be called where the hook runs in the thread that does the input or output.
#[inline(always)]
pub(crate) fn own(state: &mut SocketState, socket: Object, at: u64, tally: Tally) {
    let task = current_task();
    // SAFETY: the running task.
    let owner = unsafe { process_id(task) };
    // SAFETY: as above.
    state.owner_thread = unsafe { load(task, offset!(task_pid)) };
    if state.owner.pid == owner.pid && state.owner.started == owner.started && state.owner.exec == owner.exec {
        return;
    }
    state.owner = owner;
    emit::socket(socket, state, SocketCause::OWNER, Some(task), at, tally);
}
