//! Counts of APDUs, whoever answered them.

use super::{bounded::Bounded, registry::Registry, table};
use crate::{
    observation::{Apdu, DeviceType},
    protocol::apdu::StatusWord,
};
use std::collections::HashSet;

/// Status words, folded, that get series of their own; cards make up others.
pub const MAX_STATUS_WORDS: usize = 128;

/// Commands that are announced at 0 with their success: those of GlobalPlatform and TS 102 221 that scripts are made of.
pub const ANNOUNCED: [&str; 8] =
    ["SELECT", "GET_STATUS", "GET_DATA", "INSTALL", "LOAD", "DELETE", "READ_BINARY", "UPDATE_BINARY"];

#[derive(Debug)]
pub struct Apdus {
    status_words: Bounded,
    announced: HashSet<(String, String, &'static str)>,
}

impl Default for Apdus {
    fn default() -> Self {
        Self { status_words: Bounded::new(MAX_STATUS_WORDS), announced: HashSet::new() }
    }
}

impl Apdus {
    /// Counters start at 0 once it is known that a target has such a device; false when they did before.
    pub fn announce(&mut self, target: &str, device: &str, kind: DeviceType, registry: &Registry) -> bool {
        let kind = kind.as_str();
        if !self.announced.insert((target.to_owned(), device.to_owned(), kind)) {
            return false;
        }
        for name in ANNOUNCED {
            registry.add(&table::APDU_COMMANDS, &[target, name, kind, device], 0.0);
            registry.add(&table::APDU_RESPONSES, &[target, "9000", "success", name, kind, device], 0.0);
        }
        for direction in ["sent", "received"] {
            registry.add(&table::APDU_BYTES, &[target, direction, kind, device], 0.0);
        }
        true
    }

    pub fn count(&mut self, apdu: &Apdu, target: &str, device: &str, kind: DeviceType, registry: &Registry) {
        let kind = kind.as_str();
        registry.increment(&table::APDU_COMMANDS, &[target, apdu.name, kind, device]);
        registry.add(&table::APDU_BYTES, &[target, "sent", kind, device], apdu.command_bytes as f64);
        let Some(status_word) = apdu.status_word.map(StatusWord) else { return };
        registry.add(&table::APDU_BYTES, &[target, "received", kind, device], apdu.response_bytes as f64);
        let folded = self.status_words.fold(&status_word.folded().to_string());
        let category = status_word.category().as_str();
        registry.increment(&table::APDU_RESPONSES, &[target, &folded, category, apdu.name, kind, device]);
    }
}
