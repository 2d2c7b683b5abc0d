//! What a process had open before the agent looked.

use super::{host, sockets, ttys};
use crate::event::{Endpoint, Event, Holder, Origin, StreamId};

const O_NONBLOCK: u32 = 0o4000;

/// Descriptors of a process that decoders may need.
#[derive(Debug, Default)]
pub struct Snapshot {
    pub events: Vec<Event<'static>>,
    /// A tty or a non-blocking socket is among them: polls matter.
    pub polls_matter: bool,
}

/// Classifies the sockets and ttys that a process has open.
pub fn of(pid: u32, at: u64) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let descriptors = host::descriptors(pid);
    let has_sockets = descriptors.iter().any(|(_, link)| host::socket_inode(link).is_some());
    let sockets = if has_sockets { sockets::of(pid) } else { sockets::Sockets::default() };
    for (fd, link) in descriptors {
        let holder = Holder { tgid: pid, fd };
        if let Some(inode) = host::socket_inode(&link) {
            let known = sockets.connected.get(&inode);
            if (known.is_some() || sockets.listening.contains_key(&inode))
                && host::descriptor_flags(pid, fd) & O_NONBLOCK != 0
            {
                snapshot.polls_matter = true;
            }
            if let Some(ends) = known {
                snapshot.events.push(Event::Opened {
                    at,
                    holder,
                    stream: StreamId { identity: inode, generation: 0, tty: false },
                    endpoint: Endpoint::Tcp { local: ends.local, peer: ends.peer },
                    origin: Origin::Existing,
                });
            }
        } else if link.starts_with("/dev/") && ttys::is_terminal(pid, fd) {
            // Its stream is announced by the kernel side on first use: only it knows the open file's identity.
            snapshot.polls_matter = true;
        }
    }
    snapshot
}
