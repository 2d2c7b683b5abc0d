//! What stands behind a stream: the tracker of what is spoken there, and what capture was told to do about its bytes.

use crate::{
    event::UsbTransfer,
    observation::{Observation, Stamp},
    protocol::at::{AtVerdict, Mode},
    stream::{Direction, Item},
    track::{AtTracker, Ccid, ConnectionTracker, Dialogues, UsbTransfer as Transfer},
};

pub(super) struct Tracked {
    pub tracker: Tracker,
    /// What capture was told last.
    wanted: Wanted,
}

pub(super) enum Tracker {
    Connection(Box<ConnectionTracker>),
    At(Box<AtTracker>),
    /// A unix-domain socket: neither TLS nor HTTP are looked for.
    Local(Box<Dialogues>),
    /// A card reader whose driver is watched.
    Reader(Box<Ccid>),
    /// A device that is none of those.
    Nothing,
}

/// What is wanted of the bytes of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// As many as the kernel side tells by itself.
    Some,
    All,
    /// One direction, and none of the other.
    Only(Direction),
    Nothing,
}

impl Tracked {
    pub const fn new(tracker: Tracker) -> Self {
        Self { tracker, wanted: Wanted::Some }
    }

    pub fn on(&mut self, item: &Item<'_>, out: &mut Vec<Observation>) {
        match &mut self.tracker {
            Tracker::Connection(tracker) => tracker.on(item, out),
            Tracker::At(tracker) => tracker.on(item, out),
            Tracker::Local(tracker) => tracker.on(item, out),
            Tracker::Reader(tracker) => {
                if let Item::Closed { at } = item {
                    tracker.closed(*at, out);
                }
            }
            Tracker::Nothing => {}
        }
    }

    /// What is wanted of its bytes from now on, when that has changed. What is not wanted is never wanted again.
    pub fn news(&mut self) -> Option<Wanted> {
        let wanted = match &self.tracker {
            _ if self.wanted == Wanted::Nothing => return None,
            Tracker::Connection(tracker) if tracker.is_unwanted() => Wanted::Nothing,
            Tracker::Connection(tracker) if tracker.speaks().is_some() => of_dialogue(tracker.wants_only()),
            Tracker::At(tracker) if tracker.verdict() == AtVerdict::NotAt || tracker.mode() == Mode::Multiplexed => {
                Wanted::Nothing
            }
            Tracker::Local(tracker) if tracker.is_unwanted() => Wanted::Nothing,
            Tracker::Local(tracker) if tracker.speaks().is_some() => of_dialogue(tracker.wants_only()),
            Tracker::Connection(_) | Tracker::At(_) | Tracker::Local(_) | Tracker::Reader(_) | Tracker::Nothing => {
                self.wanted
            }
        };
        (wanted != self.wanted).then(|| {
            self.wanted = wanted;
            wanted
        })
    }

    /// The agent stops.
    pub fn finish(&mut self, at: Stamp, out: &mut Vec<Observation>) {
        match &mut self.tracker {
            Tracker::Connection(tracker) => tracker.finish(at, out),
            Tracker::Local(tracker) => tracker.finish(at, out),
            Tracker::At(_) | Tracker::Reader(_) | Tracker::Nothing => {}
        }
    }

    /// A transfer of a USB device.
    pub fn transferred(&mut self, transfer: &UsbTransfer<'_>, out: &mut Vec<Observation>) {
        if let Tracker::Reader(tracker) = &mut self.tracker {
            let missing = transfer.total.saturating_sub(transfer.bytes.len() as u64);
            tracker.transferred(
                &Transfer {
                    at: Stamp::from_nanos(transfer.at),
                    write: transfer.write,
                    interrupt: transfer.interrupt,
                    errno: transfer.errno,
                    bytes: &transfer.bytes,
                    missing: usize::try_from(missing).unwrap_or(usize::MAX),
                },
                out,
            );
        }
    }

    /// The number of its connection.
    pub fn number(&self) -> Option<u64> {
        match &self.tracker {
            Tracker::Connection(tracker) => Some(tracker.connection().number),
            Tracker::Local(tracker) => Some(tracker.connection().number),
            Tracker::At(_) | Tracker::Reader(_) | Tracker::Nothing => None,
        }
    }

    /// The tracker, when it is that of a connection that may be TLS.
    pub fn connection(&mut self) -> Option<&mut ConnectionTracker> {
        match &mut self.tracker {
            Tracker::Connection(tracker) => Some(tracker),
            Tracker::At(_) | Tracker::Local(_) | Tracker::Reader(_) | Tracker::Nothing => None,
        }
    }
}

fn of_dialogue(only: Option<Direction>) -> Wanted {
    only.map_or(Wanted::All, Wanted::Only)
}
