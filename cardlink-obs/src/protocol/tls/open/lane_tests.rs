//! What does not depend on a handshake.

use super::*;
use crate::protocol::tls::ContentType;
use crate::protocol::tls::open::suite::{Access, access};

fn lane(id: u16, version: TlsVersion, encrypt_then_mac: bool) -> Lane {
    let (Access::ByKey(suite) | Access::Null { suite, .. }) = access(id, version) else { panic!("{id:04X}") };
    let shape = Shape { suite, version, encrypt_then_mac };
    let (mac, key, iv) = shape.key_lengths();
    let some = |len: usize| Output::new(&[0x42; 48][..len]);
    Lane::new(shape, DirectionKeys { mac: some(mac), key: some(key), iv: some(iv) })
}

fn open(lane: &mut Lane, record: &[u8]) -> Result<Vec<u8>, Refused> {
    let header = RecordHeader {
        content: ContentType(record[0]),
        version: TlsVersion(u16::from_be_bytes([record[1], record[2]])),
        len: u16::from_be_bytes([record[3], record[4]]),
    };
    let mut body = record[5..].to_vec();
    lane.open(header, &mut body).map(|range| body[range].to_vec())
}

#[test]
fn padding_of_any_length() {
    for etm in [false, true] {
        for padding in [0, 1, 7, 14] {
            let mut lane = lane(0x00AE, TlsVersion::TLS_1_2, etm);
            let record = lane.clone().seal(ContentType::APPLICATION_DATA, b"text", padding);
            assert_eq!(open(&mut lane, &record), Ok(b"text".to_vec()));
        }
    }
}

#[test]
fn irregular_padding_is_refused() {
    assert_eq!(padding(&[9, 9, 2, 2, 2]), Some(3));
    assert_eq!(padding(&[0]), Some(1));
    assert_eq!(padding(&[9, 2, 1, 2]), None);
    assert_eq!(padding(&[3, 3, 3]), None);
    assert_eq!(padding(&[]), None);
}

#[test]
fn fragments_too_short_for_their_protection() {
    for (id, version) in [
        (0x00AE, TlsVersion::TLS_1_2),
        (0x008C, TlsVersion::TLS_1_0),
        (0x00A8, TlsVersion::TLS_1_2),
        (0x00B0, TlsVersion::TLS_1_2),
    ] {
        for etm in [false, true] {
            for len in 0..100 {
                let record = [&[23, 3, 3, 0, len][..], &vec![0; usize::from(len)]].concat();
                assert_eq!(open(&mut lane(id, version, etm), &record), Err(Refused::Bad), "{id:04X} {len}");
            }
        }
    }
}

#[test]
fn a_record_is_for_its_place_and_type() {
    for id in [0x00AE, 0x00A8, 0x00B0] {
        let mut sender = lane(id, TlsVersion::TLS_1_2, false);
        let first = sender.seal(ContentType::APPLICATION_DATA, b"one", 0);
        let second = sender.seal(ContentType::APPLICATION_DATA, b"two", 0);
        let mut receiver = lane(id, TlsVersion::TLS_1_2, false);
        assert_eq!(open(&mut receiver, &second), Err(Refused::Bad), "{id:04X}");
        let mut other = first.clone();
        other[0] = ContentType::ALERT.0;
        assert_eq!(open(&mut receiver, &other), Err(Refused::Bad));
        assert_eq!(open(&mut receiver, &first), Ok(b"one".to_vec()));
        assert_eq!(open(&mut receiver, &first), Err(Refused::Bad), "a replay");
        assert_eq!(open(&mut receiver, &second), Ok(b"two".to_vec()));
    }
}

#[test]
fn the_search_is_as_wide_as_the_hole() {
    let mut sender = lane(0x00A8, TlsVersion::TLS_1_2, false);
    let records: Vec<_> = (0..10).map(|_| sender.seal(ContentType::APPLICATION_DATA, b"", 0)).collect();
    let mut receiver = lane(0x00A8, TlsVersion::TLS_1_2, false);
    receiver.lose(records[0].len() as u64 * 3);
    assert_eq!(open(&mut receiver.clone(), &records[4]), Ok(Vec::new()));
    assert_eq!(open(&mut receiver.clone(), &records[5]), Err(Refused::Lost));
    receiver.lose(u64::MAX);
    assert_eq!(receiver.slack, MAX_TRIES);
}
