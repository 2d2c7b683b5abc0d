//! Which suites a key file opens, and what they are made of.

use super::hash::Hash;
use super::sealed::Sealed;
use crate::observation::{CipherSuite, TlsVersion};
use crate::protocol::tls::cipher_suite;

/// How records are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cipher {
    Null,
    /// RFC 5246 §6.2.3.2.
    Cbc(Block),
    /// RFC 5288. The length of the key.
    Gcm(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Block {
    Aes128,
    Aes256,
    TripleDes,
}

impl Block {
    pub(super) const fn key_len(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes256 => 32,
            Self::TripleDes => 24,
        }
    }

    pub(super) const fn len(self) -> usize {
        match self {
            Self::Aes128 | Self::Aes256 => 16,
            Self::TripleDes => 8,
        }
    }
}

/// A suite whose records can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Suite {
    pub(super) id: u16,
    pub(super) cipher: Cipher,
    /// The MAC of a record; of no use with GCM. `None`: not even that (`TLS_NULL_WITH_NULL_NULL`).
    pub(super) mac: Option<Hash>,
    /// The hash of the PRF in TLS 1.2 (RFC 5246 §5, RFC 5487 §3).
    pub(super) prf: Hash,
}

impl Suite {
    pub(super) const fn mac_len(&self) -> usize {
        match (self.cipher, self.mac) {
            (Cipher::Gcm(_), _) | (_, None) => 0,
            (_, Some(hash)) => hash.len(),
        }
    }
}

/// What can be done about a suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Plain PSK: whoever has the key reads it (RFC 4279 §2).
    ByKey(Suite),
    /// Nothing is encrypted. `keyed`: with the key of a plain PSK suite its MACs can be verified, too.
    Null {
        suite: Suite,
        keyed: bool,
    },
    Closed(Sealed),
}

/// Looks the suite up.
pub(super) fn access(id: u16, version: TlsVersion) -> Access {
    if version >= TlsVersion::TLS_1_3 {
        return Access::Closed(Sealed::Tls13);
    }
    if version < TlsVersion::TLS_1_0 {
        return Access::Closed(Sealed::UnsupportedVersion(version));
    }
    let Some(suite) = plain_psk(id) else { return by_name(cipher_suite(id)) };
    match suite.cipher {
        Cipher::Null => Access::Null { suite, keyed: true },
        // AEAD came with TLS 1.2 (RFC 5288 §4).
        Cipher::Gcm(_) if version < TlsVersion::TLS_1_2 => Access::Closed(Sealed::UnsupportedSuite(id)),
        Cipher::Gcm(_) | Cipher::Cbc(_) => Access::ByKey(suite),
    }
}

const fn plain_psk(id: u16) -> Option<Suite> {
    use Block::{Aes128, Aes256, TripleDes};
    use Cipher::{Cbc, Gcm, Null};
    use Hash::{Sha1, Sha256, Sha384};
    let (cipher, mac, prf) = match id {
        0x002C => (Null, Sha1, Sha256),
        0x00B0 => (Null, Sha256, Sha256),
        0x00B1 => (Null, Sha384, Sha384),
        0x008B => (Cbc(TripleDes), Sha1, Sha256),
        0x008C => (Cbc(Aes128), Sha1, Sha256),
        0x008D => (Cbc(Aes256), Sha1, Sha256),
        0x00AE => (Cbc(Aes128), Sha256, Sha256),
        0x00AF => (Cbc(Aes256), Sha384, Sha384),
        0x00A8 => (Gcm(16), Sha256, Sha256),
        0x00A9 => (Gcm(32), Sha384, Sha384),
        _ => return None,
    };
    Some(Suite { id, cipher, mac: Some(mac), prf })
}

/// The names that IANA gives say how keys are agreed and whether anything is encrypted.
fn by_name(suite: CipherSuite) -> Access {
    let id = suite.id;
    let closed = |why| Access::Closed(why);
    let Some(name) = suite.name else { return closed(Sealed::UnsupportedSuite(id)) };
    if let Some((_, mac)) = name.split_once("_WITH_NULL_") {
        let (mac, prf) = match mac {
            "NULL" => (None, Hash::Sha256),
            "MD5" => (Some(Hash::Md5), Hash::Sha256),
            "SHA" => (Some(Hash::Sha1), Hash::Sha256),
            "SHA256" => (Some(Hash::Sha256), Hash::Sha256),
            "SHA384" => (Some(Hash::Sha384), Hash::Sha384),
            _ => return closed(Sealed::UnsupportedSuite(id)),
        };
        return Access::Null { suite: Suite { id, cipher: Cipher::Null, mac, prf }, keyed: false };
    }
    if name.starts_with("TLS_RSA_") {
        closed(Sealed::ServerKey)
    } else if name.contains("DHE_") || name.contains("ECCPWD") {
        closed(Sealed::ForwardSecrecy)
    } else {
        closed(Sealed::UnsupportedSuite(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_agrees_with_the_names() {
        for id in 0..=u16::MAX {
            let Some(suite) = plain_psk(id) else { continue };
            let name = cipher_suite(id).name.expect("a registered suite");
            let cipher = match suite.cipher {
                Cipher::Null => "NULL",
                Cipher::Cbc(Block::Aes128) => "AES_128_CBC",
                Cipher::Cbc(Block::Aes256) => "AES_256_CBC",
                Cipher::Cbc(Block::TripleDes) => "3DES_EDE_CBC",
                Cipher::Gcm(16) => "AES_128_GCM",
                Cipher::Gcm(_) => "AES_256_GCM",
            };
            let mac = match suite.mac {
                Some(Hash::Sha1) => "SHA",
                Some(Hash::Sha256) => "SHA256",
                Some(Hash::Sha384) => "SHA384",
                other => panic!("{other:?}"),
            };
            assert_eq!(name, format!("TLS_PSK_WITH_{cipher}_{mac}"), "{id:04X}");
            assert_eq!(suite.prf, if mac == "SHA384" { Hash::Sha384 } else { Hash::Sha256 });
        }
    }

    #[test]
    fn what_stays_closed_says_why() {
        let closed = |id, version| match access(id, version) {
            Access::Closed(why) => why,
            other => panic!("{other:?}"),
        };
        let tls12 = TlsVersion::TLS_1_2;
        assert_eq!(closed(0x1301, TlsVersion::TLS_1_3), Sealed::Tls13);
        assert_eq!(closed(0x00B2, tls12), Sealed::ForwardSecrecy, "DHE_PSK");
        assert_eq!(closed(0xC037, tls12), Sealed::ForwardSecrecy, "ECDHE_PSK");
        assert_eq!(closed(0xC02F, tls12), Sealed::ForwardSecrecy, "ECDHE_RSA");
        assert_eq!(closed(0x00B6, tls12), Sealed::ServerKey, "RSA_PSK");
        assert_eq!(closed(0x009C, tls12), Sealed::ServerKey, "RSA");
        assert_eq!(closed(0x008A, tls12), Sealed::UnsupportedSuite(0x008A), "PSK with RC4");
        assert_eq!(closed(0xC0A4, tls12), Sealed::UnsupportedSuite(0xC0A4), "PSK with CCM");
        assert_eq!(closed(0x00A8, TlsVersion::TLS_1_1), Sealed::UnsupportedSuite(0x00A8), "GCM before TLS 1.2");
        assert_eq!(closed(0xFFFE, tls12), Sealed::UnsupportedSuite(0xFFFE));
    }

    #[test]
    fn null_suites_of_any_key_exchange() {
        for (id, mac) in [(0x0001, 16), (0x0002, 20), (0x003B, 32), (0xC039, 20), (0xC03B, 48), (0x00B4, 32)] {
            match access(id, TlsVersion::TLS_1_2) {
                Access::Null { suite, keyed: false } => assert_eq!(suite.mac_len(), mac, "{id:04X}"),
                other => panic!("{id:04X}: {other:?}"),
            }
        }
        assert!(matches!(access(0x00B0, TlsVersion::TLS_1_2), Access::Null { keyed: true, .. }));
    }
}
