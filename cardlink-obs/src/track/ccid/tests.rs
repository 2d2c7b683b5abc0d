use super::{Ccid, Transfer};
use crate::observation::{Device, DeviceType, Observation, Process, Stamp};
use std::sync::Arc;

const APDU: u32 = 0x0004_04FE;
const TPDU: u32 = 0x0001_00BA;

/// A reader, with a clock that goes on by a millisecond with each transfer.
struct Bench {
    tracker: Ccid,
    now: u64,
    sequence: u8,
    out: Vec<Observation>,
}

impl Bench {
    fn new(features: u32) -> Self {
        let device = Arc::new(Device { kind: DeviceType::Reader, name: "R".into(), serial: None });
        let process = Arc::new(Process { pid: 1, comm: "pcscd".into(), target: "pcscd".into() });
        Self { tracker: Ccid::new(device, process, features), now: 0, sequence: 0, out: Vec::new() }
    }

    fn moved(&mut self, write: bool, interrupt: bool, bytes: &[u8]) {
        self.now += 1_000_000;
        let at = Stamp::from_nanos(self.now);
        self.tracker.transferred(&Transfer { at, write, interrupt, errno: None, bytes, missing: 0 }, &mut self.out);
    }

    fn message(&self, kind: u8, specific: [u8; 3], data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(data.len()).expect("short").to_le_bytes();
        [&[kind], &length[..], &[0, self.sequence], &specific, data].concat()
    }

    fn ask(&mut self, kind: u8, specific: [u8; 3], data: &[u8]) {
        self.sequence += 1;
        let message = self.message(kind, specific, data);
        self.moved(true, false, &message);
    }

    fn answer(&mut self, kind: u8, specific: [u8; 3], data: &[u8]) {
        let message = self.message(kind, specific, data);
        self.moved(false, false, &message);
    }

    fn told(&mut self) -> Vec<String> {
        self.out.drain(..).map(|one| describe(&one)).collect()
    }
}

fn describe(observation: &Observation) -> String {
    match observation {
        Observation::DeviceApdu(apdu) => {
            let sw = apdu.apdu.status_word.map_or_else(|| String::from("-"), |sw| format!("{sw:04X}"));
            let (took, more) = (apdu.duration().as_millis(), apdu.extensions);
            let (sent, received) = (apdu.apdu.command_bytes, apdu.apdu.response_bytes);
            let chain = apdu.continues.map_or("", |of| of.command);
            format!("{} {sw} {sent}>{received} {took}ms x{more} {chain}{}", apdu.apdu.name, apdu.error.unwrap_or(""))
        }
        Observation::DeviceOperation(one) => format!("{} {}", one.operation, one.error.unwrap_or("ok")),
        Observation::DeviceChange(change) => change.event.as_str().to_owned(),
        other => format!("{other:?}"),
    }
}

const READ: [u8; 5] = [0, 0xB0, 0, 0, 5];

#[test]
fn an_apdu_has_the_readers_time_and_the_cards_wishes() {
    let mut bench = Bench::new(APDU);
    bench.ask(0x62, [0; 3], &[]);
    bench.answer(0x80, [0; 3], &[0x3B, 0]);
    assert_eq!(bench.told(), ["connected", "card_inserted", "power_on ok"]);
    bench.ask(0x6F, [0; 3], &[0, 0xA4, 4, 0, 2, 1, 2]);
    bench.answer(0x80, [0x80, 2, 0], &[]);
    bench.answer(0x80, [0x80, 2, 0], &[]);
    bench.answer(0x80, [0; 3], &[0x61, 5]);
    bench.ask(0x6F, [0; 3], &[0, 0xC0, 0, 0, 5]);
    bench.answer(0x80, [0; 3], &[1, 2, 3, 4, 5, 0x90, 0]);
    assert_eq!(bench.told(), ["SELECT 6105 7>2 3ms x2 ", "GET_RESPONSE 9000 5>7 1ms x0 SELECT"]);
}

#[test]
fn an_extended_apdu_is_one() {
    let mut bench = Bench::new(APDU);
    let mut command = vec![0, 0xD6, 0, 0, 0, 1, 44];
    command.resize(307, 7);
    bench.ask(0x6F, [0, 1, 0], &command[..200]);
    bench.answer(0x80, [0, 0, 0x10], &[]);
    bench.ask(0x6F, [0, 2, 0], &command[200..]);
    bench.answer(0x80, [0, 0, 1], &[1; 250]);
    bench.ask(0x6F, [0, 0x10, 0], &[]);
    bench.answer(0x80, [0, 0, 2], &[2, 2, 0x90, 0]);
    assert_eq!(bench.told(), ["connected", "card_inserted", "UPDATE_BINARY 9000 307>254 5ms x0 "]);
}

#[test]
fn blocks_of_t1_are_put_together() {
    let mut bench = Bench::new(TPDU);
    bench.ask(0x61, [1, 0, 0], &[0; 7]);
    bench.answer(0x82, [0, 0, 1], &[0; 7]);
    bench.told();
    let block = |control: u8, inside: &[u8]| {
        let mut block = vec![0, control, u8::try_from(inside.len()).expect("short")];
        block.extend(inside);
        block.push(0x55);
        block
    };
    // The sizes are agreed on, which is no APDU.
    bench.ask(0x6F, [0; 3], &block(0xC1, &[254]));
    bench.answer(0x80, [0; 3], &block(0xE1, &[254]));
    bench.ask(0x6F, [0; 3], &block(0x20, &[0, 0xA4, 4, 0, 4]));
    bench.answer(0x80, [0; 3], &block(0x90, &[]));
    bench.ask(0x6F, [0; 3], &block(0x40, &[1, 2, 3, 4]));
    bench.answer(0x80, [0; 3], &block(0xC3, &[1]));
    bench.ask(0x6F, [0; 3], &block(0xE3, &[1]));
    bench.answer(0x80, [0; 3], &block(0x20, &[9, 9]));
    bench.ask(0x6F, [0; 3], &block(0x90, &[]));
    bench.answer(0x80, [0; 3], &block(0x40, &[9, 0x90, 0]));
    assert_eq!(bench.told(), ["SELECT 9000 9>5 7ms x1 "]);
    // T=0 at the same reader: what goes to the card is the APDU.
    bench.ask(0x61, [0, 0, 0], &[0; 5]);
    bench.answer(0x82, [0, 0, 0], &[0; 5]);
    bench.told();
    bench.ask(0x6F, [0; 3], &READ);
    bench.answer(0x80, [0; 3], &[0x6C, 3]);
    assert_eq!(bench.told(), ["READ_BINARY 6C03 5>2 1ms x0 "]);
}

#[test]
fn what_goes_wrong_is_said() {
    let mut bench = Bench::new(APDU);
    bench.ask(0x65, [0; 3], &[]);
    bench.answer(0x81, [0, 0, 0], &[]);
    bench.ask(0x6F, [0; 3], &READ);
    bench.answer(0x80, [0x40, 0xFE, 0], &[]);
    bench.ask(0x6F, [0; 3], &READ);
    bench.moved(false, true, &[0x50, 2]);
    bench.answer(0x80, [0x42, 0xFE, 0], &[]);
    bench.moved(false, true, &[0x50, 3]);
    let wanted = [
        "connected",
        "card_inserted",
        "READ_BINARY - 5>0 1ms x0 mute",
        "card_removed",
        "READ_BINARY - 5>0 2ms x0 no_smartcard",
        "card_inserted",
    ];
    assert_eq!(bench.told(), wanted);
    // It is pulled out in the middle.
    bench.ask(0x6F, [0; 3], &READ);
    let at = Stamp::from_nanos(bench.now + 2_000_000);
    let gone = Transfer { at, write: false, interrupt: false, errno: Some(19), bytes: &[], missing: 0 };
    bench.tracker.transferred(&gone, &mut bench.out);
    bench.tracker.transferred(&gone, &mut bench.out);
    bench.tracker.closed(at, &mut bench.out);
    assert_eq!(bench.told(), ["READ_BINARY - 5>0 2ms x0 reader_unavailable", "card_removed", "disconnected"]);
}
