//! The read and write families of system calls.

use crate::{
    descriptor::stream,
    maps::{TAILS, TESTS},
    program_runs,
    syscall::{EAGAIN, argument, result},
    task::Caller,
    tests,
    transfer::{Transfer, transferred},
};
use aya_ebpf::{helpers::bpf_probe_read_user, macros::btf_tracepoint, programs::BtfTracePointContext};
use cardlink_obs_common::{PendingTransfer, how, tail};

const MSG_PEEK: u64 = 0x2;
const MSG_TRUNC: u64 = 0x20;
const MSG_ERRQUEUE: u64 = 0x2000;

/// Notes when a read began: without it a server that is busy and one that waits look the same.
#[inline(always)]
fn read_begins() -> i32 {
    if let Some(caller) = Caller::in_call() {
        caller.begins();
    }
    0
}

macro_rules! read_entries {
    ($($name:ident),*) => {$(
        #[btf_tracepoint]
        pub fn $name(_ctx: BtfTracePointContext) -> i32 {
            read_begins()
        }
    )*};
}

read_entries!(sys_enter_read, sys_enter_readv, sys_enter_recvfrom, sys_enter_recvmsg);

/// `read` and `write`: (fd, buffer, size).
#[inline(always)]
fn plain(ctx: &BtfTracePointContext, write: bool) -> i32 {
    let Some(caller) = Caller::in_call() else { return 0 };
    if write {
        if TESTS.load() != 0 {
            tests::wrote(caller, argument::<0>(ctx) as i32, argument::<1>(ctx), result(ctx));
        }
        program_runs::wrote(caller, argument::<0>(ctx) as i32, argument::<1>(ctx), result(ctx));
    }
    transferred(&Transfer {
        caller,
        fd: argument::<0>(ctx) as i32,
        write,
        result: result(ctx),
        address: argument::<1>(ctx),
        vectors: 0,
        peek: false,
        capacity: u64::MAX,
    });
    0
}

#[btf_tracepoint]
pub fn sys_exit_read(ctx: BtfTracePointContext) -> i32 {
    plain(&ctx, false)
}

#[btf_tracepoint]
pub fn sys_exit_write(ctx: BtfTracePointContext) -> i32 {
    plain(&ctx, true)
}

/// A transfer through `vectors`: their address and number.
#[inline(always)]
fn pending(ctx: &BtfTracePointContext, vectors: [u64; 2], result: i64, write: bool, peek: bool) -> PendingTransfer {
    PendingTransfer {
        vectors: vectors[0],
        count: vectors[1],
        result,
        fd: argument::<0>(ctx) as i32,
        write: u8::from(write),
        peek: u8::from(peek),
        reserved: [0; 2],
    }
}

/// Leaves a vectored transfer with its thread and goes on in the program that walks the vectors.
#[inline(always)]
fn hand_over(ctx: &BtfTracePointContext, caller: Caller, pending: PendingTransfer) -> i32 {
    if pending.result == EAGAIN || stream(caller, pending.fd, how::SEEN).is_none() {
        return 0;
    }
    if let Some(thread) = caller.thread_or_new() {
        // SAFETY: a map value that is there; the program array holds programs of this type only.
        unsafe {
            (*thread).pending = pending;
            let _ = TAILS.tail_call(ctx, tail::VECTORS);
        }
    }
    0
}

/// Not attached anywhere: the hooks of vectored calls continue here.
#[btf_tracepoint]
pub fn transfer_vectors(_ctx: BtfTracePointContext) -> i32 {
    let Some(caller) = Caller::in_call() else { return 0 };
    let Some(thread) = caller.thread() else { return 0 };
    // SAFETY: a map value that is there.
    let pending = unsafe { &(*thread).pending };
    transferred(&Transfer {
        caller,
        fd: pending.fd,
        write: pending.write != 0,
        result: pending.result,
        address: pending.vectors,
        vectors: if pending.count == 0 { 1 } else { pending.count },
        peek: pending.peek != 0,
        capacity: u64::MAX,
    });
    0
}

/// `readv` and `writev`: (fd, vectors, count).
#[inline(always)]
fn vectored(ctx: &BtfTracePointContext, write: bool) -> i32 {
    let Some(caller) = Caller::in_call() else { return 0 };
    let pending = pending(ctx, [argument::<1>(ctx), argument::<2>(ctx)], result(ctx), write, false);
    hand_over(ctx, caller, pending)
}

#[btf_tracepoint]
pub fn sys_exit_readv(ctx: BtfTracePointContext) -> i32 {
    vectored(&ctx, false)
}

#[btf_tracepoint]
pub fn sys_exit_writev(ctx: BtfTracePointContext) -> i32 {
    vectored(&ctx, true)
}

/// `recvfrom` and `sendto`: (fd, buffer, size, flags, …).
#[inline(always)]
fn with_flags(ctx: &BtfTracePointContext, write: bool) -> i32 {
    let Some(caller) = Caller::in_call() else { return 0 };
    let flags = argument::<3>(ctx);
    if !write && flags & MSG_ERRQUEUE != 0 {
        return 0;
    }
    transferred(&Transfer {
        caller,
        fd: argument::<0>(ctx) as i32,
        write,
        result: result(ctx),
        address: argument::<1>(ctx),
        vectors: 0,
        peek: !write && flags & MSG_PEEK != 0,
        capacity: if !write && flags & MSG_TRUNC != 0 { argument::<2>(ctx) } else { u64::MAX },
    });
    0
}

#[btf_tracepoint]
pub fn sys_exit_recvfrom(ctx: BtfTracePointContext) -> i32 {
    with_flags(&ctx, false)
}

#[btf_tracepoint]
pub fn sys_exit_sendto(ctx: BtfTracePointContext) -> i32 {
    with_flags(&ctx, true)
}

/// `recvmsg` and `sendmsg`: (fd, `struct msghdr`, flags); the vectors stand at offset 16 of it, their number at 24.
#[inline(always)]
fn message(ctx: &BtfTracePointContext, write: bool) -> i32 {
    let Some(caller) = Caller::in_call() else { return 0 };
    let flags = argument::<2>(ctx);
    if !write && flags & MSG_ERRQUEUE != 0 {
        return 0;
    }
    // SAFETY: the helper checks the address.
    let vectors = unsafe { bpf_probe_read_user((argument::<1>(ctx) + 16) as *const [u64; 2]) }.unwrap_or([0; 2]);
    let pending = pending(ctx, vectors, result(ctx), write, !write && flags & MSG_PEEK != 0);
    hand_over(ctx, caller, pending)
}

#[btf_tracepoint]
pub fn sys_exit_recvmsg(ctx: BtfTracePointContext) -> i32 {
    message(&ctx, false)
}

#[btf_tracepoint]
pub fn sys_exit_sendmsg(ctx: BtfTracePointContext) -> i32 {
    message(&ctx, true)
}

/// `recvmmsg` and `sendmmsg`: (fd, array of `struct mmsghdr`, count, …); only the first message is followed, which
/// is all that a stream socket's users send.
#[inline(always)]
fn messages(ctx: &BtfTracePointContext, write: bool) -> i32 {
    let Some(caller) = Caller::in_call() else { return 0 };
    let count = result(ctx);
    if count <= 0 {
        return 0;
    }
    let array = argument::<1>(ctx);
    // SAFETY: the helper checks the addresses.
    let (vectors, len) = unsafe {
        (
            bpf_probe_read_user((array + 16) as *const [u64; 2]).unwrap_or([0; 2]),
            bpf_probe_read_user((array + 56) as *const u32).unwrap_or(0),
        )
    };
    let pending = pending(ctx, vectors, i64::from(len), write, false);
    hand_over(ctx, caller, pending)
}

#[btf_tracepoint]
pub fn sys_exit_recvmmsg(ctx: BtfTracePointContext) -> i32 {
    messages(&ctx, false)
}

#[btf_tracepoint]
pub fn sys_exit_sendmmsg(ctx: BtfTracePointContext) -> i32 {
    messages(&ctx, true)
}
