//! Events in, observations out: sessions across connections, and connections from the wire.

mod causes;
mod connects;
mod property;
mod runs;
mod sessions;

use super::*;
use crate::event::{Endpoint, Holder, Origin, PlainSource, ProcessOrigin, RawCall, StreamId};
use crate::observation::Role;
use std::borrow::Cow;

/// A pipeline that is told of one program, and what comes out.
struct Bench {
    pipeline: Pipeline,
    now: u64,
    out: Vec<Observation>,
}

const PID: u32 = 7;

impl Bench {
    fn new(settings: PipelineSettings) -> Self {
        let mut bench = Self { pipeline: Pipeline::new(settings), now: 1_000_000_000, out: Vec::new() };
        bench.process(PID, "server");
        bench
    }

    fn process(&mut self, pid: u32, target: &'static str) {
        let at = self.now;
        self.event(&Event::ProcessSeen {
            at,
            pid,
            comm: Cow::Borrowed("program"),
            target: Cow::Borrowed(target),
            origin: ProcessOrigin::Found,
        });
    }

    fn event(&mut self, event: &Event<'_>) {
        self.pipeline.handle(event, &mut self.out);
    }

    /// A connection of this number, at the serving end.
    fn accept(&mut self, number: u64) -> &mut Self {
        self.open(PID, number, number, true)
    }

    /// `pair`: two ends of one connection have it in common.
    fn open(&mut self, pid: u32, number: u64, pair: u64, serves: bool) -> &mut Self {
        let port = u16::try_from(40_000 + pair).expect("few connections");
        let (server, client) = (([127, 0, 0, 1], 8443).into(), ([127, 0, 0, 1], port).into());
        let (local, peer) = if serves { (server, client) } else { (client, server) };
        let event = Event::Opened {
            at: self.now,
            holder: holder(pid, number),
            stream: stream(number),
            endpoint: Endpoint::Tcp { local, peer },
            origin: if serves { Origin::Accepted } else { Origin::Connected },
        };
        self.event(&event);
        self
    }

    /// Plaintext, 10 ms after what came before.
    fn plain(&mut self, number: u64, write: bool, bytes: &[u8]) -> &mut Self {
        self.wait(10);
        let event = Event::Plain(Plain {
            holder: holder(PID, number),
            stream: stream(number),
            session: 1,
            call: self.call(),
            write,
            source: PlainSource::OpenSsl,
            offset: 0,
            total: bytes.len() as u64,
            bytes: Cow::Borrowed(bytes),
        });
        self.event(&event);
        self
    }

    const fn call(&self) -> RawCall {
        RawCall { enter: self.now, exit: self.now, tid: PID, polled: 0 }
    }

    fn fin(&mut self, number: u64) -> &mut Self {
        let event = Event::Eof { holder: holder(PID, number), stream: stream(number), call: self.call() };
        self.event(&event);
        self
    }

    fn close(&mut self, pid: u32, number: u64) -> &mut Self {
        let event = Event::Closed {
            at: self.now,
            holder: holder(pid, number),
            stream: stream(number),
            last: true,
            bytes_read: 0,
            bytes_written: 0,
        };
        self.event(&event);
        self
    }

    fn wait(&mut self, millis: u64) -> &mut Self {
        self.now += millis * 1_000_000;
        self
    }

    fn tick(&mut self) -> &mut Self {
        let now = self.now;
        self.event(&Event::Tick { now });
        self
    }

    fn finish(&mut self) -> &mut Self {
        self.pipeline.finish(self.now, &mut self.out);
        self
    }
}

fn holder(pid: u32, number: u64) -> Holder {
    Holder { tgid: pid, fd: i32::try_from(number).expect("few connections") }
}

const fn stream(number: u64) -> StreamId {
    StreamId { identity: number, generation: 1, tty: false }
}
