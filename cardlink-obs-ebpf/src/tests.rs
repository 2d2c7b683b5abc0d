//! Test runs: what pytest puts into its environment and writes, and files that may be reports.

use crate::{
    emit::{Source, emit, emit_preemptible, emit_text},
    ledger::settle_shared,
    maps::{FDS, TESTING},
    syscall::{argument, result},
    task::Caller,
};
use aya_ebpf::{
    EbpfContext,
    helpers::{bpf_get_attach_cookie, bpf_probe_read_user},
    macros::{btf_tracepoint, uprobe},
    programs::{BtfTracePointContext, ProbeContext},
};
use cardlink_obs_common::{FdKey, FdRef, MAX_PAYLOAD, PAYLOAD_CLASSES, class, fate, kind, test};

/// The variable, with the zero at its end.
const VARIABLE: [u8; 20] = *b"PYTEST_CURRENT_TEST\0";
const ENDING: [u8; 4] = *b".xml";
/// `O_WRONLY` or `O_RDWR`.
const WRITABLE: u64 = 3;
/// A message of execnet is a kind, a channel and a length, in network order; this is the kind of those with data.
const CHANNEL_DATA: u8 = 4;
const MESSAGE_HEAD: i64 = 9;
/// So much of the end of what is written to standard output.
const OUTPUT: i64 = PAYLOAD_CLASSES[1] as i64;
/// So much of the beginning of a message.
const MESSAGE: i64 = MAX_PAYLOAD as i64;

/// `setenv` (and `unsetenv`) of the C library; the cookie says which.
#[uprobe]
pub fn environment_set(ctx: ProbeContext) -> u32 {
    let Some(caller) = Caller::watched() else { return 0 };
    let (Some(name), Some(value)) = (ctx.arg::<u64>(0), ctx.arg::<u64>(1)) else { return 0 };
    // SAFETY: the helper checks the address.
    let Ok(found) = (unsafe { bpf_probe_read_user(name as *const [u8; 20]) }) else { return 0 };
    if found != VARIABLE {
        return 0;
    }
    // SAFETY: the context of this program.
    let what = unsafe { bpf_get_attach_cookie(ctx.as_ptr()) };
    if TESTING.insert(&caller.tgid, &1, 0).is_err() {
        settle_shared(fate::TABLE_FULL);
        return 0;
    }
    let mut header = caller.header(kind::TEST, -1);
    header.offset = what;
    if what == test::SET {
        emit_text::<true>(&header, value, None);
    } else {
        emit_preemptible(&header, Source::None, 0);
    }
    0
}

/// A process wrote: to its standard output, or a message to who started it.
#[inline(always)]
pub fn wrote(caller: Caller, fd: i32, address: u64, size: i64) {
    if size > 0 && TESTING.get_ptr(&caller.tgid).is_some() {
        tell_written(fd, address, size);
    }
}

/// Apart from its caller: the stack of both together is small (512 bytes, with all that is called from there).
#[inline(never)]
fn tell_written(fd: i32, address: u64, size: i64) {
    let Some(caller) = Caller::watched() else { return };
    let mut header = caller.header(kind::TEST, fd);
    header.total = size;
    if fd == 1 {
        header.offset = test::OUTPUT;
        let kept = if size < OUTPUT { size } else { OUTPUT };
        emit(&header, Source::User(address + (size - kept) as u64), kept as u32);
        return;
    }
    if size <= MESSAGE_HEAD {
        return;
    }
    // SAFETY: the helper checks the address.
    let Ok(head) = (unsafe { bpf_probe_read_user(address as *const [u8; 9]) }) else { return };
    let length = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    if head[0] == CHANNEL_DATA && head[1] == 0 && head[2] == 0 && i64::from(length) + MESSAGE_HEAD == size {
        header.offset = test::MESSAGE;
        let kept = if size < MESSAGE { size } else { MESSAGE };
        emit(&header, Source::User(address), kept as u32);
    }
}

/// A process is gone.
#[inline(always)]
pub fn ended(caller: Caller) {
    let _ = TESTING.remove(&caller.tgid);
}

/// `openat`: (directory, name, flags, mode).
#[btf_tracepoint]
pub fn sys_exit_openat(ctx: BtfTracePointContext) -> i32 {
    let Some(caller) = Caller::in_call() else { return 0 };
    let fd = result(&ctx);
    if fd < 0 || argument::<2>(&ctx) & WRITABLE == 0 {
        return 0;
    }
    let fd = fd as i32;
    let mut header = caller.header(kind::TEST, fd);
    header.offset = test::REPORT_OPENED;
    if emit_text::<false>(&header, argument::<1>(&ctx), Some(ENDING)) {
        let found = FdRef { identity: 0, epoch: caller.epoch(), class: class::REPORT, reserved: [0; 7] };
        let _ = FDS.insert(&FdKey { tgid: caller.tgid, fd }, &found, 0);
    }
    0
}

/// Such a file is closed.
#[inline(always)]
pub fn closed(caller: Caller, fd: i32) {
    let mut header = caller.header(kind::TEST, fd);
    header.offset = test::REPORT_CLOSED;
    emit(&header, Source::None, 0);
}

#[inline(always)]
fn named(ctx: &BtfTracePointContext, name: u64) -> i32 {
    let Some(caller) = Caller::in_call() else { return 0 };
    if result(ctx) == 0 {
        let mut header = caller.header(kind::TEST, -1);
        header.offset = test::REPORT_NAMED;
        emit_text::<false>(&header, name, Some(ENDING));
    }
    0
}

/// `rename`: (old name, new name).
#[btf_tracepoint]
pub fn sys_exit_rename(ctx: BtfTracePointContext) -> i32 {
    named(&ctx, argument::<1>(&ctx))
}

/// `renameat`: (old directory, old name, new directory, new name).
#[btf_tracepoint]
pub fn sys_exit_renameat(ctx: BtfTracePointContext) -> i32 {
    named(&ctx, argument::<3>(&ctx))
}

#[btf_tracepoint]
pub fn sys_exit_renameat2(ctx: BtfTracePointContext) -> i32 {
    named(&ctx, argument::<3>(&ctx))
}
