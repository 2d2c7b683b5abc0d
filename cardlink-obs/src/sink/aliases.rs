//! Names that people have given to cards and devices. All clones of a table change together, so that a reload reaches every
//! sink.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

/// From the name that would be shown (a keyed hash, as a rule) to the alias.
#[derive(Clone, Default)]
pub struct Aliases(Arc<RwLock<HashMap<String, String>>>);

impl Aliases {
    pub fn replace(&self, table: HashMap<String, String>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = table;
    }

    pub fn of(&self, name: &str) -> Option<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        observation::{AgentId, Device, DeviceType, PskIdentity, SerialNumber},
        sink::names::Names,
    };

    fn identity(text: &str) -> PskIdentity {
        PskIdentity::new(text.as_bytes().to_vec())
    }

    fn device(name: &str, serial: Option<&str>) -> Device {
        let serial = serial.map(|serial| SerialNumber::new(serial.as_bytes().to_vec()));
        Device { kind: DeviceType::Modem, name: name.into(), serial }
    }

    #[test]
    fn by_hash_and_by_what_it_is() {
        let names = Names::with_new_key(false).expect("random bytes");
        let sinks = names.clone();
        let hash = names.identity(&identity("card-7"));
        assert!(hash.starts_with("psk-"));
        let masked = PskIdentity::new(names.mask(b"card-7"));
        let serial = names.serial(&SerialNumber::new(b"356938035643809".to_vec()));
        let table = [
            (hash.as_bytes(), "Rack 7"),
            (b"card-8", "Rack 8"),
            (serial.as_bytes(), "Modem A"),
            (b"990000862471854", "Modem B"),
            (b"/dev/ttyS0", "Modem C"),
        ];
        names.call(table.into_iter().map(|(name, alias)| (name.to_vec(), alias.to_owned())));
        assert_eq!(sinks.identity(&identity("card-7")), "Rack 7", "a clone has them, too");
        assert_eq!(sinks.identity(&masked), "Rack 7", "and so has a recording");
        assert_eq!(sinks.identity(&identity("card-8")), "Rack 8");
        assert!(sinks.identity(&identity("card-9")).starts_with("psk-"));
        assert_eq!(sinks.agent(&AgentId::new(b"card-8".to_vec())), "Rack 8");
        assert_eq!(sinks.device(&device("Quectel", Some("356938035643809"))), "Modem A");
        assert_eq!(sinks.device(&device("Quectel", Some("990000862471854"))), "Modem B");
        assert_eq!(sinks.device(&device("/dev/ttyS0", None)), "Modem C");
        assert_eq!(sinks.device(&device("/dev/ttyS1", None)), "/dev/ttyS1");
        names.call(std::iter::empty());
        assert_eq!(sinks.identity(&identity("card-7")), hash, "and loses them");
    }

    #[test]
    fn who_wants_identities_in_clear_gets_them() {
        let names = Names::with_new_key(true).expect("random bytes");
        names.call([(b"card-7".to_vec(), String::from("Rack 7"))].into_iter());
        assert_eq!(names.identity(&identity("card-7")), "card-7");
    }
}
