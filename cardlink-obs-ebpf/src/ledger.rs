//! Every event has a fate, and every fate is counted.

use crate::maps::LEDGER;
use aya_ebpf::helpers::bpf_get_smp_processor_id;
use cardlink_obs_common::{Accounts, fate};

/// The accounts of this CPU.
#[inline(always)]
fn accounts() -> Option<&'static mut Accounts> {
    // SAFETY: a per-CPU slot; these programs are not preempted by each other on one CPU.
    LEDGER.get_ptr_mut(0).map(|accounts| unsafe { &mut *accounts })
}

/// Counts one event with its fate.
#[inline(always)]
pub fn settle(fate_index: u32) {
    if let Some(accounts) = accounts() {
        accounts.fates[fate::SEEN as usize] += 1;
        accounts.fates[fate_index as usize] += 1;
    }
}

/// Counts one event with its fate, and gives it its number.
#[inline(always)]
pub fn settle_numbered(fate_index: u32) -> u64 {
    let Some(accounts) = accounts() else { return 0 };
    accounts.fates[fate::SEEN as usize] += 1;
    accounts.fates[fate_index as usize] += 1;
    let number = accounts.sequence;
    accounts.sequence = number.wrapping_add(1);
    // SAFETY: no arguments.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    (u64::from(cpu) << 48) | (number & 0xFFFF_FFFF_FFFF)
}
