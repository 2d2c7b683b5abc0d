use super::{Block, Framer, Header, Level, MessageType, Outcome, mask, slot_changes};

fn message(kind: u8, sequence: u8, specific: [u8; 3], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(u32::try_from(data.len()).expect("short").to_le_bytes());
    bytes.extend([0, sequence]);
    bytes.extend(specific);
    bytes.extend(data);
    bytes
}

#[test]
fn every_split_gives_the_same_messages() {
    let mut bytes = message(0x80, 7, [0x40, 0xFE, 0], &[]);
    bytes.extend(message(0x80, 8, [0, 0, 1], &[1, 2, 3]));
    for cut in 0..=bytes.len() {
        let mut framer = Framer::default();
        let mut told = Vec::new();
        for piece in [&bytes[..cut], &bytes[cut..]] {
            framer.feed(piece, 0, &mut |one| told.push((one.header.sequence, one.data.to_vec(), one.header.status())));
        }
        assert_eq!(told.len(), 2, "{cut}");
        assert_eq!((told[0].0, told[0].2.outcome, told[0].2.card), (7, Outcome::Failed(0xFE), Some(true)));
        assert_eq!((told[1].0, &told[1].1[..]), (8, &[1, 2, 3][..]));
    }
}

#[test]
fn what_was_cut_ends_with_its_message() {
    let bytes = message(0x80, 1, [0; 3], &[5; 100]);
    let mut framer = Framer::default();
    let mut told = Vec::new();
    framer.feed(&bytes[..40], 70, &mut |one| told.push((one.data.len(), one.missing)));
    framer.feed(&message(0x80, 2, [0; 3], &[]), 0, &mut |one| told.push((one.data.len(), one.missing)));
    assert_eq!(told, [(30, 70), (0, 0)]);
    // No reader says such a length.
    framer.feed(&[0xFF; 40], 0, &mut |one| told.push((one.data.len(), one.missing)));
    framer.feed(&message(0x80, 3, [0; 3], &[]), 0, &mut |one| told.push((one.data.len(), one.missing)));
    assert_eq!(told.len(), 3);
}

#[test]
fn words_of_the_header() {
    let bytes = message(0x6F, 3, [9, 0x10, 0], &[]);
    let header = Header::parse(&bytes).expect("a header");
    assert_eq!((header.kind, header.level()), (MessageType::TRANSFER_BLOCK, 0x10));
    let more = Header::parse(&message(0x80, 3, [0x80, 2, 0], &[])).expect("a header").status();
    assert_eq!(more.outcome, Outcome::MoreTime);
    assert_eq!(Header::parse(&message(0x81, 3, [2, 0, 0], &[])).expect("a header").status().card, Some(false));
}

#[test]
fn slots_that_changed() {
    assert_eq!(slot_changes(&[0x50, 0b11]).collect::<Vec<_>>(), [(0, true)]);
    assert_eq!(slot_changes(&[0x50, 0b0010_0001, 0b10]).collect::<Vec<_>>(), [(2, false), (4, false)]);
    assert_eq!(slot_changes(&[0x51, 0xFF]).count(), 0);
}

#[test]
fn blocks_of_t1() {
    assert_eq!(Block::parse(&[0, 0x20, 2, 9, 8, 1]), Some(Block::Information { bytes: &[9, 8], more: true }));
    assert_eq!(Block::parse(&[0, 0xC3, 1, 5, 1]), Some(Block::MoreTime));
    assert_eq!(Block::parse(&[0, 0x90, 0, 1]), Some(Block::Other));
    assert_eq!(Block::parse(&[0, 0]), None);
}

#[test]
fn features_say_what_a_reader_does_by_itself() {
    assert_eq!(Level::of(0x0004_04FE), Level::Apdu);
    assert_eq!(Level::of(0x0002_00BA), Level::Apdu);
    assert_eq!(Level::of(0x0001_00BA), Level::Tpdu);
}

#[test]
fn a_recording_has_no_pin_and_no_data() {
    let verify = [0, 0x20, 0, 1, 8, 0x31, 0x32, 0x33, 0x34, 0xFF, 0xFF, 0xFF, 0xFF];
    let mut bytes = message(0x6F, 1, [0; 3], &verify);
    mask(Level::Apdu, true, &mut bytes);
    assert_eq!(bytes[10..], [0, 0x20, 0, 1, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
    let mut bytes = message(0x80, 1, [0; 3], &[1, 2, 3, 0x90, 0]);
    mask(Level::Apdu, false, &mut bytes);
    assert_eq!(bytes[10..], [0, 0, 0, 0x90, 0]);
    let mut block = vec![0, 0x40, 13];
    block.extend(verify);
    block.push(0x77);
    let mut bytes = message(0x6F, 1, [0; 3], &block);
    mask(Level::Tpdu, true, &mut bytes);
    assert_eq!(bytes[10..18], [0, 0x40, 13, 0, 0x20, 0, 1, 8]);
    assert!(bytes[18..].iter().all(|byte| *byte == 0));
    // An ATR, and the rest of a message.
    let mut bytes = message(0x82, 1, [0; 3], &[7; 9]);
    mask(Level::Apdu, false, &mut bytes);
    assert!(bytes[10..].iter().all(|byte| *byte == 0));
    let mut rest = [5; 9];
    mask(Level::Apdu, false, &mut rest);
    assert_eq!(rest, [0; 9]);
}

proptest::proptest! {
    /// A recording is masked again when it is copied: whatever it is taken for the second time must leave it as it is.
    #[test]
    fn masking_twice_is_masking_once(
        kind in proptest::prop_oneof![
            proptest::strategy::Just(0x6F_u8),
            proptest::strategy::Just(0x80_u8),
            proptest::prelude::any::<u8>()
        ],
        length in 0_u8..12,
        rest in proptest::collection::vec(0_u8..8, 0..24),
        tpdu: bool,
        write: bool,
    ) {
        let level = if tpdu { Level::Tpdu } else { Level::Apdu };
        let mut once = vec![kind, length, 0, 0, 0, 0, 0, 0, 0, 0];
        once.extend(rest);
        mask(level, write, &mut once);
        let mut twice = once.clone();
        mask(level, write, &mut twice);
        proptest::prop_assert_eq!(once, twice);
    }
}
