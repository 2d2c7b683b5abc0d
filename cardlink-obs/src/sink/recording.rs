//! Recordings: the events of a run, with what must not leave the host masked, to be replayed later without root.
//!
//! A file is a magic line, a header (JSON, with its length before it), and records. A record is a length (`u32`,
//! little endian) and an event in postcard form; a length of 0 is the end mark, which a file that was cut off lacks.

mod file;
mod progress;

pub use progress::Progress;

use super::{dialogue_mask::DialogueMask, names::Names, plain_mask::PlainMask, run_mask::RunMask};
use crate::event::{ContentNote, Data, Endpoint, Event, Plain, SqliteNote, TestNote, UsbTransfer};
use crate::protocol::{
    at::AtRedactor,
    ccid::{self, Level},
    junit,
    pcsc::{PcscRedactor, Side},
    pytest,
    sql::{Dialect, Masker},
    tls::{Place, TlsRedactor},
};
use serde::{Deserialize, Serialize};
use std::{
    borrow::Cow,
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
    names: Names,
    redactors: HashMap<u64, Redactor>,
    runs: RunMask,
    /// Of stream sockets, for what is neither TLS nor HTTP.
    dialogues: HashMap<u64, DialogueMask>,
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

enum Redactor {
    /// No byte is recorded.
    Nothing,
    At(Box<AtRedactor>),
    /// A card reader, by what it does by itself.
    Reader(Level),
    /// A connection to pcscd, or of pcscd's.
    Pcsc {
        serves: bool,
        mask: Box<PcscRedactor>,
    },
    Tls {
        wire: Box<TlsRedactor>,
        plain: Option<Box<PlainMask>>,
    },
}

impl Recorder {
    pub fn create(path: &Path, header: Header, limit: u64, names: Names) -> Result<Self, RecordingError> {
        let file = begin(path, &header).map_err(|error| RecordingError::Io(path.to_path_buf(), error))?;
        Ok(Self {
            path: path.to_path_buf(),
            file,
            header,
            limit,
            names,
            redactors: HashMap::new(),
            runs: RunMask::default(),
            dialogues: HashMap::new(),
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
        let redacted = self.redact(event);
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
                self.redactors.remove(&stream.identity);
                self.dialogues.remove(&stream.identity);
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

    /// The event with its secrets masked; `None` when it has none.
    fn redact(&mut self, event: &Event<'_>) -> Option<Event<'static>> {
        if let Event::Opened { stream, endpoint, origin, .. } = event {
            if !matches!(endpoint, Endpoint::Tty { .. } | Endpoint::Usb { .. }) {
                self.dialogues.entry(stream.identity).or_insert_with(|| DialogueMask::new(endpoint, *origin));
            }
            let (names, ciphertext) = (&self.names, self.header.ciphertext);
            self.redactors.entry(stream.identity).or_insert_with(|| match endpoint {
                Endpoint::Tty { .. } => Redactor::At(Box::default()),
                Endpoint::Unix { path, named, .. } if path.ends_with("pcscd.comm") => {
                    let names = names.clone();
                    let mask = move |serial: &[u8]| names.mask_serial(serial);
                    Redactor::Pcsc { serves: *named, mask: Box::new(PcscRedactor::new(Box::new(mask))) }
                }
                Endpoint::Unix { .. } | Endpoint::Usb { reader: None, .. } => Redactor::Nothing,
                Endpoint::Usb { reader: Some(features), .. } => Redactor::Reader(Level::of(*features)),
                Endpoint::Tcp { .. } if ciphertext => {
                    Redactor::Tls { wire: Box::new(TlsRedactor::keeping_ciphertext()), plain: None }
                }
                Endpoint::Tcp { .. } => {
                    let names = names.clone();
                    let mask = move |identity: &[u8]| names.mask(identity);
                    Redactor::Tls { wire: Box::new(TlsRedactor::new(Box::new(mask))), plain: None }
                }
            });
            return self.without_serial(event);
        }
        if let Event::Usb(transfer) = event {
            let mut bytes = transfer.bytes.clone().into_owned();
            match self.redactors.get(&transfer.stream.identity) {
                Some(Redactor::Reader(level)) => ccid::mask(*level, transfer.write, &mut bytes),
                _ => bytes.fill(0),
            }
            return Some(Event::Usb(UsbTransfer { bytes: Cow::Owned(bytes), ..transfer.clone() }));
        }
        if let Event::Reader { at, name, serial: Some(serial), there } = event {
            return Some(Event::Reader {
                at: *at,
                name: Cow::Owned(name.clone().into_owned()),
                serial: Some(Cow::Owned(self.masked(serial))),
                there: *there,
            });
        }
        if let Event::Test { at, pid, note } = event {
            let note = self.redact_test(note);
            return Some(Event::Test { at: *at, pid: *pid, note });
        }
        if let Event::Sqlite { at, pid, tid, note: SqliteNote::Prepared { enter, database, statement, code, text } } =
            event
        {
            let mut text = text.clone().into_owned();
            Masker::new(Dialect::Sqlite).mask(&mut text);
            let (enter, database, statement, code) = (*enter, *database, *statement, *code);
            let note = SqliteNote::Prepared { enter, database, statement, code, text: Cow::Owned(text) };
            return Some(Event::Sqlite { at: *at, pid: *pid, tid: *tid, note });
        }
        if let Event::Report { at, pid, bytes } = event {
            let names = &self.names;
            let bytes = junit::reduced(bytes, &mut |parameters| names.mask_parameters(parameters)).unwrap_or_default();
            return Some(Event::Report { at: *at, pid: *pid, bytes: Cow::Owned(bytes) });
        }
        if let Event::Program { at, pid, note } = event {
            return Some(Event::Program { at: *at, pid: *pid, note: self.runs.mask(*pid, note, &self.names) });
        }
        if let Event::Plain(plain) = event {
            return Some(self.redact_plain(plain));
        }
        if let Event::Content { stream, note: ContentNote::Gap { write, len }, .. } = event {
            if let Some(Redactor::Tls { plain: Some(mask), .. }) = self.redactors.get_mut(&stream.identity) {
                mask.gap(*write, *len);
            }
            return None;
        }
        if let Event::Content { stream, call, note: ContentNote::Identity(identity) } = event {
            let note = ContentNote::Identity(self.names.mask(identity));
            return Some(Event::Content { stream: *stream, call: *call, note });
        }
        if let Event::Phone { at, name, serial: Some(serial), there } = event {
            let masked = self.names.mask_serial(serial.as_bytes());
            return Some(Event::Phone {
                at: *at,
                name: Cow::Owned(name.clone().into_owned()),
                serial: Some(Cow::Owned(String::from_utf8_lossy(&masked).into_owned())),
                there: *there,
            });
        }
        if let Event::TtyNamed { at, path, name, serial: Some(serial) } = event {
            let masked = self.names.mask_serial(serial.as_bytes());
            return Some(Event::TtyNamed {
                at: *at,
                path: Cow::Owned(path.clone().into_owned()),
                name: Cow::Owned(name.clone().into_owned()),
                serial: Some(Cow::Owned(String::from_utf8_lossy(&masked).into_owned())),
            });
        }
        let Event::Data(data) = event else { return None };
        let redactor = self.redactors.get_mut(&data.stream.identity)?;
        let mut bytes = data.bytes.clone().into_owned();
        let dialogue = self.dialogues.get_mut(&data.stream.identity);
        match redactor {
            _ if dialogue.is_some_and(|dialogue| dialogue.mask(data, &mut bytes)) => {}
            Redactor::Nothing | Redactor::Reader(_) => bytes.fill(0),
            Redactor::At(at) => at.mask(data.write, data.offset, &mut bytes),
            Redactor::Pcsc { serves, mask } => {
                let side = if data.write == *serves { Side::Daemon } else { Side::Client };
                mask.mask(side, data.offset, &mut bytes);
            }
            Redactor::Tls { wire, .. } => {
                let Data { write, offset, total, record_start, .. } = *data;
                wire.mask(Place { write, offset, total, record_start }, &mut bytes);
            }
        }
        (bytes != *data.bytes).then_some(Event::Data(Data { bytes: Cow::Owned(bytes), ..*data }))
    }

    fn masked(&self, serial: &str) -> String {
        String::from_utf8_lossy(&self.names.mask_serial(serial.as_bytes())).into_owned()
    }

    /// The opening of a USB device, with its serial number masked.
    fn without_serial(&self, event: &Event<'_>) -> Option<Event<'static>> {
        let Event::Opened { at, holder, stream, endpoint, origin } = event else { return None };
        let Endpoint::Usb { name, serial: Some(serial), reader } = endpoint else { return None };
        let endpoint = Endpoint::Usb { name: name.clone(), serial: Some(self.masked(serial)), reader: *reader };
        Some(Event::Opened { at: *at, holder: *holder, stream: *stream, endpoint, origin: *origin })
    }

    /// What pytest does, with the parameters of its tests masked, and nothing of what it writes but outcomes.
    fn redact_test(&self, note: &TestNote<'_>) -> TestNote<'static> {
        let mut mask = |parameters: &str| self.names.mask_parameters(parameters);
        match note {
            TestNote::Current(value) => TestNote::Current(Cow::Owned(pytest::with_parameters(value, &mut mask))),
            TestNote::Over => TestNote::Over,
            TestNote::Output(bytes) => TestNote::Output(Cow::Borrowed(pytest::written(bytes).canonical().as_bytes())),
            TestNote::Message(bytes) => {
                let report = pytest::report(bytes).map(|report| report.masked(&mut mask)).unwrap_or_default();
                TestNote::Message(Cow::Owned(report))
            }
        }
    }

    /// Plaintext with all masked that could name a card or tell what it holds.
    fn redact_plain(&mut self, plain: &Plain<'_>) -> Event<'static> {
        let Some(Redactor::Tls { plain: mask, .. }) = self.redactors.get_mut(&plain.stream.identity) else {
            // Its opening was not recorded: its bytes are not either.
            return Event::Plain(Plain { bytes: Cow::Owned(Vec::new()), ..plain.clone() });
        };
        let names = &self.names;
        let mask = mask.get_or_insert_with(|| Box::new(PlainMask::new(plain.write, &plain.bytes, names)));
        let mut bytes = plain.bytes.clone().into_owned();
        mask.mask(plain.write, &mut bytes);
        let missing = plain.total.saturating_sub(bytes.len() as u64);
        if missing > 0 {
            mask.gap(plain.write, missing);
        }
        Event::Plain(Plain { bytes: Cow::Owned(bytes), ..plain.clone() })
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
