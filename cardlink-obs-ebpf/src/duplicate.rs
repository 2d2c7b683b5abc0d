//! Copies of descriptors. They are told when they are made: the first may be closed long before a copy is used, and
//! what is open in between would look closed.

use crate::{
    descriptor::{forget, stream},
    syscall::{argument, result},
    task::Caller,
};
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use cardlink_obs_common::how;

const F_DUPFD: u64 = 0;
const F_DUPFD_CLOEXEC: u64 = 1030;

#[btf_tracepoint]
pub fn sys_exit_dup(ctx: BtfTracePointContext) -> i32 {
    duplicated(&ctx)
}

#[btf_tracepoint]
pub fn sys_exit_dup2(ctx: BtfTracePointContext) -> i32 {
    duplicated(&ctx)
}

#[btf_tracepoint]
pub fn sys_exit_dup3(ctx: BtfTracePointContext) -> i32 {
    duplicated(&ctx)
}

#[btf_tracepoint]
pub fn sys_exit_fcntl(ctx: BtfTracePointContext) -> i32 {
    let command = argument::<1>(&ctx);
    if command == F_DUPFD || command == F_DUPFD_CLOEXEC { duplicated(&ctx) } else { 0 }
}

/// All have the old descriptor as their first argument and the new one as their result.
#[inline(always)]
fn duplicated(ctx: &BtfTracePointContext) -> i32 {
    let Some(caller) = Caller::in_call() else { return 0 };
    let new = result(ctx);
    let old = argument::<0>(ctx) as i32;
    if new >= 0 && new as i32 != old && stream(caller, old, how::SEEN).is_some() {
        forget(caller, new as i32);
        stream(caller, new as i32, how::SEEN);
    }
    0
}
