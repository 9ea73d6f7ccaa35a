//! Where the kernel keeps what the programs read, and the settings the programs run with.
//!
//! Invariant: user space fills [`Offsets`] from the running kernel's BTF before the programs are loaded.
//! Memory: one of each.

macro_rules! offsets {
    ($($field:ident: $structure:literal . $path:literal,)*) => {
        /// Byte offsets of members of kernel structures: `u32`s in the order of [`Self::PATHS`].
        #[repr(C)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Offsets { $(pub $field: u32,)* }

        impl Offsets {
            /// Before user space has filled it.
            pub const UNSET: Self = Self { $($field: 0,)* };
            /// Structure and dotted member path of each field, in the order of the fields.
            pub const PATHS: &'static [(&'static str, &'static str)] = &[$(($structure, $path),)*];

        }
    };
}

offsets! {
    sock_daddr: "sock"."__sk_common.skc_daddr",
    sock_rcv_saddr: "sock"."__sk_common.skc_rcv_saddr",
    sock_dport: "sock"."__sk_common.skc_dport",
    sock_num: "sock"."__sk_common.skc_num",
    sock_family: "sock"."__sk_common.skc_family",
    sock_state: "sock"."__sk_common.skc_state",
    sock_net: "sock"."__sk_common.skc_net",
    sock_v6_daddr: "sock"."__sk_common.skc_v6_daddr",
    sock_v6_rcv_saddr: "sock"."__sk_common.skc_v6_rcv_saddr",
    sock_protocol: "sock"."sk_protocol",
    sock_error: "sock"."sk_err",
    net_inum: "net"."ns.inum",
    tcp_write_seq: "tcp_sock"."write_seq",
    tcp_copied_seq: "tcp_sock"."copied_seq",
    task_tgid: "task_struct"."tgid",
    task_pid: "task_struct"."pid",
    task_leader: "task_struct"."group_leader",
    task_parent: "task_struct"."real_parent",
    task_started: "task_struct"."start_boottime",
    task_exec: "task_struct"."self_exec_id",
    task_parent_exec: "task_struct"."parent_exec_id",
    task_comm: "task_struct"."comm",
    task_cred: "task_struct"."cred",
    task_mm: "task_struct"."mm",
    cred_uid: "cred"."uid",
    mm_arg_start: "mm_struct"."arg_start",
    mm_arg_end: "mm_struct"."arg_end",
    binprm_filename: "linux_binprm"."filename",
    socket_sk: "socket"."sk",
}

/// Settings of the kernel programs, written by user space before they are loaded.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Wake the reader when this many bytes wait in the ring.
    pub fill_mark: u64,
    /// An exchange whose response has begun and which is silent for this long (nanoseconds) is reported as finished.
    pub quiet_after: u64,
}

impl Settings {
    /// Before user space has filled it.
    pub const UNSET: Self = Self { fill_mark: u64::MAX, quiet_after: 0 };
}

abi! {
    /// Key of the table of listening ports.
    pub struct ListenerKey: 8 {
        pub netns: u32,
        pub port: u16,
        pub padding: u16,
    }
}

abi! {
    /// What the reader of the ring and the programs tell each other, in a one-element array.
    pub struct Control: 8 {
        /// One of the [`Reader`] values.
        pub reader: u32,
        /// Which sockets the census takes: one of the [`Census`] values.
        pub census: u32,
    }
}

/// Values of [`Control::reader`].
#[derive(Debug)]
pub struct Reader;

impl Reader {
    /// It drains on a timer: wake it only at the fill mark.
    pub const ON_TIMER: u32 = 0;
    /// It sleeps until something happens: wake it with the next record.
    pub const ASLEEP: u32 = 1;
    /// It has been woken and is on its way.
    pub const WOKEN: u32 = 2;
}

/// Values of [`Control::census`].
#[derive(Debug)]
pub struct Census;

impl Census {
    /// Listening sockets only.
    pub const LISTENERS: u32 = 1;
    /// Connected sockets only.
    pub const CONNECTIONS: u32 = 2;
    /// Finished: all listening ports are known.
    pub const DONE: u32 = 3;
    /// Finished, and a snapshot reports every socket, changed or not.
    pub const DONE_REPORT_ALL: u32 = 4;
}
