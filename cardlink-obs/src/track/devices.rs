//! Devices across connections: which are there, so that each change is told once, and who holds which.

use crate::observation::{
    Device, DeviceChange, DeviceEvent, DeviceFinding, DeviceOperation, FindingKind, Process, Share, Stamp,
};
use std::{collections::HashMap, sync::Arc};

/// Devices that are kept in mind at most.
const MOST_DEVICES: usize = 4096;
/// Uses of devices that are kept in mind at most.
const MOST_HOLDS: usize = 65_536;

/// One program's use of a device.
#[derive(Debug, Clone)]
struct Hold {
    device: Arc<Device>,
    share: Option<Share>,
    /// It has the device for itself at the moment.
    transaction: bool,
    since: Stamp,
}

/// Who has a device that another program asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// The connection that it came over.
    pub connection: u64,
    pub share: Option<Share>,
    pub transaction: bool,
    pub since: Stamp,
}

/// All that is known of devices, beyond single connections.
#[derive(Debug, Default)]
pub struct Devices {
    /// Whether a device that is there has a card.
    there: HashMap<Arc<Device>, bool>,
    holds: HashMap<(u64, u32), Hold>,
}

impl Devices {
    /// Whether a change is news; several connections tell of the same.
    pub fn changed(&mut self, change: &DeviceChange) -> bool {
        let device = &change.device;
        match change.event {
            DeviceEvent::Connected => {
                let known = self.there.contains_key(device);
                if !known && self.there.len() < MOST_DEVICES {
                    self.there.insert(Arc::clone(device), false);
                }
                !known
            }
            DeviceEvent::Disconnected => self.there.remove(device).is_some(),
            DeviceEvent::CardInserted | DeviceEvent::CardRemoved => {
                let now = change.event == DeviceEvent::CardInserted;
                self.there.get_mut(device).is_some_and(|card| std::mem::replace(card, now) != now)
            }
            DeviceEvent::CardReset => true,
        }
    }

    /// Takes note of an operation; says who was in the way when it was refused for another's sake.
    pub fn operated(&mut self, operation: &DeviceOperation) -> Option<Holder> {
        let key = (operation.connection.as_ref()?.number, operation.usage?);
        match (operation.operation, operation.error) {
            (_, Some("sharing_violation")) => return self.holder(&operation.device, key.0),
            ("connect" | "reconnect", None) if self.holds.len() < MOST_HOLDS || self.holds.contains_key(&key) => {
                let (device, share) = (Arc::clone(&operation.device), operation.share);
                self.holds.insert(key, Hold { device, share, transaction: false, since: operation.end });
            }
            ("disconnect", None) => {
                self.holds.remove(&key);
            }
            ("begin_transaction", None) => self.transaction(key, true),
            ("end_transaction", None) => self.transaction(key, false),
            _ => {}
        }
        None
    }

    fn transaction(&mut self, key: (u64, u32), under_way: bool) {
        if let Some(hold) = self.holds.get_mut(&key) {
            hold.transaction = under_way;
        }
    }

    /// Whoever has it for itself; else whoever has had it longest.
    fn holder(&self, device: &Arc<Device>, but: u64) -> Option<Holder> {
        let of = self.holds.iter().filter(|((connection, _), hold)| *connection != but && hold.device == *device);
        let alone = |hold: &Hold| hold.share == Some(Share::Exclusive) || hold.transaction;
        let first = of.min_by_key(|((connection, usage), hold)| (!alone(hold), hold.since, *connection, *usage));
        first.map(|((connection, _), hold)| Holder {
            connection: *connection,
            share: hold.share,
            transaction: hold.transaction,
            since: hold.since,
        })
    }

    /// A connection ended, and with it all that came over it.
    pub fn closed(&mut self, connection: u64) {
        self.holds.retain(|(of, _), _| *of != connection);
    }
}

/// What is told of a program that was refused a device.
pub fn held(operation: &DeviceOperation, holder: &Holder, by: Option<&Process>) -> DeviceFinding {
    let who = by.map_or_else(|| String::from("another program"), |by| format!("{}({})", by.comm, by.pid));
    let how = match (holder.transaction, holder.share) {
        (true, _) => " in a transaction",
        (false, Some(Share::Exclusive)) => " for itself",
        _ => "",
    };
    DeviceFinding {
        kind: FindingKind::CardHeld,
        at: operation.end,
        device: Arc::clone(&operation.device),
        process: Arc::clone(&operation.process),
        connection: operation.connection.clone(),
        detail: format!("{} was refused, {who} holds it{how}", operation.operation.replace('_', " ")),
        counted_elsewhere: operation.counted_elsewhere,
    }
}

#[cfg(test)]
mod tests {
    use super::{Devices, held};
    use crate::observation::{
        Connection, Device, DeviceChange, DeviceEvent, DeviceOperation, DeviceType, Process, Share, Stamp,
    };
    use std::sync::Arc;

    fn device(name: &str) -> Arc<Device> {
        Arc::new(Device { kind: DeviceType::Reader, name: Arc::from(name), serial: None })
    }

    fn process(pid: u32) -> Arc<Process> {
        Arc::new(Process { pid, comm: Arc::from("tool"), target: Arc::from("tool") })
    }

    fn operation(connection: u64, what: &'static str, share: Share, error: Option<&'static str>) -> DeviceOperation {
        let first_seen = Stamp::from_nanos(1);
        let of = Connection {
            number: connection,
            process: process(7),
            local: None,
            peer: None,
            role: None,
            opened: None,
            first_seen,
        };
        DeviceOperation {
            device: device("a"),
            process: process(7),
            connection: Some(Arc::new(of)),
            usage: Some(1),
            operation: what,
            start: first_seen,
            end: Stamp::from_nanos(connection),
            share: Some(share),
            error,
            counted_elsewhere: false,
        }
    }

    #[test]
    fn a_change_is_news_once() {
        let mut devices = Devices::default();
        let change =
            |name: &str, event| DeviceChange { at: Stamp::from_nanos(1), device: device(name), process: None, event };
        let told: Vec<bool> = [
            ("a", DeviceEvent::CardInserted),
            ("a", DeviceEvent::Connected),
            ("a", DeviceEvent::Connected),
            ("b", DeviceEvent::Connected),
            ("a", DeviceEvent::CardInserted),
            ("a", DeviceEvent::CardInserted),
            ("a", DeviceEvent::CardReset),
            ("a", DeviceEvent::CardReset),
            ("a", DeviceEvent::Disconnected),
            ("a", DeviceEvent::Disconnected),
        ]
        .into_iter()
        .map(|(name, event)| devices.changed(&change(name, event)))
        .collect();
        assert_eq!(told, [false, true, false, true, true, false, true, true, true, false]);
    }

    #[test]
    fn who_has_the_card_for_itself_is_in_the_way() {
        let mut devices = Devices::default();
        assert_eq!(devices.operated(&operation(1, "connect", Share::Shared, None)), None);
        assert_eq!(devices.operated(&operation(2, "connect", Share::Shared, None)), None);
        assert_eq!(devices.operated(&operation(2, "begin_transaction", Share::Shared, None)), None);
        let refused = operation(3, "connect", Share::Exclusive, Some("sharing_violation"));
        let holder = devices.operated(&refused).expect("a holder");
        assert_eq!((holder.connection, holder.transaction), (2, true));
        let told = held(&refused, &holder, Some(&process(12)));
        assert_eq!(told.detail, "connect was refused, tool(12) holds it in a transaction");
        devices.operated(&operation(2, "end_transaction", Share::Shared, None));
        assert_eq!(devices.operated(&refused).map(|holder| holder.connection), Some(1));
        devices.closed(1);
        devices.operated(&operation(2, "disconnect", Share::Shared, None));
        assert_eq!(devices.operated(&refused), None);
    }
}
