//! Which message of a batch it is that `sendmmsg` or `recvmmsg` has just moved: the kernel does not say.
//!
//! Messages are moved one after the other, so they are counted. A batch ends with its last message or a failed one; one
//! that a time limit ended is known by what the kernel wrote behind its messages. Invariant: what is not a batch costs
//! two comparisons. Memory: `maps::BATCHES`.

use crate::call::{Call, user};
use crate::maps::BATCHES;
use aya_ebpf::helpers::generated::bpf_get_current_pid_tgid;
use tracer_common::SystemCall;

/// `sizeof(struct mmsghdr)` on 64-bit machines, and where `msg_len` is in it (recvmmsg(2)).
pub(crate) const MESSAGE_SIZE: u64 = 64;
pub(crate) const MESSAGE_LENGTH: u64 = 56;
/// Messages of one call (`UIO_MAXIOV`).
const MOST: u64 = 1024;

/// The batch that a thread is at.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Batch {
    /// The array of messages.
    array: u64,
    /// The message that was moved last, and how long it was.
    number: u32,
    length: u32,
}

#[inline(always)]
fn is_batch(call: Call) -> bool {
    call.is(SystemCall::SENDMMSG) || call.is(SystemCall::RECVMMSG)
}

#[inline(always)]
fn thread() -> u64 {
    // SAFETY: no preconditions.
    unsafe { bpf_get_current_pid_tgid() }
}

/// The running call has moved a datagram, or failed to: notes which one of its batch.
#[inline(never)]
pub(crate) fn moved(length: i32) {
    let Some(call) = Call::running().filter(|call| is_batch(*call)) else { return };
    let thread = thread();
    if length < 0 {
        return begin();
    }
    let array = call.second();
    let most = if call.third() < MOST { call.third() } else { MOST };
    let mut number = 0;
    if let Some(before) = BATCHES.get_ptr(&thread) {
        // SAFETY: copied out at once.
        let before = unsafe { before.read() };
        let last = array + u64::from(before.number) * MESSAGE_SIZE;
        if before.array == array
            && u64::from(before.number) + 1 < most
            && user::<u32>(last + MESSAGE_LENGTH) == Some(before.length)
        {
            number = before.number + 1;
        }
    }
    let batch = Batch { array, number, length: length as u32 };
    // Without room the messages that follow are taken for the first.
    let _ = BATCHES.insert(&thread, &batch, 0);
}

/// The next datagram of this thread is the first of its batch.
#[inline(always)]
pub(crate) fn begin() {
    let _ = BATCHES.remove(&thread());
}

/// Where the running call's message is, in bytes from its first one.
#[inline(always)]
pub(crate) fn place(call: Call) -> u64 {
    if !is_batch(call) {
        return 0;
    }
    let Some(batch) = BATCHES.get_ptr(&thread()) else { return 0 };
    // SAFETY: copied out at once.
    let batch = unsafe { batch.read() };
    if batch.array == call.second() { u64::from(batch.number) * MESSAGE_SIZE } else { 0 }
}
