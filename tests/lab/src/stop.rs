//! SIGTERM and SIGINT end a program cleanly: what is under way is told to the truth file first.

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction, sigprocmask};
use std::sync::atomic::{AtomicBool, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);

pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

/// From now on, calls that block return `EINTR` when one of the signals comes, or `requested` says so before.
pub fn on_signals() -> nix::Result<()> {
    let action = SigAction::new(SigHandler::Handler(request), SaFlags::empty(), SigSet::empty());
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        // SAFETY: the handler stores to an atomic and does nothing else.
        unsafe { sigaction(signal, &action)? };
    }
    Ok(())
}

fn signals() -> SigSet {
    let mut set = SigSet::empty();
    set.add(Signal::SIGTERM);
    set.add(Signal::SIGINT);
    set
}

/// Keeps the signals away from this thread, and from those that it starts.
pub fn block() -> nix::Result<()> {
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&signals()), None)
}

/// Lets the signals through to this thread.
pub fn unblock() -> nix::Result<()> {
    sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&signals()), None)
}

extern "C" fn request(_: nix::libc::c_int) {
    REQUESTED.store(true, Ordering::Relaxed);
}
