//! Recordings: the events of a run, with what must not leave the host masked, to be replayed later without root.
//!
//! A file is a magic line, a header (JSON, with its length before it), and records. A record is a length (`u32`,
//! little endian) and an event in postcard form; a length of 0 is the end mark, which a file that was cut off lacks.

mod dialogue_mask;
mod file;
mod mask;
mod plain_mask;
mod progress;
mod run_mask;

pub use progress::Progress;

use super::names::Names;
use crate::event::Event;
use mask::Masks;
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

const MAGIC: &[u8; 16] = b"cardlink-record\n";
/// Version of the format that is written; older ones are still read.
pub const VERSION: u32 = 2;
const OLDEST: u32 = 1;
/// A header or event beyond this is not one of ours.
const MAX_RECORD: u32 = 1 << 20;

/// What a recording says of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Header {
    pub version: u32,
    /// The agent that wrote it.
    pub agent: String,
    pub host: String,
    pub kernel: String,
    /// Nanoseconds of the epoch at boot, as a decimal number.
    pub boot: String,
    /// The kernel's name for that boot: identities of traces are made from it.
    #[serde(default)]
    pub boot_id: String,
    /// 1 for the first file of a recording, counted up by rotation.
    pub part: u32,
    /// It holds the application data as they were on the wire, instead of what was read of them.
    #[serde(default)]
    pub ciphertext: bool,
}

impl Header {
    pub fn boot_nanos(&self) -> i128 {
        self.boot.parse().unwrap_or(0)
    }
}

/// Why a recording cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    #[error("the recording {path}: {error}", path = .0.display(), error = .1)]
    Io(PathBuf, io::Error),
    #[error("the recording {path} is not complete, {lost} events are not in it: {error}", path = .path.display())]
    Lost { path: PathBuf, lost: u64, error: io::Error },
    #[error("{path} is empty: nothing was recorded into it", path = .0.display())]
    Empty(PathBuf),
    #[error("{path} is cut off before its first event: the run that wrote it was ended at once, or the disk was full", path = .0.display())]
    Headless(PathBuf),
    #[error("{path} is not a recording of cardlink-obs", path = .0.display())]
    Foreign(PathBuf),
    #[error("{path} was written in format {found}, this agent reads {OLDEST} to {VERSION}: use a newer cardlink-obs", path = .path.display())]
    Version { path: PathBuf, found: u32 },
    #[error("{path} ends in the middle, after {events} events: it was cut off, or is still being written", path = .path.display())]
    Truncated { path: PathBuf, events: u64 },
    #[error("{path} is damaged after {events} events: {reason}", path = .path.display())]
    Damaged { path: PathBuf, events: u64, reason: String },
}

/// Writes a recording.
pub struct Recorder {
    path: PathBuf,
    file: file::Writer,
    header: Header,
    /// Bytes of one file; when it is reached the file becomes `PATH.1` and a new one begins. 0 for no limit.
    limit: u64,
    masks: Masks,
    /// The events that tell what is open: a new file begins with them.
    standing: HashMap<Standing, Vec<u8>>,
    buffer: Vec<u8>,
    failed: Option<io::Error>,
    progress: Arc<Progress>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Standing {
    Process(u32),
    Tty(String),
    Stream(u64),
}

impl Standing {
    /// Which are told first.
    const fn rank(&self) -> u8 {
        match self {
            Self::Process(_) => 0,
            Self::Tty(_) => 1,
            Self::Stream(_) => 2,
        }
    }
}

impl Recorder {
    pub fn create(path: &Path, header: Header, limit: u64, names: Names) -> Result<Self, RecordingError> {
        let file = begin(path, &header).map_err(|error| RecordingError::Io(path.to_path_buf(), error))?;
        Ok(Self {
            path: path.to_path_buf(),
            file,
            masks: Masks::new(names, header.ciphertext),
            header,
            limit,
            standing: HashMap::new(),
            buffer: Vec::new(),
            failed: None,
            progress: Arc::default(),
        })
    }

    /// How it goes, for who looks after it.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Writes one event. The first error ends the recording: it is told at once in the log, and again by
    /// [`Recorder::finish`].
    pub fn take(&mut self, event: &Event<'_>) {
        if self.failed.is_some() {
            self.progress.lost(1);
            return;
        }
        if let Err(error) = self.write(event) {
            self.fail(error);
        }
    }

    /// Hands what waits to the kernel, when some has waited for a second: a run that is killed loses no more.
    pub fn flush_when_due(&mut self, now: Instant) {
        if self.failed.is_none()
            && self.file.is_due(now)
            && let Err(error) = self.file.flush(&self.progress)
        {
            self.fail(error);
        }
    }

    fn fail(&mut self, error: io::Error) {
        let path = self.path.display();
        tracing::error!("the recording {path}: {error}; it ends here, and what comes from now on is not recorded");
        self.progress.fail(error.to_string());
        self.failed = Some(error);
    }

    fn write(&mut self, event: &Event<'_>) -> io::Result<()> {
        let redacted = self.masks.redact(event);
        let event = redacted.as_ref().unwrap_or(event);
        self.buffer.clear();
        let encoded = postcard::to_extend(event, std::mem::take(&mut self.buffer)).map_err(io::Error::other)?;
        self.buffer = encoded;
        self.note_standing(event);
        self.file.put(&self.buffer, true, &self.progress)?;
        if self.limit > 0 && self.file.events_len() >= self.limit {
            self.rotate()?;
        }
        Ok(())
    }

    fn note_standing(&mut self, event: &Event<'_>) {
        match event {
            Event::ProcessSeen { pid, .. } => {
                self.standing.insert(Standing::Process(*pid), self.buffer.clone());
            }
            Event::ProcessEnded { pid, .. } => {
                self.standing.remove(&Standing::Process(*pid));
            }
            Event::Opened { stream, .. } => {
                self.standing.insert(Standing::Stream(stream.identity), self.buffer.clone());
            }
            Event::TtyNamed { path, .. } => {
                self.standing.insert(Standing::Tty(path.clone().into_owned()), self.buffer.clone());
            }
            Event::TtyGone { path, .. } => {
                self.standing.remove(&Standing::Tty(path.clone().into_owned()));
            }
            Event::Closed { stream, last: true, .. } => {
                self.standing.remove(&Standing::Stream(stream.identity));
                self.masks.forget(stream.identity);
            }
            _ => {}
        }
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.file.end(&self.progress)?;
        let mut old = self.path.clone().into_os_string();
        old.push(".1");
        fs::rename(&self.path, &old)?;
        self.header.part += 1;
        self.file = begin(&self.path, &self.header)?;
        for rank in 0..=2 {
            for (_, bytes) in self.standing.iter().filter(|(standing, _)| standing.rank() == rank) {
                self.file.put(bytes, false, &self.progress)?;
            }
        }
        Ok(())
    }

    /// Ends the recording; says how it went.
    pub fn finish(mut self) -> Result<(), RecordingError> {
        let error = match self.failed.take() {
            Some(error) => error,
            None => match self.file.end(&self.progress) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            },
        };
        Err(RecordingError::Lost { path: self.path, lost: self.progress.counts().lost, error })
    }
}

fn begin(path: &Path, header: &Header) -> io::Result<file::Writer> {
    file::Writer::create(path, MAGIC, &serde_json::to_vec(header)?)
}

/// Reads a recording.
pub struct Recording {
    path: PathBuf,
    file: BufReader<File>,
    pub header: Header,
    events: u64,
    buffer: Vec<u8>,
}

impl Recording {
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        let io = |error| RecordingError::Io(path.to_path_buf(), error);
        let foreign = || RecordingError::Foreign(path.to_path_buf());
        let mut file = BufReader::with_capacity(1 << 18, File::open(path).map_err(io)?);
        let mut magic = Vec::new();
        (&mut file).take(MAGIC.len() as u64).read_to_end(&mut magic).map_err(io)?;
        if magic.is_empty() {
            return Err(RecordingError::Empty(path.to_path_buf()));
        }
        if !MAGIC.starts_with(&magic) {
            return Err(foreign());
        }
        let mut buffer = Vec::new();
        match next_record(&mut file, &mut buffer) {
            Ok(true) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(RecordingError::Headless(path.to_path_buf()));
            }
            _ => return Err(foreign()),
        }
        let header: Header = serde_json::from_slice(&buffer).map_err(|_| foreign())?;
        if !(OLDEST..=VERSION).contains(&header.version) {
            return Err(RecordingError::Version { path: path.to_path_buf(), found: header.version });
        }
        Ok(Self { path: path.to_path_buf(), file, header, events: 0, buffer })
    }

    /// The next event; `None` at the end.
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, RecordingError> {
        match next_record(&mut self.file, &mut self.buffer) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(RecordingError::Truncated { path: self.path.clone(), events: self.events });
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(RecordingError::Damaged {
                    path: self.path.clone(),
                    events: self.events,
                    reason: error.to_string(),
                });
            }
            Err(error) => return Err(RecordingError::Io(self.path.clone(), error)),
        }
        self.events += 1;
        match postcard::from_bytes(&self.buffer) {
            Ok(event) => Ok(Some(event)),
            // What the decoder says of it speaks of types, not of the file.
            Err(_) => Err(RecordingError::Damaged {
                path: self.path.clone(),
                events: self.events - 1,
                reason: String::from("what follows is no event"),
            }),
        }
    }

    pub const fn events(&self) -> u64 {
        self.events
    }
}

/// Reads a record into `buffer`; `false` at the end mark.
fn next_record(file: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<bool> {
    let mut len = [0; 4];
    file.read_exact(&mut len)?;
    let len = u32::from_le_bytes(len);
    if len == 0 {
        return Ok(false);
    }
    if len > MAX_RECORD {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a record of an impossible length"));
    }
    buffer.resize(len as usize, 0);
    file.read_exact(buffer)?;
    Ok(true)
}

#[cfg(test)]
#[path = "recording_tests.rs"]
mod tests;
