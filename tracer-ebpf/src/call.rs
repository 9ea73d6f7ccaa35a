//! The system call that the running thread is inside of: its number, its arguments, what they point to.
//!
//! Invariant: nothing is taken from a 32-bit task, whose calls have other numbers, and what points into user memory is
//! read with a helper that cannot fault. Memory: the stack.

use crate::batch;
use crate::kernel::{Object, current_task, load, offset};
use crate::maps::setting;
use aya_ebpf::helpers::generated::{bpf_probe_read_user, bpf_task_pt_regs};
use core::mem::MaybeUninit;
use tracer_common::SystemCall;

/// A system call by its number, one of [`SystemCall`]'s, and its arguments.
#[derive(Clone, Copy)]
pub(crate) struct Call {
    registers: Object,
    number: u64,
}

macro_rules! arguments {
    ($($name:ident: $offset:ident,)*) => {
        impl Call {
            $(#[inline(always)]
            pub(crate) fn $name(self) -> u64 {
                // SAFETY: the registers of the running thread.
                unsafe { load(self.registers, offset!($offset)) }
            })*
        }
    };
}
arguments!(second: call_second, third: call_third, fifth: call_fifth, sixth: call_sixth,);
#[cfg(feature = "system-calls")]
arguments!(first: call_first, fourth: call_fourth,);

impl Call {
    /// The running call; `None` in a 32-bit task, and where the memory of processes must not be read.
    #[inline(always)]
    pub(crate) fn running() -> Option<Self> {
        if setting!(reads_memory) == 0 {
            return None;
        }
        let task = current_task();
        // SAFETY: the running task.
        if u64::from(unsafe { load::<u32>(task, offset!(task_compat)) }) & setting!(compat_bits) != 0 {
            return None;
        }
        // SAFETY: the running task.
        let registers = unsafe { bpf_task_pt_regs(task.cast_mut().cast()) } as Object;
        if registers.is_null() {
            return None;
        }
        // SAFETY: the registers of the running task. The number has 32 bits on some machines, and the verifier holds a
        // load to its member.
        let number = u64::from(unsafe { load::<u32>(registers, offset!(call_number)) });
        Some(Self { registers, number })
    }

    /// Whether it is the call with this index in [`SystemCall`].
    #[inline(always)]
    pub(crate) fn is(self, index: usize) -> bool {
        self.number == setting!(system_calls[index])
    }

    /// Where the call puts what it receives: pointer and room; zeros when it is not known.
    #[inline(always)]
    pub(crate) fn buffer(self) -> (u64, u64) {
        if self.is(SystemCall::RECVFROM) || self.is(SystemCall::READ) {
            return (self.second(), self.third());
        }
        let vector = if self.is(SystemCall::RECVMSG) || self.is(SystemCall::RECVMMSG) {
            // struct msghdr { …; struct iovec *msg_iov; … }
            user::<u64>(self.second() + batch::place(self) + 16).unwrap_or(0)
        } else if self.is(SystemCall::READV) {
            self.second()
        } else {
            0
        };
        // struct iovec { void *iov_base; size_t iov_len; }
        match (user::<u64>(vector), user::<u64>(vector + 8)) {
            (Some(base), Some(length)) => (base, length),
            _ => (0, 0),
        }
    }

    /// Where what the call moves lies: one buffer (pointer and length), or a vector of them (pointer, else 0).
    /// For `sendmmsg` and `recvmmsg` those of the datagram that was moved last.
    #[inline(always)]
    pub(crate) fn buffers(self, sent: bool) -> ((u64, u64), u64) {
        let (plain, message, vector) = if sent {
            (
                self.is(SystemCall::SENDTO) || self.is(SystemCall::WRITE),
                self.is(SystemCall::SENDMSG) || self.is(SystemCall::SENDMMSG),
                self.is(SystemCall::WRITEV) || self.is(SystemCall::PWRITEV2),
            )
        } else {
            (
                self.is(SystemCall::RECVFROM) || self.is(SystemCall::READ),
                self.is(SystemCall::RECVMSG) || self.is(SystemCall::RECVMMSG),
                self.is(SystemCall::READV) || self.is(SystemCall::PREADV2),
            )
        };
        if plain {
            ((self.second(), self.third()), 0)
        } else if message {
            // struct msghdr { …; struct iovec *msg_iov; … }
            ((0, 0), user::<u64>(self.second() + batch::place(self) + 16).unwrap_or(0))
        } else if vector {
            ((0, 0), self.second())
        } else {
            ((0, 0), 0)
        }
    }

    /// The address that the call sends to: pointer and length; zeros when it tells none.
    /// For `sendmmsg` that of the first message.
    #[inline(always)]
    pub(crate) fn destination(self) -> (u64, u32) {
        if self.is(SystemCall::SENDTO) {
            (self.fifth(), self.sixth() as u32)
        } else if self.is(SystemCall::SENDMSG) || self.is(SystemCall::SENDMMSG) {
            // struct msghdr { void *msg_name; socklen_t msg_namelen; … }, first in struct mmsghdr.
            let header = self.second();
            match (user::<u64>(header), user::<u32>(header + 8)) {
                (Some(name), Some(length)) => (name, length),
                _ => (0, 0),
            }
        } else {
            (0, 0)
        }
    }
}

/// Reads a `T` of the running process.
#[inline(always)]
pub(crate) fn user<T: Copy>(address: u64) -> Option<T> {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the helper writes all of `value` or fails.
    unsafe {
        let result = bpf_probe_read_user(value.as_mut_ptr().cast(), size_of::<T>() as u32, address as *const _);
        if result == 0 { Some(value.assume_init()) } else { None }
    }
}
