//! Every event has a fate, and every fate is counted.

use crate::maps::LEDGER;
use cardlink_obs_common::fate;

/// Counts one event with its fate.
#[inline(always)]
pub fn settle(fate_index: u32) {
    bump(fate::SEEN);
    bump(fate_index);
}

#[inline(always)]
fn bump(index: u32) {
    if let Some(counter) = LEDGER.get_ptr_mut(index) {
        // SAFETY: a per-CPU slot; these programs are not preempted by each other on one CPU.
        unsafe { *counter = (*counter).wrapping_add(1) };
    }
}
