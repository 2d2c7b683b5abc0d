//! What a descriptor is: looked up, or found out on its first sight.

use crate::{
    emit::{Source, emit},
    kernel::{self, File, Kind},
    ledger::settle,
    maps::{BLANK_STREAM, FDS, LAYOUT, POLICY, STREAMS, TARGETS, TTY_MAJORS},
    task::Caller,
    unix,
};
use cardlink_obs_common::{Descriptor, FdKey, FdRef, StreamState, class, fate, flag, how, kind, mode};
use core::ptr;

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const SOCK_STREAM: u16 = 1;
const TCP_CLOSE: u8 = 7;
const TCP_LISTEN: u8 = 10;
/// Devices of usbfs (`USB_DEVICE_MAJOR`).
const USB_MAJOR: u32 = 189;

/// A descriptor whose stream is tracked.
#[derive(Clone, Copy)]
pub struct Stream {
    pub identity: u64,
    pub state: *mut StreamState,
}

/// The tracked stream behind a descriptor; `None` when nothing needs it.
#[inline(always)]
pub fn stream(caller: Caller, fd: i32, how: u8) -> Option<Stream> {
    let key = FdKey { tgid: caller.tgid, fd };
    if let Some(found) = FDS.get_ptr(&key) {
        // SAFETY: a map value that is there.
        let found = unsafe { *found };
        if found.epoch == caller.epoch() {
            if found.class == class::IGNORED || found.class == class::EPOLL || found.class == class::REPORT {
                return None;
            }
            if let Some(state) = STREAMS.get_ptr_mut(&found.identity) {
                return Some(Stream { identity: found.identity, state });
            }
        }
    }
    first_sight(caller, fd, how)
}

/// Forgets what a descriptor was: the next use of the number looks again.
#[inline(always)]
pub fn forget(caller: Caller, fd: i32) -> Option<FdRef> {
    let key = FdKey { tgid: caller.tgid, fd };
    let found = FDS.get_ptr(&key)?;
    // SAFETY: a map value that is there.
    let found = unsafe { *found };
    let _ = FDS.remove(&key);
    Some(found)
}

/// Nobody holds the stream any more: nothing is kept of it.
#[inline(always)]
pub fn end_stream(identity: u64) {
    let _ = STREAMS.remove(&identity);
    let _ = POLICY.remove(&identity);
}

#[inline(never)]
fn first_sight(caller: Caller, fd: i32, how: u8) -> Option<Stream> {
    let file = File::of(fd)?;
    let (file_kind, inode) = file.kind()?;
    let mut descriptor = Descriptor {
        class: class::IGNORED,
        how,
        family: 0,
        local_port: 0,
        peer_port: 0,
        rdev: 0,
        file_flags: 0,
        local: [0; 16],
        peer: [0; 16],
    };
    let mut identity = inode;
    let mut local = None;
    match file_kind {
        Kind::Socket => {
            if let Some(found) = unix::connected(file) {
                descriptor.class = class::UNIX;
                local = Some(found);
            } else if socket(file, &mut descriptor).is_none() {
                // A listener, a socket before connect, or one of a kind that no decoder reads. The first two
                // become something else later: only the last is remembered.
                if descriptor.family == 0 {
                    return None;
                }
                descriptor.class = class::IGNORED;
            }
        }
        Kind::Character { rdev } => {
            if is_terminal(rdev) {
                descriptor.class = class::TTY;
                descriptor.rdev = rdev;
                identity = file.0;
            } else if rdev >> 20 == USB_MAJOR {
                descriptor.class = class::USB;
                descriptor.rdev = rdev;
                identity = file.0;
            }
        }
        Kind::Other => {}
    }
    let found = FdRef { identity, epoch: caller.epoch(), class: descriptor.class, reserved: [0; 7] };
    if FDS.insert(&FdKey { tgid: caller.tgid, fd }, &found, 0).is_err() {
        settle(fate::TABLE_FULL);
        return None;
    }
    if descriptor.class == class::IGNORED {
        return None;
    }
    descriptor.file_flags = file.flags();
    if descriptor.class == class::TTY {
        remember_tty(caller, fd);
    }
    let mut header = caller.header(kind::OPEN, fd);
    header.identity = identity;
    if descriptor.class == class::TTY {
        header.flags |= flag::TTY;
    }
    // What was accepted is new, even where the end of the connection that had this inode before was lost.
    if how == how::ACCEPTED || STREAMS.get_ptr(&identity).is_none() {
        let blank = BLANK_STREAM.get(0)?;
        if STREAMS.insert(&identity, blank, 0).is_err() {
            settle(fate::TABLE_FULL);
            return None;
        }
        let new = STREAMS.get_ptr_mut(&identity)?;
        // SAFETY: a map value that is there.
        unsafe {
            (*new).generation = header.exit_ns;
            (*new).class = descriptor.class;
            (*new).mode = match descriptor.class {
                class::TTY => mode::BYTES,
                class::UNIX | class::USB => mode::OTHER,
                _ => mode::UNDECIDED,
            };
        }
    }
    let state = STREAMS.get_ptr_mut(&identity)?;
    // SAFETY: a map value that is there.
    header.generation = unsafe { (*state).generation };
    if let Some(found) = local {
        unix::tell(&mut header, &found, how);
    } else {
        emit(&header, Source::Kernel(ptr::from_ref(&descriptor).cast()), size_of::<Descriptor>() as u32);
    }
    Some(Stream { identity, state })
}

/// Fills in a connected TCP socket; `None` for everything else, with the family set when it will never be one.
#[inline(always)]
fn socket(file: File, descriptor: &mut Descriptor) -> Option<()> {
    let layout = LAYOUT.load();
    let (socket_type, sk) = file.sock()?;
    let family: u16 = kernel::read(sk, layout.sk_family)?;
    if socket_type != SOCK_STREAM || (family != AF_INET && family != AF_INET6) {
        descriptor.family = family;
        return None;
    }
    let state: u8 = kernel::read(sk, layout.sk_state)?;
    let peer_port: u16 = kernel::read(sk, layout.sk_peer_port)?;
    // One that could not be connected keeps its peer's address.
    if state == TCP_LISTEN || peer_port == 0 || (state == TCP_CLOSE && descriptor.how == how::SEEN) {
        return None;
    }
    descriptor.class = class::TCP;
    descriptor.family = family;
    descriptor.peer_port = u16::from_be(peer_port);
    descriptor.local_port = kernel::read(sk, layout.sk_local_port)?;
    if family == AF_INET {
        let peer: [u8; 4] = kernel::read(sk, layout.sk_peer_v4)?;
        let local: [u8; 4] = kernel::read(sk, layout.sk_local_v4)?;
        descriptor.peer[0] = peer[0];
        descriptor.peer[1] = peer[1];
        descriptor.peer[2] = peer[2];
        descriptor.peer[3] = peer[3];
        descriptor.local[0] = local[0];
        descriptor.local[1] = local[1];
        descriptor.local[2] = local[2];
        descriptor.local[3] = local[3];
    } else {
        descriptor.peer = kernel::read(sk, layout.sk_peer_v6)?;
        descriptor.local = kernel::read(sk, layout.sk_local_v6)?;
    }
    Some(())
}

#[inline(always)]
fn is_terminal(rdev: u32) -> bool {
    TTY_MAJORS.get(rdev >> 20).is_some_and(|is| *is != 0)
}

/// Keeps the descriptor where polls look for it.
#[inline(always)]
fn remember_tty(caller: Caller, fd: i32) {
    // SAFETY: a map value that is there.
    let slots = unsafe { &mut (*caller.target).tty_fds };
    if slots[0] == fd || slots[1] == fd || slots[2] == fd || slots[3] == fd {
        return;
    }
    if slots[0] < 0 {
        slots[0] = fd;
    } else if slots[1] < 0 {
        slots[1] = fd;
    } else if slots[2] < 0 {
        slots[2] = fd;
    } else {
        slots[3] = fd;
    }
}

/// Takes a closed tty out of the set that polls look for.
#[inline(always)]
pub fn forget_tty(caller: Caller, fd: i32) {
    // SAFETY: a map value that is there.
    let slots = unsafe { &mut (*caller.target).tty_fds };
    if slots[0] == fd {
        slots[0] = -1;
    }
    if slots[1] == fd {
        slots[1] = -1;
    }
    if slots[2] == fd {
        slots[2] = -1;
    }
    if slots[3] == fd {
        slots[3] = -1;
    }
}

/// Bumps the epoch: every descriptor of this process is looked at again on its next use.
#[inline(always)]
pub fn look_again(tgid: u32, epoch: u64) {
    if let Some(target) = TARGETS.get_ptr_mut(&tgid) {
        // SAFETY: a map value that is there.
        unsafe { (*target).epoch = epoch };
    }
}
