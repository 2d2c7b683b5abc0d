//! Puts events into the ring, in a few size classes, without waking the target's CPU for it; only an exec is told at
//! once, because a new target may be waiting behind it, a fork where the child is to be probed by itself, and whatever comes while
//! the agent sleeps.

use crate::{
    bounds::bounded,
    ledger::{settle, settle_numbered, settle_shared, settle_shared_numbered},
    maps::{EVENTS, IN_LIBRARIES, SLEEPS, WAKE_BYTES},
};
use aya_ebpf::{
    bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP},
    helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_user, bpf_probe_read_user_str},
};
use cardlink_obs_common::{EventHeader, PAYLOAD_CLASSES, fate, flag, kind};
use core::ffi::c_void;

#[repr(C)]
struct Event<const N: usize> {
    header: EventHeader,
    payload: [u8; N],
}

/// Where a payload comes from.
#[derive(Clone, Copy)]
pub enum Source {
    User(u64),
    Kernel(*const u8),
    None,
}

/// Submits one event with `len` bytes of payload; `len` is at most the largest class.
#[inline(always)]
pub fn emit(header: &EventHeader, source: Source, len: u32) -> bool {
    emit_by::<false>(header, source, len)
}

/// The same, for a program that may be preempted.
#[inline(always)]
pub fn emit_preemptible(header: &EventHeader, source: Source, len: u32) -> bool {
    emit_by::<true>(header, source, len)
}

#[inline(always)]
fn emit_by<const SHARED: bool>(header: &EventHeader, source: Source, len: u32) -> bool {
    if len <= PAYLOAD_CLASSES[0] as u32 {
        emit_class::<{ PAYLOAD_CLASSES[0] }, SHARED>(header, source, len)
    } else if len <= PAYLOAD_CLASSES[1] as u32 {
        emit_class::<{ PAYLOAD_CLASSES[1] }, SHARED>(header, source, len)
    } else if len <= PAYLOAD_CLASSES[2] as u32 {
        emit_class::<{ PAYLOAD_CLASSES[2] }, SHARED>(header, source, len)
    } else if len <= PAYLOAD_CLASSES[3] as u32 {
        emit_class::<{ PAYLOAD_CLASSES[3] }, SHARED>(header, source, len)
    } else {
        emit_class::<{ PAYLOAD_CLASSES[4] }, SHARED>(header, source, len)
    }
}

/// Submits an event with a text of the program's as its payload, as far as it fits: `len` bytes, or up to a zero when `len`
/// is negative or there is one before.
#[inline(always)]
pub fn emit_cut_text(header: &EventHeader, address: u64, len: i64) {
    const N: usize = PAYLOAD_CLASSES[2];
    let Some(mut entry) = EVENTS.reserve::<Event<N>>(0) else {
        settle_shared(fate::RING_FULL);
        return;
    };
    let event = entry.as_mut_ptr();
    // With the zero at its end.
    let room = if len < 0 || len >= N as i64 { N as u32 } else { len as u32 + 1 };
    // SAFETY: the entry is ours until it is submitted, and holds N bytes of payload.
    unsafe {
        let target = (&raw mut (*event).payload).cast::<c_void>();
        let size = bpf_probe_read_user_str(target, bounded::<N>(room), address as *const c_void);
        (&raw mut (*event).header).write(*header);
        if size <= 0 {
            (*event).header.len = 0;
            (*event).header.flags |= flag::CUT;
            (*event).header.sequence = number::<true>(fate::READ_FAULT);
        } else {
            (*event).header.len = bounded::<N>((size - 1) as u32);
            (*event).header.sequence = number::<true>(fate::SUBMITTED);
        }
    }
    entry.submit(wakeup());
}

/// Submits an event with a text of the program's as its payload, as far as it fits; when an ending is asked for, only a text
/// that has it. Whether it was submitted.
#[inline(always)]
pub fn emit_text<const SHARED: bool>(header: &EventHeader, address: u64, ending: Option<[u8; 4]>) -> bool {
    const N: usize = PAYLOAD_CLASSES[2];
    let Some(mut entry) = EVENTS.reserve::<Event<N>>(0) else {
        if SHARED {
            settle_shared(fate::RING_FULL);
        } else {
            settle(fate::RING_FULL);
        }
        return false;
    };
    let event = entry.as_mut_ptr();
    // SAFETY: the entry is ours until it is submitted or given back, and holds N bytes of payload.
    unsafe {
        let target = (&raw mut (*event).payload).cast::<c_void>();
        // With the zero at its end.
        let size = bpf_probe_read_user_str(target, N as u32, address as *const c_void);
        if let Some(ending) = ending {
            let found = last_four(address, size);
            if found != ending {
                entry.discard(u64::from(BPF_RB_NO_WAKEUP));
                return false;
            }
        }
        (&raw mut (*event).header).write(*header);
        if size <= 0 {
            (*event).header.len = 0;
            (*event).header.flags |= flag::CUT;
            (*event).header.sequence = number::<SHARED>(fate::READ_FAULT);
        } else {
            (*event).header.len = bounded::<N>((size - 1) as u32);
            (*event).header.sequence = number::<SHARED>(fate::SUBMITTED);
        }
    }
    entry.submit(wakeup());
    true
}

/// The last four bytes of a text of `size` bytes, the zero at its end included.
#[inline(always)]
unsafe fn last_four(address: u64, size: i64) -> [u8; 4] {
    let mut last = [0u8; 4];
    if size > 4 {
        // SAFETY: the helper checks the address.
        unsafe {
            bpf_probe_read_user(last.as_mut_ptr().cast::<c_void>(), 4, (address + size as u64 - 5) as *const c_void);
        }
    }
    last
}

#[inline(always)]
fn emit_class<const N: usize, const SHARED: bool>(header: &EventHeader, source: Source, len: u32) -> bool {
    let Some(mut entry) = EVENTS.reserve::<Event<N>>(0) else {
        if SHARED {
            settle_shared(fate::RING_FULL);
        } else {
            settle(fate::RING_FULL);
        }
        return false;
    };
    let event = entry.as_mut_ptr();
    // SAFETY: the entry is ours until it is submitted, and holds N bytes of payload.
    unsafe {
        let target = (&raw mut (*event).payload).cast::<c_void>();
        let failed = match source {
            Source::User(address) => bpf_probe_read_user(target, bounded::<N>(len), address as *const c_void) != 0,
            Source::Kernel(address) => bpf_probe_read_kernel(target, bounded::<N>(len), address.cast()) != 0,
            Source::None => false,
        };
        (&raw mut (*event).header).write(*header);
        (*event).header.len = len;
        if failed {
            // The event still tells that bytes moved; its bytes are a gap.
            (*event).header.len = 0;
            (*event).header.flags |= flag::CUT;
            (*event).header.sequence = number::<SHARED>(fate::READ_FAULT);
        } else {
            (*event).header.sequence = number::<SHARED>(fate::SUBMITTED);
        }
    }
    // A new process needs its own probes in libraries.
    let urgent = header.kind == kind::EXEC || (header.kind == kind::FORK && IN_LIBRARIES.load() != 0);
    entry.submit(if urgent { u64::from(BPF_RB_FORCE_WAKEUP) } else { wakeup() });
    true
}

#[inline(always)]
fn number<const SHARED: bool>(fate_index: u32) -> u64 {
    if SHARED { settle_shared_numbered(fate_index) } else { settle_numbered(fate_index) }
}

#[inline(always)]
fn wakeup() -> u64 {
    // SAFETY: a map value that is there.
    let sleeps = SLEEPS.get_ptr(0).is_some_and(|sleeps| unsafe { *sleeps } != 0);
    if sleeps || EVENTS.query(u64::from(BPF_RB_AVAIL_DATA)) >= WAKE_BYTES.load() {
        u64::from(BPF_RB_FORCE_WAKEUP)
    } else {
        u64::from(BPF_RB_NO_WAKEUP)
    }
}
