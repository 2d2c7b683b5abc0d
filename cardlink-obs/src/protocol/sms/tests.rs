//! PDUs by the specifications' own layout.

use super::{CommandPacket, Content, Message, Part, SubmitScan, TriggerTags};
use proptest::collection::vec;
use proptest::prelude::*;

fn scan(pdu: &str) -> (String, Option<Message>) {
    let mut scan = SubmitScan::new();
    let masked = pdu.bytes().map(|byte| char::from(scan.feed(byte))).collect();
    (masked, scan.finish())
}

fn message(pdu: &str) -> Message {
    scan(pdu).1.expect("a message")
}

fn packet(pdu: &str) -> CommandPacket {
    message(pdu).packet.expect("a command packet")
}

/// A data download to +491701234567 with this user data.
fn download(user_data: &str) -> String {
    format!("0051000C919471103254767FF6A7{:02X}{user_data}", user_data.len() / 2)
}

/// A command packet of one message, RC, CC and DS left out: SPI, KIc, KID, TAR, and a counter that nobody is to see.
fn packet_of(spi: &str, tar: &str, secured: &str) -> String {
    let header = format!("0D{spi}0000{tar}112233445500");
    let packet = format!("{header}{secured}");
    format!("027000{:04X}{packet}", packet.len() / 2)
}

const TRIGGER: &str = "811A8318840301020385028081860112890A8A034142438C03414243";

#[test]
fn a_trigger_in_the_clear() {
    let pdu = download(&packet_of("0000", "000001", TRIGGER));
    let (masked, message) = scan(&pdu);
    let tags = TriggerTags { connection: true, security: true, retry: true, http: true };
    let packet = CommandPacket { spi: [0, 0], kic: 0, kid: 0, tar: [0, 0, 1], content: Content::Session(tags) };
    assert_eq!(message, Some(Message { download: true, part: None, packet: Some(packet) }));
    assert_eq!(
        masked,
        [
            "0051000C91000000000000",
            "7FF6002F",
            "027000002A0D00000000000001000000000000",
            "811A8318840300000085020000860100890A00000000000000000000",
        ]
        .concat()
    );
    assert_eq!(scan(&masked), (masked.clone(), message));
}

#[test]
fn what_the_data_are() {
    assert_eq!(packet(&download(&packet_of("0000", "B20100", "80EC010104350102030405"))).content, Content::OpenBip);
    assert_eq!(packet(&download(&packet_of("0000", "B20100", "80EC0102"))).content, Content::OpenCatTp);
    assert_eq!(packet(&download(&packet_of("0000", "B20100", "80E60200"))).content, Content::Other);
    assert_eq!(packet(&download(&packet_of("0000", "B00010", "A0A40000023F00"))).content, Content::Other);
    assert_eq!(packet(&download(&packet_of("0000", "000000", ""))).content, Content::Other);
    let sealed = packet(&download(&packet_of("1621", "B00010", TRIGGER)));
    assert_eq!((sealed.content, sealed.tar, sealed.spi), (Content::Sealed, [0xB0, 0, 0x10], [0x16, 0x21]));
    // A trigger whose rest is in the next message.
    let cut = packet(&download(&packet_of("0000", "000001", "816A836884")));
    assert_eq!(cut.content, Content::Session(TriggerTags { connection: true, ..TriggerTags::default() }));
    let long = packet(&download(&packet_of("0000", "000001", "818190838181850180")));
    assert_eq!(long.content, Content::Session(TriggerTags { security: true, ..TriggerTags::default() }));
}

#[test]
fn who_a_message_is_for() {
    // Text to a person, in seven bits.
    let text = message("0011000B919471103254F60000AA0AE8329BFD4697D9EC37");
    assert_eq!(text, Message { download: false, part: None, packet: None });
    // To a port; and a message of class 2 that is no download.
    assert!(!message("0041000B919471103254F600041A0605040B8423F0AABB").download);
    assert!(!message("0011000B919471103254F600F6AA01AA").download);
    assert!(!message("0011000B919471103254F67F00AA01AA").download);
    // Unformatted data download, in both codings of class 2.
    for coding in ["F6", "16", "12"] {
        assert!(message(&format!("0011000B919471103254F67F{coding}AA02AABB")).download);
    }
    // A service centre, and a validity period that is absolute.
    assert!(message("079194710600403419000B919471103254F67FF64211809023010004AABBCCDD").download);
}

#[test]
fn parts_of_a_message() {
    let first = message(&download("0770000003A5020100A00D16211515B0001011223344550000AABBCC"));
    assert_eq!(first.part, Some(Part { reference: 0xA5, total: 2, number: 1 }));
    assert_eq!(first.packet.map(|packet| packet.content), Some(Content::Sealed));
    let second = message(&download("06080401020202AABBCC"));
    assert_eq!(second.part, Some(Part { reference: 0x0102, total: 2, number: 2 }));
    assert_eq!(second.packet, None);
}

#[test]
fn what_is_no_message() {
    for pdu in [
        "",
        "00",
        "hello, world",
        "0791947106004034040A9194711032540000420110010000000BCCB018D42ECFE7E17319",
        "FF11",
        "0051000C9194711032547",
        "0051000C91947110325476 7FF6",
        "0051000C919471103254767FF6A70A0370",
        "0051000CFF",
    ] {
        assert_eq!(scan(pdu).1, None, "{pdu}");
    }
}

#[test]
fn nothing_secret_is_left() {
    let pdu = download(&packet_of("0000", "000001", "81128310850A3839343930323030303089024141"));
    let (masked, _) = scan(&pdu);
    for secret in ["947110325476", "3839343930", "1122334455", "4141"] {
        assert!(pdu.contains(secret) && !masked.contains(secret), "{secret} in {masked}");
    }
    assert_eq!(
        scan("0011000B919471103254F60000AA0AE8329BFD4697D9EC37").0,
        "0011000B910000000000000000000A000000000000000000"
    );
}

proptest! {
    #[test]
    fn masking_twice_is_masking_once(data in vec(prop_oneof![8 => prop::sample::select(b"0123456789ABCDEFabcdef".to_vec()), 1 => any::<u8>()], 0..200)) {
        super::fuzz(&data);
    }

    #[test]
    fn downloads_keep_their_meaning(secured in "([0-9A-F]{2}){0,40}", spi in prop::sample::select(vec!["0000", "1621"])) {
        super::fuzz(download(&packet_of(spi, "000001", &secured)).as_bytes());
        super::fuzz(download(&packet_of(spi, "000001", &format!("8140833E{secured}"))).as_bytes());
    }
}
