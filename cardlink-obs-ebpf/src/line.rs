//! Settings of serial lines: what a program asks of a tty with `tcsetattr`.

use crate::{
    emit::{Source, emit},
    task::Caller,
};
use cardlink_obs_common::{flag, kind, line};

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

/// A tty has got the settings that stand at this address.
#[inline(never)]
pub fn tell(fd: i32, identity: u64, generation: u64, address: u64, size: u32) {
    let Some(caller) = Caller::in_call() else { return };
    let Some(thread) = caller.thread_or_new() else { return };
    // SAFETY: a map value that is there; nothing else uses the event of this thread meanwhile.
    let header = unsafe { &mut (*thread).event };
    *header = caller.header(kind::LINE, fd);
    header.identity = identity;
    header.generation = generation;
    header.flags = flag::TTY;
    emit(header, Source::User(address), size);
}
