//! Which phones there are, as far as adb servers have said, and which one is meant by a number or by none.

use crate::observation::{
    AdbOperation, Chosen, Connection, Device, DeviceChange, DeviceEvent, ListedPhone, Observation, PeerAddress,
    PhoneList, Role,
};
use std::{collections::HashMap, net::IpAddr, sync::Arc};

/// Servers that are kept in mind.
const MOST_SERVERS: usize = 64;

/// What each server said last.
#[derive(Debug, Default)]
pub struct Phones {
    servers: HashMap<Arc<str>, Vec<ListedPhone>>,
}

/// What tells servers apart; the same at both ends of their connections.
pub(super) fn server_of(connection: &Connection) -> Arc<str> {
    let address = match connection.role {
        Some(Role::Client) => connection.peer.as_ref(),
        _ => connection.local.as_ref(),
    };
    match address {
        // All addresses of this host are one: a client may use another than the server sees.
        Some(PeerAddress::Ip(address)) if is_own(address.ip(), connection) => Arc::from(format!(":{}", address.port())),
        Some(address) => Arc::from(address.to_string()),
        None => Arc::from(""),
    }
}

/// The server is on this host: the other end has the same address, or it is a loopback one.
fn is_own(server: IpAddr, connection: &Connection) -> bool {
    let ip = |address: &Option<PeerAddress>| match address {
        Some(PeerAddress::Ip(address)) => Some(address.ip().to_canonical()),
        _ => None,
    };
    server.to_canonical().is_loopback() || ip(&connection.local) == ip(&connection.peer)
}

/// It can be talked to, or soon.
fn is_there(phone: &ListedPhone) -> bool {
    !matches!(phone.state, "offline" | "detached")
}

impl Phones {
    /// Looks through what was told from `before` on: phones that come and go are told, and operations get theirs.
    pub fn refine(&mut self, out: &mut Vec<Observation>, before: usize) {
        let mut changes = Vec::new();
        for observation in out.iter_mut().skip(before) {
            match observation {
                Observation::PhoneList(list) => self.listed(list, &mut changes),
                Observation::AdbOperation(operation) => self.operation(operation),
                _ => {}
            }
        }
        out.extend(changes);
    }

    fn listed(&mut self, list: &PhoneList, changes: &mut Vec<Observation>) {
        if self.servers.len() >= MOST_SERVERS && !self.servers.contains_key(&list.server) {
            return;
        }
        let known = self.servers.entry(Arc::clone(&list.server)).or_default();
        let has =
            |phones: &[ListedPhone], device: &Device| phones.iter().any(|one| is_there(one) && *one.device == *device);
        let mut tell = |device: &Arc<Device>, event| {
            changes.push(Observation::DeviceChange(Box::new(DeviceChange {
                at: list.at,
                device: Arc::clone(device),
                process: Some(Arc::clone(&list.connection.process)),
                event,
            })));
        };
        for gone in known.iter().filter(|one| is_there(one) && !has(&list.phones, &one.device)) {
            tell(&gone.device, DeviceEvent::Disconnected);
        }
        for fresh in list.phones.iter().filter(|one| is_there(one) && !has(known, &one.device)) {
            tell(&fresh.device, DeviceEvent::Connected);
        }
        if list.phones.is_empty() {
            self.servers.remove(&list.server);
        } else {
            known.clone_from(&list.phones);
        }
    }

    fn operation(&self, operation: &mut AdbOperation) {
        if operation.device.is_none()
            && let Some(chosen) = operation.chosen
            && let Some(phones) = self.servers.get(&server_of(&operation.connection))
        {
            operation.device = meant(chosen, phones).map(|phone| Arc::clone(&phone.device));
        }
    }
}

fn meant(chosen: Chosen, phones: &[ListedPhone]) -> Option<&ListedPhone> {
    match chosen {
        Chosen::Transport(number) => {
            phones.iter().find(|phone| phone.transport == Some(number)).or_else(|| only(phones))
        }
        Chosen::Any => only(phones),
    }
}

/// The only one.
fn only(phones: &[ListedPhone]) -> Option<&ListedPhone> {
    match phones {
        [phone] => Some(phone),
        _ => None,
    }
}
