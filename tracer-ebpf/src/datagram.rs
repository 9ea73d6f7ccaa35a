//! UDP: what moves between a socket and each of its peers.
//!
//! One socket may talk to many peers, so each peer is a flow of its own. A connected socket knows its peer; else the
//! address of the call itself is taken, by hooks on addresses (`cgroup/sendmsg`, `cgroup/recvmsg`) that run in the same
//! thread, inside the same system call, just before; on the plane of system calls, from the memory of the process. Invariant: a datagram whose peer is not known is counted for no
//! peer. Memory: as `maps` says of flows and addresses.

use crate::emit::{Tally, now, tally};
use crate::kernel::{self, Object, load, offset};
use crate::maps::{self, ADDRESSES, Address, setting};
use crate::{answer, batch, exchange, flow, payload, socket};
use aya_ebpf::helpers::generated::bpf_get_current_pid_tgid;
#[cfg(not(feature = "system-calls"))]
use aya_ebpf::{helpers::generated::bpf_get_socket_cookie, macros::cgroup_sock_addr, programs::SockAddrContext};
use tracer_common::socket::FLOW_MARK;
use tracer_common::{FlowKey, FlowState, Role, Site, SocketFlags, TransportKind};

/// The port of name servers (RFC 1035 §4.2).
const DNS: u16 = 53;
/// `SOCK_BINDPORT_LOCK` (`include/net/sock.h`): the port was chosen by the program, not by the kernel.
const PORT_WAS_CHOSEN: u8 = 8;

#[cfg(not(feature = "system-calls"))]
#[cgroup_sock_addr(sendmsg4)]
pub fn send_address4(context: SockAddrContext) -> i32 {
    note(&context, false)
}

#[cfg(not(feature = "system-calls"))]
#[cgroup_sock_addr(sendmsg6)]
pub fn send_address6(context: SockAddrContext) -> i32 {
    note(&context, true)
}

#[cfg(not(feature = "system-calls"))]
#[cgroup_sock_addr(recvmsg4)]
pub fn receive_address4(context: SockAddrContext) -> i32 {
    note(&context, false)
}

#[cfg(not(feature = "system-calls"))]
#[cgroup_sock_addr(recvmsg6)]
pub fn receive_address6(context: SockAddrContext) -> i32 {
    note(&context, true)
}

/// Keeps the address of the running call for the hook on its input or output. Always lets the call go on.
#[cfg(not(feature = "system-calls"))]
#[inline(always)]
fn note(context: &SockAddrContext, six: bool) -> i32 {
    const GO_ON: i32 = 1;
    let Some(tally) = tally::<{ Site::ADDRESS }>() else { return GO_ON };
    tally.seen();
    // SAFETY: the kernel passes a valid context; only members that this kind of program may read are read.
    let (cookie, words, port) = unsafe {
        let address = context.sock_addr;
        let words = if six {
            let words = &(*address).user_ip6;
            [words[0], words[1], words[2], words[3]]
        } else {
            [0, 0, 0xffff_0000, (*address).user_ip4]
        };
        (bpf_get_socket_cookie(address.cast()), words, u16::from_be((*address).user_port as u16))
    };
    let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    let address = [pair(words[0], words[1]), pair(words[2], words[3])];
    let entry = Address { cookie, address, port, padding: [0; 6] };
    // SAFETY: no preconditions.
    let thread = unsafe { bpf_get_current_pid_tgid() };
    match ADDRESSES.insert(&thread, &entry, 0) {
        Ok(()) => tally.tracked(),
        Err(_) => tally.map_full(),
    }
    GO_ON
}

/// Keeps the address that the running call told, or filled in, for what follows: a `sockaddr` at `name` in the memory of
/// the process, or nothing when that is 0.
#[cfg(feature = "system-calls")]
#[inline(always)]
pub(crate) fn note_user(socket: Object, name: u64) {
    use crate::call::user;
    if socket.is_null() || name == 0 || socket::transport(socket) != Some(TransportKind::UDP) {
        return;
    }
    let Some(tally) = tally::<{ Site::ADDRESS }>() else { return };
    tally.seen();
    let port = u16::from_be(user::<u16>(name + 2).unwrap_or(0));
    let address = match user::<u16>(name) {
        // struct sockaddr_in { family, port, address }, struct sockaddr_in6 { family, port, flow, address }
        Some(2) => user::<u32>(name + 4).map(|address| [0, 0xffff_0000 | u64::from(address) << 32]),
        Some(10) => user::<u64>(name + 8).zip(user::<u64>(name + 16)).map(|(first, second)| [first, second]),
        _ => None,
    };
    let Some(address) = address else { return tally.filtered() };
    let entry = Address { cookie: kernel::cookie(socket), address, port, padding: [0; 6] };
    // SAFETY: no preconditions.
    let thread = unsafe { bpf_get_current_pid_tgid() };
    match ADDRESSES.insert(&thread, &entry, 0) {
        Ok(()) => tally.tracked(),
        Err(_) => tally.map_full(),
    }
}

/// The running thread has sent a datagram, or failed to.
#[inline(never)]
pub(crate) fn sent(socket: Object, length: i32, tally: Tally) {
    let Some((flow, at)) = enter(socket, length, true, tally) else { return };
    exchange::message_sent(&mut flow.socket, length as u32, at, tally);
    payload::sent(&mut flow.socket, length as u32, at, tally);
}

/// The running thread has received a datagram, or failed to.
#[inline(never)]
pub(crate) fn received(socket: Object, length: i32, tally: Tally) {
    let Some((flow, at)) = enter(socket, length, false, tally) else { return };
    answer::pass_on(&flow.socket, length, at, tally);
    exchange::message_received(&mut flow.socket, length as u32, at, tally);
    payload::received(&mut flow.socket, length as u32, at, tally);
}

/// The flow of a datagram that the running thread has just sent or received.
#[inline(always)]
fn enter(socket: Object, length: i32, sends: bool, tally: Tally) -> Option<(&'static mut FlowState, u64)> {
    let cookie = kernel::cookie(socket);
    let address = take_address(cookie);
    batch::moved(length);
    if length < 0 {
        tally.filtered();
        return None;
    }
    let at = now();
    // SAFETY: `socket` comes from a hook.
    let connected_to = u16::from_be(unsafe { load::<u16>(socket, offset!(sock_dport)) });
    let mut key = FlowKey { cookie, peer: [0; 2], peer_port: 0, padding: [0; 6] };
    if let Some(address) = address {
        key.peer = address.address;
        key.peer_port = address.port;
    } else if connected_to == 0 {
        // Neither connected nor told: nobody to count it for.
        tally.read_fault();
        tally.filtered();
        return None;
    } else {
        key.peer = socket::remote_words(socket);
        key.peer_port = connected_to;
    }
    let flow = match flow::find(&key) {
        Some(flow) => flow,
        None => begin(&key, socket, sends, at, tally)?,
    };
    tally.tracked();
    flow::own(&key, flow, at, tally);
    Some((flow, at))
}

/// Makes a new flow.
#[inline(always)]
pub(crate) fn begin(
    key: &FlowKey,
    socket: Object,
    sends: bool,
    at: u64,
    tally: Tally,
) -> Option<&'static mut FlowState> {
    let flow = flow::create(key, socket, TransportKind::UDP, at, tally)?;
    let state = &mut flow.socket;
    state.cookie = maps::next_number() | FLOW_MARK;
    let words = state.tuple.remote_address.as_mut_ptr().cast::<u64>();
    // SAFETY: the array has two words, and `tuple` begins at a multiple of eight.
    unsafe {
        words.write(key.peer[0]);
        words.add(1).write(key.peer[1]);
    }
    state.tuple.remote_port = key.peer_port;
    let (local, remote) = (state.tuple.local_port, state.tuple.remote_port);
    let answers = local < socket::EPHEMERAL && remote >= socket::EPHEMERAL;
    let serves = if sends { is_bound(socket) && answers } else { is_bound(socket) || is_asked(socket, at) };
    state.role = if serves { Role::SERVER } else { Role::CLIENT };
    if state.role == Role::CLIENT && remote == DNS {
        state.flags |= SocketFlags::RESOLVES_NAMES;
    }
    if sends == (state.role == Role::SERVER) {
        state.flags |= SocketFlags::PREEXISTING;
    }
    Some(flow)
}

/// Whether a datagram that comes first is a request, although the kernel chose the port: the socket takes what anybody
/// sends, and has asked nobody since the tracer began.
#[inline(always)]
fn is_asked(socket: Object, at: u64) -> bool {
    // SAFETY: `socket` comes from a hook.
    at >= setting!(answers_until) && unsafe { load::<u16>(socket, offset!(sock_dport)) } == 0
}

/// Whether the program chose the port: what serves does, what asks lets the kernel choose.
#[inline(always)]
pub(crate) fn is_bound(socket: Object) -> bool {
    let bits = offset!(sock_locks);
    // SAFETY: `socket` comes from a hook; in some kernels the member is the upper half of a byte.
    (unsafe { load::<u8>(socket, bits >> 3) } >> (bits & 7)) & PORT_WAS_CHOSEN != 0
}

/// The address of the running call, if it told one and is about the socket with this cookie.
#[inline(always)]
fn take_address(cookie: u64) -> Option<Address> {
    // SAFETY: no preconditions.
    let thread = unsafe { bpf_get_current_pid_tgid() };
    // SAFETY: copied out at once.
    let address = unsafe { ADDRESSES.get_ptr(&thread)?.read() };
    let _ = ADDRESSES.remove(&thread);
    (address.cookie == cookie).then_some(address)
}
