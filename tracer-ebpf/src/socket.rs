//! Finding and making the state of a TCP socket.
//!
//! Invariant: identity, endpoints and role are set once when it is made and corrected only by what the kernel says.
//! Memory: one `SocketState` for each tracked socket, freed with it.

use crate::emit::Tally;
use crate::kernel::{Object, current_task, follow, load, offset, process_id, sequences, tcp, walked_socket};
use crate::maps::{self, CONTROL, LISTENERS, SOCKETS};
use aya_ebpf::bindings::BPF_SK_STORAGE_GET_F_CREATE;
#[cfg(not(feature = "system-calls"))]
use aya_ebpf::helpers::generated::bpf_sk_storage_get;
use tracer_common::{Census, ListenerKey, Role, SocketFlags, SocketState, TransportKind, Tuple};

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const AF_UNIX: u16 = 1;
const IPPROTO_TCP: u16 = 6;
const IPPROTO_UDP: u16 = 17;
const SOCK_STREAM: u16 = 1;
const SOCK_DGRAM: u16 = 2;
const SOCK_SEQPACKET: u16 = 5;
/// Ports from here up are ephemeral by default (`net.ipv4.ip_local_port_range`).
pub(crate) const EPHEMERAL: u16 = 32768;

/// What kind of socket it is: one of the [`TransportKind`] values, or `None` if the tracer does not follow it.
#[inline(always)]
pub(crate) fn transport(socket: Object) -> Option<u8> {
    // SAFETY: `socket` comes from a hook.
    unsafe {
        match load::<u16>(socket, offset!(sock_family)) {
            AF_INET | AF_INET6 => match load::<u16>(socket, offset!(sock_protocol)) {
                IPPROTO_TCP => Some(TransportKind::TCP),
                IPPROTO_UDP => Some(TransportKind::UDP),
                _ => None,
            },
            AF_UNIX => match load::<u16>(socket, offset!(sock_type)) {
                SOCK_STREAM => Some(TransportKind::UNIX_STREAM),
                SOCK_DGRAM => Some(TransportKind::UNIX_DATAGRAM),
                SOCK_SEQPACKET => Some(TransportKind::UNIX_SEQPACKET),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Whether it is a TCP socket.
#[inline(always)]
pub(crate) fn is_tcp(socket: Object) -> bool {
    transport(socket) == Some(TransportKind::TCP)
}

/// The state of a socket, if it has one.
#[inline(always)]
pub(crate) fn find(socket: Object) -> Option<&'static mut SocketState> {
    get(socket, 0)
}

#[cfg(not(feature = "system-calls"))]
#[inline(always)]
fn get(socket: Object, flags: u64) -> Option<&'static mut SocketState> {
    // SAFETY: the map is socket storage of `SocketState`; the value lives as long as the socket, which the hook holds.
    unsafe {
        bpf_sk_storage_get(maps::handle(&SOCKETS), socket.cast_mut(), core::ptr::null_mut(), flags)
            .cast::<SocketState>()
            .as_mut()
    }
}

#[cfg(feature = "system-calls")]
#[inline(always)]
fn get(socket: Object, flags: u64) -> Option<&'static mut SocketState> {
    let address = socket as u64;
    if flags == 0 {
        // SAFETY: points into the map value, which is removed with the socket.
        SOCKETS.get_ptr_mut(&address).and_then(|state| unsafe { state.as_mut() })
    } else {
        maps::make::<_, u64, SocketState>(&SOCKETS, &address)
    }
}

/// The socket is gone.
#[cfg(feature = "system-calls")]
#[inline(always)]
pub(crate) fn forget(socket: Object) {
    let _ = SOCKETS.remove(&(socket as u64));
}

/// The socket is gone, and its state with it.
#[cfg(not(feature = "system-calls"))]
#[inline(always)]
pub(crate) fn forget(_socket: Object) {}

/// The cookie of a new state. A socket that no process has yet has no inode to be named by.
#[cfg(feature = "system-calls")]
#[inline(always)]
fn new_cookie(_socket: Object) -> u64 {
    const NUMBER_MARK: u64 = 1 << 61;
    maps::next_number() | NUMBER_MARK
}

#[cfg(not(feature = "system-calls"))]
#[inline(always)]
fn new_cookie(socket: Object) -> u64 {
    crate::kernel::cookie(socket)
}

/// The state of a socket, made now if it has none; `true` says that it is new.
#[inline(always)]
pub(crate) fn find_or_create(socket: Object, at: u64, tally: Tally) -> Option<(&'static mut SocketState, bool)> {
    match find(socket) {
        Some(state) => Some((state, false)),
        None => Some((create(socket, at, tally)?, true)),
    }
}

/// Makes the state of a socket. Rare, so out of the way of what is done for each input and output.
#[inline(never)]
fn create(socket: Object, at: u64, tally: Tally) -> Option<&'static mut SocketState> {
    let Some(state) = get(socket, u64::from(BPF_SK_STORAGE_GET_F_CREATE)) else {
        tally.map_full();
        return None;
    };
    begin(state, socket, at);
    Some(state)
}

/// Starts the life of a state: everything zero but identity and endpoints.
#[inline(always)]
pub(crate) fn begin(state: &mut SocketState, socket: Object, at: u64) {
    // SAFETY: a state is plain data for which zero is valid.
    unsafe { core::ptr::write_bytes(core::ptr::from_mut(state).cast::<u64>(), 0, size_of::<SocketState>() / 8) };
    state.cookie = new_cookie(socket);
    state.opened_at = at;
    state.active_at = at;
    skip(state, socket);
    locate(&mut state.tuple, socket);
}

/// What the socket has done up to now is not counted.
#[inline(always)]
pub(crate) fn skip(state: &mut SocketState, socket: Object) {
    let sequences = sequences(socket);
    state.sent_sequence = sequences.written;
    state.received_sequence = sequences.copied;
}

/// The connection begins now: notes the sequence numbers that both ends begin with.
#[inline(always)]
pub(crate) fn begin_sequences(state: &mut SocketState, socket: Object) {
    skip(state, socket);
    state.first_sent = state.sent_sequence;
    state.first_received = state.received_sequence;
}

/// As [`begin_sequences`] for an older connection: what was acknowledged and received since, taken back. The handshake's
/// own numbers may be among them, so these may be off by one.
#[inline(always)]
pub(crate) fn recover_sequences(state: &mut SocketState, socket: Object) {
    let tcp = tcp(socket);
    if tcp.is_null() {
        return;
    }
    // SAFETY: a `tcp_sock`.
    unsafe {
        let acknowledged = load::<u64>(tcp, offset!(tcp_bytes_acked)) as u32;
        let received = load::<u64>(tcp, offset!(tcp_bytes_received)) as u32;
        state.first_sent = load::<u32>(tcp, offset!(tcp_snd_una)).wrapping_sub(acknowledged);
        state.first_received = load::<u32>(tcp, offset!(tcp_rcv_nxt)).wrapping_sub(received);
    }
}

/// Reads the endpoints.
#[inline(always)]
pub(crate) fn locate(tuple: &mut Tuple, socket: Object) {
    // SAFETY: `socket` comes from a hook; offsets come from the kernel's BTF.
    unsafe {
        tuple.netns = load(follow(walked_socket(socket), offset!(sock_net)), offset!(net_inum));
        tuple.local_port = load::<u16>(socket, offset!(sock_num));
        tuple.remote_port = u16::from_be(load::<u16>(socket, offset!(sock_dport)));
        let family = load::<u16>(socket, offset!(sock_family));
        if family == AF_UNIX {
            // Neither addresses nor ports: what lies in their place is something else.
            tuple.local_port = 0;
            tuple.remote_port = 0;
        } else if family == AF_INET {
            mapped(&mut tuple.local_address, load(socket, offset!(sock_rcv_saddr)));
            mapped(&mut tuple.remote_address, load(socket, offset!(sock_daddr)));
        } else {
            address(&mut tuple.local_address, socket, offset!(sock_v6_rcv_saddr));
            address(&mut tuple.remote_address, socket, offset!(sock_v6_daddr));
        }
    }
}

/// The remote address in the form of the tuple, as two words.
#[inline(always)]
pub(crate) fn remote_words(socket: Object) -> [u64; 2] {
    // SAFETY: `socket` comes from a hook; offsets come from the kernel's BTF.
    unsafe {
        if load::<u16>(socket, offset!(sock_family)) == AF_INET {
            [0, 0xffff_0000 | u64::from(load::<u32>(socket, offset!(sock_daddr))) << 32]
        } else {
            let word = |place: usize| u64::from(load::<u32>(socket, offset!(sock_v6_daddr) + place));
            [word(0) | word(4) << 32, word(8) | word(12) << 32]
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
pub(crate) fn mapped(place: &mut [u8; 16], address: u32) {
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
#[inline(never)]
pub(crate) fn infer_role(state: &mut SocketState, socket: Object) {
    recover_sequences(state, socket);
    let tuple = &state.tuple;
    let (local, remote) = (listens(tuple, tuple.local_port), listens(tuple, tuple.remote_port));
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

/// Whether the census has begun, which it does when every hook is attached: before that one direction would be counted
/// without the other.
#[inline(always)]
pub(crate) fn census_begun() -> bool {
    // SAFETY: points into the map value.
    CONTROL.get_ptr(0).is_some_and(|control| unsafe { (*control).census != 0 })
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
fn listens(tuple: &Tuple, port: u16) -> bool {
    let transport = u16::from(TransportKind::TCP);
    LISTENERS.get_ptr(&ListenerKey { netns: tuple.netns, port, transport }).is_some()
}

/// Counts a listening socket in or out of the table of listening ports.
#[inline(always)]
pub(crate) fn note_listener(tuple: &Tuple, begins: bool, tally: Tally) {
    let transport = u16::from(TransportKind::TCP);
    let key = ListenerKey { netns: tuple.netns, port: tuple.local_port, transport };
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

/// Makes the running process the owner; `true` when it was another one, which is to be reported.
/// Only to be called where the hook runs in the thread that does the input or output.
#[inline(always)]
pub(crate) fn own(state: &mut SocketState) -> bool {
    let task = current_task();
    // SAFETY: the running task.
    let owner = unsafe { process_id(task) };
    // SAFETY: as above.
    state.owner_thread = unsafe { load(task, offset!(task_pid)) };
    if state.owner.pid == owner.pid && state.owner.started == owner.started && state.owner.exec == owner.exec {
        return false;
    }
    state.owner = owner;
    true
}
