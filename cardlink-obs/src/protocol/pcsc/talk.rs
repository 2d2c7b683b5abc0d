//! Both directions of a connection: bytes become questions and answers.

use super::ReturnCode;
use super::message::{self, Answer, Command, NOTICE, Request, STATES, u32_at};
use crate::protocol::apdu::{CommandApdu, ResponseApdu};
use std::collections::VecDeque;

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    Client,
    Daemon,
}

/// What was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// The first byte of an answer.
    AnswerBegan,
    Request(Command, Request),
    Answer(Command, Answer),
}

/// The longest structure of a question that is read; the daemon hangs up on others.
const MOST_BODY: usize = 4096;
/// The longest data that the daemon takes and gives (`MAX_BUFFER_SIZE_EXTENDED`).
const MOST_DATA: usize = 4 + 3 + (1 << 16) + 3 + 2;
/// Answers that may be due: the readers, the notice, and that waiting was stopped.
const MOST_DUE: usize = 4;
const HEADER: usize = 8;

/// What a run of bytes belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Out of step: nobody knows.
    Unknown,
    Header,
    /// A structure, of this many bytes.
    Body(Command, usize),
    /// What follows the structure, of this many bytes.
    Data(Command, usize),
    /// The state of all readers.
    Readers,
}

/// Bytes of one part: where they begin in it, and how many they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub part: Part,
    pub position: usize,
    pub len: usize,
}

/// An answer that the daemon owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    Body(Command),
    Readers(Command),
    Notice(Command),
    /// Its length is not known.
    Unknown,
}

#[derive(Debug, Clone, Default)]
struct Lane {
    /// The structure, as far as it is here.
    body: Vec<u8>,
    /// The first and the last bytes of the data, as far as they are here.
    front: Vec<u8>,
    back: [u8; 2],
    position: usize,
}

impl Lane {
    fn restart(&mut self) {
        self.body.clear();
        self.position = 0;
    }

    /// The data begin. Their ends are kept until the next ones do.
    fn begin_data(&mut self) {
        self.front.clear();
        self.back = [0; 2];
        self.position = 0;
    }

    fn keep_ends(&mut self, bytes: &[u8]) {
        let room = CommandApdu::FRONT.saturating_sub(self.front.len());
        self.front.extend(bytes.iter().take(room));
        for byte in bytes.iter().skip(bytes.len().saturating_sub(2)) {
            self.back = [self.back[1], *byte];
        }
    }

    /// The last bytes, of data of this length.
    fn ends(&self, len: usize) -> &[u8] {
        self.back.get(2 - len.min(2)..).unwrap_or_default()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asking {
    /// The next bytes are a header, if they look like one at the start of a write.
    Lost,
    Header,
    Body(Command, usize),
    Data(Command, usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answering {
    /// At the start of what is due next.
    Between,
    Body,
    Data(Command, usize),
    /// Until the next question.
    Lost,
}

/// A connection.
#[derive(Debug, Clone)]
pub struct Talk {
    client: Lane,
    daemon: Lane,
    asking: Asking,
    answering: Answering,
    due: VecDeque<Due>,
}

impl Talk {
    /// A connection that is seen from its start on, or that was under way.
    pub fn new(from_start: bool) -> Self {
        Self {
            client: Lane::default(),
            daemon: Lane::default(),
            asking: if from_start { Asking::Header } else { Asking::Lost },
            answering: Answering::Lost,
            due: VecDeque::new(),
        }
    }

    /// Bytes of this side are missing.
    pub fn gap(&mut self, side: Side) {
        match side {
            Side::Client => {
                self.client.restart();
                self.asking = Asking::Lost;
                // What is answered may be an answer to what was not seen.
                self.due.clear();
                self.answering = Answering::Lost;
            }
            Side::Daemon => self.answering = Answering::Lost,
        }
    }

    /// Takes in the bytes of one call.
    pub fn feed(&mut self, side: Side, bytes: &[u8], sink: &mut impl FnMut(Told)) {
        let mut rest = bytes;
        self.look(side, rest);
        while !rest.is_empty() {
            let run = self.step(side, rest, sink);
            rest = rest.get(run.len..).unwrap_or_default();
        }
    }

    /// At the start of a call's bytes: where a client that was out of step is in step again.
    pub(super) fn look(&mut self, side: Side, bytes: &[u8]) {
        if side == Side::Client && self.asking == Asking::Lost && header(bytes).is_some_and(|(c, size)| c.fits(size)) {
            self.client.restart();
            self.asking = Asking::Header;
        }
    }

    /// Takes bytes of one part, at least one byte; says what they are.
    pub(super) fn step(&mut self, side: Side, bytes: &[u8], sink: &mut impl FnMut(Told)) -> Run {
        match side {
            Side::Client => self.ask(bytes, sink),
            Side::Daemon => self.reply(bytes, sink),
        }
    }

    /// The first bytes of the data that are under way, or were last.
    pub(super) fn front(&self, side: Side) -> &[u8] {
        match side {
            Side::Client => &self.client.front,
            Side::Daemon => &self.daemon.front,
        }
    }

    fn ask(&mut self, bytes: &[u8], sink: &mut impl FnMut(Told)) -> Run {
        let lane = &mut self.client;
        let position = lane.position;
        let (part, wanted) = match self.asking {
            Asking::Lost => return Run { part: Part::Unknown, position: 0, len: bytes.len() },
            Asking::Header => (Part::Header, HEADER),
            Asking::Body(command, size) => (Part::Body(command, size), size),
            Asking::Data(command, size) => (Part::Data(command, size), size),
        };
        let len = wanted.saturating_sub(position).min(bytes.len());
        let taken = bytes.get(..len).unwrap_or(bytes);
        match self.asking {
            Asking::Data(..) => lane.keep_ends(taken),
            _ => lane.body.extend(taken),
        }
        lane.position += len;
        if lane.position >= wanted {
            self.asked(sink);
        }
        Run { part, position, len }
    }

    /// A part of a question is complete.
    fn asked(&mut self, sink: &mut impl FnMut(Told)) {
        let lane = &mut self.client;
        match self.asking {
            Asking::Lost => {}
            Asking::Header => match header(&lane.body) {
                Some((command, size)) if size <= MOST_BODY => {
                    lane.restart();
                    self.asking = Asking::Body(command, size);
                    if size == 0 {
                        self.asked(sink);
                    }
                }
                _ => self.gap(Side::Client),
            },
            Asking::Body(command, size) => {
                let has_data = matches!(command, Command::TRANSMIT | Command::CONTROL);
                if has_data && command.fits(size) {
                    // Of a transmission the fourth number, of a control the third.
                    let at = if command == Command::TRANSMIT { 12 } else { 8 };
                    let len = u32_at(&lane.body, at) as usize;
                    if len > MOST_DATA {
                        self.gap(Side::Client);
                        return;
                    }
                    lane.begin_data();
                    self.asking = Asking::Data(command, len);
                    if len == 0 {
                        self.asked(sink);
                    }
                    return;
                }
                let request = if command.fits(size) { message::request(command, &lane.body) } else { Request::Other };
                self.complete(command, size, request, sink);
            }
            Asking::Data(command, len) => {
                let handle = u32_at(&lane.body, 0);
                let request = match command {
                    Command::TRANSMIT => {
                        let apdu = CommandApdu::from_ends(&lane.front, lane.ends(len), len);
                        Request::Transmit { handle, apdu, len }
                    }
                    _ => Request::OfCard { handle },
                };
                let size = lane.body.len();
                self.complete(command, size, request, sink);
            }
        }
    }

    /// A question is complete: what is due for it, and nothing of what was due before, unless waiting is stopped.
    fn complete(&mut self, command: Command, size: usize, request: Request, sink: &mut impl FnMut(Told)) {
        self.client.restart();
        self.asking = Asking::Header;
        let stops = command == Command::STOP_WAITING;
        if !stops || self.due.is_empty() || self.due.len() >= MOST_DUE || self.answering == Answering::Lost {
            self.due.clear();
            self.daemon.restart();
            self.answering = Answering::Between;
        }
        match command {
            _ if !command.fits(size) => self.due.push_back(Due::Unknown),
            Command::GET_READERS_STATE => self.due.push_back(Due::Readers(command)),
            Command::WAIT_READER_STATE_CHANGE => {
                if size == 0 {
                    self.due.push_back(Due::Readers(command));
                }
                self.due.push_back(Due::Notice(command));
            }
            Command::STOP_WAITING => self.due.push_back(Due::Notice(command)),
            known => self.due.push_back(Due::Body(known)),
        }
        sink(Told::Request(command, request));
    }

    fn reply(&mut self, bytes: &[u8], sink: &mut impl FnMut(Told)) -> Run {
        let unknown = Run { part: Part::Unknown, position: 0, len: bytes.len() };
        let lane = &mut self.daemon;
        if self.answering == Answering::Between {
            lane.restart();
            match self.due.front() {
                // It answers what was not asked.
                None => return unknown,
                Some(Due::Unknown) => self.answering = Answering::Lost,
                Some(_) => {
                    self.answering = Answering::Body;
                    sink(Told::AnswerBegan);
                }
            }
        }
        let position = lane.position;
        let (part, wanted) = match (self.answering, self.due.front()) {
            (Answering::Data(command, len), _) => (Part::Data(command, len), len),
            (Answering::Body, Some(Due::Readers(_))) => (Part::Readers, STATES),
            (Answering::Body, Some(Due::Notice(command))) => (Part::Body(*command, NOTICE), NOTICE),
            (Answering::Body, Some(Due::Body(command))) => {
                let size = command.size().unwrap_or(0);
                (Part::Body(*command, size), size)
            }
            _ => return unknown,
        };
        let len = wanted.saturating_sub(position).min(bytes.len());
        let taken = bytes.get(..len).unwrap_or(bytes);
        match self.answering {
            Answering::Data(..) => lane.keep_ends(taken),
            _ => lane.body.extend(taken),
        }
        lane.position += len;
        if lane.position >= wanted {
            self.replied(sink);
        }
        Run { part, position, len }
    }

    /// A part of an answer is complete.
    fn replied(&mut self, sink: &mut impl FnMut(Told)) {
        let lane = &mut self.daemon;
        if let Answering::Data(command, len) = self.answering {
            let answer = match command {
                Command::TRANSMIT => {
                    let back = lane.ends(len);
                    // Its data are as long as they were.
                    let apdu = ResponseApdu::parse(back).map(|r| ResponseApdu { data_len: len.saturating_sub(2), ..r });
                    Answer::Transmit { code: ReturnCode::SUCCESS, apdu, len }
                }
                _ => Answer::Other { code: ReturnCode::SUCCESS },
            };
            self.answered(command, answer, sink);
            return;
        }
        match self.due.front().copied() {
            Some(Due::Readers(command)) => {
                let readers = message::readers(&lane.body);
                self.answered(command, Answer::Readers(readers), sink);
            }
            Some(Due::Notice(command)) => {
                let code = ReturnCode(u32_at(&lane.body, 4));
                self.answered(command, Answer::Other { code }, sink);
            }
            Some(Due::Body(command)) => {
                let code = ReturnCode(u32_at(&lane.body, lane.body.len().saturating_sub(4)));
                // Data come with success only.
                let at = match command {
                    Command::TRANSMIT => 24,
                    Command::CONTROL => 16,
                    _ => usize::MAX,
                };
                let len =
                    if at == usize::MAX || code != ReturnCode::SUCCESS { 0 } else { u32_at(&lane.body, at) as usize };
                if len > MOST_DATA {
                    self.gap(Side::Daemon);
                } else if len > 0 {
                    lane.begin_data();
                    self.answering = Answering::Data(command, len);
                } else {
                    let answer = message::answer(command, &lane.body);
                    self.answered(command, answer, sink);
                }
            }
            Some(Due::Unknown) | None => {}
        }
    }

    fn answered(&mut self, command: Command, answer: Answer, sink: &mut impl FnMut(Told)) {
        self.due.pop_front();
        self.daemon.restart();
        self.answering = Answering::Between;
        sink(Told::Answer(command, answer));
    }
}

/// The command and the size of what follows, when there is a whole header.
fn header(bytes: &[u8]) -> Option<(Command, usize)> {
    (bytes.len() >= HEADER).then(|| (Command(u32_at(bytes, 4)), u32_at(bytes, 0) as usize))
}
