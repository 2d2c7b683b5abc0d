//! Transfers of USB devices that a program drives by itself, through usbfs: bulk and interrupt ones.
//!
//! What goes to the device is told when it is handed over, what comes from it when it is taken back; of the former only
//! an error is told then.

use crate::{
    emit::{Source, emit},
    ledger::settle,
    syscall::argument,
    task::Caller,
};
use aya_ebpf::{helpers::bpf_probe_read_user, programs::BtfTracePointContext};
use cardlink_obs_common::{MAX_PAYLOAD, fate, flag, kind, usb};

// Numbers of ioctls (linux/usbdevice_fs.h).
const SUBMIT: u32 = 0x8038_550A;
const REAP: u32 = 0x4008_550C;
const REAP_AT_ONCE: u32 = 0x4008_550D;
const BULK: u32 = 0xC018_5502;

const ENODEV: i64 = -19;
/// Endpoints of this direction bring bytes from the device.
const IN: u64 = 0x80;

/// A transfer as the ioctls describe it.
struct Moved {
    /// As in [`kind::USB`].
    what: u64,
    address: u64,
    len: i64,
}

/// A call that hands a transfer over or takes one back.
#[inline(always)]
pub fn is_transfer(command: u32) -> bool {
    command == SUBMIT || command == REAP_AT_ONCE || command == REAP || command == BULK
}

/// Nothing was there to be reaped, or it was refused: only that the device is gone matters.
#[inline(always)]
pub fn is_told(result: i64) -> bool {
    result >= 0 || result == ENODEV
}

/// A transfer has been handed over or taken back, or the device is gone.
#[inline(never)]
pub fn tell(ctx: &BtfTracePointContext, fd: i32, identity: u64, generation: u64, result: i64) {
    let Some(caller) = Caller::in_call() else { return };
    let Some(thread) = caller.thread_or_new() else { return };
    let command = argument::<1>(ctx) as u32;
    let moved = if result < 0 {
        Moved { what: usb::BULK, address: 0, len: result }
    } else {
        let described = argument::<2>(ctx);
        let found = if command == BULK { bulk(described, result) } else { urb(described, command == SUBMIT) };
        match found {
            Some(moved) => moved,
            None => return,
        }
    };
    // SAFETY: a map value that is there; nothing else uses the event of this thread meanwhile.
    let header = unsafe { &mut (*thread).event };
    *header = caller.header(kind::USB, fd);
    header.identity = identity;
    header.generation = generation;
    header.offset = moved.what;
    header.total = moved.len;
    if moved.what & IN == 0 {
        header.flags |= flag::WRITE;
    }
    if moved.len <= 0 {
        header.flags |= flag::ERROR;
        emit(header, Source::None, 0);
        return;
    }
    let carried = if moved.len > MAX_PAYLOAD as i64 {
        header.flags |= flag::CUT;
        settle(fate::OVERSIZED);
        MAX_PAYLOAD as u32
    } else {
        moved.len as u32
    };
    emit(header, Source::User(moved.address), carried);
}

/// `struct usbdevfs_bulktransfer`: endpoint, length, time-out; data from byte 16 on.
#[inline(always)]
fn bulk(address: u64, moved: i64) -> Option<Moved> {
    // SAFETY: the helper checks the address.
    let endpoint = unsafe { bpf_probe_read_user(address as *const u32) }.ok()?;
    // SAFETY: as above.
    let data = unsafe { bpf_probe_read_user((address + 16) as *const u64) }.ok()?;
    if moved == 0 {
        return None;
    }
    Some(Moved { what: usb::BULK | u64::from(endpoint & 0xFF), address: data, len: moved })
}

/// `struct usbdevfs_urb`: type, endpoint, status from byte 4 on, buffer from 16, its length from 24, what moved from 28. To
/// reap gives the address of one.
#[inline(always)]
fn urb(described: u64, submitted: bool) -> Option<Moved> {
    let address = if submitted {
        described
    } else {
        // SAFETY: the helper checks the address.
        unsafe { bpf_probe_read_user(described as *const u64) }.ok()?
    };
    // SAFETY: as above.
    let urb = unsafe { bpf_probe_read_user(address as *const [u32; 8]) }.ok()?;
    let what = (u64::from(urb[0] & 0xFF) << 8) | u64::from((urb[0] >> 8) & 0xFF);
    if what & 0xFF00 != usb::BULK && what & 0xFF00 != usb::INTERRUPT {
        return None;
    }
    let buffer = u64::from(urb[4]) | (u64::from(urb[5]) << 32);
    let out = what & IN == 0;
    if submitted {
        // What comes is not there yet.
        return if out && urb[6] > 0 { Some(Moved { what, address: buffer, len: i64::from(urb[6]) }) } else { None };
    }
    let (status, moved) = (urb[1] as i32, urb[7]);
    if status < 0 && (out || moved == 0) {
        return Some(Moved { what, address: 0, len: i64::from(status) });
    }
    if out || moved == 0 { None } else { Some(Moved { what, address: buffer, len: i64::from(moved) }) }
}
