//! What the kernel keeps for each socket, and the parts of it that travel in records.
//!
//! Invariant: a [`SocketState`] lives and dies with its socket (socket storage), so there is never a stale entry;
//! totals only grow. Memory: one `SocketState` for each tracked open socket of the host.

abi! {
    /// A process image: the thread-group id in the initial PID namespace, the start time of its leader
    /// (`task_struct.start_boottime`, nanoseconds since boot) and its `exec` count (`self_exec_id`).
    /// A pid alone never names a process: pids are used again.
    pub struct ProcessId: 16 {
        pub pid: u32,
        pub exec: u32,
        pub started: u64,
    }
}

abi! {
    /// Both endpoints of a socket in its network namespace (`netns` is the inode number of the namespace).
    /// IPv4 is written in IPv4-mapped form, so that one connection has one spelling; ports in host order.
    pub struct Tuple: 40 {
        pub local_address: [u8; 16],
        pub remote_address: [u8; 16],
        pub local_port: u16,
        pub remote_port: u16,
        pub netns: u32,
    }
}

abi! {
    /// Cumulative figures of one socket since it was first seen by the tracer. `requests` counts requests begun,
    /// `responses` counts those that have an answer begun; bytes are as the socket's owner sent and received them.
    pub struct Totals: 32 {
        pub requests: u64,
        pub responses: u64,
        pub bytes_sent: u64,
        pub bytes_received: u64,
    }
}

abi! {
    /// The current or just finished exchange of a socket: times are `CLOCK_MONOTONIC` nanoseconds, 0 when the
    /// moment has not come (or, for `request_first`, could not be measured).
    pub struct Exchange: 80 {
        /// Which exchange of this socket: the value of `Totals::requests` when it began, so the first is 1.
        pub index: u64,
        pub request_first: u64,
        pub request_last: u64,
        pub response_first: u64,
        pub response_last: u64,
        /// Bytes, saturating.
        pub request_bytes: u32,
        pub response_bytes: u32,
        /// TCP sequence number of the request's first byte: the same at both ends of a connection.
        pub request_sequence: u32,
        /// The thread that sent (client) or read (server) the request.
        pub request_thread: u32,
        /// The thread that read (client) or sent (server) the response.
        pub response_thread: u32,
        pub flags: u32,
        /// The inbound exchange that `request_thread` had begun last when it began this outbound one: the cookie of its
        /// socket and its index; zeros when there was none that is told. Whether it still served it, the times say.
        pub cause_index: u64,
        pub cause_cookie: u64,
    }
}

impl Exchange {
    /// Of a busy socket one of 2^this many exchanges is told by itself …
    pub const SHARE_BITS: u32 = 6;
    /// … and of one that does thousands a second one of 2^this many, which are among those.
    pub const FAST_SHARE_BITS: u32 = 9;
    /// No exchange.
    pub const NONE: Self = Self {
        index: 0,
        request_first: 0,
        request_last: 0,
        response_first: 0,
        response_last: 0,
        request_bytes: 0,
        response_bytes: 0,
        request_sequence: 0,
        request_thread: 0,
        response_thread: 0,
        flags: 0,
        cause_index: 0,
        cause_cookie: 0,
    };
    /// The response was seen before the program that counts the request had run, so the request's time is unknown.
    pub const UNTIMED: u32 = 1;
    /// Its latency is counted in the socket's slot; the record is one of the few that are told all the same.
    pub const COUNTED: u32 = 1 << 1;
}

/// Which end of a connection a socket is.
#[derive(Debug)]
pub struct Role;

impl Role {
    /// Not yet known: bytes are counted, exchanges are not.
    pub const UNKNOWN: u8 = 0;
    /// It connected.
    pub const CLIENT: u8 = 1;
    /// It was accepted from a listening socket.
    pub const SERVER: u8 = 2;
    /// It listens.
    pub const LISTENER: u8 = 3;
}

/// What kind of socket it is.
#[derive(Debug)]
pub struct TransportKind;

impl TransportKind {
    pub const TCP: u8 = 0;
    pub const UDP: u8 = 1;
    pub const UNIX_STREAM: u8 = 2;
    pub const UNIX_DATAGRAM: u8 = 3;
    pub const UNIX_SEQPACKET: u8 = 4;
}

/// What is told of the bytes that a socket's owner sends and receives.
#[derive(Debug)]
pub struct Capture;

impl Capture {
    /// Nobody has chosen: the beginnings of its first inputs and outputs.
    pub const LOOK: u8 = 0;
    /// Nothing.
    pub const NONE: u8 = 1;
    /// The beginning of each request and of each response, of busy sockets those of the exchanges that are told by themselves.
    pub const HEADS: u8 = 2;
    /// The beginning of each input and output, up to [`STREAM_BYTES`](crate::record::STREAM_BYTES).
    pub const STREAM: u8 = 3;
    /// The beginnings of a few inputs and outputs: nothing is understood of what follows.
    pub const OPENING: u8 = 4;
    /// An input or output at which is looked counts once, and again for each so many bytes that are told of it: a few large
    /// ones fill the ring as many small ones do.
    pub const LOOK_BYTES: u16 = 256;
    /// After so much nothing is told until somebody has chosen.
    pub const LOOKS: u16 = 1_024;
    /// After so much, whoever chooses is woken: what is said is known by then, and soon more is said than is looked at.
    pub const CHOOSE_AT: u16 = 64;
    /// Where nothing more is to be understood, nothing is told after so much.
    pub const OPENINGS: u16 = 16;
    /// Ports for which somebody may choose, and sockets.
    pub const PORTS: u32 = 16_384;
    pub const SOCKETS: u32 = 16_384;
    /// Bytes of a response in which [`Choice::error_at`] lies.
    pub const PEEK: usize = 16;
}

abi! {
    /// What user space has chosen for a socket or a port.
    pub struct Choice: 8 {
        /// One of the [`Capture`] values.
        pub capture: u8,
        /// A response whose byte at `error_at`, below [`Capture::PEEK`], is `error_byte` is an error, and always told;
        /// zero where nothing can be said so.
        pub error_at: u8,
        pub error_byte: u8,
        /// 1 if both ends are to tell, where both are on this host; else the server's does.
        pub both: u8,
        /// 1 if so much is asked here that only a share of the heads is told, of connections that are not busy too.
        pub busy: u8,
        pub padding: [u8; 3],
    }
}

/// Where a socket stands in its current exchange.
#[derive(Debug)]
pub struct Phase;

impl Phase {
    /// No request begun yet.
    pub const IDLE: u8 = 0;
    /// A request has begun and no byte of its response was seen: it is in flight.
    pub const REQUEST: u8 = 1;
    /// The response has begun.
    pub const RESPONSE: u8 = 2;
    /// The response had begun and its record has been emitted; further bytes only count.
    pub const REPORTED: u8 = 3;
}

/// Facts about a socket, as bits.
#[derive(Debug)]
pub struct SocketFlags;

impl SocketFlags {
    /// It was open before the tracer looked.
    pub const PREEXISTING: u16 = 1;
    /// The peer reset the connection.
    pub const RESET_RECEIVED: u16 = 1 << 1;
    /// This side reset the connection.
    pub const RESET_SENT: u16 = 1 << 2;
    /// The connection was established at some time.
    pub const ESTABLISHED: u16 = 1 << 3;
    /// The peer closed its side before this side did.
    pub const PEER_CLOSED_FIRST: u16 = 1 << 4;
    /// The role was inferred from ports because no listening socket could be asked.
    pub const ROLE_INFERRED: u16 = 1 << 5;
    /// Its end has been reported; it is reported again only if bytes moved after that.
    pub const CLOSED: u16 = 1 << 6;
    /// The other direction showed that a send was under way, and its turn was taken before the send's own hook ran.
    pub const SEND_AHEAD: u16 = 1 << 7;
    /// What its client receives are answers of a resolver of names, which are passed on.
    pub const RESOLVES_NAMES: u16 = 1 << 8;
    /// It does thousands of exchanges a second.
    pub const FAST: u16 = 1 << 9;
    /// So much is asked where it leads to that only a share of the heads is told.
    pub const AT_BUSY_PORT: u16 = 1 << 10;
    /// The client has asked, or said goodbye, after its server had closed.
    pub const ASKED_AFTER_CLOSE: u16 = 1 << 11;
}

/// Set in the `cookie` of a flow that is not a whole socket; the kernel's own cookies count up from 1.
pub const FLOW_MARK: u64 = 1 << 63;

abi! {
    /// Names a flow: what moves between a socket and one peer. `cookie` is the kernel's socket cookie; the peer is an
    /// address and port (UDP), a digest of a path (datagrams sent to a Unix path), or all zeros for the one peer
    /// that a connected socket has.
    pub struct FlowKey: 32 {
        pub cookie: u64,
        pub peer: [u64; 2],
        pub peer_port: u16,
        pub padding: [u8; 6],
    }
}

/// Bytes of `sockaddr_un.sun_path` (unix(7)), and four more to a multiple of eight.
pub const PATH_LENGTH: usize = 112;

abi! {
    /// The state of a socket, or of a part of it, that has no hook at its end: UDP and Unix sockets. It is kept until the
    /// socket is found to be gone.
    pub struct FlowState: 392 {
        pub socket: SocketState,
        /// Used bytes of `path`.
        pub path_length: u16,
        pub padding: [u8; 6],
        /// The name of the Unix socket at the server's end, as in `sun_path`.
        pub path: [u8; PATH_LENGTH],
    }
}

abi! {
    /// The value in socket storage.
    pub struct SocketState: 272 {
        /// The kernel's socket cookie; for a flow of UDP datagrams a number of its own, with [`FLOW_MARK`] set.
        pub cookie: u64,
        /// The cookie of the socket at the other end, where the kernel joins the two (Unix sockets); 0 elsewhere.
        pub peer_cookie: u64,
        /// When the tracer first saw it, `CLOCK_MONOTONIC` nanoseconds.
        pub opened_at: u64,
        /// When the connection was established; 0 if it was not, or before the tracer.
        pub established_at: u64,
        pub tuple: Tuple,
        pub owner: ProcessId,
        pub totals: Totals,
        pub exchange: Exchange,
        pub owner_thread: u32,
        /// `tcp_sock.write_seq` as of the last send that was accounted.
        pub sent_sequence: u32,
        /// `tcp_sock.copied_seq` as of the last receive that was accounted.
        pub received_sequence: u32,
        /// The sequence numbers with which this side and the other began to send: the other end has the same two,
        /// exchanged, whatever address translation lies between. Zeros for what is not TCP.
        pub first_sent: u32,
        pub first_received: u32,
        pub retransmits: u32,
        pub role: u8,
        pub phase: u8,
        pub flags: u16,
        /// One of the [`TransportKind`] values.
        pub transport: u8,
        /// What is told of its bytes: one of the [`Capture`] values.
        pub capture: u8,
        /// The number of the slot in which its latencies are counted, from 1; 0 while each exchange is told by itself.
        pub slot: u16,
        /// Digest of what the last snapshot reported, so that an unchanged socket is not reported again.
        pub reported: u64,
        /// When the last byte of either direction was seen, or the first side closed.
        pub active_at: u64,
        /// Since when its pace is taken, and the index of its exchange at that moment.
        pub paced_at: u64,
        pub paced_index: u64,
        /// As of which [`Control::capture_version`] `capture` is, and how much was told, as [`Capture::LOOK_BYTES`] says.
        ///
        /// [`Control::capture_version`]: crate::kernel::Control::capture_version
        pub capture_version: u32,
        pub told: u16,
        /// As in [`Choice`].
        pub error_at: u8,
        pub error_byte: u8,
    }
}
