//! What a process had open before the agent looked.

use super::{host, sockets};
use crate::event::{Endpoint, Event, Holder, Origin, StreamId};

/// The connected TCP sockets of a process. Its ttys are announced by the kernel side on first use: only it knows the
/// identity of an open file.
pub fn of(pid: u32, at: u64) -> Vec<Event<'static>> {
    let held: Vec<(i32, u64)> =
        host::descriptors(pid).into_iter().filter_map(|(fd, link)| Some((fd, host::socket_inode(&link)?))).collect();
    if held.is_empty() {
        return Vec::new();
    }
    let sockets = sockets::of(pid);
    held.into_iter()
        .filter_map(|(fd, inode)| {
            let ends = sockets.connected.get(&inode)?;
            Some(Event::Opened {
                at,
                holder: Holder { tgid: pid, fd },
                stream: StreamId { identity: inode, generation: 0, tty: false },
                endpoint: Endpoint::Tcp { local: ends.local, peer: ends.peer },
                origin: Origin::Existing,
            })
        })
        .collect()
}
