//! Connections that do not come about, from the events that tell of them.

use super::*;
use crate::{
    event::{Data, Rest, Sought},
    observation::{ConnectFailed, ConnectionOutcome, DatabaseSystem},
};

const CLIENT: u32 = 9;
const ECONNREFUSED: i32 = 111;
const ECONNRESET: i32 = 104;

fn bench() -> Bench {
    let mut bench = Bench::new(PipelineSettings::default());
    bench.process(CLIENT, "client");
    bench
}

impl Bench {
    /// `connect` of the client fails, 5 ms after it began.
    fn refused(&mut self, peer: Sought) -> &mut Self {
        self.wait(5);
        let event = Event::NotConnected {
            at: self.now,
            enter: self.now - 5_000_000,
            holder: holder(CLIENT, 3),
            tid: CLIENT,
            stream: None,
            peer: Some(peer),
            errno: ECONNREFUSED,
        };
        self.event(&event);
        self
    }

    /// The socket of a connection that is under way has an error, or was closed before there was an answer.
    fn fails(&mut self, number: u64, errno: i32) -> &mut Self {
        let event = Event::NotConnected {
            at: self.now,
            enter: 0,
            holder: holder(CLIENT, number),
            tid: CLIENT,
            stream: Some(stream(number)),
            peer: None,
            errno,
        };
        self.event(&event);
        self
    }

    fn read_fails(&mut self, number: u64, errno: i32) -> &mut Self {
        let (holder, stream, call) = (holder(CLIENT, number), stream(number), self.call());
        self.event(&Event::Failed { holder, stream, call, write: false, errno });
        self
    }

    fn writes(&mut self, number: u64, bytes: &[u8]) -> &mut Self {
        let event = Event::Data(Data {
            holder: holder(CLIENT, number),
            stream: stream(number),
            call: self.call(),
            write: true,
            offset: 0,
            total: bytes.len() as u64,
            rest: Rest::Whole,
            skipped: 0,
            record_start: false,
            bytes: Cow::Borrowed(bytes),
        });
        self.event(&event);
        self
    }

    fn failures(&mut self) -> Vec<ConnectFailed> {
        self.wait(600).tick();
        let failure = |one: &Observation| match one {
            Observation::ConnectFailed(failed) => Some((**failed).clone()),
            _ => None,
        };
        self.out.iter().filter_map(failure).collect()
    }

    fn outcomes(&self) -> Vec<ConnectionOutcome> {
        let outcome = |one: &Observation| match one {
            Observation::ConnectionClosed(closed) => Some(closed.outcome),
            _ => None,
        };
        self.out.iter().filter_map(outcome).collect()
    }
}

#[test]
fn connect_says_so_itself() {
    let mut bench = bench();
    bench.refused(Sought::Tcp(([127, 0, 0, 1], 5432).into()));
    let failed = bench.failures();
    let [failed] = failed.as_slice() else { panic!("{failed:?}") };
    assert_eq!(failed.process.pid, CLIENT);
    assert_eq!(failed.peer.as_ref().map(ToString::to_string).as_deref(), Some("127.0.0.1:5432"));
    assert_eq!((failed.reason.as_str(), failed.error.as_deref()), ("refused", Some("ECONNREFUSED")));
    assert_eq!(failed.took, Some(Duration::from_millis(5)));
    assert_eq!(failed.database, Some(DatabaseSystem::Postgresql));
    assert!(bench.outcomes().is_empty(), "there was no connection");
}

#[test]
fn a_unix_socket_that_is_not_there() {
    let mut bench = bench();
    bench.refused(Sought::Unix(String::from("/run/mysqld/mysqld.sock")));
    let failed = bench.failures();
    assert_eq!(failed[0].peer.as_ref().map(ToString::to_string).as_deref(), Some("unix:/run/mysqld/mysqld.sock"));
    assert_eq!(failed[0].database, Some(DatabaseSystem::Mysql));
}

#[test]
fn the_socket_says_so_later() {
    let mut bench = bench();
    bench.open(CLIENT, 3, 3, false).wait(20).fails(3, ECONNREFUSED);
    let failed = bench.failures();
    let [failed] = failed.as_slice() else { panic!("{failed:?}") };
    assert_eq!(failed.peer.as_ref().map(ToString::to_string).as_deref(), Some("127.0.0.1:8443"));
    assert_eq!((failed.took, failed.database), (Some(Duration::from_millis(20)), None));
    assert!(failed.connection.is_some());
    // It is no connection that was closed without a word.
    assert_eq!(bench.outcomes(), [ConnectionOutcome::NotConnected]);
    assert_eq!(bench.pipeline.open_streams(), 0);
}

#[test]
fn the_program_gives_up() {
    let mut bench = bench();
    bench.open(CLIENT, 3, 3, false).wait(3000).fails(3, 0).close(CLIENT, 3);
    let failed = bench.failures();
    assert_eq!((failed[0].reason.as_str(), failed[0].error.as_deref()), ("timeout", None));
    assert_eq!(failed[0].took, Some(Duration::from_secs(3)));
    assert_eq!(bench.outcomes(), [ConnectionOutcome::NotConnected]);
}

#[test]
fn a_read_says_so_and_is_told_once() {
    let mut bench = bench();
    bench.open(CLIENT, 3, 3, false).read_fails(3, ECONNREFUSED).read_fails(3, ECONNREFUSED);
    bench.fails(3, ECONNREFUSED).close(CLIENT, 3);
    assert_eq!(bench.failures().len(), 1);
    assert_eq!(bench.outcomes(), [ConnectionOutcome::NotConnected]);
}

#[test]
fn a_connection_that_breaks_is_another_matter() {
    let mut bench = bench();
    bench.open(CLIENT, 3, 3, false).writes(3, b"hello, who is there?").read_fails(3, ECONNRESET).close(CLIENT, 3);
    // Nor is one that was accepted here, and ended before a byte.
    bench.accept(4).wait(5);
    let event = Event::Failed {
        holder: holder(PID, 4),
        stream: stream(4),
        call: bench.call(),
        write: false,
        errno: ECONNRESET,
    };
    bench.event(&event);
    bench.close(PID, 4);
    assert!(bench.failures().is_empty());
    assert_eq!(bench.outcomes(), [ConnectionOutcome::NotTls, ConnectionOutcome::NoClientHello]);
}

/// `localhost` has two addresses, and the server listens at one of them.
#[test]
fn another_address_that_answers() {
    let mut bench = bench();
    let refused = Sought::Tcp(([0, 0, 0, 0, 0, 0, 0, 1], 8443).into());
    bench.refused(refused.clone()).open(CLIENT, 4, 4, false);
    assert!(bench.failures().is_empty());
    bench.writes(4, b"hello");
    assert_eq!(bench.failures().iter().map(|one| one.other_answered).collect::<Vec<_>>(), [true]);
    bench.close(CLIENT, 4);
    // The other one does not answer, either.
    bench.out.clear();
    bench.refused(refused).open(CLIENT, 5, 5, false).fails(5, ECONNREFUSED);
    assert_eq!(bench.failures().iter().map(|one| one.other_answered).collect::<Vec<_>>(), [false, false]);
}

#[test]
fn segments_that_were_sent_again_are_told_with_the_end() {
    let mut bench = bench();
    bench.open(CLIENT, 3, 3, false).writes(3, b"hello");
    let (at, stream) = (bench.now, stream(3));
    for retransmits in [2, 5] {
        bench.event(&Event::Transport { at, stream, round_trip: 0, retransmits });
    }
    bench.close(CLIENT, 3);
    let again = |one: &Observation| match one {
        Observation::ConnectionClosed(closed) => Some(closed.retransmits),
        _ => None,
    };
    assert_eq!(bench.out.iter().filter_map(again).collect::<Vec<_>>(), [5]);
}
