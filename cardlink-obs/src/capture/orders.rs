//! What the agent tells the kernel side of single streams.

use super::{Capture, SWEEP_EVERY, now};
use cardlink_obs_common::{FdKey, policy};

impl Capture {
    /// A stream ended: the kernel side may forget it.
    pub fn release(&mut self, identity: u64) {
        let _ = self.streams.remove(&identity);
        let _ = self.policies.remove(&identity);
    }

    /// Once a minute: forgets streams that nobody knows any more and descriptors of processes that are gone. Their ends
    /// were lost, or came while the kernel side was not looking.
    pub fn sweep(&mut self, known: impl Fn(u64) -> bool) {
        let now = now();
        if now < self.next_sweep {
            return;
        }
        self.next_sweep = now + SWEEP_EVERY;
        let old = now.saturating_sub(SWEEP_EVERY);
        let stale: Vec<u64> = self
            .streams
            .iter()
            .flatten()
            .filter(|(identity, state)| state.generation < old && !known(*identity))
            .map(|(identity, _)| identity)
            .collect();
        for identity in stale {
            self.release(identity);
        }
        let gone: Vec<FdKey> =
            self.descriptors.keys().flatten().filter(|key| self.targets.name(key.tgid).is_none()).collect();
        for key in gone {
            let _ = self.descriptors.remove(&key);
        }
    }

    /// Every byte of a stream is wanted.
    pub fn want_all(&mut self, identity: u64) {
        let _ = self.policies.insert(identity, policy::ALL, 0);
    }

    /// Every byte of one direction of a stream is wanted, and none of the other.
    pub fn want_one(&mut self, identity: u64, write: bool) {
        let wanted = if write { policy::QUIET_READ } else { policy::QUIET_WRITE };
        let _ = self.policies.insert(identity, wanted, 0);
    }

    /// Nothing more is wanted of a stream.
    pub fn quiet(&mut self, identity: u64) {
        let _ = self.policies.insert(identity, policy::QUIET, 0);
    }
}
