//! What programs ask of devices by `ioctl`: settings of serial lines and transfers of USB devices.

use crate::{
    descriptor::stream,
    ledger::settle,
    line,
    syscall::{argument, result},
    task::Caller,
    transfer::wanted,
    usb,
};
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use cardlink_obs_common::{class, fate, how, policy};

/// The stream is looked for here and what is told of it is told from here: on kernels where the programs of a call share one
/// stack (512 bytes, before Linux 6.13), neither comes on top of the other.
#[btf_tracepoint]
pub fn sys_exit_ioctl(ctx: BtfTracePointContext) -> i32 {
    let command = argument::<1>(&ctx) as u32;
    let settings = line::size_of(command);
    let (class, told) = if settings > 0 {
        (class::TTY, result(&ctx) == 0)
    } else {
        (class::USB, usb::is_transfer(command) && usb::is_told(result(&ctx)))
    };
    if !told {
        return 0;
    }
    let Some(caller) = Caller::in_call() else { return 0 };
    let fd = argument::<0>(&ctx) as i32;
    let Some(stream) = stream(caller, fd, how::SEEN) else { return 0 };
    // SAFETY: a map value that is there.
    let (found, generation) = unsafe { ((*stream.state).class, (*stream.state).generation) };
    if found != class {
        return 0;
    }
    if wanted(stream.identity) == policy::QUIET {
        settle(fate::FILTERED);
        return 0;
    }
    if settings > 0 {
        line::tell(fd, stream.identity, generation, argument::<2>(&ctx), settings);
    } else {
        usb::tell(&ctx, fd, stream.identity, generation, result(&ctx));
    }
    0
}
