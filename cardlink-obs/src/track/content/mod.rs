//! What a connection carries: finds the plaintext, and hands it to who understands it.

mod begun;
mod step;

use super::admin::{self, AdminTracker, HandshakeFacts, PeerEnd, SentScript};
use crate::{
    event::{ContentNote, PlainSource},
    observation::{
        Connection, Finding, FindingKind, Handshake, Observation, Plaintext, PlaintextWay, PskIdentity, Role, Sealed,
        Stamp,
    },
    protocol::{
        http::{HttpVerdict, looks_like_http},
        tls::open::{Opener, Vault, Way},
    },
    stream::{Call, Direction, Transport},
};
use begun::Begun;
use std::{sync::Arc, time::Duration};
use step::{Step, direction, sender, source, way};

/// What can be set.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Keys, and the sessions that were seen.
    pub vault: Arc<Vault>,
    pub admin: admin::Settings,
    /// Plaintext that comes as events of its own, as in a recording: for it the wire is not looked at.
    pub recorded: Kept,
    /// Plaintext to keep for a recorder.
    pub tap: Kept,
    /// TLS libraries are probed: the lengths of records may tell whose plaintext theirs is.
    pub libraries: bool,
}

/// Of which connections the plaintext stands in a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kept {
    #[default]
    None,
    /// Of those that anybody can read. The others are there as ciphertext.
    Clear,
    All,
}

/// What a recorder is to know of a connection besides its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tapped {
    pub call: Call,
    pub what: Tap,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tap {
    Plain { source: PlainSource, direction: Direction, bytes: Vec<u8> },
    Note(ContentNote),
}

/// Reads one connection.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each says one thing that was found out, in any combination")]
pub struct Content {
    connection: Arc<Connection>,
    settings: Settings,
    wire: Wire,
    source: Option<PlainSource>,
    /// The direction in which the client's bytes go.
    client: Option<Direction>,
    handshake: Option<HandshakeFacts>,
    identity: Option<PskIdentity>,
    admin: Option<Box<AdminTracker>>,
    is_sealed: bool,
    /// It is recorded as ciphertext, and whoever has its key can read that.
    opens_later: bool,
    needs_library: bool,
    untold: Option<Plaintext>,
    failed: bool,
    /// In the clear, and not remote administration: not looked at any more, whatever still comes.
    dropped: bool,
    /// Of each direction: the first bytes, as long as they may become HTTP.
    begun: Begun,
    tapped: Vec<Tapped>,
}

#[derive(Debug)]
enum Wire {
    /// Not decided, or not looked at.
    None,
    Tls(Box<Opener>),
}

impl Content {
    pub fn new(connection: Arc<Connection>, settings: Settings) -> Self {
        let client = connection.role.map(|role| match role {
            Role::Server => Direction::Read,
            Role::Client => Direction::Write,
        });
        Self {
            connection,
            settings,
            wire: Wire::None,
            source: None,
            client,
            handshake: None,
            identity: None,
            admin: None,
            is_sealed: false,
            opens_later: false,
            needs_library: false,
            untold: None,
            failed: false,
            dropped: false,
            begun: Begun::default(),
            tapped: Vec::new(),
        }
    }

    /// TLS begins: the client's bytes go in this direction. `from_start`: nothing of it was missed.
    pub fn tls_begins(&mut self, client: Direction, from_start: bool) {
        if matches!(self.wire, Wire::None) && self.settings.recorded != Kept::All && self.source.is_none() {
            self.client = Some(client);
            let vault = Arc::clone(&self.settings.vault);
            self.wire = Wire::Tls(Box::new(Opener::new(vault, from_start)));
        }
    }

    /// Bytes of a TLS connection.
    pub fn tls(&mut self, direction: Direction, call: Call, bytes: &[u8], out: &mut Vec<Observation>) {
        let (Wire::Tls(opener), Some(client)) = (&mut self.wire, self.client) else { return };
        let (mut opened, probing) = (Vec::new(), self.settings.libraries);
        opener.push(sender(direction, client), bytes, &mut |event| opened.push(Step::of(&event, probing)));
        self.steps(opened, client, call, out);
    }

    /// Bytes of a TLS connection that are not here.
    pub fn tls_gap(&mut self, direction: Direction, call: Call, len: u64, resync: bool, out: &mut Vec<Observation>) {
        let (Wire::Tls(opener), Some(client)) = (&mut self.wire, self.client) else { return };
        let (mut opened, probing) = (Vec::new(), self.settings.libraries);
        opener.gap(sender(direction, client), len, resync, &mut |event| opened.push(Step::of(&event, probing)));
        self.steps(opened, client, call, out);
    }

    fn steps(&mut self, steps: Vec<Step>, client: Direction, call: Call, out: &mut Vec<Observation>) {
        for step in steps {
            match step {
                // What stands in the records was masked; the plaintext comes by itself.
                Step::Readable(Way::NullSuite) if self.settings.recorded == Kept::Clear => {
                    self.wire = Wire::None;
                    return;
                }
                Step::Readable(way) => {
                    self.readable(source(way), call, out);
                    self.identified(call);
                }
                // A library said it already.
                Step::Data(..) | Step::Gap(_) | Step::Sealed(_) if !self.is_by_wire() => {}
                Step::Data(sender, bytes) => self.found(direction(sender, client), call, &bytes, out),
                Step::Alert { sender, number, fatal } => {
                    self.alert(direction(sender, client), call, number, fatal, out);
                }
                Step::Sealed(sealed) => self.sealed(sealed, call, out),
                // How much of its data is missing, no record tells.
                Step::Gap(sender) => self.gap(direction(sender, client), call, 0, out),
                Step::Overlong(detail) => self.overlong(detail, call, out),
            }
        }
    }

    /// The plaintext comes from the wire, as far as any is known.
    const fn is_by_wire(&self) -> bool {
        matches!(self.source, None | Some(PlainSource::NullSuite | PlainSource::KeyFile | PlainSource::Clear))
    }

    /// Bytes of a connection without TLS.
    pub fn clear(&mut self, direction: Direction, call: Call, bytes: &[u8], out: &mut Vec<Observation>) {
        if self.settings.recorded != Kept::None || self.dropped {
            return;
        }
        if self.source.is_none() {
            let Some(bytes) = self.begun.feed(direction, bytes) else { return };
            self.readable(PlainSource::Clear, call, out);
            self.found(direction, call, &bytes, out);
        } else if self.source == Some(PlainSource::Clear) {
            self.found(direction, call, bytes, out);
        }
        self.drop_other(call, out);
    }

    /// Between two exchanges that are not remote administration, or in one that is long, following ends: the bytes that
    /// come until the kernel side knows must not be taken for all.
    fn drop_other(&mut self, call: Call, out: &mut Vec<Observation>) {
        if let Some(admin) = self.admin.as_mut().filter(|_| self.source == Some(PlainSource::Clear))
            && admin.is_of_no_concern(call, out)
        {
            self.dropped = true;
        }
    }

    /// Bytes of a connection without TLS that are not here.
    pub fn clear_gap(&mut self, direction: Direction, call: Call, len: u64, out: &mut Vec<Observation>) {
        self.begun = Begun::default();
        if self.source == Some(PlainSource::Clear) && len > 0 && !self.dropped {
            self.gap(direction, call, len, out);
        }
    }

    /// Plaintext that did not come by the wire: of a library's call, or of a recording.
    pub fn plain(
        &mut self,
        source: PlainSource,
        direction: Direction,
        call: Call,
        bytes: &[u8],
        missing: u64,
        out: &mut Vec<Observation>,
    ) {
        match self.source {
            // The wire says it already.
            Some(known) if known != source => return,
            Some(_) => {}
            None => self.readable(source, call, out),
        }
        self.found(direction, call, bytes, out);
        if missing > 0 {
            self.gap(direction, call, missing, out);
        }
    }

    /// A recording tells what was found out when it was made.
    pub fn recorded(&mut self, note: &ContentNote, call: Call, out: &mut Vec<Observation>) {
        let direction = |write| if write { Direction::Write } else { Direction::Read };
        match note {
            ContentNote::Readable(source) => self.readable(*source, call, out),
            ContentNote::Sealed { reason, advice } => {
                self.sealed(Sealed { reason: reason.clone(), advice: advice.clone() }, call, out);
            }
            ContentNote::End { write, alert } => {
                self.alert(direction(*write), call, alert.unwrap_or(CLOSE_NOTIFY), true, out);
            }
            ContentNote::Gap { write, len } => self.gap(direction(*write), call, *len, out),
            ContentNote::Overlong { detail } => self.overlong(detail.clone(), call, out),
            ContentNote::Identity(identity) => self.identity = Some(PskIdentity::new(identity.clone())),
        }
    }

    /// The client's PSK identity, by the keys that opened the connection: a resumed handshake does not show it.
    pub const fn identity(&self) -> Option<&PskIdentity> {
        self.identity.as_ref()
    }

    fn identified(&mut self, call: Call) {
        let Wire::Tls(opener) = &self.wire else { return };
        let Some(identity) = opener.identity().map(<[u8]>::to_vec) else { return };
        self.identity = Some(PskIdentity::new(identity.clone()));
        self.tap(call, ContentNote::Identity(identity));
    }

    /// An alert under keys, or the end of a direction in a recording.
    pub fn alert(&mut self, direction: Direction, call: Call, number: u8, fatal: bool, out: &mut Vec<Observation>) {
        let Some(admin) = &mut self.admin else { return };
        if number == CLOSE_NOTIFY {
            admin.ends(direction, call, out);
            if direction == Direction::Read {
                admin.peer_ended(PeerEnd::Closed);
            }
        } else if fatal {
            admin.peer_ended(PeerEnd::Alert);
        } else {
            return;
        }
        let alert = (number != CLOSE_NOTIFY).then_some(number);
        self.tap(call, ContentNote::End { write: direction == Direction::Write, alert });
    }

    /// The handshake of the connection was told.
    pub fn handshake(&mut self, handshake: &Handshake, out: &mut Vec<Observation>) {
        if handshake.failure.is_some() {
            // There is no plaintext to be had.
            self.failed = true;
            self.untold = None;
            return;
        }
        self.tell_readable(out);
        let facts = HandshakeFacts::of(handshake);
        if let Some(admin) = &mut self.admin {
            admin.handshake(facts.clone());
        }
        self.handshake = Some(facts);
    }

    /// The peer's FIN.
    pub fn eof(&mut self, call: Call, out: &mut Vec<Observation>) {
        if let Some(admin) = &mut self.admin {
            admin.ends(Direction::Read, call, out);
            admin.peer_ended(PeerEnd::Closed);
        }
    }

    pub fn reset(&mut self) {
        if let Some(admin) = &mut self.admin {
            admin.peer_ended(PeerEnd::Reset);
        }
    }

    pub fn transport(&mut self, transport: Transport) {
        if let Some(admin) = &mut self.admin {
            admin.transport(transport);
        }
    }

    pub fn tick(&mut self, now: Stamp, out: &mut Vec<Observation>) {
        let overdue = |plaintext: &Plaintext| now.since(plaintext.at) >= SEALED_AFTER;
        if self.handshake.is_some() && self.untold.as_ref().is_some_and(overdue) {
            self.tell(out);
        }
        if let Some(admin) = &mut self.admin {
            admin.tick(now, out);
        }
    }

    pub fn closed(&mut self, at: Stamp, out: &mut Vec<Observation>) {
        self.tell(out);
        if let Some(admin) = &mut self.admin {
            admin.closed(at, out);
        }
    }

    pub fn finish(&mut self, at: Stamp, out: &mut Vec<Observation>) {
        self.tell(out);
        if let Some(admin) = &mut self.admin {
            admin.finish(at, out);
        }
    }

    /// What a session that is taken up again left on another connection.
    pub fn resumed(&mut self, script: Option<SentScript>, out: &mut Vec<Observation>) {
        if let Some(admin) = &mut self.admin {
            admin.resumed(script, out);
        }
    }

    /// The script that a session has left open whose link is gone.
    pub fn take_left(&mut self) -> Option<SentScript> {
        self.admin.as_mut()?.take_left()
    }

    /// The card goes on elsewhere.
    pub fn superseded(&mut self, at: Stamp, out: &mut Vec<Observation>) {
        if let Some(admin) = &mut self.admin {
            admin.superseded(at, out);
        }
    }

    /// Nothing of its application data is wanted any more: nobody can read it, or it is in the clear and not remote
    /// administration.
    pub fn is_unwanted(&self) -> bool {
        // Not before the handshake is over: a Finished of TLS 1.3 looks like application data.
        let is_over = self.failed || (self.handshake.is_some() && !self.may_be_bound() && !self.opens_later);
        (self.is_sealed && is_over) || self.dropped
    }

    /// Its plaintext may come from a library that does not say whose it is.
    const fn may_be_bound(&self) -> bool {
        self.settings.libraries && self.source.is_none()
    }

    /// A request of remote administration was seen.
    pub fn is_admin(&self) -> bool {
        self.admin.as_ref().is_some_and(|admin| admin.is_admin())
    }

    /// A session is under way.
    pub fn in_session(&self) -> bool {
        self.admin.as_ref().is_some_and(|admin| admin.in_session())
    }

    /// It cannot be read from the wire, but perhaps from the program's TLS library; said once.
    pub fn needs_library(&mut self) -> bool {
        let needs = self.needs_library && self.handshake.is_some() && self.source.is_none();
        if needs {
            self.needs_library = false;
        }
        needs
    }

    /// What the client's Finished says of the key that it was made with, after a handshake that failed.
    pub fn suspicion(&self) -> Option<String> {
        let Wire::Tls(opener) = &self.wire else { return None };
        opener
            .suspects()
            .map(|finding| format!("{} (the key detective tried the client's Finished)", finding.fit.sentence()))
    }

    /// What a recorder is to know since this was last asked.
    pub fn take_tapped(&mut self) -> Vec<Tapped> {
        std::mem::take(&mut self.tapped)
    }

    fn readable(&mut self, source: PlainSource, call: Call, out: &mut Vec<Observation>) {
        if self.source.is_some() {
            return;
        }
        self.source = Some(source);
        self.tap(call, ContentNote::Readable(source));
        self.verdict(Ok(way(source)), call, out);
    }

    fn sealed(&mut self, sealed: Sealed, call: Call, out: &mut Vec<Observation>) {
        self.is_sealed = true;
        self.opens_later = self.settings.tap == Kept::Clear && OF_A_KEY.contains(&sealed.reason.as_str());
        self.needs_library = IN_THE_LIBRARY.contains(&sealed.reason.as_str());
        // What is said from here on is not known.
        for direction in [Direction::Read, Direction::Write] {
            if let Some(admin) = &mut self.admin {
                admin.gap(direction, call, 0, out);
            }
        }
        self.tap(call, ContentNote::Sealed { reason: sealed.reason.clone(), advice: sealed.advice.clone() });
        self.verdict(Err(sealed), call, out);
    }

    /// Whether it can be read matters only when the handshake succeeded: until then the verdict waits.
    fn verdict(&mut self, way: Result<PlaintextWay, Sealed>, call: Call, out: &mut Vec<Observation>) {
        if self.failed {
            return;
        }
        let plaintext = Plaintext { connection: Arc::clone(&self.connection), at: call.exit, way };
        if let Some(before) = self.untold.replace(plaintext)
            && before.way.is_ok()
        {
            out.push(Observation::Plaintext(Box::new(before)));
        }
        if self.source.is_some() && self.is_sealed {
            // It was read, and is not any more.
            self.tell(out);
        } else if self.handshake.is_some() || self.source == Some(PlainSource::Clear) {
            self.tell_readable(out);
        }
    }

    /// That it cannot be read is told a while later: a library's call may still bring the plaintext.
    fn tell_readable(&mut self, out: &mut Vec<Observation>) {
        if self.untold.as_ref().is_some_and(|plaintext| plaintext.way.is_ok()) {
            self.tell(out);
        }
    }

    fn tell(&mut self, out: &mut Vec<Observation>) {
        out.extend(self.untold.take().map(|plaintext| Observation::Plaintext(Box::new(plaintext))));
    }

    /// Plaintext of one direction.
    fn found(&mut self, direction: Direction, call: Call, bytes: &[u8], out: &mut Vec<Observation>) {
        let Some(source) = self.source else { return };
        if bytes.is_empty() {
            return;
        }
        self.tell(out);
        if self.admin.is_none() {
            let client = *self.client.get_or_insert_with(|| match looks_like_http(bytes) {
                Some(HttpVerdict::Response) => direction.other(),
                _ => direction,
            });
            let handshake = self.handshake.clone();
            self.admin = Some(Box::new(AdminTracker::new(
                Arc::clone(&self.connection),
                client,
                way(source),
                handshake,
                self.settings.admin,
            )));
        }
        if let Some(admin) = &mut self.admin {
            admin.plain(direction, call, bytes, out);
        }
        if self.taps() {
            let what = Tap::Plain { source, direction, bytes: bytes.to_vec() };
            self.tapped.push(Tapped { call, what });
        }
    }

    fn gap(&mut self, direction: Direction, call: Call, len: u64, out: &mut Vec<Observation>) {
        if let Some(admin) = &mut self.admin {
            admin.gap(direction, call, len, out);
        }
        self.tap(call, ContentNote::Gap { write: direction == Direction::Write, len });
    }

    fn overlong(&mut self, detail: String, call: Call, out: &mut Vec<Observation>) {
        match &mut self.admin {
            Some(admin) => admin.finding(FindingKind::RecordTooLong, call.exit, detail.clone(), out),
            None => out.push(Observation::Finding(Box::new(Finding {
                kind: FindingKind::RecordTooLong,
                connection: Arc::clone(&self.connection),
                session: None,
                at: call.exit,
                detail: detail.clone(),
                counted_elsewhere: false,
            }))),
        }
        self.tap(call, ContentNote::Overlong { detail });
    }

    fn tap(&mut self, call: Call, note: ContentNote) {
        if self.taps() {
            self.tapped.push(Tapped { call, what: Tap::Note(note) });
        }
    }

    /// A recorder wants to know of this connection.
    fn taps(&self) -> bool {
        match self.settings.tap {
            Kept::None => false,
            Kept::Clear => matches!(self.source, Some(PlainSource::Clear | PlainSource::NullSuite)),
            Kept::All => true,
        }
    }
}

const CLOSE_NOTIFY: u8 = 0;
/// What keeps the wire closed for want of the right key alone.
const OF_A_KEY: [&str; 4] = ["no_key_file", "no_key_for_identity", "wrong_key_in_file", "resumed_unknown"];
/// What keeps the wire closed and does not concern the library.
const IN_THE_LIBRARY: [&str; 8] = [
    "no_key_file",
    "no_key_for_identity",
    "forward_secrecy",
    "server_key",
    "tls13",
    "unsupported_suite",
    "resumed_unknown",
    "under_way",
];
/// So long a connection that the wire does not open waits for a library's call.
const SEALED_AFTER: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests;
