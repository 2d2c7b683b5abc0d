//! The clock of the ground truth: the same one that the kernel stamps its events with.

use nix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// Nanoseconds since boot, suspend included (`CLOCK_BOOTTIME`).
pub fn boot_ns() -> u64 {
    clock_gettime(ClockId::CLOCK_BOOTTIME)
        .map_or(0, |time| time.tv_sec().cast_unsigned() * 1_000_000_000 + time.tv_nsec().cast_unsigned())
}

/// How a program spends time that it was told to spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Spend {
    Sleep,
    Busy,
}

/// Spends `time` and says how much it really was, in nanoseconds.
pub fn spend(time: Duration, how: Spend) -> u64 {
    let start = boot_ns();
    match how {
        Spend::Sleep => std::thread::sleep(time),
        Spend::Busy => {
            let begin = Instant::now();
            while begin.elapsed() < time {
                std::hint::spin_loop();
            }
        }
    }
    boot_ns().saturating_sub(start)
}
