//! Observations become metrics.

mod adb;
mod apdus;
mod bounded;
mod databases;
mod devices;
pub mod openmetrics;
pub mod own;
pub mod page;
mod processes;
mod registry;
mod sessions;
pub mod table;
mod tests;

pub use registry::Registry;

use super::{Sink, names::Names};
use crate::observation::{
    AtCommand, ConnectFailed, ConnectReason, ConnectionClosed, ConnectionOutcome, Device, DeviceType, FailureReason,
    Handshake, Observation, ProgramWait, Side, TargetChange, TargetEvent, TriggerType,
};
use apdus::Apdus;
use bounded::Bounded;
use databases::Databases;
use devices::Devices;
use processes::Processes;
use sessions::Sessions;
use std::{collections::HashSet, sync::Arc};
use tests::Tests;

const MAX_TARGETS: usize = 64;
const MAX_COMMANDS: usize = 200;
const MAX_SUITES: usize = 64;

/// Reasons that are announced at 0, with the side that they belong to most.
const REASONS: [(FailureReason, Side); 14] = [
    (FailureReason::UnknownPskIdentity, Side::Local),
    (FailureReason::UnknownPskIdentity, Side::Peer),
    (FailureReason::WrongKey, Side::Local),
    (FailureReason::WrongKey, Side::Peer),
    (FailureReason::NoSharedCipher, Side::Local),
    (FailureReason::NoSharedCipher, Side::Peer),
    (FailureReason::ProtocolVersion, Side::Local),
    (FailureReason::ProtocolVersion, Side::Peer),
    (FailureReason::RecordOverflow, Side::Local),
    (FailureReason::DecodeError, Side::Local),
    (FailureReason::PeerClosed, Side::Peer),
    (FailureReason::PeerReset, Side::Peer),
    (FailureReason::Timeout, Side::Peer),
    (FailureReason::LocalError, Side::Local),
];

/// The metrics sink.
pub struct Metrics {
    registry: Arc<Registry>,
    targets: Bounded,
    commands: Bounded,
    suites: Bounded,
    announced: HashSet<(String, String)>,
    processes: Processes,
    sessions: Sessions,
    apdus: Apdus,
    host_devices: Devices,
    databases: Databases,
    tests: Tests,
    adb: adb::Adb,
}

impl Metrics {
    pub fn new(registry: Arc<Registry>) -> Self {
        Self {
            registry,
            targets: Bounded::new(MAX_TARGETS),
            commands: Bounded::new(MAX_COMMANDS),
            suites: Bounded::new(MAX_SUITES),
            announced: HashSet::new(),
            processes: Processes::default(),
            sessions: Sessions::default(),
            apdus: Apdus::default(),
            host_devices: Devices::default(),
            databases: Databases::default(),
            tests: Tests::default(),
            adb: adb::Adb::default(),
        }
    }

    /// With names for the serial numbers of devices; otherwise they are left out.
    #[must_use]
    pub fn naming(mut self, names: Names) -> Self {
        self.host_devices.name_by(names);
        self
    }

    /// Counters start at 0 for every known label set: `increase()` would miss the night's only failure otherwise.
    fn announce_target(&mut self, target: &str) {
        if !self.announced.insert((target.to_owned(), String::new())) {
            return;
        }
        let registry = &self.registry;
        for outcome in [
            ConnectionOutcome::Handshake,
            ConnectionOutcome::NoClientHello,
            ConnectionOutcome::NotTls,
            ConnectionOutcome::Unknown,
        ] {
            registry.add(&table::TLS_CONNECTIONS, &[target, outcome.as_str()], 0.0);
        }
        registry.shift(&table::TLS_CONNECTIONS_ACTIVE, &[target], 0.0);
        for result in ["success", "failed"] {
            registry.announce(&table::TLS_HANDSHAKE_DURATION, &[target, result]);
        }
        for phase in ["local_compute", "peer_wait", "not_ready"] {
            registry.announce(&table::TLS_HANDSHAKE_PHASE, &[target, phase]);
        }
        registry.announce(&table::TLS_CONNECTION_DURATION, &[target]);
        for reason in ConnectReason::ALL {
            registry.add(&table::CONNECT_FAILURES, &[target, reason.as_str()], 0.0);
        }
        registry.add(&table::PROCESS_RETRANSMITS, &[target], 0.0);
        self.announce_suite(target, "");
    }

    fn announce_suite(&mut self, target: &str, suite: &str) {
        if !suite.is_empty() && !self.announced.insert((target.to_owned(), suite.to_owned())) {
            return;
        }
        for (reason, side) in REASONS {
            let labels = [target, "failed", suite, &reason.to_string(), side.as_str()];
            self.registry.add(&table::TLS_HANDSHAKES, &labels, 0.0);
        }
        if !suite.is_empty() {
            self.registry.add(&table::TLS_HANDSHAKES, &[target, "success", suite, "", ""], 0.0);
        }
    }

    fn target(&mut self, name: &str) -> String {
        let target = self.targets.fold(name);
        self.announce_target(&target);
        target
    }

    fn handshake(&mut self, handshake: &Handshake) {
        if handshake.counted_elsewhere {
            return;
        }
        let target = self.target(&handshake.connection.process.target);
        let suite = self.suites.fold(&handshake.chosen.map(|suite| suite.to_string()).unwrap_or_default());
        self.announce_suite(&target, &suite);
        let result = if handshake.failure.is_some() { "failed" } else { "success" };
        let (reason, side) = match &handshake.failure {
            Some(failure) => (failure.reason.to_string(), failure.side.as_str()),
            None => (String::new(), ""),
        };
        self.registry.increment(&table::TLS_HANDSHAKES, &[&target, result, &suite, &reason, side]);
        if handshake.partial {
            return;
        }
        self.registry.observe(&table::TLS_HANDSHAKE_DURATION, &[&target, result], handshake.duration().as_secs_f64());
        let phases = handshake.phases;
        for (phase, time) in
            [("local_compute", phases.local_compute), ("peer_wait", phases.peer_wait), ("not_ready", phases.not_ready)]
        {
            self.registry.observe(&table::TLS_HANDSHAKE_PHASE, &[&target, phase], time.as_secs_f64());
        }
    }

    fn closed(&mut self, closed: &ConnectionClosed) {
        let target = self.target(&closed.connection.process.target);
        self.registry.shift(&table::TLS_CONNECTIONS_ACTIVE, &[&target], -1.0);
        // Each end sends its own.
        self.registry.add(&table::PROCESS_RETRANSMITS, &[&target], closed.retransmits as f64);
        if closed.counted_elsewhere || closed.outcome == ConnectionOutcome::NotConnected {
            return;
        }
        self.registry.increment(&table::TLS_CONNECTIONS, &[&target, closed.outcome.as_str()]);
        if closed.outcome == ConnectionOutcome::Handshake {
            self.registry.observe(&table::TLS_CONNECTION_DURATION, &[&target], closed.lifetime.as_secs_f64());
        }
    }

    fn connect_failed(&mut self, failed: &ConnectFailed) {
        let target = self.target(&failed.process.target);
        if failed.other_answered {
            return;
        }
        self.registry.increment(&table::CONNECT_FAILURES, &[&target, failed.reason.as_str()]);
        if let Some(system) = failed.database {
            self.databases.unreached(system, failed.reason, &target, &self.registry);
        }
    }

    /// The label of a phone; empty where none is known.
    fn phone(&mut self, phone: Option<&Device>, target: &str) -> String {
        phone.map(|phone| self.host_devices.seen(phone, target, &mut self.apdus, &self.registry)).unwrap_or_default()
    }

    fn at_command(&mut self, command: &AtCommand) {
        let target = self.targets.fold(&command.tty.process.target);
        let device = self.host_devices.modem(&command.tty.device, &target, &self.registry);
        let name = self.commands.fold(&command.name);
        for result in ["ok", "error", "timeout"] {
            self.registry.add(&table::AT_COMMANDS, &[&target, &device, &name, result], 0.0);
        }
        self.registry.increment(&table::AT_COMMANDS, &[&target, &device, &name, &command.result.to_string()]);
        self.registry.observe(
            &table::AT_COMMAND_DURATION,
            &[&target, &device, &name],
            command.duration().as_secs_f64(),
        );
        self.registry.announce(&table::PROGRAM_WAIT, &[&target, &device, "at"]);
        if command.result.is_failure() {
            let error = command.result.to_string();
            self.registry.increment(&table::DEVICE_ERRORS, &[&target, DeviceType::Modem.as_str(), &device, &error]);
        }
    }

    fn program_wait(&mut self, wait: &ProgramWait) {
        let target = self.targets.fold(&wait.tty.process.target);
        let device = self.host_devices.modem(&wait.tty.device, &target, &self.registry);
        self.registry.observe(
            &table::PROGRAM_WAIT,
            &[&target, &device, wait.interface.as_str()],
            wait.wait.as_secs_f64(),
        );
    }

    fn target_changed(&mut self, change: &TargetChange) {
        let target = self.target(&change.process.target);
        match change.event {
            TargetEvent::Ended => self.processes.ended(change.process.pid, &target, &self.registry),
            TargetEvent::Found | TargetEvent::Forked | TargetEvent::Started => {
                self.processes.came(change.process.pid, &target, &self.registry);
            }
        }
    }
}

impl Sink for Metrics {
    fn take(&mut self, observation: &Observation) {
        match observation {
            Observation::ConnectionOpened(connection) => {
                let target = self.target(&connection.process.target);
                self.registry.shift(&table::TLS_CONNECTIONS_ACTIVE, &[&target], 1.0);
            }
            Observation::ConnectionClosed(closed) => self.closed(closed),
            Observation::Handshake(handshake) => self.handshake(handshake),
            Observation::Plaintext(plaintext) => {
                let target = self.target(&plaintext.connection.process.target);
                Sessions::plaintext(plaintext, &target, &self.registry);
            }
            Observation::Exchange(exchange) => {
                let target = self.target(&exchange.connection.process.target);
                Sessions::exchange(exchange, &target, &self.registry);
            }
            Observation::Script(script) => {
                let target = self.target(&script.connection.process.target);
                Sessions::script(script, &target, &mut self.apdus, &self.registry);
            }
            Observation::SessionOpened(opened) => {
                let target = self.target(&opened.connection.process.target);
                self.sessions.opened(opened, &target, &mut self.apdus, &self.registry);
            }
            Observation::Session(session) => {
                let target = self.target(&session.connection.process.target);
                self.sessions.ended(session, &target, &mut self.apdus, &self.registry);
            }
            Observation::Finding(finding) => {
                let target = self.target(&finding.connection.process.target);
                Sessions::finding(finding, &target, &mut self.apdus, &self.registry);
            }
            Observation::AtCommand(command) => self.at_command(command),
            Observation::Trigger(trigger) => {
                let target = self.target(&trigger.tty.process.target);
                let device = self.host_devices.modem(&trigger.tty.device, &target, &self.registry);
                for kind in TriggerType::ALL {
                    for metric in [&table::TRIGGERS_SENT, &table::TRIGGER_FAILURES] {
                        self.registry.add(metric, &[&target, &device, kind.as_str()], 0.0);
                    }
                }
                let metric = if trigger.was_sent() { &table::TRIGGERS_SENT } else { &table::TRIGGER_FAILURES };
                self.registry.increment(metric, &[&target, &device, trigger.kind.as_str()]);
            }
            Observation::Query(query) => {
                let target = self.target(&query.process.target);
                self.databases.query(query, &target, &self.registry);
            }
            Observation::DatabaseConnection(told) => {
                let target = self.target(&told.process.target);
                self.databases.connection(told, &target, &self.registry);
            }
            Observation::ConnectFailed(failed) => self.connect_failed(failed),
            Observation::ProgramWait(wait) => self.program_wait(wait),
            Observation::Test(test) => {
                let target = self.target(&test.process.target);
                self.tests.test(test, &target, &self.registry);
            }
            Observation::TestSuite(suite) => {
                let target = self.target(&suite.process.target);
                self.tests.ended(suite, &target, &self.registry);
            }
            Observation::Process(sample) => {
                let target = self.targets.fold(&sample.process.target);
                self.processes.sampled(sample, &target, &self.registry);
            }
            Observation::Target(change) => self.target_changed(change),
            Observation::Incomplete(incomplete) => {
                self.registry.increment(&table::OWN_INCOMPLETE, &[incomplete.source]);
            }
            Observation::Blind(blind) => {
                let target = self.target(&blind.process.target);
                self.registry.increment(&table::OWN_BLIND, &[&target, blind.way.as_str()]);
            }
            Observation::DeviceApdu(apdu) => {
                let target = self.target(&apdu.process.target);
                self.host_devices.apdu(apdu, &target, &mut self.apdus, &self.registry);
            }
            Observation::DeviceOperation(operation) => {
                let target = self.target(&operation.process.target);
                self.host_devices.operation(operation, &target, &mut self.apdus, &self.registry);
            }
            Observation::DeviceChange(change) => self.host_devices.changed(change, &self.registry),
            Observation::DeviceFinding(finding) if !finding.counted_elsewhere => {
                let target = self.target(&finding.process.target);
                self.registry.increment(&table::FINDINGS, &[&target, finding.kind.as_str()]);
            }
            Observation::AdbOperation(operation) => {
                let target = self.target(&operation.connection.process.target);
                let device = self.phone(operation.device.as_deref(), &target);
                adb::operation(operation, &target, &device, &self.registry);
            }
            Observation::AdbCommand(run) => {
                let target = self.target(&run.process.target);
                let device = self.phone(run.device.as_deref().filter(|_| !run.counted_elsewhere), &target);
                adb::command(run, &target, &device, &self.registry);
            }
            Observation::PhoneList(list) => self.adb.listed(list, &self.registry),
            // Spans tell of functions: their names are the user's own, and no series is.
            Observation::DeviceFinding(_)
            | Observation::AtUnsolicited(_)
            | Observation::Line(_)
            | Observation::Function(_)
            | Observation::TestStarted(_) => {}
        }
    }
}
