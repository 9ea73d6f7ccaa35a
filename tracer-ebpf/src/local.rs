//! Unix sockets: stream, seqpacket and datagram, named by a path or an abstract name, or as an unnamed pair.
//!
//! The kernel knows the peer of a connected socket, and the name under which it was reached: an accepted socket shares
//! its listener's name. A datagram to a path is a flow of its own for each path.
//! Invariant: who is the client of a connected pair follows from who has the name; for an unnamed pair it is who sends
//! first. Memory: as `maps` says of flows.

use crate::call::Call;
use crate::emit::{Tally, now};
use crate::kernel::{self, Object, follow, load, offset};
use crate::{answer, exchange, flow, payload};
use aya_ebpf::helpers::generated::bpf_probe_read_user;
use tracer_common::socket::PATH_LENGTH;
use tracer_common::{FlowKey, FlowState, Role, SocketFlags, SocketState, TransportKind};

/// `sizeof(sun_path)` and where it begins in `struct sockaddr_un` (unix(7)).
const SUN_PATH: usize = 108;
const SUN_PATH_AT: usize = 2;
/// Bit of `sock_flag` (`include/net/sock.h`): no descriptor refers to the socket any more.
const SOCK_DEAD: u64 = 1;
const WORDS: usize = PATH_LENGTH / 8;

/// The running thread has sent `length` bytes, or failed to.
#[inline(never)]
pub(crate) fn sent(socket: Object, transport: u8, length: i32, tally: Tally) -> Option<&'static mut SocketState> {
    if length <= 0 {
        tally.filtered();
        return None;
    }
    let at = now();
    let mut key = flow::key(socket);
    let ends = Ends::of(socket);
    let flow = if transport == TransportKind::UNIX_DATAGRAM && ends.peer.is_null() {
        let mut name = [0_u64; WORDS];
        let main = key;
        let name_length = destination(&mut name);
        key.peer = [digest(&name), u64::from(name_length)];
        match flow::find(&key) {
            Some(flow) => flow,
            // A socket that was sent something first answers: that is no call of its own.
            None if flow::find(&main).is_some_and(|flow| flow.socket.role == Role::LISTENER) => {
                tally.filtered();
                return None;
            }
            None if name_length == 0 => {
                tally.read_fault();
                tally.filtered();
                return None;
            }
            None => {
                let flow = flow::create(&key, socket, transport, at, tally)?;
                flow.socket.cookie = crate::maps::next_number() | tracer_common::socket::FLOW_MARK;
                flow.socket.role = Role::CLIENT;
                flow.path_length = name_length;
                set_path(flow, &name);
                flow
            }
        }
    } else {
        match flow::find(&key) {
            Some(flow) => flow,
            None => connected(&key, socket, transport, &ends, true, at, tally)?,
        }
    };
    tally.tracked();
    meet(flow, ends.peer);
    flow::own(&key, flow, at, tally);
    exchange::message_sent(&mut flow.socket, length as u32, at, tally);
    Some(&mut flow.socket)
}

/// The running thread has received `length` bytes, or failed to.
#[inline(never)]
pub(crate) fn received(socket: Object, transport: u8, length: i32, tally: Tally) {
    if length < 0 {
        return tally.filtered();
    }
    let at = now();
    let key = flow::key(socket);
    if length == 0 && transport != TransportKind::UNIX_DATAGRAM {
        return end_of_stream(&key, socket, at, tally);
    }
    let flow = match flow::find(&key) {
        Some(flow) => flow,
        None => {
            let ends = Ends::of(socket);
            let made = if transport == TransportKind::UNIX_DATAGRAM && ends.peer.is_null() {
                receiver(&key, socket, &ends, at, tally)
            } else {
                connected(&key, socket, transport, &ends, false, at, tally)
            };
            match made {
                Some(flow) => flow,
                None => return,
            }
        }
    };
    tally.tracked();
    flow::own(&key, flow, at, tally);
    answer::pass_on(&flow.socket, length, at, tally);
    exchange::message_received(&mut flow.socket, length as u32, at, tally);
    payload::received(&mut flow.socket, length as u32, at, tally);
}

/// The other side will send no more. When it is closed altogether, both ends are over.
#[inline(always)]
fn end_of_stream(key: &FlowKey, socket: Object, at: u64, tally: Tally) {
    let Some(flow) = flow::find(key) else { return tally.filtered() };
    tally.tracked();
    flow::own(key, flow, at, tally);
    let peer = Ends::of(socket).peer;
    meet(flow, peer);
    // SAFETY: the peer is kept by this socket.
    if peer.is_null() || unsafe { load::<u64>(peer, offset!(sock_flags)) } & SOCK_DEAD == 0 {
        return;
    }
    flow.socket.flags |= SocketFlags::PEER_CLOSED_FIRST;
    let peer_key = FlowKey { cookie: flow.socket.peer_cookie, ..*key };
    if let Some(peer_flow) = flow::find(&peer_key) {
        flow::end(&peer_key, peer_flow, at, tally);
    }
    flow::end(key, flow, at, tally);
}

/// A socket, its peer and the names of both; null where there is none.
pub(crate) struct Ends {
    pub(crate) peer: Object,
    pub(crate) own_name: Object,
    pub(crate) peer_name: Object,
}

impl Ends {
    #[inline(always)]
    pub(crate) fn of(socket: Object) -> Self {
        let mut ends = Self { peer: core::ptr::null(), own_name: core::ptr::null(), peer_name: core::ptr::null() };
        let own = kernel::unix(socket);
        if own.is_null() {
            return ends;
        }
        // SAFETY: a `unix_sock`; its peer, if any, is one too.
        unsafe {
            ends.own_name = follow(own, offset!(unix_address));
            ends.peer = follow(own, offset!(unix_peer));
            if !ends.peer.is_null() {
                let peer = kernel::unix(ends.peer);
                if !peer.is_null() {
                    ends.peer_name = follow(peer, offset!(unix_address));
                }
            }
        }
        ends
    }
}

/// Notes who the peer is, once it can be named: a socket that is not accepted yet has no name on the plane of system calls.
#[inline(always)]
fn meet(flow: &mut FlowState, peer: Object) {
    if flow.socket.peer_cookie == 0 && flow.socket.role != Role::LISTENER {
        flow.socket.peer_cookie = kernel::cookie(peer);
    }
}

/// Makes the flow of a connected socket.
#[inline(always)]
pub(crate) fn connected(
    key: &FlowKey,
    socket: Object,
    transport: u8,
    ends: &Ends,
    sends: bool,
    at: u64,
    tally: Tally,
) -> Option<&'static mut FlowState> {
    let flow = flow::create(key, socket, transport, at, tally)?;
    flow.socket.peer_cookie = kernel::cookie(ends.peer);
    let client = match (ends.own_name.is_null(), ends.peer_name.is_null()) {
        (true, false) => true,
        (false, true) => false,
        (false, false) => {
            let (own, peer) = (sharers(ends.own_name), sharers(ends.peer_name));
            if own == peer { sends } else { peer > own }
        }
        (true, true) => {
            flow.socket.flags |= SocketFlags::ROLE_INFERRED;
            sends
        }
    };
    // Whatever the other end was taken for, this one is the opposite.
    let client = match flow::find(&flow::key(ends.peer)) {
        Some(peer) if peer.socket.role == Role::CLIENT => false,
        Some(peer) if peer.socket.role == Role::SERVER => true,
        _ => client,
    };
    flow.socket.role = if client { Role::CLIENT } else { Role::SERVER };
    flow.path_length = take_name(&mut flow.path, if client { ends.peer_name } else { ends.own_name });
    if client && answer::is_resolver(&flow.path) {
        flow.socket.flags |= SocketFlags::RESOLVES_NAMES;
    }
    Some(flow)
}

/// Makes the flow of a datagram socket that receives from anybody: it serves its name.
#[inline(always)]
pub(crate) fn receiver(
    key: &FlowKey,
    socket: Object,
    ends: &Ends,
    at: u64,
    tally: Tally,
) -> Option<&'static mut FlowState> {
    if ends.own_name.is_null() {
        tally.filtered();
        return None;
    }
    let flow = flow::create(key, socket, TransportKind::UNIX_DATAGRAM, at, tally)?;
    flow.socket.role = Role::LISTENER;
    flow.path_length = take_name(&mut flow.path, ends.own_name);
    Some(flow)
}

/// How many sockets share a name: a listener and all it accepted.
#[inline(always)]
fn sharers(name: Object) -> u32 {
    // SAFETY: a `unix_address`, whose count is first in `refcount_t`.
    unsafe { load(name, offset!(unix_address_count)) }
}

/// Copies a socket's name; its length.
#[inline(always)]
pub(crate) fn take_name(place: &mut [u8; PATH_LENGTH], name: Object) -> u16 {
    if name.is_null() {
        return 0;
    }
    // SAFETY: a `unix_address`: its length covers the family and the path.
    let length = unsafe { load::<i32>(name, offset!(unix_address_length)) } as usize;
    let path = offset!(unix_address_name) + SUN_PATH_AT;
    let words = place.as_mut_ptr().cast::<u32>();
    // SAFETY: what the path does not use is cut off by the reader; the loads end with `sun_path`. A path begins at a
    // multiple of eight in the structures that hold one.
    unsafe {
        let mut at = 0;
        while at < SUN_PATH / 4 {
            words.add(at).write(load::<u32>(name, path + at * 4));
            at += 1;
        }
    }
    if length > SUN_PATH_AT && length <= SUN_PATH_AT + SUN_PATH { (length - SUN_PATH_AT) as u16 } else { 0 }
}

/// The path that the running call sends to, and its length; 0 when it tells none.
#[inline(always)]
fn destination(path: &mut [u64; WORDS]) -> u16 {
    let Some(call) = Call::running() else { return 0 };
    let (address, length) = call.destination();
    if address == 0 || length as usize <= SUN_PATH_AT || length as usize > SUN_PATH_AT + SUN_PATH {
        return 0;
    }
    let used = (length as usize - SUN_PATH_AT) as u32 & 127;
    if used as usize > SUN_PATH {
        return 0;
    }
    let from = address + SUN_PATH_AT as u64;
    // SAFETY: `used` bytes fit into the buffer.
    if unsafe { bpf_probe_read_user(path.as_mut_ptr().cast(), used, from as *const _) } != 0 {
        return 0;
    }
    used as u16
}

#[inline(always)]
fn set_path(flow: &mut FlowState, name: &[u64; WORDS]) {
    let place = flow.path.as_mut_ptr().cast::<u64>();
    for (number, word) in name.iter().enumerate() {
        // SAFETY: the path has as many words, and begins at a multiple of eight.
        unsafe { place.add(number).write(*word) };
    }
}

/// FNV-1a over words.
#[inline(always)]
fn digest(name: &[u64; WORDS]) -> u64 {
    let mut digest = 0xcbf2_9ce4_8422_2325_u64;
    for word in name {
        digest = (digest ^ word).wrapping_mul(0x0100_0000_01b3);
    }
    digest
}
