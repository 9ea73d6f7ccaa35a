//! Answers of resolvers of names, passed on so that peers can be called by the names that this host asked for.
//!
//! Invariant: of all payload, only what a client receives from port 53 or from the local resolver's socket is read.
//! Memory: one record in the ring.

use crate::call::Call;
use crate::emit::{self, Tally};
use aya_ebpf::helpers::generated::bpf_probe_read_user;
use tracer_common::record::PAYLOAD_LENGTH;
use tracer_common::socket::PATH_LENGTH;
use tracer_common::{PayloadRecord, RecordKind, SiteCounters, SocketFlags, SocketState};

/// Where systemd-resolved answers (systemd-resolved.service(8)), with the NUL that ends it: five words.
const RESOLVER: [u8; 40] = *b"/run/systemd/resolve/io.systemd.Resolve\0";

/// Whether this is the path of the local resolver.
#[inline(always)]
pub(crate) fn is_resolver(path: &[u8; PATH_LENGTH]) -> bool {
    let words = path.as_ptr().cast::<u64>();
    let mut number = 0;
    while number < RESOLVER.len() / 8 {
        let at = number * 8;
        let expected = u64::from_le_bytes([
            RESOLVER[at],
            RESOLVER[at + 1],
            RESOLVER[at + 2],
            RESOLVER[at + 3],
            RESOLVER[at + 4],
            RESOLVER[at + 5],
            RESOLVER[at + 6],
            RESOLVER[at + 7],
        ]);
        // SAFETY: the path has more words, and begins at a multiple of eight.
        if unsafe { words.add(number).read() } != expected {
            return false;
        }
        number += 1;
    }
    true
}

/// Passes on what the running call has just received, if it is an answer of a resolver.
#[inline(always)]
pub(crate) fn pass_on(state: &SocketState, length: i32, at: u64, tally: Tally) {
    if state.flags & SocketFlags::RESOLVES_NAMES != 0 && length > 0 {
        let _ = tell_answer(tally.counters(), state.transport, length as u32, at);
    }
}

/// Tells what the running call has received; 0. A global function of BTF: the verifier looks at it once, and not on each
/// path that leads to it.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn tell_answer(counters: *mut SiteCounters, transport: u8, length: u32, at: u64) -> u32 {
    if !counters.is_null() {
        tell(transport, length, at, Tally::of(counters));
    }
    0
}

#[inline(always)]
fn tell(transport: u8, length: u32, at: u64, tally: Tally) {
    let Some(call) = Call::running() else { return };
    let (buffer, room) = call.buffer();
    let Some(place) = emit::reserve::<PayloadRecord>(tally) else { return tally.ring_full() };
    // SAFETY: `place` was just reserved; what is not read is zero.
    unsafe {
        let record = &mut *place;
        record.header = emit::header::<PayloadRecord>(RecordKind::PAYLOAD, at);
        record.transport = transport;
        record.padding = [0; 5];
        core::ptr::write_bytes(record.bytes.as_mut_ptr().cast::<u64>(), 0, PAYLOAD_LENGTH / 8);
        let mut used = u64::from(length);
        if used > room {
            used = room;
        }
        if used > PAYLOAD_LENGTH as u64 {
            used = PAYLOAD_LENGTH as u64;
        }
        let read = bpf_probe_read_user(record.bytes.as_mut_ptr().cast(), used as u32, buffer as *const _);
        record.length = if read == 0 { used as u16 } else { 0 };
        if read != 0 {
            tally.read_fault();
        }
    }
    emit::submit(place, tally);
}
