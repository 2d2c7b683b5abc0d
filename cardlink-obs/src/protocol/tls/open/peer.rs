//! A client and a server that talk to each other, for the fuzzer and the tests: what an [`Opener`](super::Opener) reads.

use super::lane::{Lane, Shape};
use super::opener::Sender;
use super::schedule::Master;
use super::suite::{Access, Suite, access};
use super::transcript::Transcript;
use crate::observation::TlsVersion;
use crate::protocol::tls::ContentType;

pub(super) const IDENTITY: &[u8] = b"card-01";

/// How the two talk.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    pub(super) suite: u16,
    pub(super) version: TlsVersion,
    pub(super) extended_master_secret: bool,
    pub(super) encrypt_then_mac: bool,
    /// The code of RFC 6066 §4.
    pub(super) max_fragment_length: Option<u8>,
    /// The server's session id; the client's, too, when it resumes.
    pub(super) session_id: Vec<u8>,
    /// The ticket that the client offers.
    pub(super) ticket: Vec<u8>,
    /// The ticket that the server gives.
    pub(super) new_ticket: Vec<u8>,
    /// The session is resumed.
    pub(super) resumes: Option<Master>,
}

impl Setup {
    pub(super) fn new(suite: u16, version: TlsVersion) -> Self {
        Self {
            suite,
            version,
            extended_master_secret: false,
            encrypt_then_mac: false,
            max_fragment_length: None,
            session_id: Vec::new(),
            ticket: Vec::new(),
            new_ticket: Vec::new(),
            resumes: None,
        }
    }

    fn suite(&self) -> Option<Suite> {
        match access(self.suite, self.version) {
            Access::ByKey(suite) | Access::Null { suite, .. } => Some(suite),
            Access::Closed(_) => None,
        }
    }

    fn extensions(&self, client: bool) -> Vec<u8> {
        let mut all = Vec::new();
        let mut add = |kind: u16, body: &[u8]| {
            all.extend(kind.to_be_bytes());
            all.extend(vec16(body));
        };
        if self.extended_master_secret {
            add(23, &[]);
        }
        if self.encrypt_then_mac {
            add(22, &[]);
        }
        if let Some(code) = self.max_fragment_length {
            add(1, &[code]);
        }
        if client {
            add(35, &self.ticket);
        }
        vec16(&all)
    }

    fn hello(&self, client: bool) -> Vec<u8> {
        let mut body = self.version.0.to_be_bytes().to_vec();
        body.extend([if client { 0xC1 } else { 0x5E }; 32]);
        let session_id: &[u8] = if client && self.resumes.is_none() { &[] } else { &self.session_id };
        body.push(session_id.len() as u8);
        body.extend(session_id);
        if client {
            body.extend(vec16(&self.suite.to_be_bytes()));
            body.extend([1, 0]);
        } else {
            body.extend(self.suite.to_be_bytes());
            body.push(0);
        }
        body.extend(self.extensions(client));
        message(if client { 1 } else { 2 }, &body)
    }
}

/// What the two have said, and the keys with which they go on.
#[derive(Debug)]
pub(super) struct Talk {
    /// What went over the wire, in the order in which it was sent.
    pub(super) wire: Vec<(Sender, Vec<u8>)>,
    pub(super) client: Lane,
    pub(super) server: Lane,
    pub(super) master: Master,
}

impl Talk {
    /// The handshake. `None`: with this suite no keys can be had.
    pub(super) fn new(setup: &Setup, psk: &[u8]) -> Option<Self> {
        let version = setup.version;
        let shape = Shape { suite: setup.suite()?, version, encrypt_then_mac: setup.encrypt_then_mac };
        let mut transcript = Transcript::new(true);
        let mut wire = Vec::new();
        let mut clear = |sender, message: Vec<u8>| {
            transcript.message(sender, &message).ok()?;
            wire.push((sender, record(ContentType::HANDSHAKE, version, &message)));
            Some(())
        };
        clear(Sender::Client, setup.hello(true))?;
        clear(Sender::Server, setup.hello(false))?;
        let ticket = [&[0, 0, 1, 0][..], &vec16(&setup.new_ticket)].concat();
        let ticket = (!setup.new_ticket.is_empty()).then(|| message(4, &ticket));
        if setup.resumes.is_none() {
            clear(Sender::Server, message(14, &[]))?;
            clear(Sender::Client, message(16, &vec16(IDENTITY)))?;
        } else if let Some(ticket) = &ticket {
            clear(Sender::Server, ticket.clone())?;
        }
        let material = transcript.material(shape)?;
        let master = setup.resumes.clone().unwrap_or_else(|| material.master(psk));
        let [client, server] = material.lanes(&master);
        let mut talk = Self { wire, client, server, master };
        let first = material.finished(&talk.master, material.first, &material.finished_hash);
        talk.change(material.first, version);
        talk.say(material.first, ContentType::HANDSHAKE, &first);
        transcript.first_finished = first.to_vec();
        if let (None, Some(ticket)) = (&setup.resumes, &ticket) {
            transcript.message(Sender::Server, ticket).ok()?;
            talk.wire.push((Sender::Server, record(ContentType::HANDSHAKE, version, ticket)));
        }
        let second = material.first.other();
        let hash = transcript.second_finished_hash(material.prf())?;
        talk.change(second, version);
        talk.say(second, ContentType::HANDSHAKE, &material.finished(&talk.master, second, &hash));
        Some(talk)
    }

    fn change(&mut self, sender: Sender, version: TlsVersion) {
        self.wire.push((sender, record(ContentType::CHANGE_CIPHER_SPEC, version, &[1])));
    }

    /// A record under keys.
    pub(super) fn say(&mut self, sender: Sender, content: ContentType, plaintext: &[u8]) {
        let lane = match sender {
            Sender::Client => &mut self.client,
            Sender::Server => &mut self.server,
        };
        let record = lane.seal(content, plaintext, 0);
        self.wire.push((sender, record));
    }
}

/// A message with its header.
pub(super) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let [_, high, middle, low] = (body.len() as u32).to_be_bytes();
    [&[kind, high, middle, low], body].concat()
}

/// A record in the clear.
pub(super) fn record(content: ContentType, version: TlsVersion, body: &[u8]) -> Vec<u8> {
    [&[content.0], &version.0.to_be_bytes()[..], &vec16(body)].concat()
}

pub(super) fn vec16(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u16).to_be_bytes()[..], body].concat()
}
