//! Observations that an operator wants to find in the log: failures and what the agent could not see.

use super::{Sink, names::Names};
use crate::observation::{AtResult, Observation, TargetEvent};

/// Writes observations as log lines.
#[derive(Debug)]
pub struct Log {
    names: Names,
}

impl Log {
    pub fn new(names: Names) -> Self {
        Self { names }
    }
}

impl Sink for Log {
    fn take(&mut self, observation: &Observation) {
        match observation {
            // Nothing is put into words that nobody will read: this is the path of every good handshake.
            Observation::Handshake(handshake)
                if handshake.failure.is_none() && !tracing::enabled!(tracing::Level::DEBUG) => {}
            Observation::Handshake(handshake) => {
                let peer = handshake.connection.peer.as_ref().map(ToString::to_string).unwrap_or_default();
                let target = &*handshake.connection.process.target;
                let connection = handshake.connection.number;
                let identity = handshake.identity.as_ref().map(|identity| self.names.identity(identity));
                let identity = identity.unwrap_or_default();
                let seconds = handshake.duration().as_secs_f64();
                let suite = handshake.chosen.map(|suite| suite.to_string()).unwrap_or_default();
                match &handshake.failure {
                    None => tracing::debug!(
                        target_name = target,
                        connection,
                        peer,
                        identity,
                        suite,
                        seconds,
                        "handshake succeeded"
                    ),
                    Some(failure) => tracing::warn!(
                        target_name = target,
                        connection,
                        peer,
                        identity,
                        suite,
                        seconds,
                        reason = %failure.reason,
                        side = failure.side.as_str(),
                        step = failure.step,
                        saw = failure.saw,
                        advice = failure.advice,
                        "handshake failed"
                    ),
                }
            }
            Observation::AtCommand(command) if !matches!(command.result, AtResult::Ok | AtResult::Connect) => {
                tracing::info!(
                    target_name = &*command.tty.process.target,
                    device = &*command.tty.path,
                    command = command.name,
                    result = %command.result,
                    seconds = command.duration().as_secs_f64(),
                    "AT command failed"
                );
            }
            Observation::Target(change) => {
                let event = match change.event {
                    TargetEvent::Found => "watching",
                    TargetEvent::Started => "started",
                    TargetEvent::Ended => "ended",
                };
                let (name, pid, comm) = (&*change.process.target, change.process.pid, &*change.process.comm);
                if change.event == TargetEvent::Found {
                    tracing::info!(target_name = name, pid, comm, "{event}");
                } else {
                    tracing::debug!(target_name = name, pid, comm, "{event}");
                }
            }
            Observation::Incomplete(incomplete) => {
                tracing::warn!(
                    source = incomplete.source,
                    bytes = incomplete.bytes,
                    "lost events: metrics lack something"
                );
            }
            Observation::Blind(blind) => tracing::warn!(
                target_name = &*blind.process.target,
                pid = blind.process.pid,
                way = blind.way.as_str(),
                "moves bytes past the probes"
            ),
            _ => {}
        }
    }
}
