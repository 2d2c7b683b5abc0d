//! OpenSSL's side of the server.

use super::options::{Options, ReadMode, Unknown};
use crate::clock::spend;
use crate::psk::Keys;
use crate::tls::{NO_ENCRYPT_THEN_MAC, NO_EXTENDED_MASTER_SECRET, allow_dhe, note, prepare};
use anyhow::Context;
use openssl::error::ErrorStack;
use openssl::rand::rand_bytes;
use openssl::ssl::{ClientHelloResponse, SslContext, SslContextBuilder, SslMethod, SslOptions};

/// Of a key that nobody has.
const HIDDEN_KEY_BYTES: usize = 16;

pub(super) fn build(options: &Options, keys: Keys) -> anyhow::Result<SslContext> {
    let mut builder = SslContextBuilder::new(SslMethod::tls_server())?;
    prepare(&mut builder, &options.ciphers, options.min_version, options.max_version)?;
    allow_dhe(&builder);
    builder.set_session_id_context(b"lab")?;
    builder.set_read_ahead(options.read_mode == ReadMode::Ahead);
    if let Some(hint) = &options.identity_hint {
        set_hint(&builder, hint)?;
    }
    let mut flags = SslOptions::empty();
    flags.set(SslOptions::NO_TICKET, options.no_tickets);
    flags.set(NO_ENCRYPT_THEN_MAC, options.no_encrypt_then_mac);
    flags.set(NO_EXTENDED_MASTER_SECRET, options.no_extended_master_secret);
    builder.set_options(flags);

    let (compute, how, give_up) = (options.compute, options.compute_how, options.give_up_after_hello);
    builder.set_client_hello_callback(move |_, _| {
        if !compute.is_zero() {
            let spent = spend(compute, how);
            note(|notes| notes.compute_ns += spent);
        }
        if give_up {
            note(|notes| notes.gave_up = true);
            return Ok(ClientHelloResponse::RETRY);
        }
        Ok(ClientHelloResponse::SUCCESS)
    });
    let unknown = options.unknown_identity;
    builder.set_psk_server_callback(move |_, identity, key| {
        let identity = identity.unwrap_or_default();
        note(|notes| notes.identity = Some(String::from_utf8_lossy(identity).into_owned()));
        match keys.get(identity) {
            Some(known) => {
                note(|notes| notes.known = true);
                Ok(copy_to(key, known))
            }
            None if unknown == Unknown::Alert115 => Ok(0),
            None => {
                let mut random = [0; HIDDEN_KEY_BYTES];
                rand_bytes(&mut random)?;
                Ok(copy_to(key, &random))
            }
        }
    });
    Ok(builder.build())
}

/// The bytes copied; none when there is no room.
fn copy_to(room: &mut [u8], key: &[u8]) -> usize {
    room.get_mut(..key.len()).map_or(0, |room| {
        room.copy_from_slice(key);
        key.len()
    })
}

fn set_hint(builder: &SslContextBuilder, hint: &str) -> anyhow::Result<()> {
    let hint = std::ffi::CString::new(hint).context("the hint holds a NUL")?;
    // SAFETY: context and string are valid; OpenSSL copies the string.
    if unsafe { SSL_CTX_use_psk_identity_hint(builder.as_ptr(), hint.as_ptr()) } != 1 {
        return Err(ErrorStack::get()).context("OpenSSL refuses the hint");
    }
    Ok(())
}

unsafe extern "C" {
    fn SSL_CTX_use_psk_identity_hint(
        ctx: *mut openssl_sys::SSL_CTX,
        hint: *const nix::libc::c_char,
    ) -> nix::libc::c_int;
}
