//! The exchange of a socket by turns: a request is what flows from client to server, a response what flows back.
//!
//! Invariant: `totals.requests` grows by one when a request's first byte is seen and `totals.responses` when its
//! response's first byte is seen, whatever happens to the records. A finished exchange is emitted once.
//! Memory: inside the socket's state.

use crate::emit::{self, Tally, add};
use crate::kernel::{Object, Sequences, current_task, follow, load, offset, sequences, tcp, walked_task};
use crate::latency;
use crate::maps::{self, SERVING, Serving};
use aya_ebpf::bindings::BPF_LOCAL_STORAGE_GET_F_CREATE;
use aya_ebpf::helpers::generated::bpf_task_storage_get;
use tracer_common::{Exchange, Phase, Role, SiteCounters, SocketFlags, SocketState};

const TCP_ESTABLISHED: u8 = 1;
const TCP_CLOSE_WAIT: u8 = 8;

/// `length` bytes were sent on a TCP socket, which stands at `now`.
#[inline(always)]
pub(crate) fn sent(state: &mut SocketState, socket: Object, length: u32, now: Sequences, at: u64, tally: Tally) {
    let sequence = now.written;
    let start = sequence.wrapping_sub(length);
    // A look that found a long send under way has accounted for what had left by then.
    let accounted = state.sent_sequence.wrapping_sub(start);
    let mut length = length;
    if accounted > 0 && accounted <= length && !is_layered(socket) {
        length -= accounted;
    }
    // What this side received before, past the hooks, comes first.
    catch_up_received(state, socket, now.copied, at, tally);
    add(&mut state.totals.bytes_sent, u64::from(length));
    state.sent_sequence = sequence;
    let ahead = state.flags & SocketFlags::SEND_AHEAD != 0;
    state.flags &= !SocketFlags::SEND_AHEAD;
    match state.role {
        Role::CLIENT if ahead => {
            state.exchange.request_bytes = state.exchange.request_bytes.saturating_add(length);
        }
        Role::CLIENT => request(state, length, start, at, tally),
        Role::SERVER if !ahead => response(state, length, at),
        _ => {}
    }
}

/// `length` bytes were received on a TCP socket, which stands at `now`.
#[inline(always)]
pub(crate) fn received(state: &mut SocketState, socket: Object, length: u32, now: Sequences, at: u64, tally: Tally) {
    let sequence = now.copied;
    let start = sequence.wrapping_sub(length);
    let known = state.received_sequence;
    state.received_sequence = sequence;
    let (unseen, accounted) = (start.wrapping_sub(known), known.wrapping_sub(start));
    let mut length = length;
    if is_gap(unseen) && !is_layered(socket) {
        received_unseen(state, known, unseen, at, tally);
    } else if accounted > 0 && accounted <= length && !is_layered(socket) {
        // Another thread's hook ran in between, saw what this receive took and accounted for it.
        length -= accounted;
        if length == 0 {
            return;
        }
    }
    add(&mut state.totals.bytes_received, u64::from(length));
    if state.flags & SocketFlags::SEND_AHEAD == 0 && send_under_way(state, socket, now.written) {
        let _ = take_turn_of_send(state, tally.counters(), at);
    }
    match state.role {
        Role::CLIENT => response(state, length, at),
        Role::SERVER => request(state, length, start, at, tally),
        _ => {}
    }
}

/// Accounts for what the owner moved past the hooks: `splice(2)` out of a socket, memory-mapped receives; on the plane of
/// system calls, everything that `io_uring` does.
#[inline(always)]
pub(crate) fn catch_up(state: &mut SocketState, socket: Object, at: u64, tally: Tally) {
    let now = sequences(socket);
    let client = state.role == Role::CLIENT;
    if client {
        catch_up_sent(state, socket, now.written, at, tally);
    }
    catch_up_received(state, socket, now.copied, at, tally);
    if !client {
        catch_up_sent(state, socket, now.written, at, tally);
    }
}

#[inline(always)]
fn catch_up_sent(state: &mut SocketState, socket: Object, sequence: u32, at: u64, tally: Tally) {
    let known = state.sent_sequence;
    let unseen = sequence.wrapping_sub(known);
    if state.flags & SocketFlags::ESTABLISHED == 0 || !is_gap(unseen) || is_layered(socket) {
        return;
    }
    // SAFETY: `socket` comes from a hook.
    let tcp_state = unsafe { load::<u8>(socket, offset!(sock_state)) };
    // The end of the sending side takes a number of its own.
    let length = if tcp_state == TCP_ESTABLISHED || tcp_state == TCP_CLOSE_WAIT { unseen } else { unseen - 1 };
    state.sent_sequence = sequence;
    add(&mut state.totals.bytes_sent, u64::from(length));
    let waiting = state.phase == Phase::REQUEST;
    match state.role {
        Role::CLIENT => request(state, length, known, at, tally),
        Role::SERVER => response(state, length, at),
        _ => return,
    }
    if waiting == (state.role == Role::SERVER) {
        state.exchange.flags |= Exchange::UNTIMED;
    }
}

#[inline(always)]
fn catch_up_received(state: &mut SocketState, socket: Object, sequence: u32, at: u64, tally: Tally) {
    let known = state.received_sequence;
    let unseen = sequence.wrapping_sub(known);
    if is_gap(unseen) && !is_layered(socket) {
        state.received_sequence = sequence;
        received_unseen(state, known, unseen, at, tally);
    }
}

/// Whether sequence numbers moved on by more than the end of the stream, which takes one.
#[inline(always)]
fn is_gap(unseen: u32) -> bool {
    unseen > 1 && unseen < 1 << 31
}

/// Whether a protocol of the kernel's lies between the socket's owner and TCP (kernel TLS), so that what the owner
/// receives is not what TCP counts.
#[inline(always)]
fn is_layered(socket: Object) -> bool {
    let tcp = tcp(socket);
    // SAFETY: a `tcp_sock`.
    tcp.is_null() || !unsafe { follow(tcp, offset!(tcp_ulp)) }.is_null()
}

/// `length` bytes, from sequence number `start`, were received some time before now. Rare, so out of the way of what is done
/// for each input and output.
#[inline(always)]
fn received_unseen(state: &mut SocketState, start: u32, length: u32, at: u64, tally: Tally) {
    let _ = receive_unseen(state, tally.counters(), start, length, at);
}

/// As above; 0. A global function of BTF: the verifier looks at it once, and not on each path that leads to it.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn receive_unseen(
    state: *mut SocketState,
    counters: *mut SiteCounters,
    start: u32,
    length: u32,
    at: u64,
) -> u32 {
    // SAFETY: the arguments of a global function.
    if let Some((state, tally)) = unsafe { emit::given(state, counters) } {
        take_unseen(state, start, length, at, tally);
    }
    0
}

#[inline(always)]
fn take_unseen(state: &mut SocketState, start: u32, length: u32, at: u64, tally: Tally) {
    add(&mut state.totals.bytes_received, u64::from(length));
    let waiting = state.phase == Phase::REQUEST;
    match state.role {
        Role::CLIENT => response(state, length, at),
        Role::SERVER => request(state, length, start, at, tally),
        _ => return,
    }
    // Only the first byte of a request or a response is timed.
    if waiting == (state.role == Role::CLIENT) {
        state.exchange.flags |= Exchange::UNTIMED;
    }
}

/// `length` bytes were sent on a socket without sequence numbers.
#[inline(always)]
pub(crate) fn message_sent(state: &mut SocketState, length: u32, at: u64, tally: Tally) {
    add(&mut state.totals.bytes_sent, u64::from(length));
    match state.role {
        Role::CLIENT => numbered_request(state, length, at, tally),
        Role::SERVER => response(state, length, at),
        _ => {}
    }
}

/// `length` bytes were received on a socket without sequence numbers.
#[inline(always)]
pub(crate) fn message_received(state: &mut SocketState, length: u32, at: u64, tally: Tally) {
    add(&mut state.totals.bytes_received, u64::from(length));
    match state.role {
        Role::CLIENT => response(state, length, at),
        Role::SERVER => numbered_request(state, length, at, tally),
        _ => {}
    }
}

/// A request that its number names in place of a sequence number: both ends count alike.
#[inline(always)]
fn numbered_request(state: &mut SocketState, length: u32, at: u64, tally: Tally) {
    let number = state.totals.requests as u32 + 1;
    request(state, length, number, at, tally);
}

/// Whether bytes have left by a send whose hook has not run yet: another thread is still inside the system call.
#[inline(always)]
fn send_under_way(state: &SocketState, socket: Object, written: u32) -> bool {
    // SAFETY: `socket` comes from a hook.
    let tcp_state = unsafe { load::<u8>(socket, offset!(sock_state)) };
    // Closing the sending side moves the sequence number too, but leaves these two states first.
    // Not ahead: a send that ended since `written` was read.
    let ahead = written.wrapping_sub(state.sent_sequence) as i32 > 0;
    ahead && (tcp_state == TCP_ESTABLISHED || tcp_state == TCP_CLOSE_WAIT)
}

/// Does the turn of a send that is under way where its answer, or the next request, has already arrived; 0. A global
/// function, as [`receive_unseen`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn take_turn_of_send(state: *mut SocketState, counters: *mut SiteCounters, at: u64) -> u32 {
    // SAFETY: the arguments of a global function.
    if let Some((state, tally)) = unsafe { emit::given(state, counters) } {
        send_ahead(state, at, tally);
    }
    0
}

#[inline(always)]
fn send_ahead(state: &mut SocketState, at: u64, tally: Tally) {
    match state.role {
        Role::CLIENT if state.phase != Phase::REQUEST => {
            let start = state.sent_sequence;
            request(state, 0, start, at, tally);
            state.exchange.request_first = 0;
            state.exchange.flags |= Exchange::UNTIMED;
            state.flags |= SocketFlags::SEND_AHEAD;
        }
        Role::SERVER if state.phase == Phase::REQUEST => {
            response(state, 0, at);
            state.exchange.flags |= Exchange::UNTIMED;
            state.flags |= SocketFlags::SEND_AHEAD;
        }
        _ => {}
    }
}

#[inline(always)]
fn request(state: &mut SocketState, length: u32, sequence: u32, at: u64, tally: Tally) {
    if state.phase != Phase::REQUEST {
        finish(state, at, tally);
        begin(state, sequence, at);
    }
    state.exchange.request_last = at;
    state.exchange.request_bytes = state.exchange.request_bytes.saturating_add(length);
}

#[inline(always)]
fn begin(state: &mut SocketState, sequence: u32, at: u64) {
    add(&mut state.totals.requests, 1);
    let was_told = latency::will_be_told(state);
    state.exchange = Exchange::NONE;
    state.exchange.index = state.totals.requests;
    state.exchange.request_first = at;
    state.exchange.request_sequence = sequence;
    state.exchange.request_thread = state.owner_thread;
    state.phase = Phase::REQUEST;
    if state.flags & SocketFlags::PEER_CLOSED_FIRST != 0 && state.role == Role::CLIENT {
        state.flags |= SocketFlags::ASKED_AFTER_CLOSE;
    }
    if state.role == Role::SERVER {
        let told = latency::will_be_told(state);
        // What is not told can be nobody's cause, nor can what is over.
        if (told || was_told)
            && let Some(serving) = serving(if told { u64::from(BPF_LOCAL_STORAGE_GET_F_CREATE) } else { 0 })
        {
            serving.cookie = if told { state.cookie } else { 0 };
            serving.index = state.exchange.index;
        }
    } else if state.role == Role::CLIENT
        && let Some(serving) = serving(0)
    {
        state.exchange.cause_cookie = serving.cookie;
        state.exchange.cause_index = serving.index;
    }
}

#[inline(always)]
fn response(state: &mut SocketState, length: u32, at: u64) {
    match state.phase {
        Phase::REQUEST => {
            add(&mut state.totals.responses, 1);
            state.exchange.response_first = at;
            state.exchange.response_thread = state.owner_thread;
            state.phase = Phase::RESPONSE;
        }
        Phase::RESPONSE => {}
        _ => return,
    }
    state.exchange.response_last = at;
    state.exchange.response_bytes = state.exchange.response_bytes.saturating_add(length);
}

/// Counts or emits the exchange if its response has begun and that has not been done.
#[inline(always)]
pub(crate) fn finish(state: &mut SocketState, at: u64, tally: Tally) {
    if state.phase == Phase::RESPONSE {
        state.phase = Phase::REPORTED;
        if latency::is_told(state, at) {
            emit::exchange(state, at, tally);
        }
    }
}

/// What the running thread is serving.
#[inline(always)]
fn serving(flags: u64) -> Option<&'static mut Serving> {
    let task = current_task();
    // SAFETY: the map is task storage of `Serving`, and the task is the running one.
    unsafe {
        // Most clients serve nobody: their threads have no storage of any map.
        if flags == 0 && follow(walked_task(task), offset!(task_storage)).is_null() {
            return None;
        }
        bpf_task_storage_get(maps::handle(&SERVING), task.cast_mut().cast(), core::ptr::null_mut(), flags)
            .cast::<Serving>()
            .as_mut()
    }
}
