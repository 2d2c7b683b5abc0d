//! Sessions of remote administration from arbitrary bytes: a few connections, cards that come and go.

use super::{Pipeline, PipelineSettings};
use crate::{
    event::{ContentNote, Endpoint, Event, Holder, Origin, Plain, PlainSource, ProcessOrigin, RawCall, StreamId},
    observation::Observation,
    stream::Script,
};
use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

const PID: u32 = 1;

/// What sessions are made of; arbitrary bytes alone would seldom be one.
const CARD: [&[u8]; 6] = [
    b"POST /a HTTP/1.1\r\nX-Admin-Protocol: globalplatform-remote-admin/1.0\r\nX-Admin-From: card\r\n\r\n",
    b"POST /b HTTP/1.1\r\nX-Admin-Protocol: globalplatform-remote-admin/1.0\r\nX-Admin-From: card\r\nX-Admin-Resume: true\r\n\r\n",
    b"POST /c HTTP/1.1\r\nX-Admin-Protocol: globalplatform-remote-admin/1.0\r\nX-Admin-Script-Status: ok\r\nContent-Type: \
      application/vnd.globalplatform.card-content-mgt-response;version=1.0\r\nContent-Length: 8\r\n\r\n\xAF\x80\x23\x02\x90\x00\x00\x00",
    b"POST /d HTTP/1.1\r\nX-Admin-From: card\r\nX-Admin-Resume: true\r\nX-Admin-Script-Status: ok\r\nContent-Type: \
      application/vnd.globalplatform.card-content-mgt-response;version=1.0\r\nContent-Length: 8\r\n\r\n\xAF\x80\x23\x02\x61\x10\x00\x00",
    b"POST /e HTTP/1.1\r\nX-Admin-From: other\r\nContent-Length: 2\r\n\r\n\x90\x00",
    b"GET / HTTP/1.1\r\n\r\n",
];
const SERVER: [&[u8]; 6] = [
    b"HTTP/1.1 200 OK\r\nX-Admin-Next-URI: /c\r\nContent-Type: application/vnd.globalplatform.card-content-mgt;version=1.0\r\n\
      Content-Length: 13\r\n\r\n\xAE\x80\x22\x07\x00\xA4\x04\x00\x02\x3F\x00\x00\x00",
    b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.globalplatform.card-content-mgt;version=1.0\r\nTransfer-Encoding: \
      chunked\r\n\r\nb\r\n\xAE\x80\x22\x05\x80\xCA\x00\x66\x00\x00\x00\r\n0\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\nX-Admin-Next-URI: /a\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n\x80\xCA\x00\x66\x00",
    b"HTTP/1.1 503 Later\r\n\r\n",
];

/// Reads `script` as what happens on four connections of a server, and checks what holds for any of it: each session that
/// opens is told once, nothing of it comes after it, its times are its duration, and it counts what was told of it.
pub fn fuzz_admin(script: &[u8]) {
    let mut script = Script::new(script);
    let mut settings = PipelineSettings::default();
    if script.byte() & 1 == 1 {
        settings.resume_window = std::time::Duration::ZERO;
    }
    let mut run = Run { pipeline: Pipeline::new(settings), now: 1_000, lives: [0; 4], out: Vec::new() };
    let (comm, target) = (Cow::Borrowed("fuzz"), Cow::Borrowed("fuzz"));
    run.event(&Event::ProcessSeen { at: 1, pid: PID, comm, target, origin: ProcessOrigin::Found });
    while !script.is_empty() {
        run.step(&mut script);
    }
    run.pipeline.finish(run.now, &mut run.out);
    check(&run.out);
}

struct Run {
    pipeline: Pipeline,
    now: u64,
    /// How often each connection was opened.
    lives: [u64; 4],
    out: Vec<Observation>,
}

impl Run {
    fn event(&mut self, event: &Event<'_>) {
        self.pipeline.handle(event, &mut self.out);
    }

    fn step(&mut self, script: &mut Script<'_>) {
        let op = script.byte();
        let slot = u64::from(op & 3);
        let value = script.byte();
        self.now += u64::from(value & 15) * 100_000_000;
        let Some(life) = self.lives.get_mut(usize::from(op & 3)) else { return };
        let is_new = *life == 0;
        *life = (*life).max(1);
        if is_new {
            self.open(op & 3);
        }
        let (holder, stream) = self.names(op & 3);
        let call = RawCall { enter: self.now, exit: self.now, tid: PID, polled: 0 };
        let of_card = op & 4 == 0;
        let write = of_card != (slot < 2);
        match op >> 3 & 7 {
            0..=2 => {
                let known = if of_card { CARD } else { SERVER };
                let bytes = known.get(usize::from(value >> 4) % known.len()).copied().unwrap_or_default();
                self.plain(holder, stream, call, write, bytes, 0);
            }
            3 => {
                // A message that is cut somewhere.
                let known = if of_card { CARD } else { SERVER };
                let bytes = known.get(usize::from(value >> 4) % known.len()).copied().unwrap_or_default();
                let (one, other) = bytes.split_at(usize::from(script.byte()).min(bytes.len()));
                self.plain(holder, stream, call, write, one, 0);
                if op >> 6 & 1 == 0 {
                    self.plain(holder, stream, call, write, other, 0);
                }
            }
            4 => {
                let bytes = script.take(usize::from(value));
                self.plain(holder, stream, call, write, bytes, u64::from(op >> 6));
            }
            5 => {
                let len = u64::from(value >> 4);
                let note = match op >> 6 {
                    0 => ContentNote::Gap { write, len },
                    1 => ContentNote::End { write, alert: (len > 7).then_some(80) },
                    2 => ContentNote::Sealed { reason: "lost".into(), advice: "none".into() },
                    _ => ContentNote::Overlong { detail: "long".into() },
                };
                self.event(&Event::Content { stream, call, note });
            }
            6 => match op >> 6 {
                0 => self.event(&Event::Eof { holder, stream, call }),
                1 => self.event(&Event::Failed { holder, stream, call, write, errno: 104 }),
                _ => {
                    let round_trip = u64::from(value) * 1_000_000;
                    self.event(&Event::Transport { at: self.now, stream, round_trip, retransmits: 0 });
                    let (bytes_read, bytes_written) = (0, 0);
                    let closed = Event::Closed { at: self.now, holder, stream, last: true, bytes_read, bytes_written };
                    self.event(&closed);
                    // The next thing on it is another connection.
                    if let Some(life) = self.lives.get_mut(usize::from(op & 3)) {
                        *life += 1;
                    }
                    self.open(op & 3);
                }
            },
            _ => {
                self.now += u64::from(value) << 30;
                self.event(&Event::Tick { now: self.now });
            }
        }
    }

    fn names(&self, slot: u8) -> (Holder, StreamId) {
        let life = self.lives.get(usize::from(slot)).copied().unwrap_or_default();
        let stream = StreamId { identity: 4 * life + u64::from(slot), generation: 1, tty: false };
        (Holder { tgid: PID, fd: i32::from(slot) }, stream)
    }

    /// Two of the four are a card's end.
    fn open(&mut self, slot: u8) {
        let (holder, stream) = self.names(slot);
        let origin = if slot < 2 { Origin::Accepted } else { Origin::Connected };
        let endpoint = Endpoint::Tcp { local: ([127, 0, 0, 1], 1).into(), peer: ([127, 0, 0, 1], 2).into() };
        self.event(&Event::Opened { at: self.now, holder, stream, endpoint, origin });
    }

    fn plain(&mut self, holder: Holder, stream: StreamId, call: RawCall, write: bool, bytes: &[u8], missing: u64) {
        let total = bytes.len() as u64 + missing;
        let (session, source, offset, bytes) = (1, PlainSource::OpenSsl, 0, Cow::Borrowed(bytes));
        self.event(&Event::Plain(Plain { holder, stream, session, call, write, source, offset, total, bytes }));
    }
}

/// What was told of a session so far.
#[derive(Default)]
struct Told {
    exchanges: u32,
    scripts: u32,
    apdus: u32,
    unanswered: u32,
    findings: u32,
}

fn check(out: &[Observation]) {
    let mut open: HashMap<u64, Told> = HashMap::new();
    let mut numbers = HashSet::new();
    for observation in out {
        match observation {
            Observation::SessionOpened(opened) => {
                assert!(numbers.insert(opened.number), "session {} was opened twice", opened.number);
                open.insert(opened.number, Told::default());
            }
            Observation::Session(session) => {
                let told = open.remove(&session.number);
                let Some(told) = told else { panic!("session {} is told twice, or was not opened", session.number) };
                let time = session.time;
                let sum = time.handshake + time.server + time.bearer.unwrap_or_default() + time.card;
                assert_eq!(sum, session.duration(), "the times are not the duration");
                assert!(session.exchanges <= told.exchanges, "exchanges that nobody was told of");
                let counted = (session.scripts, session.apdus, session.unanswered, session.findings);
                assert_eq!(
                    counted,
                    (told.scripts, told.apdus, told.unanswered, told.findings),
                    "what was told is not what counts"
                );
            }
            Observation::Exchange(exchange) => {
                if let Some(number) = exchange.session {
                    of(&mut open, number).exchanges += 1;
                }
            }
            Observation::Script(script) => {
                let Some(number) = script.session else { continue };
                let told = of(&mut open, number);
                // Answers to what was not seen do not count.
                if script.apdus.iter().all(|apdu| apdu.commands > 0) {
                    told.scripts += 1;
                    told.apdus += u32::try_from(script.apdus.len()).unwrap_or(u32::MAX);
                    let missing = script.apdus.iter().filter(|apdu| apdu.status_word.is_none()).count();
                    told.unanswered += u32::try_from(missing).unwrap_or(u32::MAX);
                }
            }
            Observation::Finding(finding) => {
                if let Some(number) = finding.session {
                    of(&mut open, number).findings += 1;
                }
            }
            _ => {}
        }
    }
    assert!(open.is_empty(), "sessions that were opened and not told: {:?}", open.keys());
}

fn of(open: &mut HashMap<u64, Told>, number: u64) -> &mut Told {
    match open.get_mut(&number) {
        Some(told) => told,
        None => panic!("something of session {number}, which is not open"),
    }
}
