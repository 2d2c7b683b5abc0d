//! What each message does to the handshake.

use super::progress::{CHANGE_CIPHER_SPEC, ENCRYPTED, FINISHED, Sender};
use super::timeline::Timeline;
use super::verdict::Ending;
use super::{HandshakeTracker, Verdict, side_of};
use crate::observation::TlsVersion;
use crate::protocol::tls::{Alert, AlertDescription, AlertLevel, HandshakeType, Message, Wire, tls13_sizes};
use crate::stream::{Call, Direction};

/// Lengths that a Finished record up to TLS 1.2 can have: 12 bytes and a header, MAC, IV and padding (SSL 3.0: 36 bytes).
const FINISHED_RECORD: std::ops::RangeInclusive<u64> = 32..=128;

impl HandshakeTracker {
    /// Decodes bytes of one direction up to the end of the handshake.
    pub(super) fn events(
        &mut self,
        direction: Direction,
        call: Call,
        bytes: &mut &[u8],
        mut earlier: Option<Timeline>,
    ) -> Option<Verdict> {
        while let Some(event) = self.flow(direction).next(bytes) {
            let verdict = if self.finished {
                self.after_finished(direction, call, &event)
            } else {
                self.event(direction, call, event, &mut earlier)
            };
            if verdict.is_some() {
                return verdict;
            }
        }
        None
    }

    fn event(
        &mut self,
        direction: Direction,
        call: Call,
        event: Wire,
        earlier: &mut Option<Timeline>,
    ) -> Option<Verdict> {
        match event {
            Wire::Message(message) => {
                self.message(direction, call, &message);
                None
            }
            Wire::ChangeCipherSpec => {
                self.change_cipher_spec(direction);
                None
            }
            Wire::Protected { .. } => self.saw_finished(direction),
            Wire::Opaque { len } if FINISHED_RECORD.contains(&len) => {
                self.flow(direction).set_protected(true);
                self.saw_finished(direction)
            }
            Wire::Opaque { .. } => None,
            Wire::Alert { alert, len } => self.alert(direction, alert, len),
            Wire::ApplicationData { len } if self.progress.tls13 => self.under_keys(direction, len),
            Wire::LeftOut { len } if self.progress.tls13 => self.left_out_under_keys(direction, len),
            Wire::ApplicationData { .. } | Wire::LeftOut { .. } => self.application_data(earlier),
            Wire::Broken => {
                self.peer_broken |= direction == Direction::Read;
                None
            }
        }
    }

    fn message(&mut self, direction: Direction, call: Call, message: &Message) {
        let kind = message.kind;
        self.learn_role(direction, kind);
        self.progress.message(kind);
        match kind {
            HandshakeType::CLIENT_HELLO => {
                self.hello_started(direction, call);
                self.facts.client_hello(&message.body);
            }
            HandshakeType::SERVER_HELLO => return self.server_hello(direction, &message.body),
            HandshakeType::SERVER_KEY_EXCHANGE => self.facts.server_key_exchange(&message.body),
            HandshakeType::CLIENT_KEY_EXCHANGE => self.facts.client_key_exchange(&message.body),
            _ => {}
        }
        self.unsure = false;
        self.step(direction, kind.name().unwrap_or("unknown message"));
    }

    fn server_hello(&mut self, direction: Direction, body: &[u8]) {
        let is_retry = self.facts.server_hello(body);
        if is_retry {
            self.progress.hello_retry();
        }
        if self.facts.version >= Some(TlsVersion::TLS_1_3) {
            self.progress.is_tls13();
            self.read.set_protected(false);
            self.write.set_protected(false);
        }
        // Without its version it does not say what the next messages are.
        self.unsure &= self.facts.version.is_none();
        self.step(direction, if is_retry { "HelloRetryRequest" } else { "ServerHello" });
    }

    /// A hello or key exchange says who is who, if accept or connect did not.
    fn learn_role(&mut self, direction: Direction, kind: HandshakeType) {
        if self.client_known {
            return;
        }
        if let Some(from_client) = kind.from_client() {
            self.client = if from_client { direction } else { direction.other() };
            self.client_known = true;
        }
    }

    fn change_cipher_spec(&mut self, direction: Direction) {
        let sender = self.sender(direction);
        self.step(direction, CHANGE_CIPHER_SPEC);
        // TLS 1.3 has them for show; a client with early data may send its own before the server has chosen.
        if self.progress.tls13 || (!self.progress.is_legacy() && self.facts.may_be_tls13()) {
            return;
        }
        self.progress.change_cipher_spec(sender);
        self.flow(direction).set_protected(true);
    }

    fn saw_finished(&mut self, direction: Direction) -> Option<Verdict> {
        let sender = self.sender(direction);
        self.step(direction, FINISHED);
        let known = self.progress.finished(sender, self.lacks_something());
        self.unsure |= !known;
        if !self.progress.is_complete() {
            return None;
        }
        if self.facts.is_null() {
            self.finished = true;
            return None;
        }
        Some(self.success())
    }

    fn alert(&mut self, direction: Direction, alert: Option<Alert>, len: u64) -> Option<Verdict> {
        if !self.is_handshake() {
            return None;
        }
        let from = side_of(direction);
        self.timeline.message("Alert");
        let Some(alert) = alert.filter(|_| self.can_read_alert(direction, len)) else {
            return Some(self.ended(Ending::EncryptedAlert { from }));
        };
        if self.is_passed_over(alert) {
            return None;
        }
        self.unsure = false;
        Some(self.ended(Ending::Alert { from, alert }))
    }

    fn can_read_alert(&self, direction: Direction, len: u64) -> bool {
        let flow = match direction {
            Direction::Read => &self.read,
            Direction::Write => &self.write,
        };
        len == 2 || (self.facts.is_null() && flow.is_protected())
    }

    fn is_passed_over(&self, alert: Alert) -> bool {
        alert.level == AlertLevel::WARNING
            && !self.progress.tls13
            && !matches!(alert.description, AlertDescription::CLOSE_NOTIFY | AlertDescription::USER_CANCELED)
    }

    /// Application data where it can be nothing else.
    fn application_data(&mut self, earlier: &mut Option<Timeline>) -> Option<Verdict> {
        if self.mid_stream && !self.is_handshake() {
            // It was over long before.
            return Some(Verdict::Unknown);
        }
        let legacy = self.progress.is_legacy() || (self.progress.server_hello && !self.facts.may_be_tls13());
        if legacy && let Some(earlier) = earlier.take() {
            self.timeline = earlier;
            return Some(self.success());
        }
        None
    }

    /// TLS 1.3: a record under keys.
    fn under_keys(&mut self, direction: Direction, len: u64) -> Option<Verdict> {
        if !self.progress.server_hello {
            return None;
        }
        let sender = self.sender(direction);
        let sizes = tls13_sizes(self.facts.chosen.map_or(0, |suite| suite.id));
        let early_data = sender == Sender::Client && self.facts.early_data;
        if len == sizes.alert && !early_data {
            self.timeline.message("Alert");
            return Some(self.ended(Ending::EncryptedAlert { from: side_of(direction) }));
        }
        match sender {
            Sender::Server => {
                self.progress.server_finished |= len >= sizes.finished;
                self.step(direction, ENCRYPTED);
                None
            }
            Sender::Client if early_data && len != sizes.finished => None,
            Sender::Client if len < sizes.finished => None,
            Sender::Client => self.saw_finished(direction),
        }
    }

    /// TLS 1.3: records under keys, how many and where they begin is not known.
    fn left_out_under_keys(&mut self, direction: Direction, len: u64) -> Option<Verdict> {
        let sizes = tls13_sizes(self.facts.chosen.map_or(0, |suite| suite.id));
        let sender = self.sender(direction);
        if len < sizes.finished || (sender == Sender::Client && self.facts.early_data) {
            self.unsure = true;
            return None;
        }
        self.under_keys(direction, len)
    }

    /// Only a NULL suite comes here: its alerts can be read.
    fn after_finished(&mut self, direction: Direction, call: Call, event: &Wire) -> Option<Verdict> {
        match *event {
            Wire::Alert { alert: Some(alert), len }
                if self.can_read_alert(direction, len)
                    && !self.is_passed_over(alert)
                    && alert.description != AlertDescription::CLOSE_NOTIFY =>
            {
                self.finished = false;
                self.moved(direction, call, true);
                self.timeline.message("Alert");
                Some(self.ended(Ending::Alert { from: side_of(direction), alert }))
            }
            Wire::Message(_) | Wire::ChangeCipherSpec | Wire::Protected { .. } | Wire::Opaque { .. } => None,
            _ => Some(self.success()),
        }
    }
}
