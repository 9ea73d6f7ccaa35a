//! Finding, making and ending flows: the states of sockets that have no hook at their end.
//!
//! A TCP socket is reported when the kernel destroys it. UDP and Unix sockets vanish without a trace point, so their
//! state is kept apart from the socket: looks at all sockets that carry a mark (on the plane of system calls, at all
//! descriptors) say which live, and a flow
//! whose socket two looks have not found is told to be closed, with its final totals.
//! Invariant: a flow is told to be closed once, and what moved before its end is in its totals.
//! Memory: as `maps` says.

use crate::emit::{self, Tally};
use crate::kernel::{self, Object, current_task};
#[cfg(not(feature = "system-calls"))]
use crate::maps::MARKS;
use crate::maps::{self, CONTROL, FLOWS, LIVING};
use crate::{exchange, socket};
#[cfg(not(feature = "system-calls"))]
use aya_ebpf::bindings::BPF_SK_STORAGE_GET_F_CREATE;
#[cfg(not(feature = "system-calls"))]
use aya_ebpf::helpers::generated::bpf_sk_storage_get;
use tracer_common::{FlowKey, FlowState, SocketCause, SocketFlags};

/// The flow between a socket and its only peer.
#[inline(always)]
pub(crate) fn key(socket: Object) -> FlowKey {
    FlowKey { cookie: kernel::cookie(socket), peer: [0; 2], peer_port: 0, padding: [0; 6] }
}

/// The state of a flow, if it has one.
#[inline(always)]
pub(crate) fn find(key: &FlowKey) -> Option<&'static mut FlowState> {
    // SAFETY: points into the map value; user space removes it only when its socket is gone.
    FLOWS.get_ptr_mut(key).and_then(|flow| unsafe { flow.as_mut() })
}

/// Makes the state of a flow: endpoints as the socket has them, everything else zero.
#[inline(always)]
pub(crate) fn create(
    key: &FlowKey,
    socket: Object,
    transport: u8,
    at: u64,
    tally: Tally,
) -> Option<&'static mut FlowState> {
    if !mark(socket, key.cookie) {
        tally.map_full();
        return None;
    }
    let Some(flow) = maps::make::<_, FlowKey, FlowState>(&FLOWS, key) else {
        tally.map_full();
        return None;
    };
    let state = &mut flow.socket;
    state.cookie = key.cookie;
    state.transport = transport;
    state.opened_at = at;
    state.active_at = at;
    state.established_at = at;
    state.flags = SocketFlags::ESTABLISHED;
    socket::locate(&mut state.tuple, socket);
    Some(flow)
}

/// Marks the socket as one that has flows, and as alive; `false` when there is no room.
#[cfg(not(feature = "system-calls"))]
#[inline(always)]
fn mark(socket: Object, cookie: u64) -> bool {
    let create = u64::from(BPF_SK_STORAGE_GET_F_CREATE);
    // SAFETY: the map is socket storage of a word.
    let mark = unsafe { bpf_sk_storage_get(maps::handle(&MARKS), socket.cast_mut(), core::ptr::null_mut(), create) };
    // SAFETY: the helper returned a word of the map, or null.
    let Some(mark) = (unsafe { mark.cast::<u64>().as_mut() }) else { return false };
    if *mark == cookie {
        return true;
    }
    *mark = cookie;
    LIVING.insert(&cookie, &look(), 0).is_ok()
}

/// As above; what lives is found by looking at all descriptors.
#[cfg(feature = "system-calls")]
#[inline(always)]
fn mark(_socket: Object, cookie: u64) -> bool {
    LIVING.insert(&cookie, &look(), 0).is_ok()
}

/// The number of the last look at all sockets.
#[inline(always)]
pub(crate) fn look() -> u32 {
    // SAFETY: points into the map value.
    CONTROL.get_ptr(0).map_or(0, |control| unsafe { (*control).look })
}

/// Makes the running process the owner of a flow on which it has just done input or output.
#[inline(always)]
pub(crate) fn own(key: &FlowKey, flow: &mut FlowState, at: u64, tally: Tally) {
    flow.socket.active_at = at;
    if socket::own(&mut flow.socket) {
        emit::flow(key, flow, SocketCause::OWNER, at, tally);
    }
}

/// Tells that a flow is over, and forgets it.
#[inline(always)]
pub(crate) fn end(key: &FlowKey, flow: &mut FlowState, at: u64, tally: Tally) {
    exchange::finish(&mut flow.socket, at, tally);
    emit::flow(key, flow, SocketCause::CLOSED, at, tally);
    let _ = FLOWS.remove(key);
}
