//! Every send and receive of every socket: hooks of the kernel's own on both (`net/socket.c`: `sock_send_length`,
//! `sock_recv_length`), or where there are none, the system calls (`system_call`).
//!
//! They run in the calling thread, after the operation. Invariant: bytes are
//! counted once, for the socket and the process that moved them. Memory: the socket's state.

#[cfg(not(feature = "system-calls"))]
use crate::emit::tally;
use crate::emit::{self, Tally};
use crate::kernel::{Object, Sequences, current_task, load, offset, sequences};
use crate::{datagram, exchange, local, payload, socket};
#[cfg(not(feature = "system-calls"))]
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
#[cfg(not(feature = "system-calls"))]
use tracer_common::Site;
use tracer_common::{Role, SocketCause, SocketFlags, SocketState, TransportKind};

// include/linux/socket.h
const MSG_PEEK: i32 = 2;
const MSG_ERRQUEUE: i32 = 0x2000;
// include/net/tcp_states.h
const SYN_SENT: u8 = 2;
const SYN_RECV: u8 = 3;
const CLOSE: u8 = 7;

/// `(struct sock *sk, int ret, int flags)`
#[cfg(not(feature = "system-calls"))]
#[btf_tracepoint(function = "sock_send_length")]
pub fn send(context: BtfTracePointContext) -> i32 {
    let Some(tally) = tally::<{ Site::SEND }>() else { return 0 };
    tally.seen();
    sent(context.arg::<Object>(0), context.arg::<i32>(1), tally);
    0
}

/// `(struct sock *sk, int ret, int flags)`
#[cfg(not(feature = "system-calls"))]
#[btf_tracepoint(function = "sock_recv_length")]
pub fn receive(context: BtfTracePointContext) -> i32 {
    let Some(tally) = tally::<{ Site::RECEIVE }>() else { return 0 };
    tally.seen();
    received(context.arg::<Object>(0), context.arg::<i32>(1), context.arg::<i32>(2), tally);
    0
}

/// The running thread has sent `length` bytes on `socket`, or failed to.
#[inline(always)]
pub(crate) fn sent(socket: Object, length: i32, tally: Tally) {
    if !socket::census_begun() {
        return tally.filtered();
    }
    let (state, at) = match socket::transport(socket) {
        Some(TransportKind::TCP) if length > 0 => {
            let now = sequences(socket);
            let at = when_sent(now);
            let Some(state) = enter(socket, at, tally) else { return };
            exchange::sent(state, socket, length as u32, now, at, tally);
            (state, at)
        }
        Some(TransportKind::UDP) => return datagram::sent(socket, length, tally),
        Some(TransportKind::TCP) | None => return tally.filtered(),
        Some(transport) => {
            // Told from here, not from there: together, the frames would not fit on the stack of older kernels.
            let Some(state) = local::sent(socket, transport, length, tally) else { return };
            let at = state.active_at;
            (state, at)
        }
    };
    payload::sent(state, length as u32, at, tally);
}

/// The running thread has received `length` bytes on `socket`, or failed to.
#[inline(always)]
pub(crate) fn received(socket: Object, length: i32, flags: i32, tally: Tally) {
    if flags & (MSG_PEEK | MSG_ERRQUEUE) != 0 || !socket::census_begun() {
        return tally.filtered();
    }
    match socket::transport(socket) {
        // Zero is the end of the stream: no bytes, but it shows who owns the socket.
        Some(TransportKind::TCP) if length >= 0 => {
            let now = sequences(socket);
            let at = when_received(now, length);
            if let Some(state) = enter(socket, at, tally)
                && length > 0
            {
                exchange::received(state, socket, length as u32, now, at, tally);
                payload::received(state, length as u32, at, tally);
            }
        }
        Some(TransportKind::UDP) => datagram::received(socket, length, tally),
        Some(TransportKind::TCP) | None => tally.filtered(),
        Some(transport) => local::received(socket, transport, length, tally),
    }
}

/// The state of a TCP socket on which the running thread has just done input or output.
#[inline(always)]
fn enter(socket: Object, at: u64, tally: Tally) -> Option<&'static mut SocketState> {
    let (state, _) = socket::find_or_create(socket, at, tally)?;
    tally.tracked();
    if state.role == Role::UNKNOWN {
        if !socket::census_done() {
            // Bytes without a direction would be counted without their request: what it does is counted from the moment
            // on from which its role is known.
            socket::skip(state, socket);
            return None;
        }
        socket::infer_role(state, socket);
    } else if state.flags & SocketFlags::ESTABLISHED == 0 {
        establish(socket, state, tally);
    }
    state.active_at = at;
    if socket::own(state) {
        report_owner(socket, state, tally);
    }
    Some(state)
}

/// When what has just been sent on a TCP socket left: as TCP noted it for its last packet if nothing waits any more, which
/// is nearer to the truth than the end of the system call and costs no reading of a clock. Where TCP spaces packets out
/// (BBR), it has noted when the next one may leave, which lies in the future by the length of one packet at most; the moment
/// at which it was last busy with the socket lies not before the departure, and is it where nothing has arrived since.
#[inline(always)]
fn when_sent(now: Sequences) -> u64 {
    if now.written != now.next || now.departed == 0 {
        emit::now()
    } else if now.departed < now.refreshed {
        now.departed
    } else {
        now.refreshed
    }
}

/// When the owner of a TCP socket has received something: the moment that TCP took when it handed out the bytes
/// (`tcp_rcv_space_adjust`, which every way of receiving goes through), which costs no reading of a clock.
#[inline(always)]
fn when_received(now: Sequences, length: i32) -> u64 {
    if length > 0 && now.refreshed != 0 { now.refreshed } else { emit::now() }
}

/// Takes a connection for established where the kernel passed over the hook that would have seen it: it runs no program
/// that it interrupts on the same CPU. Rare, so out of the way as below.
#[inline(never)]
fn establish(socket: Object, state: &mut SocketState, tally: Tally) {
    // SAFETY: `socket` comes from a hook.
    let tcp_state = unsafe { load::<u8>(socket, offset!(sock_state)) };
    // What is sent with a SYN (TCP Fast Open) comes before; of one that was refused, a later receive finds the end.
    if tcp_state == SYN_SENT || tcp_state == SYN_RECV || tcp_state == CLOSE {
        return;
    }
    let at = emit::now();
    socket::locate(&mut state.tuple, socket);
    socket::recover_sequences(state, socket);
    state.sent_sequence = state.first_sent;
    state.received_sequence = state.first_received;
    state.established_at = at;
    state.flags |= SocketFlags::ESTABLISHED;
    emit::socket(socket, state, SocketCause::ESTABLISHED, at, tally);
}

/// Reports that the running process owns the socket now. Rare, so out of the way of what is done for each input and output.
#[inline(never)]
fn report_owner(socket: Object, state: &mut SocketState, tally: Tally) {
    // Not the moment at which a packet left: a look at all sockets may have come in between.
    emit::socket(socket, state, SocketCause::OWNER, emit::now(), tally);
}
