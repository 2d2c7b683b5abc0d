//! From the PSK to the keys of the records: RFC 4279 §2, RFC 5246 §8.1 and §6.3, RFC 7627 §4.

use super::Sender;
use super::hash::Output;
use super::lane::{DirectionKeys, Lane, Shape};
use super::prf::Prf;
use super::record::Record;
use crate::protocol::tls::ContentType;
use std::fmt;
use zeroize::Zeroizing;

const MASTER: usize = 48;
const RANDOM: usize = 32;
const VERIFY_DATA: usize = 12;
/// Header and body of a Finished (RFC 5246 §7.4.9).
pub(super) const FINISHED: usize = 4 + VERIFY_DATA;
/// More than the largest key block: twice 48 bytes for the MAC, 32 for the cipher, 16 for the IV.
const MAX_KEY_BLOCK: usize = 2 * (48 + 32 + 16);

pub(super) type Random = [u8; RANDOM];

/// A master secret. Wiped when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Master(Zeroizing<[u8; MASTER]>);

impl fmt::Debug for Master {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Master")
    }
}

/// All that a handshake puts on the wire and that its keys depend on. With a PSK (or, when it resumes, a master secret)
/// it gives the keys, and the first Finished tells whether that was the right one.
#[derive(Debug, Clone)]
pub(super) struct Material {
    pub(super) shape: Shape,
    pub(super) client_random: Random,
    pub(super) server_random: Random,
    /// With extended_master_secret: the hash over all messages through ClientKeyExchange (RFC 7627 §3).
    pub(super) session_hash: Option<Output>,
    /// Who sends the first Finished: the client, or the server when a session is resumed.
    pub(super) first: Sender,
    /// The hash over all messages before that Finished.
    pub(super) finished_hash: Output,
}

/// Keys that open the first protected record.
#[derive(Debug)]
pub(super) struct Fitted {
    /// Of the client's and of the server's records; the one of the first sender is past its first record.
    pub(super) lanes: [Lane; 2],
    pub(super) plaintext: Vec<u8>,
}

impl Material {
    pub(super) fn prf(&self) -> Prf {
        Prf::new(self.shape.version, self.shape.suite.prf)
    }

    /// The master secret that follows from a PSK.
    pub(super) fn master(&self, psk: &[u8]) -> Master {
        let premaster = premaster(psk);
        let mut master = Zeroizing::new([0; MASTER]);
        if let Some(hash) = &self.session_hash {
            self.prf().fill(&premaster, b"extended master secret", &[hash.as_slice()], &mut *master);
        } else {
            let seed: [&[u8]; 2] = [&self.client_random, &self.server_random];
            self.prf().fill(&premaster, b"master secret", &seed, &mut *master);
        }
        Master(master)
    }

    /// The keys of both directions before their first record.
    pub(super) fn lanes(&self, master: &Master) -> [Lane; 2] {
        let (mac, key, iv) = self.shape.key_lengths();
        let mut block = Zeroizing::new([0; MAX_KEY_BLOCK]);
        let block = block.get_mut(..2 * (mac + key + iv)).unwrap_or_default();
        let seed: [&[u8]; 2] = [&self.server_random, &self.client_random];
        self.prf().fill(&*master.0, b"key expansion", &seed, block);
        let mut rest = &*block;
        let mut take = |len: usize| {
            let (part, after) = rest.split_at_checked(len).unwrap_or_default();
            rest = after;
            part
        };
        let macs = [take(mac), take(mac)];
        let keys = [take(key), take(key)];
        let ivs = [take(iv), take(iv)];
        let [client, server] = [0, 1].map(|at: usize| {
            let part = |of: &[&[u8]; 2]| of.get(at).map_or_else(Output::empty, |part| Output::new(part));
            DirectionKeys { mac: part(&macs), key: part(&keys), iv: part(&ivs) }
        });
        [Lane::new(self.shape, client), Lane::new(self.shape, server)]
    }

    /// The Finished message, header and all, that `sender` must send over messages with this hash.
    pub(super) fn finished(&self, master: &Master, sender: Sender, hash: &Output) -> [u8; FINISHED] {
        let label: &[u8] = match sender {
            Sender::Client => b"client finished",
            Sender::Server => b"server finished",
        };
        let mut message = [0; FINISHED];
        let (header, verify_data) = message.split_at_mut(FINISHED - VERIFY_DATA);
        header.copy_from_slice(&[20, 0, 0, VERIFY_DATA as u8]);
        self.prf().fill(&*master.0, label, &[hash.as_slice()], verify_data);
        message
    }

    /// Opens the first protected record of the first sender with the keys of this master secret. `None`: it does not
    /// authenticate, or the Finished in it is another.
    pub(super) fn fit(&self, master: &Master, record: &Record) -> Option<Fitted> {
        let mut lanes = self.lanes(master);
        let [client, server] = &mut lanes;
        let lane = match self.first {
            Sender::Client => client,
            Sender::Server => server,
        };
        let mut body = record.body.clone();
        let content = lane.open(record.header, &mut body).ok()?;
        let plaintext = body.get(content)?.to_vec();
        // A shorter one is the beginning of a Finished that is spread over records; that it authenticates is enough.
        if record.header.content == ContentType::HANDSHAKE && plaintext.len() >= FINISHED {
            let expected = self.finished(master, self.first, &self.finished_hash);
            if plaintext.get(..FINISHED) != Some(&expected) {
                return None;
            }
        }
        Some(Fitted { lanes, plaintext })
    }
}

/// `len ‖ 0…0 ‖ len ‖ psk` (RFC 4279 §2). A key is no longer than 2^16 - 1.
fn premaster(psk: &[u8]) -> Zeroizing<Vec<u8>> {
    let psk = psk.get(..usize::from(u16::MAX)).unwrap_or(psk);
    let len = (psk.len() as u16).to_be_bytes();
    let mut premaster = Zeroizing::new(Vec::with_capacity(2 * (2 + psk.len())));
    premaster.extend_from_slice(&len);
    premaster.resize(2 + psk.len(), 0);
    premaster.extend_from_slice(&len);
    premaster.extend_from_slice(psk);
    premaster
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_premaster_of_plain_psk() {
        assert_eq!(premaster(b"abc").as_slice(), b"\0\x03\0\0\0\0\x03abc");
        assert_eq!(premaster(b"").as_slice(), [0; 4]);
        assert_eq!(premaster(&vec![1; 70_000]).len(), 2 * (2 + 65_535));
    }
}
