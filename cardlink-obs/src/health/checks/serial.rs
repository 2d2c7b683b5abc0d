//! A serial port: there, and in the right hands.

use crate::{
    capture::host,
    client::Deadline,
    health::{Check, Facts, Verdict},
};
use std::{
    fs,
    os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _},
    path::PathBuf,
    sync::Arc,
};

pub(super) struct Serial {
    pub(super) path: PathBuf,
    pub(super) open: bool,
    pub(super) facts: Arc<Facts>,
}

impl Check for Serial {
    fn look(&mut self, _: Deadline) -> Verdict {
        let path = self.path.display();
        // Names under /dev/serial/by-id are links.
        let device = match fs::canonicalize(&self.path) {
            Ok(device) => device,
            Err(error) => return Verdict::unhealthy(format!("{path} is not there: {error}")),
        };
        match fs::metadata(&device) {
            Ok(metadata) if metadata.file_type().is_char_device() => {}
            Ok(_) => return Verdict::unhealthy(format!("{path} is no device")),
            Err(error) => return Verdict::unhealthy(format!("{path}: {error}")),
        }
        let link = device.to_string_lossy().into_owned();
        let holders: Vec<u32> = host::pids()
            .into_iter()
            .filter(|pid| host::descriptors(*pid).iter().any(|(_, target)| *target == link))
            .collect();
        let name = |pid: &u32| format!("{} (pid {pid})", host::comm(*pid).unwrap_or_default());
        let names: Vec<String> = holders.iter().map(name).collect();
        let watched = self.facts.watched();
        let is_watched = |pid: &u32| watched.iter().any(|(watched, _)| watched == pid);
        match holders.as_slice() {
            [] if self.open => self.try_open(),
            [] => Verdict::healthy(format!("{path} is free")),
            [one] if is_watched(one) => Verdict::healthy(format!("{path} is in the hands of {}", names.join(", "))),
            [_] => Verdict::degraded(format!("{path} is taken by {}, which is not watched", names.join(", "))),
            _ => Verdict::degraded(format!("{path} is open in several programs: {}", names.join(", "))),
        }
    }
}

impl Serial {
    fn try_open(&self) -> Verdict {
        let path = self.path.display();
        let flags = nix::libc::O_NOCTTY | nix::libc::O_NONBLOCK;
        match fs::OpenOptions::new().read(true).write(true).custom_flags(flags).open(&self.path) {
            Ok(_) => Verdict::healthy(format!("{path} is free and opens")),
            Err(error) => Verdict::unhealthy(format!("{path} is free and does not open: {error}")),
        }
    }
}
