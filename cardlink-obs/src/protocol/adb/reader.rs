//! One connection between a client and the server.

use super::{
    devices::{self, Listed, MOST_LIST},
    frame::{Frame, Part, What, is_blank},
    reason::Reason,
    service::{MOST_SERVICE, Selector, Service, Shape},
    shell::Packets,
    sync::Sync,
};

/// Bytes that came before it was their turn.
const MOST_AHEAD: usize = 4096;
/// A message or a reason is kept as far as this.
pub(super) const MOST_TEXT: usize = 256;

/// What bytes completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The first byte of a request is here.
    Begins,
    /// The request is complete.
    Asked(Asked),
    /// The first byte of the answer is here.
    Answers,
    /// The server's number of the device that was chosen.
    Chosen(u64),
    /// The oldest request that has not ended has ended.
    Ended(Outcome),
    /// It was granted, and ends with the connection.
    Streams,
    /// The devices that the server knows.
    Devices(Vec<Listed>),
    /// Bytes are missing or make no sense: nothing more will be told.
    Lost,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// One of [`super::operation::ALL`].
    pub operation: &'static str,
    pub selector: Selector,
    /// Names of the AT commands in a shell command.
    pub at: Vec<String>,
    /// The program that a shell command runs, when it is a known one.
    pub program: Option<&'static str>,
    /// Its first byte is known.
    pub timed: bool,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Okay,
    /// `shell,v2`: the command's exit code.
    Exit(u8),
    Failed(Reason),
    /// Bytes were missing.
    Unknown,
}

impl Outcome {
    /// By the text of a refusal.
    pub(super) fn failed(text: &[u8]) -> Self {
        if is_blank(text) { Self::Unknown } else { Self::Failed(Reason::of(text)) }
    }
}

/// Reads both directions.
#[derive(Debug)]
pub struct Reader {
    state: State,
    /// Of the server, while the client's request is not complete.
    ahead: Vec<u8>,
}

#[derive(Debug)]
enum State {
    Request(Frame),
    /// `OKAY` or `FAIL` is to come.
    Status(Service, Vec<u8>),
    Failing(Frame),
    /// The number of the device that was chosen.
    Number(Vec<u8>),
    Message(Shape, Frame),
    Track(Frame),
    /// A port may follow, before the next request.
    Port(Frame),
    Shell(Packets),
    Sync(Box<Sync>),
    /// Nothing more can be learnt.
    Over,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

impl Reader {
    pub fn new() -> Self {
        Self { state: State::Request(Frame::default()), ahead: Vec::new() }
    }

    /// Nothing more can be learnt from its bytes.
    pub fn is_over(&self) -> bool {
        match &self.state {
            State::Over => true,
            State::Sync(sync) => sync.is_over(),
            _ => false,
        }
    }

    /// The side whose bytes are so many, and say so little, that they need not be looked at: `true` for the client's.
    pub fn bulk(&self) -> Option<bool> {
        match &self.state {
            State::Sync(sync) => sync.bulk(),
            _ => None,
        }
    }

    /// What the next bytes of a side are.
    pub(super) fn part(&self, from_client: bool) -> Part {
        let rest = |what| Part::of(what, usize::MAX);
        match (&self.state, from_client) {
            (State::Request(frame), true) => frame.part(What::Service),
            (State::Port(frame), true) if frame.is_empty() => Part::of(What::Kept, 4),
            (State::Sync(sync), _) => sync.part(from_client),
            (_, true) | (State::Over | State::Request(_), false) => rest(What::Blank),
            (State::Status(_, status), false) => Part::of(What::Kept, 4 - status.len()),
            (State::Failing(frame), false) => frame.part(What::Reason),
            (State::Number(number), false) => Part::of(What::Kept, 8 - number.len()),
            (State::Message(Shape::Devices, frame) | State::Track(frame), false) => frame.part(What::Devices),
            (State::Message(Shape::Verdict, frame), false) => frame.part(What::Verdict),
            (State::Message(_, frame) | State::Port(frame), false) => frame.part(What::Blank),
            (State::Shell(packets), false) => packets.part(),
        }
    }

    /// Takes bytes of one side.
    pub fn feed(&mut self, from_client: bool, bytes: &[u8], tell: &mut dyn FnMut(Event)) {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = match (&mut self.state, from_client) {
                (State::Over | State::Track(_), true) | (State::Over, false) => return,
                (State::Shell(packets), _) => {
                    let exit = if from_client { None } else { packets.feed(rest) };
                    if let Some(code) = exit {
                        tell(Event::Ended(Outcome::Exit(code)));
                        self.state = State::Over;
                    }
                    return;
                }
                (State::Sync(sync), _) => {
                    sync.feed(from_client, rest, tell);
                    return;
                }
                (State::Port(frame), true) if frame.is_empty() => {
                    self.state = State::Request(Frame::default());
                    rest
                }
                (State::Request(_), true) => match self.request(rest, tell) {
                    Some(rest) => rest,
                    None => return self.lose(tell),
                },
                // It ran ahead of what it answers, or is not asked for.
                (State::Request(_), false) => {
                    if self.ahead.len() + rest.len() > MOST_AHEAD {
                        return self.lose(tell);
                    }
                    self.ahead.extend(rest);
                    return;
                }
                // The client speaks before it was answered: nothing is known to do so.
                (_, true) => return self.lose(tell),
                (_, false) => match self.answer(rest, tell) {
                    Some(rest) => rest,
                    None => return self.lose(tell),
                },
            };
        }
    }

    /// Bytes of one side are missing.
    pub fn gap(&mut self, from_client: bool, len: u64, tell: &mut dyn FnMut(Event)) {
        match &mut self.state {
            State::Over => {}
            State::Shell(packets) => {
                if !from_client {
                    packets.gap(len);
                }
            }
            State::Sync(sync) => sync.gap(from_client, len),
            _ => self.lose(tell),
        }
    }

    /// The server's side ends: what its last bytes may have been.
    pub fn last(&self) -> Option<Outcome> {
        match &self.state {
            State::Shell(packets) => packets.last().map(Outcome::Exit),
            _ => None,
        }
    }

    fn lose(&mut self, tell: &mut dyn FnMut(Event)) {
        self.state = State::Over;
        self.ahead = Vec::new();
        tell(Event::Lost);
    }

    fn request<'a>(&mut self, bytes: &'a [u8], tell: &mut dyn FnMut(Event)) -> Option<&'a [u8]> {
        let State::Request(frame) = &mut self.state else { return Some(bytes) };
        if frame.is_empty() {
            tell(Event::Begins);
        }
        let (rest, complete) = frame.feed(bytes, MOST_SERVICE)?;
        if complete {
            if is_blank(&frame.body) {
                return None;
            }
            let service = Service::parse(&frame.body);
            tell(Event::Asked(Asked {
                operation: service.operation,
                selector: service.selector.clone(),
                at: service.at.clone(),
                program: service.program,
                timed: true,
            }));
            self.state = State::Status(service, Vec::new());
            let ahead = std::mem::take(&mut self.ahead);
            self.feed(false, &ahead, tell);
        }
        Some(rest)
    }

    fn answer<'a>(&mut self, bytes: &'a [u8], tell: &mut dyn FnMut(Event)) -> Option<&'a [u8]> {
        match &mut self.state {
            State::Status(service, status) => {
                if status.is_empty() {
                    tell(Event::Answers);
                }
                let (taken, rest) = bytes.split_at((4 - status.len()).min(bytes.len()));
                status.extend(taken);
                if status.len() == 4 {
                    self.state = match &**status {
                        b"OKAY" => granted(service, tell),
                        b"FAIL" => State::Failing(Frame::default()),
                        _ => return None,
                    };
                }
                Some(rest)
            }
            State::Failing(frame) => {
                let (rest, complete) = frame.feed(bytes, MOST_TEXT)?;
                if complete {
                    tell(Event::Ended(Outcome::failed(&frame.body)));
                    self.state = State::Request(Frame::default());
                }
                Some(rest)
            }
            State::Number(number) => {
                let (taken, rest) = bytes.split_at((8 - number.len()).min(bytes.len()));
                number.extend(taken);
                if let Ok(number) = number.as_slice().try_into() {
                    tell(Event::Chosen(u64::from_le_bytes(number)));
                    tell(Event::Ended(Outcome::Okay));
                    self.state = State::Request(Frame::default());
                }
                Some(rest)
            }
            State::Message(shape, frame) => {
                let most = if *shape == Shape::Devices { MOST_LIST } else { MOST_TEXT };
                let (rest, complete) = frame.feed(bytes, most)?;
                if complete {
                    if *shape == Shape::Devices {
                        tell(Event::Devices(listed(&frame.body)?));
                    }
                    tell(Event::Ended(match shape {
                        Shape::Verdict => verdict(&frame.body),
                        _ => Outcome::Okay,
                    }));
                    self.state = State::Request(Frame::default());
                }
                Some(rest)
            }
            State::Track(frame) => {
                let (rest, complete) = frame.feed(bytes, MOST_LIST)?;
                if complete {
                    tell(Event::Devices(listed(&frame.body)?));
                    *frame = Frame::default();
                }
                Some(rest)
            }
            State::Port(frame) => {
                let (rest, complete) = frame.feed(bytes, MOST_TEXT)?;
                if complete {
                    self.state = State::Request(Frame::default());
                }
                Some(rest)
            }
            State::Request(_) | State::Shell(_) | State::Sync(_) | State::Over => Some(bytes),
        }
    }
}

/// What comes after `OKAY`.
fn granted(service: &mut Service, tell: &mut dyn FnMut(Event)) -> State {
    let mut end = || tell(Event::Ended(Outcome::Okay));
    match service.shape {
        Shape::Status => {
            end();
            State::Port(Frame::default())
        }
        Shape::Message | Shape::Verdict | Shape::Devices => State::Message(service.shape, Frame::default()),
        Shape::Track => {
            end();
            State::Track(Frame::default())
        }
        Shape::Transport { numbered: true } => State::Number(Vec::new()),
        Shape::Transport { numbered: false } => {
            end();
            State::Request(Frame::default())
        }
        Shape::Twice => {
            let service = Service { shape: Shape::Status, ..service.clone() };
            State::Status(service, Vec::new())
        }
        Shape::Raw => {
            tell(Event::Streams);
            State::Over
        }
        Shape::Shell => {
            tell(Event::Streams);
            State::Shell(Packets::default())
        }
        Shape::Sync => {
            end();
            State::Sync(Box::default())
        }
    }
}

/// The devices of a list; `None` when it is not there.
fn listed(list: &[u8]) -> Option<Vec<Listed>> {
    (!is_blank(list)).then(|| devices::read(list))
}

/// How answers to `connect` begin when it went well.
const GOOD: [&[u8]; 3] = [b"connected to", b"already connected", b"Successfully"];

/// What the text of an answer to `connect` says.
fn verdict(text: &[u8]) -> Outcome {
    if GOOD.iter().any(|good| text.starts_with(good)) { Outcome::Okay } else { Outcome::failed(text) }
}

/// Overwrites all of such a text that does not say this.
pub(super) fn mask_verdict(text: &mut [u8]) {
    match GOOD.iter().find(|good| text.starts_with(good)) {
        Some(good) => text.get_mut(good.len()..).unwrap_or_default().fill(b' '),
        None => Reason::mask(text, MOST_TEXT),
    }
}
