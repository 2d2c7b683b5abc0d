//! Puts events into the ring, in a few size classes, without waking the target's CPU for it; only an exec is told at
//! once, because a new target may be waiting behind it.

use crate::{
    bounds::bounded,
    ledger::{settle, settle_numbered},
    maps::{EVENTS, WAKE_BYTES},
};
use aya_ebpf::{
    bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP},
    helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_user},
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
    if len <= PAYLOAD_CLASSES[0] as u32 {
        emit_class::<{ PAYLOAD_CLASSES[0] }>(header, source, len)
    } else if len <= PAYLOAD_CLASSES[1] as u32 {
        emit_class::<{ PAYLOAD_CLASSES[1] }>(header, source, len)
    } else if len <= PAYLOAD_CLASSES[2] as u32 {
        emit_class::<{ PAYLOAD_CLASSES[2] }>(header, source, len)
    } else if len <= PAYLOAD_CLASSES[3] as u32 {
        emit_class::<{ PAYLOAD_CLASSES[3] }>(header, source, len)
    } else {
        emit_class::<{ PAYLOAD_CLASSES[4] }>(header, source, len)
    }
}

#[inline(always)]
fn emit_class<const N: usize>(header: &EventHeader, source: Source, len: u32) -> bool {
    let Some(mut entry) = EVENTS.reserve::<Event<N>>(0) else {
        settle(fate::RING_FULL);
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
            (*event).header.sequence = settle_numbered(fate::READ_FAULT);
        } else {
            (*event).header.sequence = settle_numbered(fate::SUBMITTED);
        }
    }
    entry.submit(if header.kind == kind::EXEC { u64::from(BPF_RB_FORCE_WAKEUP) } else { wakeup() });
    true
}

#[inline(always)]
fn wakeup() -> u64 {
    if EVENTS.query(u64::from(BPF_RB_AVAIL_DATA)) >= WAKE_BYTES.load() {
        u64::from(BPF_RB_FORCE_WAKEUP)
    } else {
        u64::from(BPF_RB_NO_WAKEUP)
    }
}
