use super::{AdbTracker, Phones, fuzz};
use crate::{
    observation::{
        AdbOperation, AdbResult, Connection, DeviceEvent, Observation, PeerAddress, Process, Role, SerialNumber, Stamp,
    },
    stream::{Call, Chunk, Direction, Hole, Item},
    track::dialogue::Dialogue as _,
};
use proptest::prelude::*;
use std::{sync::Arc, time::Duration};

/// A conversation as it is seen at one end; each step takes a millisecond.
struct Watched {
    tracker: AdbTracker,
    phones: Phones,
    role: Role,
    now: u64,
    out: Vec<Observation>,
}

impl Watched {
    fn new(role: Role) -> Self {
        let server = PeerAddress::Ip("127.0.0.1:5037".parse().expect("an address"));
        let client = PeerAddress::Ip("127.0.0.1:40000".parse().expect("an address"));
        let (local, peer) = if role == Role::Server { (server, client) } else { (client, server) };
        let at = Stamp::from_nanos(0);
        let connection = Connection {
            number: 1,
            process: Arc::new(Process { pid: 1, comm: "adb".into(), target: "adb".into() }),
            local: Some(local),
            peer: Some(peer),
            role: Some(role),
            opened: Some(at),
            first_seen: at,
        };
        let tracker = AdbTracker::new(Arc::new(connection));
        Self { tracker, phones: Phones::default(), role, now: 0, out: Vec::new() }
    }

    fn on(&mut self, item: &Item<'_>) {
        let before = self.out.len();
        self.tracker.on(item, &mut self.out);
        self.phones.refine(&mut self.out, before);
    }

    fn call(&mut self) -> Call {
        self.now += 1_000_000;
        let exit = Stamp::from_nanos(self.now);
        Call { enter: exit - Duration::from_micros(100), exit, polled: Duration::ZERO, tid: 1 }
    }

    fn direction(&self, from_client: bool) -> Direction {
        if from_client == (self.role == Role::Client) { Direction::Write } else { Direction::Read }
    }

    fn moves(&mut self, from_client: bool, bytes: &[u8]) {
        let (direction, call) = (self.direction(from_client), self.call());
        self.on(&Item::Data(Chunk { direction, call, offset: 0, bytes }));
    }

    fn asks(&mut self, service: &str) {
        self.moves(true, format!("{:04x}{service}", service.len()).as_bytes());
    }

    fn answers(&mut self, bytes: &[u8]) {
        self.moves(false, bytes);
    }

    fn eof(&mut self) {
        let call = self.call();
        self.on(&Item::Eof(call));
    }

    fn closes(&mut self) {
        let at = self.call().exit;
        self.on(&Item::Closed { at });
    }

    fn operations(&self) -> Vec<&AdbOperation> {
        fn operation(observation: &Observation) -> Option<&AdbOperation> {
            let Observation::AdbOperation(operation) = observation else { return None };
            Some(operation)
        }
        self.out.iter().filter_map(operation).collect()
    }

    fn told(&self) -> Vec<(&'static str, AdbResult, u64)> {
        let millis = |operation: &AdbOperation| operation.duration().as_micros() as u64;
        self.operations().iter().map(|one| (one.operation, one.result, millis(one))).collect()
    }

    fn changes(&self) -> Vec<(Vec<u8>, DeviceEvent)> {
        let change = |observation: &Observation| match observation {
            Observation::DeviceChange(change) => Some((change.device.serial.as_ref()?.expose().to_vec(), change.event)),
            _ => None,
        };
        self.out.iter().filter_map(change).collect()
    }
}

const BOTH: [Role; 2] = [Role::Client, Role::Server];

#[test]
fn an_operation_lasts_from_its_request_to_the_end_of_its_answer() {
    for role in BOTH {
        let mut watched = Watched::new(role);
        watched.asks("host:version");
        watched.answers(b"OKAY");
        watched.answers(b"00040029");
        watched.closes();
        // A write begins with its call, a read when it returns.
        let micros = if role == Role::Client { 2100 } else { 2000 };
        assert_eq!(watched.told(), [("version", AdbResult::Ok, micros)], "{role:?}");
        let operation = watched.operations()[0];
        assert_eq!(operation.first_byte, Some(Stamp::from_nanos(2_000_000)));
        assert!(operation.timed && !operation.incomplete);
    }
}

#[test]
fn the_choice_of_a_phone_is_part_of_what_follows() {
    let mut watched = Watched::new(Role::Server);
    watched.asks("host:transport:ABC");
    watched.answers(b"OKAY");
    watched.asks("shell,v2:false");
    watched.answers(b"OKAY");
    watched.answers(b"\x03\x01\0\0\0\x01");
    watched.closes();
    assert_eq!(watched.told(), [("shell", AdbResult::Exit(1), 4000)]);
    let device = watched.operations()[0].device.clone().expect("it was named");
    assert_eq!(device.serial.as_ref().map(SerialNumber::expose), Some(b"ABC".as_slice()));
    assert!(!format!("{:?}", watched.out).contains("ABC"), "a serial number is not for output");
}

#[test]
fn a_choice_that_fails_or_leads_to_nothing_is_told_itself() {
    let mut failed = Watched::new(Role::Client);
    failed.asks("host:transport:ABC");
    failed.answers(b"FAIL0016device 'ABC' not found");
    failed.eof();
    failed.closes();
    assert_eq!(failed.told(), [("transport", AdbResult::Failed("device_not_found"), 1100)]);
    assert_eq!(failed.operations()[0].result.error(), Some("device_not_found"));
    let mut alone = Watched::new(Role::Client);
    alone.asks("host:transport-any");
    alone.answers(b"OKAY");
    alone.closes();
    assert_eq!(alone.told(), [("transport", AdbResult::Ok, 1100)]);
}

#[test]
fn a_stream_ends_with_its_connection() {
    for (role, server_first, result) in [
        (Role::Client, true, AdbResult::Ok),
        (Role::Client, false, AdbResult::Aborted),
        (Role::Server, true, AdbResult::Ok),
        (Role::Server, false, AdbResult::Aborted),
    ] {
        let mut watched = Watched::new(role);
        watched.asks("host:transport-any");
        watched.answers(b"OKAY");
        watched.asks("shell:logcat");
        watched.answers(b"OKAYlines and lines");
        assert!(watched.tracker.is_unwanted(), "the lines themselves are of no use");
        if server_first == (role == Role::Client) {
            watched.eof();
        }
        watched.closes();
        let told: Vec<_> = watched.told().iter().map(|(name, result, _)| (*name, *result)).collect();
        assert_eq!(told, [("shell", result)], "{role:?} {server_first}");
    }
}

#[test]
fn what_is_never_answered() {
    for (role, eof, result) in [
        (Role::Client, true, AdbResult::Hangup),
        (Role::Client, false, AdbResult::Aborted),
        (Role::Server, true, AdbResult::Aborted),
        (Role::Server, false, AdbResult::Hangup),
    ] {
        let mut watched = Watched::new(role);
        watched.asks("host:wait-for-any-device");
        watched.answers(b"OKAY");
        if eof {
            watched.eof();
        }
        watched.closes();
        assert_eq!(watched.told()[0].1, result, "{role:?} {eof}");
    }
    let mut unfinished = Watched::new(Role::Server);
    unfinished.asks("host:wait-for-any-device");
    let mut out = Vec::new();
    unfinished.tracker.finish(Stamp::from_nanos(9_000_000), &mut out);
    assert!(matches!(&out[..], [Observation::AdbOperation(one)] if one.result == AdbResult::Unknown));
}

#[test]
fn files_are_operations_of_their_own() {
    let mut watched = Watched::new(Role::Server);
    watched.asks("host:transport:ABC");
    watched.answers(b"OKAY");
    watched.asks("sync:");
    watched.answers(b"OKAY");
    for _ in 0..2 {
        watched.moves(true, b"SEND\x08\0\0\0/x,33188DATA\x03\0\0\0abcDONE\0\0\0\0");
        watched.answers(b"OKAY\0\0\0\0");
    }
    watched.moves(true, b"QUIT\0\0\0\0");
    watched.closes();
    assert_eq!(watched.told(), [("sync_send", AdbResult::Ok, 5000), ("sync_send", AdbResult::Ok, 1000)]);
    assert!(watched.operations().iter().all(|one| one.device.is_some()));
}

#[test]
fn phones_come_and_go() {
    let mut watched = Watched::new(Role::Server);
    watched.asks("host:track-devices");
    watched.answers(b"OKAY0000");
    watched.answers(b"000bABC\tdevice\n");
    watched.answers(b"0015ABC\tdevice\nD\toffline\n");
    watched.answers(b"0015ABC\toffline\nD\tdevice\n");
    watched.answers(b"0000");
    assert_eq!(
        watched.changes(),
        [
            (b"ABC".to_vec(), DeviceEvent::Connected),
            (b"ABC".to_vec(), DeviceEvent::Disconnected),
            (b"D".to_vec(), DeviceEvent::Connected),
            (b"D".to_vec(), DeviceEvent::Disconnected),
        ]
    );
    assert_eq!(watched.told(), [("track_devices", AdbResult::Ok, 1000)]);
}

#[test]
fn the_only_phone_is_meant_when_none_is_named() {
    let mut watched = Watched::new(Role::Client);
    watched.asks("host:devices");
    watched.answers(b"OKAY000bABC\tdevice\n");
    watched.asks("host:tport:any");
    watched.answers(b"OKAY\x01\0\0\0\0\0\0\0");
    watched.asks("shell,v2:true");
    watched.answers(b"OKAY\x03\x01\0\0\0\0");
    let serials: Vec<bool> = watched.operations().iter().map(|one| one.device.is_some()).collect();
    assert_eq!(watched.told().iter().map(|one| one.0).collect::<Vec<_>>(), ["devices", "shell"]);
    assert_eq!(serials, [false, true]);
    // With the server they go, too.
    watched.tracker = Watched::new(Role::Client).tracker;
    watched.asks("host:kill");
    watched.answers(b"OKAY");
    assert_eq!(watched.changes().last(), Some(&(b"ABC".to_vec(), DeviceEvent::Disconnected)));
}

#[test]
fn a_loss_leaves_no_wrong_result() {
    let mut watched = Watched::new(Role::Server);
    watched.asks("host:version");
    let call = watched.call();
    watched.on(&Item::Hole(Hole { direction: Direction::Write, call, offset: 0, len: 12, lost: true, resync: false }));
    watched.closes();
    assert_eq!(watched.told().iter().map(|one| (one.0, one.1)).collect::<Vec<_>>(), [("version", AdbResult::Unknown)]);
    assert!(watched.operations()[0].incomplete);
}

proptest! {
    #[test]
    fn nothing_goes_wrong_whatever_comes(data in proptest::collection::vec(any::<u8>(), 0..300)) {
        fuzz(&data);
    }
}
