//! Every event has a fate, and every fate is counted.

use crate::maps::LEDGER;
use aya_ebpf::helpers::bpf_get_smp_processor_id;
use cardlink_obs_common::{Accounts, fate, ledger};

/// The accounts of this CPU.
#[inline(always)]
fn accounts() -> Option<&'static mut Accounts> {
    // SAFETY: a per-CPU slot; these programs are not preempted by each other on one CPU.
    LEDGER.get_ptr_mut(ledger::HOOKS).map(|accounts| unsafe { &mut *accounts })
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
    numbered(number)
}

#[inline(always)]
fn numbered(number: u64) -> u64 {
    // SAFETY: no arguments.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    (u64::from(cpu) << 48) | (number & 0xFFFF_FFFF_FFFF)
}

/// Counts one event of a program that may be preempted by another of its kind on the same CPU.
#[inline(always)]
pub fn settle_shared(fate_index: u32) {
    let Some(accounts) = LEDGER.get_ptr_mut(ledger::LIBRARY) else { return };
    // SAFETY: a map value that is there.
    unsafe {
        add(&raw mut (*accounts).fates[fate::SEEN as usize]);
        add(&raw mut (*accounts).fates[fate_index as usize]);
    }
}

/// The same, with a number. A number may be given twice when two programs meet; their times tell them apart.
#[inline(always)]
pub fn settle_shared_numbered(fate_index: u32) -> u64 {
    settle_shared(fate_index);
    let Some(accounts) = LEDGER.get_ptr_mut(ledger::LIBRARY) else { return 0 };
    // SAFETY: a map value that is there.
    let number = unsafe {
        add(&raw mut (*accounts).sequence);
        (*accounts).sequence
    };
    numbered(number) | (1 << 63)
}

/// Adds one, whole.
#[inline(always)]
unsafe fn add(counter: *mut u64) {
    #[cfg(target_arch = "bpf")]
    // SAFETY: the caller passes a counter that is there, aligned to eight.
    unsafe {
        core::arch::asm!(
            "lock *(u64 *)({counter} + 0) += {one}",
            counter = in(reg) counter,
            one = in(reg) 1u64,
            options(nostack),
        );
    }
    #[cfg(not(target_arch = "bpf"))]
    let _ = counter;
}
