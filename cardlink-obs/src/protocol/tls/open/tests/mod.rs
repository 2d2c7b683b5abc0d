//! The opener against recordings of real peers, and against peers that can be told what to do.

mod finding;
mod loss;
mod made;
mod recorded;
mod tshark;

use super::opener::Out;
use super::*;
use crate::protocol::tls::Alert;
use std::sync::Arc;

/// An [`Opened`] that can be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Event {
    Readable(Way),
    Data(Sender, Vec<u8>),
    Alert(Sender, Alert),
    Gap(Sender),
    Overlong(Sender, u32, u16),
    Sealed(Sealed),
}

impl From<Opened<'_>> for Event {
    fn from(opened: Opened<'_>) -> Self {
        match opened {
            Opened::Readable(way) => Self::Readable(way),
            Opened::Data(sender, data) => Self::Data(sender, data.to_vec()),
            Opened::Alert(sender, alert) => Self::Alert(sender, alert),
            Opened::Gap(sender) => Self::Gap(sender),
            Opened::Overlong { sender, len, limit } => Self::Overlong(sender, len, limit),
            Opened::Sealed(why) => Self::Sealed(why),
        }
    }
}

fn hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "{text}");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
}

fn vault(identity: &[u8], key: &[u8]) -> Arc<Vault> {
    let mut keyring = Keyring::default();
    keyring.insert(identity.to_vec(), Psk::new(key.to_vec()).expect("a key"), None);
    Arc::new(Vault::new(Some(keyring)))
}

/// An opener and all that came out of it.
struct Reader {
    opener: Opener,
    events: Vec<Event>,
}

impl Reader {
    fn new(vault: &Arc<Vault>) -> Self {
        Self { opener: Opener::new(Arc::clone(vault), true), events: Vec::new() }
    }

    fn push(&mut self, sender: Sender, bytes: &[u8]) {
        self.opener.push(sender, bytes, &mut |event| self.events.push(event.into()));
    }

    fn all(&mut self, wire: &[(Sender, Vec<u8>)]) {
        for (sender, bytes) in wire {
            self.push(*sender, bytes);
        }
    }

    fn gap(&mut self, sender: Sender, len: usize, resync: bool) {
        self.opener.gap(sender, len as u64, resync, &mut |event| self.events.push(event.into()));
    }

    /// The data of one sender, in one piece.
    fn data(&self, of: Sender) -> Vec<u8> {
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::Data(sender, data) if *sender == of => Some(data.as_slice()),
                _ => None,
            })
            .collect::<Vec<_>>()
            .concat()
    }

    fn sealed(&self) -> Option<Sealed> {
        self.events.iter().find_map(|event| match event {
            Event::Sealed(why) => Some(*why),
            _ => None,
        })
    }
}

/// All events of a connection that is handed over like this.
fn events(vault: &Arc<Vault>, wire: &[(Sender, Vec<u8>)]) -> Vec<Event> {
    let mut reader = Reader::new(vault);
    reader.all(wire);
    reader.events
}

/// `Out` stays an object: one copy of the code, whatever the caller does with the events.
#[test]
fn a_caller_may_hand_over_any_closure() {
    let mut count = 0;
    let out: Out<'_> = &mut |_| count += 1;
    out(Opened::Gap(Sender::Client));
    assert_eq!(count, 1);
}
