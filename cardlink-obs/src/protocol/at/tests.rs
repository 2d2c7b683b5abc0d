//! What the redactor leaves, and what it does not.

use super::{AtRedactor, Dialogue, Line, Written};

/// Redacts a dialogue written as `> ` lines (by the program) and `< ` lines (by the modem).
fn redact(dialogue: &[(char, &str)]) -> Vec<String> {
    let mut redactor = AtRedactor::new();
    let masked = dialogue.iter().map(|(direction, text)| {
        let mut bytes = text.as_bytes().to_vec();
        if *direction == '>' {
            redactor.write(&mut bytes);
        } else {
            redactor.read(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    });
    masked.collect()
}

fn written(text: &str) -> String {
    redact(&[('>', text)]).concat()
}

fn read(text: &str) -> String {
    redact(&[('<', text)]).concat()
}

#[test]
fn secret_arguments() {
    assert_eq!(written("AT+CPIN=1234\r"), "AT+CPIN=0000\r");
    assert_eq!(written("AT+CPIN=\"12345678\",\"4321\";+CSQ\r"), "AT+CPIN=\"00000000\",\"0000\";+CSQ\r");
    assert_eq!(written("at^cpin=\"1234\"\r"), "at^cpin=\"0000\"\r");
    assert_eq!(written("AT+CPIN=?\r"), "AT+CPIN=?\r");
    assert_eq!(written("AT+CLCK=\"SC\",1,\"1234\"\r"), "AT+CLCK=\"00\",0,\"0000\"\r");
    assert_eq!(written("AT+CPWD=\"P2\",\"1111\",\"2222\"\r"), "AT+CPWD=\"00\",\"0000\",\"0000\"\r");
    assert_eq!(written("ATDT+491701234567;\r"), "ATD0+000000000000;\r");
    assert_eq!(written("ATD*99***1#\r"), "ATD*00***0#\r");
    assert_eq!(written("AT+CMGS=23\r"), "AT+CMGS=23\r");
    assert_eq!(written("AT+CMGS=\"+491701234567\",145\r"), "AT+CMGS=\"0000000000000\",000\r");
    assert_eq!(written("AT+CGDCONT=1,\"IP\",\"internet\"\r"), "AT+CGDCONT=1,\"00\",\"00000000\"\r");
    assert_eq!(written("AT+CGAUTH=1,1,\"user\",\"pass\"\r"), "AT+CGAUTH=0,0,\"0000\",\"0000\"\r");
    assert_eq!(written("AT+COPS=1,2,26201,7\r"), "AT+COPS=1,2,26201,7\r");
    assert_eq!(written("AT+VENDOR=8949020000123456789\r"), "AT+VENDOR=8949020000000000000\r");
    assert_eq!(written("AT+491701234567\r"), "AT+~~~~~~~~~~~~\r");
}

#[test]
fn data_after_a_prompt() {
    let dialogue = [
        ('>', "AT+CMGS=\"+49170\"\r"),
        ('<', "AT+CMGS=\"+49170\"\r\r\n> "),
        ('>', "ATtack at dawn\r+1\x1a"),
        ('<', "ATtack at dawn\r\n> +1\x1a\r\n+CMGS: 7\r\n\r\nOK\r\n"),
        ('>', "AT\r"),
    ];
    let masked = [
        "AT+CMGS=\"000000\"\r",
        "AT+CMGS=\"000000\"\r\r\n> ",
        "00000000000000\r00\x1a",
        "00000000000000\r\n> 000\r\n+CMGS: 7\r\n\r\nOK\r\n",
        "AT\r",
    ];
    assert_eq!(redact(&dialogue), masked);
    // It did not wait for the prompt.
    assert_eq!(written("AT+CMGS=23\r0011000B919471\x1aAT\r"), "AT+CMGS=23\r0011000B910000\x1aAT\r");
    // A number that looks like a length, and text.
    assert_eq!(written("AT+CMGF=1\rAT+CMGS=123\rDEAD BEEF\x1aAT\r"), "AT+CMGF=1\rAT+CMGS=123\r000000000\x1aAT\r");
}

#[test]
fn apdus_keep_their_header_and_status_word() {
    assert_eq!(written("AT+CSIM=26,\"00200001083132333435363738\"\r"), "AT+CSIM=26,\"00200001080000000000000000\"\r");
    assert_eq!(written("AT+CSIM=10,00B0000010\r"), "AT+CSIM=10,00B0000010\r");
    assert_eq!(written("AT+CGLA=1,16,\"81E2900003AABBCC\"\r"), "AT+CGLA=1,16,\"81E2900003000000\"\r");
    assert_eq!(written("AT+CRSM=214,28486,0,0,3,\"AABBCC\"\r"), "AT+CRSM=214,28486,0,0,3,\"000000\"\r");
    assert_eq!(written("AT+CCHO=\"A0000005591010\"\r"), "AT+CCHO=\"A0000005591010\"\r");
    assert_eq!(read("\r\n+CSIM: 12,\"982143659000\"\r\n"), "\r\n+CSIM: 12,\"000000009000\"\r\n");
    assert_eq!(read("\r\n+CGLA: 4,\"6A82\"\r\n"), "\r\n+CGLA: 4,\"6A82\"\r\n");
    assert_eq!(read("\r\n+CGLA: 4,6A82\r\n"), "\r\n+CGLA: 4,6A82\r\n");
    assert_eq!(read("\r\n+CRSM: 144,0,\"98214365\"\r\n"), "\r\n+CRSM: 144,0,\"00000000\"\r\n");
    // The length lies: then the status word is not where it says, and nothing of the data stays.
    assert_eq!(read("\r\n+CSIM: 2,\"982143659000\"\r\n"), "\r\n+CSIM: 2,\"980000000000\"\r\n");
}

#[test]
fn identifiers_in_answers() {
    assert_eq!(read("\r\n262011234567890\r\n\r\nOK\r\n"), "\r\n200000000000000\r\n\r\nOK\r\n");
    assert_eq!(read("\r\n+CIMI: 262011234567890\r\n"), "\r\n+CIMI: 000000000000000\r\n");
    assert_eq!(read("\r\n+CGSN: \"356938035643809\"\r\n"), "\r\n+CGSN: \"000000000000000\"\r\n");
    assert_eq!(read("\r\n^ICCID: 8949020000123456789F\r\n"), "\r\n^ICCID: 00000000000000000000\r\n");
    assert_eq!(read("\r\n8949020000123456789F\r\n"), "\r\n8000000000000000000~\r\n");
    assert_eq!(read("\r\n+CNUM: ,\"+49170\",145\r\n"), "\r\n+CNUM: ,\"000000\",000\r\n");
    assert_eq!(read("\r\n+VENDOR: 8949020000123456789\r\n"), "\r\n+VENDOR: 8949020000000000000\r\n");
    assert_eq!(read("\r\nIMEI: 356938035643809\r\n"), "\r\n~~~~~~~~~~~~~~~~~~~~~\r\n");
    assert_eq!(read("\r\n+CSQ: 20,99\r\n"), "\r\n+CSQ: 20,99\r\n");
    assert_eq!(read("\r\n+CPIN: SIM PIN\r\n"), "\r\n+CPIN: SIM PIN\r\n");
    assert_eq!(read("\r\n+CME ERROR: SIM not inserted\r\n"), "\r\n+CME ERROR: SIM not inserted\r\n");
}

#[test]
fn messages_in_answers() {
    assert_eq!(
        read("\r\n+CMT: \"+49170\",,\"24/11/26\"\r\nsecret\r\n\r\n+CREG: 1\r\n"),
        "\r\n+CMT: \"000000\",,\"00000000\"\r\n000000\r\n\r\n+CREG: 1\r\n"
    );
    assert_eq!(
        read("\r\n+CMGL: 1,\"REC READ\"\r\nOK\r\n+CMGL: 2,1,,24\r\n0791\r\n\r\nOK\r\n"),
        "\r\n+CMGL: 0,\"00000000\"\r\n00\r\n+CMGL: 0,0,,00\r\n0000\r\n\r\nOK\r\n"
    );
    assert_eq!(read("\r\n+CUSD: 0,\"Credit 3 EUR\",15\r\n"), "\r\n+CUSD: 0,\"000000000000\",00\r\n");
    assert_eq!(read("\r\n+CLIP: \"+49170\",145\r\n"), "\r\n+CLIP: \"000000\",000\r\n");
}

#[test]
fn echoes_are_masked_like_their_commands() {
    let command = "AT+CPIN=\"1234\"\r";
    assert_eq!(read(command), written(command));
    // Torn, and before the command is told.
    let masked = redact(&[('<', "AT+CP"), ('<', "IN=12"), ('>', "AT+CPIN=1234\r"), ('<', "34\r\r\nOK\r\n")]);
    assert_eq!(masked, ["AT+CP", "IN=00", "AT+CPIN=0000\r", "00\r\r\nOK\r\n"]);
}

#[test]
fn data_mode_and_what_is_not_at() {
    let dialogue = [
        ('>', "ATD*99#\r"),
        ('<', "\r\nCONNECT\r\n"),
        ('>', "~}#user+pass"),
        ('<', "~}#\r\n+CREG: \r\nNO CARRIER\r\n"),
        ('<', "\r\n+CREG: 1\r\n"),
    ];
    let masked =
        ["ATD*00#\r", "\r\nCONNECT\r\n", "~~~~~~~+~~~~", "~~~\r\n~~~~~~~\r\nNO CARRIER\r\n", "\r\n+CREG: 1\r\n"];
    assert_eq!(redact(&dialogue), masked);
    assert_eq!(written("root@host:~# passwd\r\n"), "~~~~~~~~~~~~~~~~~~~\r\n");
    assert_eq!(read("hunter2\r"), "~~~~~~~\r");
}

#[test]
fn gaps_leak_nothing() {
    let mut redactor = AtRedactor::new();
    let mut bytes = *b"AT+CP";
    redactor.write(&mut bytes);
    redactor.written_gap();
    let mut bytes = *b"=1234\rAT\r";
    redactor.write(&mut bytes);
    assert_eq!(&bytes, b"~~~~~\rAT\r");
    redactor.read_gap();
    let mut bytes = *b"+C 2620112345\r\nOK\r\n";
    redactor.read(&mut bytes);
    assert_eq!(&bytes, b"~~~~~~~~~~~~~\r\nOK\r\n");
}

#[test]
fn gaps_are_noticed_by_their_offsets() {
    let mut redactor = AtRedactor::new();
    let mut bytes = *b"AT+CP";
    redactor.mask(true, 1000, &mut bytes);
    let mut bytes = *b"IN=12";
    redactor.mask(true, 1005, &mut bytes);
    assert_eq!(&bytes, b"IN=00");
    let mut bytes = *b"1234\rAT\r";
    redactor.mask(true, 1012, &mut bytes);
    assert_eq!(&bytes, b"~~~~\rAT\r");
}

#[test]
fn memory_is_bounded() {
    let mut dialogue = Dialogue::new();
    for byte in b"AT+CSQ=".iter().chain(std::iter::repeat_n(&b'1', 140_000)).chain(b"\r") {
        let (_, event) = dialogue.write(*byte);
        assert_eq!(event, None, "a command line of 140,000 bytes is none");
    }
    for byte in b"AT\r" {
        dialogue.write(*byte);
    }
    let flood = std::iter::repeat_n(&b'x', 1 << 20).chain(b"\r\nOK\r\n");
    let lines: Vec<_> = flood.filter_map(|&byte| dialogue.read(byte).line).collect();
    assert_eq!(lines, [Line::Text, Line::Final(crate::observation::AtResult::Ok)]);
}

#[test]
fn many_commands_on_a_line_are_told_up_to_a_limit() {
    let mut dialogue = Dialogue::new();
    let line = format!("AT{}\r", "E0".repeat(1000));
    let event = line.bytes().find_map(|byte| dialogue.write(byte).1);
    let Some(Written::Command(line)) = event else { panic!("no command") };
    assert_eq!(line.names.len(), 32);
}
