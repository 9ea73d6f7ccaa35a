//! The bytes of inputs and outputs, where user space wants to see them.
//!
//! Invariant: what is read was moved by the running call: its own buffers, up to the bytes that it moved. What cannot be
//! read (`sendfile`, `io_uring`, 32-bit callers) is not told; where it was, the next position says.
//! Memory: a record's place for each CPU and direction, and `maps::CAPTURES`.

use crate::call::{Call, user};
use crate::emit::{self, Tally};
use crate::latency;
use crate::maps::{CAPTURES, CAPTURES_OF_PORTS, CONTROL, STREAMS};
use aya_ebpf::helpers::generated::bpf_probe_read_user;
use tracer_common::record::{HEAD_BYTES, STREAM_BYTES};
use tracer_common::{
    Capture, ListenerKey, Phase, RecordKind, Role, SiteCounters, SocketFlags, SocketState, StreamHead, TransportKind,
    Tuple,
};

/// Buffers of one call that are looked at.
const BUFFERS: u64 = 64;

/// A record's place: reading one buffer behind another, each as long as the whole, needs room for two.
#[repr(C)]
pub(crate) struct Stream {
    head: StreamHead,
    bytes: [u8; STREAM_BYTES * 2],
    /// Bytes that are read.
    used: u64,
}

/// The owner has sent these bytes, and they are counted.
#[inline(always)]
pub(crate) fn sent(state: &mut SocketState, length: u32, at: u64, tally: Tally) {
    if is_wanted(state, length, true) {
        let _ = tell_stream(state, tally.counters(), 1, length, at);
    }
}

/// The owner has received these bytes, and they are counted.
#[inline(always)]
pub(crate) fn received(state: &mut SocketState, length: u32, at: u64, tally: Tally) {
    if is_wanted(state, length, false) {
        let _ = tell_stream(state, tally.counters(), 0, length, at);
    }
}

/// Whether bytes are told of this socket now.
#[inline(always)]
fn is_wanted(state: &mut SocketState, length: u32, sent: bool) -> bool {
    let Some(control) = CONTROL.get_ptr(0) else { return false };
    // SAFETY: points into the map value.
    let version = unsafe { (*control).capture_version };
    if state.capture_version != version {
        state.capture_version = version;
        let _ = choose(state);
    }
    match state.capture {
        Capture::NONE => false,
        Capture::LOOK => state.told < Capture::LOOKS,
        Capture::OPENING => state.told < Capture::OPENINGS,
        Capture::HEADS => {
            let before = before(state, length);
            before < HEAD_BYTES as u32
                && (latency::will_be_told(state) || (before == 0 && is_response(state, sent) && is_error(state, sent)))
        }
        _ => true,
    }
}

/// Bytes of the running turn before the `length` that have just been moved.
#[inline(always)]
fn before(state: &SocketState, length: u32) -> u32 {
    let exchange = &state.exchange;
    let turn = if state.phase == Phase::REQUEST { exchange.request_bytes } else { exchange.response_bytes };
    turn.saturating_sub(length)
}

#[inline(always)]
fn is_response(state: &SocketState, sent: bool) -> bool {
    sent == (state.role == Role::SERVER)
}

/// Whether the beginning of a response says that it is an error.
#[inline(always)]
fn is_error(state: &SocketState, sent: bool) -> bool {
    if state.error_byte == 0 {
        return false;
    }
    let Some(call) = Call::running() else { return false };
    let ((mut base, mut length), vector) = call.buffers(sent);
    if vector != 0
        && let Some([first, room]) = user::<[u64; 2]>(vector)
    {
        (base, length) = (first, room);
    }
    u64::from(state.error_at) < length && user::<u8>(base + u64::from(state.error_at)) == Some(state.error_byte)
}

/// What user space has chosen for the socket, or for whom it calls; 0. Rare. A global function of BTF, as [`tell_stream`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn choose(state: *mut SocketState) -> u32 {
    // SAFETY: the verifier lets nothing but a whole state or null be given.
    if let Some(state) = unsafe { state.as_mut() } {
        take_choice(state);
    }
    0
}

#[inline(always)]
fn take_choice(state: &mut SocketState) {
    let tuple = &state.tuple;
    // The other end tells the same.
    let is_told_there = state.role == Role::CLIENT && is_here(tuple, state.transport);
    if is_told_there {
        state.capture = Capture::NONE;
    }
    let port = if state.role == Role::CLIENT { tuple.remote_port } else { tuple.local_port };
    let key = ListenerKey { netns: tuple.netns, port, transport: u16::from(state.transport) };
    // From the stack: older kernels take no key from what was given to a global function.
    let cookie = state.cookie;
    let chosen = match CAPTURES.get_ptr(&cookie) {
        Some(chosen) => chosen,
        None if state.transport > TransportKind::UDP => return,
        None => match CAPTURES_OF_PORTS.get_ptr(&key) {
            Some(chosen) => chosen,
            None => return,
        },
    };
    // SAFETY: points into the map value.
    let chosen = unsafe { &*chosen };
    if is_told_there && chosen.both == 0 {
        return;
    }
    state.capture = chosen.capture;
    state.error_at = chosen.error_at;
    state.error_byte = chosen.error_byte;
    if chosen.busy == 0 {
        state.flags &= !SocketFlags::AT_BUSY_PORT;
    } else {
        state.flags |= SocketFlags::AT_BUSY_PORT;
    }
}

/// Whether the other end is in the same network namespace: a loopback address, or one address at both ends. Unix sockets
/// are always here.
#[inline(always)]
fn is_here(tuple: &Tuple, transport: u8) -> bool {
    if transport > TransportKind::UDP {
        return true;
    }
    let words = |address: &[u8; 16]| {
        let words = address.as_ptr().cast::<u64>();
        // SAFETY: an address has two words and begins at a multiple of eight.
        unsafe { [words.read(), words.add(1).read()] }
    };
    let (local, remote) = (words(&tuple.local_address), words(&tuple.remote_address));
    // ::ffff:127.0.0.0/104
    local == remote || (remote[0] == 0 && remote[1] & 0xff_ffff_ffff == 0x7f_ffff_0000)
}

/// Tells the beginning of what the running call has moved; 0. A global function of BTF: the verifier looks at it once, for
/// any arguments, and not on each path that leads to it, which would take half of the time until the tracer watches.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn tell_stream(
    state: *mut SocketState,
    counters: *mut SiteCounters,
    sent: u32,
    length: u32,
    at: u64,
) -> u32 {
    // SAFETY: the arguments of a global function.
    if let Some((state, tally)) = unsafe { emit::given(state, counters) } {
        tell(state, sent != 0, length, at, tally);
    }
    0
}

#[inline(always)]
fn tell(state: &mut SocketState, sent: bool, length: u32, at: u64, tally: Tally) {
    let Some(call) = Call::running() else { return };
    let Some(place) = STREAMS.get_ptr_mut(u32::from(sent)) else { return };
    // Several requests at once are short ones; a long response is mostly what was asked for. While nobody knows what is
    // spoken, a short one may be several messages.
    let may_be_several = state.capture == Capture::LOOK && length <= STREAM_BYTES as u32;
    let whole = state.capture == Capture::STREAM || may_be_several || !is_response(state, sent);
    let most = if whole { STREAM_BYTES } else { HEAD_BYTES } as u64;
    let wanted = if u64::from(length) < most { u64::from(length) } else { most };
    let (single, vector) = call.buffers(sent);
    // SAFETY: points into this CPU's map value, which no other program of this direction uses meanwhile.
    unsafe { read_buffers(place, vector, single, wanted) };
    // SAFETY: as above.
    let used = unsafe { (&raw const (*place).used).read_volatile() };
    if used == 0 || used > STREAM_BYTES as u64 {
        return;
    }
    let told = state.told;
    state.told = told.wrapping_add(1 + used as u16 / Capture::LOOK_BYTES);
    // SAFETY: as above.
    unsafe {
        let head = &mut (*place).head;
        head.header = emit::header::<StreamHead>(RecordKind::STREAM, at);
        head.header.length += used as u16;
        head.cookie = state.cookie;
        let (sent_bytes, received_bytes) = (state.totals.bytes_sent, state.totals.bytes_received);
        let (moved, other) = if sent { (sent_bytes, received_bytes) } else { (received_bytes, sent_bytes) };
        head.position = moved.wrapping_sub(u64::from(length));
        head.other = other;
        head.length = length;
        head.sent = u8::from(sent);
        head.exchange = state.exchange.index as u32;
        head.begins = u8::from(before(state, length) == 0);
        head.share = if state.capture == Capture::HEADS { latency::share(state) } else { 0 };
        head.padding = [0; 5];
        let is_urgent = state.capture == Capture::LOOK && told < Capture::CHOOSE_AT && state.told >= Capture::CHOOSE_AT;
        emit::output(place.cast(), size_of::<StreamHead>() as u64 + used, is_urgent, tally);
    }
}

/// Reads the beginning of a call's buffers, one behind the other; `used` says how much. `vector` is the place of an array of
/// buffers, or 0, and then there is one.
///
/// # Safety
/// `place` is in a map.
#[inline(always)]
unsafe fn read_buffers(place: *mut Stream, vector: u64, single: (u64, u64), wanted: u64) {
    // SAFETY: the caller's.
    unsafe { (*place).used = 0 };
    if vector == 0 {
        let _ = read_buffer(place, single.0, single.1, wanted);
        return;
    }
    let mut number = 0_u64;
    while number < BUFFERS {
        // struct iovec { void *iov_base; size_t iov_len; }
        let Some([base, length]) = user::<[u64; 2]>(vector + number * 16) else { break };
        if read_buffer(place, base, length, wanted) == 0 {
            break;
        }
        number += 1;
    }
}

/// Reads one buffer behind what is there already; 0 if nothing can follow. By itself, so that the verifier looks at it once
/// and not in each turn of the loop.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn read_buffer(place: *mut Stream, base: u64, length: u64, wanted: u64) -> u32 {
    // SAFETY: the verifier lets nothing but a whole `Stream` or null be given.
    let Some(stream) = (unsafe { place.as_mut() }) else { return 0 };
    let used = stream.used;
    if used >= wanted || used >= STREAM_BYTES as u64 {
        return 0;
    }
    let mut length = if length < wanted - used { length } else { wanted - used };
    if length > STREAM_BYTES as u64 {
        length = STREAM_BYTES as u64;
    }
    if length > 0 {
        let bytes = (&raw mut stream.bytes).cast::<u8>();
        // SAFETY: `used` and `length` are each at most half of the room.
        if unsafe { bpf_probe_read_user(bytes.add(used as usize).cast(), length as u32, base as *const _) } != 0 {
            return 0;
        }
    }
    stream.used = used + length;
    1
}
