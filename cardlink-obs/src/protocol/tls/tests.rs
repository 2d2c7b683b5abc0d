//! The decoder against bytes of real peers and of nobody.

use super::*;
use crate::observation::{Extensions, TlsVersion};
use proptest::prelude::*;

/// A `ClientHello` of OpenSSL 3.0 (`s_client -tls1_2 -cipher PSK-AES128-GCM-SHA256 -maxfraglen 512`), a record.
fn client_hello() -> Vec<u8> {
    recorded("openssl12_gcm_mfl512", 0)
}

/// The bytes of one line of a recording.
fn recorded(name: &str, line: usize) -> Vec<u8> {
    let path = format!("{}/tests/fixtures/tls/{name}.flow", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the fixture is there");
    let line = text.lines().filter(|line| !line.starts_with('#')).nth(line).expect("that many lines");
    let (_, hex) = line.split_once(' ').expect("a direction and bytes");
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

fn all(flow: &mut Flow, mut bytes: &[u8]) -> Vec<Wire> {
    std::iter::from_fn(|| flow.next(&mut bytes)).collect()
}

fn body(events: &[Wire]) -> &[u8] {
    match events {
        [Wire::Message(message), ..] => &message.body,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_client_hello() {
    let events = all(&mut Flow::new(true), &client_hello());
    let hello = ClientHello::parse(body(&events));
    assert!(!hello.malformed);
    assert_eq!(hello.version, Some(TlsVersion::TLS_1_2));
    assert_eq!(hello.highest_version(), Some(TlsVersion::TLS_1_2));
    let names: Vec<String> = hello.suites.iter().map(|id| cipher_suite(*id).to_string()).collect();
    assert_eq!(names, ["TLS_PSK_WITH_AES_128_GCM_SHA256", "TLS_EMPTY_RENEGOTIATION_INFO_SCSV"]);
    assert_eq!(
        hello.extensions,
        Extensions {
            max_fragment_length: Some(512),
            extended_master_secret: true,
            encrypt_then_mac: true,
            session_ticket: true
        }
    );
}

#[test]
fn a_client_hello_of_tls13() {
    let events = all(&mut Flow::new(true), &recorded("openssl13_ok", 0));
    let hello = ClientHello::parse(body(&events));
    assert_eq!((hello.version, hello.supported), (Some(TlsVersion::TLS_1_2), Some(TlsVersion::TLS_1_3)));
    assert!(hello.offers_tls13());
    let [offered] = hello.identities.as_slice() else { panic!("one identity") };
    assert_eq!(offered.identity.expose(), b"card-01");
    assert!(!offered.is_ticket());

    let events = all(&mut Flow::new(true), &recorded("openssl13_ok", 1));
    let hello = ServerHello::parse(body(&events));
    assert_eq!(hello.version, Some(TlsVersion::TLS_1_3));
    assert_eq!(hello.selected_identity, Some(0));
    assert!(!hello.is_retry && !hello.malformed);

    let events = all(&mut Flow::new(true), &recorded("openssl13_hrr", 1));
    assert!(ServerHello::parse(body(&events)).is_retry);
}

#[test]
fn a_hello_that_is_cut_keeps_what_came_before() {
    let events = all(&mut Flow::new(true), &client_hello());
    let body = body(&events);
    for len in 0..body.len() {
        let hello = ClientHello::parse(&body[..len]);
        // Without its extensions a hello is whole (RFC 5246 §7.4.1.2), so one cut does not show.
        assert!(hello.malformed || hello.extensions == Extensions::default(), "{len}");
        assert_eq!(hello.version.is_some(), len >= 2);
    }
    let hello = ClientHello::parse(&body[..body.len() - 1]);
    assert_eq!(hello.suites.len(), 2);
}

#[test]
fn grease_and_drafts_are_no_versions() {
    // Random, no session id, no suites, no compression; supported_versions: GREASE, a draft, TLS 1.2.
    let mut body = vec![3, 3];
    body.extend([0; 32]);
    body.extend([0, 0, 0, 0, 0, 11, 0, 43, 0, 7, 6, 0x7A, 0x7A, 0x7F, 0x1C, 3, 3]);
    let hello = ClientHello::parse(&body);
    assert!(!hello.malformed);
    assert_eq!(hello.supported, Some(TlsVersion::TLS_1_2));
    assert!(is_grease(0x7A7A) && !is_grease(0x7A8A) && !is_grease(0x1301) && is_signal(0x5600));
    assert_eq!(cipher_suite(0x7A7A).to_string(), "0x7A7A");
}

#[test]
fn what_suites_say() {
    for (id, psk, null) in [(0x00AE, true, false), (0x00B0, true, true), (0xC037, true, false), (0x002F, false, false)]
    {
        let suite = cipher_suite(id);
        assert_eq!((is_psk(suite), is_null(suite)), (psk, null), "{suite}");
    }
    assert_eq!(tls13_sizes(0x1301), Tls13Sizes { finished: 53, alert: 19 });
    assert_eq!(tls13_sizes(0x1302), Tls13Sizes { finished: 69, alert: 19 });
    assert_eq!(tls13_sizes(0x1305), Tls13Sizes { finished: 45, alert: 11 });
}

#[test]
fn key_exchanges() {
    assert_eq!(identity(&[0, 2, b'i', b'd']).expect("an identity").expose(), b"id");
    assert_eq!(identity(&[0, 2, b'i', b'd', 9, 9]).expect("before the public key").expose(), b"id");
    assert_eq!(identity(&[0, 0]).expect("an empty one").expose(), b"");
    assert_eq!(identity(&[0, 2, b'i']), None);
    assert_eq!(identity_hint(&[0, 0, 1]), None);
}

#[test]
fn values_that_are_not_known_survive() {
    let events = all(&mut Flow::new(true), &[22, 3, 3, 0, 6, 99, 0, 0, 2, 1, 2, 21, 3, 3, 0, 2, 3, 200]);
    let [Wire::Message(message), Wire::Alert { alert: Some(alert), len: 2 }] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(format!("{:?}", message.kind), "handshake_type_99");
    assert_eq!((message.len, message.body.as_slice()), (2, [].as_slice()));
    assert_eq!(format!("{:?} {}", alert.level, alert.description), "level_3 200");
    assert_eq!(AlertDescription(115).to_string(), "115 unknown_psk_identity");
    assert_eq!(format!("{:?}", ContentType(25)), "content_type_25");
}

#[test]
fn several_messages_in_a_record_and_one_in_several() {
    let one = [22, 3, 3, 0, 8, 14, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(all(&mut Flow::new(true), &one).len(), 2);
    let mut flow = Flow::new(true);
    assert_eq!(all(&mut flow, &[22, 3, 3, 0, 2, 14, 0, 22, 3, 3, 0, 0, 22, 3, 3, 0, 1, 0]), []);
    assert_eq!(all(&mut flow, &[22, 3, 3, 0, 1, 0]).len(), 1);
}

#[test]
fn a_huge_message_is_not_kept() {
    let mut flow = Flow::new(true);
    // A ClientHello of 16 MiB - 1.
    let mut kept = 0;
    let mut left = 0x00FF_FFFF_usize;
    let mut header = Some([1, 0xFF, 0xFF, 0xFF]);
    while left > 0 {
        let fragment = left.min(16_000);
        let mut record = vec![22, 3, 3];
        let len = fragment + header.map_or(0, |header| header.len());
        record.extend((len as u16).to_be_bytes());
        record.extend(header.take().into_iter().flatten());
        record.extend(std::iter::repeat_n(0, fragment));
        for event in all(&mut flow, &record) {
            let Wire::Message(message) = event else { panic!("{event:?}") };
            assert_eq!(message.len, 0x00FF_FFFF);
            kept = message.body.len();
        }
        left -= fragment;
    }
    assert!(kept > 65_535 && kept < 70_000, "{kept}");
}

#[test]
fn no_records() {
    for bytes in [&b"GET / HTTP/1.1"[..], &[22, 2], &[22, 3, 9], &[19]] {
        let mut flow = Flow::new(true);
        assert_eq!(all(&mut flow, bytes), [Wire::Broken]);
        assert_eq!(all(&mut flow, &client_hello()), []);
        flow.skip(10, true, true);
        assert_eq!(all(&mut flow, &client_hello()).len(), 1);
    }
}

#[test]
fn bytes_that_are_missing() {
    let data = [23, 3, 3, 0, 40];
    // Exactly the body, then a part of one, then all of it and the next header.
    let mut flow = Flow::new(true);
    assert_eq!(all(&mut flow, &data), []);
    flow.skip(40, false, false);
    assert_eq!(all(&mut flow, &[]), [Wire::ApplicationData { len: 40 }]);
    assert!(flow.at_boundary());
    assert_eq!(all(&mut flow, &data), []);
    flow.skip(30, false, false);
    assert_eq!(all(&mut flow, &[]), []);
    flow.skip(50, false, false);
    assert_eq!(all(&mut flow, &[]), [Wire::LeftOut { len: 50 }]);
    assert_eq!(all(&mut flow, &data), [], "the place is lost");
    flow.skip(0, true, false);
    assert_eq!(all(&mut flow, &client_hello()).len(), 2);

    // The two bytes of an alert: it is one, but which?
    let mut flow = Flow::new(true);
    assert_eq!(all(&mut flow, &[21, 3, 3, 0, 2]), []);
    flow.skip(2, true, true);
    assert_eq!(all(&mut flow, &[]), [Wire::Alert { alert: None, len: 2 }]);

    // A part of a message: its name is known, not what it says; the next one is whole.
    let hello = client_hello();
    let mut flow = Flow::new(true);
    assert_eq!(all(&mut flow, &hello[..30]), []);
    flow.skip(hello.len() as u64 - 30, false, true);
    let events = all(&mut flow, &hello);
    let [Wire::Message(first), Wire::Message(second)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((first.kind, first.body.len()), (HandshakeType::CLIENT_HELLO, 0));
    assert_eq!(second.body.len(), hello.len() - 9);
}

#[test]
fn a_start_in_the_middle() {
    // A Finished of GnuTLS with an explicit nonce that begins with zeros is not four HelloRequests.
    let finished = recorded("gnutls12_ok", 2);
    let events = all(&mut Flow::new(false), &finished[finished.len() - 45..]);
    assert_eq!(events, [Wire::Opaque { len: 40 }]);
    // A message in the clear is.
    let events = all(&mut Flow::new(false), &finished);
    assert!(matches!(events.as_slice(), [Wire::Message(_), Wire::ChangeCipherSpec, ..]), "{events:?}");
}

proptest! {
    #[test]
    fn nothing_panics_and_no_split_matters(data in prop::collection::vec(any::<u8>(), 0..600)) {
        fuzz_records(&data);
    }

    #[test]
    fn nor_does_it_with_bytes_that_look_like_tls(
        control: u8,
        records in prop::collection::vec((20_u8..25, prop::collection::vec(any::<u8>(), 0..80), 0_u8..25), 0..12),
    ) {
        let mut data = vec![control];
        for (content, mut fragment, kind) in records {
            // Often a message that fits its record.
            if let ([first, high, middle, low, rest @ ..], true) = (fragment.as_mut_slice(), kind > 0) {
                [*first, *high, *middle, *low] = [kind, 0, 0, rest.len() as u8];
            }
            data.extend([content, 3, 3, 0, fragment.len() as u8]);
            data.extend(fragment);
        }
        fuzz_records(&data);
    }

    #[test]
    fn bodies_never_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = ClientHello::parse(&body);
        let _ = ServerHello::parse(&body);
        let _ = identity(&body);
        let _ = identity_hint(&body);
    }

    /// A hello with any bytes changed.
    #[test]
    fn damaged_hellos_never_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        for (name, line) in [("openssl13_ok", 0), ("openssl13_ok", 1), ("gnutls12_ok", 0)] {
            let mut bytes = recorded(name, line);
            for (index, value) in &changes {
                let at = index.index(bytes.len());
                bytes[at] = *value;
            }
            bytes.insert(0, 2);
            fuzz_records(&bytes);
        }
    }
}
