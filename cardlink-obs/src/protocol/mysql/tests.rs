use super::{Fault, Frames, Kind, Messages, MysqlRedactor, Opening, Outcome, Piece, Secrecy, Told, command, opening};
use crate::protocol::sql::Sender::{self, Client, Server};
use proptest::prelude::*;

const PROTOCOL_41: u32 = 1 << 9;
const SSL: u32 = 1 << 11;
const DEPRECATE_EOF: u32 = 1 << 24;
const ATTRIBUTES: u32 = 1 << 27;

pub fn packet(number: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).expect("a short packet").to_le_bytes();
    [&len[..3], &[number], body].concat()
}

fn greeting(version: &str, can: u32) -> Vec<u8> {
    let [a, b, c, d] = can.to_le_bytes();
    let body = [
        &[10][..],
        version.as_bytes(),
        &[0, 7, 0, 0, 0],
        b"geheim12\0",
        &[a, b, 45, 2, 0, c, d, 21],
        &[0; 10],
        b"geheimgeheim\0",
        b"mysql_native_password\0",
    ];
    packet(0, &body.concat())
}

fn login(can: u32) -> Vec<u8> {
    let body = [&can.to_le_bytes()[..], &[0, 0, 0, 1, 45], &[0; 23], b"geheim\0\x14geheimgeheimgeheim12db_wort\0"];
    packet(1, &body.concat())
}

fn asks(text: &str) -> Vec<u8> {
    packet(0, format!("\x03{text}").as_bytes())
}

fn ok(number: u8, affected: u8, status: u8) -> Vec<u8> {
    packet(number, &[0, affected, 0, status, 0, 0, 0])
}

fn eof(number: u8, status: u8) -> Vec<u8> {
    packet(number, &[0xfe, 0, 0, status, 0])
}

fn definition(number: u8) -> Vec<u8> {
    packet(number, b"\x03def\x06geheim\0\0\0\0\x0c\x3f\0\x01\0\0\0\x03\x81\0\0\0\0")
}

fn kinds(messages: &mut Messages<u32>, sender: Sender, bytes: &[u8]) -> String {
    let mut told = String::new();
    messages.feed(sender, 0, bytes, &mut |one| {
        let word = match one {
            Told::Greeting { mariadb } => format!("greeting {mariadb}"),
            Told::Login => String::from("login"),
            Told::Secret(secrecy) => format!("{secrecy:?}"),
            Told::Ready => String::from("ready"),
            Told::Command { command, body, .. } => format!("{command}:{}", String::from_utf8_lossy(body)),
            Told::Prepared { statement } => format!("prepared {statement}"),
            Told::Result(Outcome { rows, more, cursor, .. }) => {
                let more = if more { "+" } else { "" };
                let cursor = if cursor { "…" } else { "" };
                rows.map_or_else(|| format!("?{more}{cursor}"), |rows| format!("{rows}{more}{cursor}"))
            }
            Told::Fault(fault) => format!("error {} {}", fault.code, fault.state()),
            Told::FoundAgain => String::from("anew"),
        };
        told.push_str(&word);
        told.push('|');
    });
    told.trim_end_matches('|').to_owned()
}

fn logged_in(can: u32) -> Messages<u32> {
    let mut messages = Messages::new(true);
    assert_eq!(kinds(&mut messages, Server, &greeting("10.11.6-MariaDB", can | SSL)), "greeting true");
    assert_eq!(kinds(&mut messages, Client, &login(can)), "login");
    assert_eq!(kinds(&mut messages, Server, &ok(2, 0, 2)), "ready");
    messages
}

fn rows(deprecated: bool) -> Vec<u8> {
    let mut all = vec![packet(1, &[2]), definition(2), definition(3)];
    let mut number = 4;
    if !deprecated {
        all.push(eof(4, 2));
        number = 5;
    }
    for row in [&b"\x01a\x06geheim"[..], b"\xfb\xfb", b"\x00\x00"] {
        all.push(packet(number, row));
        number += 1;
    }
    all.push(if deprecated { packet(number, &[0xfe, 0, 0, 2, 0, 0, 0]) } else { eof(number, 2) });
    all.concat()
}

#[test]
fn a_session_in_any_pieces() {
    for (can, deprecated) in [(PROTOCOL_41, false), (PROTOCOL_41 | DEPRECATE_EOF, true)] {
        for size in [1, 2, 3, 7, 5000] {
            let mut messages = logged_in(can);
            let talk = [
                (Client, asks("SELECT * FROM t")),
                (Server, rows(deprecated)),
                (Client, asks("INSERT INTO t VALUES (1)")),
                (Server, ok(1, 3, 3)),
                (Client, asks("x")),
                (Server, packet(1, b"\xff\x28\x04#42000You have an error")),
            ];
            let mut told = Vec::new();
            for (sender, bytes) in talk {
                for part in bytes.chunks(size) {
                    let words = kinds(&mut messages, sender, part);
                    told.extend((!words.is_empty()).then_some(words));
                }
            }
            let expected = ["3:SELECT * FROM t", "3", "3:INSERT INTO t VALUES (1)", "3", "3:x", "error 1064 42000"];
            assert_eq!(told, expected, "in pieces of {size}, deprecated: {deprecated}");
        }
    }
}

#[test]
fn several_results_prepared_statements_and_cursors() {
    let mut messages = logged_in(PROTOCOL_41);
    kinds(&mut messages, Client, &asks("CALL p()"));
    let first = [packet(1, &[1]), definition(2), eof(3, 10), packet(4, b"\x01a"), eof(5, 10), ok(6, 0, 2)];
    assert_eq!(kinds(&mut messages, Server, &first.concat()), "1+|0");
    // Two parameters, one column.
    kinds(&mut messages, Client, &packet(0, b"\x16SELECT a FROM t WHERE b = ? AND c = ?"));
    let prepared = [
        packet(1, &[0, 5, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0]),
        definition(2),
        definition(3),
        eof(4, 2),
        definition(5),
        eof(6, 2),
    ];
    assert_eq!(kinds(&mut messages, Server, &prepared.concat()), "prepared 5");
    kinds(&mut messages, Client, &packet(0, b"\x17\x05\0\0\0\x01\x01\0\0\0"));
    // Opened, and fetched in two parts.
    let opened = [packet(1, &[1]), definition(2), eof(3, 0x42)];
    assert_eq!(kinds(&mut messages, Server, &opened.concat()), "0…");
    kinds(&mut messages, Client, &packet(0, b"\x1c\x05\0\0\0\x02\0\0\0"));
    let part = [packet(1, &[0, 0, 1]), packet(2, &[0, 0, 2]), eof(3, 0x42)];
    assert_eq!(kinds(&mut messages, Server, &part.concat()), "2…");
    kinds(&mut messages, Client, &packet(0, b"\x1c\x05\0\0\0\x02\0\0\0"));
    assert_eq!(kinds(&mut messages, Server, &[packet(1, &[0, 0, 1]), eof(2, 0x82)].concat()), "1");
    assert_eq!(kinds(&mut messages, Client, &packet(0, b"\x19\x05\0\0\0")), "25:\u{5}\0\0\0");
    assert_eq!(kinds(&mut messages, Client, &packet(0, b"\x0e")), "14:");
    assert_eq!(kinds(&mut messages, Server, &ok(1, 0, 2)), "0");
}

#[test]
fn files_of_the_client_and_word_of_progress() {
    let mut messages = logged_in(PROTOCOL_41);
    kinds(&mut messages, Client, &asks("LOAD DATA LOCAL INFILE 'geheim' INTO TABLE t"));
    assert_eq!(kinds(&mut messages, Server, &packet(1, b"\xfbgeheim")), "");
    // Its parts are numbered on; the empty one is the last.
    assert_eq!(kinds(&mut messages, Client, &[packet(2, b"\x03SELECT"), packet(3, b"")].concat()), "");
    assert_eq!(kinds(&mut messages, Server, &ok(4, 7, 2)), "7");
    kinds(&mut messages, Client, &asks("ALTER TABLE t ENGINE=Aria"));
    let progress = packet(1, b"\xff\xff\xff\x01\x01\x02\x10\x27\0\x06geheim");
    assert_eq!(kinds(&mut messages, Server, &[progress, ok(2, 0, 2)].concat()), "0");
}

#[test]
fn packets_in_parts() {
    let mut messages = logged_in(PROTOCOL_41);
    let long = vec![b'x'; 0x00ff_ffff];
    let text = [&packet(0, &[b"\x03", &long[1..]].concat())[..], &packet(1, b"tail")].concat();
    for part in text.chunks(1 << 20) {
        kinds(&mut messages, Client, part);
    }
    assert_eq!(kinds(&mut messages, Server, &ok(2, 1, 2)), "1");
    // A row of exactly one part has an empty one after it; its first byte is that of an end.
    kinds(&mut messages, Client, &asks("SELECT x"));
    let mut row = long;
    row[0] = 0xfe;
    let answer = [packet(1, &[1]), definition(2), eof(3, 2), packet(4, &row), packet(5, b""), eof(6, 2)].concat();
    let told: Vec<String> = answer.chunks(1 << 20).map(|part| kinds(&mut messages, Server, part)).collect();
    assert_eq!(told.concat(), "1");
}

#[test]
fn encrypted_and_compressed() {
    let mut messages = Messages::new(true);
    kinds(&mut messages, Server, &greeting("8.0.36", PROTOCOL_41 | SSL));
    let request = [&(PROTOCOL_41 | SSL).to_le_bytes()[..], &[0; 28]].concat();
    assert_eq!(kinds(&mut messages, Client, &packet(1, &request)), "login|Encrypted");
    assert_eq!(kinds(&mut messages, Client, b"\x16\x03\x01"), "");
    for bit in [1 << 5, 1 << 26] {
        let mut messages = Messages::new(true);
        kinds(&mut messages, Server, &greeting("8.0.36", PROTOCOL_41 | bit));
        kinds(&mut messages, Client, &login(PROTOCOL_41 | bit));
        assert_eq!(kinds(&mut messages, Server, &ok(2, 0, 2)), "Compressed");
        assert_eq!(messages.secrecy(), Some(Secrecy::Compressed));
    }
    // Only what both can is used.
    let mut messages = Messages::new(true);
    kinds(&mut messages, Server, &greeting("8.0.36", PROTOCOL_41));
    kinds(&mut messages, Client, &login(PROTOCOL_41 | (1 << 5)));
    assert_eq!(kinds(&mut messages, Server, &ok(2, 0, 2)), "ready");
}

#[test]
fn logins_that_ask_on_and_that_fail() {
    let mut messages = Messages::new(true);
    kinds(&mut messages, Server, &greeting("8.0.36", PROTOCOL_41));
    kinds(&mut messages, Client, &login(PROTOCOL_41));
    assert_eq!(kinds(&mut messages, Server, &packet(2, b"\xfecaching_sha2_password\0geheim")), "");
    assert_eq!(kinds(&mut messages, Client, &packet(3, b"geheim")), "");
    assert_eq!(kinds(&mut messages, Server, &packet(4, b"\x01\x04")), "");
    assert_eq!(
        kinds(&mut messages, Server, &packet(6, b"\xff\x15\x04#28000Access denied")),
        "error 1045 28000|Foreign"
    );
    let mut full = Messages::new(true);
    assert_eq!(kinds(&mut full, Server, &packet(0, b"\xff\x10\x04Too many connections")), "error 1040 08004|Foreign");
    // Another user, with a question in between.
    let mut messages = logged_in(PROTOCOL_41);
    assert_eq!(kinds(&mut messages, Client, &packet(0, b"\x11geheim\0")), "17:geheim\0");
    assert_eq!(kinds(&mut messages, Server, &packet(1, b"\xfemysql_native_password\0geheim\0")), "");
    assert_eq!(kinds(&mut messages, Client, &packet(2, b"geheim")), "");
    assert_eq!(kinds(&mut messages, Server, &ok(3, 0, 2)), "0");
}

#[test]
fn attributes_stand_before_the_text() {
    let mut messages = logged_in(PROTOCOL_41 | ATTRIBUTES);
    assert_eq!(kinds(&mut messages, Client, &packet(0, b"\x03\0\x01SELECT 1")), "3:SELECT 1");
    kinds(&mut messages, Server, &ok(1, 0, 2));
    let two = b"\x03\x03\x01\x02\x01\xfd\0\x0btraceparent\xfd\0\x01x\x08\0\x01n\x06geheim\x01\0\0\0\0\0\0\0SELECT 2";
    assert_eq!(kinds(&mut messages, Client, &packet(0, two)), "3:SELECT 2");
    kinds(&mut messages, Server, &ok(1, 0, 2));
    // Cut short, or more than is followed.
    assert_eq!(kinds(&mut messages, Client, &packet(0, b"\x03\x01\x01\0\x01\xfd")), "3:");
    kinds(&mut messages, Server, &ok(1, 0, 2));
    assert_eq!(kinds(&mut messages, Client, &packet(0, b"\x03\xfa\x01SELECT 1")), "3:");
}

#[test]
fn lost_bytes_are_got_over() {
    let mut messages = logged_in(PROTOCOL_41);
    // Within a row: no harm.
    kinds(&mut messages, Client, &asks("SELECT 1"));
    let head = [packet(1, &[1]), definition(2), eof(3, 2)].concat();
    kinds(&mut messages, Server, &head);
    let row = packet(4, &[b'r'; 100]);
    kinds(&mut messages, Server, &row[..20]);
    messages.hole(Server, 0, 60, &mut |_| {});
    assert_eq!(kinds(&mut messages, Server, &[&row[80..], &eof(5, 2)[..]].concat()), "1");
    // Whole rows: their number is not known, the end is.
    kinds(&mut messages, Client, &asks("SELECT 2"));
    kinds(&mut messages, Server, &head);
    messages.hole(Server, 0, 4000, &mut |_| {});
    assert_eq!(kinds(&mut messages, Server, &[b"tail"[..].to_vec(), eof(77, 2)].concat()), "?");
    // The answer altogether: the next command begins anew.
    kinds(&mut messages, Client, &asks("SELECT 3"));
    messages.hole(Server, 0, 4000, &mut |_| {});
    assert_eq!(kinds(&mut messages, Server, b"nothing"), "");
    assert_eq!(kinds(&mut messages, Client, &asks("SELECT 4")), "anew|3:SELECT 4");
    assert_eq!(kinds(&mut messages, Server, &ok(1, 2, 2)), "2");
    // A command.
    messages.hole(Client, 0, 10, &mut |_| {});
    assert_eq!(kinds(&mut messages, Client, &asks("SELECT 5")), "anew|3:SELECT 5");
    assert_eq!(kinds(&mut messages, Server, &ok(1, 2, 2)), "2");
    // A number that is not the next says that something is missing.
    kinds(&mut messages, Client, &asks("SELECT 6"));
    assert_eq!(kinds(&mut messages, Server, &packet(9, b"\x05abcde")), "");
}

/// As of a read that was too large to be told whole: the packet ends with what is missing, and the next one is found.
#[test]
fn a_packet_that_ends_in_lost_bytes_has_ended() {
    let mut messages = logged_in(PROTOCOL_41);
    let text = format!("REPLACE INTO cards VALUES ('{}')", "y".repeat(40_000));
    let command = asks(&text);
    kinds(&mut messages, Client, &command[..30_000]);
    let mut told = 0;
    messages.hole(Client, 0, (command.len() - 30_000) as u64, &mut |one| {
        told += u32::from(matches!(one, Told::Command { .. }));
    });
    assert_eq!(told, 1);
    assert_eq!(kinds(&mut messages, Server, &ok(1, 2, 2)), "2");
    assert_eq!(kinds(&mut messages, Client, &asks("SELECT 4")), "3:SELECT 4");
    assert_eq!(kinds(&mut messages, Server, &ok(1, 0, 2)), "0");
}

#[test]
fn what_the_first_bytes_are() {
    for version in ["8.0.36", "5.5.5-10.11.6-MariaDB-0+deb12u1", "9.1.0"] {
        let bytes = greeting(version, PROTOCOL_41);
        assert_eq!(opening(&bytes, true), Opening::Start);
        for len in 0..8 {
            assert_eq!(opening(&bytes[..len], true), Opening::More, "{len} bytes");
        }
    }
    assert_eq!(opening(&packet(0, b"\xff\x10\x04#08004Too many connections"), true), Opening::Start);
    assert_eq!(opening(&packet(0, b"\xff\x6a\x04Host '1' is not allowed to connect"), true), Opening::Start);
    for other in [
        "220 mail.example.org ESMTP Postfix\r\n",
        "SSH-2.0-OpenSSH_9.2p1\r\n",
        "+OK POP3 ready\r\n",
        "* OK IMAP4rev1\r\n",
        "HTTP/1.1 200 OK\r\n",
        "RFB 003.008\n",
        "J\0\0\0 8.0.36 is no greeting",
        "J\0\0\u{1}\n8.0.36",
        "\0\0\0\u{8}\u{4}\u{d2}\u{16}/",
        "\0\0\0\0\n8.0.36",
    ] {
        assert_eq!(opening(other.as_bytes(), true), Opening::Other, "{other:?}");
    }
    assert_eq!(opening(&asks("SELECT * FROM t"), false), Opening::UnderWay(Client));
    assert_eq!(opening(&packet(0, b"\x16insert into t values (?)"), false), Opening::UnderWay(Client));
    assert_eq!(opening(&packet(0, b"\x17\x05\0\0\0\0\x01\0\0\0\0\x01"), false), Opening::UnderWay(Client));
    assert_eq!(opening(&packet(0, b"\x0e"), false), Opening::UnderWay(Client));
    assert_eq!(opening(&ok(1, 0, 2), false), Opening::UnderWay(Server));
    assert_eq!(opening(&rows(true), false), Opening::UnderWay(Server));
    for other in
        [&asks("EHLO you")[..], &asks("SELECT 1")[..8], &ok(1, 0, 0), b"GET / HTTP/1.1\r\n\r\n", &packet(0, b"\x17")]
    {
        assert_eq!(opening(other, false), Opening::Other, "{other:?}");
    }
}

#[test]
fn errors_by_class() {
    let class = |code: u16, state: &str| Fault { code, sqlstate: state.to_owned() }.class();
    let known = [
        (1040, "08004", "too_many_connections"),
        (1045, "28000", "authentication"),
        (1049, "42000", "no_such_database"),
        (1053, "08S01", "shutdown"),
        (1062, "23000", "constraint"),
        (1146, "42S02", "syntax_or_access"),
        (1205, "HY000", "object_state"),
        (1213, "40001", "deadlock"),
        (1317, "70100", "cancelled"),
        (1366, "22007", "data"),
        (1644, "45000", "routine"),
        (3988, "HY000", "general"),
    ];
    for (code, state, word) in known {
        assert_eq!(class(code, state), word, "{code}");
    }
    assert_eq!(Fault::of(b"\xff\x15\x04#28\xff00x"), Fault { code: 1045, sqlstate: String::new() });
    assert_eq!(Fault::of(b"").code, 0);
}

/// What a recording has of a session: the words of statements, and no secrets.
#[test]
fn a_recording_has_no_secrets() {
    for size in [3, 1000] {
        let mut redactor = MysqlRedactor::new(true);
        let can = PROTOCOL_41 | ATTRIBUTES;
        let talk = [
            (Server, greeting("10.11.6-MariaDB", can)),
            (Client, login(can)),
            (Server, packet(2, b"\xfemysql_native_password\0geheim")),
            (Client, packet(3, b"geheim")),
            (Server, ok(4, 0, 2)),
            (Client, packet(0, b"\x03\x01\x01\0\x01\xfd\0\x06geheim\x06geheimUPDATE t SET a = 'geheim' -- geheim")),
            (Server, packet(1, b"\0\x05\xfc\x11\x12\x02\0\0\0\x06geheim")),
            (Client, asks("\0\u{1}SELECT \"geheim\" FROM `db`.`t` # geheim")),
            (Server, rows(false)),
            (Client, packet(0, b"\x16SELECT a FROM t WHERE b = 'geheim'")),
            (Server, packet(1, b"\xff\x28\x04#42000near geheim")),
            (Client, packet(0, b"\x18\x01\0\0\0\0\0geheim")),
            (Client, packet(0, b"\x17\x01\0\0\0\0\x01\0\0\0\0\x01\x0f\0\x06geheim")),
            (Server, ok(1, 1, 2)),
            (Client, packet(0, b"\x02geheim")),
            (Server, ok(1, 0, 2)),
            (Client, asks("\0\u{1}LOAD DATA LOCAL INFILE 'geheim' INTO TABLE t")),
            (Server, packet(1, b"\xfbgeheim")),
            (Client, [packet(2, b"geheim"), packet(3, b"")].concat()),
            (Server, ok(4, 1, 2)),
            (Client, packet(0, b"\x09")),
            (Server, packet(1, b"Uptime geheim")),
        ];
        let mut all = Vec::new();
        for (sender, mut bytes) in talk {
            for part in bytes.chunks_mut(size) {
                redactor.mask(sender, part);
            }
            all.extend(bytes);
        }
        let text = String::from_utf8_lossy(&all).into_owned();
        assert!(!text.contains("geh") && !text.contains("wort") && !text.contains("native"), "{text}");
        for kept in ["10.11.6-MariaDB", "UPDATE t SET a = 'xxxxxx'", "FROM `db`.`t` #", "WHERE b = 'xxxxxx'", "#42000"]
        {
            assert!(text.contains(kept), "{kept}: {text}");
        }
        assert!(!all.windows(2).any(|two| two == [0x11, 0x12]), "the number that a row was given");
    }
}

#[test]
fn a_packet_that_is_empty_ends_too() {
    let mut frames = Frames::new(false);
    let mut pieces = Vec::new();
    frames.split(Client, &packet(0, b"\x01"), &mut |_, range, piece| pieces.push((range, piece)));
    let kind = Kind::Command(command::QUIT);
    assert_eq!(pieces, [(0..4, Piece::Head), (4..5, Piece::Body { kind, at: 0, last: true })]);
    assert_eq!(frames.pending(), 0);
}

proptest! {
    #[test]
    fn whatever_comes(script in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0), Just(1), Just(3), Just(5), Just(0xfe), Just(0xff), Just(0x17)], 0..200)) {
        super::fuzz(&script);
    }

    /// Whole packets, in any order.
    #[test]
    fn packets_in_any_order(
        first in 0u8..4,
        some in proptest::collection::vec((any::<bool>(), 0u8..4, prop_oneof![
            Just(vec![3, b'S', b'E', b'T']), Just(vec![1]), Just(vec![0, 0, 0, 2, 0, 0, 0]), Just(vec![0xfe, 0, 0, 2, 0]),
            Just(vec![0xfe, 0, 0, 10, 0, 0, 0]), Just(vec![0xff, 0x28, 4]), Just(vec![0x16, b'x']), Just(vec![0xfb, b'x']),
            Just(vec![0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0]), Just(vec![0x1c, 1, 0, 0, 0]), Just(vec![]),
            proptest::collection::vec(any::<u8>(), 0..12),
        ]), 0..30),
    ) {
        let mut script = vec![first];
        for (server, number, body) in some {
            let bytes = packet(number, &body);
            script.extend([u8::from(server), u8::try_from(bytes.len()).expect("short")]);
            script.extend(bytes);
        }
        super::fuzz(&script);
    }
}
