//! The pseudorandom function: RFC 5246 §5 for TLS 1.2, RFC 2246 §5 for what came before it.

use super::hash::{Hash, Output};
use crate::observation::TlsVersion;

/// The function of one connection, which also says how its transcript is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prf {
    /// TLS 1.0 and 1.1: MD5 and SHA-1 together.
    Legacy,
    /// TLS 1.2: one hash, which the suite names.
    Single(Hash),
}

impl Prf {
    /// `suite_hash`: what the suite says for TLS 1.2.
    pub(super) fn new(version: TlsVersion, suite_hash: Hash) -> Self {
        if version >= TlsVersion::TLS_1_2 { Self::Single(suite_hash) } else { Self::Legacy }
    }

    /// Fills `out` with `PRF(secret, label, seed)`, the seed in parts.
    pub(super) fn fill(self, secret: &[u8], label: &[u8], seed: &[&[u8]], out: &mut [u8]) {
        out.fill(0);
        let mut parts = Vec::with_capacity(seed.len() + 1);
        parts.push(label);
        parts.extend_from_slice(seed);
        match self {
            Self::Single(hash) => p_hash(hash, secret, &parts, out),
            Self::Legacy => {
                // The halves share a byte when the length is odd (RFC 2246 §5).
                let half = secret.len().div_ceil(2);
                let first = secret.get(..half).unwrap_or_default();
                let second = secret.get(secret.len() - half..).unwrap_or_default();
                p_hash(Hash::Md5, first, &parts, out);
                p_hash(Hash::Sha1, second, &parts, out);
            }
        }
    }

    /// The hash of handshake messages that a Finished (RFC 5246 §7.4.9) and a session hash (RFC 7627 §3) are made of.
    pub(super) fn transcript(self, messages: &[&[u8]]) -> Output {
        match self {
            Self::Single(hash) => hash.digest(messages),
            Self::Legacy => {
                let mut both = [0; Hash::Md5.len() + Hash::Sha1.len()];
                let (md5, sha1) = both.split_at_mut(Hash::Md5.len());
                md5.copy_from_slice(Hash::Md5.digest(messages).as_slice());
                sha1.copy_from_slice(Hash::Sha1.digest(messages).as_slice());
                Output::new(&both)
            }
        }
    }
}

/// `P_hash` of RFC 5246 §5, combined with what `out` holds by exclusive or.
fn p_hash(hash: Hash, secret: &[u8], seed: &[&[u8]], out: &mut [u8]) {
    let mut a = hash.hmac(secret, seed);
    for chunk in out.chunks_mut(hash.len()) {
        let mut parts = Vec::with_capacity(seed.len() + 1);
        parts.push(a.as_slice());
        parts.extend_from_slice(seed);
        let block = hash.hmac(secret, &parts);
        for (slot, byte) in chunk.iter_mut().zip(block.as_slice()) {
            *slot ^= byte;
        }
        a = hash.hmac(secret, &[a.as_slice()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex"))
            .collect()
    }

    /// The P_SHA256 vector that went round the TLS working group's list when TLS 1.2 was made.
    #[test]
    fn the_published_vector_for_sha256() {
        let mut out = [0; 100];
        let prf = Prf::new(TlsVersion::TLS_1_2, Hash::Sha256);
        prf.fill(
            &hex("9bbe436ba940f017b17652849a71db35"),
            b"test label",
            &[&hex("a0ba9f936cda311827a6f796ffd5198c")],
            &mut out,
        );
        let expected = "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af\
                        0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701\
                        87347b66";
        assert_eq!(out.to_vec(), hex(expected));
    }

    #[test]
    fn the_seed_may_come_in_parts() {
        for prf in [Prf::Legacy, Prf::Single(Hash::Sha384)] {
            let (mut whole, mut parts) = ([0; 61], [1; 61]);
            prf.fill(b"secret", b"label", &[b"randoms"], &mut whole);
            prf.fill(b"secret", b"lab", &[b"el", b"ran", b"doms"], &mut parts);
            assert_eq!(whole, parts);
        }
    }
}
