//! The hooks, a row each: what they attach to and what is lost without them.
//!
//! Invariant: a hook that the running kernel does not have costs what its row says and is named, nothing more.
//! Memory: none.

/// One kernel program that is attached to a BTF tracepoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hook {
    /// Name of the program in the object.
    pub(crate) program: &'static str,
    /// The tracepoint.
    pub(crate) tracepoint: &'static str,
    /// What the tracer cannot say without it.
    pub(crate) without: &'static str,
    /// Whether there is nothing to see without it.
    pub(crate) essential: bool,
}

/// The hooks of both planes, in the order in which they are attached; those on input and output follow.
pub(crate) const HOOKS: &[Hook] = &[
    Hook {
        program: "state",
        tracepoint: "inet_sock_set_state",
        without: "connects, refusals and time-outs are not seen",
        essential: true,
    },
    Hook {
        program: "destroy",
        tracepoint: "tcp_destroy_sock",
        without: "orderly closes are not seen, so connections stay open in the graph",
        essential: true,
    },
    Hook {
        program: "exec",
        tracepoint: "sched_process_exec",
        without: "processes that end within milliseconds may be named by their comm only",
        essential: false,
    },
    Hook {
        program: "reset_received",
        tracepoint: "tcp_receive_reset",
        without: "resets by the peer are shown as closes",
        essential: false,
    },
    Hook {
        program: "reset_sent",
        tracepoint: "tcp_send_reset",
        without: "resets by this side are shown as closes",
        essential: false,
    },
    Hook {
        program: "retransmit",
        tracepoint: "tcp_retransmit_skb",
        without: "retransmits are not counted",
        essential: false,
    },
];

/// Those on input and output, on the socket plane.
pub(crate) const SOCKET_PLANE: &[Hook] = &[
    Hook {
        program: "receive",
        tracepoint: "sock_recv_length",
        without: "received bytes, requests and latencies are not seen",
        essential: true,
    },
    Hook {
        program: "send",
        tracepoint: "sock_send_length",
        without: "sent bytes, requests and latencies are not seen",
        essential: true,
    },
];

/// As above, on the plane of system calls.
pub(crate) const SYSTEM_CALL_PLANE: &[Hook] = &[Hook {
    program: "system_call",
    tracepoint: "sys_exit",
    without: "sent and received bytes, requests and latencies are not seen",
    essential: true,
}];

/// The one by which the processes that a command starts are followed; attached only for that.
pub(crate) const FOLLOWING: Hook = Hook {
    program: "fork",
    tracepoint: "sched_process_fork",
    without: "which processes a command starts is not known",
    essential: true,
};

/// A program that user space runs to look at all of something: its name, the iterator's, and the map it walks.
pub(crate) type IteratorRow = (&'static str, &'static str, Option<&'static str>);
