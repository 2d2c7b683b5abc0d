//! Operations on one connection between a client and the adb server.
//!
//! Choosing a device, and opening a synchronisation, are parts of the operation that follows: they are told only when they
//! fail, or when nothing follows.

mod fuzz;
mod phones;
mod runs;
#[cfg(test)]
mod tests;

pub use fuzz::fuzz;
pub use phones::Phones;
pub use runs::Runs;

use super::dialogue::{Dialogue, Kind, Recognition};
use crate::{
    observation::{
        AdbOperation, AdbResult, Cause, Chosen, Connection, Device, DeviceType, ListedPhone, Observation, PhoneList,
        Role, SerialNumber, Stamp,
    },
    protocol::adb::{Asked, Event, Outcome, Reader, Selector, looks_like_adb, operation},
    stream::{Call, Chunk, Direction, Item},
};
use std::{collections::VecDeque, sync::Arc};

/// How it is recognised.
pub const KIND: Kind = Kind {
    name: "adb",
    recognise: |first| match looks_like_adb(first.bytes) {
        Some(true) => Recognition::Yes,
        Some(false) => Recognition::No,
        None => Recognition::More,
    },
    begin: |connection, _| Box::new(AdbTracker::new(connection)),
};

/// What phones are called, beside their serial numbers.
pub const PHONE: &str = "phone";

/// A phone by its serial number.
pub fn phone(serial: Vec<u8>) -> Device {
    Device { kind: DeviceType::Phone, name: Arc::from(PHONE), serial: Some(SerialNumber::new(serial)) }
}

/// Follows one connection.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing of its own that has happened")]
pub struct AdbTracker {
    connection: Arc<Connection>,
    reader: Reader,
    /// The way that requests go, seen from the watched program; the client speaks first.
    requests: Option<Direction>,
    waiting: VecDeque<Waiting>,
    /// When the first byte of the next request moved.
    begun: Option<Stamp>,
    /// What led to the request that follows.
    lead: Option<AdbOperation>,
    chosen: Option<Chosen>,
    device: Option<Arc<Device>>,
    /// The client has closed its side.
    client_left: bool,
    reset: bool,
    incomplete: bool,
    closed: bool,
}

#[derive(Debug)]
struct Waiting {
    operation: AdbOperation,
    /// It was granted, and goes on until one side closes.
    streams: bool,
}

impl AdbTracker {
    pub fn new(connection: Arc<Connection>) -> Self {
        let requests = connection.role.map(|role| match role {
            Role::Server => Direction::Read,
            Role::Client => Direction::Write,
        });
        Self {
            connection,
            reader: Reader::new(),
            requests,
            waiting: VecDeque::new(),
            begun: None,
            lead: None,
            chosen: None,
            device: None,
            client_left: false,
            reset: false,
            incomplete: false,
            closed: false,
        }
    }

    fn is_server(&self) -> bool {
        self.requests == Some(Direction::Read)
    }

    fn data(&mut self, chunk: &Chunk<'_>, out: &mut Vec<Observation>) {
        let from_client = chunk.direction == *self.requests.get_or_insert(chunk.direction);
        let mut events = Vec::new();
        self.reader.feed(from_client, chunk.bytes, &mut |event| events.push(event));
        for event in events {
            self.event(event, chunk.direction, chunk.call, out);
        }
    }

    fn event(&mut self, event: Event, direction: Direction, call: Call, out: &mut Vec<Observation>) {
        match event {
            Event::Begins => self.begun = Some(call.start(direction)),
            Event::Asked(asked) => {
                let start = self.begun.take().unwrap_or_else(|| call.start(direction));
                self.asked(asked, start);
            }
            Event::Answers => {
                if let Some(waiting) = self.waiting.back_mut() {
                    waiting.operation.first_byte.get_or_insert(call.exit);
                }
            }
            Event::Chosen(number) => {
                if self.device.is_none() {
                    self.chosen = Some(Chosen::Transport(number));
                }
            }
            Event::Ended(outcome) => {
                if let Some(waiting) = self.waiting.pop_front() {
                    self.ended(waiting.operation, result(outcome), call.exit, out);
                }
            }
            Event::Streams => {
                if let Some(waiting) = self.waiting.back_mut() {
                    waiting.streams = true;
                }
            }
            Event::Devices(listed) => {
                let phones = listed.into_iter().map(|one| ListedPhone {
                    device: Arc::new(phone(one.serial)),
                    state: one.state,
                    transport: one.transport,
                });
                let phones = phones.collect();
                self.tell_phones(phones, call.exit, out);
            }
            Event::Lost => {
                self.incomplete = true;
                self.all_end(AdbResult::Unknown, call.exit, out);
            }
        }
    }

    fn asked(&mut self, asked: Asked, start: Stamp) {
        let (device, chosen) = match asked.selector {
            Selector::Serial(serial) => (Some(Arc::new(phone(serial))), None),
            Selector::Any => (None, Some(Chosen::Any)),
            Selector::Transport(number) => (None, Some(Chosen::Transport(number))),
            // For what was chosen before, if anything.
            Selector::None => (self.device.clone(), self.chosen),
        };
        if leads(asked.operation) && self.lead.is_none() {
            (self.device, self.chosen) = (device.clone(), chosen);
        }
        let start = self.lead.take().filter(|_| asked.timed).map_or(start, |lead| lead.start);
        self.waiting.push_back(Waiting {
            operation: AdbOperation {
                connection: Arc::clone(&self.connection),
                device,
                chosen,
                operation: asked.operation,
                program: asked.program,
                at: asked.at,
                result: AdbResult::Unknown,
                start,
                first_byte: None,
                end: start,
                timed: asked.timed,
                incomplete: self.incomplete,
                counted_elsewhere: false,
                cause: Cause::default(),
                run: None,
            },
            streams: false,
        });
    }

    fn ended(&mut self, operation: AdbOperation, result: AdbResult, at: Stamp, out: &mut Vec<Observation>) {
        let (device, chosen) = if leads(operation.operation) {
            (self.device.clone(), self.chosen)
        } else {
            (operation.device.clone(), operation.chosen)
        };
        let incomplete = operation.incomplete || self.incomplete;
        let operation = AdbOperation { result, end: at, device, chosen, incomplete, ..operation };
        if result == AdbResult::Ok && leads(operation.operation) {
            self.lead = Some(operation);
            return;
        }
        let ends_server = operation.operation == operation::KILL && result == AdbResult::Ok;
        out.push(Observation::AdbOperation(Box::new(operation)));
        if ends_server {
            self.tell_phones(Vec::new(), at, out);
        }
    }

    fn tell_phones(&self, phones: Vec<ListedPhone>, at: Stamp, out: &mut Vec<Observation>) {
        out.push(Observation::PhoneList(Box::new(PhoneList {
            at,
            connection: Arc::clone(&self.connection),
            server: phones::server_of(&self.connection),
            phones,
        })));
    }

    fn all_end(&mut self, result: AdbResult, at: Stamp, out: &mut Vec<Observation>) {
        for waiting in std::mem::take(&mut self.waiting) {
            self.ended(waiting.operation, result, at, out);
        }
    }

    /// One side has closed: what was under way has ended by it.
    fn side_left(&mut self, at: Stamp, by_client: bool, out: &mut Vec<Observation>) {
        if by_client {
            self.client_left = true;
            // It may only have said that it sends nothing more, and what streams may go on.
            return;
        }
        let last = self.reader.last();
        for waiting in std::mem::take(&mut self.waiting) {
            let result = match last {
                Some(outcome) => result(outcome),
                None if waiting.streams && !self.reset => AdbResult::Ok,
                None => AdbResult::Hangup,
            };
            self.ended(waiting.operation, result, at, out);
        }
    }

    fn closed(&mut self, at: Stamp, out: &mut Vec<Observation>) {
        self.closed = true;
        for waiting in std::mem::take(&mut self.waiting) {
            let result = if self.reset {
                // Who is the server knows that it was the other side.
                if self.is_server() { AdbResult::Aborted } else { AdbResult::Hangup }
            } else if !self.is_server() || self.client_left {
                AdbResult::Aborted
            } else if let Some(outcome) = self.reader.last() {
                result(outcome)
            } else if waiting.streams {
                AdbResult::Ok
            } else {
                AdbResult::Hangup
            };
            self.ended(waiting.operation, result, at, out);
        }
        self.tell_lead(out);
    }

    /// Nothing followed.
    fn tell_lead(&mut self, out: &mut Vec<Observation>) {
        if let Some(lead) = self.lead.take() {
            out.push(Observation::AdbOperation(Box::new(lead)));
        }
    }
}

/// It opens the way for what follows.
fn leads(name: &str) -> bool {
    name == operation::TRANSPORT || name == operation::SYNC
}

const fn result(outcome: Outcome) -> AdbResult {
    match outcome {
        Outcome::Okay | Outcome::Exit(0) => AdbResult::Ok,
        Outcome::Exit(code) => AdbResult::Exit(code),
        Outcome::Failed(reason) => AdbResult::Failed(reason.as_str()),
        Outcome::Unknown => AdbResult::Unknown,
    }
}

impl Dialogue for AdbTracker {
    fn on(&mut self, item: &Item<'_>, out: &mut Vec<Observation>) {
        if self.closed {
            return;
        }
        match item {
            Item::Data(chunk) => self.data(chunk, out),
            Item::Hole(hole) => {
                if self.reader.is_over() {
                    return;
                }
                self.incomplete |= hole.lost;
                let mut events = Vec::new();
                self.reader.gap(Some(hole.direction) == self.requests, hole.len, &mut |event| events.push(event));
                for event in events {
                    self.event(event, hole.direction, hole.call, out);
                }
            }
            Item::Eof(call) => self.side_left(call.exit, self.is_server(), out),
            Item::Shutdown(call) => self.side_left(call.exit, !self.is_server(), out),
            Item::Error { .. } => self.reset = true,
            Item::Closed { at } => self.closed(*at, out),
            Item::Polled(_) | Item::Transport(_) | Item::Tick { .. } => {}
        }
    }

    fn is_unwanted(&self) -> bool {
        self.reader.is_over()
    }

    fn wants_only(&self) -> Option<Direction> {
        let from_client = self.reader.bulk()?;
        let requests = self.requests?;
        Some(if from_client { requests.other() } else { requests })
    }

    fn finish(&mut self, at: Stamp, out: &mut Vec<Observation>) {
        // What streams has done what it was asked for, as far as anybody can say.
        self.all_end(AdbResult::Unknown, at, out);
        self.tell_lead(out);
        self.closed = true;
    }
}
