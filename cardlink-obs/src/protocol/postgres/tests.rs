use super::{
    Fault, Frames, Head, Message, Messages, Opening, Piece, PostgresRedactor, Sender, Tag, Told, opening, request,
    two_names,
};
use proptest::prelude::*;

/// A message with its type byte.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 4).expect("a short message").to_be_bytes();
    [&[kind], &len[..], body].concat()
}

fn startup() -> Vec<u8> {
    let body = b"user\0geheim\0database\0wort\0\0";
    let len = u32::try_from(body.len() + 8).expect("short").to_be_bytes();
    [&len[..], &[0, 3, 0, 0], body].concat()
}

fn kinds(messages: &mut Messages<u32>, sender: Sender, bytes: &[u8]) -> String {
    let mut told = String::new();
    messages.feed(sender, 0, bytes, &mut |one| match one {
        Told::Message(Message { kind, body, .. }) => {
            told.push(if kind < 32 { char::from(b'0' + kind) } else { char::from(kind) });
            told.push_str(&body.len().to_string());
            told.push(' ');
        }
        Told::Encryption(granted) => told.push_str(if granted { "granted " } else { "refused " }),
        Told::FoundAgain(_) => told.push_str("found "),
    });
    told.trim_end().to_owned()
}

#[test]
fn messages_of_a_session_in_any_pieces() {
    let client = [&[0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f][..], &startup(), &message(b'Q', b"SELECT 1\0")].concat();
    let server = [&b"N"[..], &message(b'R', &[0; 4]), &message(b'D', &[7; 900]), &message(b'Z', b"I")].concat();
    for size in [1, 2, 3, 7, 5000] {
        let mut messages = Messages::new(true);
        let mut told = Vec::new();
        for (sender, bytes) in
            [(Sender::Client, &client[..8]), (Sender::Server, &server), (Sender::Client, &client[8..])]
        {
            told.push(bytes.chunks(size).map(|part| kinds(&mut messages, sender, part)).collect::<Vec<_>>().join(" "));
        }
        let told: Vec<&str> = told.iter().flat_map(|one| one.split_whitespace()).collect();
        assert_eq!(told, ["20", "refused", "R4", "D0", "Z1", "10", "Q9"], "in pieces of {size}");
    }
}

#[test]
fn after_the_grant_everything_is_encrypted() {
    let mut messages = Messages::new(true);
    assert_eq!(kinds(&mut messages, Sender::Client, &[0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f]), "20");
    assert_eq!(kinds(&mut messages, Sender::Server, b"S"), "granted");
    assert!(messages.is_encrypted());
    assert_eq!(kinds(&mut messages, Sender::Client, &message(b'Q', b"SELECT 1\0")), "");
}

#[test]
fn lost_bytes_in_a_row_do_no_harm_and_others_are_got_over() {
    let mut messages = Messages::new(false);
    let row = message(b'D', &[1; 100]);
    let end = [message(b'C', b"SELECT 2\0"), message(b'Z', b"I")].concat();
    assert_eq!(kinds(&mut messages, Sender::Server, &row[..20]), "");
    messages.hole(Sender::Server, 60);
    assert_eq!(kinds(&mut messages, Sender::Server, &row[80..]), "D0");
    messages.hole(Sender::Server, 40);
    assert_eq!(kinds(&mut messages, Sender::Server, &row), "");
    let told = kinds(&mut messages, Sender::Server, &[&[9; 30], &end[..]].concat());
    assert_eq!(told, "found C9 Z1");
    messages.hole(Sender::Client, 10);
    assert_eq!(kinds(&mut messages, Sender::Client, &message(b'Q', b"x\0")), "found Q2");
}

#[test]
fn what_the_first_bytes_are() {
    assert_eq!(opening(&startup(), true), Opening::Start);
    assert_eq!(opening(&[0, 0, 0], true), Opening::More);
    assert_eq!(opening(b"GET / HT", true), Opening::Other);
    assert_eq!(opening(b"G", true), Opening::Other);
    let query = message(b'Q', b"SELECT 1\0");
    assert_eq!(opening(&query, false), Opening::UnderWay(Sender::Client));
    assert_eq!(opening(&query[..8], false), Opening::Other);
    let batch = [message(b'B', b"\0s\0"), message(b'E', b"\0\0\0\0\0"), message(b'S', b"")].concat();
    assert_eq!(opening(&batch, false), Opening::UnderWay(Sender::Client));
    let answer = [message(b'C', b"BEGIN\0"), message(b'Z', b"T")].concat();
    assert_eq!(opening(&answer, false), Opening::UnderWay(Sender::Server));
}

/// A length below that of the length itself.
#[test]
fn an_impossible_length_is_none() {
    let mut messages = Messages::new(false);
    messages.hole(Sender::Server, 1);
    let bytes = [&b"C\0\0\0\0"[..], &[0; 40], &message(b'Z', b"I")].concat();
    assert_eq!(kinds(&mut messages, Sender::Server, &bytes), "found Z1");
    assert_eq!(kinds(&mut messages, Sender::Client, b"Q\0\0\0\x03xxxx"), "");
}

#[test]
fn errors_and_tags() {
    let fault = Fault::of(b"SFATAL\0VFATAL\0C53300\0Msorry, too many clients already\0\0");
    assert_eq!((fault.sqlstate.as_str(), fault.fatal), ("53300", true));
    assert_eq!(Fault::of(b"SERROR\0C42\0\xff"), Fault { sqlstate: String::new(), fatal: false });
    assert_eq!(Tag::of(b"INSERT 0 3\0").rows, Some(3));
    assert_eq!(Tag::of(b"BEGIN\0").rows, None);
    assert_eq!(two_names(b"a\0b\0c"), (&b"a"[..], &b"b"[..]));
}

#[test]
fn a_recording_has_no_secrets() {
    let mut redactor = PostgresRedactor::new(true);
    let client = [
        startup(),
        message(b'p', b"geheim\0"),
        message(b'Q', b"UPDATE t SET a = 'geheim' -- geheim\0"),
        message(b'P', b"s1\0SELECT a FROM t WHERE b = 'geheim'\0\0\0"),
        message(b'B', b"\0s1\0\0\0\0\x01\0\0\0\x06geheim\0\0"),
        message(b'd', b"geheim\n"),
    ];
    let mut masked = client.concat();
    for part in masked.chunks_mut(5) {
        redactor.mask(Sender::Client, part);
    }
    let text = String::from_utf8_lossy(&masked).into_owned();
    assert!(!text.contains("geh") && !text.contains("wort"), "{text}");
    assert!(text.contains("UPDATE t SET a = 'xxxxxx' --") && text.contains("s1\0SELECT a FROM t WHERE b = 'xxxxxx'"));
    let server = [
        message(b'S', b"application_name\0geheim\0"),
        message(b'T', b"\0\x01geheim\0"),
        message(b'D', b"\0\x01\0\0\0\x06geheim"),
        message(b'E', b"SERROR\0C22P02\0Minvalid input: geheim\0\0"),
        message(b'A', b"\0\0\0\x01chan\0geheim\0"),
        message(b'C', b"SELECT 1\0"),
        message(b'Z', b"I"),
    ];
    let mut masked = server.concat();
    redactor.mask(Sender::Server, &mut masked);
    let text = String::from_utf8_lossy(&masked).into_owned();
    assert!(!text.contains("geh") && text.contains("C22P02") && text.contains("SELECT 1"), "{text}");
}

#[test]
fn a_body_that_is_empty_ends_too() {
    let mut frames = Frames::new(false);
    let mut pieces = Vec::new();
    frames.split(Sender::Client, &message(b'S', b""), &mut |range, piece| pieces.push((range, piece)));
    let head = Head { kind: b'S', len: 0 };
    assert_eq!(pieces, [(0..5, Piece::Head(Some(head))), (5..5, Piece::Body { head, at: 0, last: true })]);
    assert_eq!(opening(&[0, 0, 0, 16, 4, 0xd2, 0x16, 0x2e], true), Opening::Start);
    assert_eq!(request::CANCEL, 4);
}

proptest! {
    #[test]
    fn whatever_comes(script in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0), Just(5), Just(b'Z'), Just(b'Q'), Just(b'I'), Just(b'C')], 0..200)) {
        super::fuzz(&script);
    }
}
