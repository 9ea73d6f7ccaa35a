//! Hooks on `exec` and `fork`: what a process runs, and who started it, read in the kernel because a process may be gone
//! within a millisecond.
//!
//! Invariant: a record is emitted for every successful exec, after the new program image is in place; where the hook on
//! `fork` is attached, for every process before it runs. Memory: one record in the ring.

use crate::emit::{self, Tally, now, tally};
use crate::kernel::{Object, follow, load, offset, process_id};
use crate::maps::SPILLED_EXECS;
use aya_ebpf::helpers::generated::{bpf_probe_read_kernel_str, bpf_probe_read_user};
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use aya_log_ebpf::debug;
use tracer_common::record::{ARGUMENTS_LENGTH, FILENAME_LENGTH};
use tracer_common::{ExecRecord, ForkRecord, RecordKind, Site};

/// `(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)`
#[btf_tracepoint(function = "sched_process_exec")]
pub fn exec(context: BtfTracePointContext) -> i32 {
    let Some(tally) = tally::<{ Site::EXEC }>() else { return 0 };
    tally.seen();
    tally.tracked();
    let (task, program) = (context.arg::<Object>(0), context.arg::<Object>(2));
    if let Some(place) = emit::reserve::<ExecRecord>(tally) {
        // SAFETY: `place` was just reserved.
        describe(unsafe { &mut *place }, task, program, tally);
        emit::submit(place, tally);
    } else if let Some(place) = emit::keep_aside::<_, ExecRecord>(&SPILLED_EXECS, tally) {
        describe(place, task, program, tally);
    }
    debug!(&context, "exec: pid {}", aya_ebpf::helpers::bpf_get_current_pid_tgid() >> 32);
    0
}

/// `(struct task_struct *parent, struct task_struct *child)`; attached only to follow what a command starts.
#[btf_tracepoint(function = "sched_process_fork")]
pub fn fork(context: BtfTracePointContext) -> i32 {
    let Some(tally) = tally::<{ Site::FORK }>() else { return 0 };
    tally.seen();
    // SAFETY: the arguments are tasks.
    let (parent, child) = unsafe { (process_id(context.arg::<Object>(0)), process_id(context.arg::<Object>(1))) };
    if parent.pid == child.pid {
        // A thread.
        tally.filtered();
        return 0;
    }
    tally.tracked();
    match emit::reserve::<ForkRecord>(tally) {
        Some(place) => {
            let header = emit::header::<ForkRecord>(RecordKind::FORK, now());
            // SAFETY: `place` was just reserved.
            unsafe { place.write(ForkRecord { header, parent, child }) };
            emit::submit(place, tally);
        }
        None => tally.ring_full(),
    }
    0
}

#[inline(always)]
fn describe(record: &mut ExecRecord, task: Object, program: Object, tally: Tally) {
    // SAFETY: `task` is the running thread and its memory is the new program's.
    unsafe {
        record.process = process_id(task);
        record.parent = process_id(follow(task, offset!(task_parent)));
        record.uid = load(follow(task, offset!(task_cred)), offset!(cred_uid));
        record.comm = load(task, offset!(task_comm));
        record.padding = [0; 1];
        core::ptr::write_bytes(record.filename.as_mut_ptr().cast::<u64>(), 0, FILENAME_LENGTH / 8);
        core::ptr::write_bytes(record.arguments.as_mut_ptr().cast::<u64>(), 0, ARGUMENTS_LENGTH / 8);
        let filename = follow(program, offset!(binprm_filename));
        if bpf_probe_read_kernel_str(record.filename.as_mut_ptr().cast(), FILENAME_LENGTH as u32, filename) < 0 {
            tally.read_fault();
        }
        let memory = follow(task, offset!(task_mm));
        let start: u64 = load(memory, offset!(mm_arg_start));
        let end: u64 = load(memory, offset!(mm_arg_end));
        let whole = end.wrapping_sub(start);
        let length = if whole > ARGUMENTS_LENGTH as u64 { ARGUMENTS_LENGTH as u64 } else { whole };
        record.arguments_cut = u8::from(whole > ARGUMENTS_LENGTH as u64);
        let read = bpf_probe_read_user(record.arguments.as_mut_ptr().cast(), length as u32, start as *const _);
        record.arguments_length = if read == 0 { length as u16 } else { 0 };
        if read != 0 {
            tally.read_fault();
        }
        // Last: a reader of a record kept aside takes it only when it has its length.
        core::ptr::write_volatile(&raw mut record.header, emit::header::<ExecRecord>(RecordKind::EXEC, now()));
    }
}
