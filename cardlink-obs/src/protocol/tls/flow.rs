//! One direction of a TLS connection: bytes in, events out.

use super::alert::Alert;
use super::message::{Found, Message, MessageReader};
use super::record::{ContentType, RecordHeader, RecordReader, Skipped};

/// Something that a direction carried, told when its last byte is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wire {
    /// A handshake message in the clear.
    Message(Message),
    ChangeCipherSpec,
    /// An alert record.
    Alert {
        /// The first two bytes of the record: the alert itself if it is in the clear. `None` when they are not here.
        alert: Option<Alert>,
        /// Length of the fragment; 2 in the clear.
        len: u64,
    },
    /// A handshake record under keys: after `ChangeCipherSpec` (TLS 1.2 and before) its first one is the Finished.
    Protected {
        len: u64,
    },
    /// A handshake record of which nothing can be said, after a start in the middle or a loss.
    Opaque {
        len: u64,
    },
    /// An application data record: in TLS 1.3 also a handshake message or an alert under keys.
    ApplicationData {
        len: u64,
    },
    /// Bytes that are not here, with record headers among them.
    LeftOut {
        len: u64,
    },
    /// The bytes are not TLS records; nothing more comes until the stream says where a record starts.
    Broken,
}

/// Decodes one direction, whatever the pieces its bytes come in.
#[derive(Debug, Clone)]
pub struct Flow {
    records: RecordReader,
    messages: MessageReader,
    record: Option<RecordHeader>,
    /// The first bytes of an alert.
    head: [u8; 2],
    head_len: usize,
    /// They are not all here.
    head_gap: bool,
    /// An `Opaque` was found in this record.
    opaque: bool,
    protected: bool,
    left_out: Option<u64>,
}

impl Flow {
    /// `from_start`: the first byte fed is the first byte of the connection in this direction.
    pub fn new(from_start: bool) -> Self {
        Self {
            records: RecordReader::default(),
            messages: MessageReader::new(from_start),
            record: None,
            head: [0; 2],
            head_len: 0,
            head_gap: false,
            opaque: false,
            protected: false,
            left_out: None,
        }
    }

    /// Says that handshake records of this direction are under keys from here on, or are not.
    pub const fn set_protected(&mut self, protected: bool) {
        self.protected = protected;
    }

    pub const fn is_protected(&self) -> bool {
        self.protected
    }

    /// Where records start is not known (any more).
    pub const fn is_lost(&self) -> bool {
        self.records.is_lost()
    }

    /// The next byte starts a record.
    pub const fn at_boundary(&self) -> bool {
        self.records.at_boundary()
    }

    /// Bytes that are not here; the events that they complete come out of [`Flow::next`] with no input. `lost`: they
    /// are not known to be application data.
    pub fn skip(&mut self, len: u64, resync: bool, lost: bool) {
        match self.records.skip(len, resync) {
            Skipped::Within if self.in_message() => self.messages.gap(len),
            Skipped::Within => self.head_gap |= self.head_len < self.head.len() && len > 0,
            Skipped::Across => {
                self.record = None;
                if lost {
                    self.messages.lose();
                } else {
                    self.left_out = Some(len);
                }
            }
        }
    }

    /// The next event; `None` when `input` is used up.
    pub fn next(&mut self, input: &mut &[u8]) -> Option<Wire> {
        if let Some(len) = self.left_out.take() {
            return Some(Wire::LeftOut { len });
        }
        loop {
            let Some(remaining) = self.records.remaining() else {
                match self.records.header(input) {
                    Ok(Some(header)) => self.begin(header),
                    Ok(None) => {
                        *input = &[];
                        return None;
                    }
                    Err(_) => return Some(Wire::Broken),
                }
                continue;
            };
            if let Some(event) = self.body(input, remaining) {
                return Some(event);
            }
            if self.records.remaining() == Some(0) {
                if let Some(event) = self.end() {
                    return Some(event);
                }
            } else if input.is_empty() {
                return None;
            }
        }
    }

    fn begin(&mut self, header: RecordHeader) {
        self.record = Some(header);
        self.head_len = 0;
        self.head = [0; 2];
        self.head_gap = false;
        self.opaque = false;
        if self.in_message() {
            self.messages.begin_record();
        }
    }

    /// The current record has handshake messages in the clear.
    fn in_message(&self) -> bool {
        !self.protected && self.record.is_some_and(|record| record.content == ContentType::HANDSHAKE)
    }

    fn body(&mut self, input: &mut &[u8], remaining: u64) -> Option<Wire> {
        let available = usize::try_from(remaining).map_or(input.len(), |remaining| remaining.min(input.len()));
        let (mut body, _) = input.split_at_checked(available)?;
        let mut event = None;
        if self.in_message() {
            match self.messages.next(&mut body, remaining) {
                Some(Found::Message(message)) => event = Some(Wire::Message(message)),
                Some(Found::Opaque) => self.opaque = true,
                None => {}
            }
        } else {
            for (slot, byte) in self.head.iter_mut().skip(self.head_len).zip(body) {
                *slot = *byte;
                self.head_len += 1;
            }
            body = &[];
        }
        let taken = available - body.len();
        self.records.take(taken as u64);
        *input = input.get(taken..).unwrap_or_default();
        event
    }

    fn end(&mut self) -> Option<Wire> {
        self.records.finish();
        let record = self.record.take()?;
        let len = u64::from(record.len);
        match record.content {
            ContentType::HANDSHAKE if self.protected => Some(Wire::Protected { len }),
            ContentType::HANDSHAKE if self.opaque => Some(Wire::Opaque { len }),
            ContentType::CHANGE_CIPHER_SPEC => Some(Wire::ChangeCipherSpec),
            ContentType::ALERT if len >= 2 => {
                Some(Wire::Alert { alert: (!self.head_gap).then(|| Alert::new(self.head)), len })
            }
            ContentType::APPLICATION_DATA => Some(Wire::ApplicationData { len }),
            _ => None,
        }
    }
}
