//! Lets go of the probes without waiting for the kernel.
//!
//! The kernel releases a hook only after a grace period, one after the other: with probes in libraries, tens
//! of them, that is a second or more. A run that was told to stop should not keep its caller waiting for so long. So a child is left behind that
//! does nothing but hold the descriptors until the agent is gone; when it ends, the kernel lets go at its leisure.

use super::host;
use nix::{
    fcntl::OFlag,
    unistd::{ForkResult, fork, pipe2, read},
};
use std::{mem, os::fd::AsRawFd as _};

/// What descriptors of hooks, programs and maps are called in `/proc/PID/fd`.
const PROBES: [&str; 2] = ["anon_inode:bpf", "anon_inode:[perf_event]"];

/// Leaves a child behind that outlives this process by as long as the kernel takes to detach.
///
/// Call it last. The child keeps what belongs to the probes and closes everything else: pipes, ports, files.
pub fn behind() {
    // The pipe comes first: other threads are closing what is theirs, and a number that was listed must not become the
    // pipe's, for the child closes what was listed.
    let Ok((reader, writer)) = pipe2(OFlag::O_CLOEXEC) else { return };
    let pipe = [reader.as_raw_fd(), writer.as_raw_fd()];
    let others: Vec<i32> = host::descriptors(std::process::id())
        .into_iter()
        .filter(|(fd, link)| !pipe.contains(fd) && !PROBES.iter().any(|probe| link.starts_with(probe)))
        .map(|(fd, _)| fd)
        .collect();
    // SAFETY: the child makes only system calls (close, read, exit).
    match unsafe { fork() } {
        Ok(ForkResult::Child) => {
            // The agent's end of the pipe closes when the agent is gone.
            drop(writer);
            for fd in others {
                // SAFETY: nothing of this process uses it any more.
                unsafe { nix::libc::close(fd) };
            }
            let _ = read(&reader, &mut [0; 1]);
            // SAFETY: ends at once, without the parent's exit handlers.
            unsafe { nix::libc::_exit(0) };
        }
        // Kept open until the process ends. Without a child the process itself waits for the kernel.
        Ok(ForkResult::Parent { .. }) => mem::forget(writer),
        Err(_) => {}
    }
}
