//! Births of connections: `accept`, `connect`.

use crate::{
    descriptor::{forget, stream},
    syscall::{EINPROGRESS, argument, result},
    task::Caller,
};
use aya_ebpf::{macros::tracepoint, programs::TracePointContext};
use aya_log_ebpf::debug;
use cardlink_obs_common::how;

#[tracepoint]
pub fn sys_exit_accept(ctx: TracePointContext) -> u32 {
    accepted(&ctx)
}

#[tracepoint]
pub fn sys_exit_accept4(ctx: TracePointContext) -> u32 {
    accepted(&ctx)
}

#[inline(always)]
fn accepted(ctx: &TracePointContext) -> u32 {
    let Some(caller) = Caller::watched() else { return 0 };
    let fd = result(ctx);
    if fd >= 0 {
        // A new number is a new descriptor, whatever stood there before.
        forget(caller, fd as i32);
        stream(caller, fd as i32, how::ACCEPTED);
        debug!(ctx, "{} accepted descriptor {}", caller.tgid, fd);
    }
    0
}

#[tracepoint]
pub fn sys_exit_connect(ctx: TracePointContext) -> u32 {
    let Some(caller) = Caller::watched() else { return 0 };
    let outcome = result(&ctx);
    if outcome == 0 || outcome == EINPROGRESS {
        stream(caller, argument::<0>() as i32, how::CONNECTED);
        debug!(&ctx, "{} connected descriptor {}", caller.tgid, argument::<0>());
    }
    0
}
