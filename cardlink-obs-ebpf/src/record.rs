//! Follows TLS record framing (RFC 8446 §5.1), so that application data need not leave the kernel.

use crate::{
    bounds::{bounded, opaque},
    suite,
};
use aya_ebpf::helpers::generated::bpf_probe_read_user;
use cardlink_obs_common::RecordState;
use core::ffi::c_void;

const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
const HEADER: u32 = 5;

/// Steps (headers, bodies) through one chunk before the framing is given up: from then on everything is told, and the
/// agent follows the records by itself.
const MAX_STEPS: u64 = 12;

/// Follows `len` bytes at `address`; says whether any of them is not application data. The suite of a `ServerHello` among
/// them goes to `suite`.
///
/// Works on the map value itself: the verifier does not follow what is in there, and so need not walk every
/// combination of values through every step.
#[inline(always)]
pub fn follow(state: *mut RecordState, suite: *mut u16, address: u64, len: u32) -> bool {
    // SAFETY: the caller passes a map value that is there.
    let state = unsafe { &mut *state };
    if state.lost != 0 {
        return true;
    }
    state.left = len;
    state.interesting = 0;
    let mut steps = 0u64;
    while opaque(steps) < MAX_STEPS {
        steps += 1;
        // SAFETY: a reference. Volatile, so that each step begins from what is in the map.
        let left = unsafe { core::ptr::read_volatile(&raw const state.left) };
        if left == 0 {
            break;
        }
        let part;
        if state.remaining > 0 {
            if state.fresh != 0 {
                state.fresh = 0;
                // SAFETY: part of a map value that is there.
                if state.header[0] == HANDSHAKE && unsafe { *suite } == 0 {
                    suite::of_server_hello(suite, (address + u64::from(len)) - u64::from(left), left);
                }
            }
            part = if state.remaining < left { state.remaining } else { left };
            state.remaining -= part;
        } else {
            let have = state.header_have & 7;
            let missing = HEADER.wrapping_sub(u32::from(have)) & 7;
            part = bounded::<5>(if missing < left { missing } else { left });
            let from = (address + u64::from(len)) - u64::from(left);
            // SAFETY: at most 7 bytes at an index of at most 7 into 16; the helper checks the source, and fills
            // with zeros what it cannot read.
            unsafe {
                let into = (&raw mut state.header).cast::<u8>().add(usize::from(have));
                bpf_probe_read_user(into.cast(), part, from as *const c_void);
            }
            state.header_have = have + part as u8;
            if u32::from(state.header_have) >= HEADER {
                state.header_have = 0;
                state.remaining = (u32::from(state.header[3]) << 8) | u32::from(state.header[4]);
                state.fresh = 1;
            }
        }
        state.interesting |= u32::from(state.header[0] ^ APPLICATION_DATA);
        state.left = left - part;
    }
    if state.left != 0 {
        state.lost = 1;
        return true;
    }
    state.interesting != 0
}

/// Whether the next byte starts a record.
#[inline(always)]
pub fn at_start(state: *const RecordState) -> bool {
    // SAFETY: the caller passes a map value that is there.
    unsafe { (*state).remaining == 0 && (*state).header_have == 0 && (*state).lost == 0 }
}
