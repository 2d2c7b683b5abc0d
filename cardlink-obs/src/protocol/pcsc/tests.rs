use super::{Answer, Command, PcscRedactor, ReaderName, Request, ReturnCode, Side, Talk, Told};
use proptest::prelude::*;

const READER: &str = "ACME Reader [CCID Interface] (5331150) 00 00";

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn ask(command: u32, body: &[u8]) -> (Side, Vec<u8>) {
    let len = u32::try_from(body.len()).expect("short");
    (Side::Client, [words(&[len, command]), body.to_vec()].concat())
}

fn name(name: &str) -> Vec<u8> {
    let mut field = name.as_bytes().to_vec();
    field.resize(128, 0);
    field
}

fn connect(share: u32, handle: u32, code: u32) -> Vec<u8> {
    [words(&[7]), name(READER), words(&[share, 3, handle, 1, code])].concat()
}

fn transmit(handle: u32, sent: usize, room: u32, code: u32) -> Vec<u8> {
    words(&[handle, 1, 16, u32::try_from(sent).expect("short"), 1, 16, room, code])
}

fn exchange(handle: u32, command: &[u8], answer: &[u8]) -> [(Side, Vec<u8>); 2] {
    let (_, mut question) = ask(9, &transmit(handle, command.len(), 65548, 0));
    question.extend(command);
    let len = u32::try_from(answer.len()).expect("short");
    let reply = [transmit(handle, command.len(), len, 0), answer.to_vec()].concat();
    [(Side::Client, question), (Side::Daemon, reply)]
}

fn states(cards: &[(&str, u32, bool)]) -> Vec<u8> {
    let mut all = Vec::new();
    for (reader, events, card) in cards {
        let mut one = name(reader);
        one.extend(words(&[*events, if *card { 0x34 } else { 2 }, 0]));
        one.extend([0x3B; 33]);
        one.resize(184, 0);
        all.extend(one);
    }
    all.resize(16 * 184, 0);
    all
}

/// A program from beginning to end.
fn conversation() -> Vec<(Side, Vec<u8>)> {
    let reply = |body: Vec<u8>| (Side::Daemon, body);
    let mut all = vec![
        ask(17, &words(&[4, 4, 0])),
        reply(words(&[4, 4, 0])),
        ask(1, &words(&[0, 0, 0])),
        reply(words(&[0, 7, 0])),
        ask(18, &[]),
        reply(states(&[(READER, 3, true), ("Other 01 00", 0, false)])),
        ask(19, &[]),
        reply(states(&[(READER, 3, true), ("Other 01 00", 0, false)])),
        ask(20, &[]),
        reply(words(&[0, 0])),
        ask(4, &connect(2, 0, 0)),
        reply(connect(2, 99, 0)),
        ask(10, &words(&[99, 0x0042_000D, 0, 264, 0, 0])),
        reply(words(&[99, 0x0042_000D, 0, 264, 0, 0x8010_001F])),
    ];
    all.extend(exchange(99, &[0, 0xA4, 4, 0, 2, 0x3F, 0, 0], &[0x6F, 0, 0x90, 0]));
    all.extend(exchange(99, &[0, 0x20, 0, 1, 8, 0x31, 0x32, 0x33, 0x34, 255, 255, 255, 255], &[0x63, 0xC2]));
    all.extend(exchange(99, &[[0, 0xD6, 0, 0, 0, 1, 0].as_slice(), &[7; 256]].concat(), &[0x90, 0]));
    all.push(ask(6, &words(&[99, 1, 0])));
    all.push(reply(words(&[99, 1, 0])));
    all
}

fn told(conversation: &[(Side, Vec<u8>)]) -> Vec<Told> {
    let (mut talk, mut told) = (Talk::new(true), Vec::new());
    for (side, bytes) in conversation {
        talk.feed(*side, bytes, &mut |one| told.push(one));
    }
    told
}

#[test]
fn a_conversation_is_read() {
    let told = told(&conversation());
    let requests = told.iter().filter(|one| matches!(one, Told::Request(..))).count();
    let answers = told.iter().filter(|one| matches!(one, Told::Answer(..))).count();
    assert_eq!(requests, 11);
    assert_eq!(answers, 11);
    let connected = told.iter().find_map(|one| match one {
        Told::Request(Command::CONNECT, Request::Connect { reader, share }) => Some((reader.clone(), *share)),
        _ => None,
    });
    let (reader, share) = connected.expect("a connect");
    assert_eq!((reader.name.as_str(), share), ("ACME Reader [CCID Interface] 00 00", 2));
    assert_eq!(reader.serial.as_deref(), Some(b"5331150".as_slice()));
    let apdus: Vec<(String, u16)> = told
        .windows(3)
        .filter_map(|three| match three {
            [
                Told::Request(_, Request::Transmit { apdu: Some(apdu), .. }),
                Told::AnswerBegan,
                Told::Answer(_, Answer::Transmit { apdu: Some(answer), .. }),
            ] => Some((apdu.name().to_string(), answer.sw.0)),
            _ => None,
        })
        .collect();
    let wanted = [("SELECT", 0x9000), ("VERIFY_PIN", 0x63C2), ("UPDATE_BINARY", 0x9000)];
    assert_eq!(apdus, wanted.map(|(name, sw)| (name.to_owned(), sw)));
    let readers = told.iter().find_map(|one| match one {
        Told::Answer(_, Answer::Readers(readers)) => Some(readers.clone()),
        _ => None,
    });
    let facts: Vec<_> = readers.expect("readers").into_iter().map(|one| (one.events, one.card)).collect();
    assert_eq!(facts, [(3, true), (0, false)]);
}

#[test]
fn a_notice_may_come_late_or_cross_the_end_of_waiting() {
    let all = states(&[(READER, 3, true)]);
    let notice = (Side::Daemon, words(&[0, 0]));
    let refused = words(&[7, 0x8010_000C]);
    for late in [vec![notice.clone()], vec![ask(20, &[]), notice.clone()], vec![notice, ask(20, &[])]] {
        let mut talk = vec![ask(19, &[]), (Side::Daemon, all.clone())];
        talk.extend(late);
        talk.extend([ask(11, &words(&[7, 0])), (Side::Daemon, refused.clone())]);
        let last = told(&talk).pop();
        assert_eq!(last, Some(Told::Answer(Command::STATUS, Answer::Other { code: ReturnCode(0x8010_000C) })));
    }
}

#[test]
fn in_the_middle_and_after_a_gap_the_next_question_is_found() {
    let mut talk = Talk::new(false);
    let mut told = Vec::new();
    talk.feed(Side::Client, &[1, 2, 3], &mut |one| told.push(one));
    talk.feed(Side::Daemon, &[0; 40], &mut |one| told.push(one));
    assert!(told.is_empty());
    for side in [Side::Client, Side::Daemon] {
        for (side, bytes) in exchange(5, &[0, 0xB0, 0, 0, 0], &[1, 2, 0x90, 0]) {
            talk.feed(side, &bytes, &mut |one| told.push(one));
        }
        assert_eq!(told.len(), 3);
        talk.gap(side);
        told.clear();
        // An answer to what was lost is none to what comes.
        talk.feed(Side::Daemon, &[9; 32], &mut |one| told.push(one));
        assert!(told.is_empty());
    }
}

#[test]
fn names_and_their_serial_numbers() {
    let of = |text: &str| {
        let name = ReaderName::parse(text.as_bytes());
        (name.name, name.serial.map(|serial| String::from_utf8(serial).expect("text")))
    };
    assert_eq!(of("Virtual PCD 00 00"), (String::from("Virtual PCD 00 00"), None));
    assert_eq!(of("A B (x-1) 01 0F\0junk"), (String::from("A B 01 0F"), Some(String::from("x-1"))));
    assert_eq!(of("A (b) [c] 00 00"), (String::from("A (b) [c] 00 00"), None));
    assert_eq!(of("A ()"), (String::from("A ()"), None));
    assert_eq!(of(""), (String::new(), None));
    assert_eq!(of("a\nb"), (String::from("a\u{fffd}b"), None));
}

fn masked(conversation: &[(Side, Vec<u8>)]) -> Vec<(Side, Vec<u8>)> {
    let mut redactor = PcscRedactor::new(Box::new(|serial| vec![b'~'; serial.len()]));
    let mut offsets = [0, 0];
    let mut covered = conversation.to_vec();
    for (side, bytes) in &mut covered {
        let offset = &mut offsets[usize::from(*side == Side::Daemon)];
        redactor.mask(*side, *offset, bytes);
        *offset += bytes.len() as u64;
    }
    covered
}

#[test]
fn a_recording_has_no_data_no_atr_and_no_serial_number_and_gives_the_same() {
    let covered = masked(&conversation());
    let bytes: Vec<u8> = covered.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
    for secret in [b"5331150".as_slice(), &[0x31, 0x32, 0x33, 0x34], &[0x3B; 2], &[7; 2], &[0x3F, 0], &[0x6F, 0]] {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{secret:?}");
    }
    let (plain, covered) = (told(&conversation()), told(&covered));
    assert_eq!(plain.len(), covered.len());
    for (one, other) in plain.iter().zip(&covered) {
        match (one, other) {
            (
                Told::Request(_, Request::Connect { reader, share }),
                Told::Request(_, Request::Connect { reader: masked, share: same }),
            ) => {
                assert_eq!((&reader.name, share), (&masked.name, same));
                assert_eq!(masked.serial.as_deref(), Some(b"~~~~~~~".as_slice()));
            }
            (Told::Answer(_, Answer::Readers(_)), Told::Answer(_, Answer::Readers(_))) => {}
            _ => assert_eq!(one, other),
        }
    }
}

proptest! {
    #[test]
    fn every_split_gives_the_same(cuts in prop::collection::vec(1_usize..600, 0..60)) {
        let mut cuts = cuts.into_iter();
        let (mut talk, mut pieces) = (Talk::new(true), Vec::new());
        for (side, bytes) in conversation() {
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(cuts.next().unwrap_or(rest.len()).min(rest.len()));
                talk.feed(side, piece, &mut |one| pieces.push(one));
                rest = after;
            }
        }
        prop_assert_eq!(pieces, told(&conversation()));
    }

    #[test]
    fn nothing_makes_it_panic(data in prop::collection::vec(any::<u8>(), 0..2000)) {
        super::fuzz(&data);
    }
}
