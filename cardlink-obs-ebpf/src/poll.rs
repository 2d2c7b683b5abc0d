//! Time that threads of watched processes spend in polls, and polls that have a tty in their set.

use crate::{
    descriptor::stream,
    emit::{Source, emit},
    maps::FDS,
    syscall::{argument, result},
    task::{Caller, now},
};
use aya_ebpf::{helpers::bpf_probe_read_user, macros::btf_tracepoint, programs::BtfTracePointContext};
use cardlink_obs_common::{FdKey, FdRef, class, how, kind};

/// Entries of a poll set that are looked at.
const MAX_POLL_FDS: u32 = 16;
const EPOLL_CTL_ADD: u64 = 1;

#[inline(always)]
fn begins(caller: Caller, tty: i32) -> i32 {
    if let Some(thread) = caller.thread_or_new() {
        // SAFETY: a map value that is there.
        unsafe {
            (*thread).poll_enter_ns = now();
            (*thread).poll_fd = tty;
        }
    }
    0
}

#[inline(always)]
fn ends(ctx: &BtfTracePointContext) -> i32 {
    let Some(caller) = Caller::in_call() else { return 0 };
    let Some(thread) = caller.thread() else { return 0 };
    // SAFETY: a map value that is there.
    let (enter, fd) = unsafe {
        let began = (*thread).poll_enter_ns;
        if began == 0 {
            return 0;
        }
        (*thread).poll_enter_ns = 0;
        let ended = now();
        (*thread).polled_ns += if ended > began { ended - began } else { 0 };
        (began, (*thread).poll_fd)
    };
    if fd < 0 {
        return 0;
    }
    let Some(stream) = stream(caller, fd, how::SEEN) else { return 0 };
    let mut header = caller.header(kind::POLL, fd);
    header.identity = stream.identity;
    header.enter_ns = enter;
    header.total = result(ctx);
    // SAFETY: map values that are there.
    unsafe {
        header.generation = (*stream.state).generation;
        header.polled_ns = (*thread).polled_ns;
    }
    emit(&header, Source::None, 0);
    0
}

#[inline(always)]
fn ttys(caller: Caller) -> [i32; 4] {
    // SAFETY: a map value that is there.
    unsafe { (*caller.target).tty_fds }
}

#[inline(always)]
fn none(ttys: [i32; 4]) -> bool {
    ttys[0] < 0 && ttys[1] < 0 && ttys[2] < 0 && ttys[3] < 0
}

/// `poll` and `ppoll`: (fds, count, …).
#[inline(always)]
fn poll_begins(ctx: &BtfTracePointContext) -> i32 {
    let Some(caller) = Caller::in_call() else { return 0 };
    let ttys = ttys(caller);
    let mut found = -1;
    if !none(ttys) {
        let (array, count) = (argument::<0>(ctx), argument::<1>(ctx));
        let mut index = 0u32;
        while index < MAX_POLL_FDS && u64::from(index) < count {
            // SAFETY: the helper checks the address; the descriptor is the first member of `struct pollfd`.
            let fd = unsafe { bpf_probe_read_user((array + 8 * u64::from(index)) as *const i32) }.unwrap_or(-1);
            if fd >= 0 && (fd == ttys[0] || fd == ttys[1] || fd == ttys[2] || fd == ttys[3]) {
                found = fd;
                break;
            }
            index += 1;
        }
    }
    begins(caller, found)
}

/// `select` and `pselect6`: (highest + 1, reads, …): the sets are overwritten on return, so they are read on entry.
#[inline(always)]
fn select_begins(ctx: &BtfTracePointContext) -> i32 {
    let Some(caller) = Caller::in_call() else { return 0 };
    let ttys = ttys(caller);
    let mut found = -1;
    let set = argument::<1>(ctx);
    if !none(ttys) && set != 0 {
        let count = argument::<0>(ctx);
        let mut index = 0;
        while index < 4 {
            let fd = ttys[index];
            if fd >= 0 && (fd as u64) < count {
                // SAFETY: the helper checks the address.
                let word = unsafe { bpf_probe_read_user((set + 8 * (fd as u64 / 64)) as *const u64) }.unwrap_or(0);
                if word & (1 << (fd as u64 % 64)) != 0 {
                    found = fd;
                    break;
                }
            }
            index += 1;
        }
    }
    begins(caller, found)
}

/// `epoll_wait` and `epoll_pwait`: (epoll, …).
#[inline(always)]
fn epoll_begins(ctx: &BtfTracePointContext) -> i32 {
    let Some(caller) = Caller::in_call() else { return 0 };
    let mut found = -1;
    if !none(ttys(caller)) {
        let key = FdKey { tgid: caller.tgid, fd: argument::<0>(ctx) as i32 };
        if let Some(entry) = FDS.get_ptr(&key) {
            // SAFETY: a map value that is there.
            unsafe {
                if (*entry).class == class::EPOLL {
                    found = (*entry).identity as i32;
                }
            }
        }
    }
    begins(caller, found)
}

/// An epoll set that takes in a tty is remembered with it.
#[btf_tracepoint]
pub fn sys_exit_epoll_ctl(ctx: BtfTracePointContext) -> i32 {
    let Some(caller) = Caller::in_call() else { return 0 };
    if result(&ctx) != 0 || argument::<1>(&ctx) != EPOLL_CTL_ADD {
        return 0;
    }
    let fd = argument::<2>(&ctx) as i32;
    let Some(stream) = stream(caller, fd, how::SEEN) else { return 0 };
    // SAFETY: a map value that is there.
    if unsafe { (*stream.state).class } != class::TTY {
        return 0;
    }
    let entry = FdRef { identity: fd as u64, epoch: caller.epoch(), class: class::EPOLL, reserved: [0; 7] };
    let _ = FDS.insert(&FdKey { tgid: caller.tgid, fd: argument::<0>(&ctx) as i32 }, &entry, 0);
    0
}

macro_rules! polls {
    ($($enter:ident $exit:ident $begins:ident),*) => {$(
        #[btf_tracepoint]
        pub fn $enter(ctx: BtfTracePointContext) -> i32 {
            $begins(&ctx)
        }

        #[btf_tracepoint]
        pub fn $exit(ctx: BtfTracePointContext) -> i32 {
            ends(&ctx)
        }
    )*};
}

polls!(
    sys_enter_poll sys_exit_poll poll_begins,
    sys_enter_ppoll sys_exit_ppoll poll_begins,
    sys_enter_select sys_exit_select select_begins,
    sys_enter_pselect6 sys_exit_pselect6 select_begins,
    sys_enter_epoll_wait sys_exit_epoll_wait epoll_begins,
    sys_enter_epoll_pwait sys_exit_epoll_pwait epoll_begins,
    sys_enter_epoll_pwait2 sys_exit_epoll_pwait2 epoll_begins
);
