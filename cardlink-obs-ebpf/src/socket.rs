//! Connections that are accepted.

use crate::{
    descriptor::{forget, stream},
    syscall::result,
    task::Caller,
};
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use aya_log_ebpf::debug;
use cardlink_obs_common::how;

#[btf_tracepoint]
pub fn sys_exit_accept(ctx: BtfTracePointContext) -> i32 {
    accepted(&ctx)
}

#[btf_tracepoint]
pub fn sys_exit_accept4(ctx: BtfTracePointContext) -> i32 {
    accepted(&ctx)
}

#[inline(always)]
fn accepted(ctx: &BtfTracePointContext) -> i32 {
    let Some(caller) = Caller::in_call() else { return 0 };
    let fd = result(ctx);
    if fd >= 0 {
        // A new number is a new descriptor, whatever stood there before.
        forget(caller, fd as i32);
        stream(caller, fd as i32, how::ACCEPTED);
        debug!(ctx, "{} accepted descriptor {}", caller.tgid, fd);
    }
    0
}
