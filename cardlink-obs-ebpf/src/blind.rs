//! Ways past the probes: detected, so that they can be said.

use crate::{
    emit::{Source, emit},
    syscall::{argument, result},
    task::Caller,
};
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use cardlink_obs_common::{blind, kind};

const SOL_TCP: u64 = 6;
const TCP_ULP: u64 = 31;

#[inline(always)]
fn tell(caller: Caller, way: i64, fd: i32) -> i32 {
    let mut header = caller.header(kind::BLIND, fd);
    header.total = way;
    emit(&header, Source::None, 0);
    0
}

#[btf_tracepoint]
pub fn sys_exit_io_uring_setup(ctx: BtfTracePointContext) -> i32 {
    match Caller::in_call() {
        Some(caller) if result(&ctx) >= 0 => tell(caller, blind::IO_URING, result(&ctx) as i32),
        _ => 0,
    }
}

/// `setsockopt(fd, SOL_TCP, TCP_ULP, "tls")`: the kernel takes over the record layer.
#[btf_tracepoint]
pub fn sys_exit_setsockopt(ctx: BtfTracePointContext) -> i32 {
    match Caller::in_call() {
        Some(caller) if result(&ctx) == 0 && argument::<1>(&ctx) == SOL_TCP && argument::<2>(&ctx) == TCP_ULP => {
            tell(caller, blind::KERNEL_TLS, argument::<0>(&ctx) as i32)
        }
        _ => 0,
    }
}

/// `sendfile(out, in, …)`.
#[btf_tracepoint]
pub fn sys_exit_sendfile64(ctx: BtfTracePointContext) -> i32 {
    match Caller::in_call() {
        Some(caller) if result(&ctx) > 0 => tell(caller, blind::SENDFILE, argument::<0>(&ctx) as i32),
        _ => 0,
    }
}

/// `splice(in, offset, out, …)`.
#[btf_tracepoint]
pub fn sys_exit_splice(ctx: BtfTracePointContext) -> i32 {
    match Caller::in_call() {
        Some(caller) if result(&ctx) > 0 => tell(caller, blind::SPLICE, argument::<2>(&ctx) as i32),
        _ => 0,
    }
}
