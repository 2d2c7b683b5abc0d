//! Metrics of devices on this host: their APDUs, their errors, how many are there.

use super::{apdus::Apdus, bounded::Bounded, registry::Registry, table};
use crate::{
    observation::{Device, DeviceApdu, DeviceChange, DeviceEvent, DeviceOperation, DeviceType, FindingKind},
    sink::names::Names,
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// Devices that get a label of their own.
const MAX_DEVICES: usize = 64;
/// Devices of a kind that are told apart when they are counted.
const MAX_PRESENT: usize = 4096;
/// Errors that are announced at 0.
const ERRORS: &[(DeviceType, &[&str])] = &[
    (DeviceType::Reader, &["sharing_violation", "no_smartcard", "removed_card", "reset_card", "comm_error"]),
    (DeviceType::Phone, &["device_not_found", "offline", "unauthorized", "closed", "hangup"]),
    (DeviceType::Modem, &["timeout", "hangup", "io"]),
];

/// The same for findings.
const FINDINGS: &[(DeviceType, FindingKind)] =
    &[(DeviceType::Reader, FindingKind::CardHeld), (DeviceType::Modem, FindingKind::PortShared)];

#[derive(Debug)]
pub struct Devices {
    names: Option<Names>,
    labels: Bounded,
    present: HashMap<DeviceType, HashSet<Arc<Device>>>,
}

impl Default for Devices {
    fn default() -> Self {
        Self { names: None, labels: Bounded::new(MAX_DEVICES), present: HashMap::new() }
    }
}

impl Devices {
    /// What turns serial numbers into names. Without it they are left out.
    pub fn name_by(&mut self, names: Names) {
        self.names = Some(names);
    }

    fn label(&mut self, device: &Device) -> String {
        match &self.names {
            Some(names) => self.labels.fold(&names.device(device)),
            None => self.labels.fold(&device.name),
        }
    }

    /// The label of a modem, whose errors start at 0 once it is seen.
    pub fn modem(&mut self, device: &Device, target: &str, registry: &Registry) -> String {
        let label = self.label(device);
        for (_, errors) in ERRORS.iter().filter(|(kind, _)| *kind == device.kind) {
            for error in *errors {
                registry.add(&table::DEVICE_ERRORS, &[target, device.kind.as_str(), &label, error], 0.0);
            }
        }
        label
    }

    /// Counters of a device start at 0 once it is seen.
    fn announce(&mut self, device: &Device, target: &str, apdus: &mut Apdus, registry: &Registry) -> String {
        let label = self.label(device);
        if apdus.announce(target, &label, device.kind, registry) {
            for (_, errors) in ERRORS.iter().filter(|(kind, _)| *kind == device.kind) {
                for error in *errors {
                    registry.add(&table::DEVICE_ERRORS, &[target, device.kind.as_str(), &label, error], 0.0);
                }
            }
            for kind in FINDINGS.iter().filter(|(kind, _)| *kind == device.kind).map(|(_, finding)| finding) {
                registry.add(&table::FINDINGS, &[target, kind.as_str()], 0.0);
            }
        }
        label
    }

    pub fn apdu(&mut self, one: &DeviceApdu, target: &str, apdus: &mut Apdus, registry: &Registry) {
        if one.counted_elsewhere {
            return;
        }
        let label = self.announce(&one.device, target, apdus, registry);
        let kind = one.device.kind;
        apdus.count(&one.apdu, target, &label, kind, registry);
        if let Some(error) = one.error {
            // The AT command that carried it counts.
            if one.carrier.is_some() {
                return;
            }
            registry.increment(&table::DEVICE_ERRORS, &[target, kind.as_str(), &label, error]);
        } else if !one.incomplete {
            let labels = [target, one.apdu.name, kind.as_str(), &label];
            registry.observe(&table::APDU_DURATION, &labels, one.duration().as_secs_f64());
        }
    }

    /// The label of a device, whose counters are there from now on.
    pub fn seen(&mut self, device: &Device, target: &str, apdus: &mut Apdus, registry: &Registry) -> String {
        self.announce(device, target, apdus, registry)
    }

    pub fn operation(&mut self, operation: &DeviceOperation, target: &str, apdus: &mut Apdus, registry: &Registry) {
        if operation.counted_elsewhere {
            return;
        }
        let label = self.announce(&operation.device, target, apdus, registry);
        if let Some(error) = operation.error {
            registry.increment(&table::DEVICE_ERRORS, &[target, operation.device.kind.as_str(), &label, error]);
        }
    }

    /// A card in a reader is a device, too.
    pub fn changed(&mut self, change: &DeviceChange, registry: &Registry) {
        let (kind, there) = match change.event {
            DeviceEvent::Connected => (change.device.kind, true),
            DeviceEvent::Disconnected => (change.device.kind, false),
            DeviceEvent::CardInserted => (DeviceType::Uicc, true),
            DeviceEvent::CardRemoved => (DeviceType::Uicc, false),
            DeviceEvent::CardReset => return,
        };
        let present = self.present.entry(kind).or_default();
        if !there {
            present.remove(&change.device);
        } else if present.len() < MAX_PRESENT {
            present.insert(Arc::clone(&change.device));
        }
        registry.set(&table::DEVICES_CONNECTED, &[kind.as_str()], present.len() as f64);
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "counts are whole")]
mod tests {
    use super::{super::bounded::OTHER, *};
    use crate::{
        observation::{Apdu, Cause, Observation, Process, Stamp},
        sink::{Sink as _, metrics::Metrics},
    };
    use std::time::Duration;

    fn device(number: usize) -> Arc<Device> {
        Arc::new(Device { kind: DeviceType::Reader, name: Arc::from(format!("Reader {number:02}")), serial: None })
    }

    fn process() -> Arc<Process> {
        Arc::new(Process { pid: 9, comm: Arc::from("pcscd"), target: Arc::from("pcscd") })
    }

    fn apdu(device: &Arc<Device>) -> DeviceApdu {
        let start = Stamp::from_nanos(1_000);
        DeviceApdu {
            device: Arc::clone(device),
            process: process(),
            connection: None,
            carrier: None,
            apdu: Apdu {
                name: "SELECT",
                detail: None,
                header: [0, 0xA4, 4, 0],
                channel: 0,
                command_bytes: 12,
                status_word: Some(0x6115),
                response_bytes: 2,
                commands: 1,
            },
            continues: None,
            start,
            end: start + Duration::from_millis(30),
            program: None,
            extensions: 0,
            error: None,
            incomplete: false,
            counted_elsewhere: false,
            cause: Cause::default(),
        }
    }

    fn change(device: &Arc<Device>, event: DeviceEvent) -> Observation {
        let change = DeviceChange { at: Stamp::from_nanos(1), device: Arc::clone(device), process: None, event };
        Observation::DeviceChange(Box::new(change))
    }

    #[test]
    fn each_apdu_counts_once_with_its_device_and_its_time() {
        let registry = Arc::new(Registry::new());
        let mut metrics = Metrics::new(Arc::clone(&registry));
        let reader = device(1);
        let one = apdu(&reader);
        metrics.take(&Observation::DeviceApdu(Box::new(DeviceApdu { counted_elsewhere: true, ..one.clone() })));
        metrics.take(&Observation::DeviceApdu(Box::new(one.clone())));
        let unanswered = DeviceApdu {
            extensions: 0,
            error: Some("removed_card"),
            apdu: Apdu { status_word: None, response_bytes: 0, ..one.apdu.clone() },
            ..one
        };
        metrics.take(&Observation::DeviceApdu(Box::new(unanswered)));
        let page = registry.render();
        let of = r#"command_type="SELECT",device="Reader 01",device_type="reader""#;
        for line in [
            format!("cardlink_apdu_commands_total{{{of},target=\"pcscd\"}} 2"),
            format!(
                "cardlink_apdu_responses_total{{{of},status_category=\"success\",status_word=\"61xx\",target=\"pcscd\"}} 1"
            ),
            format!("cardlink_apdu_duration_seconds_count{{{of},target=\"pcscd\"}} 1"),
            format!("cardlink_apdu_duration_seconds_sum{{{of},target=\"pcscd\"}} 0.03"),
        ] {
            assert!(page.contains(&line), "{line} is not in {page}");
        }
        let bytes = |direction| registry.value(&table::APDU_BYTES, &["pcscd", direction, "reader", "Reader 01"]);
        assert_eq!((bytes("sent"), bytes("received")), (24.0, 2.0));
        let errors = |error| registry.value(&table::DEVICE_ERRORS, &["pcscd", "reader", "Reader 01", error]);
        assert_eq!((errors("removed_card"), errors("reset_card")), (1.0, 0.0));
    }

    #[test]
    fn errors_start_at_zero_and_the_labels_are_bounded() {
        let registry = Arc::new(Registry::new());
        let mut metrics = Metrics::new(Arc::clone(&registry));
        for number in 0..MAX_DEVICES + 2 {
            for error in [None, Some("sharing_violation")] {
                metrics.take(&Observation::DeviceOperation(Box::new(DeviceOperation {
                    device: device(number),
                    process: process(),
                    connection: None,
                    usage: None,
                    operation: "connect",
                    start: Stamp::from_nanos(1),
                    end: Stamp::from_nanos(2),
                    share: None,
                    error,
                    counted_elsewhere: false,
                })));
            }
        }
        let count = |device, error| registry.value(&table::DEVICE_ERRORS, &["pcscd", "reader", device, error]);
        assert_eq!(count("Reader 00", "sharing_violation"), 1.0);
        assert_eq!(count(OTHER, "sharing_violation"), 2.0);
        let page = registry.render();
        assert!(
            page.contains(r#"device="Reader 00",device_type="reader",error_type="removed_card",target="pcscd"} 0"#)
        );
        assert!(page.contains(r#"cardlink_findings_total{finding="card_held",target="pcscd"} 0"#));
    }

    #[test]
    fn devices_and_cards_are_counted_while_they_are_there() {
        let registry = Arc::new(Registry::new());
        let mut metrics = Metrics::new(Arc::clone(&registry));
        assert!(!registry.render().contains("cardlink_devices_connected{"));
        let count = |kind| registry.value(&table::DEVICES_CONNECTED, &[kind]);
        for number in [1, 2, 1] {
            metrics.take(&change(&device(number), DeviceEvent::Connected));
        }
        metrics.take(&change(&device(1), DeviceEvent::CardInserted));
        assert_eq!((count("reader"), count("uicc")), (2.0, 1.0));
        metrics.take(&change(&device(1), DeviceEvent::CardReset));
        metrics.take(&change(&device(1), DeviceEvent::CardRemoved));
        metrics.take(&change(&device(1), DeviceEvent::Disconnected));
        assert_eq!((count("reader"), count("uicc")), (1.0, 0.0));
    }
}
