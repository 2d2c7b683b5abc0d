//! Arguments and results of system calls, from the stable tracepoints and the saved registers.

use aya_ebpf::{
    EbpfContext,
    helpers::{bpf_get_current_task_btf, bpf_task_pt_regs},
    programs::TracePointContext,
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

/// The result of a call, in a `sys_exit_*` tracepoint.
#[inline(always)]
pub fn result(ctx: &TracePointContext) -> i64 {
    // SAFETY: `ret` stands at offset 16 of every sys_exit record; the verifier checks the access.
    unsafe { *ctx.as_ptr().cast::<u8>().add(16).cast::<i64>() }
}

/// Whether the call "did not happen" and will be restarted.
#[inline(always)]
pub fn restarted(result: i64) -> bool {
    (RESTART_FIRST..=RESTART_LAST).contains(&result)
}

/// Argument `N` in a `sys_enter_*` tracepoint.
#[inline(always)]
pub fn enter_argument<const N: usize>(ctx: &TracePointContext) -> u64 {
    // SAFETY: the arguments stand from offset 16 on, eight bytes each.
    unsafe { *ctx.as_ptr().cast::<u8>().add(16 + 8 * N).cast::<u64>() }
}

/// Argument `N` of the call under way, in a `sys_exit_*` tracepoint.
#[inline(always)]
pub fn argument<const N: usize>() -> u64 {
    // SAFETY: the registers that the current task saved on entry; the verifier knows the type.
    unsafe {
        let registers = bpf_task_pt_regs(bpf_get_current_task_btf()) as *const u64;
        *registers.add(ARGUMENT_REGISTERS[N])
    }
}

/// The stack pointer of the program at the call under way.
#[inline(always)]
pub fn user_stack() -> u64 {
    // SAFETY: as above.
    unsafe {
        let registers = bpf_task_pt_regs(bpf_get_current_task_btf()) as *const u64;
        *registers.add(STACK_REGISTER)
    }
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
