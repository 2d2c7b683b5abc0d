use super::{MOST_KEPT, Unbound, fits, records};
use crate::event::{Data, Holder, Plain, PlainSource, RawCall, Rest, StreamId};

const PID: u32 = 7;

const fn call(tid: u32) -> RawCall {
    RawCall { enter: 1, exit: 2, tid, polled: 0 }
}

const fn stream(identity: u64) -> StreamId {
    StreamId { identity, generation: 5, tty: false }
}

/// A record of this much plaintext with a tag and an explicit nonce, as one call of the thread moved it.
fn wire(identity: u64, tid: u32, write: bool, plain: usize) -> Data<'static> {
    let body = u16::try_from(plain + 24).expect("a record").to_be_bytes();
    let bytes = vec![23, 3, 3, body[0], body[1], 0, 0, 0];
    Data {
        holder: Holder { tgid: PID, fd: 3 },
        stream: stream(identity),
        call: call(tid),
        write,
        offset: 0,
        total: plain as u64 + 29,
        rest: Rest::Elided,
        skipped: 0,
        record_start: true,
        bytes: bytes.into(),
    }
}

fn library(session: u64, tid: u32, write: bool, len: usize) -> Plain<'static> {
    Plain {
        holder: Holder { tgid: PID, fd: -1 },
        stream: StreamId { identity: 0, generation: 9, tty: false },
        session,
        call: call(tid),
        write,
        source: PlainSource::OpenSsl,
        offset: 0,
        total: len as u64,
        bytes: vec![session as u8; len].into(),
    }
}

/// Streams and sizes of what is ready.
fn ready(unbound: &mut Unbound) -> Vec<(u64, usize)> {
    unbound.take_ready().iter().map(|plain| (plain.stream.identity, plain.bytes.len())).collect()
}

#[test]
fn two_calls_bind_and_nothing_is_lost() {
    let mut unbound = Unbound::default();
    unbound.wire(&wire(11, 1, false, 300));
    unbound.plain(&library(100, 1, false, 300));
    assert_eq!(ready(&mut unbound), []);
    unbound.plain(&library(100, 1, true, 80));
    unbound.wire(&wire(11, 1, true, 80));
    assert_eq!(ready(&mut unbound), [(11, 300), (11, 80)]);
    // From now on at once, whatever the wire tells.
    unbound.plain(&library(100, 1, false, 4000));
    assert_eq!(ready(&mut unbound), [(11, 4000)]);
}

#[test]
fn interleaved_sessions_of_one_thread() {
    let mut unbound = Unbound::default();
    for (connection, session, len) in [(11, 100, 300), (12, 101, 300), (13, 102, 17)] {
        unbound.wire(&wire(connection, 1, false, len));
        unbound.plain(&library(session, 1, false, len));
    }
    // The answers are made first, and sent in another order; two of them are of one length.
    for session in [100, 101, 102] {
        unbound.plain(&library(session, 1, true, if session == 102 { 900 } else { 50 }));
    }
    unbound.wire(&wire(13, 1, true, 900));
    unbound.wire(&wire(11, 1, true, 50));
    unbound.wire(&wire(12, 1, true, 50));
    assert_eq!(ready(&mut unbound), [(13, 17), (13, 900), (11, 300), (11, 50), (12, 300), (12, 50)]);
}

#[test]
fn what_contradicts_itself_is_never_bound() {
    let mut unbound = Unbound::default();
    unbound.wire(&wire(11, 1, false, 300));
    unbound.plain(&library(100, 1, false, 300));
    unbound.plain(&library(100, 1, true, 50));
    unbound.wire(&wire(12, 1, true, 50));
    for _ in 0..3 {
        unbound.wire(&wire(11, 1, false, 300));
        unbound.plain(&library(100, 1, false, 300));
    }
    unbound.ending(11);
    assert_eq!(ready(&mut unbound), []);
}

/// The wire does not tell of every record: what was written and never seen must not be taken for what others write.
#[test]
fn records_that_were_not_told_mislead_nobody() {
    let mut unbound = Unbound::default();
    for _ in 0..3 {
        unbound.plain(&library(100, 1, false, 300));
        unbound.plain(&library(100, 1, true, 50));
    }
    for _ in 0..2 {
        unbound.wire(&wire(12, 1, false, 300));
        unbound.plain(&library(101, 1, false, 300));
        unbound.plain(&library(101, 1, true, 50));
        unbound.wire(&wire(12, 1, true, 50));
    }
    assert_eq!(ready(&mut unbound), [(12, 300), (12, 50), (12, 300), (12, 50)]);
    assert!(unbound.bound.values().all(|(_, session, _)| *session == 101));
}

#[test]
fn another_thread_or_another_length_says_nothing() {
    let mut unbound = Unbound::default();
    for _ in 0..4 {
        unbound.wire(&wire(11, 1, false, 300));
        unbound.plain(&library(100, 2, false, 300));
        unbound.wire(&wire(11, 1, false, 300));
        unbound.plain(&library(100, 1, false, 400));
    }
    unbound.ending(11);
    assert_eq!(ready(&mut unbound), []);
}

#[test]
fn one_call_is_enough_at_the_end_when_nobody_else_has_a_claim() {
    let mut unbound = Unbound::default();
    unbound.wire(&wire(11, 1, false, 300));
    unbound.plain(&library(100, 1, false, 300));
    unbound.ending(11);
    assert_eq!(ready(&mut unbound), [(11, 300)]);
    unbound.ended(11);
    assert!(unbound.sessions.is_empty() && unbound.bound.is_empty());

    unbound.plain(&library(300, 1, true, 300));
    unbound.wire(&wire(13, 1, true, 300));
    unbound.ending(13);
    assert_eq!(ready(&mut unbound), [], "a write alone may be another's");
    unbound.ended(13);

    for session in [200, 201] {
        unbound.wire(&wire(12, 1, false, 300));
        unbound.plain(&library(session, 1, false, 300));
    }
    unbound.ending(12);
    assert_eq!(ready(&mut unbound), [], "two have one");
    unbound.ended(12);
    assert!(unbound.sessions.is_empty());
}

#[test]
fn what_is_kept_is_bounded() {
    let mut unbound = Unbound::default();
    for _ in 0..5 {
        unbound.plain(&library(100, 1, true, MOST_KEPT / 4));
    }
    assert!(unbound.sessions.values().all(|session| session.kept.is_empty()));
    for session in 0..5000 {
        unbound.plain(&library(session, session as u32, true, 1));
    }
    assert!(unbound.sessions.len() <= super::MOST_SESSIONS && unbound.threads.len() <= super::MOST_THREADS);
    unbound.process_ended(PID);
    assert!(unbound.sessions.is_empty() && unbound.threads.is_empty());
}

#[test]
fn records_by_their_headers() {
    let mut bytes = vec![23, 3, 3, 0, 2, 1, 1, 22, 3, 3, 0, 1, 9, 23, 3, 3, 0, 90];
    assert_eq!(records(&bytes), [2, 90]);
    bytes.truncate(16);
    assert_eq!(records(&bytes), [2]);
    assert!(records(&[23, 3]).is_empty());
}

#[test]
fn lengths_of_all_suites_and_fragments() {
    // ChaCha20-Poly1305, TLS 1.3, AES-GCM; CBC with SHA-1 and SHA-384 where the padding is largest.
    for overhead in [16, 17, 24, 52, 80] {
        assert!(fits(100 + overhead, 100), "{overhead}");
    }
    assert!(!fits(115, 100) && !fits(181, 100));
    assert!(fits(512 + 24, 2000) && fits(16_384 + 17, 70_000));
    assert!(!fits(2000 + 100, 2000));
}
