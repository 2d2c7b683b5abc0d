//! Entry point of the fuzzer.

use super::{Ccid, Transfer};
use crate::{
    observation::{Device, DeviceType, Observation, Process, Stamp},
    stream::Script,
};
use std::sync::Arc;

/// Feeds the tracker with the transfers that `data` spells: a byte that says of which kind, one for the length, and bytes.
pub fn fuzz(data: &[u8]) {
    let mut script = Script::new(data);
    let mut now = 1_u64 << 40;
    let features = if script.byte() & 1 == 0 { 0x0004_0000 } else { 0x0001_0000 };
    let device = Arc::new(Device { kind: DeviceType::Reader, name: "reader".into(), serial: None });
    let process = Arc::new(Process { pid: 1, comm: "pcscd".into(), target: "pcscd".into() });
    let mut tracker = Ccid::new(device, process, features);
    let mut out = Vec::new();
    while !script.is_empty() {
        let control = script.byte();
        now += 1_000_000;
        let at = Stamp::from_nanos(now);
        let len = usize::from(script.byte());
        let bytes = script.take(len);
        let transfer = Transfer {
            at,
            write: control & 1 != 0,
            interrupt: control & 2 != 0,
            errno: (control >> 2 == 0x3F).then_some(19),
            bytes,
            missing: if control & 4 == 0 { 0 } else { usize::from(control) },
        };
        tracker.transferred(&transfer, &mut out);
        if control == 0xF8 {
            tracker.closed(at, &mut out);
        }
        for one in out.drain(..) {
            if let Observation::DeviceApdu(apdu) = one {
                assert_eq!(apdu.apdu.status_word.is_none(), apdu.error.is_some() || apdu.incomplete, "no reason");
                assert!(apdu.start <= apdu.end, "answered before it was sent");
            }
        }
    }
}
