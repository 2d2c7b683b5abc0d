//! Ends of descriptors: `close`, `close_range`, the target of `dup2` and `dup3`; `shutdown`.
//!
//! Closes are seen at entry: at exit another thread may have been given the same number already.

use crate::{
    descriptor::{end_stream, forget, forget_tty, look_again, stream},
    emit::{Source, emit},
    kernel::File,
    maps::{FDS, STREAMS},
    syscall::{argument, result},
    task::Caller,
    tests,
};
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use cardlink_obs_common::{FdKey, class, flag, how, kind};

const CLOSE_RANGE_CLOEXEC: u64 = 4;

#[btf_tracepoint]
pub fn sys_enter_close(ctx: BtfTracePointContext) -> i32 {
    if let Some(caller) = Caller::in_call() {
        close(caller, argument::<0>(&ctx) as i32);
    }
    0
}

#[btf_tracepoint]
pub fn sys_enter_dup2(ctx: BtfTracePointContext) -> i32 {
    duplicated_onto(&ctx)
}

#[btf_tracepoint]
pub fn sys_enter_dup3(ctx: BtfTracePointContext) -> i32 {
    duplicated_onto(&ctx)
}

#[inline(always)]
fn duplicated_onto(ctx: &BtfTracePointContext) -> i32 {
    if let Some(caller) = Caller::in_call() {
        let (old, new) = (argument::<0>(ctx) as i32, argument::<1>(ctx) as i32);
        if old != new {
            close(caller, new);
        }
    }
    0
}

#[btf_tracepoint]
pub fn sys_enter_close_range(ctx: BtfTracePointContext) -> i32 {
    let Some(caller) = Caller::in_call() else { return 0 };
    if argument::<2>(&ctx) & CLOSE_RANGE_CLOEXEC != 0 {
        return 0;
    }
    let mut header = caller.header(kind::CLOSE_RANGE, argument::<0>(&ctx) as i32);
    header.total = (argument::<1>(&ctx) as u32).min(i32::MAX as u32).into();
    look_again(caller.tgid, header.exit_ns);
    emit(&header, Source::None, 0);
    0
}

#[inline(always)]
fn close(caller: Caller, fd: i32) {
    let Some(found) = forget(caller, fd) else {
        // Never used by this process, but perhaps accepted or inherited: a stream that others know ends here too.
        close_unused(caller, fd);
        return;
    };
    if found.class == class::IGNORED || found.class == class::EPOLL {
        return;
    }
    if found.class == class::REPORT {
        tests::closed(caller, fd);
        return;
    }
    if found.class == class::TTY {
        forget_tty(caller, fd);
    }
    tell(caller, fd, found.identity);
}

/// The process closes a descriptor that it never used: the parent of a fork-per-connection server does it the
/// other way round, its child uses what it never opened and the close of either may be the last.
#[inline(always)]
fn close_unused(caller: Caller, fd: i32) {
    let Some(file) = File::of(fd) else { return };
    let Some((_, inode)) = file.kind() else { return };
    if STREAMS.get_ptr(&inode).is_some() {
        tell(caller, fd, inode);
    }
}

#[inline(always)]
fn tell(caller: Caller, fd: i32, identity: u64) {
    let mut header = caller.header(kind::CLOSE, fd);
    header.identity = identity;
    let (mut tcp, mut unused) = (false, false);
    if let Some(state) = STREAMS.get_ptr(&identity) {
        // SAFETY: a map value that is there.
        unsafe {
            tcp = (*state).class == class::TCP;
            header.generation = (*state).generation;
            header.offset = (*state).read_offset;
            header.total = (*state).write_offset as i64;
            unused = (*state).read_offset == 0 && (*state).write_offset == 0;
        }
    }
    if let Some(file) = File::of(fd) {
        let last = file.last_reference();
        if tcp && let Some(figures) = file.tcp_figures() {
            header.skipped = figures.rtt;
            header.enter_ns = u64::from(figures.retransmits);
            if unused && last {
                header.polled_ns = figures.error as u64;
                if figures.unanswered {
                    header.flags |= flag::UNANSWERED;
                }
            }
        }
        if last {
            header.flags |= flag::LAST_REFERENCE;
            end_stream(identity);
        }
    }
    emit(&header, Source::None, 0);
}

/// `shutdown` of the writing side of a stream.
#[btf_tracepoint]
pub fn sys_exit_shutdown(ctx: BtfTracePointContext) -> i32 {
    let Some(caller) = Caller::in_call() else { return 0 };
    if result(&ctx) != 0 || argument::<1>(&ctx) == 0 {
        return 0;
    }
    let fd = argument::<0>(&ctx) as i32;
    if FDS.get_ptr(&FdKey { tgid: caller.tgid, fd }).is_none() {
        return 0;
    }
    if let Some(stream) = stream(caller, fd, how::SEEN) {
        let mut header = caller.header(kind::SHUTDOWN, fd);
        header.identity = stream.identity;
        // SAFETY: a map value that is there.
        header.generation = unsafe { (*stream.state).generation };
        emit(&header, Source::None, 0);
    }
    0
}
