//! What became of events, counted.

use core::mem::size_of;

/// Who keeps accounts on a CPU (indices of the map `LEDGER`).
pub mod ledger {
    /// Programs that run to their end.
    pub const HOOKS: u32 = 0;
    /// Programs in TLS libraries, which others may interrupt. The top bit of their sequence numbers is set.
    pub const LIBRARY: u32 = 1;
    pub const COUNT: u32 = 2;
}

/// Fates of an event (indices of the per-CPU ledger). `SEEN` is the sum of all others.
pub mod fate {
    pub const SEEN: u32 = 0;
    pub const SUBMITTED: u32 = 1;
    pub const FILTERED: u32 = 2;
    pub const RING_FULL: u32 = 3;
    pub const OVERSIZED: u32 = 4;
    pub const READ_FAULT: u32 = 5;
    pub const RESTARTED: u32 = 6;
    pub const PEEKED: u32 = 7;
    pub const TABLE_FULL: u32 = 8;
    pub const COUNT: u32 = 9;

    /// Names for labels, by index.
    pub const NAMES: [&str; COUNT as usize] =
        ["seen", "submitted", "filtered", "ring_full", "oversized", "read_fault", "restarted", "peeked", "table_full"];
}

/// Value of the per-CPU map `LEDGER`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Accounts {
    /// By [`crate::fate`].
    pub fates: [u64; fate::COUNT as usize],
    /// Number of the next event of this CPU.
    pub sequence: u64,
}

const _: () = assert!(size_of::<Accounts>() == 80);
