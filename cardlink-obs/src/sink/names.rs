//! Names for what must not be shown as it is: an alias, or a keyed hash that two nights have in common.

use super::aliases::Aliases;
use crate::observation::{AgentId, Device, PskIdentity, SerialNumber, TestParameters};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::{
    collections::HashMap,
    fmt::Write as _,
    fs, io,
    io::{Read as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

/// Where the hashing key lives, so that two nights compare.
pub const KEY_PATH: &str = "/var/lib/cardlink-obs/hash.key";

const KEY_BYTES: usize = 32;
/// Hash bytes that are shown: 12 digits.
const SHOWN: usize = 6;

/// Digits of the hash of a serial number that are shown.
const SHOWN_OF_SERIAL: usize = 6;

/// First byte of an identity that a recording holds in place of the real one: the rest are bytes of its hash.
pub const MASKED: u8 = 0;

/// First byte of an agent id, or of a serial number, that a recording holds in place of the real one.
pub const MASKED_AGENT: u8 = b'~';

/// Turns identities into names.
#[derive(Clone)]
pub struct Names {
    key: [u8; KEY_BYTES],
    clear: bool,
    aliases: Aliases,
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Names").field("clear", &self.clear).finish_non_exhaustive()
    }
}

impl Names {
    /// With the key in `path`, which is made (0600) when it is not there.
    pub fn with_key_file(path: &Path, clear: bool) -> io::Result<Self> {
        match fs::File::open(path) {
            Ok(mut file) => {
                if file.metadata()?.permissions().mode() & 0o077 != 0 {
                    return Err(io::Error::other(format!("others can read it: `chmod 600 {}`", path.display())));
                }
                let mut key = [0; KEY_BYTES];
                file.read_exact(&mut key)?;
                Ok(Self { key, clear, aliases: Aliases::default() })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if let Some(parent) = path.parent() {
                    fs::create_dir_all(parent)?;
                }
                let names = Self::with_new_key(clear)?;
                let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
                file.write_all(&names.key)?;
                Ok(names)
            }
            Err(error) => Err(error),
        }
    }

    /// With a key that lives as long as the process.
    pub fn with_new_key(clear: bool) -> io::Result<Self> {
        let mut key = [0; KEY_BYTES];
        fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
        Ok(Self { key, clear, aliases: Aliases::default() })
    }

    /// Gives aliases, in place of those before: to what is shown under a name, or to an identity, an agent id or a serial number
    /// itself. The last one of a name counts. Clones have them, too.
    pub fn call(&self, aliases: impl Iterator<Item = (Vec<u8>, String)>) {
        let mut table = HashMap::new();
        for (name, alias) in aliases {
            if let Ok(text) = std::str::from_utf8(&name) {
                table.insert(text.to_owned(), alias.clone());
            }
            table.insert(self.hash_of_serial(&name), alias.clone());
            table.insert(self.hash_of_agent(&name), alias.clone());
            table.insert(self.hash_of_identity(&name), alias);
        }
        self.aliases.replace(table);
    }

    fn called(&self, name: String) -> String {
        self.aliases.of(&name).unwrap_or(name)
    }

    fn hash_of_identity(&self, bytes: &[u8]) -> String {
        let room = bytes.len().saturating_sub(1);
        shown(self.hash(bytes).get(..room.min(SHOWN)).unwrap_or_default())
    }

    fn hash_of_agent(&self, bytes: &[u8]) -> String {
        shown_agent(self.mask_agent(bytes).get(1..).unwrap_or_default())
    }

    /// As many digits as a recording has room for, so that a replay gives the same.
    fn hash_of_serial(&self, bytes: &[u8]) -> String {
        shown_serial(self.mask_serial(bytes).get(1..).unwrap_or_default())
    }

    /// The name of a PSK identity: itself when asked for in clear, else its alias, else a keyed hash.
    pub fn identity(&self, identity: &PskIdentity) -> String {
        let bytes = identity.expose();
        if bytes.first() == Some(&MASKED) {
            return self.called(shown(bytes.get(1..).unwrap_or_default()));
        }
        if self.clear {
            return String::from_utf8_lossy(bytes)
                .chars()
                .map(|c| if c.is_control() { '\u{fffd}' } else { c })
                .collect();
        }
        self.called(self.hash_of_identity(bytes))
    }

    /// The name of an agent id: itself when asked for in clear, else its alias, else a keyed hash.
    pub fn agent(&self, agent: &AgentId) -> String {
        let bytes = agent.expose();
        if let Some((&MASKED_AGENT, digits)) = bytes.split_first() {
            return self.called(shown_agent(digits));
        }
        if self.clear {
            return String::from_utf8_lossy(bytes)
                .chars()
                .map(|c| if c.is_control() { '\u{fffd}' } else { c })
                .collect();
        }
        self.called(self.hash_of_agent(bytes))
    }

    /// The name of a device: its alias, else with a keyed hash in place of its serial number, or with the number itself when asked for in
    /// clear.
    pub fn device(&self, device: &Device) -> String {
        let serial = device.serial.as_ref().map(|serial| self.serial(serial));
        let name = match &serial {
            Some(serial) if device.name.is_empty() => serial.clone(),
            Some(serial) => format!("{} ({serial})", device.name),
            None => device.name.to_string(),
        };
        if self.clear {
            return name;
        }
        self.aliases.of(&name).or_else(|| self.aliases.of(&serial?)).unwrap_or(name)
    }

    /// The name of a serial number.
    pub fn serial(&self, serial: &SerialNumber) -> String {
        let bytes = serial.expose();
        match bytes.split_first() {
            Some((&MASKED_AGENT, digits)) => shown_serial(digits),
            _ if self.clear => {
                String::from_utf8_lossy(bytes).chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
            }
            _ => self.hash_of_serial(bytes),
        }
    }

    /// What a recording holds in place of a serial number: as long as it, text, and with the same name.
    pub fn mask_serial(&self, serial: &[u8]) -> Vec<u8> {
        self.mask_agent(serial)
    }

    /// What a recording holds in place of an agent id: as long as it, text, and with the same name.
    pub fn mask_agent(&self, agent: &[u8]) -> Vec<u8> {
        let hash = self.hash(agent);
        let digits = hash.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).cycle();
        std::iter::once(MASKED_AGENT).chain(digits).take(agent.len()).collect()
    }

    /// The parameters of a test: a keyed hash, always.
    pub fn parameters(&self, parameters: &TestParameters) -> String {
        self.mask_parameters(parameters.expose()).trim_start_matches('~').to_owned()
    }

    /// What a recording holds in place of them: with the same name.
    pub fn mask_parameters(&self, parameters: &str) -> String {
        let digits = parameters.strip_prefix('~').filter(|rest| rest.len() == 2 * SHOWN);
        if digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            return parameters.to_owned();
        }
        let hash = self.hash(parameters.as_bytes());
        hash.iter().take(SHOWN).fold(String::from("~"), |mut name, byte| {
            let _ = write!(name, "{byte:02x}");
            name
        })
    }

    /// What a recording holds in place of an identity: as long as it, and with the same name.
    pub fn mask(&self, identity: &[u8]) -> Vec<u8> {
        let mut masked = vec![MASKED; identity.len()];
        let hash = self.hash(identity);
        for (slot, byte) in masked.iter_mut().skip(1).zip(hash.iter().take(SHOWN)) {
            *slot = *byte;
        }
        masked
    }

    fn hash(&self, bytes: &[u8]) -> [u8; 32] {
        let mut mac = <Hmac<Sha256>>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(bytes);
        mac.finalize().into_bytes().into()
    }
}

fn shown_agent(digits: &[u8]) -> String {
    format!("agent-{}", String::from_utf8_lossy(digits.get(..2 * SHOWN).unwrap_or(digits)))
}

fn shown_serial(digits: &[u8]) -> String {
    String::from_utf8_lossy(digits.get(..SHOWN_OF_SERIAL).unwrap_or(digits)).into_owned()
}

fn shown(hash: &[u8]) -> String {
    hash.iter().take(SHOWN).fold(String::from("psk-"), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    })
}
