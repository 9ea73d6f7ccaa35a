//! Single kernel records with sensible fields; what a test is about it sets with struct update syntax:
//!
//! ```
//! use tracer_common::{SocketCause, SocketRecord};
//! use tracer_core::{sim, time::Moment};
//! let reset = SocketRecord { error: 104, ..sim::socket(SocketCause::CLOSED, Moment(7)) };
//! let input = sim::input(&reset);
//! ```
//!
//! Invariant: a record's header names its kind, its length and its moment. Memory: the records.

use crate::input::Input;
use crate::time::Moment;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tracer_common::record::{ARGUMENTS_LENGTH, FILENAME_LENGTH};
use tracer_common::{
    Exchange, ExchangeRecord, ExecRecord, Header, Phase, ProcessId, RecordKind, Role, SocketCause, SocketFlags,
    SocketRecord, StreamHead, Totals, Tuple,
};
use zerocopy::{FromZeros, Immutable, IntoBytes};

/// The network namespace of all simulated sockets: the inode number of a host's first one.
pub const NETNS: u32 = 4_026_531_840;

const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 40_000);
const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 80);

/// The record as it would leave the ring.
#[must_use]
pub fn input(record: &(impl IntoBytes + Immutable)) -> Input {
    Input::Record(record.as_bytes().to_vec())
}

/// A process that has executed one program and started `pid` milliseconds after boot.
#[must_use]
pub fn process(pid: u32) -> ProcessId {
    ProcessId { pid, exec: 1, started: u64::from(pid) * 1_000_000 }
}

/// The endpoints of a socket in [`NETNS`].
#[must_use]
pub fn tuple(local: SocketAddr, remote: SocketAddr) -> Tuple {
    Tuple {
        local_address: mapped(local.ip()),
        remote_address: mapped(remote.ip()),
        local_port: local.port(),
        remote_port: remote.port(),
        netns: NETNS,
    }
}

/// The endpoints as the other end of the connection has them.
#[must_use]
pub fn reversed(tuple: Tuple) -> Tuple {
    Tuple {
        local_address: tuple.remote_address,
        remote_address: tuple.local_address,
        local_port: tuple.remote_port,
        remote_port: tuple.local_port,
        netns: tuple.netns,
    }
}

/// The state of a client's socket from 10.0.0.1:40000 to 10.0.0.2:80, or with [`SocketCause::LISTENING`] of one that
/// listens on 10.0.0.2:80, owned by process 100; its TCP state, and whether the owner is described, follow from
/// `cause`.
#[must_use]
pub fn socket(cause: u8, at: Moment) -> SocketRecord {
    owned_socket(process(100), cause, at)
}

/// As [`socket`], owned by `owner`.
pub(super) fn owned_socket(owner: ProcessId, cause: u8, at: Moment) -> SocketRecord {
    let unspecified = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
    let (role, tcp_state, flags, tuple) = match cause {
        // The local port is chosen after the hook.
        SocketCause::CONNECTING => {
            (Role::CLIENT, TcpState::SYN_SENT, 0, tuple(SocketAddr::new(CLIENT.ip(), 0), SERVER))
        }
        SocketCause::LISTENING => (Role::LISTENER, TcpState::LISTEN, 0, tuple(SERVER, unspecified)),
        SocketCause::CLOSED => (Role::CLIENT, TcpState::CLOSE, SocketFlags::ESTABLISHED, tuple(CLIENT, SERVER)),
        _ => (Role::CLIENT, TcpState::ESTABLISHED, SocketFlags::ESTABLISHED, tuple(CLIENT, SERVER)),
    };
    let record = SocketRecord {
        header: header::<SocketRecord>(RecordKind::SOCKET, at),
        cookie: 1,
        tuple,
        owner,
        opened_at: at.0,
        established_at: if flags & SocketFlags::ESTABLISHED == 0 { 0 } else { at.0 },
        owner_thread: owner.pid,
        cause,
        role,
        phase: Phase::IDLE,
        tcp_state,
        flags,
        active_at: at.0,
        ..SocketRecord::new_zeroed()
    };
    if describes_owner(cause) { describe(record) } else { record }
}

/// Whether records of this cause are written where the owner's task is at hand.
fn describes_owner(cause: u8) -> bool {
    matches!(cause, SocketCause::CONNECTING | SocketCause::OWNER | SocketCause::LISTENING | SocketCause::CENSUS)
}

/// The owner is a child of process 1, user 1000, and its `comm` is `p` and its pid.
fn describe(record: SocketRecord) -> SocketRecord {
    let comm = padded(format!("p{}", record.owner.pid).as_bytes());
    SocketRecord { parent: process(1), comm, uid: 1000, parent_exec_at_fork: 1, described: 1, ..record }
}

/// The first exchange of a client's socket, owned by process 100: 100 bytes sent 3 ms before `at`, 1,000 bytes
/// received from 2 ms to 1 ms before.
#[must_use]
pub fn exchange(at: Moment) -> ExchangeRecord {
    let before = |millis: u64| at.0.saturating_sub(millis * 1_000_000);
    let owner = process(100);
    ExchangeRecord {
        header: header::<ExchangeRecord>(RecordKind::EXCHANGE, at),
        cookie: 1,
        owner,
        totals: Totals { requests: 1, responses: 1, bytes_sent: 100, bytes_received: 1_000 },
        exchange: Exchange {
            index: 1,
            request_first: before(3),
            request_last: before(3),
            response_first: before(2),
            response_last: before(1),
            request_bytes: 100,
            response_bytes: 1_000,
            request_sequence: 1,
            request_thread: owner.pid,
            response_thread: owner.pid,
            ..Exchange::NONE
        },
        role: Role::CLIENT,
        padding: [0; 7],
    }
}

/// The owner of a socket sends these bytes, or receives them, as the beginning of a turn of the first exchange: nothing moved in
/// this direction before, and so many bytes in the other.
#[must_use]
pub fn said(cookie: u64, sent: bool, other: u64, bytes: &[u8], at: Moment) -> Input {
    said_in(cookie, sent, [0, other], true, bytes, at)
}

/// The same anywhere: so many bytes moved in this direction before, and so many in the other; whether a turn begins.
#[must_use]
pub fn said_in(cookie: u64, sent: bool, [position, other]: [u64; 2], begins: bool, bytes: &[u8], at: Moment) -> Input {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut head = StreamHead {
        header: header::<StreamHead>(RecordKind::STREAM, at),
        cookie,
        position,
        other,
        length,
        exchange: 1,
        sent: u8::from(sent),
        begins: u8::from(begins),
        share: 0,
        padding: [0; 5],
    };
    head.header.length = head.header.length.saturating_add(u16::try_from(bytes.len()).unwrap_or(u16::MAX));
    Input::Record([head.as_bytes(), bytes].concat())
}

/// Process `process`, a child of process 1 and of user 1000, runs `filename` with `arguments`, both cut as the kernel
/// programs cut them.
#[must_use]
pub fn exec(process: ProcessId, filename: &[u8], arguments: &[&[u8]], at: Moment) -> ExecRecord {
    let whole = arguments.iter().flat_map(|argument| argument.iter().copied().chain([0])).collect::<Vec<u8>>();
    let program = filename.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let path = filename.get(..FILENAME_LENGTH - 1).unwrap_or(filename);
    ExecRecord {
        header: header::<ExecRecord>(RecordKind::EXEC, at),
        process,
        parent: self::process(1),
        uid: 1000,
        arguments_length: u16::try_from(whole.len().min(ARGUMENTS_LENGTH)).unwrap_or(u16::MAX),
        arguments_cut: u8::from(whole.len() > ARGUMENTS_LENGTH),
        padding: [0],
        comm: padded(program.get(..15).unwrap_or(program)),
        filename: padded(path),
        arguments: padded(&whole),
    }
}

/// States of `include/net/tcp_states.h`.
pub(super) struct TcpState;

impl TcpState {
    pub(super) const ESTABLISHED: u8 = 1;
    pub(super) const SYN_SENT: u8 = 2;
    pub(super) const CLOSE: u8 = 7;
    pub(super) const LISTEN: u8 = 10;
}

pub(super) fn header<T>(kind: u16, at: Moment) -> Header {
    Header { kind, length: u16::try_from(size_of::<T>()).unwrap_or(u16::MAX), cpu: 0, at: at.0 }
}

fn mapped(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => Ipv6Addr::octets(&address),
    }
}

/// As much of `bytes` as fits, and zeros.
fn padded<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.iter_mut().zip(bytes).for_each(|(place, &byte)| *place = byte);
    array
}
