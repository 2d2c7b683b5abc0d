//! The block ciphers and AES-GCM, over a fragment in place.
//!
//! `None` everywhere: the lengths do not add up, or (GCM) the tag does not fit. The keys come from a key block, so
//! their lengths are right by construction.

use super::suite::Block;
use aes::{Aes128, Aes256};
use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use cbc::{Decryptor, Encryptor};
use des::TdesEde3;

/// Bytes of the tag that ends a GCM record (RFC 5288 §3).
pub(super) const TAG: usize = 16;
/// Bytes of the nonce that each GCM record carries (RFC 5288 §3).
pub(super) const EXPLICIT_NONCE: usize = 8;
const NONCE: usize = 12;

/// Decrypts whole blocks.
pub(super) fn cbc_decrypt(block: Block, key: &[u8], iv: &[u8], data: &mut [u8]) -> Option<()> {
    fn run<C: KeyIvInit + BlockModeDecrypt>(key: &[u8], iv: &[u8], data: &mut [u8]) -> Option<()> {
        C::new_from_slices(key, iv).ok()?.decrypt_padded::<NoPadding>(data).ok().map(drop)
    }
    match block {
        Block::Aes128 => run::<Decryptor<Aes128>>(key, iv, data),
        Block::Aes256 => run::<Decryptor<Aes256>>(key, iv, data),
        Block::TripleDes => run::<Decryptor<TdesEde3>>(key, iv, data),
    }
}

/// Encrypts whole blocks.
pub(super) fn cbc_encrypt(block: Block, key: &[u8], iv: &[u8], data: &mut [u8]) -> Option<()> {
    fn run<C: KeyIvInit + BlockModeEncrypt>(key: &[u8], iv: &[u8], data: &mut [u8]) -> Option<()> {
        let len = data.len();
        C::new_from_slices(key, iv).ok()?.encrypt_padded::<NoPadding>(data, len).ok().map(drop)
    }
    match block {
        Block::Aes128 => run::<Encryptor<Aes128>>(key, iv, data),
        Block::Aes256 => run::<Encryptor<Aes256>>(key, iv, data),
        Block::TripleDes => run::<Encryptor<TdesEde3>>(key, iv, data),
    }
}

/// The nonce: what the key block gave, then what the record carries.
pub(super) fn gcm_nonce(salt: &[u8], explicit: &[u8]) -> [u8; NONCE] {
    let mut nonce = [0; NONCE];
    for (slot, byte) in nonce.iter_mut().zip(salt.iter().take(NONCE - EXPLICIT_NONCE).chain(explicit)) {
        *slot = *byte;
    }
    nonce
}

/// Checks the tag and decrypts. When the tag does not fit `data` stays as it is.
pub(super) fn gcm_decrypt(key: &[u8], nonce: [u8; NONCE], aad: &[u8], data: &mut [u8], tag: &[u8]) -> Option<()> {
    let tag: [u8; TAG] = tag.try_into().ok()?;
    let nonce = nonce.into();
    match key.len() {
        16 => Aes128Gcm::new_from_slice(key).ok()?.decrypt_inout_detached(&nonce, aad, data.into(), &tag.into()).ok(),
        _ => Aes256Gcm::new_from_slice(key).ok()?.decrypt_inout_detached(&nonce, aad, data.into(), &tag.into()).ok(),
    }
}

/// Encrypts and gives the tag.
pub(super) fn gcm_encrypt(key: &[u8], nonce: [u8; NONCE], aad: &[u8], data: &mut [u8]) -> Option<[u8; TAG]> {
    let nonce = nonce.into();
    let tag = match key.len() {
        16 => Aes128Gcm::new_from_slice(key).ok()?.encrypt_inout_detached(&nonce, aad, data.into()).ok()?,
        _ => Aes256Gcm::new_from_slice(key).ok()?.encrypt_inout_detached(&nonce, aad, data.into()).ok()?,
    };
    Some(tag.into())
}
