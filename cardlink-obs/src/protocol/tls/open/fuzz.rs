//! Entries for a fuzzer.

use super::keyring::{Format, Keyring, Psk};
use super::opener::{Opened, Opener, Sender};
use super::peer::{IDENTITY, Setup, Talk};
use super::resume::Vault;
use crate::observation::TlsVersion;
use crate::protocol::tls::ContentType;
use std::collections::HashSet;
use std::sync::Arc;

const KEY: &[u8] = b"a key for fuzzing";
const SUITES: [u16; 8] = [0x008C, 0x008B, 0x00AE, 0x00AF, 0x00A8, 0x00A9, 0x00B0, 0x002C];

/// Key files: any text is read or refused, in every format. What is told of a refusal repeats nothing of the file.
pub fn fuzz_keyring(data: &[u8]) {
    let Some((&first, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let hint = match first % 5 {
        0 => Some(Format::GnuTls),
        1 => Some(Format::Yaml),
        2 => Some(Format::Toml),
        3 => Some(Format::Json),
        _ => None,
    };
    if let Ok(keyring) = Keyring::parse(text, hint) {
        assert!(keyring.iter().all(|(identity, _, _)| !identity.is_empty() && keyring.key(identity).is_some()));
    }
}

/// Connections: two peers complete a handshake and talk, and what they send is damaged, cut and lost on its way. Under a
/// suite with authentication nothing may come out that they did not say.
///
/// The first byte chooses the suite, the second version and extensions, the rest is a program of records.
pub fn fuzz_opener(data: &[u8]) {
    let &[suite, flags, ref program @ ..] = data else { return };
    let suite = SUITES.get(usize::from(suite) % SUITES.len()).copied().unwrap_or_default();
    let version = match flags & 3 {
        0 => TlsVersion::TLS_1_0,
        1 => TlsVersion::TLS_1_1,
        _ => TlsVersion::TLS_1_2,
    };
    let mut setup = Setup::new(suite, version);
    setup.extended_master_secret = flags & 4 != 0;
    setup.encrypt_then_mac = flags & 8 != 0;
    setup.max_fragment_length = (flags & 16 != 0).then_some(1);
    let Some(mut talk) = Talk::new(&setup, KEY) else { return };
    let mut keyring = Keyring::default();
    if let (false, Some(key)) = (flags & 32 != 0, Psk::new(KEY.to_vec())) {
        keyring.insert(IDENTITY.to_vec(), key, None);
    }
    let authenticated = !keyring.is_empty() && !matches!(suite, 0x00B0 | 0x002C);
    let mut opener = Opener::new(Arc::new(Vault::new(Some(keyring))), flags & 64 == 0);
    let mut said = HashSet::new();
    let check = |said: &HashSet<(Sender, Vec<u8>)>, event: Opened<'_>| {
        if let (true, Opened::Data(sender, data)) = (authenticated, &event) {
            assert!(said.contains(&(*sender, data.to_vec())), "something that was not said came out");
        }
    };
    let handshake = std::mem::take(&mut talk.wire);
    // A damaged handshake, now and then.
    let torn = usize::from(program.first().copied().unwrap_or_default());
    for (number, (sender, mut bytes)) in handshake.into_iter().enumerate() {
        if flags & 128 != 0
            && number == torn % 8
            && let Some(byte) = bytes.get_mut(torn / 8)
        {
            *byte ^= 0x40;
        }
        opener.push(sender, &bytes, &mut |event| check(&said, event));
    }
    for step in program.chunks(4) {
        let &[what, len, place, change] = step else { break };
        let sender = if what & 1 == 0 { Sender::Client } else { Sender::Server };
        let content = match (what >> 1) & 7 {
            0 => ContentType::ALERT,
            1 => ContentType::HANDSHAKE,
            2 => ContentType::CHANGE_CIPHER_SPEC,
            3 => ContentType::HEARTBEAT,
            _ => ContentType::APPLICATION_DATA,
        };
        let plaintext = vec![change; usize::from(len) * 5];
        talk.say(sender, content, &plaintext);
        if content == ContentType::APPLICATION_DATA {
            said.insert((sender, plaintext));
        }
        let Some((_, mut bytes)) = talk.wire.pop() else { return };
        let (start, end) = (usize::from(place), usize::from(place) + usize::from(change));
        match what >> 4 {
            0 => bytes.iter_mut().skip(start).take(1).for_each(|byte| *byte ^= change),
            1 => bytes.truncate(start),
            2 => {
                opener.gap(sender, bytes.len() as u64, true, &mut |event| check(&said, event));
                continue;
            }
            3 if end <= bytes.len() => {
                let (head, rest) = bytes.split_at(start);
                let tail = rest.get(usize::from(change)..).unwrap_or_default();
                opener.push(sender, head, &mut |event| check(&said, event));
                let resync = tail.is_empty();
                opener.gap(sender, u64::from(change), resync, &mut |event| check(&said, event));
                opener.push(sender, tail, &mut |event| check(&said, event));
                continue;
            }
            4 => {
                let (head, tail) = bytes.split_at(start.min(bytes.len()));
                opener.push(sender, head, &mut |event| check(&said, event));
                opener.push(sender, tail, &mut |event| check(&said, event));
                continue;
            }
            _ => {}
        }
        opener.push(sender, &bytes, &mut |event| check(&said, event));
    }
    let _ = (opener.way(), opener.suspects());
}
