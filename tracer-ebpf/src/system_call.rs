//! The end of every system call, where the kernel has no trace points on sends and receives of sockets (below 6.3).
//!
//! The registers still hold the arguments, so the socket is found from the descriptor, and addresses that the call told or
//! filled in are in the process's memory. Invariant: a call that is not about a socket, or failed, changes nothing.
//! Memory: as `maps` says.

use crate::batch::{self, MESSAGE_LENGTH, MESSAGE_SIZE};
use crate::call::{Call, user};
use crate::emit::tally;
use crate::input_output::{received, sent};
use crate::kernel::{self, Object, current_task, follow, load, offset};
use crate::{datagram, socket};
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use tracer_common::{Site, SystemCall, TransportKind};

/// `S_IFMT` and `S_IFSOCK` (inode(7)).
const KIND: u16 = 0o170_000;
const SOCKET: u16 = 0o140_000;
/// Messages of one call that are looked at.
const MESSAGES: i32 = 32;

/// `(struct pt_regs *regs, long ret)`
#[btf_tracepoint(function = "sys_exit")]
pub fn system_call(context: BtfTracePointContext) -> i32 {
    let result = context.arg::<i64>(1);
    if result < 0 || result > i64::from(i32::MAX) {
        return 0;
    }
    let Some(call) = Call::running() else { return 0 };
    let length = result as i32;
    if call.is(SystemCall::READ) || call.is(SystemCall::READV) || call.is(SystemCall::PREADV2) {
        receive(call.first(), length, 0, 0);
    } else if call.is(SystemCall::RECVFROM) {
        // The length of the address is behind the sixth argument.
        receive(call.first(), length, call.fourth(), call.fifth());
    } else if call.is(SystemCall::RECVMSG) {
        let name = user::<u64>(call.second()).unwrap_or(0);
        receive(call.first(), length, call.third(), name);
    } else if call.is(SystemCall::WRITE) || call.is(SystemCall::WRITEV) || call.is(SystemCall::PWRITEV2) {
        send(call.first(), length, 0);
    } else if call.is(SystemCall::SENDTO) {
        send(call.first(), length, call.fifth());
    } else if call.is(SystemCall::SENDMSG) {
        send(call.first(), length, user::<u64>(call.second()).unwrap_or(0));
    } else if call.is(SystemCall::SENDFILE) {
        send(call.first(), length, 0);
    } else if call.is(SystemCall::SPLICE) {
        receive(call.first(), length, 0, 0);
        send(call.third(), length, 0);
    } else if call.is(SystemCall::RECVMMSG) || call.is(SystemCall::SENDMMSG) {
        messages(call, length);
    }
    0
}

/// Several messages at once.
#[inline(always)]
fn messages(call: Call, count: i32) {
    // A stream has one sequence of bytes, which has moved on by all messages already.
    let stream = socket::transport(socket_of(call.first())) == Some(TransportKind::TCP);
    batch::begin();
    let (mut number, mut total) = (0, 0_i32);
    while number < MESSAGES && number < count {
        let message = call.second() + number as u64 * MESSAGE_SIZE;
        let name = user::<u64>(message).unwrap_or(0);
        let length = user::<u32>(message + MESSAGE_LENGTH).unwrap_or(0) as i32;
        if stream {
            total = total.wrapping_add(length);
        } else if call.is(SystemCall::RECVMMSG) {
            receive(call.first(), length, call.fourth(), name);
        } else {
            send(call.first(), length, name);
        }
        number += 1;
    }
    if !stream {
        return;
    }
    if call.is(SystemCall::RECVMMSG) {
        receive(call.first(), total, call.fourth(), 0);
    } else {
        send(call.first(), total, 0);
    }
}

/// The running call has received `length` bytes on a descriptor; `name` is where it put the sender's address, if it did.
/// A global function: the verifier checks it once, not at every call. The result means nothing.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn receive(descriptor: u64, length: i32, flags: u64, name: u64) -> i32 {
    let socket = socket_of(descriptor);
    if !socket.is_null()
        && let Some(tally) = tally::<{ Site::RECEIVE }>()
    {
        tally.seen();
        datagram::note_user(socket, name);
        received(socket, length, flags as i32, tally);
    }
    0
}

/// As [`receive`], for `length` bytes sent to the address at `name`, if there is one.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn send(descriptor: u64, length: i32, name: u64) -> i32 {
    let socket = socket_of(descriptor);
    if !socket.is_null()
        && let Some(tally) = tally::<{ Site::SEND }>()
    {
        tally.seen();
        datagram::note_user(socket, name);
        sent(socket, length, tally);
    }
    0
}

/// The socket behind a descriptor of the running process; null when it is none.
#[inline(always)]
fn socket_of(descriptor: u64) -> Object {
    let descriptor = descriptor & 0xffff_ffff;
    // SAFETY: the running task; each step is read by a helper that cannot fault.
    unsafe {
        let table = follow(follow(current_task(), offset!(task_files)), offset!(files_table));
        if descriptor >= u64::from(load::<u32>(table, offset!(table_size))) {
            return core::ptr::null();
        }
        let file = follow(follow(table, offset!(table_files)), descriptor as usize * size_of::<Object>());
        if file.is_null() || load::<u16>(follow(file, offset!(file_inode)), offset!(inode_mode)) & KIND != SOCKET {
            return core::ptr::null();
        }
        kernel::follow(follow(file, offset!(file_private)), offset!(socket_sk))
    }
}
