//! A whole handshake with a PSK-TLS server, under an identity of the check's own.

use super::{failed, timed};
use crate::{
    client::{Deadline, dial},
    health::{Check, Facts, Verdict},
    keys,
    protocol::tls::open::{ClientStep, PskClient},
};
use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

pub(super) struct TlsPsk {
    pub(super) address: String,
    pub(super) identity: String,
    pub(super) psk_file: PathBuf,
    pub(super) slow: Duration,
    pub(super) facts: Arc<Facts>,
}

impl Check for TlsPsk {
    fn look(&mut self, deadline: Deadline) -> Verdict {
        timed(self.slow, deadline, |deadline| self.shake(deadline))
    }
}

impl TlsPsk {
    fn shake(&self, deadline: Deadline) -> Result<String, String> {
        // Read each time: a key that was rolled over is taken up by itself.
        let keys = keys::load(&self.psk_file, keys::AT_WORK).map_err(|error| error.to_string())?;
        let identity = self.identity.as_bytes();
        let path = self.psk_file.display();
        let key = keys.key(identity).ok_or_else(|| format!("{path} has no key for the identity of this check"))?;
        let address = &self.address;
        let told = |error: io::Error| failed(address, &error);
        let mut stream = dial(address, deadline, Some(&self.facts.own)).map_err(told)?;
        let mut client = PskClient::new(identity, key, random().map_err(|error| error.to_string())?);
        stream.write_all(&client.hello()).map_err(told)?;
        let mut bytes = vec![0; 4096];
        loop {
            let count = stream.read(&mut bytes).map_err(told)?;
            if count == 0 {
                return Err(format!("{address} hangs up in the middle of the handshake"));
            }
            let step = client.receive(bytes.get(..count).unwrap_or_default());
            match step.map_err(|fault| format!("{address}: {fault}"))? {
                ClientStep::More(answer) => stream.write_all(&answer).map_err(told)?,
                ClientStep::Done { farewell, suite } => {
                    let _ = stream.write_all(&farewell);
                    return Ok(format!("{address} speaks {suite}"));
                }
            }
        }
    }
}

fn random() -> io::Result<[u8; 32]> {
    let mut random = [0; 32];
    fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    Ok(random)
}
