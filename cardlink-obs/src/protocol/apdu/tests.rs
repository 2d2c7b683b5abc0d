use super::{Case, Category, Chain, CommandApdu, CommandName, Logical, ResponseApdu, Secret, StatusWord};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

fn command(text: &str) -> CommandApdu {
    CommandApdu::parse(&hex(text)).expect("a header")
}

fn response(text: &str) -> ResponseApdu {
    ResponseApdu::parse(&hex(text)).expect("a status word")
}

#[test]
fn lengths_make_the_case() {
    let cases = [
        ("00A40000", Case::C1, 0, None),
        ("80CA006600", Case::C2S, 0, Some(256)),
        ("00B000000A", Case::C2S, 0, Some(10)),
        ("00A40004023F00", Case::C3S, 2, None),
        ("80F24002024F0000", Case::C4S, 2, Some(256)),
        ("80F24002024F0010", Case::C4S, 2, Some(16)),
        ("00B00000000000", Case::C2E, 0, Some(65536)),
        ("00B00000000100", Case::C2E, 0, Some(256)),
        ("00D60000000002AABB", Case::C3E, 2, None),
        ("00D60000000002AABB0000", Case::C4E, 2, Some(65536)),
        ("00D60000000002AABB0102", Case::C4E, 2, Some(258)),
        ("00D60000000002AABB01", Case::Malformed, 2, None),
        ("00D600000000001122", Case::Malformed, 0, None),
        ("00A4000403AABB", Case::Malformed, 3, None),
        ("00A4000401AABBCC", Case::Malformed, 1, None),
        ("00A400000000", Case::Malformed, 0, None),
    ];
    for (text, case, lc, le) in cases {
        let found = command(text);
        assert_eq!((found.case, found.lc, found.le, found.len), (case, lc, le, text.len() / 2), "{text}");
    }
    assert_eq!(CommandApdu::parse(&[0x00, 0xA4, 0x00]), None);
    assert_eq!(CommandApdu::parse(&[]), None);
}

#[test]
fn classes_have_channels_and_secure_messaging() {
    let cases = [
        (0x00, 0, false, true),
        (0x03, 3, false, true),
        (0x0C, 0, true, true),
        (0x40, 4, false, true),
        (0x4F, 19, false, true),
        (0x60, 4, true, true),
        (0x80, 0, false, true),
        (0x84, 0, true, true),
        (0x82, 2, false, true),
        (0xC1, 5, false, true),
        (0xE2, 6, true, true),
        (0xA0, 0, false, true),
        (0xAA, 0, false, false),
        (0x20, 0, false, false),
        (0xFF, 19, true, false),
    ];
    for (cla, channel, secured, known) in cases {
        let found = CommandApdu::parse(&[cla, 0xA4, 0, 0]).expect("a header");
        assert_eq!(
            (found.channel(), found.is_secured(), found.has_known_class()),
            (channel, secured, known),
            "{cla:02X}"
        );
    }
}

/// The list in the wire facts of this project: class, instruction, parameters, name.
#[test]
fn names_follow_the_class_and_where_needed_the_parameters() {
    let table = "
        80E40000 DELETE; 84E48000 DELETE; 80E60200 INSTALL; 80E60C00 INSTALL; 80E80001 LOAD; 80E28801 STORE_DATA;
        80D80181 PUT_KEY; 80F08000 SET_STATUS; 80F24002 GET_STATUS; 80F28000 GET_STATUS; 80F21000 GET_STATUS;
        80CA0066 GET_DATA; 80CB5F50 GET_DATA; 00CA0000 GET_DATA; 00CB3FFF GET_DATA; 80500000 INITIALIZE_UPDATE;
        84820100 EXTERNAL_AUTHENTICATE; 00820000 EXTERNAL_AUTHENTICATE; 00700000 MANAGE_CHANNEL; 80700000 MANAGE_CHANNEL;
        00A40404 SELECT; A0A40000 SELECT; 01A40404 SELECT; 45A40404 SELECT;
        00B00000 READ_BINARY; 00D60000 UPDATE_BINARY; 00B20104 READ_RECORD; 00DC0104 UPDATE_RECORD;
        00A20104 SEARCH_RECORD; 80320000 INCREASE; 00200001 VERIFY_PIN; 00240001 CHANGE_PIN; 00260001 DISABLE_PIN;
        00280001 ENABLE_PIN; 002C0001 UNBLOCK_PIN; 00040000 DEACTIVATE_FILE; 00440000 ACTIVATE_FILE;
        00880081 AUTHENTICATE; 00890081 AUTHENTICATE; 00840000 GET_CHALLENGE; 80AA0000 TERMINAL_CAPABILITY;
        80100000 TERMINAL_PROFILE; 80C20000 ENVELOPE; 80120000 FETCH; 80140000 TERMINAL_RESPONSE; 00C00000 GET_RESPONSE;
        80CB0080 RETRIEVE_DATA; 80CB0040 RETRIEVE_DATA; 80DB0080 SET_DATA; 00730000 MANAGE_SECURE_CHANNEL;
        00750000 TRANSACT_DATA; 80760000 SUSPEND_UICC; 80780001 GET_IDENTITY; 807A0000 EXCHANGE_CAPABILITIES;
        847A1001 BEGIN_R_MAC_SESSION; 80F20000 STATUS; 80F2010C STATUS; 80F20200 STATUS; C1F20000 STATUS; A0F20000 STATUS;
        00E40000 DELETE_FILE; 40E40000 DELETE_FILE; 00E60000 TERMINATE_DF; 00E80000 TERMINATE_EF; 00E00000 CREATE_FILE;
        41E80000 TERMINATE_EF; 00E20000 APPEND_RECORD; 80D40000 RESIZE_FILE; A0880000 RUN_GSM_ALGORITHM; A0A20000 SEEK;
        00F24000 INS_F2; 80FF0000 INS_FF; 00500000 INS_50; 00000000 INS_00; 80010000 INS_01";
    for row in table.split(';') {
        let (header, name) = row.trim().split_once(' ').expect("a header and a name");
        assert_eq!(command(header).name().as_str(), name, "{header}");
        assert_eq!(command(header).name().is_known(), !name.starts_with("INS_"));
    }
}

#[test]
fn the_set_of_names_is_bounded_and_fit_for_labels() {
    let all: BTreeSet<_> = CommandName::all().map(CommandName::as_str).collect();
    assert_eq!(all.len(), CommandName::all().count(), "a name is there twice");
    assert!(all.iter().all(|name| name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')));
    for (cla, ins, p1) in (0..=u8::MAX).flat_map(|cla| (0..=u8::MAX).map(move |ins| (cla, ins, cla ^ ins))) {
        assert!(all.contains(CommandName::of(cla, ins, p1, 0).as_str()), "{cla:02X} {ins:02X}");
    }
    assert_eq!(format!("{:>6}", command("00A40000").name()), "SELECT");
}

#[test]
fn parameters_make_details() {
    let cases = [
        ("80E60200", Some("for load")),
        ("80E60C00", Some("for install and make selectable")),
        ("80E62000", Some("for personalization")),
        ("80E68200", Some("for load")),
        ("80E64000", Some("for registry update")),
        ("80E60100", None),
        ("80F22000", Some("executable load files")),
        ("80F08000", Some("issuer security domain")),
        ("80E40080", Some("object and related objects")),
        ("80E88001", Some("last block")),
        ("80E20001", Some("more blocks")),
        ("00708001", Some("close")),
        ("00A40404", Some("by name")),
        ("00B00000", None),
    ];
    for (header, detail) in cases {
        assert_eq!(command(header).detail(), detail, "{header}");
    }
}

#[test]
fn secrets_are_named_only_where_there_is_data() {
    let cases = [
        ("002000010831323334FFFFFFFF", Some(Secret::Pin)),
        ("00200001", None),
        ("0020000100", None),
        ("002400010431323334", Some(Secret::Pin)),
        ("002C00010431323334", Some(Secret::Pin)),
        ("80D801810211AA", Some(Secret::Key)),
        ("84D801810211AA", Some(Secret::Key)),
        ("80E288000211AA", Some(Secret::Personalisation)),
        ("80E2E8000211AA", None),
        ("80E290000211AA", None),
        ("00D600000211AA", None),
        ("00E288000211AA", None),
    ];
    for (text, secret) in cases {
        assert_eq!(command(text).carries_secret(), secret, "{text}");
    }
    let shown = format!("{:?}", command("002000010831323334FFFFFFFF"));
    assert_eq!(shown, "00200001 VERIFY_PIN case 3S lc 8 le None len 13");
    assert_eq!((Secret::Pin.as_str(), Secret::Key.as_str()), ("pin", "key"));
}

#[test]
fn status_words_fold_and_have_a_category() {
    let cases = [
        (0x9000, "9000", Category::Success),
        (0x6110, "61xx", Category::Success),
        (0x9F17, "9Fxx", Category::Success),
        (0x9112, "91xx", Category::Success),
        (0x9203, "92xx", Category::Success),
        (0x9240, "9240", Category::Error),
        (0x9300, "9300", Category::Error),
        (0x6C10, "6Cxx", Category::Error),
        (0x6283, "6283", Category::Warning),
        (0x6310, "6310", Category::Warning),
        (0x63C2, "63Cx", Category::Warning),
        (0x63C0, "63Cx", Category::Warning),
        (0x6985, "6985", Category::Error),
        (0x6A88, "6A88", Category::Error),
        (0x9804, "9804", Category::Error),
        (0x0000, "0000", Category::Error),
    ];
    for (sw, folded, category) in cases {
        let sw = StatusWord(sw);
        assert_eq!((sw.folded().to_string().as_str(), sw.category()), (folded, category));
    }
    assert!(StatusWord(0x63C1).folded() == StatusWord(0x63C2).folded());
    assert!(StatusWord(0x6A82).folded() != StatusWord(0x6A88).folded());
    assert!(StatusWord(0x6A82).is_valid() && !StatusWord(0x6082).is_valid() && !StatusWord(0xA000).is_valid());
    assert_eq!((StatusWord::OK.to_string(), format!("{:?}", StatusWord(0x6A))), ("9000".to_owned(), "006A".to_owned()));
}

#[test]
fn every_status_word_has_a_sentence() {
    for sw in 0..=u16::MAX {
        assert!(StatusWord(sw).meaning().ends_with('.'), "{sw:04X}");
    }
    assert!(StatusWord(0x6A88).meaning().contains("referenced data"));
    assert!(StatusWord(0x6982).meaning().contains("Security status"));
    assert_eq!(StatusWord(0x1234).meaning(), "Not in a standard.");
}

#[test]
fn responses_are_their_status_word() {
    let found = response("6F10840890 00");
    assert_eq!((found.data_len, found.sw, found.len(), found.is_empty()), (4, StatusWord::OK, 6, false));
    assert!(response("6A82").is_empty());
    assert_eq!(ResponseApdu::parse(&[0x90]), None);
}

fn folded(exchanges: &[(&str, &str)]) -> Vec<(&'static str, String, u32, u64)> {
    let mut chain = Chain::default();
    let mut told: Vec<Logical> = Vec::new();
    for (c, r) in exchanges {
        chain.push(command(c), ResponseApdu::parse(&hex(r)), &mut |logical| told.push(logical));
    }
    chain.finish(&mut |logical| told.push(logical));
    let sw = |logical: &Logical| logical.sw.map_or("none".to_owned(), |sw| sw.to_string());
    told.iter().map(|l| (l.command.name().as_str(), sw(l), l.exchanges, l.bytes())).collect()
}

#[test]
fn chains_are_one_logical_apdu() {
    assert_eq!(
        folded(&[("00A40004023F00", "6110"), ("00C0000010", "00112233445566778899AABBCCDDEEFF9000")]),
        [("SELECT", "9000".to_owned(), 2, 7 + 2 + 5 + 18)]
    );
    assert_eq!(
        folded(&[("80CA006600", "6C03"), ("80CA006603", "1122339000")]),
        [("GET_DATA", "9000".to_owned(), 2, 5 + 2 + 5 + 5)]
    );
    // A wrong Le within the chain, and more than one block of data.
    assert_eq!(
        folded(&[
            ("00A40004023F00", "9F10"),
            ("A0C0000000", "6C02"),
            ("A0C0000002", "11226102"),
            ("A0C0000002", "33449000")
        ]),
        [("SELECT", "9000".to_owned(), 4, 7 + 2 + 5 + 2 + 5 + 4 + 5 + 4)]
    );
}

#[test]
fn what_does_not_go_on_is_apart() {
    assert_eq!(
        folded(&[("00A40004023F00", "6110"), ("00B0000001", "119000")]),
        [("SELECT", "6110".to_owned(), 1, 9), ("READ_BINARY", "9000".to_owned(), 1, 8)]
    );
    // Another channel's GET RESPONSE, one without a chain, a command that was not answered, one left open.
    assert_eq!(
        folded(&[("00A40004023F00", "6110"), ("01C0000010", "6F00"), ("00C0000010", ""), ("80CA006600", "6C03")]),
        [
            ("SELECT", "6110".to_owned(), 1, 9),
            ("GET_RESPONSE", "6F00".to_owned(), 1, 7),
            ("GET_RESPONSE", "none".to_owned(), 1, 5),
            ("GET_DATA", "6C03".to_owned(), 1, 7),
        ]
    );
}

proptest! {
    #[test]
    fn any_apdus_are_read_and_no_exchange_is_lost(data in proptest::collection::vec(any::<u8>(), 0..300)) {
        super::fuzz(&data);
    }

    #[test]
    fn a_command_that_is_built_is_read_back(
        header in any::<[u8; 4]>(), lc in 0_usize..700, le in proptest::option::of(0_u32..65536), wide in any::<bool>(),
    ) {
        let extended = wide || lc > 255 || le.is_some_and(|le| le > 255);
        let mut bytes = header.to_vec();
        match (extended, lc) {
            (_, 0) => {}
            (false, _) => bytes.push(lc as u8),
            (true, _) => bytes.extend([0, (lc >> 8) as u8, lc as u8]),
        }
        bytes.extend(std::iter::repeat_n(0x5A, lc));
        if let Some(le) = le {
            match (extended, lc) {
                (false, _) => bytes.push(le as u8),
                (true, 0) => bytes.extend([0, (le >> 8) as u8, le as u8]),
                (true, _) => bytes.extend([(le >> 8) as u8, le as u8]),
            }
        }
        let found = CommandApdu::parse(&bytes).expect("a header");
        let most = if extended { 65536 } else { 256 };
        prop_assert_ne!(found.case, Case::Malformed);
        prop_assert_eq!([found.cla, found.ins, found.p1, found.p2], header);
        prop_assert_eq!(found.lc as usize, lc);
        prop_assert_eq!(found.le, le.map(|le| if le == 0 { most } else { le }));
    }
}
