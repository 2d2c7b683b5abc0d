//! What no tracker knows by itself: which of two watched ends counts, and what belongs together across connections.

use super::Pipeline;
use crate::{
    observation::{Connection, Observation, Process, Stamp, TestKey},
    track::{ConnectionTracker, Resumed, held},
};
use std::sync::Arc;

impl Pipeline {
    /// Completes what was told from `before` on: which of two ends counts, and which session it belongs to.
    pub(super) fn refine(&mut self, out: &mut Vec<Observation>, before: usize, at: u64) {
        self.modems.see(out, before);
        self.ports.see(&self.modems, Stamp::from_nanos(at), out, before);
        self.supersede(out, before);
        self.phones.refine(out, before);
        self.count_once(out, before, at);
        self.place_databases(out, before);
        self.readers.refine(out, before);
        self.count_at_daemon(out, before);
        self.devices_once(out, before);
        self.sessions.refine(out, before);
        for Resumed { connection, script } in self.sessions.take_resumed() {
            let from = out.len();
            if let Some(tracker) = self.tracker(connection) {
                tracker.resumed(script, out);
            }
            self.count_once(out, from, at);
            self.sessions.refine(out, from);
        }
    }

    /// A change of a device that several connections tell of is told once; who is refused one learns who has it.
    fn devices_once(&mut self, out: &mut Vec<Observation>, before: usize) {
        let of_device =
            |one: &Observation| matches!(one, Observation::DeviceChange(_) | Observation::DeviceOperation(_));
        if !out.iter().skip(before).any(of_device) {
            return;
        }
        for observation in out.split_off(before) {
            match &observation {
                Observation::DeviceChange(change) if !self.devices.changed(change) => {}
                Observation::DeviceOperation(operation) => {
                    let finding = self.devices.operated(operation).map(|holder| {
                        let by = self.pairs.user(holder.connection);
                        held(operation, &holder, by.as_deref())
                    });
                    out.push(observation);
                    out.extend(finding.map(|finding| Observation::DeviceFinding(Box::new(finding))));
                }
                _ => out.push(observation),
            }
        }
    }

    /// A card that comes back may be quicker than the news of its lost link: what it left is told before what it brings.
    fn supersede(&mut self, out: &mut Vec<Observation>, before: usize) {
        let lost = out.iter().enumerate().skip(before).find_map(|(place, observation)| match observation {
            Observation::SessionOpened(opened) => Some((place, self.sessions.superseded_by(opened)?, opened.at)),
            _ => None,
        });
        let Some((place, connection, at)) = lost else { return };
        let mut told = Vec::new();
        if let Some(tracker) = self.tracker(connection) {
            tracker.superseded(at, &mut told);
            if let Some(script) = tracker.take_left() {
                self.sessions.left(connection, script);
            }
        }
        out.splice(place..place, told);
    }

    fn tracker(&mut self, connection: u64) -> Option<&mut ConnectionTracker> {
        let mut trackers = self.streams.iter_mut().filter_map(|entry| entry.value.connection());
        trackers.find(|tracker| tracker.connection().number == connection)
    }

    fn count_once(&mut self, out: &mut [Observation], before: usize, at: u64) {
        for observation in out.iter_mut().skip(before) {
            match observation {
                Observation::Handshake(handshake) => {
                    handshake.counted_elsewhere = self.pairs.counted_elsewhere(&handshake.connection);
                    handshake.cause.test = self.test_on(&handshake.connection, handshake.start);
                }
                Observation::ConnectionClosed(closed) => {
                    closed.counted_elsewhere = self.pairs.counted_elsewhere(&closed.connection);
                    let from = closed.connection.opened.unwrap_or(closed.connection.first_seen);
                    closed.cause.test = self.test_on(&closed.connection, from);
                    self.pairs.closed(&closed.connection, at);
                }
                Observation::Exchange(exchange) => {
                    exchange.counted_elsewhere = self.pairs.counted_elsewhere(&exchange.connection);
                    exchange.cause.test = self.test_on(&exchange.connection, exchange.start);
                }
                Observation::SessionOpened(opened) => {
                    opened.counted_elsewhere = self.pairs.counted_elsewhere(&opened.connection);
                    opened.cause.test = self.test_on(&opened.connection, opened.start);
                }
                Observation::Session(session) => {
                    session.counted_elsewhere = self.pairs.counted_elsewhere(&session.connection);
                }
                Observation::Script(script) => {
                    script.counted_elsewhere = self.pairs.counted_elsewhere(&script.connection);
                }
                Observation::Query(query) => {
                    query.counted_elsewhere = self.elsewhere(query.connection.as_deref());
                    query.cause.session = self.session_of_query(query).or(query.cause.session);
                    query.cause.test = self.test_of(&query.process, query.connection.as_deref(), query.start);
                }
                Observation::DatabaseConnection(told) => {
                    told.counted_elsewhere = self.elsewhere(told.connection.as_deref());
                }
                Observation::ConnectFailed(failed) => {
                    let began = failed.took.map_or(failed.at, |took| failed.at - took);
                    failed.cause.test = self.test_of(&failed.process, None, began);
                }
                Observation::Finding(finding) => {
                    finding.counted_elsewhere = self.pairs.counted_elsewhere(&finding.connection);
                }
                Observation::DeviceApdu(apdu) => {
                    apdu.counted_elsewhere |= self.elsewhere(apdu.connection.as_deref());
                    // It began with the command that carries it.
                    let start = apdu.carrier.as_ref().map_or(apdu.start, |carrier| carrier.start);
                    apdu.cause.test = self.test_of(&apdu.process, apdu.connection.as_deref(), start);
                }
                Observation::DeviceOperation(operation) => {
                    operation.counted_elsewhere |= self.elsewhere(operation.connection.as_deref());
                }
                Observation::DeviceFinding(finding) => {
                    finding.counted_elsewhere |= self.elsewhere(finding.connection.as_deref());
                }
                Observation::AdbOperation(operation) => {
                    operation.counted_elsewhere = self.pairs.counted_elsewhere(&operation.connection);
                    operation.cause.test = self.test_on(&operation.connection, operation.start);
                    let client = self.pairs.client(&operation.connection).unwrap_or(&operation.connection);
                    operation.run = self.adb_runs.asked(client.process.pid, operation);
                }
                Observation::AdbCommand(run) => {
                    self.adb_runs.complete(run);
                    run.cause.test = self.test_of(&run.process, None, run.start);
                }
                Observation::AtCommand(command) => {
                    command.cause.test = self.test_of(&command.tty.process, None, command.start);
                }
                Observation::Trigger(trigger) => {
                    if let Some(test) = self.test_of(&trigger.tty.process, None, trigger.start) {
                        Arc::make_mut(trigger).cause.test = Some(test);
                    }
                }
                Observation::Function(call) => {
                    let start = call.calls.first().map(|outermost| outermost.start).unwrap_or_default();
                    call.cause.test = self.test_of(&call.process, None, start);
                }
                _ => {}
            }
        }
    }

    /// The test in which something began on a connection.
    fn test_on(&self, connection: &Connection, start: Stamp) -> Option<TestKey> {
        self.test_of(&connection.process, Some(connection), start)
    }

    /// The test in which something began: that of the program at the client's end, which has caused it, else the process's own.
    fn test_of(&self, process: &Process, connection: Option<&Connection>, start: Stamp) -> Option<TestKey> {
        if self.runs.are_none() {
            return None;
        }
        let client = connection.and_then(|connection| self.pairs.client(connection));
        let of_client = client.and_then(|client| self.runs.at(client.process.pid, start));
        of_client.or_else(|| self.runs.at(process.pid, start))
    }

    fn elsewhere(&self, connection: Option<&Connection>) -> bool {
        connection.is_some_and(|connection| self.pairs.counted_elsewhere(connection))
    }
}
