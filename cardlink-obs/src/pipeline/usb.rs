//! Phones on USB that come and go.

use crate::observation::{Device, DeviceChange, DeviceEvent, DeviceType, Observation, SerialNumber, Stamp};
use std::sync::Arc;

pub fn phone(at: u64, name: &str, serial: Option<&str>, there: bool) -> Observation {
    let serial = serial.map(|serial| SerialNumber::new(serial.as_bytes().to_vec()));
    Observation::DeviceChange(Box::new(DeviceChange {
        at: Stamp::from_nanos(at),
        device: Arc::new(Device { kind: DeviceType::Phone, name: Arc::from(name), serial }),
        process: None,
        event: if there { DeviceEvent::Connected } else { DeviceEvent::Disconnected },
    }))
}

#[cfg(test)]
mod tests {
    use super::phone;
    use crate::{
        observation::{DeviceEvent, Observation},
        track::adb,
    };

    #[test]
    fn a_phone_on_usb_is_the_one_that_adb_lists() {
        let Observation::DeviceChange(change) = phone(7, adb::PHONE, Some("ABC"), true) else { panic!("a change") };
        assert_eq!(*change.device, adb::phone(b"ABC".to_vec()));
        assert_eq!((change.at.as_nanos(), change.event), (7, DeviceEvent::Connected));
    }
}
