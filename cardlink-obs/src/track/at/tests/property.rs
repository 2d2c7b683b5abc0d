use super::*;
use crate::protocol::at::AtRedactor;
use proptest::collection::vec;
use proptest::prelude::*;

/// What dialogues are made of, and what they are not.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "AT",
        "at",
        "A/",
        "ATE0",
        "ATV0",
        "ATV1",
        "ATZ",
        "AT&F",
        "ATD",
        "+CSQ",
        "+CMGS=",
        "+CPIN=",
        "+CIMI",
        "+CSIM=",
        "+CMUX=0",
        "^ICCID",
        ": ",
        "?",
        "=",
        ";",
        ",",
        "\"",
        "\r",
        "\r",
        "\r\n",
        "\r\n",
        "\r\n",
        "OK",
        "ERROR",
        "CONNECT",
        "CONNECT 9600",
        "NO CARRIER",
        "RING",
        "+CME ERROR: ",
        "+CMS ERROR: ",
        "+CMT: ",
        "+CDS: ",
        "> ",
        "\r\n> ",
        "\x1a",
        "\x1b",
        "+++",
        "0",
        "4",
        "10",
        "310150123456789",
        "A0A40000023F00",
        "9000",
        " ",
        "~",
        "X",
        "0011000B",
        "SIM busy",
        "hello",
        "+CGLA=1,10,\"00B0000004\"",
        "+CRSM=176,28486,0,0,9",
        "+CCHO=",
        "+CCHC=1",
        "+CMSS=3",
        "+CMGW=40",
        "+CMGF=1",
        "0051000C919471103254767FF6A7",
        "02700000100D0000000000000111223344550081",
    ]);
    prop_oneof![
        8 => known.prop_map(|text| text.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 1..4),
    ]
}

/// Whole exchanges, so that the interesting states are reached.
fn exchange() -> impl Strategy<Value = (Direction, Vec<u8>)> {
    let known = prop::sample::select(vec![
        (Direction::Write, "AT+CSQ\r"),
        (Direction::Read, "AT+CSQ\r\r\n+CSQ: 20,99\r\n\r\nOK\r\n"),
        (Direction::Write, "AT+CMGS=\"+491701234567\"\r"),
        (Direction::Read, "\r\n> "),
        (Direction::Write, "secret words\rOK\x1a"),
        (Direction::Read, "\r\n+CMGS: 1\r\n\r\nOK\r\n"),
        (Direction::Write, "AT+CIPSEND=4\r"),
        (Direction::Write, "ATD*99#\r"),
        (Direction::Read, "\r\nCONNECT\r\n"),
        (Direction::Read, "\r\nNO CARRIER\r\n"),
        (Direction::Write, "+++"),
        (Direction::Read, "\r\nOK\r\n"),
        (Direction::Write, "ATE0V0\r"),
        (Direction::Read, "0\r"),
        (Direction::Write, "AT+CIMI\r"),
        (Direction::Read, "\r\n262011234567890\r\n\r\nOK\r\n"),
        (Direction::Read, "\r\n+CMT: ,20\r\n0791940000\r\n"),
        (Direction::Write, "AT+CSIM=14,\"A0A40000023F00\"\r"),
        (Direction::Read, "\r\n+CSIM: 4,\"9F22\"\r\n\r\nOK\r\n"),
        (Direction::Read, "\r\n+CME ERROR: 10\r\n"),
        (Direction::Write, "AT+CCHO=\"A0000000871002\"\r"),
        (Direction::Read, "\r\n1\r\n\r\nOK\r\n"),
        (Direction::Read, "\r\n+CCHO: 1\r\n\r\nOK\r\n"),
        (Direction::Write, "AT+CGLA=1,14,\"00A4000C022FE2\"\r"),
        (Direction::Read, "\r\n+CGLA: 8,\"AABB6110\"\r\n\r\nOK\r\n"),
        (Direction::Write, "AT+CRSM=214,28486,0,0,3,\"AABBCC\"\r"),
        (Direction::Read, "\r\n+CRSM: 144,0,\"98214365\"\r\n\r\nOK\r\n"),
        (Direction::Write, "AT+CMGW=60\r"),
        (Direction::Write, "AT+CMGS=60\r"),
        (Direction::Write, "0051000C919471103254767FF6A714027000000F0D00000000000111223344550080EC0101\x1a"),
        (Direction::Write, "0051000C919471103254767FF6A714027000000F0D1621151500000111223344550080EC01\x1a"),
        (Direction::Read, "\r\n+CMGW: 3\r\n\r\nOK\r\n"),
        (Direction::Write, "AT+CMSS=3\r"),
        (Direction::Read, "\r\n+CMSS: 7\r\n\r\nOK\r\n"),
    ]);
    let free = (any::<bool>(), vec(piece(), 1..8))
        .prop_map(|(write, pieces)| (if write { Direction::Write } else { Direction::Read }, pieces.concat()));
    prop_oneof![known.prop_map(|(direction, text)| (direction, text.as_bytes().to_vec())), free]
}

type Dialogue = Vec<(Direction, Vec<u8>)>;

/// Feeds a dialogue, each part of it in pieces of at most `sizes` bytes, at the times of the whole.
fn observe(dialogue: &Dialogue, sizes: &[usize]) -> Vec<String> {
    let mut bench = Bench::new();
    let mut sizes = sizes.iter().cycle();
    for (direction, bytes) in dialogue {
        bench.now += 700;
        let call = bench.call(50);
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (piece, more) = rest.split_at(sizes.next().map_or(rest.len(), |&size| size.min(rest.len())));
            bench.item(&Item::Data(Chunk { direction: *direction, call, offset: 0, bytes: piece }));
            rest = more;
        }
        bench.poll(20);
    }
    bench.sleep(2_000_000).tick().close();
    bench.told.clone()
}

fn redact(dialogue: &Dialogue, sizes: &[usize]) -> Dialogue {
    let mut redactor = AtRedactor::new();
    let mut sizes = sizes.iter().cycle();
    let mut masked = dialogue.clone();
    for (direction, bytes) in &mut masked {
        let mut rest = bytes.as_mut_slice();
        while !rest.is_empty() {
            let size = sizes.next().map_or(rest.len(), |&size| size.min(rest.len()));
            let (piece, more) = rest.split_at_mut(size);
            match direction {
                Direction::Write => redactor.write(piece),
                Direction::Read => redactor.read(piece),
            }
            rest = more;
        }
    }
    masked
}

proptest! {
    #[test]
    fn any_split_gives_the_same_observations(dialogue in vec(exchange(), 1..12), sizes in vec(1_usize..6, 1..9)) {
        prop_assert_eq!(observe(&dialogue, &[]), observe(&dialogue, &sizes));
    }

    #[test]
    fn a_redacted_dialogue_gives_the_same_observations(dialogue in vec(exchange(), 1..12)) {
        prop_assert_eq!(observe(&dialogue, &[]), observe(&redact(&dialogue, &[]), &[]));
    }

    #[test]
    fn redaction_is_the_same_for_any_split_and_at_rest(
        dialogue in vec(exchange(), 1..12), sizes in vec(1_usize..6, 1..9),
    ) {
        let masked = redact(&dialogue, &[]);
        prop_assert_eq!(&masked, &redact(&dialogue, &sizes));
        prop_assert_eq!(&masked, &redact(&masked, &[]));
    }

    #[test]
    fn arbitrary_items_do_not_panic(data in vec(any::<u8>(), 0..512)) {
        fuzz(&data);
        crate::protocol::at::fuzz(&data);
    }
}
