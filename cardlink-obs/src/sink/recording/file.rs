//! The file of a recording while it is written: whole records only, and never long after they came.

use super::Progress;
use crate::sink::private_file;
use std::{
    fs::File,
    io::{self, Write as _},
    path::Path,
    time::{Duration, Instant},
};

/// So much is gathered before it is handed to the kernel …
const MOST_WAITING: usize = 1 << 16;
/// … or what there is after so long.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

pub(super) struct Writer {
    file: File,
    /// Whole records that are not in the file yet.
    waiting: Vec<u8>,
    /// Events among them.
    events: u64,
    /// Bytes of the file that are known to be in it.
    len: u64,
    /// Bytes of its records that came since the header.
    records: u64,
    flushed: Instant,
}

impl Writer {
    /// A new file, readable for its owner only, with its header in it already.
    pub(super) fn create(path: &Path, magic: &[u8], header: &[u8]) -> io::Result<Self> {
        let file = private_file::overwrite(path)?;
        let mut writer = Self { file, waiting: magic.to_vec(), events: 0, len: 0, records: 0, flushed: Instant::now() };
        writer.append(header)?;
        writer.flush(&Progress::default())?;
        Ok(writer)
    }

    /// Bytes of the records that came since the header.
    pub(super) const fn events_len(&self) -> u64 {
        self.records
    }

    fn append(&mut self, record: &[u8]) -> io::Result<()> {
        let len = u32::try_from(record.len()).map_err(io::Error::other)?;
        self.waiting.extend_from_slice(&len.to_le_bytes());
        self.waiting.extend_from_slice(record);
        Ok(())
    }

    /// Adds a record. `counts`: it is an event that was not told before.
    pub(super) fn put(&mut self, record: &[u8], counts: bool, progress: &Progress) -> io::Result<()> {
        let appended = self.append(record);
        if appended.is_err() {
            progress.lost(u64::from(counts));
            return appended;
        }
        self.events += u64::from(counts);
        self.records += 4 + record.len() as u64;
        if self.waiting.len() >= MOST_WAITING { self.flush(progress) } else { Ok(()) }
    }

    /// Whether something has waited long enough.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        !self.waiting.is_empty() && now.saturating_duration_since(self.flushed) >= LONGEST_WAIT
    }

    /// Hands what waits to the kernel. What did not get in as a whole is cut off again and counts as lost.
    pub(super) fn flush(&mut self, progress: &Progress) -> io::Result<()> {
        self.flushed = Instant::now();
        let written = self.file.write_all(&self.waiting);
        if written.is_ok() {
            self.len += self.waiting.len() as u64;
            progress.written(self.events);
        } else {
            // A device cannot be cut; then its last record is half a one.
            let _ = self.file.set_len(self.len);
            progress.lost(self.events);
        }
        self.waiting.clear();
        self.events = 0;
        written
    }

    /// The end mark.
    pub(super) fn end(&mut self, progress: &Progress) -> io::Result<()> {
        self.waiting.extend_from_slice(&0u32.to_le_bytes());
        self.flush(progress)
    }
}
