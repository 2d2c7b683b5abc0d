//! Metrics of remote administration: exchanges, scripts, sessions, findings.

use super::{apdus::Apdus, registry::Registry, table};
use crate::observation::{
    DeviceType, Exchange, Finding, FindingKind, Plaintext, Script, Session, SessionOpened, SessionStatus, SessionType,
};
use std::collections::HashSet;

#[derive(Debug, Default)]
pub struct Sessions {
    /// Sessions that the gauge counts.
    active: HashSet<u64>,
}

impl Sessions {
    /// Counters start at 0 once it is known that a target serves cards.
    fn announce(target: &str, apdus: &mut Apdus, registry: &Registry) {
        if !apdus.announce(target, "", DeviceType::Uicc, registry) {
            return;
        }
        let device = DeviceType::Uicc.as_str();
        registry.shift(&table::SESSIONS_ACTIVE, &[target, device], 0.0);
        for status in [SessionStatus::Completed, SessionStatus::Failed, SessionStatus::Timeout] {
            for kind in [SessionType::Triggered, SessionType::Polled, SessionType::Unknown] {
                registry.add(&table::SESSIONS, &[target, status.as_str(), kind.as_str(), device], 0.0);
            }
            registry.announce(&table::SESSION_DURATION, &[target, status.as_str()]);
        }
        for party in ["server", "peer"] {
            registry.announce(&table::SCP81_EXCHANGE, &[target, party]);
        }
        for kind in FindingKind::ALL {
            registry.add(&table::FINDINGS, &[target, kind.as_str()], 0.0);
        }
    }

    pub fn plaintext(plaintext: &Plaintext, target: &str, registry: &Registry) {
        let (way, reason) = match &plaintext.way {
            Ok(way) => (way.as_str(), ""),
            Err(sealed) => ("none", sealed.reason.as_str()),
        };
        registry.increment(&table::PLAINTEXT, &[target, way, reason]);
    }

    pub fn opened(&mut self, opened: &SessionOpened, target: &str, apdus: &mut Apdus, registry: &Registry) {
        Self::announce(target, apdus, registry);
        if !opened.counted_elsewhere && self.active.insert(opened.number) {
            registry.shift(&table::SESSIONS_ACTIVE, &[target, DeviceType::Uicc.as_str()], 1.0);
        }
    }

    pub fn ended(&mut self, session: &Session, target: &str, apdus: &mut Apdus, registry: &Registry) {
        Self::announce(target, apdus, registry);
        if self.active.remove(&session.number) {
            registry.shift(&table::SESSIONS_ACTIVE, &[target, session.device.as_str()], -1.0);
        }
        if session.counted_elsewhere {
            return;
        }
        let status = session.status().as_str();
        registry.increment(&table::SESSIONS, &[target, status, session.kind.as_str(), session.device.as_str()]);
        registry.observe(&table::SESSION_DURATION, &[target, status], session.duration().as_secs_f64());
    }

    pub fn exchange(exchange: &Exchange, target: &str, registry: &Registry) {
        if exchange.session.is_none() || exchange.counted_elsewhere {
            return;
        }
        if let Some(server) = exchange.server() {
            registry.observe(&table::SCP81_EXCHANGE, &[target, "server"], server.as_secs_f64());
        }
        if let Some(peer) = exchange.peer {
            registry.observe(&table::SCP81_EXCHANGE, &[target, "peer"], peer.as_secs_f64());
        }
    }

    pub fn script(script: &Script, target: &str, apdus: &mut Apdus, registry: &Registry) {
        if script.counted_elsewhere {
            return;
        }
        for apdu in &script.apdus {
            Self::announce(target, apdus, registry);
            apdus.count(apdu, target, "", script.device, registry);
        }
    }

    pub fn finding(finding: &Finding, target: &str, apdus: &mut Apdus, registry: &Registry) {
        Self::announce(target, apdus, registry);
        if !finding.counted_elsewhere {
            registry.increment(&table::FINDINGS, &[target, finding.kind.as_str()]);
        }
    }
}

#[cfg(test)]
#[path = "sessions_tests.rs"]
mod tests;
