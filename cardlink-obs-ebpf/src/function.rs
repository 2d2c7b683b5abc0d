//! Functions that the user named: each call of one is told when it returns, with the time at which it began.
//!
//! Uprobes, scoped by process; the cookie of a probe is the function's number. A call is known by its thread and by where its
//! stack begins, so that calls within calls, and of the function itself, are told apart.

use crate::{
    emit::{Source, emit_preemptible},
    ledger::settle_shared,
    library::{RETURN_ADDRESS, stack},
    maps::CALLS,
    task::{Caller, now},
};
use aya_ebpf::{
    EbpfContext,
    helpers::bpf_get_attach_cookie,
    macros::{uprobe, uretprobe},
    programs::{ProbeContext, RetProbeContext},
};
use cardlink_obs_common::{CallKey, CallStart, fate, kind};

/// A function begins.
#[uprobe]
pub fn function_enter(ctx: ProbeContext) -> u32 {
    let Some(caller) = Caller::watched() else { return 0 };
    let Some(thread) = caller.thread_or_new() else { return 0 };
    let stack = stack(ctx.regs.cast());
    // SAFETY: the context of this program.
    let cookie = unsafe { bpf_get_attach_cookie(ctx.as_ptr()) };
    // SAFETY: a map value that is there, and of this thread.
    let outermost = unsafe { &mut (*thread).outermost };
    // At or above it: that call is over, whether its return was seen or not.
    if *outermost == 0 || stack >= *outermost {
        *outermost = stack;
    }
    let start = CallStart { enter_ns: now(), cookie };
    if CALLS.insert(&key(caller, stack), &start, 0).is_err() {
        settle_shared(fate::TABLE_FULL);
    }
    0
}

/// It returns.
#[uretprobe]
pub fn function_return(ctx: RetProbeContext) -> u32 {
    let Some(caller) = Caller::watched() else { return 0 };
    let Some(thread) = caller.thread() else { return 0 };
    let stack = stack(ctx.regs.cast()).wrapping_sub(RETURN_ADDRESS);
    let key = key(caller, stack);
    let Some(found) = CALLS.get_ptr(&key) else { return 0 };
    // SAFETY: a map value that is there.
    let start = unsafe { *found };
    let _ = CALLS.remove(&key);
    // SAFETY: the context of this program.
    if start.cookie != unsafe { bpf_get_attach_cookie(ctx.as_ptr()) } {
        return 0;
    }
    // SAFETY: map values that are there; nothing else uses the event of this thread meanwhile.
    let (header, outermost) = unsafe { (&mut (*thread).event, &mut (*thread).outermost) };
    let nested = *outermost != 0 && stack < *outermost;
    if !nested {
        *outermost = 0;
    }
    *header = caller.header(kind::FUNCTION, -1);
    header.enter_ns = start.enter_ns;
    header.total = start.cookie as i64;
    header.offset = u64::from(nested);
    emit_preemptible(header, Source::None, 0);
    0
}

#[inline(always)]
fn key(caller: Caller, stack: u64) -> CallKey {
    CallKey { stack, tid: caller.tid, tgid: caller.tgid }
}
