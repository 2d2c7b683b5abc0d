//! Settings of serial lines: what a program asks of a tty with `tcsetattr`.

use crate::{
    descriptor::stream,
    emit::{Source, emit},
    ledger::settle,
    syscall::argument,
    task::Caller,
    transfer::wanted,
};
use cardlink_obs_common::{class, fate, flag, how, kind, line, policy};

// Numbers of ioctls (asm-generic/ioctls.h): at once, when all is written, and with what was not read thrown away.
const SET: [u32; 3] = [0x5402, 0x5403, 0x5404];
const SET_2: [u32; 3] = [0x402C_542B, 0x402C_542C, 0x402C_542D];

/// Bytes of the structure that a call takes; 0 when it is none of these.
#[inline(always)]
pub fn size_of(command: u32) -> u32 {
    if command >= SET[0] && command <= SET[2] {
        line::TERMIOS
    } else if command >= SET_2[0] && command <= SET_2[2] {
        line::TERMIOS2
    } else {
        0
    }
}

/// A call of this size has been made.
#[inline(never)]
pub fn set(size: u32) {
    let Some(caller) = Caller::in_call() else { return };
    let fd = argument::<0>() as i32;
    let Some(stream) = stream(caller, fd, how::SEEN) else { return };
    // SAFETY: a map value that is there.
    let state = unsafe { &*stream.state };
    if state.class != class::TTY {
        return;
    }
    if wanted(stream.identity) == policy::QUIET {
        settle(fate::FILTERED);
        return;
    }
    let Some(thread) = caller.thread_or_new() else { return };
    // SAFETY: a map value that is there; nothing else uses the event of this thread meanwhile.
    let header = unsafe { &mut (*thread).event };
    *header = caller.header(kind::LINE, fd);
    header.identity = stream.identity;
    header.generation = state.generation;
    header.flags = flag::TTY;
    emit(header, Source::User(argument::<2>()), size);
}
