use super::{AdbRedactor, Asked, Event, Outcome, Reader, Selector, fuzz, operation as op};
use proptest::prelude::*;

const CLIENT: bool = true;
const SERVER: bool = false;

/// What a conversation tells, as short texts. As a recording has it, it tells the same.
fn told(conversation: &[(bool, &[u8])]) -> Vec<String> {
    let told = read(conversation);
    assert_eq!(read_masked(conversation), told, "masked");
    told
}

fn read(conversation: &[(bool, &[u8])]) -> Vec<String> {
    let mut reader = Reader::new();
    let mut told = Vec::new();
    for (from_client, bytes) in conversation {
        reader.feed(*from_client, bytes, &mut |event| told.extend(short(event)));
    }
    told
}

/// The same, of the conversation as a recording has it.
fn read_masked(conversation: &[(bool, &[u8])]) -> Vec<String> {
    let masked = masked(conversation);
    let masked: Vec<(bool, &[u8])> = masked.iter().map(|(from_client, bytes)| (*from_client, &**bytes)).collect();
    read(&masked)
}

/// The conversation with serial numbers as they are.
fn masked(conversation: &[(bool, &[u8])]) -> Vec<(bool, Vec<u8>)> {
    let mut redactor = AdbRedactor::new(Box::new(<[u8]>::to_vec));
    let mask = |(from_client, bytes): &(bool, &[u8])| {
        let mut bytes = bytes.to_vec();
        redactor.mask(*from_client, &mut bytes);
        (*from_client, bytes)
    };
    conversation.iter().map(mask).collect()
}

fn short(event: Event) -> Option<String> {
    Some(match event {
        Event::Begins | Event::Answers => return None,
        Event::Asked(Asked { operation, selector, at, timed, .. }) => {
            let device = match selector {
                Selector::None => String::new(),
                Selector::Any => String::from(" any"),
                Selector::Serial(serial) => format!(" {}", String::from_utf8_lossy(&serial)),
                Selector::Transport(id) => format!(" #{id}"),
            };
            let at = if at.is_empty() { String::new() } else { format!(" {}", at.join(" ")) };
            format!("{operation}{device}{at}{}", if timed { "" } else { " untimed" })
        }
        Event::Chosen(id) => format!("chosen {id}"),
        Event::Ended(Outcome::Okay) => String::from("ok"),
        Event::Ended(Outcome::Exit(code)) => format!("exit {code}"),
        Event::Ended(Outcome::Failed(reason)) => reason.as_str().to_owned(),
        Event::Ended(Outcome::Unknown) => String::from("unknown"),
        Event::Streams => String::from("streams"),
        Event::Devices(devices) => {
            let each = devices.iter().map(|one| format!("{}={}", String::from_utf8_lossy(&one.serial), one.state));
            format!("[{}]", each.collect::<Vec<_>>().join(" "))
        }
        Event::Lost => String::from("lost"),
    })
}

#[test]
fn requests_to_the_server_itself() {
    assert_eq!(told(&[(CLIENT, b"000chost:version"), (SERVER, b"OKAY"), (SERVER, b"00040029")]), ["version", "ok"]);
    assert_eq!(told(&[(CLIENT, b"0009host:kill"), (SERVER, b"OKAY")]), ["kill", "ok"]);
    assert_eq!(
        told(&[(CLIENT, b"0019host-serial:foo:get-state"), (SERVER, b"FAIL0016device 'foo' not found")]),
        ["get_state foo", "device_not_found"]
    );
    let refused = b"OKAY0036failed to connect to '127.0.0.1:1': Connection refused";
    assert_eq!(
        told(&[(CLIENT, b"0018host:connect:127.0.0.1:1"), (SERVER, refused)]),
        ["connect 127.0.0.1:1", "connect_failed"]
    );
}

#[test]
fn lists_of_devices() {
    let list = b"OKAY001eA\tdevice\nB\tunauthorized\nC\tx y\n";
    assert_eq!(list.len(), 8 + 0x1e);
    assert_eq!(
        told(&[(CLIENT, b"000chost:devices"), (SERVER, list)]),
        ["devices", "[A=device B=unauthorized C=other]", "ok"]
    );
    let track: &[(bool, &[u8])] =
        &[(CLIENT, b"0012host:track-devices"), (SERVER, b"OKAY0000"), (SERVER, b"0009A\tdevice\n"), (SERVER, b"0000")];
    assert_eq!(told(track), ["track_devices", "ok", "[]", "[A=device]", "[]"]);
}

#[test]
fn a_forward_is_answered_twice() {
    let request: (bool, &[u8]) = (CLIENT, b"001fhost:forward:tcp:0;tcp:80808080");
    assert_eq!(told(&[request, (SERVER, b"OKAYOKAY0005"), (SERVER, b"40123")]), ["forward", "ok"]);
    let refused = b"OKAYFAIL002ccannot bind listener: Address already in use";
    assert_eq!(told(&[request, (SERVER, refused)]), ["forward", "address_in_use"]);
    let waiting: (bool, &[u8]) = (CLIENT, b"0018host:wait-for-any-device");
    assert_eq!(told(&[waiting, (SERVER, b"OKAY")]), ["wait_for"]);
    assert_eq!(told(&[waiting, (SERVER, b"OKAY"), (SERVER, b"OKAY")]), ["wait_for", "ok"]);
}

#[test]
fn a_shell_with_packets_ends_with_its_exit_code() {
    let mut packets = b"OKAY\x01\x03\0\0\0abc".to_vec();
    packets.extend(b"\x02\x01\0\0\0!\x03\x01\0\0\0\x05");
    let conversation: &[(bool, &[u8])] = &[
        (CLIENT, b"001chost:transport:emulator-5554"),
        (SERVER, b"OKAY"),
        (CLIENT, b"001fshell,v2,raw:echo AT+CSQ>/dev/x"),
        (SERVER, &packets),
    ];
    assert_eq!(told(conversation), ["transport emulator-5554", "ok", "shell_at AT+CSQ", "streams", "exit 5"]);
}

#[test]
fn a_device_that_was_chosen_has_a_number() {
    let conversation: &[(bool, &[u8])] = &[
        (CLIENT, b"000ehost:tport:any"),
        (SERVER, b"OKAY\x07\0\0\0"),
        (SERVER, b"\0\0\0\0"),
        (CLIENT, b"0008shell:ls"),
        (SERVER, b"OKAYsdcard\n"),
    ];
    assert_eq!(told(conversation), ["transport any", "chosen 7", "ok", "shell", "streams"]);
}

fn synchronising(conversation: &[(bool, &[u8])]) -> Vec<String> {
    let mut all: Vec<(bool, &[u8])> = vec![(CLIENT, b"0005sync:"), (SERVER, b"OKAY")];
    all.extend(conversation);
    told(&all).split_off(2)
}

#[test]
fn files_are_synchronised() {
    let stat: &[u8] = b"STAT\xed\x41\0\0\x00\x10\0\0\0\0\0\0";
    let conversation: &[(bool, &[u8])] = &[
        (CLIENT, b"STAT\x04\0\0\0/tmp"),
        (SERVER, stat),
        (CLIENT, b"SEND\x0a\0\0\0/tmp/x,420"),
        (CLIENT, b"DATA\x05\0\0\0QUIT!DATA\0\0\0\0DONE\x10\0\0\0"),
        (SERVER, b"OKAY\0\0\0\0"),
        (CLIENT, b"RECV\x06\0\0\0/tmp/x"),
        (SERVER, b"DATA\x04\0\0\0FAILDONE\0\0\0\0"),
        (CLIENT, b"LIST\x01\0\0\0/"),
        (SERVER, b"DENT\0\0\0\0\0\0\0\0\0\0\0\0\x04\0\0\0DONEDONE\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        (CLIENT, b"RECV\x02\0\0\0/x"),
        (SERVER, b"FAIL\x19\0\0\0No such file or directory"),
        (CLIENT, b"QUIT\0\0\0\0"),
    ];
    assert_eq!(
        synchronising(conversation),
        ["sync_stat", "ok", "sync_send", "ok", "sync_recv", "ok", "sync_list", "ok", "sync_recv", "no_such_file"]
    );
}

#[test]
fn what_the_client_sent_unseen_is_told_by_the_answers() {
    let mut reader = Reader::new();
    let mut told = Vec::new();
    let mut tell = |event| told.extend(short(event));
    reader.feed(CLIENT, b"0005sync:", &mut tell);
    reader.feed(SERVER, b"OKAY", &mut tell);
    reader.feed(CLIENT, b"SEND\x02\0\0\0/xDATA\0\0\x01\0", &mut tell);
    // Within the data: nothing is lost by it.
    reader.gap(CLIENT, 0x1_0000, &mut tell);
    reader.feed(CLIENT, b"DONE\0\0\0\0", &mut tell);
    reader.feed(SERVER, b"OKAY\0\0\0\0", &mut tell);
    // And now heads, too.
    reader.gap(CLIENT, 1000, &mut tell);
    reader.feed(SERVER, b"OKAY\0\0\0\0", &mut tell);
    assert_eq!(told, ["sync", "ok", "sync_send", "ok", "sync_send untimed", "ok"]);
}

/// Megabytes are not looked through; how they went is told all the same.
#[test]
fn long_files_are_not_looked_through() {
    let mut reader = Reader::new();
    let mut told = Vec::new();
    let mut tell = |event| told.extend(short(event));
    let data = [b"DATA\0\0\x01\0".as_slice(), &vec![0; 0x1_0000]].concat();
    reader.feed(CLIENT, b"0005sync:", &mut tell);
    reader.feed(SERVER, b"OKAY", &mut tell);
    reader.feed(CLIENT, b"SEND\x02\0\0\0/x", &mut tell);
    (0..16).for_each(|_| reader.feed(CLIENT, &data, &mut tell));
    assert_eq!(reader.bulk(), None);
    (0..16).for_each(|_| reader.feed(CLIENT, &data, &mut tell));
    assert_eq!(reader.bulk(), Some(true));
    reader.feed(SERVER, b"FAIL\x04\0\0\0what", &mut tell);
    assert_eq!(told, ["sync", "ok", "sync_send", "other"]);

    let mut reader = Reader::new();
    let mut told = Vec::new();
    let mut tell = |event| told.extend(short(event));
    reader.feed(CLIENT, b"0005sync:", &mut tell);
    reader.feed(SERVER, b"OKAY", &mut tell);
    reader.feed(CLIENT, b"RECV\x02\0\0\0/x", &mut tell);
    (0..17).for_each(|_| reader.feed(SERVER, &data, &mut tell));
    assert_eq!(reader.bulk(), Some(false));
    reader.feed(CLIENT, b"STAT\x02\0\0\0/x", &mut tell);
    reader.feed(CLIENT, b"QUIT\0\0\0\0", &mut tell);
    assert_eq!(told, ["sync", "ok", "sync_recv", "ok", "sync_stat", "unknown"]);
}

#[test]
fn an_answer_may_run_ahead_of_its_request() {
    assert_eq!(read(&[(SERVER, b"OKAY00040029"), (CLIENT, b"000chost:version")]), ["version", "ok"]);
    // Before it is known what they answer, nothing of them can be kept.
    assert_eq!(read_masked(&[(SERVER, b"OKAY"), (CLIENT, b"0009host:kill")]), ["kill", "lost"]);
}

#[test]
fn nonsense_is_lost_and_stays_lost() {
    assert_eq!(told(&[(CLIENT, b"000chost:version"), (SERVER, b"NOPE"), (SERVER, b"OKAY")]), ["version", "lost"]);
    assert_eq!(told(&[(CLIENT, b"xyz!")]), ["lost"]);
    assert_eq!(told(&[(CLIENT, b"000chost:version"), (CLIENT, b"000c")]), ["version", "lost"]);
}

#[test]
fn secrets_are_not_kept() {
    let mut reader = Reader::new();
    let mut all = Vec::new();
    let request = br"shell:echo 'AT+CPIN=48151623' > /dev/smd7; input text 48151623";
    let frame = [format!("{:04x}", request.len()).as_bytes(), request].concat();
    reader.feed(CLIENT, &frame, &mut |event| all.push(event));
    let told = format!("{all:?}");
    assert!(told.contains("AT+CPIN") && !told.contains("48151623"), "{told}");
    assert!(!format!("{reader:?}").contains("48151623"), "{reader:?}");
}

#[test]
fn nothing_but_what_is_told_is_left_in_a_recording() {
    let frame = |body: &str| format!("{:04x}{body}", body.len()).into_bytes();
    let list =
        "S1\tdevice\nS2  no permissions (user s3cret); see [http://s3cret] usb:s3cret transport_id:7\nS3\ts3cret\n";
    let conversation: &[(bool, &[u8])] = &[
        (CLIENT, &frame("host:devices-l")),
        (SERVER, &[b"OKAY".as_slice(), &frame(list)].concat()),
        (CLIENT, &frame("host:pair:s3cret:10.0.0.1:5")),
        (SERVER, &[b"OKAY".as_slice(), &frame("Failed: closed by s3cret")].concat()),
        (CLIENT, &frame("host-serial:S1:get-serialno")),
        (SERVER, &[b"OKAY".as_slice(), &frame("s3cret")].concat()),
        (CLIENT, &frame("host-serial:S1:forward:s3cret;s3cret")),
        (SERVER, &[b"OKAYFAIL".as_slice(), &frame("cannot bind s3cret")].concat()),
        (CLIENT, &frame("host:s3cret")),
        (SERVER, b"FAIL0016unknown host service s3"),
    ];
    let expected = [
        "devices",
        "[S1=device S2=no_permissions S3=other]",
        "ok",
        "pair",
        "closed",
        "get_serialno S1",
        "ok",
        "forward S1",
        "address_in_use",
        "host_other",
        "unknown_service",
    ];
    let clean = |masked: Vec<(bool, Vec<u8>)>| {
        let left =
            String::from_utf8_lossy(&masked.into_iter().flat_map(|(_, bytes)| bytes).collect::<Vec<_>>()).into_owned();
        assert!(!left.contains("s3cret"), "{left:?}");
    };
    assert_eq!(told(conversation), expected);
    clean(masked(conversation));
    for (service, answer) in [
        (
            "shell,v2,TERM=s3cret,raw:s3cret -p s3cret; echo 'AT+CPIN=\"s3cret\"' > /dev/s3cret",
            "\x01\x06\0\0\0s3cret\x03\x01\0\0\0\x02",
        ),
        ("shell:getprop s3cret", "s3cret"),
        ("exec:s3cret", "s3cret"),
        ("s3cret:1", "s3cret"),
        ("tcp:s3cret", "s3cret"),
        ("sync:", "FAIL\x1f\0\0\0no such file or directory s3cret"),
    ] {
        let conversation: &[(bool, &[u8])] = &[
            (CLIENT, &frame("host:transport:S1")),
            (SERVER, b"OKAY"),
            (CLIENT, &frame(service)),
            (SERVER, b"OKAY"),
            (CLIENT, if service == "sync:" { b"RECV\x08\0\0\0/s3cret!" } else { b"s3cret" }),
            (SERVER, answer.as_bytes()),
        ];
        told(conversation);
        clean(masked(conversation));
    }
}

/// What comes in pieces cannot be masked: a recording says that it is not there.
#[test]
fn texts_in_pieces_are_not_in_a_recording() {
    let conversation: &[(bool, &[u8])] = &[(CLIENT, b"000chost:"), (CLIENT, b"version"), (SERVER, b"OKAY00040029")];
    assert_eq!(
        (read(conversation), read_masked(conversation)),
        (vec!["version".into(), "ok".into()], vec!["lost".into()])
    );
}

#[test]
fn every_operation_has_a_name_of_its_own() {
    let mut names = op::ALL.to_vec();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), op::ALL.len());
}

proptest! {
    #[test]
    fn pieces_tell_what_the_whole_tells(data in proptest::collection::vec(any::<u8>(), 0..300)) {
        fuzz(&data);
    }
}
