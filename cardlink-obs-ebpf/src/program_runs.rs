//! Runs of programs that are told as such: their arguments, what they say of their errors, and their status.

use crate::{
    emit::{Source, emit},
    kernel,
    maps::LAYOUT,
    task::{Caller, header_of},
};
use aya_ebpf::helpers::{bpf_get_current_task, bpf_probe_read_user};
use cardlink_obs_common::{PAYLOAD_CLASSES, kind, program};

const STDOUT: i32 = 1;
const STDERR: i32 = 2;
/// How what adb says of its own errors begins on standard output, where those about files go.
const OWN: [u8; 4] = *b"adb:";
/// So much of the arguments: the name of an operation stands among the first words.
const ARGUMENTS: u64 = PAYLOAD_CLASSES[2] as u64;
/// So much of what is written to standard error.
const ERRORS: i64 = PAYLOAD_CLASSES[1] as i64;

/// The current process has such a program from here on. The kernel has just written the arguments into its memory.
#[inline(never)]
pub fn began(at: u64) {
    let layout = LAYOUT.load();
    // SAFETY: no arguments.
    let task = unsafe { bpf_get_current_task() };
    let Some(mm) = kernel::read::<u64>(task, layout.task_mm) else { return };
    let Some(start) = kernel::read::<u64>(mm, layout.mm_arg_start) else { return };
    let Some(end) = kernel::read::<u64>(mm, layout.mm_arg_end) else { return };
    if mm == 0 || end <= start {
        return;
    }
    let len = end - start;
    let kept = if len < ARGUMENTS { len } else { ARGUMENTS };
    let mut header = header_of(kind::PROGRAM);
    header.exit_ns = at;
    header.offset = program::ARGUMENTS;
    header.total = len as i64;
    emit(&header, Source::User(start), kept as u32);
}

/// A process wrote.
#[inline(always)]
pub fn wrote(caller: Caller, fd: i32, address: u64, size: i64) {
    // SAFETY: a map value that is there.
    let target = unsafe { &mut *caller.target };
    if target.errors == 0 || size < OWN.len() as i64 || (fd != STDERR && fd != STDOUT) {
        return;
    }
    // SAFETY: the helper checks the address.
    if fd == STDERR || unsafe { bpf_probe_read_user(address as *const [u8; 4]) } == Ok(OWN) {
        target.errors -= 1;
        tell_errors(address, size);
    }
}

/// Apart from its caller: the stack of both together is small (512 bytes, with all that is called from there).
#[inline(never)]
fn tell_errors(address: u64, size: i64) {
    let mut header = header_of(kind::PROGRAM);
    header.offset = program::ERRORS;
    header.total = size;
    let kept = if size < ERRORS { size } else { ERRORS };
    emit(&header, Source::User(address), kept as u32);
}

/// The status of the current process, which is ending, as `wait` has it.
#[inline(always)]
pub fn status() -> u32 {
    // SAFETY: no arguments.
    let task = unsafe { bpf_get_current_task() };
    kernel::read::<u32>(task, LAYOUT.load().task_exit_code).unwrap_or(0)
}
