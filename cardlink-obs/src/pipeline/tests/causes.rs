//! What was done for which session, and in which test.

use super::{sessions::*, *};
use crate::{
    event::{Data, Rest, TestNote},
    observation::{Query, TestKey},
};

const POSTGRES: u32 = 8;
const HELLO: &[u8] = b"\0\0\0\x10\0\x03\0\0user\0p\0\0";
const READY: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";
const INSERT: &[u8] = b"Q\0\0\0\x1fINSERT INTO cards VALUES(1\0";
const DONE: &[u8] = b"C\0\0\0\x0fINSERT 0 1\0Z\0\0\0\x05I";

/// A pipeline, and how far each direction of its connections has come.
struct Wires {
    bench: Bench,
    offsets: HashMap<(u64, bool), u64>,
}

impl Wires {
    fn new() -> Self {
        Self { bench: Bench::new(PipelineSettings::default()), offsets: HashMap::new() }
    }

    /// Bytes, 10 ms after what came before.
    fn data(&mut self, pid: u32, tid: u32, number: u64, write: bool, bytes: &[u8]) {
        self.bench.wait(10);
        let offset = self.offsets.entry((number, write)).or_default();
        let event = Event::Data(Data {
            holder: holder(pid, number),
            stream: stream(number),
            call: RawCall { enter: self.bench.now - 1_000_000, exit: self.bench.now, tid, polled: 0 },
            write,
            offset: *offset,
            total: bytes.len() as u64,
            rest: Rest::Whole,
            skipped: 0,
            record_start: false,
            bytes: Cow::Borrowed(bytes),
        });
        *offset += bytes.len() as u64;
        self.bench.event(&event);
    }

    /// A connection to the database, and its other end when that is watched.
    fn connect(&mut self, pid: u32, number: u64, both: bool) {
        self.bench.open(pid, number, number, false);
        if both {
            self.bench.open(POSTGRES, number + 100, number, true);
        }
        self.talk(pid, pid, number, both, HELLO, READY);
    }

    fn talk(&mut self, pid: u32, tid: u32, number: u64, both: bool, asked: &[u8], answer: &[u8]) {
        self.data(pid, tid, number, true, asked);
        if both {
            self.data(POSTGRES, POSTGRES, number + 100, false, asked);
            self.data(POSTGRES, POSTGRES, number + 100, true, answer);
        }
        self.data(pid, tid, number, false, answer);
    }

    fn insert(&mut self, pid: u32, tid: u32, number: u64, both: bool) {
        self.talk(pid, tid, number, both, INSERT, DONE);
    }

    fn queries(&self) -> Vec<&Query> {
        let query = |one: &'_ Observation| matches!(one, Observation::Query(_));
        let all = self.bench.out.iter().filter(|one| query(one));
        all.filter_map(|one| if let Observation::Query(query) = one { Some(&**query) } else { None }).collect()
    }
}

/// Statements that count, and the sessions that they were asked for.
fn sessions_of(wires: &Wires) -> Vec<Option<u64>> {
    wires.queries().iter().filter(|query| !query.counted_elsewhere).map(|query| query.cause.session).collect()
}

#[test]
fn a_statement_was_asked_for_the_session_that_its_thread_serves() {
    for both in [false, true] {
        let mut wires = Wires::new();
        wires.bench.process(POSTGRES, "postgres");
        wires.connect(PID, 50, both);
        wires.connect(PID, 51, both);
        wires.insert(PID, PID, 50, both);
        wires.bench.accept(1).plain(1, false, &first());
        wires.insert(PID, PID, 50, both);
        wires.insert(PID, 99, 51, both);
        wires.bench.plain(1, true, &script(COMMANDS));
        wires.insert(PID, PID, 50, both);
        // Another card, whose request the same thread has read.
        wires.bench.accept(2).plain(2, false, &first());
        wires.insert(PID, PID, 50, both);
        // And the first one again: it owes two answers.
        wires.bench.plain(1, false, &answer("", ANSWERS));
        wires.insert(PID, PID, 50, both);
        wires.bench.plain(1, true, &nothing());
        wires.insert(PID, PID, 50, both);
        wires.bench.plain(2, true, &nothing());
        wires.insert(PID, PID, 50, both);
        let told = sessions_of(&wires);
        assert_eq!(told, [None, Some(1), None, Some(1), Some(2), None, Some(2), None], "both ends: {both}");
        let counted = wires.queries().iter().filter(|query| query.role == Role::Server).count();
        assert_eq!(counted, if both { told.len() } else { 0 });
    }
}

#[test]
fn a_program_without_sessions_is_not_followed() {
    let mut wires = Wires::new();
    wires.connect(PID, 50, false);
    wires.insert(PID, PID, 50, false);
    assert!(wires.bench.pipeline.serving.is_idle());
    assert_eq!(sessions_of(&wires), [None]);
}

const PYTEST: u32 = 9;

impl Wires {
    /// pytest says what it is at; `None`: the test is over.
    fn phase(&mut self, pid: u32, value: Option<&'static str>) -> u64 {
        self.bench.wait(10);
        let note = value.map_or(TestNote::Over, |value| TestNote::Current(Cow::Borrowed(value)));
        let at = self.bench.now;
        self.bench.event(&Event::Test { at, pid, note });
        at
    }

    fn forks(&mut self, parent: u32, pid: u32) {
        let at = self.bench.now;
        self.bench.event(&Event::ProcessSeen {
            at,
            pid,
            comm: Cow::Borrowed("child"),
            target: Cow::Borrowed("tests"),
            origin: ProcessOrigin::Forked { parent },
        });
    }
}

fn key(pid: u32, at: u64) -> TestKey {
    TestKey { pid, start: Stamp::from_nanos(at) }
}

/// Queries that count, and the tests that they were asked in.
fn tests_of(wires: &Wires) -> Vec<Option<TestKey>> {
    wires.queries().iter().filter(|query| !query.counted_elsewhere).map(|query| query.cause.test).collect()
}

#[test]
fn what_a_test_does_is_its_own_whichever_end_is_counted() {
    for both in [false, true] {
        let mut wires = Wires::new();
        wires.bench.process(POSTGRES, "postgres");
        wires.bench.process(PYTEST, "tests");
        wires.connect(PYTEST, 50, both);
        wires.insert(PYTEST, PYTEST, 50, both);
        let one = wires.phase(PYTEST, Some("a.py::one (setup)"));
        wires.insert(PYTEST, PYTEST, 50, both);
        wires.phase(PYTEST, Some("a.py::one (call)"));
        // Another thread, and a process that it starts.
        wires.insert(PYTEST, 99, 50, both);
        wires.forks(PYTEST, 10);
        wires.connect(10, 60, both);
        wires.insert(10, 10, 60, both);
        wires.phase(PYTEST, Some("a.py::one (teardown)"));
        wires.phase(PYTEST, None);
        wires.insert(PYTEST, PYTEST, 50, both);
        let two = wires.phase(PYTEST, Some("a.py::two (setup)"));
        // The connection was kept, and the process goes on: only the one can be told.
        wires.insert(PYTEST, PYTEST, 50, both);
        wires.insert(10, 10, 60, both);
        let (one, two) = (Some(key(PYTEST, one)), Some(key(PYTEST, two)));
        assert_eq!(tests_of(&wires), [None, one, one, one, None, two, None], "both ends: {both}");
    }
}

#[test]
fn a_session_at_the_server_is_in_the_test_that_its_client_was_in() {
    let mut wires = Wires::new();
    wires.bench.process(PYTEST, "tests");
    let mut opened = Vec::new();
    for number in [1, 2] {
        let at = wires.phase(PYTEST, Some(if number == 1 { "a.py::one (setup)" } else { "a.py::two (setup)" }));
        wires.bench.open(PYTEST, 100 + number, number, false).accept(number).plain(number, false, &first());
        // It is answered in the next test.
        if number == 2 {
            wires.bench.plain(1, true, &nothing());
        }
        opened.push(Some(key(PYTEST, at)));
        wires.phase(PYTEST, Some(if number == 1 { "a.py::one (teardown)" } else { "a.py::two (teardown)" }));
        wires.phase(PYTEST, None);
    }
    // One that nobody in a test has opened.
    wires.bench.accept(3).plain(3, false, &first());
    opened.push(None);
    let told = |one: &Observation| match one {
        Observation::SessionOpened(opened) => Some(opened.cause.test),
        _ => None,
    };
    assert_eq!(wires.bench.out.iter().filter_map(told).collect::<Vec<_>>(), opened);
    let exchanges = |one: &Observation| match one {
        Observation::Exchange(exchange) => Some(exchange.cause.test),
        _ => None,
    };
    assert_eq!(wires.bench.out.iter().filter_map(exchanges).collect::<Vec<_>>(), opened[..1]);
}

#[test]
fn two_tests_at_once_in_one_process_cannot_be_told_apart() {
    let mut wires = Wires::new();
    wires.bench.process(PYTEST, "tests");
    wires.connect(PYTEST, 50, false);
    let one = wires.phase(PYTEST, Some("a.py::one (setup)"));
    wires.insert(PYTEST, PYTEST, 50, false);
    wires.phase(PYTEST, Some("a.py::two (setup)"));
    wires.insert(PYTEST, PYTEST, 50, false);
    wires.phase(PYTEST, Some("a.py::one (teardown)"));
    wires.insert(PYTEST, PYTEST, 50, false);
    assert_eq!(tests_of(&wires), [Some(key(PYTEST, one)), None, None]);
}

#[test]
fn workers_are_told_apart() {
    let mut wires = Wires::new();
    for pid in [20, 21] {
        wires.bench.process(pid, "tests");
        wires.connect(pid, u64::from(pid), false);
    }
    let one = wires.phase(20, Some("a.py::one (setup)"));
    let two = wires.phase(21, Some("a.py::two (setup)"));
    wires.insert(20, 20, 20, false);
    wires.insert(21, 21, 21, false);
    wires.bench.event(&Event::ProcessEnded { at: u64::MAX / 2, pid: 20 });
    assert_eq!(tests_of(&wires), [Some(key(20, one)), Some(key(21, two))]);
    assert!(
        wires
            .bench
            .out
            .iter()
            .any(|one| matches!(one, Observation::Test(test) if test.key() == Some(key(20, one_start(&wires, 20)))))
    );
}

/// When the test of a process was said to begin.
fn one_start(wires: &Wires, pid: u32) -> u64 {
    let started = wires.bench.out.iter().find_map(|one| match one {
        Observation::TestStarted(started) if started.process.pid == pid => Some(started.at.as_nanos()),
        _ => None,
    });
    started.expect("it began")
}
