//! Streams begin, go on and end: who follows them, and who is told.

use super::{
    Pipeline,
    tracked::{Tracked, Tracker},
};
use crate::{
    event::{Endpoint, Event, Holder, Origin, Plain, RawCall, StreamId, Termios},
    observation::{Connection, Observation, PeerAddress, Process, Role, Stamp},
    protocol::termios,
    stream::{Assembler, Direction, Ended, Entry, Item},
    track::{AtTracker, ConnectionTracker, Dialogues, Tap, Tapped},
};
use std::{net::SocketAddr, sync::Arc};

impl Pipeline {
    pub(super) fn opened(
        &mut self,
        at: u64,
        holder: Holder,
        id: StreamId,
        endpoint: Option<&Endpoint>,
        origin: Origin,
        out: &mut Vec<Observation>,
    ) {
        let process = self.process(holder.tgid);
        let number = self.connections + 1;
        let settings = &self.settings;
        let mut made = None;
        let ended = self.streams.open(holder, id, at, || {
            let path = match endpoint {
                Some(Endpoint::Tty { path }) => Some(path.as_str()),
                None if id.tty => Some("unknown"),
                _ => None,
            };
            if let Some(path) = path {
                self.ports.opened(path, id.identity, &process);
                let tty = Arc::new(self.modems.tty(process, path));
                return Tracked::new(Tracker::At(Box::new(AtTracker::new(tty, settings.at))));
            }
            if let Some(Endpoint::Usb { name, serial, reader }) = endpoint {
                return Tracked::new(self.readers.driven(process, name, serial.as_deref(), *reader));
            }
            let connection = connection(number, process, endpoint, origin, at);
            made = Some(Arc::clone(&connection));
            Tracked::new(if let Some(Endpoint::Unix { .. }) = endpoint {
                Tracker::Local(Box::new(Dialogues::new(connection, settings.connection.dialogue)))
            } else {
                Tracker::Connection(Box::new(ConnectionTracker::new(connection, settings.connection.clone())))
            })
        });
        self.all_ended(ended, out);
        if let Some(connection) = made {
            self.connections = number;
            self.pairs.opened(&connection);
            self.connects.opened(&connection);
            if !matches!(endpoint, Some(Endpoint::Unix { .. })) {
                out.push(Observation::ConnectionOpened(connection));
            }
        }
    }

    /// The stream of an event; one whose opening was lost is made now.
    pub(super) fn entry(
        &mut self,
        holder: Holder,
        id: StreamId,
        at: u64,
        out: &mut Vec<Observation>,
    ) -> Option<&mut Entry<Tracked>> {
        if self.streams.find(id).is_none() {
            self.opened(at, holder, id, None, Origin::Existing, out);
        }
        self.streams.find(id)
    }

    pub(super) fn item(
        &mut self,
        holder: Holder,
        id: StreamId,
        call: RawCall,
        out: &mut Vec<Observation>,
        make: impl FnOnce(&mut Assembler, RawCall) -> Item<'static>,
    ) {
        if let Some(entry) = self.entry(holder, id, call.exit, out) {
            let item = make(&mut entry.assembler, call);
            entry.value.on(&item, out);
        }
    }

    /// A program changed the settings of a tty.
    pub(super) fn line_set(
        &mut self,
        at: u64,
        holder: Holder,
        id: StreamId,
        asked: Termios,
        out: &mut Vec<Observation>,
    ) {
        if let Some(entry) = self.entry(holder, id, at, out)
            && let Tracker::At(tracker) = &mut entry.value.tracker
        {
            let settings = termios::settings(asked.input, asked.control, asked.speed);
            tracker.line_set(settings, Stamp::from_nanos(at), out);
        }
    }

    pub(super) fn all_ended(&mut self, ended: Vec<Ended<Tracked>>, out: &mut Vec<Observation>) {
        for one in ended {
            self.ended(one, None, true, out);
        }
    }

    pub(super) fn ended(
        &mut self,
        mut ended: Ended<Tracked>,
        bytes: Option<(u64, u64)>,
        release: bool,
        out: &mut Vec<Observation>,
    ) {
        let before = out.len();
        let (read, written) = bytes.unwrap_or_else(|| ended.assembler.positions());
        let lacking = ended.assembler.lacking(read, written);
        if let Some(tracker) = ended.value.connection()
            && (ended.unseen || lacking > 0)
            && tracker.may_lack()
        {
            out.push(tracker.incomplete(Stamp::from_nanos(ended.at), lacking));
        }
        ended.value.on(&Item::Closed { at: Stamp::from_nanos(ended.at) }, out);
        match &mut ended.value.tracker {
            Tracker::Reader(_) | Tracker::Nothing => {}
            Tracker::Connection(tracker) => {
                if let Some(script) = tracker.take_left() {
                    self.sessions.left(tracker.connection().number, script);
                }
                self.serving.ended(tracker.connection().number, ended.at);
            }
            Tracker::Local(tracker) => {
                self.serving.ended(tracker.connection().number, ended.at);
                self.pairs.closed(tracker.connection(), ended.at);
                self.devices.closed(tracker.connection().number);
            }
            Tracker::At(_) => self.ports.closed(ended.id.identity),
        }
        // The kernel counted what it did not tell.
        for observation in out.iter_mut().skip(before) {
            if let Observation::ConnectionClosed(closed) = observation {
                closed.bytes_read = closed.bytes_read.max(read);
                closed.bytes_written = closed.bytes_written.max(written);
                closed.incomplete |= ended.assembler.lost();
            }
        }
        self.answered(ended.value.number(), out);
        self.unbound.ended(ended.id.identity);
        if release {
            self.orders.released.push(ended.id.identity);
        }
    }
}

/// Moves what a recorder is to know to the events for it.
pub(super) fn tapped(found: Vec<Tapped>, holder: Holder, stream: StreamId, events: &mut Vec<Event<'static>>) {
    for Tapped { call, what } in found {
        let call = RawCall { enter: call.enter.as_nanos(), exit: call.exit.as_nanos(), tid: call.tid, polled: 0 };
        events.push(match what {
            Tap::Note(note) => Event::Content { stream, call, note },
            Tap::Plain { source, direction, bytes } => Event::Plain(Plain {
                holder,
                stream,
                session: 0,
                call,
                write: direction == Direction::Write,
                source,
                offset: 0,
                total: bytes.len() as u64,
                bytes: bytes.into(),
            }),
        });
    }
}

/// Ports that Linux gives to who asks and does not care which (`net.ipv4.ip_local_port_range`, as it is unless somebody sets it).
const GIVEN: std::ops::RangeInclusive<u16> = 32_768..=60_999;

/// Of a connection whose beginning was not seen: who has a port that was given to it has asked for the connection, where the other
/// has one that it has chosen.
fn role_by_ports(local: SocketAddr, peer: SocketAddr) -> Option<Role> {
    match (GIVEN.contains(&local.port()), GIVEN.contains(&peer.port())) {
        (true, false) => Some(Role::Client),
        (false, true) => Some(Role::Server),
        _ => None,
    }
}

fn connection(
    number: u64,
    process: Arc<Process>,
    endpoint: Option<&Endpoint>,
    origin: Origin,
    at: u64,
) -> Arc<Connection> {
    let at = Stamp::from_nanos(at);
    let (mut role, opened) = match origin {
        Origin::Existing => (None, None),
        Origin::Accepted => (Some(Role::Server), Some(at)),
        Origin::Connected => (Some(Role::Client), Some(at)),
    };
    let (local, peer) = match endpoint {
        Some(Endpoint::Tcp { local, peer }) => {
            role = role.or_else(|| role_by_ports(*local, *peer));
            (Some(PeerAddress::Ip(*local)), Some(PeerAddress::Ip(*peer)))
        }
        Some(Endpoint::Unix { path, named, own, peer }) => {
            // Who connects rarely has a name, who listens always.
            role = role.or(Some(if *named { Role::Server } else { Role::Client }));
            let name = |has: bool| has.then(|| Arc::from(path.as_str()));
            (
                Some(PeerAddress::Unix { path: name(*named), socket: *own }),
                Some(PeerAddress::Unix { path: name(!*named), socket: *peer }),
            )
        }
        _ => (None, None),
    };
    Arc::new(Connection { number, process, local, peer, role, opened, first_seen: at })
}
