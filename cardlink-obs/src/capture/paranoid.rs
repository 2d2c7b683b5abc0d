//! What this kernel wants of who uses perf events.

use std::fs;

/// Whether this kernel lets nobody without `CAP_SYS_ADMIN` use perf events, tracepoints included: Debian's and Ubuntu's own
/// level of `kernel.perf_event_paranoid`, beyond those of Linux itself. `CAP_PERFMON` does not do there.
pub fn perf_wants_admin() -> bool {
    /// The most that Linux itself knows.
    const STRICTEST: i32 = 2;
    let level = fs::read_to_string("/proc/sys/kernel/perf_event_paranoid");
    level.is_ok_and(|level| level.trim().parse().is_ok_and(|level: i32| level > STRICTEST))
}
