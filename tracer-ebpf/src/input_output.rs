//! Hooks on every send and receive of every socket (`net/socket.c`: `sock_send_length`, `sock_recv_length`).
//!
//! They run in the calling thread, after the operation, whichever system call carried it. Invariant: bytes are
//! counted once, for the socket and the process that moved them. Memory: the socket's state.

use crate::emit::{Tally, now, tally};
use crate::kernel::Object;
use crate::{exchange, socket};
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use tracer_common::{Role, Site, SocketState};

const MSG_PEEK: i32 = 2;

/// `(struct sock *sk, int ret, int flags)`
#[btf_tracepoint(function = "sock_send_length")]
pub fn send(context: BtfTracePointContext) -> i32 {
    let Some(tally) = tally::<{ Site::SEND }>() else { return 0 };
    tally.seen();
    let (socket, length) = (context.arg::<Object>(0), context.arg::<i32>(1));
    if length <= 0 {
        tally.filtered();
        return 0;
    }
    if let Some((state, at)) = enter(socket, tally) {
        exchange::sent(state, socket, length as u32, at, tally);
    }
    0
}

/// `(struct sock *sk, int ret, int flags)`
#[btf_tracepoint(function = "sock_recv_length")]
pub fn receive(context: BtfTracePointContext) -> i32 {
    let Some(tally) = tally::<{ Site::RECEIVE }>() else { return 0 };
    tally.seen();
    let (socket, length, flags) = (context.arg::<Object>(0), context.arg::<i32>(1), context.arg::<i32>(2));
    // Zero is the end of the stream: no bytes, but it shows who owns the socket.
    if length < 0 || flags & MSG_PEEK != 0 {
        tally.filtered();
        return 0;
    }
    if let Some((state, at)) = enter(socket, tally)
        && length > 0
    {
        exchange::received(state, socket, length as u32, at, tally);
    }
    0
}

/// The state of a socket on which the running thread has just done input or output.
#[inline(always)]
fn enter(socket: Object, tally: Tally) -> Option<(&'static mut SocketState, u64)> {
    if !socket::is_tcp(socket) {
        tally.filtered();
        return None;
    }
    let at = now();
    let (state, _) = socket::find_or_create(socket, at, tally)?;
    tally.tracked();
    if state.role == Role::UNKNOWN && socket::census_done() {
        socket::infer_role(state);
    }
    state.active_at = at;
    socket::own(state, socket, at, tally);
    Some((state, at))
}
