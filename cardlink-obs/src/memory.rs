//! What the allocator keeps: as little as it can. An agent that runs for weeks beside a server is not to grow by what it once
//! needed.

#[cfg(target_env = "gnu")]
use nix::libc;

/// From this size on an allocation is given back to the kernel as soon as it is freed. The allocator of glibc would raise
/// this limit to the largest that was ever freed: some 30 MiB, with which the kernel's type information is read at the start.
#[cfg(target_env = "gnu")]
const LARGE: libc::c_int = 128 * 1024;

/// Before anything large is allocated.
pub fn keep_little() {
    #[cfg(target_env = "gnu")]
    // SAFETY: no preconditions.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
    }
}

/// Gives what is free back to the kernel. It takes about a millisecond.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: no preconditions.
    unsafe {
        libc::malloc_trim(0);
    }
}
