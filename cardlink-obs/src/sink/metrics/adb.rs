//! Metrics of the Android Debug Bridge.

use super::{registry::Registry, table};
use crate::observation::{AdbCommand, AdbOperation, AdbResult, DeviceType, PhoneList};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

/// Servers whose phones are counted.
const MAX_SERVERS: usize = 64;

/// Phones by state, as each server said last.
#[derive(Debug, Default)]
pub struct Adb {
    servers: HashMap<Arc<str>, BTreeMap<&'static str, usize>>,
}

/// `device` is the label of the phone, empty where it is not known or there is none.
pub fn operation(one: &AdbOperation, target: &str, device: &str, registry: &Registry) {
    if one.counted_elsewhere {
        return;
    }
    let took = (one.timed && !one.incomplete).then(|| one.duration());
    count([target, device, one.operation], one.result, took, registry);
}

/// A run of adb counts as an operation when none of it was seen at the server.
pub fn command(one: &AdbCommand, target: &str, device: &str, registry: &Registry) {
    if !one.counted_elsewhere {
        count([target, device, one.operation], one.result, Some(one.duration()), registry);
    }
}

fn count(labels: [&str; 3], result: AdbResult, took: Option<Duration>, registry: &Registry) {
    let [target, device, operation] = labels;
    for result in ["ok", "aborted", "hangup"] {
        registry.add(&table::ADB_OPERATIONS, &[target, device, operation, result], 0.0);
    }
    registry.increment(&table::ADB_OPERATIONS, &[target, device, operation, result.as_str()]);
    if let Some(took) = took {
        registry.observe(&table::ADB_OPERATION_DURATION, &labels, took.as_secs_f64());
    }
    if let Some(error) = result.error() {
        registry.increment(&table::DEVICE_ERRORS, &[target, DeviceType::Phone.as_str(), device, error]);
    }
}

impl Adb {
    pub fn listed(&mut self, list: &PhoneList, registry: &Registry) {
        if self.servers.len() >= MAX_SERVERS && !self.servers.contains_key(&list.server) {
            return;
        }
        let states = self.servers.entry(Arc::clone(&list.server)).or_default();
        for count in states.values_mut() {
            *count = 0;
        }
        for phone in &list.phones {
            *states.entry(phone.state).or_default() += 1;
        }
        let mut all: BTreeMap<&str, usize> = BTreeMap::new();
        for (state, count) in self.servers.values().flatten() {
            *all.entry(state).or_default() += count;
        }
        for (state, count) in all {
            registry.set(&table::ADB_PHONES, &[state], count as f64);
        }
    }
}
