//! System calls: two hooks for all of them, and what a call was asked for and gave, from the saved registers.
//!
//! They are raw tracepoints whose arguments the kernel has types for: the registers are read where they are. The hooks go
//! on in a program for each call that matters, by its number. A tracepoint of its own for each call costs the kernel several
//! times as much to get to a program (`docs/performance.md`).

use crate::maps::{ENTRIES, EXITS};
use aya_ebpf::{
    helpers::{bpf_get_current_task_btf, bpf_task_pt_regs},
    macros::btf_tracepoint,
    programs::BtfTracePointContext,
};

/// `ERESTARTSYS` … `ERESTARTNOHAND`, `ERESTART_RESTARTBLOCK`: the call did not happen, it will be made again.
const RESTART_FIRST: i64 = -516;
const RESTART_LAST: i64 = -512;

pub const EAGAIN: i64 = -11;
pub const EINTR: i64 = -4;
pub const EBADF: i64 = -9;
pub const EFAULT: i64 = -14;
pub const EINVAL: i64 = -22;
pub const ENOTSOCK: i64 = -88;
pub const EAFNOSUPPORT: i64 = -97;
pub const ECONNABORTED: i64 = -103;
pub const EISCONN: i64 = -106;
pub const EALREADY: i64 = -114;
pub const EINPROGRESS: i64 = -115;

/// Any system call begins.
#[btf_tracepoint(function = "sys_enter")]
pub fn sys_enter(ctx: BtfTracePointContext) -> i32 {
    let number: u64 = ctx.arg(1);
    // SAFETY: the program array holds programs of this type only. One that is not there is not gone on in.
    unsafe {
        let _ = ENTRIES.tail_call(&ctx, number as u32);
    }
    0
}

/// Any system call ends.
#[btf_tracepoint(function = "sys_exit")]
pub fn sys_exit(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: as above.
    unsafe {
        let number = *registers(&ctx).add(NUMBER_REGISTER).cast::<u32>();
        let _ = EXITS.tail_call(&ctx, number);
    }
    0
}

/// The registers that the task saved on entry: the first argument of both tracepoints; the verifier knows its type.
#[inline(always)]
fn registers(ctx: &BtfTracePointContext) -> *const u64 {
    ctx.arg::<u64>(0) as *const u64
}

/// Whether the call under way is one of a 32-bit program's: its number and arguments mean something else.
#[inline(always)]
pub fn is_compat() -> bool {
    // SAFETY: `thread_info` stands at the beginning of the current task; the verifier knows the type.
    unsafe {
        let task = bpf_get_current_task_btf() as *const u8;
        *task.add(COMPAT_OFFSET).cast::<u32>() & COMPAT_FLAG != 0
    }
}

/// The result of a call, in a program for its exit.
#[inline(always)]
pub fn result(ctx: &BtfTracePointContext) -> i64 {
    ctx.arg(1)
}

/// Whether the call "did not happen" and will be restarted.
#[inline(always)]
pub fn restarted(result: i64) -> bool {
    (RESTART_FIRST..=RESTART_LAST).contains(&result)
}

/// Argument `N` of the call under way.
#[inline(always)]
pub fn argument<const N: usize>(ctx: &BtfTracePointContext) -> u64 {
    // SAFETY: a member of the saved registers.
    unsafe { *registers(ctx).add(ARGUMENT_REGISTERS[N]) }
}

/// The stack pointer of the program at the call under way.
#[inline(always)]
pub fn user_stack() -> u64 {
    // SAFETY: the saved registers of the current task; the verifier knows the type.
    unsafe { *(bpf_task_pt_regs(bpf_get_current_task_btf()) as *const u64).add(STACK_REGISTER) }
}

/// Position of the stack pointer in `struct pt_regs`, in 8-byte words.
#[cfg(bpf_target_arch = "x86_64")]
const STACK_REGISTER: usize = 19;
#[cfg(bpf_target_arch = "aarch64")]
const STACK_REGISTER: usize = 31;

/// Positions in `struct pt_regs`, in 8-byte words: rdi, rsi, rdx, r10, r8, r9.
#[cfg(bpf_target_arch = "x86_64")]
const ARGUMENT_REGISTERS: [usize; 6] = [14, 13, 12, 7, 9, 8];

/// Positions in `struct pt_regs`, in 8-byte words: `orig_x0` (x0 holds the result by now), x1 to x5.
#[cfg(bpf_target_arch = "aarch64")]
const ARGUMENT_REGISTERS: [usize; 6] = [34, 1, 2, 3, 4, 5];

/// Position of the number in `struct pt_regs`, in 8-byte words: `orig_rax`.
#[cfg(bpf_target_arch = "x86_64")]
const NUMBER_REGISTER: usize = 15;
/// Position of the number in `struct pt_regs`, in 8-byte words: `syscallno`.
#[cfg(bpf_target_arch = "aarch64")]
const NUMBER_REGISTER: usize = 35;

/// `thread_info.status`, and `TS_COMPAT` in it.
#[cfg(bpf_target_arch = "x86_64")]
const COMPAT_OFFSET: usize = 16;
#[cfg(bpf_target_arch = "x86_64")]
const COMPAT_FLAG: u32 = 2;
/// `thread_info.flags`, and `TIF_32BIT` in it.
#[cfg(bpf_target_arch = "aarch64")]
const COMPAT_OFFSET: usize = 0;
#[cfg(bpf_target_arch = "aarch64")]
const COMPAT_FLAG: u32 = 1 << 22;
