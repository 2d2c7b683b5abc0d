//! Observations that an operator wants to find in the log: failures and what the agent could not see.

use super::{
    Sink,
    names::Names,
    spans::{Context, Contexts},
};
use crate::observation::{ConnectFailed, DatabaseChange, Observation, SessionStatus, TargetEvent};

/// Writes observations as log lines.
#[derive(Debug)]
pub struct Log {
    names: Names,
    /// Which trace each belongs to; `None` when no traces are made.
    contexts: Option<Contexts>,
}

impl Log {
    pub fn new(names: Names, contexts: Option<Contexts>) -> Self {
        Self { names, contexts }
    }
}

/// The ids of a line, where it has a span.
struct Correlation {
    trace: Option<String>,
    span: Option<String>,
}

impl From<Option<Context>> for Correlation {
    fn from(context: Option<Context>) -> Self {
        Self {
            trace: context.map(|context| context.trace.to_string()),
            span: context.map(|context| context.span.to_string()),
        }
    }
}

impl Sink for Log {
    fn take(&mut self, observation: &Observation) {
        if let Some(contexts) = &mut self.contexts {
            contexts.see(observation);
        }
        self.write(observation);
        if let Some(contexts) = &mut self.contexts {
            contexts.forget(observation);
        }
    }
}

impl Log {
    fn correlation(&self, observation: &Observation) -> Correlation {
        self.contexts.as_ref().and_then(|contexts| contexts.of(observation)).into()
    }

    fn write(&self, observation: &Observation) {
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
                let Correlation { trace, span } = self.correlation(observation);
                let suite = handshake.chosen.map(|suite| suite.to_string()).unwrap_or_default();
                match &handshake.failure {
                    None => tracing::debug!(
                        target_name = target,
                        connection,
                        peer,
                        identity,
                        suite,
                        seconds,
                        trace_id = trace,
                        span_id = span,
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
                        trace_id = trace,
                        span_id = span,
                        "handshake failed"
                    ),
                }
            }
            Observation::AtCommand(command) if command.result.is_failure() => {
                let Correlation { trace, span } = self.correlation(observation);
                tracing::info!(
                    target_name = &*command.tty.process.target,
                    device = self.names.device(&command.tty.device),
                    command = command.name,
                    result = %command.result,
                    seconds = command.duration().as_secs_f64(),
                    trace_id = trace,
                    span_id = span,
                    "AT command failed"
                );
            }
            Observation::Session(session) if session.status() != SessionStatus::Completed => {
                let Correlation { trace, span } = self.correlation(observation);
                tracing::warn!(
                    target_name = &*session.connection.process.target,
                    session = session.number,
                    connection = session.connection.number,
                    peer = session.connection.peer.as_ref().map(ToString::to_string),
                    identity = session.identity.as_ref().map(|identity| self.names.identity(identity)),
                    status = session.status().as_str(),
                    reason = session.reason.as_str(),
                    seconds = session.duration().as_secs_f64(),
                    trace_id = trace,
                    span_id = span,
                    "session failed: {}",
                    session.reason.sentence()
                );
            }
            Observation::Query(query) => {
                let Some(error) = query.error.as_ref().filter(|_| !query.counted_elsewhere) else { return };
                let Correlation { trace, span } = self.correlation(observation);
                tracing::info!(
                    target_name = &*query.process.target,
                    connection = query.connection.as_ref().map(|connection| connection.number),
                    system = query.system.as_str(),
                    operation = query.operation,
                    table = query.table.as_deref(),
                    error = error.class,
                    code = error.code,
                    seconds = query.took.map(|took| took.as_secs_f64()),
                    trace_id = trace,
                    span_id = span,
                    "statement failed"
                );
            }
            Observation::DatabaseConnection(told) => {
                let DatabaseChange::Failed(error) = &told.change else { return };
                if told.counted_elsewhere {
                    return;
                }
                let connection = told.connection.as_ref();
                tracing::warn!(
                    target_name = &*told.process.target,
                    connection = connection.map(|connection| connection.number),
                    peer = connection.and_then(|one| one.peer.as_ref()).map(ToString::to_string),
                    system = told.system.as_str(),
                    error = error.class,
                    code = error.code,
                    "database connection failed"
                );
            }
            Observation::ConnectFailed(failed) if !failed.other_answered => {
                connect_failed(failed, self.correlation(observation));
            }
            Observation::Test(test) if test.outcome.is_failure() => {
                let Correlation { trace, span } = self.correlation(observation);
                let parameters = test.parameters.as_ref().map(|parameters| self.names.parameters(parameters));
                tracing::info!(
                    target_name = &*test.process.target,
                    suite = test.suite,
                    test = test.name,
                    parameters,
                    outcome = test.outcome.as_str(),
                    seconds = test.duration.map(|took| took.as_secs_f64()),
                    flaky = test.flaky,
                    trace_id = trace,
                    span_id = span,
                    "test failed"
                );
            }
            Observation::Target(change) => {
                let event = match change.event {
                    TargetEvent::Found => "watching",
                    TargetEvent::Forked => "forked",
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
            Observation::DeviceOperation(operation) => {
                if let Some(error) = operation.error {
                    tracing::warn!(
                        target_name = &*operation.process.target,
                        device = self.names.device(&operation.device),
                        operation = operation.operation,
                        error,
                        seconds = operation.duration().as_secs_f64(),
                        "device failed"
                    );
                }
            }
            Observation::AdbOperation(one) if one.result.error().is_some() && !one.counted_elsewhere => {
                let Correlation { trace, span } = self.correlation(observation);
                tracing::info!(
                    target_name = &*one.connection.process.target,
                    device = one.device.as_ref().map(|device| self.names.device(device)),
                    operation = one.operation,
                    result = one.result.as_str(),
                    seconds = one.duration().as_secs_f64(),
                    trace_id = trace,
                    span_id = span,
                    "adb operation failed"
                );
            }
            Observation::AdbCommand(run) if run.result.error().is_some() && !run.counted_elsewhere => {
                let Correlation { trace, span } = self.correlation(observation);
                tracing::info!(
                    target_name = &*run.process.target,
                    device = run.device.as_ref().map(|device| self.names.device(device)),
                    operation = run.operation,
                    result = run.result.as_str(),
                    seconds = run.duration().as_secs_f64(),
                    trace_id = trace,
                    span_id = span,
                    "adb failed"
                );
            }
            Observation::DeviceChange(change) => {
                tracing::info!(device = self.names.device(&change.device), "device {}", change.event.as_str());
            }
            Observation::DeviceFinding(finding) => {
                tracing::warn!(
                    target_name = &*finding.process.target,
                    device = self.names.device(&finding.device),
                    finding = finding.kind.as_str(),
                    detail = finding.detail,
                    "{}",
                    finding.kind.sentence()
                );
            }
            _ => {}
        }
    }
}

/// A database that cannot be had is worth a warning; of other peers many programs try several, one after the other.
fn connect_failed(failed: &ConnectFailed, Correlation { trace, span }: Correlation) {
    let target = &*failed.process.target;
    let connection = failed.connection.as_ref().map(|connection| connection.number);
    let peer = failed.peer.as_ref().map(ToString::to_string);
    let (reason, error) = (failed.reason.as_str(), failed.error.as_deref());
    let seconds = failed.took.map(|took| took.as_secs_f64());
    if let Some(system) = failed.database {
        tracing::warn!(
            target_name = target,
            connection,
            peer,
            system = system.as_str(),
            reason,
            error,
            seconds,
            trace_id = trace,
            span_id = span,
            "no connection to the database: {}",
            failed.reason.sentence()
        );
    } else {
        tracing::info!(
            target_name = target,
            connection,
            peer,
            reason,
            error,
            seconds,
            trace_id = trace,
            span_id = span,
            "no connection: {}",
            failed.reason.sentence()
        );
    }
}
