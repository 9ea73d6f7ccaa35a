//! Reading kernel structures at offsets found by user space.
//!
//! Invariant: every load uses an offset which user space took from the running kernel's BTF. On the socket plane it starts
//! at a pointer that the verifier knows by its BTF type, so a wrong offset is refused at load time instead of reading
//! nonsense; on the plane of system calls, where a socket is found by descriptor, it is read by a helper that
//! cannot fault. Memory: one read-only [`Offsets`].

#[cfg(not(feature = "system-calls"))]
use crate::maps::setting;
use aya_ebpf::helpers::generated::bpf_get_current_task_btf;
#[cfg(feature = "system-calls")]
use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
#[cfg(not(feature = "system-calls"))]
use aya_ebpf::helpers::generated::{bpf_get_socket_cookie, bpf_skc_to_unix_sock};
use core::ffi::c_void;
#[cfg(not(feature = "system-calls"))]
use tracer_common::Cast;
use tracer_common::{Offsets, ProcessId};

/// Written by user space before the programs are loaded; constant for the verifier.
#[unsafe(no_mangle)]
pub(crate) static OFFSETS: Offsets = Offsets::UNSET;

/// Reads one of the [`OFFSETS`].
#[inline(always)]
pub(crate) fn constant(offset: *const u32) -> usize {
    // SAFETY: points into the program's own read-only data; volatile because user space writes it before the load.
    unsafe { core::ptr::read_volatile(offset) as usize }
}

/// The named offset.
macro_rules! offset {
    ($field:ident) => {
        $crate::kernel::constant(&raw const $crate::kernel::OFFSETS.$field)
    };
}
pub(crate) use offset;

/// A kernel object whose type the verifier knows.
pub(crate) type Object = *const c_void;

/// Loads a `T` at `offset` of `object`.
///
/// # Safety
/// `object` comes from a program argument, a helper or [`follow`], and `offset` from [`OFFSETS`].
#[cfg(not(feature = "system-calls"))]
#[inline(always)]
pub(crate) unsafe fn load<T: Copy>(object: Object, offset: usize) -> T {
    // SAFETY: the verifier checks object and offset against BTF and gives a faulting load the value zero.
    unsafe { core::ptr::read_volatile(object.byte_add(offset).cast::<T>()) }
}

/// As above.
///
/// # Safety
/// Zero is a valid `T`.
#[cfg(feature = "system-calls")]
#[inline(always)]
pub(crate) unsafe fn load<T: Copy>(object: Object, offset: usize) -> T {
    let mut value = core::mem::MaybeUninit::<T>::uninit();
    let place = value.as_mut_ptr();
    // SAFETY: the helper writes all of `value`: what it read, or zeros.
    unsafe {
        bpf_probe_read_kernel(place.cast(), size_of::<T>() as u32, object.wrapping_byte_add(offset));
        value.assume_init()
    }
}

/// Loads the pointer at `offset` of `object`.
///
/// # Safety
/// As [`load`].
#[inline(always)]
pub(crate) unsafe fn follow(object: Object, offset: usize) -> Object {
    // SAFETY: as for `load`.
    unsafe { load::<Object>(object, offset) }
}

/// The running thread.
#[inline(always)]
pub(crate) fn current_task() -> Object {
    // SAFETY: the helper has no preconditions and never returns null.
    unsafe { bpf_get_current_task_btf() as Object }
}

/// The kernel's name of a socket, unique until the next boot; 0 for no socket.
#[cfg(not(feature = "system-calls"))]
#[inline(always)]
pub(crate) fn cookie(socket: Object) -> u64 {
    // SAFETY: the helper takes any socket, and null.
    unsafe { bpf_get_socket_cookie(socket.cast_mut()) }
}

/// The socket as a Unix socket; null when it is none.
#[cfg(not(feature = "system-calls"))]
#[inline(always)]
pub(crate) fn unix(socket: Object) -> Object {
    // SAFETY: the helper takes any socket and returns null when it is of another family.
    unsafe { bpf_skc_to_unix_sock(socket.cast_mut()) as Object }
}

/// A TCP socket as such; for another one it may be null, or nonsense.
///
/// As it stands here, a helper looks what kind of socket it is. Before the programs are loaded, user space puts a function
/// in its place that the verifier takes out again (`tracer-user/src/bpf/cast.rs`): it takes the type as its second argument,
/// to which the helper pays no heed.
#[cfg(not(feature = "system-calls"))]
#[inline(always)]
pub(crate) fn tcp(socket: Object) -> Object {
    let tcp: Object;
    // SAFETY: both functions take any socket, and clobber what a call clobbers; what they return is read as `load` says.
    unsafe {
        core::arch::asm!(
            "call {helper}",
            helper = const Cast::HELPER,
            in("r1") socket,
            in("r2") setting!(tcp_sock),
            lateout("r0") tcp,
            lateout("r1") _,
            lateout("r2") _,
            lateout("r3") _,
            lateout("r4") _,
            lateout("r5") _,
        );
    }
    tcp
}

/// A kernel object of the type with this number, as one from which pointers may be followed: what is read from it is what
/// would be read from the object itself, but the verifier, which no longer trusts it, needs no time to find out whether it may
/// trust where they lead to (`tracer-user/src/bpf/cast.rs`).
#[cfg(not(feature = "system-calls"))]
#[inline(always)]
fn walked(object: Object, kind: u64) -> Object {
    let walked: Object;
    // SAFETY: takes the object as it is, or the function that user space puts there does, which clobbers what a call clobbers.
    unsafe {
        core::arch::asm!(
            "r3 = {mark}",
            "r0 = r1",
            mark = const Cast::MARK,
            in("r1") object,
            in("r2") kind,
            lateout("r0") walked,
            lateout("r1") _,
            lateout("r2") _,
            out("r3") _,
            lateout("r4") _,
            lateout("r5") _,
        );
    }
    walked
}

/// A task from which pointers are followed.
#[cfg(not(feature = "system-calls"))]
#[inline(always)]
pub(crate) fn walked_task(task: Object) -> Object {
    walked(task, setting!(task_struct))
}

/// A socket from which pointers are followed.
#[cfg(not(feature = "system-calls"))]
#[inline(always)]
pub(crate) fn walked_socket(socket: Object) -> Object {
    walked(socket, setting!(sock))
}

/// On the plane of system calls whatever is read is read by a helper.
#[cfg(feature = "system-calls")]
#[inline(always)]
pub(crate) fn walked_task(task: Object) -> Object {
    task
}

/// As above.
#[cfg(feature = "system-calls")]
#[inline(always)]
pub(crate) fn walked_socket(socket: Object) -> Object {
    socket
}

/// A name of a socket that some descriptor refers to, unique until the next boot: the number of its inode, marked. 0 for
/// any other.
#[cfg(feature = "system-calls")]
#[inline(always)]
pub(crate) fn cookie(socket: Object) -> u64 {
    const INODE_MARK: u64 = 1 << 62;
    if socket.is_null() {
        return 0;
    }
    // SAFETY: a socket; the `struct socket` that it belongs to lies before its inode.
    unsafe {
        let holder = follow(socket, offset!(sock_socket));
        if holder.is_null() { 0 } else { load::<u64>(holder, offset!(socket_inode_number)) | INODE_MARK }
    }
}

/// The socket as a Unix socket, which begins with it; the caller knows its family.
#[cfg(feature = "system-calls")]
#[inline(always)]
pub(crate) fn unix(socket: Object) -> Object {
    socket
}

/// The socket as a TCP socket, which begins with it; the caller knows its protocol.
#[cfg(feature = "system-calls")]
#[inline(always)]
pub(crate) fn tcp(socket: Object) -> Object {
    socket
}

/// Where the two directions of a TCP socket stand.
#[derive(Clone, Copy)]
pub(crate) struct Sequences {
    /// After the last byte queued (`tcp_sock.write_seq`).
    pub(crate) written: u32,
    /// After the last byte read by the owner (`tcp_sock.copied_seq`).
    pub(crate) copied: u32,
    /// The next byte to leave for the first time (`tcp_sock.snd_nxt`).
    pub(crate) next: u32,
    /// When the last packet left, or will leave where packets are spaced out (`tcp_sock.tcp_wstamp_ns`).
    pub(crate) departed: u64,
    /// When TCP was last busy with the socket (`tcp_sock.tcp_clock_cache`).
    pub(crate) refreshed: u64,
}

/// The sequence numbers of a socket; zeros for what is not TCP.
#[inline(always)]
pub(crate) fn sequences(socket: Object) -> Sequences {
    let tcp = tcp(socket);
    if tcp.is_null() {
        return Sequences { written: 0, copied: 0, next: 0, departed: 0, refreshed: 0 };
    }
    // SAFETY: a `tcp_sock`.
    unsafe {
        Sequences {
            written: load(tcp, offset!(tcp_write_seq)),
            copied: load(tcp, offset!(tcp_copied_seq)),
            next: load(tcp, offset!(tcp_snd_nxt)),
            departed: load(tcp, offset!(tcp_departed)),
            refreshed: load(tcp, offset!(tcp_refreshed)),
        }
    }
}

/// The identity of the process that `task` belongs to.
///
/// # Safety
/// `task` is a kernel task.
#[inline(always)]
pub(crate) unsafe fn process_id(task: Object) -> ProcessId {
    // SAFETY: by contract; start time and exec count are those of the thread group's leader.
    unsafe {
        let leader = follow(walked_task(task), offset!(task_leader));
        ProcessId {
            pid: load(task, offset!(task_tgid)),
            exec: load::<u64>(leader, offset!(task_exec)) as u32,
            started: load(leader, offset!(task_started)),
        }
    }
}
