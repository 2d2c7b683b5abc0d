//! Peers that do as they are told.

use super::*;
use crate::observation::TlsVersion;
use crate::protocol::tls::ContentType;
use crate::protocol::tls::open::lane::Lane;
use crate::protocol::tls::open::peer::{IDENTITY, Setup, Talk, message, record};
use proptest::prelude::*;

pub(super) const KEY: &[u8] = b"sixteen byte key";
pub(super) const SUITES: [u16; 10] = [0x008B, 0x008C, 0x008D, 0x00AE, 0x00AF, 0x00A8, 0x00A9, 0x002C, 0x00B0, 0x00B1];
const TLS12: TlsVersion = TlsVersion::TLS_1_2;

pub(super) fn talk(setup: &Setup) -> Talk {
    Talk::new(setup, KEY).expect("the suite is known")
}

fn ours() -> Arc<Vault> {
    vault(IDENTITY, KEY)
}

fn gcm() -> Setup {
    Setup::new(0x00A8, TLS12)
}

/// A connection with a word or two from each side.
fn conversation(setup: &Setup) -> Vec<(Sender, Vec<u8>)> {
    let mut talk = talk(setup);
    talk.say(Sender::Client, ContentType::APPLICATION_DATA, b"a request");
    talk.say(Sender::Server, ContentType::APPLICATION_DATA, &[7; 700]);
    talk.say(Sender::Server, ContentType::APPLICATION_DATA, b"");
    talk.say(Sender::Client, ContentType::ALERT, &[1, 0]);
    talk.wire
}

fn setups() -> impl Strategy<Value = Setup> {
    let versions = prop::sample::select(vec![TlsVersion::TLS_1_0, TlsVersion::TLS_1_1, TLS12]);
    (prop::sample::select(SUITES.to_vec()), versions, any::<[bool; 3]>()).prop_filter_map(
        "GCM needs TLS 1.2",
        |(suite, version, [ems, etm, short])| {
            let mut setup = Setup::new(suite, version);
            setup.extended_master_secret = ems;
            setup.encrypt_then_mac = etm;
            setup.max_fragment_length = short.then_some(1);
            Talk::new(&setup, KEY).map(|_| setup)
        },
    )
}

proptest! {
    #[test]
    fn the_split_does_not_matter(setup in setups(), cuts in prop::collection::vec(1_usize..90, 1..40)) {
        let wire = conversation(&setup);
        let whole = events(&ours(), &wire);
        prop_assert!(whole.contains(&Event::Data(Sender::Client, b"a request".to_vec())), "{:?}", whole);
        prop_assert!(whole.contains(&Event::Data(Sender::Server, vec![7; 700])));
        let overlong = whole.contains(&Event::Overlong(Sender::Server, 700, 512));
        prop_assert_eq!(overlong, setup.max_fragment_length.is_some());
        let mut reader = Reader::new(&ours());
        let mut cuts = cuts.iter().cycle();
        for (sender, bytes) in &wire {
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let len = cuts.next().map_or(1, |cut| (*cut).min(rest.len()));
                let (piece, after) = rest.split_at(len);
                reader.push(*sender, piece);
                rest = after;
            }
        }
        prop_assert_eq!(reader.events, whole);
    }

    #[test]
    fn a_changed_byte_never_gives_other_data(setup in setups(), at in any::<prop::sample::Index>(), change in 1_u8..) {
        let mut wire = conversation(&setup);
        let total: usize = wire.iter().map(|(_, bytes)| bytes.len()).sum();
        let mut at = at.index(total);
        for (_, bytes) in &mut wire {
            match bytes.get_mut(at) {
                Some(byte) => {
                    *byte ^= change;
                    break;
                }
                None => at -= bytes.len(),
            }
        }
        let null = setup.suite == 0x002C || setup.suite == 0x00B0 || setup.suite == 0x00B1;
        for event in events(&ours(), &wire) {
            if let (Event::Data(_, data), false) = (event, null) {
                prop_assert!(data == b"a request" || data == [7; 700]);
            }
        }
    }

    #[test]
    fn noise_is_survived(data in prop::collection::vec(any::<u8>(), 0..2000)) {
        fuzz_opener(&data);
        fuzz_keyring(&data);
    }
}

#[test]
fn messages_may_share_records_and_be_torn_across_them() {
    let wire = conversation(&gcm());
    let expected = events(&ours(), &wire);
    let [client_hello, server_hello, done, key_exchange, rest @ ..] = wire.as_slice() else { panic!("a handshake") };
    let body = |(_, record): &(Sender, Vec<u8>)| record[5..].to_vec();
    let handshake = |body: &[u8]| record(ContentType::HANDSHAKE, TLS12, body);
    let mut other = Vec::new();
    for piece in body(client_hello).chunks(7) {
        other.push((Sender::Client, handshake(piece)));
    }
    // A HelloRequest is no part of the transcript (RFC 5246 §7.4.1.1).
    let flight = [body(server_hello), message(0, &[]), body(done)].concat();
    for piece in flight.chunks(50) {
        other.push((Sender::Server, handshake(piece)));
    }
    other.push((Sender::Client, handshake(&body(key_exchange))));
    other.extend_from_slice(rest);
    assert_eq!(events(&ours(), &other), expected);
}

#[test]
fn a_resumed_session_gives_a_new_ticket() {
    for (by_ticket, suite) in [(true, 0x00AF), (false, 0x008C), (true, 0x00B0)] {
        let vault = ours();
        let mut setup = Setup::new(suite, TLS12);
        setup.extended_master_secret = true;
        setup.session_id = vec![4; 32];
        setup.new_ticket = if by_ticket { b"ticket 1".to_vec() } else { Vec::new() };
        let first = talk(&setup);
        let mut reader = Reader::new(&vault);
        reader.all(&first.wire);
        assert_eq!(vault.sessions(), if by_ticket { 2 } else { 1 });
        setup.resumes = Some(first.master);
        for number in 1..4 {
            if by_ticket {
                // The client makes up an id, to see by its echo that the ticket is taken (RFC 5077 §3.4).
                setup.session_id = vec![100 + number; 32];
                setup.ticket = format!("ticket {number}").into_bytes();
                setup.new_ticket = format!("ticket {}", number + 1).into_bytes();
            }
            let mut reader = Reader::new(&vault);
            reader.all(&conversation(&setup));
            assert_eq!(reader.data(Sender::Client), b"a request", "{number}");
            assert_eq!(reader.opener.identity(), Some(IDENTITY));
            assert_eq!(reader.opener.suspects(), None);
        }
    }
}

#[test]
fn a_ticket_that_is_not_taken_leads_to_a_full_handshake() {
    let mut setup = gcm();
    setup.ticket = b"a ticket of yesterday".to_vec();
    let mut reader = Reader::new(&ours());
    reader.all(&conversation(&setup));
    assert_eq!(reader.data(Sender::Client), b"a request");
}

#[test]
fn max_fragment_length_holds_for_resumed_connections() {
    let vault = ours();
    let mut setup = gcm();
    setup.session_id = vec![9; 32];
    setup.max_fragment_length = Some(1);
    let first = talk(&setup);
    events(&vault, &first.wire);
    setup.resumes = Some(first.master);
    setup.max_fragment_length = None;
    let overlong = Event::Overlong(Sender::Server, 700, 512);
    assert!(events(&vault, &conversation(&setup)).contains(&overlong));
}

#[test]
fn all_keys_of_an_identity_are_tried() {
    let mut keyring = Keyring::default();
    for key in [b"an old key".as_slice(), KEY, b"a key to come"] {
        keyring.insert(IDENTITY.to_vec(), Psk::new(key.to_vec()).expect("a key"), None);
    }
    let mut reader = Reader::new(&Arc::new(Vault::new(Some(keyring))));
    reader.all(&conversation(&gcm()));
    assert_eq!(reader.data(Sender::Client), b"a request");
}

#[test]
fn a_null_suite_with_a_wrong_key_is_read_all_the_same() {
    let vault = vault(IDENTITY, b"not this one");
    let wire = conversation(&Setup::new(0x00B0, TLS12));
    let mut reader = Reader::new(&vault);
    reader.all(&wire);
    assert_eq!(reader.events.first(), Some(&Event::Readable(Way::NullSuite)));
    assert_eq!(reader.data(Sender::Client), b"a request");
    assert!(matches!(reader.events.last(), Some(Event::Alert(Sender::Client, _))), "{:?}", reader.events);
    // And whether that handshake failed can be asked while its end is not known.
    let mut reader = Reader::new(&vault);
    reader.all(&wire[..6]);
    assert_eq!(reader.opener.suspects(), None, "nothing fits");
    assert!(reader.opener.evidence.is_some());
}

#[test]
fn a_record_that_does_not_authenticate_ends_it() {
    for suite in SUITES {
        let mut wire = conversation(&Setup::new(suite, TLS12));
        let at = wire.len() - 4;
        let last = wire[at].1.last_mut().expect("bytes");
        *last ^= 1;
        let events = events(&ours(), &wire);
        assert_eq!(events.last(), Some(&Event::Sealed(Sealed::BadRecord)), "{suite:04X}");
        assert_eq!(events.len(), 2, "{suite:04X}: {events:?}");
    }
}

#[test]
fn a_wrong_finished_is_not_believed() {
    let mut talk = talk(&gcm());
    // The server's Finished again, but with the client's words: it authenticates and is wrong.
    let (sender, _) = talk.wire.pop().expect("the server's Finished");
    talk.server.sequence = 0;
    talk.say(sender, ContentType::HANDSHAKE, &message(20, &[0; 12]));
    let events = events(&ours(), &talk.wire);
    assert_eq!(events, [Event::Readable(Way::KeyFile), Event::Sealed(Sealed::BadRecord)]);
}

#[test]
fn renegotiation() {
    let hello = || message(1, &[3; 60]);
    let mut refused = talk(&gcm());
    refused.say(Sender::Server, ContentType::HANDSHAKE, &message(0, &[]));
    refused.say(Sender::Client, ContentType::HANDSHAKE, &hello());
    refused.say(Sender::Server, ContentType::ALERT, &[1, 100]);
    refused.say(Sender::Client, ContentType::APPLICATION_DATA, b"so we go on");
    let mut reader = Reader::new(&ours());
    reader.all(&refused.wire);
    assert_eq!(reader.data(Sender::Client), b"so we go on");

    let mut taken = talk(&gcm());
    taken.say(Sender::Client, ContentType::HANDSHAKE, &hello());
    let reply = message(2, &[3; 60]);
    for piece in reply.chunks(3) {
        taken.say(Sender::Server, ContentType::HANDSHAKE, piece);
    }
    assert_eq!(events(&ours(), &taken.wire).last(), Some(&Event::Sealed(Sealed::Renegotiation)));

    let mut changed = talk(&gcm());
    changed.wire.push((Sender::Client, record(ContentType::CHANGE_CIPHER_SPEC, TLS12, &[1])));
    assert_eq!(events(&ours(), &changed.wire).last(), Some(&Event::Sealed(Sealed::Renegotiation)));
}

#[test]
fn a_connection_that_is_under_way() {
    let wire = conversation(&gcm());
    let late = |wire: &[(Sender, Vec<u8>)]| {
        let mut opener = Opener::new(ours(), false);
        let mut events: Vec<Event> = Vec::new();
        for (sender, bytes) in wire {
            opener.push(*sender, bytes, &mut |event| events.push(event.into()));
        }
        events
    };
    assert_eq!(late(&wire), events(&ours(), &wire), "its ClientHello is seen");
    for skipped in 1..wire.len() {
        assert_eq!(late(&wire[skipped..]), [Event::Sealed(Sealed::UnderWay)], "{skipped}");
    }
    assert_eq!(late(&[(Sender::Server, b"in the middle of something".to_vec())]), [Event::Sealed(Sealed::UnderWay)]);
}

#[test]
fn compression_and_old_versions() {
    let mut wire = conversation(&Setup::new(0x008C, TLS12));
    // After header, version, random and the empty session id: the suite, then the compression.
    wire[1].1[5 + 4 + 2 + 32 + 1 + 2] = 1;
    assert_eq!(events(&ours(), &wire), [Event::Sealed(Sealed::Compressed)]);
    let mut wire = conversation(&Setup::new(0x008C, TLS12));
    wire[1].1[5 + 4 + 1] = 0;
    assert_eq!(events(&ours(), &wire), [Event::Sealed(Sealed::UnsupportedVersion(TlsVersion::SSL_3_0))]);
}

#[test]
fn a_handshake_without_end_is_left() {
    let mut reader = Reader::new(&ours());
    let endless = [&[11, 0xFF, 0xFF, 0xFF][..], &[0; 16_000]].concat();
    reader.push(Sender::Client, &conversation(&gcm())[0].1);
    for _ in 0..10 {
        reader.push(Sender::Client, &record(ContentType::HANDSHAKE, TLS12, &endless));
    }
    assert_eq!(reader.events, [Event::Sealed(Sealed::TooLong)]);
}

#[test]
fn an_idle_connection_is_small() {
    let mut reader = Reader::new(&ours());
    reader.all(&conversation(&Setup::new(0x00AF, TLS12)));
    assert!(matches!(reader.opener.phase, opener::Phase::Open));
    assert!(reader.opener.evidence.is_none());
    let size = size_of::<Opener>() + 2 * size_of::<Lane>();
    assert!(size < 1024, "{size}");
    let debug = format!("{:?}", reader.opener);
    assert!(debug.contains("body: []"), "{debug}");
    assert!(!debug.contains("sixteen"), "{debug}");
}

#[test]
fn the_oldest_session_is_forgotten() {
    let vault = ours();
    let mut setup = gcm();
    for number in 0..5000_u16 {
        setup.session_id = [number.to_be_bytes(), [1, 1]].concat();
        events(&vault, &talk(&setup).wire);
    }
    assert_eq!(vault.sessions(), 4096);
}

#[test]
fn the_key_file_may_change_while_connections_run() {
    let vault = Arc::new(Vault::new(None));
    let wire = conversation(&gcm());
    let mut early = Reader::new(&vault);
    early.push(wire[0].0, &wire[0].1);
    vault.replace(ours().keyring().map(Arc::unwrap_or_clone));
    early.all(&wire[1..]);
    assert_eq!(early.events, [Event::Sealed(Sealed::NoKeyFile)], "it was not kept from its start");
    let mut late = Reader::new(&vault);
    late.all(&wire[..6]);
    vault.replace(None);
    late.all(&wire[6..]);
    assert_eq!(late.data(Sender::Client), b"a request");
}
