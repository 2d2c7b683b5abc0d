use super::{Dialogue, Dialogues, First, Kind, MOST_HEARD, Recognition, Settings};
use crate::{
    observation::{Connection, Incomplete, Observation, Process, Stamp},
    stream::{Call, Chunk, Direction, Hole, Item},
};
use std::{sync::Arc, time::Duration};

/// Tells of every item how many bytes it was.
#[derive(Debug, Default)]
struct Counter {
    ended: bool,
}

fn told(bytes: u64) -> Observation {
    let (at, target) = (Stamp::from_nanos(0), Arc::from(""));
    Observation::Incomplete(Box::new(Incomplete { at, target, source: "test", bytes }))
}

impl Dialogue for Counter {
    fn on(&mut self, item: &Item<'_>, out: &mut Vec<Observation>) {
        match item {
            Item::Data(chunk) => out.push(told(chunk.bytes.len() as u64)),
            Item::Hole(hole) => out.push(told(1000 + hole.len)),
            Item::Eof(_) => self.ended = true,
            _ => {}
        }
    }

    fn is_unwanted(&self) -> bool {
        self.ended
    }

    fn finish(&mut self, _at: Stamp, out: &mut Vec<Observation>) {
        out.push(told(u64::MAX));
    }
}

fn hello(first: &First<'_>) -> Recognition {
    if !first.from_start {
        return Recognition::No;
    }
    match first.bytes {
        [b'H', b'I', ..] => Recognition::Yes,
        [b'H'] | [] => Recognition::More,
        _ => Recognition::No,
    }
}

const ONE: &[Kind] = &[Kind { name: "hello", recognise: hello, begin: |_, _| Box::new(Counter::default()) }];

fn dialogues(opened: bool) -> Dialogues {
    let at = Stamp::from_nanos(1);
    let connection = Connection {
        number: 1,
        process: Arc::new(Process { pid: 1, comm: Arc::from("p"), target: Arc::from("p") }),
        local: None,
        peer: None,
        role: None,
        opened: opened.then_some(at),
        first_seen: at,
    };
    Dialogues::among(ONE, Arc::new(connection), Settings::default())
}

fn call() -> Call {
    Call { enter: Stamp::from_nanos(1), exit: Stamp::from_nanos(2), polled: Duration::ZERO, tid: 1 }
}

const fn data(direction: Direction, call: Call, bytes: &[u8]) -> Item<'_> {
    Item::Data(Chunk { direction, call, offset: 0, bytes })
}

fn counts(out: &[Observation]) -> Vec<u64> {
    let count = |observation: &Observation| match observation {
        Observation::Incomplete(incomplete) => incomplete.bytes,
        _ => unreachable!(),
    };
    out.iter().map(count).collect()
}

#[test]
fn what_was_heard_before_it_was_recognised_is_told_too() {
    let (mut one, mut out) = (dialogues(true), Vec::new());
    one.on(&data(Direction::Write, call(), b"H"), &mut out);
    one.on(&data(Direction::Read, call(), b"what?"), &mut out);
    assert_eq!((one.speaks(), one.is_unwanted(), out.len()), (None, false, 0));
    one.on(&data(Direction::Write, call(), b"I there"), &mut out);
    assert_eq!(one.speaks(), Some("hello"));
    one.on(&data(Direction::Read, call(), b"yes"), &mut out);
    assert_eq!(counts(&out), [1, 5, 7, 3]);
    one.on(&Item::Eof(call()), &mut out);
    assert!(one.is_unwanted());
    one.finish(Stamp::from_nanos(9), &mut out);
    assert_eq!(out.len(), 5);
}

#[test]
fn what_nobody_knows_is_not_wanted() {
    let (mut one, mut out) = (dialogues(true), Vec::new());
    one.on(&data(Direction::Read, call(), b"EHLO"), &mut out);
    assert!(one.is_unwanted());
    one.on(&data(Direction::Read, call(), b"HI"), &mut out);
    assert_eq!((one.speaks(), out.len()), (None, 0));
}

#[test]
fn a_lost_beginning_is_not_the_beginning() {
    let hole = Hole { direction: Direction::Read, call: call(), offset: 0, len: 4, lost: true, resync: false };
    for opened in [true, false] {
        let (mut one, mut out) = (dialogues(opened), Vec::new());
        if opened {
            one.on(&Item::Hole(hole), &mut out);
        }
        one.on(&data(Direction::Read, call(), b"HI"), &mut out);
        assert!(one.is_unwanted());
    }
}

#[test]
fn waiting_has_an_end() {
    let (mut one, mut out) = (dialogues(true), Vec::new());
    one.on(&data(Direction::Read, call(), b"H"), &mut out);
    one.on(&data(Direction::Write, call(), &[0; MOST_HEARD]), &mut out);
    assert!(one.is_unwanted());
    let mut other = dialogues(true);
    other.on(&data(Direction::Read, call(), b"H"), &mut out);
    for _ in 0..100 {
        other.on(&data(Direction::Write, call(), b"."), &mut out);
        other.on(&Item::Tick { now: Stamp::from_nanos(3) }, &mut out);
    }
    assert!(other.is_unwanted());
}
