//! Counting the latencies of busy sockets in the kernel, where telling each exchange would cost more than the exchange
//! is worth.
//!
//! A socket that does many exchanges a second is given a slot: a histogram. Its exchanges are counted there, and told by
//! themselves only if they are slow, outside the histogram's range, part of a chain that is told, or one of a fixed share
//! that both ends choose alike. Invariant: each timed exchange is either counted or told as not counted, never both,
//! whatever happens to its record. Memory: `maps::LATENCIES`.

use crate::emit::add;
use crate::maps::{CONTROL, LATENCIES, free_slot};
use tracer_common::{Detail, Exchange, LatencySlot, SocketFlags, SocketState};

/// How often a socket's pace is taken, in nanoseconds.
const PACE_EVERY: u64 = 250_000_000;
/// A socket is busy from 250 exchanges a second on: nanoseconds for each.
const BUSY: u64 = 4_000_000;
/// And no longer busy below 50.
const CALM: u64 = 20_000_000;
/// A socket is fast from 2,000 exchanges a second on, and no longer below half of that: nanoseconds for each.
const FAST: u64 = 500_000;
/// Exchanges of a connection of which all bytes are told where nothing but counts is asked for.
const ALL_OF: u64 = 64;
/// From 100 ms on an exchange is told by itself: nanoseconds.
const SLOW: u64 = 100_000_000;

/// What is told of exchanges: one of the [`Detail`] values.
#[inline(always)]
pub(crate) fn detail() -> u32 {
    // SAFETY: points into the map value.
    CONTROL.get_ptr(0).map_or(Detail::COUNTS, |control| unsafe { (*control).detail })
}

/// Whether the bytes of an exchange that begins now on this socket are sure to be told.
#[inline(always)]
pub(crate) fn will_be_told(state: &SocketState) -> bool {
    !is_shared(state) || is_chosen(state)
}

/// Whether only a share of the socket's exchanges is told: it is busy, or its port, or it has told enough where nothing but
/// counts is asked for.
#[inline(always)]
pub(crate) fn is_shared(state: &SocketState) -> bool {
    state.slot != 0
        || state.flags & SocketFlags::AT_BUSY_PORT != 0
        || (state.exchange.index >= ALL_OF && detail() == Detail::COUNTS)
}

/// Which share of the exchanges is told, as in a record.
#[inline(always)]
pub(crate) fn share(state: &SocketState) -> u8 {
    if !is_shared(state) {
        0
    } else if state.flags & SocketFlags::FAST == 0 {
        1
    } else {
        2
    }
}

/// Counts the socket's exchange, which has an answer, if that is what is done with it; whether to tell it by itself.
#[inline(always)]
pub(crate) fn is_told(state: &mut SocketState, at: u64) -> bool {
    let detail = detail();
    let passed = at.wrapping_sub(state.paced_at);
    if passed >= PACE_EVERY {
        let _ = pace(state, at, passed, detail);
    }
    if detail == Detail::COUNTS {
        return false;
    }
    state.slot == 0 || !count(state) || is_told_anyway(state)
}

/// Counts an exchange; `false` when it cannot be counted.
#[inline(always)]
fn count(state: &mut SocketState) -> bool {
    let exchange = &mut state.exchange;
    let latency = exchange.response_first.wrapping_sub(exchange.request_first);
    if exchange.request_first == 0
        || exchange.flags & Exchange::UNTIMED != 0
        || latency < LatencySlot::LOWEST
        || latency >= LatencySlot::LIMIT
    {
        return false;
    }
    let Some(slot) = LATENCIES.get_ptr_mut(u32::from(state.slot)) else { return false };
    let bucket = bucket(latency);
    if bucket >= LatencySlot::BUCKETS as u64 {
        return false;
    }
    exchange.flags |= Exchange::COUNTED;
    // SAFETY: `slot` points into the map value, and `bucket` is below the length of the array.
    unsafe {
        let place = (&raw mut (*slot).counts).cast::<u32>().add(bucket as usize);
        // The target's `core` has no read-modify-write atomics.
        core::arch::asm!("lock *(u32 *)({place} + 0) += {one}", place = in(reg) place, one = in(reg) 1_u64);
        add(&mut (*slot).sum, latency);
    }
    true
}

/// The slot's bucket for a latency between [`LatencySlot::LOWEST`] and [`LatencySlot::LIMIT`]. The target has no
/// instruction that finds the leading one, so five comparisons do.
#[inline(always)]
fn bucket(latency: u64) -> u64 {
    let (mut rest, mut leading) = (latency >> LatencySlot::LOWEST.ilog2(), 0_u64);
    if rest >= 1 << 16 {
        rest >>= 16;
        leading += 16;
    }
    if rest >= 1 << 8 {
        rest >>= 8;
        leading += 8;
    }
    if rest >= 1 << 4 {
        rest >>= 4;
        leading += 4;
    }
    if rest >= 1 << 2 {
        rest >>= 2;
        leading += 2;
    }
    if rest >= 1 << 1 {
        leading += 1;
    }
    let shift = leading + (LatencySlot::LOWEST.ilog2() - LatencySlot::SUB_BUCKET_BITS) as u64;
    let index = (shift << LatencySlot::SUB_BUCKET_BITS) + (latency >> (shift & 63));
    index - LatencySlot::FIRST as u64
}

/// Whether a counted exchange is told by itself as well.
#[inline(always)]
fn is_told_anyway(state: &SocketState) -> bool {
    let exchange = &state.exchange;
    exchange.response_first - exchange.request_first >= SLOW || exchange.cause_cookie != 0 || is_chosen(state)
}

/// Whether it is one of the share that is told. Both ends know its sequence number, so they choose the same ones.
#[inline(always)]
fn is_chosen(state: &SocketState) -> bool {
    let fast = state.flags & SocketFlags::FAST != 0;
    let bits = if fast { Exchange::FAST_SHARE_BITS } else { Exchange::SHARE_BITS };
    // 2^32 divided by the golden ratio: multiples of it fall evenly whatever the distance of sequence numbers.
    state.exchange.request_sequence.wrapping_mul(0x9e37_79b1) >> (32 - bits) == 0
}

/// Takes the socket's pace: gives it a slot when it has become busy, takes it away when it is calm again; 0. Rare. A global
/// function of BTF: the verifier looks at it once, and not on each path that leads to it.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn pace(state: *mut SocketState, at: u64, passed: u64, detail: u32) -> u32 {
    // SAFETY: the verifier lets nothing but a whole state or null be given.
    if let Some(state) = unsafe { state.as_mut() } {
        take_pace(state, at, passed, detail);
    }
    0
}

#[inline(always)]
fn take_pace(state: &mut SocketState, at: u64, passed: u64, detail: u32) {
    let done = state.exchange.index.wrapping_sub(state.paced_index);
    state.paced_at = at;
    state.paced_index = state.exchange.index;
    let fast = if state.flags & SocketFlags::FAST == 0 { FAST } else { FAST * 2 };
    if done.wrapping_mul(fast) >= passed {
        state.flags |= SocketFlags::FAST;
    } else {
        state.flags &= !SocketFlags::FAST;
    }
    if state.slot == 0 {
        if detail == Detail::LATENCIES && done.wrapping_mul(BUSY) >= passed {
            claim(state);
        }
    } else if detail != Detail::LATENCIES || done.wrapping_mul(CALM) < passed {
        // User space is told with the next record, reads the slot for the last time and frees it.
        state.slot = 0;
    }
}

#[inline(always)]
fn claim(state: &mut SocketState) {
    let Some(number) = free_slot() else { return };
    let Some(slot) = LATENCIES.get_ptr_mut(number) else { return };
    // SAFETY: points into the map value; the slot is nobody else's.
    unsafe { (*slot).cookie = state.cookie };
    state.slot = number as u16;
}
