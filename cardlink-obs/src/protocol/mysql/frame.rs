//! Where packets begin and end, and what they are.

use super::{
    answer::{Answer, Step, is_rows},
    fault::PROGRESS,
    lane::{Kind, Lane, Packet, whole},
    wire::{Ending, Greeting, capability, command, first, login, u16_at},
};
use crate::protocol::sql::Sender;
use std::{collections::VecDeque, ops::Range};

/// Commands without an answer that are kept.
const MOST_PENDING: usize = 1024;
/// A request for encryption has no more than this.
const SSL_REQUEST: u64 = 32;

/// What some bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// Part of the header of a packet.
    Head,
    /// Part of a packet, from its byte `at` on. Every packet ends with one that is `last`, which may be empty.
    Body { kind: Kind, at: u64, last: bool },
    /// It is not known where packets begin, or nothing can be read.
    Unknown,
}

/// Why nothing can be read any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrecy {
    Encrypted,
    Compressed,
    /// It is no conversation any more, or one of a version that is not known.
    Foreign,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Greeting,
    Login,
    Authentication,
    Commands,
    Secret(Secrecy),
}

/// The packets of both directions of one connection.
#[derive(Debug)]
pub struct Frames {
    client: Lane,
    server: Lane,
    phase: Phase,
    /// What the server can.
    offered: Option<u32>,
    mariadb: bool,
    pending: VecDeque<u8>,
    answer: Answer,
    /// The client sends a file.
    local: bool,
    /// The number that the server's next packet has.
    expected: Option<u8>,
    /// Both directions begin anew.
    anew: bool,
}

impl Frames {
    /// `from_start`: the next bytes are the server's greeting; otherwise the next of the client, or of a server whose bytes
    /// were seen first, are those of a connection under way.
    pub fn new(from_start: bool) -> Self {
        Self {
            client: Lane::default(),
            server: Lane::default(),
            phase: if from_start { Phase::Greeting } else { Phase::Commands },
            offered: None,
            mariadb: false,
            pending: VecDeque::new(),
            answer: Answer::new(),
            local: false,
            expected: None,
            anew: false,
        }
    }

    /// Nothing of what a direction says is understood until the client asks something.
    pub fn lose_server(&mut self) {
        self.server.lose();
    }

    pub const fn secrecy(&self) -> Option<Secrecy> {
        match self.phase {
            Phase::Secret(secrecy) => Some(secrecy),
            _ => None,
        }
    }

    /// The client may ask.
    pub const fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Commands)
    }

    /// The server said that it is MariaDB; or something else, or nothing.
    pub const fn is_mariadb(&self) -> bool {
        self.mariadb
    }

    /// A query has attributes before its text.
    pub const fn has_attributes(&self) -> bool {
        self.answer.can(capability::QUERY_ATTRIBUTES)
    }

    /// Whether both directions were taken up anew since this was last asked.
    pub const fn take_anew(&mut self) -> bool {
        std::mem::replace(&mut self.anew, false)
    }

    #[cfg(test)]
    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Takes the next bytes of a direction apart. Pieces come in order and leave nothing out.
    pub fn split(&mut self, sender: Sender, bytes: &[u8], sink: &mut impl FnMut(&mut Self, Range<usize>, Piece)) {
        let mut at = 0;
        if self.lane(sender).lost && self.secrecy().is_none() {
            let Some(found) = self.found_again(sender, bytes) else {
                sink(self, 0..bytes.len(), Piece::Unknown);
                return;
            };
            if found > 0 {
                sink(self, 0..found, Piece::Unknown);
            }
            at = found;
        }
        while at < bytes.len() {
            let rest = bytes.get(at..).unwrap_or_default();
            if self.secrecy().is_some() || self.lane(sender).lost {
                sink(self, at..bytes.len(), Piece::Unknown);
                return;
            }
            if self.lane(sender).packet.as_ref().is_some_and(|packet| packet.left > 0) {
                let (len, piece) = self.body(sender, rest);
                let end = (at + len.max(1)).min(bytes.len());
                self.told(sender, at..end, piece, sink);
                at = end;
                continue;
            }
            let (len, complete) = self.lane_mut(sender).header(rest);
            let end = (at + len.max(1)).min(bytes.len());
            if complete && !self.is_possible(sender) {
                self.lane_mut(sender).lose();
                // Its number stays: by it a mask comes to the same end.
                sink(self, at..end - 1, Piece::Unknown);
                sink(self, end - 1..end, Piece::Head);
                sink(self, end..bytes.len(), Piece::Unknown);
                return;
            }
            sink(self, at..end, Piece::Head);
            at = end;
            if complete && self.lane(sender).packet.as_ref().is_some_and(Packet::is_whole) {
                let (_, piece) = self.body(sender, &[]);
                self.told(sender, at..at, piece, sink);
            }
        }
    }

    /// So many bytes of a direction are not here. Whether it is still known where its packets begin. Where a packet ends with them, its
    /// last byte is a piece, of which nothing is known but that it was there.
    pub fn hole(&mut self, sender: Sender, len: u64, sink: &mut impl FnMut(&mut Self, Range<usize>, Piece)) -> bool {
        let lane = self.lane_mut(sender);
        if let Some(packet) = &mut lane.packet
            && packet.kind.is_some()
            && let Ok(short) = u32::try_from(len)
            && short <= packet.left
        {
            let ends = short > 0 && short == packet.left;
            packet.skip(short - u32::from(ends));
            if ends {
                self.split(sender, &[0], sink);
            }
            return true;
        }
        if len > 0 {
            lane.lose();
        }
        false
    }

    const fn lane(&self, sender: Sender) -> &Lane {
        match sender {
            Sender::Client => &self.client,
            Sender::Server => &self.server,
        }
    }

    const fn lane_mut(&mut self, sender: Sender) -> &mut Lane {
        match sender {
            Sender::Client => &mut self.client,
            Sender::Server => &mut self.server,
        }
    }

    /// Whether the packet that begins can be the next.
    fn is_possible(&mut self, sender: Sender) -> bool {
        let Some(packet) = &self.lane(sender).packet else { return false };
        let (number, first) = (packet.number, packet.at == 0);
        if self.phase != Phase::Commands {
            return true;
        }
        match sender {
            Sender::Client => {
                !first || number == 0 || self.local || self.pending.front() == Some(&command::CHANGE_USER)
            }
            Sender::Server => {
                let right = self.pending.is_empty() || self.expected.is_none_or(|expected| expected == number);
                self.expected = Some(number.wrapping_add(1));
                right
            }
        }
    }

    /// Takes bytes of the packet under way.
    fn body(&mut self, sender: Sender, rest: &[u8]) -> (usize, Piece) {
        let Some(packet) = &self.lane(sender).packet else { return (rest.len(), Piece::Unknown) };
        let kind = packet.kind.unwrap_or_else(|| self.kind(sender, rest.first().copied(), packet));
        if kind == Kind::Other && sender == Sender::Client {
            self.lane_mut(sender).lose();
            return (rest.len(), Piece::Unknown);
        }
        let Some(packet) = &mut self.lane_mut(sender).packet else { return (rest.len(), Piece::Unknown) };
        packet.kind = Some(kind);
        let at = packet.at;
        let take = rest.get(..packet.left as usize).unwrap_or(rest);
        packet.keep(take);
        (take.len(), Piece::Body { kind, at, last: packet.is_whole() })
    }

    fn kind(&self, sender: Sender, first: Option<u8>, packet: &Packet) -> Kind {
        match (self.phase, sender) {
            (Phase::Greeting | Phase::Login, Sender::Server) if first == Some(first::ERR) => Kind::Error,
            (Phase::Greeting, Sender::Server) => Kind::Greeting,
            (Phase::Login, Sender::Client) => Kind::Login,
            (Phase::Authentication, Sender::Server) => match first {
                Some(first::OK) => Kind::Ok,
                Some(first::ERR) => Kind::Error,
                _ => Kind::Authentication,
            },
            (Phase::Authentication, Sender::Client) => Kind::Authentication,
            (Phase::Commands, Sender::Client) if self.local => Kind::LocalData,
            (Phase::Commands, Sender::Client) if packet.number != 0 => Kind::Authentication,
            (Phase::Commands, Sender::Client) => match first {
                Some(command) if command::is_known(command) => Kind::Command(command),
                _ => Kind::Other,
            },
            (Phase::Commands, Sender::Server) => match self.pending.front() {
                Some(command) => self.answer.kind(*command, first, packet.len, packet.number),
                None if first == Some(first::ERR) => Kind::Error,
                None => Kind::Other,
            },
            _ => Kind::Other,
        }
    }

    /// Hands on a piece, and follows what it means when it ends a packet.
    fn told(
        &mut self,
        sender: Sender,
        range: Range<usize>,
        piece: Piece,
        sink: &mut impl FnMut(&mut Self, Range<usize>, Piece),
    ) {
        let ended = match piece {
            Piece::Body { last: true, .. } => self.lane_mut(sender).packet.take(),
            _ => None,
        };
        if let Some(packet) = &ended {
            self.ended(sender, packet);
        }
        sink(self, range, piece);
    }

    /// A packet is complete.
    fn ended(&mut self, sender: Sender, packet: &Packet) {
        let kind = packet.kind.unwrap_or(Kind::Other);
        let body = if packet.broken { &[][..] } else { &packet.kept };
        match kind {
            Kind::Greeting => {
                let greeting = Greeting::of(body).filter(|one| one.capabilities & capability::PROTOCOL_41 != 0);
                self.offered = greeting.map(|one| one.capabilities);
                self.mariadb = greeting.is_some_and(|one| one.mariadb);
                self.phase = if greeting.is_some() { Phase::Login } else { Phase::Secret(Secrecy::Foreign) };
            }
            Kind::Login => self.login(body, packet.at),
            Kind::LocalData => {
                self.local = packet.at > 0;
                self.expected = Some(packet.number.wrapping_add(1));
            }
            Kind::Authentication => self.expected = Some(packet.number.wrapping_add(1)),
            Kind::Command(command) => self.asked(command, packet.number),
            Kind::Ok if self.phase == Phase::Authentication => {
                self.phase = if self.answer.can(capability::COMPRESS) || self.answer.can(capability::ZSTD) {
                    Phase::Secret(Secrecy::Compressed)
                } else {
                    Phase::Commands
                };
                self.expected = Some(1);
            }
            Kind::Error if self.phase != Phase::Commands => self.phase = Phase::Secret(Secrecy::Foreign),
            Kind::Error if u16_at(body, 1) == Some(PROGRESS) => {}
            Kind::LocalRequest => self.local = true,
            _ if sender == Sender::Server => {
                let Some(&command) = self.pending.front() else { return };
                match self.answer.take(command, kind, body) {
                    Step::Within => {}
                    Step::Complete => {
                        self.pending.pop_front();
                        self.local = false;
                        self.expected = Some(1);
                    }
                    Step::Lost => self.server.lose(),
                }
            }
            _ => {}
        }
    }

    fn login(&mut self, body: &[u8], len: u64) {
        let Some(can) = login(body).filter(|can| can & capability::PROTOCOL_41 != 0) else {
            self.phase = Phase::Secret(Secrecy::Foreign);
            return;
        };
        if can & capability::SSL != 0 && len <= SSL_REQUEST {
            self.phase = Phase::Secret(Secrecy::Encrypted);
            return;
        }
        self.answer.agreed(can & self.offered.unwrap_or(u32::MAX));
        self.phase = Phase::Authentication;
    }

    /// `number` is that of its last part.
    fn asked(&mut self, command: u8, number: u8) {
        if self.server.lost || self.pending.len() >= MOST_PENDING {
            // Whoever asks again has the answers to all that was asked before.
            self.anew();
        }
        if command::is_replication(command) {
            self.phase = Phase::Secret(Secrecy::Foreign);
        } else if command::is_answered(command) {
            if self.pending.is_empty() {
                self.expected = Some(number.wrapping_add(1));
                self.answer.begin();
            }
            self.pending.push_back(command);
        }
    }

    fn anew(&mut self) {
        self.pending.clear();
        self.answer.begin();
        self.server.restart();
        self.local = false;
        self.expected = Some(1);
        self.anew = true;
    }

    /// Where a packet begins in bytes of a direction whose framing was lost.
    fn found_again(&mut self, sender: Sender, bytes: &[u8]) -> Option<usize> {
        if self.phase != Phase::Commands {
            return None;
        }
        match sender {
            Sender::Client => {
                // Commands and nothing else.
                let mut rest = bytes;
                while !rest.is_empty() {
                    let (0, [command, ..], after) = whole(rest)? else { return None };
                    if !command::is_known(*command) {
                        return None;
                    }
                    rest = after;
                }
                self.client.restart();
                self.anew();
                Some(0)
            }
            Sender::Server => {
                // The end of rows, in either form.
                let front = self.pending.front()?;
                let (start, body) = [9, 11].into_iter().find_map(|len| {
                    let start = bytes.len().checked_sub(len)?;
                    let (_, body, rest) = whole(bytes.get(start..)?)?;
                    let plain = body.len() == 5 || body.get(1..3) == Some(&[0, 0]);
                    (body.first() == Some(&first::EOF) && rest.is_empty() && plain).then_some((start, body))
                })?;
                (is_rows(*front) && Ending::of(body).is_some()).then(|| {
                    self.server.restart();
                    self.answer.among_rows();
                    self.expected = None;
                    start
                })
            }
        }
    }
}
