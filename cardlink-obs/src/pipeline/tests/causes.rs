//! What was done for which session, and in which test.

use super::{sessions::*, *};
use crate::{
    event::{Data, Rest},
    observation::Query,
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
