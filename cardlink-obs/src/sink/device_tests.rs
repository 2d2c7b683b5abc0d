//! What each sink makes of the same device.

use super::{
    Sink as _,
    json::to_json,
    names::Names,
    spans::{Ids, Sampling, Spans, Status},
    text::{Filter, Text},
    wall::WallClock,
};
use crate::observation::{
    Apdu, Cause, Continued, Device, DeviceApdu, DeviceChange, DeviceEvent, DeviceFinding, DeviceOperation, DeviceType,
    FindingKind, Observation, Process, SerialNumber, Share, Stamp,
};
use std::{sync::Arc, time::Duration};

const SERIAL: &str = "SN-0042-X";

fn device() -> Arc<Device> {
    let serial = Some(SerialNumber::new(SERIAL.into()));
    Arc::new(Device { kind: DeviceType::Reader, name: Arc::from("ACME Reader 00 00"), serial })
}

fn process() -> Arc<Process> {
    Arc::new(Process { pid: 9, comm: Arc::from("pcscd"), target: Arc::from("pcscd") })
}

fn apdu(status_word: Option<u16>, error: Option<&'static str>) -> DeviceApdu {
    let start = Stamp::from_nanos(1_000);
    DeviceApdu {
        device: device(),
        process: process(),
        connection: None,
        carrier: None,
        apdu: Apdu {
            name: "GET_RESPONSE",
            detail: None,
            header: [0, 0xC0, 0, 0],
            channel: 0,
            command_bytes: 5,
            status_word,
            response_bytes: if status_word.is_some() { 18 } else { 0 },
            commands: 1,
        },
        continues: Some(Continued { command: "SELECT", position: 2 }),
        start,
        end: start + Duration::from_millis(30),
        program: Some(Duration::from_millis(250)),
        extensions: 0,
        error,
        incomplete: false,
        counted_elsewhere: false,
        cause: Cause::default(),
    }
}

fn all() -> Vec<Observation> {
    let at = Stamp::from_nanos(2_000);
    vec![
        Observation::DeviceChange(Box::new(DeviceChange {
            at,
            device: device(),
            process: Some(process()),
            event: DeviceEvent::CardInserted,
        })),
        Observation::DeviceApdu(Box::new(apdu(Some(0x9000), None))),
        Observation::DeviceApdu(Box::new(apdu(None, Some("removed_card")))),
        Observation::DeviceOperation(Box::new(DeviceOperation {
            device: device(),
            process: process(),
            connection: None,
            usage: Some(7),
            operation: "connect",
            start: at,
            end: at,
            share: Some(Share::Exclusive),
            error: Some("sharing_violation"),
            counted_elsewhere: false,
        })),
        Observation::DeviceFinding(Box::new(DeviceFinding {
            kind: FindingKind::CardHeld,
            at,
            device: device(),
            process: process(),
            connection: None,
            detail: String::from("held by pcsc_scan(12)"),
            counted_elsewhere: false,
        })),
    ]
}

#[test]
fn people_see_what_was_answered_and_whose_time_it_was() {
    let names = Names::with_new_key(false).expect("a key");
    let mut bytes = Vec::new();
    let mut text = Text::new(&mut bytes, WallClock::recorded(0), names.clone(), Filter::default());
    for observation in &all() {
        text.take(observation);
    }
    let page = anstream::adapter::strip_bytes(&bytes).into_vec();
    let page = String::from_utf8(page).expect("text");
    let name = names.device(&device());
    for line in [
        format!("reader {name} has a card"),
        format!("reader pcscd(9) {name}"),
        String::from("9000   16 B   30 ms   goes on with SELECT   program before 250 ms"),
        String::from("removed card"),
        format!("{:<38} sharing violation", "connect exclusive"),
        String::from("warning card_held"),
        String::from("held by pcsc_scan(12)"),
    ] {
        assert!(page.contains(&line), "{line} is not in {page}");
    }
    // One heading for all that is about the same device.
    assert_eq!(page.matches("pcscd(9)").count(), 1, "{page}");
}

#[test]
fn failures_pass_the_filter_for_failures_alone() {
    let failed = Filter { failed: true, ..Filter::default() };
    let passed: Vec<bool> = all().iter().map(|observation| failed.passes(observation)).collect();
    assert_eq!(passed, [false, false, true, true, true]);
    let slower = Filter { slower: Some(Duration::from_millis(31)), ..Filter::default() };
    assert!(!all().iter().any(|observation| slower.passes(observation)));
}

#[test]
fn json_has_every_kind_and_no_serial_number() {
    let names = Names::with_new_key(false).expect("a key");
    let all: Vec<_> = all().iter().map(|one| to_json(one, &WallClock::recorded(0), &names)).collect();
    let types: Vec<&str> = all.iter().filter_map(|one| one["type"].as_str()).collect();
    assert_eq!(types, ["device", "device_apdu", "device_apdu", "device_operation", "finding"]);
    for one in &all {
        assert_eq!(one["device_type"], "reader");
        assert_eq!(one["device"], names.device(&device()));
        assert_eq!(one["pid"], 9);
        assert!(!one.to_string().contains(SERIAL));
    }
    assert_eq!(all[1]["continues"]["command"], "SELECT");
    assert_eq!(all[1]["status_word"], "9000");
    assert_eq!(all[2]["error"], "removed_card");
    assert_eq!(all[4]["finding"], "card_held");
}

#[test]
fn each_apdu_is_a_trace_that_says_how_it_ended() {
    let names = Names::with_new_key(false).expect("a key");
    let mut spans = Spans::new(Ids::new("boot"), names, Sampling::default());
    let mut traces = Vec::new();
    for observation in &all() {
        spans.take(observation, &mut traces);
    }
    let elsewhere = DeviceApdu { counted_elsewhere: true, ..apdu(Some(0x9000), None) };
    spans.take(&Observation::DeviceApdu(Box::new(elsewhere)), &mut traces);
    let [good, bad] = traces.as_slice() else { panic!("{traces:?}") };
    assert_eq!((good.len(), good[0].name.as_ref()), (1, "GET_RESPONSE"));
    assert!(!good[0].failed());
    assert!(matches!(bad[0].status, Status::Error(_)));
    assert_eq!(bad[0].end.since(bad[0].start), Duration::from_millis(30));
}

#[test]
fn a_masked_serial_number_has_the_same_name() {
    let names = Names::with_new_key(false).expect("a key");
    for serial in ["4711", SERIAL, "a-very-long-serial-number-indeed"] {
        let of =
            |bytes: Vec<u8>| names.device(&Device { serial: Some(SerialNumber::new(bytes)), ..(*device()).clone() });
        let masked = names.mask_serial(serial.as_bytes());
        assert_eq!(masked.len(), serial.len());
        assert_eq!(of(serial.into()), of(masked));
        assert!(!of(serial.into()).contains(serial));
    }
}
