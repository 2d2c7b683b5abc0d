//! Bytes that are not there.

use super::made::{KEY, SUITES, talk};
use super::*;
use crate::observation::TlsVersion;
use crate::protocol::tls::ContentType;
use crate::protocol::tls::open::peer::{IDENTITY, Setup, Talk};

const TLS12: TlsVersion = TlsVersion::TLS_1_2;

/// All ways of protection there are.
fn setups() -> Vec<Setup> {
    let mut all = Vec::new();
    for version in [TlsVersion::TLS_1_0, TlsVersion::TLS_1_1, TLS12] {
        for suite in SUITES {
            for etm in [false, true] {
                let mut setup = Setup::new(suite, version);
                setup.encrypt_then_mac = etm;
                if Talk::new(&setup, KEY).is_some() {
                    all.push(setup);
                }
            }
        }
    }
    all
}

fn chained(setup: &Setup) -> bool {
    setup.version == TlsVersion::TLS_1_0 && !matches!(setup.suite, 0x002C | 0x00B0 | 0x00B1)
}

/// An established connection, and records of the client that follow: `0`, `1`, … a hundred times.
fn established(setup: &Setup) -> (Reader, Vec<Vec<u8>>) {
    let mut talk = talk(setup);
    let mut reader = Reader::new(&vault(IDENTITY, KEY));
    reader.all(&talk.wire);
    talk.wire.clear();
    for number in 0..100 {
        talk.say(Sender::Client, ContentType::APPLICATION_DATA, format!("{number} ").as_bytes());
    }
    (reader, talk.wire.into_iter().map(|(_, record)| record).collect())
}

fn text(reader: &Reader) -> String {
    String::from_utf8(reader.data(Sender::Client)).expect("text")
}

#[test]
fn whole_records_lost() {
    for setup in setups() {
        let (mut reader, records) = established(&setup);
        reader.push(Sender::Client, &records[0]);
        let lost: usize = records[1..90].iter().map(Vec::len).sum();
        reader.gap(Sender::Client, lost, true);
        for record in &records[90..94] {
            reader.push(Sender::Client, record);
        }
        let expected = if chained(&setup) { "0 91 92 93 " } else { "0 90 91 92 93 " };
        assert_eq!(text(&reader), expected, "{setup:?} {:?}", reader.events);
        assert!(reader.events.contains(&Event::Gap(Sender::Client)));
    }
}

#[test]
fn the_middle_of_a_record_lost() {
    for setup in setups() {
        let (mut reader, records) = established(&setup);
        for (number, record) in records.iter().take(6).enumerate() {
            if number == 2 {
                reader.push(Sender::Client, &record[..9]);
                reader.gap(Sender::Client, 3, false);
                reader.push(Sender::Client, &record[12..]);
            } else {
                reader.push(Sender::Client, record);
            }
        }
        // With a block of ciphertext behind the hole the chain goes on.
        assert!(text(&reader) == "0 1 3 4 5 " || chained(&setup) && text(&reader) == "0 1 4 5 ", "{setup:?}");
        let gap = reader.events.iter().position(|event| *event == Event::Gap(Sender::Client));
        let one = reader.events.iter().position(|event| *event == Event::Data(Sender::Client, b"1 ".to_vec()));
        assert!(gap > one, "{:?}", reader.events);
    }
}

#[test]
fn a_hole_across_records() {
    for setup in setups() {
        for resync in [false, true] {
            let (mut reader, records) = established(&setup);
            reader.push(Sender::Client, &records[0]);
            reader.push(Sender::Client, &records[1][..7]);
            let lost = records[1].len() - 7 + records[2].len();
            if resync {
                reader.gap(Sender::Client, lost, true);
            } else {
                // Nothing is known until the stream says where a record starts.
                reader.gap(Sender::Client, lost, false);
                reader.push(Sender::Client, &records[3]);
                reader.push(Sender::Client, &records[4]);
                reader.gap(Sender::Client, 0, true);
            }
            for record in &records[5..9] {
                reader.push(Sender::Client, record);
            }
            // With the records 3 and 4 left out of the stream, too.
            let expected = if chained(&setup) { "0 6 7 8 " } else { "0 5 6 7 8 " };
            if resync {
                // Two more records are missing than the hole has room for: the search is for the right number only.
                let found = text(&reader) == expected || reader.sealed() == Some(Sealed::Lost);
                assert!(found, "{setup:?} {:?}", reader.events);
            } else {
                assert_eq!(text(&reader), expected, "{setup:?} {:?}", reader.events);
            }
        }
    }
}

#[test]
fn the_end_of_a_record_lost_tells_the_gap_at_once() {
    let (mut reader, records) = established(&Setup::new(0x00A8, TLS12));
    reader.push(Sender::Client, &records[0][..20]);
    reader.gap(Sender::Client, records[0].len() - 20, false);
    assert_eq!(reader.events.last(), Some(&Event::Gap(Sender::Client)));
    reader.push(Sender::Client, &records[1]);
    assert_eq!(text(&reader), "1 ");
}

#[test]
fn more_than_is_searched_for() {
    for suite in [0x00A8, 0x00AE] {
        let mut talk = talk(&Setup::new(suite, TLS12));
        let mut reader = Reader::new(&vault(IDENTITY, KEY));
        reader.all(&talk.wire);
        talk.client.sequence += 5000;
        talk.say(Sender::Client, ContentType::APPLICATION_DATA, b"much later");
        reader.gap(Sender::Client, usize::try_from(u32::MAX).expect("64 bits"), true);
        let (_, record) = talk.wire.pop().expect("a record");
        reader.push(Sender::Client, &record);
        assert_eq!(reader.events.last(), Some(&Event::Sealed(Sealed::Lost)), "{suite:04X}");
    }
}

#[test]
fn one_direction_does_not_touch_the_other() {
    let mut talk = talk(&Setup::new(0x00AE, TLS12));
    let mut reader = Reader::new(&vault(IDENTITY, KEY));
    reader.all(&talk.wire);
    talk.wire.clear();
    reader.gap(Sender::Client, 1_000_000, false);
    talk.say(Sender::Server, ContentType::APPLICATION_DATA, b"still here");
    reader.all(&talk.wire);
    assert_eq!(reader.data(Sender::Server), b"still here");
}

#[test]
fn losses_in_the_handshake() {
    let vault = vault(IDENTITY, KEY);
    for (suite, null) in [(0x00AE, false), (0x00A8, false), (0x00B0, true)] {
        let mut talk = talk(&Setup::new(suite, TLS12));
        talk.say(Sender::Client, ContentType::APPLICATION_DATA, b"from the client");
        talk.say(Sender::Server, ContentType::APPLICATION_DATA, b"from the server");
        for lost in 0..talk.wire.len() - 2 {
            let mut reader = Reader::new(&vault);
            for (number, (sender, bytes)) in talk.wire.iter().enumerate() {
                if number == lost {
                    reader.gap(*sender, bytes.len(), true);
                } else {
                    reader.push(*sender, bytes);
                }
            }
            if null && lost != 1 {
                assert_eq!(reader.data(Sender::Client), b"from the client", "{lost} {:?}", reader.events);
                assert_eq!(reader.data(Sender::Server), b"from the server", "{lost} {:?}", reader.events);
                assert_eq!(reader.sealed(), None, "{lost}");
            } else {
                assert_eq!(reader.sealed(), Some(Sealed::Lost), "{suite:04X} {lost}");
                let readable = reader.events.iter().filter(|event| matches!(event, Event::Data(..))).count();
                assert_eq!(readable, 0, "{lost}");
            }
            let told = reader.events.iter().filter(|event| matches!(event, Event::Readable(_))).count();
            assert!(told <= 1, "{lost}");
        }
    }
}

/// A MAC over the ciphertext does not cover a chained IV: records that are missing without a word must show all the same.
#[test]
fn a_loss_that_nobody_tells() {
    for setup in setups().iter().filter(|setup| chained(setup)) {
        let (mut reader, records) = established(setup);
        reader.push(Sender::Client, &records[0]);
        reader.gap(Sender::Client, records[1].len() * 20, true);
        reader.push(Sender::Client, &records[2]);
        reader.push(Sender::Client, &records[4]);
        assert_eq!(text(&reader), "0 ", "{setup:?}");
        assert!(reader.sealed().is_some());
    }
}

#[test]
fn a_gap_of_nothing_changes_nothing() {
    let (mut reader, records) = established(&Setup::new(0x008C, TlsVersion::TLS_1_0));
    for record in records.iter().take(3) {
        for byte in record {
            reader.gap(Sender::Client, 0, false);
            reader.push(Sender::Client, &[*byte]);
        }
        reader.gap(Sender::Client, 0, true);
    }
    assert_eq!(text(&reader), "0 1 2 ");
    assert!(!reader.events.contains(&Event::Gap(Sender::Client)));
}
