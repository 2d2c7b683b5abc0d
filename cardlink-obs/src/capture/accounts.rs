//! What the kernel counts for each program: runs, the time that they took, and runs that it skipped.

use std::{fs, os::fd::RawFd, time::Duration};

/// The kernel's account of one program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    /// Runs that were skipped because a program was already running on that CPU: events that no ledger of the programs'
    /// own can know of.
    pub missed: u64,
    /// Runs, and the time that they took from the callers; counted only while statistics are switched on.
    pub runs: u64,
    pub time: Duration,
}

/// Reads the account of the program behind a descriptor of this process.
pub fn of(fd: RawFd) -> Account {
    parse(&fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap_or_default())
}

fn parse(text: &str) -> Account {
    let number = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse().ok()).unwrap_or(0)
    };
    Account {
        missed: number("recursion_misses"),
        runs: number("run_cnt"),
        time: Duration::from_nanos(number("run_time_ns")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Account, parse};
    use std::time::Duration;

    #[test]
    fn the_fields_of_fdinfo_are_found() {
        let text =
            "pos:\t0\nprog_type:\t5\nrun_time_ns:\t1500\nrun_cnt:\t3\nrecursion_misses:\t2\nverified_insns:\t9\n";
        assert_eq!(parse(text), Account { missed: 2, runs: 3, time: Duration::from_nanos(1500) });
        assert_eq!(parse(""), Account::default());
    }
}
