//! The settings that the programs run with, in the order of `tracer_common::Settings`.
//!
//! Invariant: as many words as the programs have. Memory: one array.

use super::cast::Cast;
use crate::clock;
use std::time::Duration;
use tracer_common::{Settings, SystemCall};
use tracer_core::input::Detail;

/// An exchange whose response has begun and which is silent for this long counts as finished.
const QUIET_AFTER: Duration = Duration::from_millis(200);
/// What a UDP socket and a peer of it exchange is over after this silence.
const FLOW_IDLE: Duration = Duration::from_secs(60);

/// How long the answer to a datagram may take: as long as a resolver waits (resolv.conf(5)).
const DATAGRAM_ANSWERED_WITHIN: Duration = Duration::from_secs(5);

const WORDS: usize = size_of::<Settings>() / 8;

/// System calls in the order of [`SystemCall`].
const SYSTEM_CALLS: [libc::c_long; SystemCall::COUNT] = [
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_sendto,
    libc::SYS_recvfrom,
    libc::SYS_sendmsg,
    libc::SYS_recvmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvmmsg,
    libc::SYS_sendfile,
    libc::SYS_splice,
    libc::SYS_preadv2,
    libc::SYS_pwritev2,
];

/// A level of detail as the programs know it.
pub(super) fn level(detail: Detail) -> u32 {
    match detail {
        Detail::Counts => tracer_common::Detail::COUNTS,
        Detail::Latencies => tracer_common::Detail::LATENCIES,
        Detail::Exchanges => tracer_common::Detail::EXCHANGES,
    }
}

/// The settings for a ring of `ring` bytes; `reads_memory` says whether the memory of processes may be read, `cast` has
/// the numbers of types.
pub(super) fn settings(ring: u32, reads_memory: bool, cast: Option<Cast>) -> [u64; WORDS] {
    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let number = |of: fn(Cast) -> u32| cast.map_or(0, |cast| u64::from(of(cast)));
    let fixed = [
        u64::from(ring / 4),
        nanoseconds(QUIET_AFTER),
        nanoseconds(FLOW_IDLE),
        tracer_common::kernel::COMPAT_BITS,
        u64::from(reads_memory),
        clock::now().0.saturating_add(nanoseconds(DATAGRAM_ANSWERED_WITHIN)),
        number(|cast| cast.tcp_sock),
        number(|cast| cast.sock),
        number(|cast| cast.task_struct),
    ];
    let calls = SYSTEM_CALLS.map(|number| u64::try_from(number).unwrap_or(u64::MAX));
    let mut all = [0; WORDS];
    all.iter_mut().zip(fixed.into_iter().chain(calls)).for_each(|(place, word)| *place = word);
    all
}
