//! The protection of records the other way round, for the fuzzer and the tests.

use super::cipher::{EXPLICIT_NONCE, cbc_encrypt, gcm_encrypt, gcm_nonce};
use super::hash::Output;
use super::lane::{Lane, pseudo_header};
use super::suite::{Block, Cipher};
use crate::protocol::tls::{ContentType, RecordHeader};

impl Lane {
    /// A whole record with this content. `padding`: blocks of padding beyond the least.
    pub(super) fn seal(&mut self, content: ContentType, plaintext: &[u8], padding: u8) -> Vec<u8> {
        let header = RecordHeader { content, version: self.shape.version, len: 0 };
        let fragment = match self.shape.suite.cipher {
            Cipher::Null => self.with_mac(header, plaintext),
            Cipher::Cbc(block) => self.seal_cbc(block, header, plaintext, padding),
            Cipher::Gcm(_) => self.seal_gcm(header, plaintext),
        };
        self.sequence += 1;
        let mut record = pseudo_header(header, fragment.len()).to_vec();
        record.extend(fragment);
        record
    }

    fn with_mac(&self, header: RecordHeader, data: &[u8]) -> Vec<u8> {
        let mut out = data.to_vec();
        if let Some(hash) = self.shape.suite.mac {
            let parts: [&[u8]; 3] = [&self.sequence.to_be_bytes(), &pseudo_header(header, data.len()), data];
            out.extend_from_slice(hash.hmac(self.keys.mac.as_slice(), &parts).as_slice());
        }
        out
    }

    fn seal_cbc(&mut self, block: Block, header: RecordHeader, plaintext: &[u8], padding: u8) -> Vec<u8> {
        let etm = self.shape.encrypt_then_mac;
        let chained = self.shape.chains_ivs();
        let mut data = if etm { plaintext.to_vec() } else { self.with_mac(header, plaintext) };
        let least = block.len() - data.len() % block.len();
        let more = usize::from(padding) * block.len();
        let count = if least + more <= 256 { least + more } else { least };
        data.resize(data.len() + count, (count - 1) as u8);
        // An IV that nobody has to guess: this protects nothing.
        let number = self.sequence.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
        let explicit = number.repeat(block.len() / number.len());
        let iv = if chained { self.keys.iv.as_slice() } else { &explicit };
        cbc_encrypt(block, self.keys.key.as_slice(), iv, &mut data).expect("whole blocks, and keys of a key block");
        if chained {
            self.keys.iv = Output::new(data.get(data.len() - block.len()..).unwrap_or_default());
        } else {
            data.splice(..0, explicit);
        }
        if etm { self.with_mac(header, &data) } else { data }
    }

    fn seal_gcm(&self, header: RecordHeader, plaintext: &[u8]) -> Vec<u8> {
        let explicit: [u8; EXPLICIT_NONCE] = self.sequence.to_be_bytes();
        let mut data = plaintext.to_vec();
        let mut aad = explicit.to_vec();
        aad.extend(pseudo_header(header, data.len()));
        let nonce = gcm_nonce(self.keys.iv.as_slice(), &explicit);
        let tag = gcm_encrypt(self.keys.key.as_slice(), nonce, &aad, &mut data).expect("keys of a key block");
        [explicit.as_slice(), &data, &tag].concat()
    }
}
