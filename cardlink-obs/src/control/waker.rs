//! Wakes the agent's loop from another thread.

use nix::sys::eventfd::{EfdFlags, EventFd};
use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd},
    sync::Arc,
};

/// Held by those who wake, and by the loop that waits for [`Waker::fd`].
#[derive(Debug, Clone)]
pub struct Waker(Arc<EventFd>);

impl Waker {
    pub fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?)))
    }

    pub fn wake(&self) {
        // Full is awake.
        let _ = self.0.write(1);
    }

    /// Becomes readable when somebody wakes.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Whoever waits is awake now.
    pub fn heard(&self) {
        // Empty when nobody has woken.
        let _ = self.0.read();
    }
}

#[cfg(test)]
mod tests {
    use super::Waker;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    #[test]
    fn wakes_until_it_was_heard() {
        let waker = Waker::new().expect("an eventfd");
        let is_awake = || {
            let mut fds = [PollFd::new(waker.fd(), PollFlags::POLLIN)];
            poll(&mut fds, PollTimeout::ZERO).expect("a look") == 1
        };
        assert!(!is_awake());
        waker.heard();
        waker.clone().wake();
        waker.wake();
        assert!(is_awake());
        waker.heard();
        assert!(!is_awake());
    }
}
