//! The records that travel from the kernel to user space.
//!
//! Invariant: each begins with a [`Header`] whose `length` is the size of the whole record, and each carries the
//! cumulative totals it knows, so that a lost record costs detail and never a count.
//! Memory: records are fixed-size, but for a [`StreamHead`], which bytes follow: [`STREAM_BYTES`] at most.

use crate::socket::{Exchange, FlowKey, PATH_LENGTH, ProcessId, Totals, Tuple};

abi! {
    /// Opens every record. `at` is `CLOCK_MONOTONIC` nanoseconds.
    pub struct Header: 16 {
        pub kind: u16,
        pub length: u16,
        pub cpu: u32,
        pub at: u64,
    }
}

/// Values of [`Header::kind`].
#[derive(Debug)]
pub struct RecordKind;

impl RecordKind {
    pub const SOCKET: u16 = 1;
    pub const EXCHANGE: u16 = 2;
    pub const EXEC: u16 = 3;
    pub const FLOW: u16 = 4;
    pub const PAYLOAD: u16 = 5;
    pub const STREAM: u16 = 6;
    pub const FORK: u16 = 7;
}

/// Why a [`SocketRecord`] was emitted.
#[derive(Debug)]
pub struct SocketCause;

impl SocketCause {
    /// A connect was started by `owner`; the local port may not be chosen yet.
    pub const CONNECTING: u8 = 1;
    /// The connection is established.
    pub const ESTABLISHED: u8 = 2;
    /// Another process than before did input or output on the socket; the totals are those before that.
    pub const OWNER: u8 = 3;
    /// The socket is closed; nothing follows for this cookie.
    pub const CLOSED: u8 = 4;
    /// Found open when the tracer started.
    pub const CENSUS: u8 = 5;
    /// Periodic report of a socket that changed or has a request in flight.
    pub const SNAPSHOT: u8 = 6;
    /// It began to listen.
    pub const LISTENING: u8 = 7;
}

abi! {
    /// The state of one socket at a moment.
    pub struct SocketRecord: 232 {
        pub header: Header,
        pub cookie: u64,
        /// As in `SocketState`.
        pub peer_cookie: u64,
        pub tuple: Tuple,
        /// All zeros while no process is known.
        pub owner: ProcessId,
        /// The parent of `owner`, known only when `described` is 1.
        pub parent: ProcessId,
        pub totals: Totals,
        pub opened_at: u64,
        pub established_at: u64,
        /// Of the exchange in flight; 0 when none is.
        pub request_first: u64,
        pub owner_thread: u32,
        pub retransmits: u32,
        /// The `comm` of the owner (`task_struct.comm`), known only when `described` is 1.
        pub comm: [u8; 16],
        /// User id of the owner in the initial user namespace, known only when `described` is 1.
        pub uid: u32,
        /// `self_exec_id` of the parent when the owner was forked; equal to `owner.exec` while the owner still
        /// runs its parent's program.
        pub parent_exec_at_fork: u32,
        /// `sk_err`, an errno, 0 when none.
        pub error: u32,
        pub cause: u8,
        pub role: u8,
        pub phase: u8,
        /// TCP state (`include/net/tcp_states.h`).
        pub tcp_state: u8,
        pub flags: u16,
        pub described: u8,
        /// One of the `TransportKind` values.
        pub transport: u8,
        /// As in `SocketState`.
        pub slot: u16,
        pub reserved: [u8; 2],
        /// As in `SocketState`.
        pub first_sent: u32,
        pub first_received: u32,
        pub exchange_index: u64,
        pub active_at: u64,
    }
}

abi! {
    /// The state of one flow at a moment.
    pub struct FlowRecord: 384 {
        pub socket: SocketRecord,
        pub key: FlowKey,
        /// Used bytes of `path`.
        pub path_length: u16,
        pub padding: [u8; 6],
        pub path: [u8; PATH_LENGTH],
    }
}

abi! {
    /// One finished exchange.
    pub struct ExchangeRecord: 160 {
        pub header: Header,
        pub cookie: u64,
        pub owner: ProcessId,
        pub totals: Totals,
        pub exchange: Exchange,
        pub role: u8,
        pub padding: [u8; 7],
    }
}

/// Bytes of an answer in a [`PayloadRecord`]: what a DNS message over UDP has by common agreement (DNS flag day 2020).
pub const PAYLOAD_LENGTH: usize = 1232;

abi! {
    /// An answer of a resolver of names, as its client received it. No other payload leaves the kernel.
    pub struct PayloadRecord: 1256 {
        pub header: Header,
        /// Used bytes of `bytes`.
        pub length: u16,
        /// One of the `TransportKind` values: DNS over UDP, or the local resolver's own protocol over a Unix socket.
        pub transport: u8,
        pub padding: [u8; 5],
        pub bytes: [u8; PAYLOAD_LENGTH],
    }
}

/// Bytes of one input or output that are told at most; and while nobody has chosen, and of heads.
pub const STREAM_BYTES: usize = 4_032;
pub const HEAD_BYTES: usize = 512;

abi! {
    /// Opens a record of what a socket's owner sent or received; as many of its bytes as could be read follow.
    pub struct StreamHead: 56 {
        pub header: Header,
        pub cookie: u64,
        /// Bytes that moved in this direction before these.
        pub position: u64,
        /// Bytes that had moved in the other direction by then.
        pub other: u64,
        /// Bytes that moved by this input or output.
        pub length: u32,
        /// The exchange by turns that they are of: the low bits of [`Exchange::index`].
        pub exchange: u32,
        /// 1 if the owner sent them, 0 if it received them.
        pub sent: u8,
        /// 1 if they begin a turn: a request after a response, or a response after a request.
        pub begins: u8,
        /// Which share of the socket's exchanges is told: 0 all of them, 1 one of 2^[`SHARE_BITS`], 2 one of
        /// 2^[`FAST_SHARE_BITS`].
        ///
        /// [`SHARE_BITS`]: crate::Exchange::SHARE_BITS
        /// [`FAST_SHARE_BITS`]: crate::Exchange::FAST_SHARE_BITS
        pub share: u8,
        pub padding: [u8; 5],
    }
}

abi! {
    /// A process began. Told only where the processes that a command starts are followed.
    pub struct ForkRecord: 48 {
        pub header: Header,
        /// The one that forked, whichever is called the parent afterwards.
        pub parent: ProcessId,
        pub child: ProcessId,
    }
}

/// Bytes of the file name in an [`ExecRecord`].
pub const FILENAME_LENGTH: usize = 128;
/// Bytes of arguments in an [`ExecRecord`].
pub const ARGUMENTS_LENGTH: usize = 512;

abi! {
    /// A process began to run another program.
    pub struct ExecRecord: 712 {
        pub header: Header,
        pub process: ProcessId,
        pub parent: ProcessId,
        pub uid: u32,
        /// Used bytes of `arguments`.
        pub arguments_length: u16,
        /// 1 when the arguments were longer than the buffer.
        pub arguments_cut: u8,
        pub padding: [u8; 1],
        pub comm: [u8; 16],
        /// The file that was executed, NUL-terminated unless cut.
        pub filename: [u8; FILENAME_LENGTH],
        /// The argument vector, each argument NUL-terminated.
        pub arguments: [u8; ARGUMENTS_LENGTH],
    }
}
