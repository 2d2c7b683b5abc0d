use super::{
    BodyReader, CommandScript, Dialect, FaultKind, Form, MaskDirection as Direction, ResponseScript, fuzzing::session,
    pair,
};
use crate::protocol::apdu::{Case, CommandApdu, ResponseApdu, StatusWord};
use proptest::prelude::*;

pub(super) const PROTOCOL: &str = "X-Admin-Protocol: globalplatform-remote-admin/1.0\r\n";
pub(super) const FROM: &str =
    "X-Admin-From: //se-id/eid/89001012012341234012345678901224;//aa-id/aid/A000000559/1010FFFFFFFF89\r\n";
pub(super) const RESPONSE_TYPE: &str =
    "Content-Type: application/vnd.globalplatform.card-content-mgt-response;version=1.0\r\n";
pub(super) const COMMAND_TYPE: &str = "Content-Type: application/vnd.globalplatform.card-content-mgt;version=1.0\r\n";

pub(super) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

fn commands(body: &str) -> CommandScript {
    let body = hex(body);
    let mut reader = BodyReader::new(Some(body.len() as u64));
    reader.push(&body);
    reader.finish(None)
}

fn responses(body: &str) -> ResponseScript {
    responses_after(body, None)
}

fn responses_after(body: &str, other: Option<Dialect>) -> ResponseScript {
    let body = hex(body);
    let mut reader = BodyReader::new(Some(body.len() as u64));
    reader.push(&body);
    reader.finish(other)
}

fn names(script: &CommandScript) -> Vec<&'static str> {
    script.apdus.iter().map(|apdu| apdu.name().as_str()).collect()
}

fn words(script: &ResponseScript) -> Vec<String> {
    script.apdus.iter().map(|apdu| apdu.sw.to_string()).collect()
}

fn faults<A>(script: &super::Script<A>) -> Vec<(FaultKind, u64)> {
    script.faults.iter().map(|fault| (fault.kind, fault.offset)).collect()
}

#[test]
fn scripts_of_both_forms_are_read() {
    let inner = "22 08 80F24002024F0000 22 05 80CA006600 22 0D 00A4040C08A000000087100201";
    for (body, form) in [(format!("AE80 {inner} 0000"), Form::Indefinite), (format!("AA20 {inner}"), Form::Definite)] {
        let script = commands(&body);
        assert_eq!((script.dialect, script.form, faults(&script)), (Dialect::Expanded, Some(form), vec![]));
        assert_eq!(names(&script), ["GET_STATUS", "GET_DATA", "SELECT"]);
        assert_eq!(script.apdus.iter().map(|apdu| apdu.case).collect::<Vec<_>>(), [Case::C4S, Case::C2S, Case::C3S]);
    }
    let script = responses("AB 0F 80 01 03 23 02 9000 23 02 6A88 23 02 6982");
    assert_eq!((script.executed, words(&script)), (Some(3), ["9000", "6A88", "6982"].map(str::to_owned).to_vec()));
    assert_eq!((script.dialect, faults(&script)), (Dialect::Expanded, vec![]));
    let script = responses("AF80 23 04 12349000 23 81 02 6310 80 02 0002 0000");
    assert_eq!((script.form, script.executed, faults(&script)), (Some(Form::Indefinite), Some(2), vec![]));
    assert_eq!(script.apdus.first(), Some(&ResponseApdu { data_len: 2, sw: StatusWord::OK }));
}

#[test]
fn lengths_of_up_to_four_bytes_are_read() {
    let apdu = format!("80E80000FF{}", "5A".repeat(255));
    for entry in [format!("22 820104 {apdu}"), format!("22 83000104 {apdu}"), format!("22 8400000104 {apdu}")] {
        let len = hex(&entry).len();
        for body in [format!("AA 82{len:04X} {entry}"), format!("AA 84{len:08X} {entry}"), format!("AE80 {entry} 0000")]
        {
            let script = commands(&body);
            assert_eq!((names(&script), faults(&script)), (vec!["LOAD"], vec![]), "{body:.20}");
            assert_eq!(script.apdus.first().map(|apdu| apdu.lc), Some(255));
        }
    }
}

#[test]
fn other_entries_have_names() {
    let script = commands("AA 10 83 01 01 81 01 81 82 00 22 05 80CA006600");
    let entries: Vec<_> = script.entries.iter().map(|entry| (entry.as_str(), entry.len, entry.value)).collect();
    let wanted = [("script_chaining", 1, Some(1)), ("immediate_action", 1, Some(0x81)), ("error_action", 0, None)];
    assert_eq!((entries, faults(&script)), (wanted.to_vec(), vec![(FaultKind::Truncated, 17)]));
    let script = responses("AB 0A 80 01 00 90 01 02 83 02 0102");
    let entries: Vec<_> = script.entries.iter().map(|entry| (entry.as_str(), entry.len, entry.value)).collect();
    assert_eq!(entries, [("bad_format", 1, Some(2)), ("script_chaining_response", 2, None)]);
    assert_eq!((script.executed, faults(&script)), (Some(0), vec![]));
}

#[test]
fn each_fault_has_its_place() {
    let cases = [
        ("AA", FaultKind::Truncated, 1),
        ("AA 07 22 05 80CA0066", FaultKind::Truncated, 8),
        ("AE80 22 05 80CA006600", FaultKind::Truncated, 9),
        ("AE80 22 05 80CA006600 00", FaultKind::Truncated, 10),
        ("AA 85 01", FaultKind::BadLength, 1),
        ("AE80 22 80 00", FaultKind::BadLength, 3),
        ("AA 07 22 06 80CA00660000", FaultKind::EntryTooLong, 3),
        ("AA 01 22 00", FaultKind::EntryTooLong, 3),
        ("AA 03 00 01 00", FaultKind::BadTag, 2),
        ("AE80 7F 21 00 0000", FaultKind::BadTag, 2),
        ("AE80 23 02 9000 0000", FaultKind::WrongTag, 5),
        ("AF80 0000", FaultKind::WrongTemplate, 0),
        ("AA80 0000", FaultKind::WrongForm, 1),
        ("AE00", FaultKind::WrongForm, 1),
        ("AE80 0001", FaultKind::BadEnd, 3),
        ("AA00 00", FaultKind::TrailingBytes, 2),
        ("AE80 0000 22 05", FaultKind::TrailingBytes, 4),
        ("AE80 22 03 80CA00 0000", FaultKind::ShortApdu, 6),
    ];
    for (body, kind, offset) in cases {
        let script = commands(body);
        assert_eq!((script.dialect, faults(&script)), (Dialect::Expanded, vec![(kind, offset)]), "{body}");
    }
    let cases = [
        ("AB 03 23 01 90", FaultKind::ShortApdu, 4),
        ("AB 07 80 05 0000000001", FaultKind::BadCount, 8),
        ("AB 02 80 00", FaultKind::BadCount, 3),
        ("AB 0B 80 01 01 23 02 9000 23 02 9000", FaultKind::CountMismatch, 13),
        ("AF80 22 05 80CA006600 0000", FaultKind::WrongTag, 8),
        ("AA00", FaultKind::WrongTemplate, 0),
    ];
    for (body, kind, offset) in cases {
        let script = responses(body);
        assert_eq!(faults(&script), [(kind, offset)], "{body}");
    }
    assert_eq!(commands("AA 85 01").faults.first().map(ToString::to_string).as_deref(), Some("bad_length at byte 1"));
}

#[test]
fn what_comes_before_a_fault_is_kept() {
    let script = commands("AE80 22 05 80CA006600 22 08 80F24002");
    assert_eq!((names(&script), faults(&script)), (vec!["GET_DATA"], vec![(FaultKind::Truncated, 15)]));
    let mut reader = BodyReader::<CommandApdu>::new(None);
    reader.push(&hex("AE80 22 05 80CA006600 22"));
    reader.missing(5);
    reader.push(&hex("22 05 80CA006600 0000"));
    let script = reader.finish(None);
    assert_eq!((names(&script), faults(&script)), (vec!["GET_DATA"], vec![(FaultKind::Missed, 10)]));
    assert_eq!(script.bytes, 24);
}

#[test]
fn what_is_kept_is_bounded() {
    let body = format!("AE80 {} {} 0000", "220480CA0000".repeat(5000), "2500".repeat(100));
    let script = commands(&body);
    assert_eq!((script.apdus.len(), script.left_out, script.entries.len()), (4096, 904, 64));
    let script = commands(&format!("AE80 {} 0000", "2200".repeat(100)));
    assert_eq!(script.faults.len(), 16);
}

#[test]
fn one_apdu_in_place_of_a_script_is_read_where_it_is_sure() {
    let cases = [
        ("80F24002024F0000", Dialect::Raw, vec!["GET_STATUS"]),
        ("80CA006600", Dialect::Raw, vec!["GET_DATA"]),
        ("00A40000", Dialect::Raw, vec!["SELECT"]),
        ("00D60000000002AABB", Dialect::Raw, vec!["UPDATE_BINARY"]),
        ("0008 80F24002024F0000", Dialect::LengthPrefixed, vec!["GET_STATUS"]),
        ("0005 80CA006600", Dialect::LengthPrefixed, vec!["GET_DATA"]),
        // Lc and Le do not add up, an instruction and a class that nobody has, a length that is none.
        ("80F24002054F0000", Dialect::Unknown, vec![]),
        ("80FF4002024F0000", Dialect::Unknown, vec![]),
        ("20A40000", Dialect::Unknown, vec![]),
        ("0007 80F24002024F0000", Dialect::Unknown, vec![]),
        ("0008 80F24002054F0000", Dialect::Unknown, vec![]),
        ("80CA006600 80CA006600", Dialect::Unknown, vec![]),
        ("7878787878", Dialect::Unknown, vec![]),
        ("80", Dialect::Unknown, vec![]),
        ("", Dialect::Empty, vec![]),
    ];
    for (body, dialect, wanted) in cases {
        let script = commands(body);
        assert_eq!((script.dialect, names(&script)), (dialect, wanted), "{body}");
    }
    // Both readings add up: SELECT with A1 bytes of data, or after its length a command in class 00.
    let both = format!("00A4 00B0A1009E {}", "00".repeat(0xA4 - 5));
    let script = commands(&both);
    assert_eq!((script.dialect, names(&script)), (Dialect::Ambiguous, vec![]));
    // Without its length in the head a body is a script or nothing.
    let mut reader = BodyReader::<CommandApdu>::new(None);
    reader.push(&hex("80CA006600"));
    assert_eq!(reader.finish(None).dialect, Dialect::Unknown);
    // Less of the body came than its head said.
    let mut reader = BodyReader::<CommandApdu>::new(Some(8));
    reader.push(&hex("80F24002024F"));
    assert_eq!(reader.finish(None).dialect, Dialect::Unknown);
}

#[test]
fn one_response_in_place_of_a_script_is_its_status_word() {
    let cases = [
        ("9000", Dialect::Raw, Some(0)),
        ("6F0A8408A0000000031010009000", Dialect::Raw, Some(12)),
        ("0002 9000", Dialect::Ambiguous, None),
        ("0002 1000", Dialect::Unknown, None),
        ("1234", Dialect::Unknown, None),
        ("90", Dialect::Unknown, None),
        // The data start like a template; an R-APDU in it that is too short is not one that was read.
        ("AB12 9000", Dialect::Ambiguous, None),
        ("AB80 3456 9000", Dialect::Ambiguous, None),
        ("AB03 2301 9000", Dialect::Ambiguous, None),
        ("AB0A 23029000 9000", Dialect::Expanded, Some(0)),
    ];
    for (body, dialect, data) in cases {
        let script = responses(body);
        let found = script.apdus.first().map(|apdu| apdu.data_len);
        assert_eq!((script.dialect, found), (dialect, data), "{body}");
    }
    let by_commands = |other| {
        let script = responses_after("0002 9000", Some(other));
        (script.dialect, script.apdus.first().map(|apdu| apdu.data_len))
    };
    assert_eq!(by_commands(Dialect::LengthPrefixed), (Dialect::LengthPrefixed, Some(0)));
    assert_eq!(by_commands(Dialect::Raw), (Dialect::Raw, Some(2)));
    assert_eq!(by_commands(Dialect::Expanded), (Dialect::Ambiguous, None));
}

#[test]
fn what_stands_for_a_hidden_byte_is_not_read_as_a_length() {
    // A length before the response would be 0078, and 78 is what hidden bytes become.
    let clear = hex(&format!("00 01 {} 9000", "5A".repeat(0x78 - 2)));
    let mut hidden = clear.clone();
    BodyReader::<ResponseApdu>::new(Some(clear.len() as u64)).mask(&mut hidden);
    assert_eq!(hidden.get(..3), Some(b"\0yx".as_slice()));
    for body in [clear, hidden] {
        let mut reader = BodyReader::<ResponseApdu>::new(Some(body.len() as u64));
        reader.push(&body);
        assert_eq!(reader.finish(None).dialect, Dialect::Raw);
    }
}

#[test]
fn two_readings_of_a_command_do_not_show_each_others_data() {
    let mut body = hex(&format!("00A4 00B0A1009E {}", "00".repeat(0xA4 - 5)));
    BodyReader::<CommandApdu>::new(Some(body.len() as u64)).mask(&mut body);
    let (shown, hidden) = body.split_at(5);
    assert_eq!(shown, hex("00A400B0A1"));
    assert!(hidden.iter().all(|byte| *byte == b'x'));
}

#[test]
fn commands_and_responses_are_paired_as_far_as_it_is_known() {
    let sent = commands("AE80 22 05 80CA006600 22 05 80CA006700 22 04 00A40000 0000").apdus;
    let paired = |body: &str| -> Vec<Option<String>> {
        let pairs = pair(&sent, &responses(body));
        assert_eq!(pairs.len(), 3);
        pairs.into_iter().map(|(_, answer)| answer.map(|answer| answer.sw.to_string())).collect()
    };
    let some = |word: &str| Some(word.to_owned());
    assert_eq!(paired("AB 0B 80 01 02 23 02 9000 23 02 6A88"), [some("9000"), some("6A88"), None]);
    assert_eq!(paired("AF80 23 02 9000 23 02 6A88 0000"), [some("9000"), some("6A88"), None]);
    assert_eq!(paired("AB 07 80 01 02 23 02 6A88"), [None, some("6A88"), None]);
    assert_eq!(paired("AB 0B 80 01 03 23 02 9000 23 02 6A88"), [None, None, None]);
    assert_eq!(paired("AB 03 80 01 00"), [None, None, None]);
    // The others were cut off.
    assert_eq!(paired("AF80 80 01 03 23 02 9000 23 02 6A"), [some("9000"), None, None]);
    assert_eq!(paired("AB 0F 80 01 03 23 02 9000 23 02"), [some("9000"), None, None]);
}

/// A session as the lab speaks it: chunked requests, a length in responses.
pub(super) fn lab_session() -> (Vec<u8>, Vec<u8>) {
    let command = hex("AE80 22 08 80F24002024F0000 22 0D 0020000108 31323334FFFFFFFF 22 0A 80D8018105 A1B2C3D4E5 0000");
    let answer = hex("AF80 23 0A 4F06112233445566 9000 23 02 63C2 23 02 9000 80 01 03 0000");
    let mut requests =
        format!("POST /server/adminagent?cmd=1 HTTP/1.1\r\nHost: 127.0.0.1:8443\r\n{PROTOCOL}{FROM}\r\n").into_bytes();
    requests.extend(
        format!(
            "POST /server/8944501234567890123?cmd=2&token=abcdefgh1234 HTTP/1.1\r\nHost: lab\r\n{PROTOCOL}\
             {RESPONSE_TYPE}X-Admin-Script-Status: ok\r\nAuthorization: Basic c2VjcmV0\r\nX-Card: 8944\r\n\
             Transfer-Encoding: chunked\r\n\r\n"
        )
        .into_bytes(),
    );
    for chunk in answer.chunks(7) {
        requests.extend(format!("{:x};note=secret\r\n", chunk.len()).into_bytes());
        requests.extend_from_slice(chunk);
        requests.extend(b"\r\n");
    }
    requests.extend(b"0\r\nX-Trailer: secret\r\n\r\n");
    let mut responses = format!(
        "HTTP/1.1 200 OK\r\n{PROTOCOL}{COMMAND_TYPE}X-Admin-Next-URI: /server/8944501234567890123?cmd=2\r\n\
         Set-Cookie: session=secret\r\nX-Admin-Targeted-Application: //aid/A000000559/1010FFFFFFFF8900000100\r\n\
         Content-Length: {}\r\n\r\n",
        command.len()
    )
    .into_bytes();
    responses.extend(command);
    responses.extend(format!("HTTP/1.1 204 No Content\r\n{PROTOCOL}\r\n").into_bytes());
    (requests, responses)
}

#[test]
fn a_session_of_the_lab_is_read() {
    let (requests, responses) = lab_session();
    let told = session(std::iter::once(requests.as_slice()), Direction::Requests).join("\n");
    assert!(told.contains("executed: Some(3)") && told.contains("sw: 63C2"), "{told}");
    let told = session(std::iter::once(responses.as_slice()), Direction::Responses).join("\n");
    assert!(
        told.contains("VERIFY_PIN case 3S lc 8") && told.contains("PUT_KEY") && told.contains("faults: []"),
        "{told}"
    );
}

/// Scripts and pieces of scripts, of both directions.
pub(super) fn near_script() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("AE80"),
        Just("AF80"),
        Just("AB0780010123029000"),
        Just("AA072205 80CA006600"),
        Just("2208 80F24002024F0000"),
        Just("220D 0020000108 31323334FFFFFFFF"),
        Just("2209 00D60000000002AABB"),
        Just("220B 00D60000000002AABB0100"),
        Just("2304 12349000"),
        Just("800103"),
        Just("8101FF"),
        Just("0000"),
        Just("80F24002024F0000"),
        Just("0008"),
        Just("9000"),
        Just("00A4"),
    ]
    .prop_map(hex);
    let piece = prop_oneof![4 => piece, 1 => proptest::collection::vec(any::<u8>(), 0..5)];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn bodies_do_not_depend_on_splits_or_masks(body in near_script(), control in any::<u8>()) {
        super::fuzz(&[&[control & !4], body.as_slice()].concat());
    }

    #[test]
    fn any_input_is_read(data in proptest::collection::vec(any::<u8>(), 0..100)) {
        super::fuzz(&data);
    }
}
