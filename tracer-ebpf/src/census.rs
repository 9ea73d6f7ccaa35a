//! The census of what was open before the tracer: a program that user space runs over all descriptors of all processes, once
//! for what listens and once for connections.
//!
//! Invariant: it writes through the iterator's own file, which waits instead of losing; a socket of several descriptors is
//! reported once as a connection. Memory: one record for each CPU (`maps::SCRATCH`).

use crate::emit::{self, Tally, now, tally};
use crate::iterate::{Meta, TaskFile, asked, write_flow, write_socket};
use crate::kernel::{Object, follow, load, offset, process_id};
use crate::life_cycle::digest;
use crate::local::{self, Ends};
use crate::maps::SCRATCH;
use crate::{datagram, flow, socket};
use aya_ebpf::helpers::generated::{bpf_seq_write, bpf_sock_from_file};
use tracer_common::{
    Census, FlowKey, FlowRecord, FlowState, RecordKind, Role, Site, SocketCause, SocketFlags, SocketState,
    TransportKind,
};

const TCP_ESTABLISHED: u8 = 1;
const TCP_SYN_SENT: u8 = 2;
const TCP_CLOSE_WAIT: u8 = 8;
const TCP_LISTEN: u8 = 10;

/// Takes in every TCP, UDP and Unix socket that some process holds open, in every network namespace.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task_file")]
pub fn census(context: *const TaskFile) -> i32 {
    // SAFETY: the kernel passes a context of this layout; its pointers may be null.
    let (meta, task, file) = unsafe { ((*context).meta, (*context).task, (*context).file) };
    if task.is_null() || file.is_null() {
        return 0;
    }
    let Some(tally) = tally::<{ Site::CENSUS }>() else { return 0 };
    // SAFETY: `file` is not null; the helper returns null for what is not a socket.
    let holder = unsafe { bpf_sock_from_file(file.cast_mut().cast()) } as Object;
    if holder.is_null() {
        return 0;
    }
    // SAFETY: a `struct socket`.
    let sk = unsafe { follow(holder, offset!(socket_sk)) };
    if sk.is_null() {
        return 0;
    }
    tally.seen();
    let pass = asked();
    let found = Found { meta, task, sk, at: now(), tally };
    let written = match socket::transport(sk) {
        Some(TransportKind::TCP) => found.tcp(pass),
        Some(TransportKind::UDP) => found.udp(pass),
        Some(transport) => found.unix(pass, transport),
        None => {
            tally.filtered();
            true
        }
    };
    // Where the file is full, the kernel calls again for this descriptor.
    i32::from(!written)
}

/// A socket that the census has found.
struct Found {
    meta: *const Meta,
    task: Object,
    sk: Object,
    at: u64,
    tally: Tally,
}

impl Found {
    #[inline(always)]
    fn tcp_state(&self) -> u8 {
        // SAFETY: a `struct sock`.
        unsafe { load(self.sk, offset!(sock_state)) }
    }

    /// `false` when there was no room.
    #[inline(always)]
    fn tcp(&self, pass: u32) -> bool {
        let tcp_state = self.tcp_state();
        let wanted = match pass {
            Census::LISTENERS => tcp_state == TCP_LISTEN,
            Census::CONNECTIONS => matches!(tcp_state, TCP_ESTABLISHED | TCP_SYN_SENT | TCP_CLOSE_WAIT),
            _ => false,
        };
        if !wanted {
            self.tally.filtered();
            return true;
        }
        let Some((state, _)) = socket::find_or_create(self.sk, self.at, self.tally) else { return true };
        self.tally.tracked();
        if state.role == Role::UNKNOWN {
            if tcp_state == TCP_LISTEN {
                state.role = Role::LISTENER;
                state.flags |= SocketFlags::PREEXISTING;
                socket::note_listener(&state.tuple, true, self.tally);
            } else {
                socket::infer_role(state, self.sk);
            }
        }
        if state.reported != 0 {
            // Another descriptor of the same socket.
            return true;
        }
        let described = self.hold(state);
        // SAFETY: `meta` is the iterator's.
        let written = unsafe { write_socket(self.meta, self.sk, state, SocketCause::CENSUS, described, self.at) };
        if written {
            state.reported = digest(state) | 1;
        }
        written
    }

    #[inline(always)]
    fn udp(&self, pass: u32) -> bool {
        // SAFETY: a `struct sock`.
        let connected_to = u16::from_be(unsafe { load::<u16>(self.sk, offset!(sock_dport)) });
        let bound = datagram::is_bound(self.sk);
        if connected_to == 0 {
            if bound && pass == Census::LISTENERS {
                self.tally.tracked();
                return self.listener(TransportKind::UDP);
            }
            self.tally.filtered();
            return true;
        }
        if pass != Census::CONNECTIONS {
            self.tally.filtered();
            return true;
        }
        let mut key = flow::key(self.sk);
        key.peer = socket::remote_words(self.sk);
        key.peer_port = connected_to;
        let flow = match flow::find(&key) {
            Some(flow) => flow,
            // As if it had sent: a server that is connected and has the lower port answers, all others ask.
            None => match datagram::begin(&key, self.sk, true, self.at, self.tally) {
                Some(flow) => flow,
                None => return true,
            },
        };
        self.tally.tracked();
        self.flow(&key, flow)
    }

    #[inline(always)]
    fn unix(&self, pass: u32, transport: u8) -> bool {
        let ends = Ends::of(self.sk);
        let listens = if transport == TransportKind::UNIX_DATAGRAM {
            ends.peer.is_null() && !ends.own_name.is_null()
        } else {
            self.tcp_state() == TCP_LISTEN
        };
        if listens && pass == Census::LISTENERS {
            self.tally.tracked();
            return self.listener(transport);
        }
        // Who asks and who answers on an unnamed pair is told by who sends first.
        let named = !ends.own_name.is_null() || !ends.peer_name.is_null();
        if listens || ends.peer.is_null() || pass != Census::CONNECTIONS || !named {
            self.tally.filtered();
            return true;
        }
        let key = flow::key(self.sk);
        let flow = match flow::find(&key) {
            Some(flow) => flow,
            None => match local::connected(&key, self.sk, transport, &ends, true, self.at, self.tally) {
                Some(flow) => flow,
                None => return true,
            },
        };
        self.tally.tracked();
        self.flow(&key, flow)
    }

    /// Reports a flow once.
    #[inline(always)]
    fn flow(&self, key: &FlowKey, flow: &mut FlowState) -> bool {
        if flow.socket.reported != 0 {
            return true;
        }
        flow.socket.flags |= SocketFlags::PREEXISTING;
        let described = self.hold(&mut flow.socket);
        // SAFETY: `meta` is the iterator's.
        let written = unsafe { write_flow(self.meta, key, flow, SocketCause::CENSUS, described, self.at) };
        if written {
            flow.socket.reported = digest(&flow.socket) | 1;
        }
        written
    }

    /// Reports a socket that has no state: it waits for anybody to send to it.
    #[inline(always)]
    fn listener(&self, transport: u8) -> bool {
        let Some(place) = SCRATCH.get_ptr_mut(0) else { return true };
        // SAFETY: iterators run one at a time on a CPU.
        let record = unsafe { &mut *place };
        // SAFETY: all zeros is a record.
        unsafe { core::ptr::write_bytes(place.cast::<u64>(), 0, size_of::<FlowRecord>() / 8) };
        let socket = &mut record.socket;
        socket.cookie = crate::kernel::cookie(self.sk);
        socket.opened_at = self.at;
        socket.active_at = self.at;
        socket.cause = SocketCause::CENSUS;
        socket.role = Role::LISTENER;
        socket.transport = transport;
        socket.flags = SocketFlags::PREEXISTING;
        socket::locate(&mut socket.tuple, self.sk);
        // SAFETY: the task that holds the descriptor.
        unsafe { emit::describe(socket, self.task) };
        // SAFETY: as above.
        socket.owner = unsafe { process_id(self.task) };
        socket.header = emit::header::<FlowRecord>(RecordKind::FLOW, self.at);
        if transport != TransportKind::UDP {
            record.path_length = local::take_name(&mut record.path, Ends::of(self.sk).own_name);
        }
        // SAFETY: `meta` is the iterator's.
        unsafe { bpf_seq_write((*self.meta).seq.cast(), place.cast(), size_of::<FlowRecord>() as u32) == 0 }
    }

    /// The holder of the descriptor owns the socket unless somebody is known to; its task, if it does.
    #[inline(always)]
    fn hold(&self, state: &mut SocketState) -> Option<Object> {
        // SAFETY: the task that holds the descriptor.
        let holder = unsafe { process_id(self.task) };
        if state.owner.pid == 0 {
            state.owner = holder;
            // SAFETY: as above.
            state.owner_thread = unsafe { load(self.task, offset!(task_pid)) };
        }
        let owns = state.owner.pid == holder.pid && state.owner.started == holder.started;
        if owns { Some(self.task) } else { None }
    }
}
