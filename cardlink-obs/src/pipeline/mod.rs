//! From events to observations: streams, decoders and trackers in a row. Deterministic: the same events give the same
//! observations, live or from a recording.

mod connects;
mod fuzz;
mod fuzz_admin;
mod modems;
mod pairs;
mod ports;
mod processes;
mod readers;
mod refine;
mod serving;
mod streams;
#[cfg(test)]
mod tests;
mod tracked;
mod unbound;
mod usb;

pub use fuzz::fuzz;
pub use fuzz_admin::fuzz_admin;

use crate::{
    event::{Event, Plain},
    observation::{Cause, DatabaseSystem, FunctionCall, Incomplete, Observation, Process, Stamp, TraceParent},
    stream::{Assembler, Direction, Entry, Item, Table, Transport},
    track::{
        AdbRuns, AtSettings, ConnectionSettings, Connects, Devices, Functions, Phones, Places, Returned, Sessions,
        Sqlite, TestRuns,
    },
};
use connects::Failure;
use modems::Modems;
use pairs::Pairs;
use ports::Ports;
use readers::Readers;
use serving::Serving;
use std::{collections::HashMap, sync::Arc, time::Duration};
use streams::tapped;
use tracked::{Tracked, Tracker, Wanted};
use unbound::Unbound;

/// How often trackers are told that time passes.
const TICK_EVERY: u64 = 250_000_000;

/// Target name of the agent's own figures.
pub const OWN_TARGET: &str = "cardlink-obs";

/// Limits and switches of the trackers.
#[derive(Debug, Clone)]
pub struct PipelineSettings {
    pub connection: ConnectionSettings,
    pub at: AtSettings,
    /// How long a session whose link dropped waits for its card.
    pub resume_window: Duration,
    /// How long after its trigger a session may begin; zero when none is looked for.
    pub trigger_window: Duration,
    /// Ports at which databases are expected, besides their own.
    pub databases: Vec<(u16, DatabaseSystem)>,
}

impl Default for PipelineSettings {
    fn default() -> Self {
        Self {
            connection: ConnectionSettings::default(),
            at: AtSettings::default(),
            resume_window: Duration::from_secs(30),
            trigger_window: Duration::from_mins(1),
            databases: Vec::new(),
        }
    }
}

/// What capture is asked to do about streams.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Orders {
    /// These ended: forget them.
    pub released: Vec<u64>,
    /// Nothing more is wanted of these.
    pub quiet: Vec<u64>,
    /// Every byte is wanted of these.
    pub whole: Vec<u64>,
    /// Every byte of this direction is wanted of these, and none of the other.
    pub one_way: Vec<(u64, Direction)>,
    /// Processes with a connection that cannot be read from the wire.
    pub needs_library: Vec<u32>,
}

/// The state of everything that is under way.
pub struct Pipeline {
    settings: PipelineSettings,
    processes: HashMap<u32, Arc<Process>>,
    /// Of the process that is told of next.
    trace_parent: Option<(u32, TraceParent)>,
    streams: Table<Tracked>,
    connections: u64,
    last_tick: u64,
    orders: Orders,
    pairs: Pairs,
    devices: Devices,
    sessions: Sessions,
    phones: Phones,
    adb_runs: AdbRuns,
    tapped: Vec<Event<'static>>,
    unbound: Unbound,
    serving: Serving,
    functions: Functions,
    modems: Modems,
    ports: Ports,
    readers: Readers,
    runs: TestRuns,
    sqlite: Sqlite,
    connects: Connects,
    places: Places,
}

impl Pipeline {
    pub fn new(settings: PipelineSettings) -> Self {
        Self {
            sessions: Sessions::new(settings.resume_window, settings.trigger_window),
            settings,
            processes: HashMap::new(),
            trace_parent: None,
            streams: Table::default(),
            connections: 0,
            last_tick: 0,
            orders: Orders::default(),
            pairs: Pairs::default(),
            devices: Devices::default(),
            phones: Phones::default(),
            adb_runs: AdbRuns::default(),
            tapped: Vec::new(),
            unbound: Unbound::default(),
            serving: Serving::default(),
            functions: Functions::default(),
            modems: Modems::default(),
            ports: Ports::default(),
            readers: Readers::default(),
            runs: TestRuns::default(),
            sqlite: Sqlite::default(),
            connects: Connects::default(),
            places: Places::default(),
        }
    }

    /// Other limits, for connections and ttys that are opened from now on.
    pub fn reconfigure(&mut self, settings: PipelineSettings) {
        self.sessions.set_windows(settings.resume_window, settings.trigger_window);
        self.settings = settings;
    }

    /// What capture is to do since this was last asked.
    pub fn take_orders(&mut self) -> Orders {
        std::mem::take(&mut self.orders)
    }

    /// The plaintext that was found since this was last asked, as events for a recorder.
    pub fn take_tapped(&mut self) -> Vec<Event<'static>> {
        std::mem::take(&mut self.tapped)
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
        self.refine(out, before, event.at());
        if let Event::Tick { now } = event {
            self.sessions.tick(Stamp::from_nanos(*now), out);
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
                let asks = data.write && !self.serving.is_idle();
                let entry = self.entry(data.holder, data.stream, data.call.exit, out);
                if let Some(entry) = entry {
                    let Entry { assembler, value, .. } = entry;
                    assembler.push(data, &mut |item| value.on(&item, out));
                    let (news, carries, number) = (value.news(), value.carries(asks), value.number());
                    let (found, needs_library) = value
                        .connection()
                        .map_or_else(Default::default, |tracker| (tracker.take_tapped(), tracker.needs_library()));
                    match news {
                        Some(Wanted::Nothing) => self.orders.quiet.push(data.stream.identity),
                        Some(Wanted::All) => self.orders.whole.push(data.stream.identity),
                        Some(Wanted::Only(direction)) => self.orders.one_way.push((data.stream.identity, direction)),
                        Some(Wanted::Some) | None => {}
                    }
                    if needs_library {
                        self.orders.needs_library.push(data.holder.tgid);
                    }
                    tapped(found, data.holder, data.stream, &mut self.tapped);
                    self.answered(number, out);
                    if let Some((connection, how)) = carries {
                        self.moved((data.holder.tgid, data.call.tid), &connection, data.write, data.call.enter, how);
                    }
                    self.unbound.wire(data);
                    self.bound_late(out);
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
                let failure = Failure { at: call.exit, enter: 0, holder: *holder, tid: call.tid, errno: *errno };
                self.failed_late(&failure, *stream, out);
            }
            Event::NotConnected { at, enter, holder, tid, stream, peer, errno } => {
                let failure = Failure { at: *at, enter: *enter, holder: *holder, tid: *tid, errno: *errno };
                self.not_connected(&failure, *stream, peer.as_ref(), out);
            }
            Event::Shutdown { holder, stream, call } => {
                self.item(*holder, *stream, *call, out, |assembler, call| Item::Shutdown(assembler.call(call)));
            }
            Event::Polled { holder, stream, call } => {
                self.item(*holder, *stream, *call, out, |assembler, call| Item::Polled(assembler.call(call)));
            }
            Event::Plain(plain) if plain.stream.identity == 0 => {
                self.unbound.plain(plain);
                self.bound_late(out);
            }
            Event::Plain(plain) => self.plain(plain, out),
            Event::Content { stream, call, note } => {
                if let Some(entry) = self.streams.find(*stream)
                    && let Some(tracker) = entry.value.connection()
                {
                    tracker.recorded(note, Assembler::call_beside(*call), out);
                }
            }
            Event::Transport { at, stream, round_trip, retransmits } => {
                if let Some(entry) = self.streams.find(*stream) {
                    let round_trip = (*round_trip > 0).then(|| Duration::from_nanos(*round_trip));
                    entry.value.on(
                        &Item::Transport(Transport {
                            at: Stamp::from_nanos(*at),
                            round_trip,
                            retransmits: *retransmits,
                        }),
                        out,
                    );
                }
            }
            Event::Closed { at, holder, stream, last, bytes_read, bytes_written } => {
                self.unbound.ending(stream.identity);
                self.bound_late(out);
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
            Event::Test { at, pid, note } => {
                let process = self.process(*pid);
                self.runs.note(&process, note, Stamp::from_nanos(*at), out);
            }
            Event::Report { at, pid, bytes } => {
                let process = self.process(*pid);
                self.runs.report(&process, bytes, Stamp::from_nanos(*at), out);
            }
            Event::Called { at, enter, pid, tid, name, nested } => {
                let call =
                    Returned { name, start: Stamp::from_nanos(*enter), end: Stamp::from_nanos(*at), nested: *nested };
                self.called(*pid, *tid, call, out);
            }
            Event::TtyNamed { path, name, serial, .. } => self.modems.named(path, name, serial.as_deref()),
            Event::TtyGone { at, path } => self.modems.gone(path, Stamp::from_nanos(*at), out),
            Event::Phone { at, name, serial, there } => out.push(usb::phone(*at, name, serial.as_deref(), *there)),
            Event::Sqlite { at, pid, tid, note } => {
                let process = self.process(*pid);
                let cause = Cause { session: self.session_of_thread(*pid, *tid), test: None };
                self.sqlite.note(&process, note, Stamp::from_nanos(*at), cause, &mut self.connections, out);
            }
            Event::Reader { at, name, serial, there } => {
                self.readers.plugged(Stamp::from_nanos(*at), name, serial.as_deref(), *there, out);
            }
            Event::Peer { stream, pid, comm, .. } => {
                if let Some(Entry { value: Tracked { tracker: Tracker::Local(tracker), .. }, .. }) =
                    self.streams.find(*stream)
                {
                    self.pairs.met(tracker.connection().number, *pid, comm);
                }
            }
            Event::Usb(transfer) => {
                if let Some(entry) = self.streams.find(transfer.stream) {
                    entry.value.transferred(transfer, out);
                }
            }
            Event::Line { at, holder, stream, settings } => self.line_set(*at, *holder, *stream, *settings, out),
            Event::Program { at, pid, note } => self.program(*at, *pid, note),
            Event::PortHeld { path, holders, .. } => self.ports.held(path, holders),
            Event::TraceContext { pid, parent, .. } => {
                self.trace_parent = parent.parse().ok().map(|parent| (*pid, parent));
            }
        }
    }

    /// A named function returned.
    fn called(&mut self, pid: u32, tid: u32, call: Returned<'_>, out: &mut Vec<Observation>) {
        let process = self.process(pid);
        let mut complete = Vec::new();
        self.functions.returned(&process, tid, call, &mut complete);
        if complete.is_empty() {
            return;
        }
        let cause = Cause { session: self.last_session_of_thread(pid, tid), ..Cause::default() };
        out.extend(complete.into_iter().map(|call| Observation::Function(Box::new(FunctionCall { cause, ..call }))));
    }

    /// Plaintext whose connection has become known.
    fn bound_late(&mut self, out: &mut Vec<Observation>) {
        for plain in self.unbound.take_ready() {
            self.plain(&plain, out);
        }
    }

    /// Plaintext of a library's call, or of a recording.
    fn plain(&mut self, plain: &Plain<'_>, out: &mut Vec<Observation>) {
        let Some(Entry { value, .. }) = self.streams.find(plain.stream) else { return };
        let Some(tracker) = value.connection() else { return };
        let direction = if plain.write { Direction::Write } else { Direction::Read };
        let missing = plain.total.saturating_sub(plain.bytes.len() as u64);
        let call = Assembler::call_beside(plain.call);
        tracker.plain(plain.source, direction, call, &plain.bytes, missing, out);
        let found = tracker.take_tapped();
        tapped(found, plain.holder, plain.stream, &mut self.tapped);
        if let Some((connection, how)) = value.carries(false) {
            self.moved((plain.holder.tgid, plain.call.tid), &connection, plain.write, plain.call.enter, how);
        }
    }

    /// The agent stops: everything that is open ends here.
    pub fn finish(&mut self, at: u64, out: &mut Vec<Observation>) {
        let before = out.len();
        self.connects.finish(out);
        for mut ended in self.streams.drain(at) {
            ended.value.finish(Stamp::from_nanos(at), out);
        }
        self.refine(out, before, at);
        self.sessions.finish(out);
        self.runs.finish(Stamp::from_nanos(at), out);
    }

    /// Events were lost: those of what is under way may be among them.
    fn lost(&mut self, at: u64, events: u64, out: &mut Vec<Observation>) {
        for entry in self.streams.iter_mut() {
            if let Some(tracker) = entry.value.connection() {
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

    fn tick(&mut self, now: u64, out: &mut Vec<Observation>) {
        if now.saturating_sub(self.last_tick) < TICK_EVERY {
            return;
        }
        self.last_tick = now;
        self.pairs.tick(now);
        self.serving.tick(now);
        self.runs.tick(Stamp::from_nanos(now));
        self.connects.tick(Stamp::from_nanos(now), out);
        let item = Item::Tick { now: Stamp::from_nanos(now) };
        for entry in self.streams.iter_mut() {
            entry.value.on(&item, out);
        }
        let ended = self.streams.expired(now);
        self.all_ended(ended, out);
    }
}
