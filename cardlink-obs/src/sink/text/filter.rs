//! Which observations are shown.

use super::{adb, device, session};
use crate::observation::{AdbResult, Call, Connection, DatabaseChange, Observation, PeerAddress, SessionStatus};
use crate::track::dialogue::KINDS;
use std::time::Duration;

/// What is to be shown.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only what failed.
    pub failed: bool,
    /// Only what took at least so long.
    pub slower: Option<Duration>,
    /// Only this connection.
    pub connection: Option<u64>,
    /// Only peers whose address begins with this.
    pub peer: Option<String>,
    /// Unsolicited result codes, closes, and every process that starts and ends, too.
    pub all: bool,
}

impl Filter {
    fn narrows(&self) -> bool {
        self.failed || self.slower.is_some() || self.connection.is_some() || self.peer.is_some()
    }

    fn wants_connection(&self, connection: &Connection) -> bool {
        self.connection.is_none_or(|number| number == connection.number) && self.wants_peer(connection.peer.as_ref())
    }

    fn wants_peer(&self, address: Option<&PeerAddress>) -> bool {
        self.peer
            .as_ref()
            .is_none_or(|peer| address.is_some_and(|address| address.to_string().starts_with(peer.as_str())))
    }

    fn wants_maybe(&self, connection: Option<&Connection>) -> bool {
        match connection {
            Some(connection) => self.wants_connection(connection),
            None => self.connection.is_none() && self.peer.is_none(),
        }
    }

    fn wants(&self, failed: bool, took: Duration) -> bool {
        (!self.failed || failed) && self.slower.is_none_or(|limit| took >= limit)
    }

    /// Whether an observation passes.
    pub fn passes(&self, observation: &Observation) -> bool {
        let no_connection = self.connection.is_none() && self.peer.is_none();
        match observation {
            Observation::Handshake(handshake) => {
                self.wants_connection(&handshake.connection)
                    && self.wants(handshake.failure.is_some(), handshake.duration())
            }
            Observation::ConnectionOpened(connection) => {
                self.wants_connection(connection) && !self.failed && self.slower.is_none()
            }
            Observation::ConnectionClosed(closed) => {
                self.wants_connection(&closed.connection) && self.wants(false, closed.lifetime)
            }
            Observation::Plaintext(plaintext) => {
                self.wants_connection(&plaintext.connection) && self.slower.is_none() && !self.failed
            }
            Observation::Exchange(exchange) => {
                let took = exchange.server().or(exchange.waited()).max(exchange.peer).unwrap_or_default();
                let failed = exchange.broken().is_some() || exchange.status.is_none_or(|status| status >= 400);
                self.wants_connection(&exchange.connection) && self.wants(failed, took)
            }
            Observation::Script(script) => {
                let took = script.answered.map(|answered| answered.since(script.sent)).unwrap_or_default();
                self.wants_connection(&script.connection) && self.wants(session::has_failed(script), took)
            }
            Observation::SessionOpened(opened) => {
                self.wants_connection(&opened.connection) && self.slower.is_none() && !self.failed
            }
            Observation::Session(ended) => {
                let failed = ended.status() != SessionStatus::Completed || ended.apdu_errors > 0;
                self.wants_connection(&ended.connection) && self.wants(failed, ended.duration())
            }
            Observation::Finding(finding) => self.wants_connection(&finding.connection) && self.slower.is_none(),
            Observation::AtCommand(command) => {
                no_connection && self.wants(command.result.is_failure(), command.duration())
            }
            Observation::ProgramWait(wait) => {
                no_connection && !self.failed && self.slower.is_none_or(|l| wait.wait >= l)
            }
            Observation::Test(test) => {
                no_connection && self.wants(test.outcome.is_failure(), test.duration.unwrap_or_default())
            }
            Observation::Trigger(trigger) => {
                no_connection && self.wants(!trigger.was_sent(), trigger.end.since(trigger.sent))
            }
            Observation::Function(call) => {
                let took = call.calls.first().map(Call::duration).unwrap_or_default();
                no_connection && !self.failed && self.slower.is_none_or(|limit| took >= limit)
            }
            Observation::AtUnsolicited(_)
            | Observation::Line(_)
            | Observation::TestSuite(_)
            | Observation::TestStarted(_)
            | Observation::Target(_)
            | Observation::Process(_)
            | Observation::DeviceChange(_)
            | Observation::PhoneList(_) => !self.narrows(),
            Observation::Query(query) => {
                self.wants_maybe(query.connection.as_deref())
                    && self.wants(query.error.is_some(), query.took.unwrap_or_default())
            }
            Observation::DatabaseConnection(told) => {
                self.wants_maybe(told.connection.as_deref())
                    && self.slower.is_none()
                    && (!self.failed || matches!(told.change, DatabaseChange::Failed(_)))
            }
            Observation::ConnectFailed(failed) => {
                let peer = failed.peer.as_ref();
                let number = failed.connection.as_ref().map(|connection| connection.number);
                self.connection.is_none_or(|wanted| number == Some(wanted))
                    && self.wants_peer(peer)
                    && self.wants(!failed.other_answered, failed.took.unwrap_or_default())
            }
            Observation::Incomplete(_) | Observation::Blind(_) => true,
            Observation::DeviceApdu(apdu) => {
                self.wants_maybe(apdu.connection.as_deref()) && self.wants(device::has_failed(apdu), apdu.duration())
            }
            Observation::AdbOperation(one) => {
                self.wants_connection(&one.connection) && self.wants(adb::has_failed(one), one.duration())
            }
            Observation::AdbCommand(run) => {
                let failed = !matches!(run.result, AdbResult::Ok);
                no_connection && (self.all || !run.counted_elsewhere || failed) && self.wants(failed, run.duration())
            }
            Observation::DeviceOperation(operation) => {
                self.wants_maybe(operation.connection.as_deref())
                    && self.wants(operation.error.is_some(), operation.duration())
            }
            Observation::DeviceFinding(finding) => {
                self.wants_maybe(finding.connection.as_deref()) && self.slower.is_none()
            }
        }
    }
}

/// It is told in its own words.
pub(super) fn is_followed(spoke: &str) -> bool {
    KINDS.iter().any(|kind| kind.name == spoke)
}
