//! Clients with a mistaken key.

use super::recorded::files;
use super::*;

const LONG_KEY: &str = "00112233445566778899aabbccddeeff102132435465768798a9bacbdcedfe0f";

#[test]
fn the_mistake_is_named() {
    let mut found = Vec::new();
    for (_, connections) in files("mistaken_") {
        for connection in connections {
            let mut keyring = Keyring::default();
            keyring.insert(connection.identity.clone(), Psk::new(connection.key.clone()).expect("a key"), None);
            keyring.insert(b"card-02".to_vec(), Psk::new(hex(LONG_KEY)).expect("a key"), None);
            let mut reader = Reader::new(&Arc::new(Vault::new(Some(keyring))));
            reader.all(&connection.wire);
            assert_eq!(reader.events, [Event::Sealed(Sealed::WrongKeyInFile)], "{}", connection.name);
            let finding = reader.opener.suspects();
            let (_, expected) = connection.name.split_once(": ").expect("file and section");
            let word = finding.as_ref().map_or("unknown", |finding| finding.fit.as_str());
            assert_eq!(word, expected, "{}", connection.name);
            let other = finding.as_ref().and_then(|finding| finding.other.as_deref());
            assert_eq!(other, (expected == "other_identity").then_some(b"card-02".as_slice()));
            if let Some(finding) = finding {
                assert!(!format!("{finding:?}").contains("card"), "an identity is not printed");
                found.push(finding.fit);
            }
        }
    }
    assert_eq!(found.len(), 14, "{found:?}");
}

#[test]
fn an_identity_that_the_file_lacks_may_have_the_key_of_another() {
    for (_, connections) in files("mistaken_") {
        for connection in connections.iter().filter(|connection| connection.name.ends_with("other_identity")) {
            let mut reader = Reader::new(&vault(b"card-02", &hex(LONG_KEY)));
            reader.all(&connection.wire);
            assert_eq!(reader.events, [Event::Sealed(Sealed::NoKeyForIdentity)]);
            let finding = reader.opener.suspects().expect("its Finished came after it was sealed");
            assert_eq!((finding.fit, finding.other.as_deref()), (Fit::OtherIdentity, Some(b"card-02".as_slice())));
        }
    }
}

#[test]
fn the_servers_key_may_be_the_wrong_one() {
    for (_, connections) in files("mistaken_") {
        for connection in connections.iter().filter(|connection| connection.name.ends_with("other_identity")) {
            let mut reader = Reader::new(&vault(&connection.identity, &hex(LONG_KEY)));
            reader.all(&connection.wire);
            assert_eq!(reader.sealed(), None, "the client's Finished opens with the key of the file");
            assert_eq!(reader.opener.suspects().map(|finding| finding.fit), Some(Fit::AsInFile));
        }
    }
}

#[test]
fn no_evidence_is_kept_of_a_handshake_that_succeeds() {
    for (_, connections) in files("openssl_tls1_2_PSK-AES128-CBC-SHA256") {
        let connection = connections.first().expect("a connection");
        // The server's Finished says that the client has the server's key: nothing is to be found out.
        let mut reader = Reader::new(&vault(&connection.identity, b"not this one"));
        reader.all(&connection.wire);
        assert_eq!(reader.sealed(), Some(Sealed::WrongKeyInFile));
        assert_eq!(reader.opener.suspects(), None);
        assert!(reader.opener.evidence.is_none());
    }
}
