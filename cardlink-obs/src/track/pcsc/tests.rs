use super::{Pcsc, recognise};
use crate::{
    observation::{Connection, DeviceEvent, Observation, PeerAddress, Process, Role, Share, Stamp},
    stream::{Call, Chunk, Direction, Hole, Item},
    track::dialogue::{Dialogue as _, First, Recognition},
};
use std::{sync::Arc, time::Duration};

const READER: &str = "ACME Reader (5331150) 00 00";

fn connection(path: &str, role: Role, from_start: bool) -> Arc<Connection> {
    let at = Stamp::from_nanos(1);
    Arc::new(Connection {
        number: 1,
        process: Arc::new(Process { pid: 1, comm: Arc::from("pcscd"), target: Arc::from("pcscd") }),
        local: Some(PeerAddress::Unix { path: Some(Arc::from(path)), socket: 1 }),
        peer: Some(PeerAddress::Unix { path: None, socket: 2 }),
        role: Some(role),
        opened: from_start.then_some(at),
        first_seen: at,
    })
}

/// The daemon's end, with a clock that goes on by a millisecond with each call.
struct Bench {
    tracker: Pcsc,
    now: u64,
    out: Vec<Observation>,
}

impl Bench {
    fn new() -> Self {
        Self { tracker: Pcsc::new(connection("/run/pcscd/pcscd.comm", Role::Server, true)), now: 0, out: Vec::new() }
    }

    fn moved(&mut self, direction: Direction, bytes: &[u8]) {
        self.now += 1_000_000;
        let at = Stamp::from_nanos(self.now);
        let call = Call { enter: at, exit: at, polled: Duration::ZERO, tid: 1 };
        self.tracker.on(&Item::Data(Chunk { direction, call, offset: 0, bytes }), &mut self.out);
    }

    fn talk(&mut self, command: u32, body: &[u8], data: &[u8], answer: &[u8]) {
        self.moved(Direction::Read, &words(&[u32::try_from(body.len()).expect("short"), command]));
        self.moved(Direction::Read, body);
        if !data.is_empty() {
            self.moved(Direction::Read, data);
        }
        self.moved(Direction::Write, answer);
    }

    fn connect(&mut self, share: u32, handle: u32, code: u32) {
        let mut field = READER.as_bytes().to_vec();
        field.resize(128, 0);
        let body = |handle, code| [words(&[7]), field.clone(), words(&[share, 3, handle, 1, code])].concat();
        self.talk(4, &body(0, 0), &[], &body(handle, code));
    }

    fn transmit(&mut self, handle: u32, command: &[u8], answer: &[u8], code: u32) {
        let len = |bytes: &[u8]| u32::try_from(bytes.len()).expect("short");
        let body = |room, code| words(&[handle, 1, 16, len(command), 1, 16, room, code]);
        let mut reply = body(len(answer), code);
        reply.extend(answer);
        self.talk(9, &body(65548, 0), command, &reply);
    }

    fn told(&mut self) -> Vec<String> {
        self.out.drain(..).map(|one| describe(&one)).collect()
    }
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn describe(observation: &Observation) -> String {
    match observation {
        Observation::DeviceApdu(apdu) => {
            let sw = apdu.apdu.status_word.map_or_else(|| String::from("-"), |sw| format!("{sw:04X}"));
            let of = apdu.continues.map_or("", |of| of.command);
            let (took, program) = (apdu.duration().as_millis(), apdu.program.map(|time| time.as_millis()));
            format!("{} {sw} {took} {program:?} {of}{}", apdu.apdu.name, apdu.error.unwrap_or_default())
        }
        Observation::DeviceOperation(one) => {
            let share = one.share.map_or("", Share::as_str);
            format!("{} {share} {} {}", one.operation, one.duration().as_millis(), one.error.unwrap_or("ok"))
        }
        Observation::DeviceChange(change) => format!("{} {}", change.device.name, change.event.as_str()),
        Observation::Incomplete(incomplete) => format!("incomplete {}", incomplete.source),
        other => format!("{other:?}"),
    }
}

#[test]
fn apdus_have_the_daemons_time_and_the_programs() {
    let mut bench = Bench::new();
    bench.connect(2, 9, 0);
    let told = bench.told();
    assert_eq!(told, ["connect shared 1 ok", "ACME Reader 00 00 connected", "ACME Reader 00 00 card_inserted"]);
    bench.transmit(9, &[0, 0xA4, 4, 0, 2, 1, 2], &[0x61, 5], 0);
    bench.now += 50_000_000;
    bench.transmit(9, &[0, 0xC0, 0, 0, 5], &[1, 2, 3, 4, 5, 0x90, 0], 0);
    bench.transmit(9, &[0, 0xB0, 0, 0, 5], &[], 0x8010_0069);
    // Header and structure are read before the command is complete.
    let wanted = ["SELECT 6105 1 None ", "GET_RESPONSE 9000 1 Some(53) SELECT", "READ_BINARY - 1 Some(3) removed_card"];
    assert_eq!(bench.told(), wanted);
    bench.talk(6, &words(&[9, 1, 0]), &[], &words(&[9, 1, 0]));
    assert_eq!(bench.told(), ["disconnect shared 1 ok", "ACME Reader 00 00 card_reset"]);
}

#[test]
fn a_wait_for_another_program_is_one() {
    let mut bench = Bench::new();
    bench.connect(2, 9, 0);
    bench.out.clear();
    for _ in 0..5 {
        bench.talk(7, &words(&[9, 0]), &[], &words(&[9, 0x8010_000B]));
    }
    assert_eq!(bench.told(), ["begin_transaction shared 1 sharing_violation"]);
    bench.talk(7, &words(&[9, 0]), &[], &words(&[9, 0]));
    assert_eq!(bench.told(), ["begin_transaction shared 16 ok"]);
    for code in [0x8010_000B, 0x8010_000B, 0] {
        bench.transmit(9, &[0, 0xB0, 0, 0, 0], if code == 0 { &[0x90, 0] } else { &[] }, code);
    }
    assert_eq!(bench.told(), ["transmit shared 1 sharing_violation", "READ_BINARY 9000 1 None "]);
}

#[test]
fn what_a_reader_cannot_do_is_no_error_and_a_refusal_is() {
    let mut bench = Bench::new();
    bench.connect(1, 9, 0x8010_000B);
    assert_eq!(bench.told(), ["connect exclusive 1 sharing_violation"]);
    bench.connect(3, 9, 0);
    assert_eq!(bench.told(), ["connect direct 1 ok", "ACME Reader 00 00 connected"]);
    bench.talk(10, &words(&[9, 0x0042_0D48, 0, 264, 0, 0]), &[], &words(&[9, 0x0042_0D48, 0, 264, 0, 0x8010_001F]));
    bench.talk(11, &words(&[9, 0]), &[], &words(&[9, 0]));
    assert!(bench.told().is_empty());
    bench.talk(11, &words(&[9, 0]), &[], &words(&[9, 0x8010_0068]));
    assert_eq!(bench.told(), ["status direct 1 reset_card"]);
}

#[test]
fn readers_and_cards_come_and_go() {
    let mut bench = Bench::new();
    let states = |all: &[(&str, u32, bool)]| {
        let mut bytes = Vec::new();
        for (name, events, card) in all {
            let mut one = name.as_bytes().to_vec();
            one.resize(128, 0);
            one.extend(words(&[*events, if *card { 0x34 } else { 2 }, 0]));
            one.resize(184, 0);
            bytes.extend(one);
        }
        bytes.resize(16 * 184, 0);
        bytes
    };
    let mut look = |all: &[(&str, u32, bool)]| {
        bench.talk(18, &[], &[], &states(all));
        bench.told()
    };
    assert_eq!(look(&[("a", 1, true)]), ["a connected", "a card_inserted"]);
    assert!(look(&[("a", 1, true)]).is_empty());
    assert_eq!(
        look(&[("a", 3, true), ("b", 0, false)]),
        ["a card_removed", "a card_inserted", "b connected", "b card_removed"]
    );
    assert_eq!(look(&[("b", 0, false)]), ["a card_removed", "a disconnected"]);
    assert!(matches!(DeviceEvent::CardReset.as_str(), "card_reset"));
}

#[test]
fn what_was_lost_or_never_answered_is_said_to_be() {
    let mut bench = Bench::new();
    let command = [0, 0xB0, 0, 0, 0];
    let body = words(&[9, 1, 16, 5, 1, 16, 65548, 0]);
    for lost in [true, false] {
        bench.moved(Direction::Read, &words(&[32, 9]));
        bench.moved(Direction::Read, &body);
        bench.moved(Direction::Read, &command);
        let at = Stamp::from_nanos(bench.now);
        let call = Call { enter: at, exit: at, polled: Duration::ZERO, tid: 1 };
        let hole = Hole { direction: Direction::Write, call, offset: 0, len: 4, lost: true, resync: false };
        let item = if lost { Item::Hole(hole) } else { Item::Closed { at } };
        bench.tracker.on(&item, &mut bench.out);
        let told = bench.told();
        if lost {
            assert_eq!(told, ["incomplete pcsc", "READ_BINARY - 0 None "]);
        } else {
            assert_eq!(told, ["READ_BINARY - 0 None hangup"]);
        }
    }
}

#[test]
fn it_is_known_by_its_name_or_by_its_first_question() {
    let opening = [12, 0, 0, 0, 17, 0, 0, 0, 4];
    let recognised = |path, role, direction, from_start, bytes: &[u8]| {
        let connection = connection(path, role, from_start);
        recognise(&First { connection: &connection, direction, bytes, from_start })
    };
    assert_eq!(recognised("/run/pcscd/pcscd.comm", Role::Server, Direction::Write, false, &[]), Recognition::Yes);
    assert_eq!(recognised("/x", Role::Server, Direction::Read, true, &opening), Recognition::Yes);
    assert_eq!(recognised("/x", Role::Client, Direction::Write, true, &opening), Recognition::Yes);
    assert_eq!(recognised("/x", Role::Server, Direction::Read, true, &opening[..3]), Recognition::More);
    assert_eq!(recognised("/x", Role::Server, Direction::Write, true, &opening), Recognition::No);
    assert_eq!(recognised("/x", Role::Server, Direction::Read, false, &opening), Recognition::No);
    assert_eq!(recognised("/x", Role::Server, Direction::Read, true, b"GET / HTTP"), Recognition::No);
}
