//! A connection between a program and pcscd: who uses which card, what the card answered, and how long it took.

mod fuzz;
mod readers;
#[cfg(test)]
mod tests;
mod usage;

pub use fuzz::fuzz;

use super::dialogue::{Dialogue, First, Recognition};
use crate::{
    observation::{
        Cause, Connection, DeviceApdu, DeviceChange, DeviceEvent, DeviceOperation, Incomplete, Observation,
        PeerAddress, Role, Share, Stamp,
    },
    protocol::{
        apdu::{CommandApdu, StatusWord},
        pcsc::{Answer, Command, OPENING, Request, ReturnCode, Side, Talk, Told},
    },
    stream::{Call, Direction, Item},
};
use readers::Readers;
use std::{collections::HashMap, sync::Arc};
use usage::{Usage, apdu, device, unknown_device};

/// Cards that a program uses at once, over one connection; pcscd allows 200.
const MOST_USAGES: usize = 256;

/// Where pcscd listens.
const SOCKET: &str = "pcscd.comm";

/// Whether a connection is one to pcscd.
pub fn recognise(first: &First<'_>) -> Recognition {
    let named = |address: &Option<PeerAddress>| match address {
        Some(PeerAddress::Unix { path: Some(path), .. }) => path.ends_with(SOCKET),
        _ => false,
    };
    if named(&first.connection.local) || named(&first.connection.peer) {
        return Recognition::Yes;
    }
    // In a container the socket may have another name.
    let client = first.connection.role == Some(Role::Client);
    if !first.from_start || client != (first.direction == Direction::Write) {
        return Recognition::No;
    }
    let len = first.bytes.len().min(OPENING.len());
    match first.bytes.get(..len) == OPENING.get(..len) {
        false => Recognition::No,
        true if len < OPENING.len() => Recognition::More,
        true => Recognition::Yes,
    }
}

/// A question that waits for its answer.
#[derive(Debug)]
struct Asked {
    request: Request,
    start: Stamp,
}

/// The tracker.
#[derive(Debug)]
pub struct Pcsc {
    connection: Arc<Connection>,
    talk: Talk,
    told: Vec<Told>,
    asked: Option<Asked>,
    /// When the answer began.
    began: Option<Stamp>,
    usages: HashMap<u32, Usage>,
    readers: Readers,
}

impl Pcsc {
    pub fn new(connection: Arc<Connection>) -> Self {
        let talk = Talk::new(connection.opened.is_some());
        Self {
            connection,
            talk,
            told: Vec::new(),
            asked: None,
            began: None,
            usages: HashMap::new(),
            readers: Readers::default(),
        }
    }

    fn side(&self, direction: Direction) -> Side {
        let client = self.connection.role == Some(Role::Client);
        if client == (direction == Direction::Write) { Side::Client } else { Side::Daemon }
    }

    fn heard(&mut self, direction: Direction, call: Call, bytes: &[u8], out: &mut Vec<Observation>) {
        let at = call.start(direction);
        let mut told = std::mem::take(&mut self.told);
        self.talk.feed(self.side(direction), bytes, &mut |one| told.push(one));
        for one in told.drain(..) {
            match one {
                Told::AnswerBegan => self.began = Some(at),
                // That waiting is to stop may cross the end of the waiting.
                Told::Request(Command::STOP_WAITING, _) => {}
                Told::Request(_, request) => self.asked = Some(Asked { request, start: at }),
                Told::Answer(command, answer) => {
                    let end = self.began.take().unwrap_or(at);
                    self.answered(command, answer, end, out);
                }
            }
        }
        self.told = told;
    }

    fn answered(&mut self, command: Command, answer: Answer, end: Stamp, out: &mut Vec<Observation>) {
        if let Answer::Readers(states) = &answer {
            self.readers.seen(states, end, &self.connection, out);
            return;
        }
        let Some(Asked { request, start }) = self.asked.take() else { return };
        let times = Times { start, end };
        match (request, answer) {
            (Request::Connect { reader, share }, Answer::Connect { handle, code }) => {
                let device = device(&reader);
                let usage = Usage::new(Arc::clone(&device), share_of(share));
                let ok = code == ReturnCode::SUCCESS;
                out.push(self.operation(command, &usage, handle, times, code));
                if ok {
                    out.push(self.change(&usage, end, DeviceEvent::Connected));
                    if usage.share != Some(Share::Direct) {
                        out.push(self.change(&usage, end, DeviceEvent::CardInserted));
                    }
                    if self.usages.len() < MOST_USAGES {
                        self.usages.insert(handle, usage);
                    }
                }
            }
            (Request::Transmit { handle, apdu: Some(apdu), .. }, Answer::Transmit { code, apdu: answer, len }) => {
                self.transmitted(handle, &apdu, (code, answer.map(|answer| answer.sw), len), times, out);
            }
            (Request::Reconnect { handle, share, initialization }, Answer::Other { code }) => {
                let usage = self.usage(handle);
                usage.share = share_of(share);
                usage.chains.reset();
                let resets = initialization.resets() && code == ReturnCode::SUCCESS;
                self.of_card(command, handle, times, code, out);
                if resets {
                    self.reset(handle, end, out);
                }
            }
            (Request::Disconnect { handle, disposition }, Answer::Other { code }) => {
                self.of_card(command, handle, times, code, out);
                if disposition.resets() && code == ReturnCode::SUCCESS {
                    self.reset(handle, end, out);
                }
                self.usages.remove(&handle);
            }
            (Request::EndTransaction { handle, disposition }, Answer::Other { code }) => {
                self.of_card(command, handle, times, code, out);
                if disposition.resets() && code == ReturnCode::SUCCESS {
                    self.reset(handle, end, out);
                }
            }
            (Request::OfCard { handle }, Answer::Other { code }) => {
                self.of_card(command, handle, times, code, out);
            }
            _ => {}
        }
    }

    /// A card's usage; one that was there before the agent came is made now.
    fn usage(&mut self, handle: u32) -> &mut Usage {
        if self.usages.len() >= MOST_USAGES && !self.usages.contains_key(&handle) {
            self.usages.clear();
        }
        let only = self.readers.only();
        self.usages.entry(handle).or_insert_with(|| Usage::new(only.unwrap_or_else(unknown_device), None))
    }

    fn of_card(
        &mut self,
        command: Command,
        handle: u32,
        Times { start, end }: Times,
        code: ReturnCode,
        out: &mut Vec<Observation>,
    ) {
        let usage = self.usage(handle);
        // libpcsclite asks again ten times a second as long as another program has the card: that is one wait.
        let start = if code == ReturnCode::SHARING_VIOLATION {
            if usage.refused_since.is_some() {
                return;
            }
            usage.refused_since = Some(start);
            start
        } else {
            usage.refused_since.take().unwrap_or(start)
        };
        // Programs look whether a feature is there; that it is not is no error. The same of attributes.
        let only_asks = matches!(command, Command::CONTROL | Command::GET_ATTRIB | Command::SET_ATTRIB);
        let says_what_is_known = command == Command::STATUS && code == ReturnCode::SUCCESS;
        if says_what_is_known || (only_asks && !matters(code)) {
            return;
        }
        let Some(usage) = self.usages.get(&handle) else { return };
        out.push(self.operation(command, usage, handle, Times { start, end }, code));
    }

    fn reset(&mut self, handle: u32, at: Stamp, out: &mut Vec<Observation>) {
        if let Some(usage) = self.usages.get_mut(&handle) {
            usage.chains.reset();
        }
        if let Some(usage) = self.usages.get(&handle) {
            out.push(self.change(usage, at, DeviceEvent::CardReset));
        }
    }

    fn transmitted(
        &mut self,
        handle: u32,
        command: &CommandApdu,
        (code, sw, received): (ReturnCode, Option<StatusWord>, usize),
        times: Times,
        out: &mut Vec<Observation>,
    ) {
        let Times { start, end } = times;
        if code == ReturnCode::SHARING_VIOLATION {
            // It did not reach the card, and is sent again until it does.
            self.of_card(Command::TRANSMIT, handle, times, code, out);
            return;
        }
        let connection = Arc::clone(&self.connection);
        let usage = self.usage(handle);
        usage.refused_since = None;
        let program = usage.answered.replace(end).map(|before| start.since(before));
        let continues = usage.chains.push(command, sw);
        out.push(Observation::DeviceApdu(Box::new(DeviceApdu {
            device: Arc::clone(&usage.device),
            process: Arc::clone(&connection.process),
            connection: Some(connection),
            carrier: None,
            apdu: apdu(command, sw.map(|sw| sw.0), received),
            continues,
            start,
            end,
            program,
            extensions: 0,
            error: if sw.is_none() { Some(code.error().unwrap_or("no_status_word")) } else { None },
            incomplete: false,
            counted_elsewhere: false,
            cause: Cause::default(),
        })));
    }

    fn operation(
        &self,
        command: Command,
        usage: &Usage,
        handle: u32,
        Times { start, end }: Times,
        code: ReturnCode,
    ) -> Observation {
        Observation::DeviceOperation(Box::new(DeviceOperation {
            device: Arc::clone(&usage.device),
            process: Arc::clone(&self.connection.process),
            connection: Some(Arc::clone(&self.connection)),
            usage: Some(handle),
            operation: command.operation(),
            start,
            end,
            share: usage.share,
            error: code.error(),
            counted_elsewhere: false,
        }))
    }

    fn change(&self, usage: &Usage, at: Stamp, event: DeviceEvent) -> Observation {
        Observation::DeviceChange(Box::new(DeviceChange {
            at,
            device: Arc::clone(&usage.device),
            process: Some(Arc::clone(&self.connection.process)),
            event,
        }))
    }

    /// A command whose answer never came, or was lost.
    fn unanswered(&mut self, at: Stamp, error: Option<&'static str>, out: &mut Vec<Observation>) {
        let Some(Asked { request: Request::Transmit { handle, apdu: Some(command), .. }, start }) = self.asked.take()
        else {
            return;
        };
        let connection = Arc::clone(&self.connection);
        let usage = self.usage(handle);
        usage.answered = None;
        let continues = usage.chains.push(&command, None);
        out.push(Observation::DeviceApdu(Box::new(DeviceApdu {
            device: Arc::clone(&usage.device),
            process: Arc::clone(&connection.process),
            connection: Some(connection),
            carrier: None,
            apdu: apdu(&command, None, 0),
            continues,
            start,
            end: at,
            program: None,
            extensions: 0,
            error,
            incomplete: error.is_none(),
            counted_elsewhere: false,
            cause: Cause::default(),
        })));
    }
}

/// When a question was complete, and when its answer began.
#[derive(Debug, Clone, Copy)]
struct Times {
    start: Stamp,
    end: Stamp,
}

/// What says something of the card or of others, and not of what the reader can do.
fn matters(code: ReturnCode) -> bool {
    matches!(code, ReturnCode::SHARING_VIOLATION | ReturnCode::RESET_CARD | ReturnCode::REMOVED_CARD)
}

const fn share_of(mode: u32) -> Option<Share> {
    match mode {
        1 => Some(Share::Exclusive),
        2 => Some(Share::Shared),
        3 => Some(Share::Direct),
        _ => None,
    }
}

impl Dialogue for Pcsc {
    fn on(&mut self, item: &Item<'_>, out: &mut Vec<Observation>) {
        match *item {
            Item::Data(chunk) => self.heard(chunk.direction, chunk.call, chunk.bytes, out),
            Item::Hole(hole) => {
                if hole.lost {
                    out.push(Observation::Incomplete(Box::new(Incomplete {
                        at: hole.call.exit,
                        target: Arc::clone(&self.connection.process.target),
                        source: "pcsc",
                        bytes: hole.len,
                    })));
                }
                self.talk.gap(self.side(hole.direction));
                self.unanswered(hole.call.exit, None, out);
            }
            Item::Closed { at } => {
                self.unanswered(at, Some("hangup"), out);
                self.usages.clear();
            }
            Item::Eof(call) => self.unanswered(call.exit, Some("hangup"), out),
            Item::Error { .. } | Item::Shutdown(_) | Item::Polled(_) | Item::Transport(_) | Item::Tick { .. } => {}
        }
    }

    fn is_unwanted(&self) -> bool {
        false
    }

    fn finish(&mut self, _at: Stamp, _out: &mut Vec<Observation>) {}
}
