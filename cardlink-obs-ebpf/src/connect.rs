//! Connections that are asked for: those that come about, or may, and those that do not.

use crate::{
    descriptor::{end_stream, forget, stream},
    emit::{Source, emit},
    kernel::File,
    maps::{FDS, STREAMS},
    syscall::{
        EAFNOSUPPORT, EALREADY, EBADF, ECONNABORTED, EFAULT, EINPROGRESS, EINTR, EINVAL, EISCONN, ENOTSOCK, argument,
        restarted, result,
    },
    task::Caller,
};
use aya_ebpf::{helpers::bpf_probe_read_user, macros::btf_tracepoint, programs::BtfTracePointContext};
use aya_log_ebpf::debug;
use cardlink_obs_common::{EventHeader, FdKey, class, how, kind};

const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const SOCK_STREAM: u16 = 1;
const SOL_SOCKET: u32 = 1;
const SO_ERROR: u32 = 4;
/// The largest address that is told, a `struct sockaddr_un`.
const ADDRESS_BYTES: u32 = 110;

#[btf_tracepoint]
pub fn sys_enter_connect(_ctx: BtfTracePointContext) -> i32 {
    if let Some(caller) = Caller::in_call() {
        caller.begins();
    }
    0
}

#[btf_tracepoint]
pub fn sys_exit_connect(ctx: BtfTracePointContext) -> i32 {
    let Some(caller) = Caller::in_call() else { return 0 };
    let (outcome, fd) = (result(&ctx), argument::<0>(&ctx) as i32);
    if outcome == 0 || outcome == EINPROGRESS {
        stream(caller, fd, how::CONNECTED);
        debug!(&ctx, "{} connected descriptor {}", caller.tgid, fd);
    } else if tells_of_the_peer(outcome) {
        refused(&ctx, caller, fd, outcome);
    }
    0
}

/// It is over, and not for a mistake in the call. `ECONNABORTED` is the end of an attempt whose failure was asked for before:
/// the next call makes another one.
#[inline(always)]
fn tells_of_the_peer(outcome: i64) -> bool {
    let goes_on =
        restarted(outcome) || outcome == EINTR || outcome == EALREADY || outcome == EISCONN || outcome == ECONNABORTED;
    let mistaken =
        outcome == EBADF || outcome == EFAULT || outcome == EINVAL || outcome == ENOTSOCK || outcome == EAFNOSUPPORT;
    !goes_on && !mistaken
}

#[inline(always)]
fn refused(ctx: &BtfTracePointContext, caller: Caller, fd: i32, outcome: i64) {
    let address = argument::<1>(ctx);
    // SAFETY: the helper checks the address.
    let family = unsafe { bpf_probe_read_user(address as *const u16) }.unwrap_or(0);
    if family != AF_UNIX && family != AF_INET && family != AF_INET6 {
        return;
    }
    let Some(file) = File::of(fd) else { return };
    let Some((SOCK_STREAM, _)) = file.sock() else { return };
    let mut header = caller.header(kind::NOT_CONNECTED, fd);
    header.total = outcome;
    if let Some(thread) = caller.thread() {
        // SAFETY: a map value that is there.
        header.enter_ns = unsafe { (*thread).enter_ns };
    }
    // Told of already, when an earlier call left it under way.
    if let Some(found) = FDS.get_ptr(&FdKey { tgid: caller.tgid, fd }) {
        // SAFETY: a map value that is there.
        let found = unsafe { *found };
        if found.class == class::TCP && found.epoch == caller.epoch() {
            end(caller, &mut header, found.identity);
        }
    }
    let len = argument::<2>(ctx) as u32;
    emit(&header, Source::User(address), if len < ADDRESS_BYTES { len } else { ADDRESS_BYTES });
}

/// `getsockopt(fd, SOL_SOCKET, SO_ERROR, …)`: how programs that do not wait in `connect` learn what became of it.
#[btf_tracepoint]
pub fn sys_exit_getsockopt(ctx: BtfTracePointContext) -> i32 {
    let Some(caller) = Caller::in_call() else { return 0 };
    if result(&ctx) != 0 || argument::<1>(&ctx) as u32 != SOL_SOCKET || argument::<2>(&ctx) as u32 != SO_ERROR {
        return 0;
    }
    // SAFETY: the helper checks the address.
    let error = unsafe { bpf_probe_read_user(argument::<3>(&ctx) as *const i32) }.unwrap_or(0);
    if error <= 0 {
        return 0;
    }
    let fd = argument::<0>(&ctx) as i32;
    let Some(stream) = stream(caller, fd, how::SEEN) else { return 0 };
    // SAFETY: a map value that is there.
    if unsafe { (*stream.state).class != class::TCP || (*stream.state).read_offset | (*stream.state).write_offset != 0 }
    {
        // It was connected, and has failed since: reads and writes tell.
        return 0;
    }
    let mut header = caller.header(kind::NOT_CONNECTED, fd);
    header.total = -i64::from(error);
    if let Some(figures) = File::of(fd).and_then(File::tcp_figures) {
        header.skipped = figures.retransmits;
    }
    end(caller, &mut header, stream.identity);
    emit(&header, Source::None, 0);
    0
}

/// The stream ends: another `connect` on the same socket begins another.
#[inline(always)]
fn end(caller: Caller, header: &mut EventHeader, identity: u64) {
    if let Some(state) = STREAMS.get_ptr(&identity) {
        header.identity = identity;
        // SAFETY: a map value that is there.
        header.generation = unsafe { (*state).generation };
    }
    forget(caller, header.fd);
    end_stream(identity);
}
