//! From events to observations: streams, decoders and trackers in a row. Deterministic: the same events give the same
//! observations, live or from a recording.

mod fuzz;
mod pairs;

pub use fuzz::fuzz;

use crate::{
    event::{Endpoint, Event, Figures, Holder, Origin, ProcessOrigin, RawCall, StreamId},
    observation::{
        Blind, BlindWay, Connection, Incomplete, Observation, PeerAddress, Process, ProcessSample, Role, Stamp,
        TargetChange, TargetEvent, Tty,
    },
    protocol::at::AtVerdict,
    stream::{Assembler, Direction, Ended, Entry, Item, Table},
    track::{AtSettings, AtTracker, ConnectionSettings, ConnectionTracker},
};
use cardlink_obs_common::blind;
use pairs::Pairs;
use std::{collections::HashMap, sync::Arc, time::Duration};

/// How often trackers are told that time passes.
const TICK_EVERY: u64 = 250_000_000;

/// Target name of the agent's own figures.
pub const OWN_TARGET: &str = "cardlink-obs";

/// Limits and switches of the trackers.
#[derive(Debug, Clone, Default)]
pub struct PipelineSettings {
    pub connection: ConnectionSettings,
    pub at: AtSettings,
}

/// What capture is asked to do about streams.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Orders {
    /// These ended: forget them.
    pub released: Vec<u64>,
    /// Nothing more is wanted of these.
    pub quiet: Vec<u64>,
}

enum Tracked {
    Connection(Box<ConnectionTracker>),
    At { tracker: Box<AtTracker>, quiet: bool },
}

impl Tracked {
    fn on(&mut self, item: &Item<'_>, out: &mut Vec<Observation>) {
        match self {
            Self::Connection(tracker) => tracker.on(item, out),
            Self::At { tracker, .. } => tracker.on(item, out),
        }
    }
}

/// The state of everything that is under way.
#[derive(Default)]
pub struct Pipeline {
    settings: PipelineSettings,
    processes: HashMap<u32, Arc<Process>>,
    streams: Table<Tracked>,
    connections: u64,
    last_tick: u64,
    orders: Orders,
    pairs: Pairs,
}

impl Pipeline {
    pub fn new(settings: PipelineSettings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// What capture is to do since this was last asked.
    pub fn take_orders(&mut self) -> Orders {
        std::mem::take(&mut self.orders)
    }

    /// Whether a stream of this identity is open.
    pub fn knows(&self, identity: u64) -> bool {
        self.streams.knows(identity)
    }

    /// Streams that are open.
    pub fn open_streams(&self) -> usize {
        self.streams.len()
    }

    /// Takes in one event.
    pub fn handle(&mut self, event: &Event<'_>, out: &mut Vec<Observation>) {
        let before = out.len();
        self.take(event, out);
        for observation in out.iter_mut().skip(before) {
            match observation {
                Observation::ConnectionOpened(connection) => self.pairs.opened(connection),
                Observation::Handshake(handshake) => {
                    handshake.counted_elsewhere = self.pairs.counted_elsewhere(&handshake.connection);
                }
                Observation::ConnectionClosed(closed) => {
                    closed.counted_elsewhere = self.pairs.counted_elsewhere(&closed.connection);
                    self.pairs.closed(&closed.connection, event.at());
                }
                _ => {}
            }
        }
    }

    fn take(&mut self, event: &Event<'_>, out: &mut Vec<Observation>) {
        match event {
            Event::ProcessSeen { at, pid, comm, target, origin } => {
                self.process_seen(*at, *pid, comm, target, *origin, out);
            }
            Event::ProcessEnded { at, pid } => self.process_ended(*at, *pid, out),
            Event::Opened { at, holder, stream, endpoint, origin } => {
                self.opened(*at, *holder, *stream, Some(endpoint), *origin, out);
            }
            Event::Data(data) => {
                let entry = self.entry(data.holder, data.stream, data.call.exit, out);
                if let Some(entry) = entry {
                    let Entry { assembler, value, .. } = entry;
                    assembler.push(data, &mut |item| value.on(&item, out));
                    if let Tracked::At { tracker, quiet } = value
                        && !*quiet
                        && tracker.verdict() == AtVerdict::NotAt
                    {
                        *quiet = true;
                        self.orders.quiet.push(data.stream.identity);
                    }
                }
            }
            Event::Eof { holder, stream, call } => {
                self.item(*holder, *stream, *call, out, |assembler, call| Item::Eof(assembler.call(call)));
            }
            Event::Failed { holder, stream, call, write, errno } => {
                let direction = if *write { Direction::Write } else { Direction::Read };
                self.item(*holder, *stream, *call, out, |assembler, call| Item::Error {
                    direction,
                    call: assembler.call(call),
                    errno: *errno,
                });
            }
            Event::Shutdown { holder, stream, call } => {
                self.item(*holder, *stream, *call, out, |assembler, call| Item::Shutdown(assembler.call(call)));
            }
            Event::Polled { holder, stream, call } => {
                self.item(*holder, *stream, *call, out, |assembler, call| Item::Polled(assembler.call(call)));
            }
            Event::Closed { at, holder, stream, last, bytes_read, bytes_written } => {
                if let Some(ended) = self.streams.close(*holder, *stream, *at, *last) {
                    // After the last close the kernel side has forgotten it already, and its identity may be another's.
                    self.ended(ended, Some((*bytes_read, *bytes_written)), !*last, out);
                }
            }
            Event::ClosedRange { at, tgid, first, last } => {
                let ended = self.streams.close_range(*tgid, *first, *last, *at);
                self.all_ended(ended, out);
            }
            Event::Held { at, tgid, fds } => {
                let ended = self.streams.retain(*tgid, fds, *at);
                self.all_ended(ended, out);
            }
            Event::Blind { at, pid, way } => self.blind(*at, *pid, *way, out),
            Event::Sample { at, pid, own, figures } => self.sample(*at, *pid, *own, *figures, out),
            Event::Lost { at, events } => self.lost(*at, *events, out),
            Event::Tick { now } => self.tick(*now, out),
        }
    }

    /// The agent stops: everything that is open ends here.
    pub fn finish(&mut self, at: u64, out: &mut Vec<Observation>) {
        for ended in self.streams.drain(at) {
            if let Tracked::Connection(mut tracker) = ended.value {
                tracker.finish(Stamp::from_nanos(at), out);
            }
        }
    }

    /// Events were lost: those of what is under way may be among them.
    fn lost(&mut self, at: u64, events: u64, out: &mut Vec<Observation>) {
        for entry in self.streams.iter_mut() {
            if let Tracked::Connection(tracker) = &mut entry.value {
                tracker.may_lack();
            }
        }
        // None: what was told before matters here, too.
        if events > 0 {
            out.push(Observation::Incomplete(Box::new(Incomplete {
                at: Stamp::from_nanos(at),
                target: Arc::from(""),
                source: "ring",
                bytes: 0,
            })));
        }
    }

    fn process_seen(
        &mut self,
        at: u64,
        pid: u32,
        comm: &str,
        target: &str,
        origin: ProcessOrigin,
        out: &mut Vec<Observation>,
    ) {
        let process = Arc::new(Process { pid, comm: Arc::from(comm), target: Arc::from(target) });
        self.processes.insert(pid, Arc::clone(&process));
        let event = match origin {
            ProcessOrigin::Found => TargetEvent::Found,
            ProcessOrigin::Forked { parent } => {
                self.streams.fork(parent, pid);
                TargetEvent::Started
            }
            ProcessOrigin::Exec => TargetEvent::Started,
        };
        out.push(Observation::Target(Box::new(TargetChange { at: Stamp::from_nanos(at), process, event })));
    }

    fn process_ended(&mut self, at: u64, pid: u32, out: &mut Vec<Observation>) {
        let ended = self.streams.process_ended(pid, at);
        self.all_ended(ended, out);
        if let Some(process) = self.processes.remove(&pid) {
            let change = TargetChange { at: Stamp::from_nanos(at), process, event: TargetEvent::Ended };
            out.push(Observation::Target(Box::new(change)));
        }
    }

    fn process(&self, pid: u32) -> Arc<Process> {
        self.processes
            .get(&pid)
            .cloned()
            .unwrap_or_else(|| Arc::new(Process { pid, comm: Arc::from("unknown"), target: Arc::from("unknown") }))
    }

    fn opened(
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
                let tty = Arc::new(Tty { process, path: Arc::from(path) });
                return Tracked::At { tracker: Box::new(AtTracker::new(tty, settings.at)), quiet: false };
            }
            let connection = connection(number, process, endpoint, origin, at);
            made = Some(Arc::clone(&connection));
            Tracked::Connection(Box::new(ConnectionTracker::new(connection, settings.connection)))
        });
        self.all_ended(ended, out);
        if let Some(connection) = made {
            self.connections = number;
            out.push(Observation::ConnectionOpened(connection));
        }
    }

    /// The stream of an event; one whose opening was lost is made now.
    fn entry(
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

    fn item(
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

    fn all_ended(&mut self, ended: Vec<Ended<Tracked>>, out: &mut Vec<Observation>) {
        for one in ended {
            self.ended(one, None, true, out);
        }
    }

    fn ended(
        &mut self,
        mut ended: Ended<Tracked>,
        bytes: Option<(u64, u64)>,
        release: bool,
        out: &mut Vec<Observation>,
    ) {
        let before = out.len();
        let (read, written) = bytes.unwrap_or_else(|| ended.assembler.positions());
        let lacking = ended.assembler.lacking(read, written);
        if let Tracked::Connection(tracker) = &mut ended.value
            && (ended.unseen || lacking > 0)
            && tracker.may_lack()
        {
            out.push(tracker.incomplete(Stamp::from_nanos(ended.at), lacking));
        }
        ended.value.on(&Item::Closed { at: Stamp::from_nanos(ended.at) }, out);
        // The kernel counted what it did not tell.
        for observation in out.iter_mut().skip(before) {
            if let Observation::ConnectionClosed(closed) = observation {
                closed.bytes_read = closed.bytes_read.max(read);
                closed.bytes_written = closed.bytes_written.max(written);
                closed.incomplete |= ended.assembler.lost();
            }
        }
        if release {
            self.orders.released.push(ended.id.identity);
        }
    }

    fn blind(&self, at: u64, pid: u32, way: i64, out: &mut Vec<Observation>) {
        let way = match way {
            blind::IO_URING => BlindWay::IoUring,
            blind::KERNEL_TLS => BlindWay::KernelTls,
            blind::SENDFILE => BlindWay::Sendfile,
            _ => BlindWay::Splice,
        };
        out.push(Observation::Blind(Box::new(Blind { at: Stamp::from_nanos(at), process: self.process(pid), way })));
    }

    fn sample(&self, at: u64, pid: u32, own: bool, figures: Figures, out: &mut Vec<Observation>) {
        let process = if own {
            Arc::new(Process { pid, comm: Arc::from(OWN_TARGET), target: Arc::from(OWN_TARGET) })
        } else {
            self.process(pid)
        };
        out.push(Observation::Process(Box::new(ProcessSample {
            at: Stamp::from_nanos(at),
            process,
            cpu: Duration::from_nanos(figures.cpu),
            rss_bytes: figures.rss,
            vms_bytes: figures.vms,
            open_fds: figures.open_fds,
            threads: figures.threads,
            voluntary_switches: figures.voluntary_switches,
            involuntary_switches: figures.involuntary_switches,
            read_bytes: figures.read_bytes,
            written_bytes: figures.written_bytes,
            uptime: Duration::from_nanos(figures.uptime),
        })));
    }

    fn tick(&mut self, now: u64, out: &mut Vec<Observation>) {
        if now.saturating_sub(self.last_tick) < TICK_EVERY {
            return;
        }
        self.last_tick = now;
        self.pairs.tick(now);
        let item = Item::Tick { now: Stamp::from_nanos(now) };
        for entry in self.streams.iter_mut() {
            entry.value.on(&item, out);
        }
        let ended = self.streams.expired(now);
        self.all_ended(ended, out);
    }
}

fn connection(
    number: u64,
    process: Arc<Process>,
    endpoint: Option<&Endpoint>,
    origin: Origin,
    at: u64,
) -> Arc<Connection> {
    let (local, peer) = match endpoint {
        Some(Endpoint::Tcp { local, peer }) => (Some(PeerAddress::Ip(*local)), Some(PeerAddress::Ip(*peer))),
        _ => (None, None),
    };
    let at = Stamp::from_nanos(at);
    let (role, opened) = match origin {
        Origin::Existing => (None, None),
        Origin::Accepted => (Some(Role::Server), Some(at)),
        Origin::Connected => (Some(Role::Client), Some(at)),
    };
    Arc::new(Connection { number, process, local, peer, role, opened, first_seen: at })
}
