//! One connection: bytes of both directions in, plaintext out.

use super::decide::Handshake;
use super::detective::{Evidence, Finding};
use super::lane::{Lane, Refused};
use super::record::{Framer, Hole, Record};
use super::resume::Vault;
use super::sealed::Sealed;
use super::skim::Skim;
use super::suite::Cipher;
use crate::protocol::tls::{Alert, ContentType, HandshakeType, RecordHeader};
use std::sync::Arc;

/// Who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sender {
    Client,
    Server,
}

impl Sender {
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// By which way a connection is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// Its suite does not encrypt.
    NullSuite,
    /// With a key of the key file.
    KeyFile,
}

/// What is known of a connection so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Progress {
    /// The handshake is not that far.
    Undecided,
    Readable(Way),
    Sealed(Sealed),
}

/// What comes out of an [`Opener`].
#[derive(Debug, PartialEq, Eq)]
pub enum Opened<'a> {
    /// From here on the connection can be read.
    Readable(Way),
    /// Application data of one record, without padding and MAC. It is authenticated, except under a NULL suite whose key
    /// is not in the key file. Never empty.
    Data(Sender, &'a [u8]),
    /// An alert that was under keys.
    Alert(Sender, Alert),
    /// Application data of this sender is missing here: what comes does not follow on what came.
    Gap(Sender),
    /// A fragment is larger than the max_fragment_length that was agreed (RFC 6066 §4). Told once for each sender.
    Overlong { sender: Sender, len: u32, limit: u16 },
    /// It cannot be read, or not any more. The last thing that comes.
    Sealed(Sealed),
}

pub(super) type Out<'o> = &'o mut dyn FnMut(Opened<'_>);

/// Reads one connection.
#[derive(Debug)]
pub struct Opener {
    pub(super) vault: Arc<Vault>,
    pub(super) phase: Phase,
    pub(super) directions: Directions,
    /// Who the client says it is; of a resumed session, who it said it was.
    pub(super) identity: Option<Arc<[u8]>>,
    /// For the detective, until the handshake is known to have succeeded.
    pub(super) evidence: Option<Box<Evidence>>,
    pub(super) max_fragment: Option<u16>,
    pub(super) way: Option<Way>,
}

#[derive(Debug)]
pub(super) enum Phase {
    Handshake(Box<Handshake>),
    Open,
    Sealed(Sealed),
}

#[derive(Debug, Default)]
pub(super) struct Directions {
    client: Direction,
    server: Direction,
}

impl Directions {
    pub(super) const fn of(&mut self, sender: Sender) -> &mut Direction {
        match sender {
            Sender::Client => &mut self.client,
            Sender::Server => &mut self.server,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Direction {
    pub(super) framer: Framer,
    pub(super) lane: Option<Box<Lane>>,
    /// Its ChangeCipherSpec has come.
    pub(super) changed: bool,
    /// A NULL suite, and bytes were lost while the handshake was under way: it is not known if its ChangeCipherSpec came.
    pub(super) doubtful: bool,
    skim: Skim,
    overlong: bool,
}

impl Opener {
    /// `from_start`: the first byte pushed of each direction is the first one of the connection.
    pub fn new(vault: Arc<Vault>, from_start: bool) -> Self {
        let handshake = Handshake::new(vault.has_keys(), from_start);
        Self {
            vault,
            phase: Phase::Handshake(Box::new(handshake)),
            directions: Directions::default(),
            identity: None,
            evidence: None,
            max_fragment: None,
            way: None,
        }
    }

    /// Takes bytes of one direction, in the order of the stream, cut anywhere.
    pub fn push(&mut self, sender: Sender, bytes: &[u8], out: &mut impl FnMut(Opened<'_>)) {
        self.bytes(sender, bytes, out);
    }

    /// `len` bytes of this direction are not here. `resync`: the next byte starts a record.
    pub fn gap(&mut self, sender: Sender, len: u64, resync: bool, out: &mut impl FnMut(Opened<'_>)) {
        self.hole(sender, len, resync, out);
    }

    /// If it can be read, and by which way.
    pub const fn way(&self) -> Progress {
        match (&self.phase, self.way) {
            (Phase::Sealed(why), _) => Progress::Sealed(*why),
            (_, Some(way)) => Progress::Readable(way),
            (_, None) => Progress::Undecided,
        }
    }

    /// The client's PSK identity, when there is a key file. Of a resumed session it is the one of its full handshake.
    pub fn identity(&self) -> Option<&[u8]> {
        self.identity.as_deref()
    }

    /// After a handshake that failed: which key the client used, as far as the key file tells. This tries every key of the
    /// file, some tens of microseconds for each. `None`: nothing fits, or the handshake succeeded, or the client's Finished did
    /// not come.
    pub fn suspects(&self) -> Option<Finding> {
        self.evidence.as_ref()?.investigate(&*self.vault.keyring()?)
    }

    fn bytes(&mut self, sender: Sender, mut bytes: &[u8], out: Out<'_>) {
        loop {
            if let Phase::Sealed(_) = self.phase {
                self.watch_the_end(sender, bytes);
                return;
            }
            let direction = self.directions.of(sender);
            if direction.framer.is_lost() {
                if let Some(lane) = &mut direction.lane {
                    lane.lose(bytes.len() as u64);
                }
                return;
            }
            match direction.framer.next(&mut bytes) {
                Ok(Some(record)) => self.record(sender, record, out),
                Ok(None) => return,
                Err(_) => {
                    let why = match &self.phase {
                        Phase::Handshake(handshake) => handshake.why_not_tls(),
                        _ => Sealed::BadRecord,
                    };
                    self.seal(why, out);
                }
            }
        }
    }

    fn hole(&mut self, sender: Sender, len: u64, resync: bool, out: Out<'_>) {
        let direction = self.directions.of(sender);
        if len == 0 && (!resync || direction.framer.at_boundary()) {
            return;
        }
        let hole = direction.framer.skip(len, resync);
        match &self.phase {
            Phase::Sealed(_) => {
                self.evidence = None;
                self.directions = Directions::default();
                return;
            }
            Phase::Handshake(_) => self.hole_in_handshake(sender, out),
            Phase::Open => {}
        }
        if !matches!(self.phase, Phase::Open) {
            return;
        }
        if hole == Hole::Across {
            let direction = self.directions.of(sender);
            direction.doubtful |= !direction.changed;
            if let Some(lane) = &mut direction.lane {
                lane.lose(len);
            }
            out(Opened::Gap(sender));
        }
        // The hole may have been the end of a record.
        self.bytes(sender, &[], out);
    }

    fn record(&mut self, sender: Sender, record: Record, out: Out<'_>) {
        match &self.phase {
            Phase::Handshake(_) => self.handshake_record(sender, record, out),
            Phase::Open => self.open_record(sender, record, out),
            Phase::Sealed(_) => {}
        }
    }

    /// A record of a connection whose keys are known, or that needs none.
    pub(super) fn open_record(&mut self, sender: Sender, mut record: Record, out: Out<'_>) {
        let content = record.header.content;
        self.note_for_detective(sender, &record);
        let direction = self.directions.of(sender);
        if content == ContentType::CHANGE_CIPHER_SPEC {
            if direction.changed {
                return self.seal(Sealed::Renegotiation, out);
            }
            direction.changed = true;
            direction.doubtful = false;
            return;
        }
        let data = content == ContentType::APPLICATION_DATA;
        if direction.doubtful {
            let sealed_alert = direction.lane.as_ref().map(|lane| 2 + lane.shape.suite.mac_len());
            if !data && sealed_alert != Some(usize::from(record.header.len)) {
                return;
            }
        } else if !direction.changed {
            return;
        }
        let Some(lane) = &mut direction.lane else { return };
        if record.torn {
            lane.miss(&record.body);
            if data {
                out(Opened::Gap(sender));
            }
            return;
        }
        match lane.open(record.header, &mut record.body) {
            Ok(range) => {
                let plaintext = record.body.get(range).unwrap_or_default();
                self.plaintext(sender, record.header, plaintext, out);
            }
            Err(Refused::Blind) if data => out(Opened::Gap(sender)),
            Err(Refused::Blind) => {}
            Err(Refused::Lost) if lane.shape.suite.cipher == Cipher::Null => {
                **lane = Lane::unverified(lane.shape);
                self.open_record(sender, record, out);
            }
            Err(Refused::Lost) => self.seal(Sealed::Lost, out),
            Err(Refused::Bad) => self.seal(Sealed::BadRecord, out),
        }
    }

    /// The content of a record that was under keys.
    pub(super) fn plaintext(&mut self, sender: Sender, header: RecordHeader, plaintext: &[u8], out: Out<'_>) {
        self.check_length(sender, plaintext.len(), out);
        match header.content {
            ContentType::APPLICATION_DATA if !plaintext.is_empty() => out(Opened::Data(sender, plaintext)),
            ContentType::ALERT => {
                if let &[level, description] = plaintext {
                    out(Opened::Alert(sender, Alert::new([level, description])));
                }
            }
            ContentType::HANDSHAKE if matches!(self.phase, Phase::Handshake(_)) => {
                self.finished(sender, plaintext, out);
            }
            ContentType::HANDSHAKE => {
                // A ClientHello alone changes nothing: the server may well refuse it (RFC 5246 §7.4.1.2).
                let mut rest = plaintext;
                let skim = &mut self.directions.of(sender).skim;
                let begins =
                    std::iter::from_fn(|| skim.next(&mut rest)).any(|kind| kind == HandshakeType::SERVER_HELLO);
                if begins {
                    self.seal(Sealed::Renegotiation, out);
                }
            }
            _ => {}
        }
    }

    pub(super) fn check_length(&mut self, sender: Sender, len: usize, out: Out<'_>) {
        let Some(limit) = self.max_fragment else { return };
        let direction = self.directions.of(sender);
        if len > usize::from(limit) && !direction.overlong {
            direction.overlong = true;
            out(Opened::Overlong { sender, len: len as u32, limit });
        }
    }

    pub(super) fn seal(&mut self, why: Sealed, out: Out<'_>) {
        self.phase = Phase::Sealed(why);
        for sender in [Sender::Client, Sender::Server] {
            let direction = self.directions.of(sender);
            direction.lane = None;
            if self.evidence.is_none() {
                *direction = Direction::default();
            }
        }
        out(Opened::Sealed(why));
    }

    /// It cannot be read; what comes still tells if the handshake succeeded, and may bring the client's Finished.
    fn watch_the_end(&mut self, sender: Sender, mut bytes: &[u8]) {
        if self.evidence.is_none() {
            return;
        }
        while self.evidence.is_some() {
            match self.directions.of(sender).framer.next(&mut bytes) {
                Ok(Some(record)) => {
                    self.note_for_detective(sender, &record);
                    let direction = self.directions.of(sender);
                    direction.changed |= record.header.content == ContentType::CHANGE_CIPHER_SPEC;
                }
                Ok(None) => return,
                Err(_) => self.evidence = None,
            }
        }
        self.directions = Directions::default();
    }

    fn note_for_detective(&mut self, sender: Sender, record: &Record) {
        let Some(evidence) = &mut self.evidence else { return };
        match (sender, record.header.content) {
            (Sender::Server, ContentType::ALERT) => {}
            // The server answers a right Finished with its own; data flows when both are right.
            (Sender::Server, _) | (Sender::Client, ContentType::APPLICATION_DATA) => self.evidence = None,
            (Sender::Client, ContentType::HANDSHAKE)
                if evidence.record.is_none() && !record.torn && self.directions.of(sender).changed =>
            {
                evidence.record = Some(record.clone());
            }
            (Sender::Client, _) => {}
        }
    }
}
