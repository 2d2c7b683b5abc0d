use super::Assembler;
use crate::event::{Data, Holder, RawCall, Rest, StreamId};
use crate::stream::Item;
use std::{borrow::Cow, time::Duration};

const ID: StreamId = StreamId { identity: 1, generation: 1, tty: false };

fn data(offset: u64, bytes: &'static [u8]) -> Data<'static> {
    Data {
        holder: Holder { tgid: 1, fd: 5 },
        stream: ID,
        call: RawCall { enter: 90, exit: 100, tid: 1, polled: 0 },
        write: false,
        offset,
        total: bytes.len() as u64,
        rest: Rest::Whole,
        skipped: 0,
        record_start: false,
        bytes: Cow::Borrowed(bytes),
    }
}

/// `+n` for bytes, `-n` for bytes that were left out, `!n` for bytes that were lost, `|` where a record starts.
fn push(assembler: &mut Assembler, data: &Data<'_>) -> String {
    let mut told = String::new();
    assembler.push(data, &mut |item| match item {
        Item::Data(chunk) => told.extend(["+", &chunk.bytes.len().to_string(), "@", &chunk.offset.to_string(), " "]),
        Item::Hole(hole) => {
            let mark = if hole.lost { "!" } else { "-" };
            let resync = if hole.resync { "|" } else { "" };
            told.extend([mark, &hole.len.to_string(), "@", &hole.offset.to_string(), resync, " "]);
        }
        _ => told += "? ",
    });
    told.trim_end().to_owned()
}

#[test]
fn bytes_come_in_order() {
    let mut assembler = Assembler::default();
    assert_eq!(push(&mut assembler, &data(0, b"abc")), "+3@0");
    assert_eq!(push(&mut assembler, &data(3, b"de")), "+2@3");
    assert!(!assembler.lost());
    assert_eq!(assembler.positions(), (5, 0));
}

#[test]
fn a_gap_that_nobody_left_out_is_a_loss() {
    let mut assembler = Assembler::default();
    push(&mut assembler, &data(0, b"abc"));
    assert_eq!(push(&mut assembler, &Data { record_start: true, ..data(10, b"x") }), "!7@3| +1@10");
    assert!(assembler.lost());
}

#[test]
fn a_gap_of_what_was_left_out_is_none() {
    let mut assembler = Assembler::default();
    push(&mut assembler, &data(0, b"abc"));
    assert_eq!(push(&mut assembler, &Data { skipped: 7, ..data(10, b"x") }), "-7@3 +1@10");
    assert_eq!(push(&mut assembler, &Data { skipped: 7, ..data(11, b"y") }), "+1@11");
    assert_eq!(push(&mut assembler, &Data { skipped: 9, ..data(15, b"z") }), "!3@12 +1@15");
    assert!(assembler.lost());
}

#[test]
fn the_rest_of_a_call_is_said() {
    let mut assembler = Assembler::default();
    assert_eq!(push(&mut assembler, &Data { total: 9, rest: Rest::Elided, ..data(0, b"abc") }), "+3@0 -6@3");
    assert!(!assembler.lost());
    assert_eq!(push(&mut assembler, &Data { total: 9, rest: Rest::Cut, ..data(9, b"") }), "!9@9");
    assert!(assembler.lost());
}

#[test]
fn what_was_there_is_not_told_twice() {
    let mut assembler = Assembler::default();
    push(&mut assembler, &data(0, b"abcdef"));
    assert_eq!(push(&mut assembler, &data(4, b"efgh")), "+2@6");
    assert_eq!(push(&mut assembler, &data(1, b"b")), "");
}

#[test]
fn the_first_byte_that_is_seen_may_not_be_the_first() {
    let mut assembler = Assembler::default();
    assert_eq!(push(&mut assembler, &data(5, b"x")), "!5@0 +1@5");
}

#[test]
fn time_in_polls_is_that_of_the_same_thread() {
    let mut assembler = Assembler::default();
    let call = |tid, polled| RawCall { enter: 0, exit: 100, tid, polled };
    assert_eq!(assembler.call(call(1, 500)).polled, Duration::ZERO);
    assert_eq!(assembler.call(call(1, 800)).polled, Duration::from_nanos(300));
    assert_eq!(assembler.call(call(2, 5)).polled, Duration::ZERO);
    assert_eq!(assembler.call(call(1, 900)).polled, Duration::ZERO);
    let unknown = assembler.call(call(1, 900));
    assert_eq!(unknown.enter, unknown.exit);
    // A call of a library, or of a recording's note, knows nothing of polls, and takes nothing away from the next one.
    assert_eq!(Assembler::call_beside(call(1, 0)).polled, Duration::ZERO);
    assert_eq!(assembler.call(call(1, 1000)).polled, Duration::from_nanos(100));
}
