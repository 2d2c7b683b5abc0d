//! The handshake: which suite, which key, and when the keys change.

use super::detective::Evidence;
use super::hello::Choice;
use super::lane::{Lane, Shape};
use super::opener::{Opened, Opener, Out, Phase, Sender, Way};
use super::record::Record;
use super::resume::Session;
use super::schedule::{FINISHED, Master, Material};
use super::sealed::Sealed;
use super::suite::{Access, access};
use super::transcript::{Messages, Transcript, split};
use crate::protocol::tls::{ContentType, HandshakeType};
use std::collections::VecDeque;
use std::sync::Arc;

/// Protected records that may wait for their keys; they do only when directions are reported out of order.
const MAX_WAITING: usize = 64 * 1024;

/// Until both Finished messages are there.
#[derive(Debug)]
pub(super) struct Handshake {
    from_start: bool,
    /// There was a key file when it began: its messages are kept.
    keyed: bool,
    transcript: Transcript,
    /// Of each sender: messages, in the clear or decrypted, and protected records that wait for their keys.
    client: Queue,
    server: Queue,
    waiting: usize,
    /// Bytes of the client were lost before the suite was known.
    lost: bool,
    shape: Option<Shape>,
    way: Way,
    trial: Option<Trial>,
    settled: Option<Settled>,
}

#[derive(Debug, Default)]
struct Queue {
    messages: Messages,
    records: VecDeque<Record>,
    finished: bool,
}

/// Master secrets of which one may be right.
#[derive(Debug)]
struct Trial {
    material: Material,
    sessions: Vec<Session>,
}

#[derive(Debug)]
struct Settled {
    material: Material,
    session: Session,
}

impl Handshake {
    pub(super) fn new(has_keys: bool, from_start: bool) -> Self {
        Self {
            from_start,
            keyed: has_keys,
            transcript: Transcript::new(has_keys),
            client: Queue::default(),
            server: Queue::default(),
            waiting: 0,
            lost: false,
            shape: None,
            way: Way::KeyFile,
            trial: None,
            settled: None,
        }
    }

    /// What it means that the bytes are no records.
    pub(super) const fn why_not_tls(&self) -> Sealed {
        if self.from_start { Sealed::NotTls } else { Sealed::UnderWay }
    }

    const fn queue(&mut self, sender: Sender) -> &mut Queue {
        match sender {
            Sender::Client => &mut self.client,
            Sender::Server => &mut self.server,
        }
    }

    /// The first record of a connection of which it is not known where it starts.
    fn starts_here(&mut self, sender: Sender, record: &Record) -> bool {
        let hello = record.header.content == ContentType::HANDSHAKE
            && matches!(record.body.as_slice(), [1, 0, _, _, 3, 0..=4, ..]);
        self.from_start |= sender == Sender::Client && hello && !record.torn;
        self.from_start
    }
}

/// Why the handshake cannot go on, and what to do then.
enum Stop {
    Seal(Sealed),
    /// A NULL suite can be read all the same.
    Unverified,
}

impl Opener {
    /// A record before both Finished messages are there.
    pub(super) fn handshake_record(&mut self, sender: Sender, record: Record, out: Out<'_>) {
        let header = record.header;
        let direction = self.directions.of(sender);
        let Phase::Handshake(handshake) = &mut self.phase else { return };
        if !handshake.starts_here(sender, &record) {
            return self.seal(Sealed::UnderWay, out);
        }
        if record.torn {
            return;
        }
        match header.content {
            ContentType::CHANGE_CIPHER_SPEC if direction.changed => return self.seal(Sealed::Renegotiation, out),
            ContentType::CHANGE_CIPHER_SPEC => direction.changed = true,
            _ if direction.changed => {
                handshake.waiting += record.body.len();
                if handshake.waiting > MAX_WAITING {
                    return self.seal(Sealed::TooLong, out);
                }
                handshake.queue(sender).records.push_back(record);
            }
            ContentType::HANDSHAKE => {
                if let Err(why) = self.messages(sender, &record.body) {
                    return self.seal(why, out);
                }
                self.check_length(sender, usize::from(header.len), out);
            }
            // Early data of TLS 1.3 may come before it is known that TLS 1.3 is spoken (RFC 8446 §4.2.10).
            ContentType::APPLICATION_DATA if sender == Sender::Server || handshake.transcript.choice.is_some() => {
                let why = handshake.why_not_tls();
                return self.seal(why, out);
            }
            _ => {}
        }
        self.advance(out);
    }

    /// Takes messages in the clear. An error seals the connection.
    fn messages(&mut self, sender: Sender, bytes: &[u8]) -> Result<(), Sealed> {
        let Phase::Handshake(handshake) = &mut self.phase else { return Ok(()) };
        if handshake.lost && sender == Sender::Client {
            return Ok(());
        }
        handshake.queue(sender).messages.push(bytes)?;
        while let Some(message) = handshake.queue(sender).messages.next() {
            handshake.transcript.message(sender, &message)?;
        }
        Ok(())
    }

    /// Goes on as far as what came allows.
    fn advance(&mut self, out: Out<'_>) {
        loop {
            let Phase::Handshake(handshake) = &mut self.phase else { return };
            let stop = if handshake.settled.is_some() {
                None
            } else if handshake.shape.is_none() {
                match self.choose() {
                    Ok(true) => continue,
                    Ok(false) => return,
                    Err(stop) => Some(stop),
                }
            } else if handshake.trial.is_none() {
                match self.prepare() {
                    Ok(true) => continue,
                    Ok(false) => return,
                    Err(stop) => Some(stop),
                }
            } else {
                match self.try_masters(out) {
                    Ok(true) => continue,
                    Ok(false) => return,
                    Err(stop) => Some(stop),
                }
            };
            match stop {
                Some(Stop::Seal(why)) => return self.seal(why, out),
                Some(Stop::Unverified) => return self.read_unverified(out),
                None => {}
            }
            let Phase::Handshake(handshake) = &mut self.phase else { return };
            // The first Finished belongs to the hash of the second: its sender's records go first.
            let first = handshake.settled.as_ref().map_or(Sender::Client, |settled| settled.material.first);
            let order = [first, first.other()];
            let Some((sender, record)) = order
                .into_iter()
                .find_map(|sender| handshake.queue(sender).records.pop_front().map(|record| (sender, record)))
            else {
                return;
            };
            handshake.waiting = handshake.waiting.saturating_sub(record.body.len());
            self.open_record(sender, record, out);
        }
    }

    /// The server has chosen. `false`: it has not.
    fn choose(&mut self) -> Result<bool, Stop> {
        let Phase::Handshake(handshake) = &mut self.phase else { return Ok(false) };
        let Some(choice) = &handshake.transcript.choice else { return Ok(false) };
        let Choice { version, suite, compression, extensions, .. } = *choice;
        let access = access(suite, version);
        if let Access::Closed(why) = access {
            return Err(Stop::Seal(why));
        }
        if compression != 0 {
            return Err(Stop::Seal(Sealed::Compressed));
        }
        self.max_fragment = extensions.max_fragment_length;
        let (suite, stop) = match access {
            Access::Null { suite, keyed } => {
                handshake.way = Way::NullSuite;
                (suite, (!(keyed && handshake.keyed) || handshake.lost).then_some(Stop::Unverified))
            }
            Access::ByKey(suite) if !handshake.keyed => (suite, Some(Stop::Seal(Sealed::NoKeyFile))),
            Access::ByKey(suite) => (suite, handshake.lost.then_some(Stop::Seal(Sealed::Lost))),
            Access::Closed(why) => return Err(Stop::Seal(why)),
        };
        let encrypt_then_mac = extensions.encrypt_then_mac;
        handshake.shape = Some(Shape { suite, version, encrypt_then_mac });
        stop.map_or(Ok(true), Err)
    }

    /// All that the keys depend on has come. `false`: it has not.
    fn prepare(&mut self) -> Result<bool, Stop> {
        let resumed = self.directions.of(Sender::Server).changed;
        let Phase::Handshake(handshake) = &mut self.phase else { return Ok(false) };
        let transcript = &handshake.transcript;
        let (Some(shape), true) = (handshake.shape, transcript.is_full || resumed) else { return Ok(false) };
        let Some(material) = transcript.material(shape) else { return Ok(false) };
        let give_up = |why| if handshake.way == Way::NullSuite { Stop::Unverified } else { Stop::Seal(why) };
        let sessions: Vec<Session> = if transcript.is_full {
            let Some(identity) = transcript.identity.clone() else { return Ok(false) };
            self.identity = Some(Arc::clone(&identity));
            let keyring = self.vault.keyring();
            let keys = keyring.as_ref().map_or(&[][..], |keyring| keyring.keys(&identity));
            let session = |master| Session {
                master,
                suite: shape.suite.id,
                max_fragment: self.max_fragment,
                identity: Some(Arc::clone(&identity)),
            };
            let sessions: Vec<Session> = keys.iter().map(|key| session(material.master(key.expose()))).collect();
            if sessions.is_empty() {
                let record = handshake.client.records.front().cloned();
                self.evidence = Some(Box::new(Evidence { material, identity, record }));
                return Err(give_up(Sealed::NoKeyForIdentity));
            }
            sessions
        } else {
            let ticket = transcript.offer.as_ref().and_then(|offer| offer.ticket);
            let id = transcript.choice.as_ref().and_then(|choice| choice.session);
            let known = [ticket, id].into_iter().flatten().filter_map(|name| self.vault.session(&name));
            let sessions: Vec<Session> = known.filter(|session| session.suite == shape.suite.id).collect();
            if sessions.is_empty() {
                return Err(give_up(Sealed::ResumedUnknown));
            }
            sessions
        };
        handshake.trial = Some(Trial { material, sessions });
        Ok(true)
    }

    /// The first protected record shows which master secret is right. `false`: it has not come.
    fn try_masters(&mut self, out: Out<'_>) -> Result<bool, Stop> {
        let Phase::Handshake(handshake) = &mut self.phase else { return Ok(false) };
        let Some(Trial { material, .. }) = &handshake.trial else { return Ok(false) };
        let first = material.first;
        let Some(record) = handshake.queue(first).records.pop_front() else { return Ok(false) };
        let Some(Trial { material, sessions }) = handshake.trial.take() else { return Ok(false) };
        let fitted = sessions.into_iter().find_map(|session| Some((material.fit(&session.master, &record)?, session)));
        if first == Sender::Client
            && let Some(identity) = &self.identity
        {
            let evidence =
                Evidence { material: material.clone(), identity: Arc::clone(identity), record: Some(record.clone()) };
            self.evidence = Some(Box::new(evidence));
        }
        let Some((fitted, session)) = fitted else {
            let why = if first == Sender::Client { Sealed::WrongKeyInFile } else { Sealed::ResumedUnknown };
            return Err(if handshake.way == Way::NullSuite { Stop::Unverified } else { Stop::Seal(why) });
        };
        self.identity.clone_from(&session.identity);
        self.max_fragment = self.max_fragment.or(session.max_fragment);
        handshake.settled = Some(Settled { material, session });
        self.way = Some(handshake.way);
        let [client, server] = fitted.lanes;
        self.directions.of(Sender::Client).lane = Some(Box::new(client));
        self.directions.of(Sender::Server).lane = Some(Box::new(server));
        out(Opened::Readable(handshake.way));
        self.plaintext(first, record.header, &fitted.plaintext, out);
        Ok(true)
    }

    /// Handshake messages under the new keys: the two Finished.
    pub(super) fn finished(&mut self, sender: Sender, plaintext: &[u8], out: Out<'_>) {
        let Phase::Handshake(handshake) = &mut self.phase else { return };
        if let Err(why) = handshake.queue(sender).messages.push(plaintext) {
            return self.seal(why, out);
        }
        while let Some(message) = handshake.queue(sender).messages.next() {
            let right = match split(&message) {
                Some((HandshakeType::HELLO_REQUEST, _)) => true,
                Some((HandshakeType::FINISHED, _)) => handshake.check_finished(sender, message),
                _ => false,
            };
            if !right {
                return self.seal(Sealed::BadRecord, out);
            }
        }
        if handshake.client.finished && handshake.server.finished {
            self.complete(out);
        }
    }

    /// Both Finished messages are there and right.
    fn complete(&mut self, out: Out<'_>) {
        let Phase::Handshake(handshake) = std::mem::replace(&mut self.phase, Phase::Open) else { return };
        self.evidence = None;
        let Handshake { transcript, settled, client, server, .. } = *handshake;
        if let Some(Settled { session, .. }) = settled {
            let id = transcript.choice.and_then(|choice| choice.session);
            for name in [id, transcript.ticket].into_iter().flatten() {
                let session = Session { max_fragment: self.max_fragment, ..session.clone() };
                self.vault.remember(name, session);
            }
        }
        self.open_waiting(client, server, out);
    }

    fn open_waiting(&mut self, client: Queue, server: Queue, out: Out<'_>) {
        for (sender, queue) in [(Sender::Client, client), (Sender::Server, server)] {
            for record in queue.records {
                if let Phase::Open = self.phase {
                    self.open_record(sender, record, out);
                }
            }
        }
    }

    /// A NULL suite: without its keys, or with keys that do not fit, it can be read all the same.
    fn read_unverified(&mut self, out: Out<'_>) {
        let Phase::Handshake(handshake) = std::mem::replace(&mut self.phase, Phase::Open) else { return };
        let Handshake { shape: Some(shape), client, server, lost, .. } = *handshake else { return };
        for sender in [Sender::Client, Sender::Server] {
            self.directions.of(sender).lane = Some(Box::new(Lane::unverified(shape)));
        }
        let client_direction = self.directions.of(Sender::Client);
        client_direction.doubtful = lost && !client_direction.changed;
        // The client's Finished may have been right, and something behind it lost: then it was told already.
        if self.way.replace(Way::NullSuite).is_none() {
            out(Opened::Readable(Way::NullSuite));
        }
        self.open_waiting(client, server, out);
    }

    /// Bytes of a handshake are lost.
    pub(super) fn hole_in_handshake(&mut self, sender: Sender, out: Out<'_>) {
        let Phase::Handshake(handshake) = &mut self.phase else { return };
        if !handshake.from_start {
            return self.seal(Sealed::UnderWay, out);
        }
        match (&handshake.shape, handshake.way, sender) {
            (None, _, Sender::Client) => handshake.lost = true,
            (None, _, Sender::Server) | (Some(_), Way::KeyFile, _) => self.seal(Sealed::Lost, out),
            (Some(_), Way::NullSuite, _) => self.read_unverified(out),
        }
    }
}

impl Handshake {
    fn check_finished(&mut self, sender: Sender, message: Vec<u8>) -> bool {
        let Some(Settled { material, session }) = &self.settled else { return false };
        let master: &Master = &session.master;
        let hash = if sender == material.first {
            Some(material.finished_hash.clone())
        } else {
            self.transcript.second_finished_hash(material.prf())
        };
        // The other sender's Finished is spread over records, the rest of which is reported late: the MAC must do.
        let right = hash.is_none_or(|hash| message == material.finished(master, sender, &hash));
        if sender == material.first {
            self.transcript.first_finished = message;
        }
        self.queue(sender).finished = true;
        right && self.queue(sender).messages.is_empty()
    }
}

const _: () = assert!(FINISHED == 16);
