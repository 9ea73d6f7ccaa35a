//! Hooks on the life of TCP sockets: state changes, resets, retransmits, the end.
//!
//! Only connecting and listening run in the thread that asked for it; everything else may run in any context, so
//! nothing else here looks at the running thread. Invariant: a connection that ended is reported once, with its
//! final totals; again only if its owner read bytes after that. Memory: the socket's state.

use crate::emit::{self, Tally, now, tally};
use crate::kernel::{Object, current_task, load, offset, process_id};
use crate::{exchange, socket};
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use aya_log_ebpf::debug;
use tracer_common::{Phase, Role, Site, SocketCause, SocketFlags, SocketState};

// include/net/tcp_states.h
const ESTABLISHED: i32 = 1;
const SYN_SENT: i32 = 2;
const FIN_WAIT1: i32 = 4;
const CLOSE: i32 = 7;
const CLOSE_WAIT: i32 = 8;
const LISTEN: i32 = 10;

/// `(const struct sock *sk, const int oldstate, const int newstate)`
#[btf_tracepoint(function = "inet_sock_set_state")]
pub fn state(context: BtfTracePointContext) -> i32 {
    let Some(tally) = tally::<{ Site::STATE }>() else { return 0 };
    tally.seen();
    let (sk, old, new) = (context.arg::<Object>(0), context.arg::<i32>(1), context.arg::<i32>(2));
    if !socket::is_tcp(sk) {
        tally.filtered();
        return 0;
    }
    debug!(&context, "socket state {} -> {}", old, new);
    match new {
        SYN_SENT => connecting(sk, tally),
        ESTABLISHED => established(sk, old, tally),
        LISTEN => listening(sk, tally),
        // One side has closed: what is without an answer now was given up now.
        FIN_WAIT1 => half_closed(sk, 0, tally),
        CLOSE_WAIT => half_closed(sk, SocketFlags::PEER_CLOSED_FIRST, tally),
        CLOSE => closed(sk, old, tally),
        _ => tally.filtered(),
    }
    0
}

#[inline(always)]
fn connecting(sk: Object, tally: Tally) {
    let at = now();
    let Some((state, new)) = socket::find_or_create(sk, at, tally) else { return };
    tally.tracked();
    if !new {
        // The same socket connects again after a failure: a new connection.
        socket::begin(state, sk, at);
    }
    state.role = Role::CLIENT;
    let task = current_task();
    // SAFETY: the running task, which is inside connect().
    unsafe {
        state.owner = process_id(task);
        state.owner_thread = load(task, offset!(task_pid));
    }
    emit::socket(sk, state, SocketCause::CONNECTING, at, tally);
}

#[inline(always)]
fn established(sk: Object, old: i32, tally: Tally) {
    let at = now();
    let Some((state, _)) = socket::find_or_create(sk, at, tally) else { return };
    tally.tracked();
    socket::locate(&mut state.tuple, sk);
    socket::begin_sequences(state, sk);
    state.established_at = at;
    state.flags |= SocketFlags::ESTABLISHED;
    if state.role == Role::CLIENT {
        emit::socket(sk, state, SocketCause::ESTABLISHED, at, tally);
    } else {
        // Reported with its owner at the first input or output, or by the next snapshot. It is a client's if the kernel
        // passed this hook over when the connect began.
        state.role = if old == SYN_SENT { Role::CLIENT } else { Role::SERVER };
    }
}

#[inline(always)]
fn listening(sk: Object, tally: Tally) {
    let at = now();
    let Some((state, _)) = socket::find_or_create(sk, at, tally) else { return };
    tally.tracked();
    state.role = Role::LISTENER;
    let task = current_task();
    // SAFETY: the running task, which is inside listen().
    unsafe {
        state.owner = process_id(task);
        state.owner_thread = load(task, offset!(task_pid));
    }
    socket::note_listener(&state.tuple, true, tally);
    emit::socket(sk, state, SocketCause::LISTENING, at, tally);
}

#[inline(always)]
fn half_closed(sk: Object, flag: u16, tally: Tally) {
    match socket::find(sk) {
        Some(state) => {
            tally.tracked();
            state.flags |= flag;
            state.active_at = now();
        }
        None => tally.filtered(),
    }
}

/// The connection is over. Its owner may still read what had arrived, so an orderly end is reported when the socket
/// is destroyed; a failure is reported now.
#[inline(always)]
fn closed(sk: Object, old: i32, tally: Tally) {
    let Some(state) = socket::find(sk) else {
        tally.filtered();
        return;
    };
    tally.tracked();
    if state.role == Role::LISTENER {
        socket::note_listener(&state.tuple, false, tally);
    }
    // SAFETY: `sk` comes from the hook.
    let error = unsafe { load::<i32>(sk, offset!(sock_error)) };
    if error != 0 || old == SYN_SENT {
        end(sk, state, tally);
    }
}

/// Reports the end of a connection.
#[inline(always)]
fn end(sk: Object, state: &mut SocketState, tally: Tally) {
    let at = now();
    if state.flags & SocketFlags::ESTABLISHED == 0 {
        // The local port is chosen after the connect has begun.
        socket::locate_local_port(state, sk);
    }
    exchange::catch_up(state, sk, at, tally);
    exchange::finish(state, at, tally);
    emit::socket(sk, state, SocketCause::CLOSED, at, tally);
    state.flags |= SocketFlags::CLOSED;
    state.reported = digest(state);
}

/// Changes whenever a total changes.
#[inline(always)]
pub(crate) fn digest(state: &SocketState) -> u64 {
    let totals = &state.totals;
    totals.bytes_sent.rotate_left(32) ^ totals.bytes_received ^ (totals.requests + totals.responses).rotate_left(48)
}

/// `(struct sock *sk)`: nothing happens on the socket after this.
#[btf_tracepoint(function = "tcp_destroy_sock")]
pub fn destroy(context: BtfTracePointContext) -> i32 {
    let Some(tally) = tally::<{ Site::DESTROY }>() else { return 0 };
    tally.seen();
    let sk = context.arg::<Object>(0);
    let Some(state) = socket::find(sk) else {
        tally.filtered();
        return 0;
    };
    tally.tracked();
    let finished = state.phase != Phase::RESPONSE;
    if state.flags & SocketFlags::CLOSED == 0 || state.reported != digest(state) || !finished {
        end(sk, state, tally);
    }
    socket::forget(sk);
    0
}

/// `(struct sock *sk)`
#[btf_tracepoint(function = "tcp_receive_reset")]
pub fn reset_received(context: BtfTracePointContext) -> i32 {
    let Some(tally) = tally::<{ Site::RESET_RECEIVED }>() else { return 0 };
    tally.seen();
    mark(context.arg::<Object>(0), SocketFlags::RESET_RECEIVED, tally);
    0
}

/// `(const struct sock *sk, const struct sk_buff *skb, …)`; `sk` is null for a reset that answers a stray segment.
#[btf_tracepoint(function = "tcp_send_reset")]
pub fn reset_sent(context: BtfTracePointContext) -> i32 {
    let Some(tally) = tally::<{ Site::RESET_SENT }>() else { return 0 };
    tally.seen();
    let sk = context.arg::<Object>(0);
    if sk.is_null() {
        tally.filtered();
        return 0;
    }
    mark(sk, SocketFlags::RESET_SENT, tally);
    0
}

/// `(const struct sock *sk, const struct sk_buff *skb, …)`
#[btf_tracepoint(function = "tcp_retransmit_skb")]
pub fn retransmit(context: BtfTracePointContext) -> i32 {
    let Some(tally) = tally::<{ Site::RETRANSMIT }>() else { return 0 };
    tally.seen();
    match socket::find(context.arg::<Object>(0)) {
        Some(state) => {
            tally.tracked();
            state.retransmits = state.retransmits.saturating_add(1);
        }
        None => tally.filtered(),
    }
    0
}

#[inline(always)]
fn mark(sk: Object, flag: u16, tally: Tally) {
    match socket::find(sk) {
        Some(state) => {
            tally.tracked();
            state.flags |= flag;
        }
        None => tally.filtered(),
    }
}
