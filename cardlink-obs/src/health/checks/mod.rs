//! The checks, one for each kind of the configuration.

mod command;
mod host;
mod own;
mod peers;
mod serial;
mod server;
mod services;
mod tls_psk;

use super::{Check, Facts, Registration, Verdict};
use crate::{client::Deadline, config::What};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// The check of this entry.
pub(super) fn make(what: &What, facts: &Arc<Facts>) -> Box<dyn Check> {
    let facts = Arc::clone(facts);
    match what.clone() {
        What::Process {} => Box::new(own::Process { facts }),
        What::Server(options) => Box::new(server::Server::new(options, facts)),
        What::Metrics { oldest, certificate_days } => Box::new(own::Metrics { facts, oldest, certificate_days }),
        What::Probes {} => Box::new(own::Probes { facts }),
        What::Ledger {} => Box::new(own::Ledger::new(facts)),
        What::Disk { path, degraded_free, unhealthy_free } => {
            Box::new(host::Disk { path, degraded: degraded_free, unhealthy: unhealthy_free })
        }
        What::Memory { degraded_available, unhealthy_available } => {
            Box::new(host::Memory { degraded: degraded_available, unhealthy: unhealthy_available })
        }
        What::Tcp { address, degraded_after } => Box::new(peers::Tcp { address, slow: degraded_after, facts }),
        What::TlsPsk { address, identity, psk_file, degraded_after } => {
            Box::new(tls_psk::TlsPsk { address, identity, psk_file, slow: degraded_after, facts })
        }
        What::Http(options) => Box::new(peers::HttpCheck { options, facts }),
        What::Command { command } => Box::new(command::Run { words: command }),
        What::Serial { path, open } => Box::new(serial::Serial { path, open, facts }),
        What::Adb { address, device } => Box::new(services::Adb { address, device, facts }),
        What::Pcscd { path } => Box::new(services::Pcscd { path }),
        What::Database { engine, address, degraded_after } => {
            Box::new(services::Database { engine, address, slow: degraded_after, facts })
        }
        What::Otlp { endpoint, protocol, ca_file } => Box::new(peers::Otlp { endpoint, protocol, ca_file, facts }),
    }
}

/// The recording is looked after when there is one; it has no options.
pub(super) fn recording(facts: &Arc<Facts>) -> Registration {
    Registration {
        name: String::from("recording"),
        kind: "recording",
        interval: Duration::from_secs(5),
        timeout: Duration::from_secs(2),
        // The metrics are right without it.
        own: false,
        check: Box::new(own::Recording { facts: Arc::clone(facts) }),
    }
}

/// Whether it is about the agent itself.
pub(super) const fn is_own(what: &What) -> bool {
    matches!(what, What::Metrics { .. } | What::Probes {} | What::Ledger {} | What::Disk { .. } | What::Memory { .. })
}

/// Times an answer: slow ones are degraded, none is unhealthy.
fn timed(slow: Duration, deadline: Deadline, look: impl FnOnce(Deadline) -> Result<String, String>) -> Verdict {
    let began = Instant::now();
    match look(deadline) {
        Ok(message) => {
            let took = began.elapsed();
            let message = format!("{message} in {:.1} ms", took.as_secs_f64() * 1000.0);
            if took > slow { Verdict::degraded(message) } else { Verdict::healthy(message) }
        }
        Err(message) => Verdict::unhealthy(message),
    }
}

/// A failure to connect or to be answered, in words.
fn failed(what: &str, error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock => format!("{what} does not answer in time"),
        std::io::ErrorKind::ConnectionRefused => format!("nobody listens at {what}"),
        std::io::ErrorKind::UnexpectedEof => format!("{what} hangs up without an answer"),
        _ => format!("{what}: {error}"),
    }
}

#[cfg(test)]
#[path = "checks_tests.rs"]
mod tests;
