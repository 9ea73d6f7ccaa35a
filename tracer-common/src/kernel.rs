//! Where the kernel keeps what the programs read, and the settings the programs run with.
//!
//! Invariant: user space fills [`Offsets`] from the running kernel's BTF before the programs are loaded.
//! Memory: one of each.

macro_rules! offsets {
    ($($field:ident: $structure:literal . $path:expr,)*) => {
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
    sock_type: "sock"."sk_type",
    sock_shutdown: "sock"."sk_shutdown",
    sock_flags: "sock"."__sk_common.skc_flags",
    sock_locks: "sock"."sk_userlocks",
    net_inum: "net"."ns.inum",
    tcp_write_seq: "tcp_sock"."write_seq",
    tcp_copied_seq: "tcp_sock"."copied_seq",
    tcp_snd_nxt: "tcp_sock"."snd_nxt",
    tcp_refreshed: "tcp_sock"."tcp_clock_cache",
    tcp_departed: "tcp_sock"."tcp_wstamp_ns",
    tcp_rcv_nxt: "tcp_sock"."rcv_nxt",
    tcp_snd_una: "tcp_sock"."snd_una",
    tcp_bytes_acked: "tcp_sock"."bytes_acked",
    tcp_bytes_received: "tcp_sock"."bytes_received",
    tcp_ulp: "tcp_sock"."inet_conn.icsk_ulp_ops",
    unix_address: "unix_sock"."addr",
    unix_peer: "unix_sock"."peer",
    unix_address_count: "unix_address"."refcnt",
    unix_address_length: "unix_address"."len",
    unix_address_name: "unix_address"."name",
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
    task_storage: "task_struct"."bpf_storage",
    cred_uid: "cred"."uid",
    mm_arg_start: "mm_struct"."arg_start",
    mm_arg_end: "mm_struct"."arg_end",
    binprm_filename: "linux_binprm"."filename",
    socket_sk: "socket"."sk",
    sock_socket: "sock"."sk_socket",
    socket_inode_number: "socket_alloc"."vfs_inode.i_ino",
    task_files: "task_struct"."files",
    files_table: "files_struct"."fdt",
    table_files: "fdtable"."fd",
    table_size: "fdtable"."max_fds",
    file_inode: "file"."f_inode",
    file_private: "file"."private_data",
    inode_mode: "inode"."i_mode",
    call_number: "pt_regs".CALL_NUMBER,
    call_first: "pt_regs".CALL_ARGUMENTS[0],
    call_second: "pt_regs".CALL_ARGUMENTS[1],
    call_third: "pt_regs".CALL_ARGUMENTS[2],
    call_fourth: "pt_regs".CALL_ARGUMENTS[3],
    call_fifth: "pt_regs".CALL_ARGUMENTS[4],
    call_sixth: "pt_regs".CALL_ARGUMENTS[5],
    task_compat: "task_struct".COMPAT_FLAGS,
}

/// Members of `pt_regs` that hold the number and the arguments of the running system call (`asm/syscall.h`), and the
/// word of `task_struct` with the bits [`COMPAT_BITS`] that say that the task runs 32-bit code, which numbers its
/// system calls differently.
#[cfg(not(target_arch = "aarch64"))]
const CALL_NUMBER: &str = "orig_ax";
#[cfg(not(target_arch = "aarch64"))]
const CALL_ARGUMENTS: [&str; 6] = ["di", "si", "dx", "r10", "r8", "r9"];
#[cfg(not(target_arch = "aarch64"))]
const COMPAT_FLAGS: &str = "thread_info.status";
/// `TS_COMPAT` (`arch/x86/include/asm/thread_info.h`), `TIF_32BIT` (`arch/arm64/include/asm/thread_info.h`).
#[cfg(not(target_arch = "aarch64"))]
pub const COMPAT_BITS: u64 = 2;
#[cfg(target_arch = "aarch64")]
const CALL_NUMBER: &str = "syscallno";
#[cfg(target_arch = "aarch64")]
const CALL_ARGUMENTS: [&str; 6] = ["orig_x0", "regs[1]", "regs[2]", "regs[3]", "regs[4]", "regs[5]"];
#[cfg(target_arch = "aarch64")]
const COMPAT_FLAGS: &str = "thread_info.flags";
#[cfg(target_arch = "aarch64")]
pub const COMPAT_BITS: u64 = 1 << 22;

/// Members that are bit fields in some kernels: their entry in [`Offsets`] is the offset in bits.
pub const BIT_FIELDS: [&str; 1] = ["sk_userlocks"];

/// Settings of the kernel programs, written by user space before they are loaded.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Wake the reader when this many bytes wait in the ring.
    pub fill_mark: u64,
    /// An exchange whose response has begun and which is silent for this long (nanoseconds) is reported as finished.
    pub quiet_after: u64,
    /// A flow of datagrams that is silent for this long (nanoseconds) is over.
    pub flow_idle: u64,
    /// Bits that say that a task runs 32-bit code.
    pub compat_bits: u64,
    /// 1 where the programs may read the memory of processes; 0 where the kernel is locked down against it, which takes
    /// every branch that would read it out of the programs.
    pub reads_memory: u64,
    /// `CLOCK_MONOTONIC` nanoseconds: a datagram that comes first and earlier than this may be the answer to one that was
    /// sent before the tracer.
    pub answers_until: u64,
    /// What the kernel's BTF calls `struct tcp_sock`, `struct sock` and `struct task_struct`: the numbers of these types.
    pub tcp_sock: u64,
    pub sock: u64,
    pub task_struct: u64,
    /// Numbers of system calls on this architecture, in the order of [`SystemCall`].
    pub system_calls: [u64; SystemCall::COUNT],
}

/// The instructions with which the programs see a kernel object as one of another type, or as one that may be walked: as
/// they are compiled, and as user space makes them before they are loaded
/// (`Documentation/bpf/standardization/instruction-set.rst`; `struct bpf_insn`).
#[derive(Debug)]
pub struct Cast;

impl Cast {
    /// `bpf_skc_to_tcp_sock` (`enum bpf_func_id`).
    pub const HELPER: i32 = 137;
    /// The number that stands in a register right before an instruction which takes an object as it is: no other code loads
    /// it there.
    pub const MARK: i32 = 0x6b6c_6177;
    /// `BPF_JMP | BPF_CALL`.
    const CALL: u8 = 0x85;
    /// `BPF_ALU64 | BPF_MOV`, of a constant and of a register.
    const MOVE_CONSTANT: u8 = 0xb7;
    const MOVE: u8 = 0xbf;
    /// `BPF_PSEUDO_KFUNC_CALL`, in the upper half of the registers' byte.
    const KERNEL_FUNCTION: u8 = 2 << 4;

    /// The call of the helper.
    #[must_use]
    pub const fn of_helper() -> [u8; 8] {
        Self::instruction(Self::CALL, 0, Self::HELPER as u32)
    }

    /// `r3 = MARK`, before [`Self::of_itself`].
    #[must_use]
    pub const fn of_mark() -> [u8; 8] {
        Self::instruction(Self::MOVE_CONSTANT, 3, Self::MARK as u32)
    }

    /// `r0 = r1`: the object as it is.
    #[must_use]
    pub const fn of_itself() -> [u8; 8] {
        Self::instruction(Self::MOVE, 1 << 4, 0)
    }

    /// The call of the kernel's function that has this number in its BTF.
    #[must_use]
    pub const fn of_function(number: u32) -> [u8; 8] {
        Self::instruction(Self::CALL, Self::KERNEL_FUNCTION, number)
    }

    const fn instruction(code: u8, registers: u8, constant: u32) -> [u8; 8] {
        let [a, b, c, d] = constant.to_le_bytes();
        [code, registers, 0, 0, a, b, c, d]
    }
}

/// Indices into [`Settings::system_calls`].
#[derive(Debug)]
pub struct SystemCall;

impl SystemCall {
    pub const READ: usize = 0;
    pub const WRITE: usize = 1;
    pub const READV: usize = 2;
    pub const WRITEV: usize = 3;
    pub const SENDTO: usize = 4;
    pub const RECVFROM: usize = 5;
    pub const SENDMSG: usize = 6;
    pub const RECVMSG: usize = 7;
    pub const SENDMMSG: usize = 8;
    pub const RECVMMSG: usize = 9;
    pub const SENDFILE: usize = 10;
    pub const SPLICE: usize = 11;
    pub const PREADV2: usize = 12;
    pub const PWRITEV2: usize = 13;
    pub const COUNT: usize = 14;
}

impl Settings {
    /// Before user space has filled it.
    pub const UNSET: Self = Self {
        fill_mark: u64::MAX,
        quiet_after: 0,
        flow_idle: 0,
        compat_bits: 0,
        reads_memory: 0,
        answers_until: u64::MAX,
        tcp_sock: 0,
        sock: 0,
        task_struct: 0,
        system_calls: [0; SystemCall::COUNT],
    };
}

abi! {
    /// Key of the table of listening ports.
    pub struct ListenerKey: 8 {
        pub netns: u32,
        pub port: u16,
        /// One of the `TransportKind` values.
        pub transport: u16,
    }
}

abi! {
    /// What the reader of the ring and the programs tell each other, in a one-element array.
    pub struct Control: 24 {
        /// One of the [`Reader`] values.
        pub reader: u32,
        /// Which sockets the census takes: one of the [`Census`] values.
        pub census: u32,
        /// Counts the looks at all sockets: a socket that two looks have not found is gone.
        pub look: u32,
        /// What the programs tell of each exchange: one of the [`Detail`] values.
        pub detail: u32,
        /// Counts up when user space has chosen anew what is told of the bytes of sockets.
        pub capture_version: u32,
        pub padding: u32,
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
    /// The last look: as above, and every exchange whose response has begun is told as finished.
    pub const FINISH: u32 = 5;
}

/// Values of [`Control::detail`]: each tells more than the one before. Counts are the same with all of them.
#[derive(Debug)]
pub struct Detail;

impl Detail {
    /// Counts of connections, requests and bytes: no times.
    pub const COUNTS: u32 = 0;
    /// Every latency; the exchanges of busy sockets by a histogram of the kernel's and samples.
    pub const LATENCIES: u32 = 1;
    /// Every exchange by itself.
    pub const EXCHANGES: u32 = 2;
}
