//! What a recording must not hold is masked before it is written: each stream by what is spoken there.

use super::{dialogue_mask::DialogueMask, plain_mask::PlainMask, run_mask::RunMask};
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
use crate::sink::names::Names;
use std::{borrow::Cow, collections::HashMap};

/// The masks of all that is under way.
pub(super) struct Masks {
    names: Names,
    /// TLS is kept as it is on the wire.
    ciphertext: bool,
    streams: HashMap<u64, Redactor>,
    runs: RunMask,
    /// Of stream sockets, for what is neither TLS nor HTTP.
    dialogues: HashMap<u64, DialogueMask>,
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

impl Masks {
    pub fn new(names: Names, ciphertext: bool) -> Self {
        Self { names, ciphertext, streams: HashMap::new(), runs: RunMask::default(), dialogues: HashMap::new() }
    }

    /// A stream has ended.
    pub fn forget(&mut self, identity: u64) {
        self.streams.remove(&identity);
        self.dialogues.remove(&identity);
    }

    /// The event with its secrets masked; `None` when it has none.
    pub fn redact(&mut self, event: &Event<'_>) -> Option<Event<'static>> {
        if let Event::Opened { stream, endpoint, origin, .. } = event {
            if !matches!(endpoint, Endpoint::Tty { .. } | Endpoint::Usb { .. }) {
                self.dialogues
                    .entry(stream.identity)
                    .or_insert_with(|| DialogueMask::new(endpoint, *origin, self.names.clone()));
            }
            let (names, ciphertext) = (&self.names, self.ciphertext);
            self.streams.entry(stream.identity).or_insert_with(|| match endpoint {
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
            match self.streams.get(&transfer.stream.identity) {
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
            if let Some(Redactor::Tls { plain: Some(mask), .. }) = self.streams.get_mut(&stream.identity) {
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
        let redactor = self.streams.get_mut(&data.stream.identity)?;
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
        let Some(Redactor::Tls { plain: mask, .. }) = self.streams.get_mut(&plain.stream.identity) else {
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
}
