//! OpenSSL's side of the card.

use super::options::{Fault, Options};
use crate::psk::to_hex;
use crate::tls::{CIPHERS, NO_ENCRYPT_THEN_MAC, NO_EXTENDED_MASTER_SECRET, Version, ask_for_fragments, note, prepare};
use anyhow::bail;
use openssl::ssl::{SslContext, SslContextBuilder, SslMethod, SslOptions};
use std::sync::atomic::{AtomicU64, Ordering};

/// A server without a certificate has nothing to answer to it.
const NOT_SHARED: &str = "ECDHE-ECDSA-AES128-GCM-SHA256";
/// Servers do not offer it by themselves.
const NOT_SHARED_1_3: &str = "TLS_AES_128_CCM_8_SHA256";
const OLD: &str = "PSK-AES128-CBC-SHA:@SECLEVEL=0";

pub(super) fn build(options: &Options, fault: Fault, key: &[u8]) -> anyhow::Result<SslContext> {
    let (default, min, max) = match fault {
        Fault::NoSharedCipher => (NOT_SHARED, options.min_version, options.max_version),
        Fault::OldVersion => (OLD, Version::Tls10, Version::Tls11),
        _ => (CIPHERS, options.min_version, options.max_version),
    };
    let mut builder = SslContextBuilder::new(SslMethod::tls_client())?;
    prepare(&mut builder, options.ciphers.as_deref().unwrap_or(default), min, max)?;
    let only = (fault == Fault::NoSharedCipher).then_some(NOT_SHARED_1_3);
    if let Some(suites) = options.ciphersuites.as_deref().or(only) {
        builder.set_ciphersuites(suites)?;
    }
    if let Some(bytes) = options.max_fragment
        && !ask_for_fragments(&builder, bytes)
    {
        bail!("--max-fragment is 512, 1024, 2048 or 4096");
    }
    let mut flags = SslOptions::empty();
    flags.set(SslOptions::NO_TICKET, options.no_tickets);
    flags.set(NO_ENCRYPT_THEN_MAC, options.no_encrypt_then_mac);
    flags.set(NO_EXTENDED_MASTER_SECRET, options.no_extended_master_secret);
    builder.set_options(flags);

    let mut identity = options.identity.clone();
    if fault == Fault::UnknownIdentity {
        identity.insert_str(0, "unknown-");
    }
    let mut key = key.to_vec();
    match (fault, key.first_mut()) {
        (Fault::WrongKey, Some(first)) => *first ^= 0xFF,
        (Fault::HexTakenForText, _) => key = to_hex(&key).into_bytes(),
        _ => {}
    }
    let numbered = options.numbered;
    let number = AtomicU64::new(0);
    builder.set_psk_client_callback(move |_, _, identity_room, key_room| {
        let identity =
            if numbered { format!("{identity}-{}", number.fetch_add(1, Ordering::Relaxed)) } else { identity.clone() };
        let mut c_identity = identity.clone().into_bytes();
        c_identity.push(0);
        note(|notes| notes.identity = Some(identity));
        let (Some(identity_room), Some(key_room)) =
            (identity_room.get_mut(..c_identity.len()), key_room.get_mut(..key.len()))
        else {
            return Ok(0);
        };
        identity_room.copy_from_slice(&c_identity);
        key_room.copy_from_slice(&key);
        Ok(key.len())
    });
    Ok(builder.build())
}
