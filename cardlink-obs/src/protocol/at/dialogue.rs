//! Both directions together.
//!
//! What is written after a prompt is data, what follows `CONNECT` is not AT, and whether `0` is an answer depends on
//! `ATV0`: each direction needs a little of the other. Time plays no part here; `track::at` adds it.

use super::answer::{Context, Heard, Line, Reader};
use super::command::{CommandLine, CommandScan, Prompts, Setting};
use super::detect::{AtVerdict, Detection};
use super::mask::FILLER;
use crate::observation::AtResult;
use crate::protocol::sms::{Message, SubmitScan};

/// The longest command line, with room for an extended APDU in hexadecimal digits (TS 27.007 §8.17); a longer one is none.
const LINE_LIMIT: usize = 2 * 0x1_0000 + 4096;
/// Answers that the modem may owe before they are no longer counted.
const OUTSTANDING_LIMIT: u32 = 8;
/// Stands for bytes that are neither command nor data; it begins neither.
const STRAY: u8 = b'~';
const SUBSTITUTE: u8 = 0x1A;
const ESCAPE: u8 = 0x1B;

/// What a written byte completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    Command(CommandLine),
    /// The data after a prompt.
    Data {
        /// It was ended to be sent or stored, not to be given up.
        sent: bool,
        /// What it is, where it is an SMS-SUBMIT PDU.
        message: Option<Message>,
    },
}

/// What the line carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    Command,
    /// After `CONNECT`, until `NO CARRIER` or `+++` and `OK`; a transfer (`call` is false: the command was none of
    /// those that set up a call) also ends with the next final result code.
    Data {
        call: bool,
    },
    /// After `AT+CMUX=…` (TS 27.010), until the tty is closed.
    Multiplexed,
}

/// The state of a dialogue.
#[derive(Debug, Clone)]
pub struct Dialogue {
    mode: Mode,
    writer: Writer,
    reader: Reader,
    /// Commands written and not answered, as far as can be told without time.
    outstanding: u32,
    /// The last command, while it is not answered, asks for data.
    prompts: Option<Prompts>,
    /// A prompt came before the write of its command returned.
    early_prompt: bool,
    last: Option<CommandLine>,
    /// `+` in a row, at the end of what was written in data mode.
    pluses: u8,
    numeric: Option<bool>,
    /// Messages are text and not PDUs, as far as it is known.
    text_mode: bool,
    detection: Detection,
}

#[derive(Debug, Clone)]
enum Writer {
    Start,
    /// `+` at the start of a line: `+++` when the modem was in data mode unseen.
    Pluses(u8),
    Letter,
    Command {
        scan: CommandScan,
        length: usize,
    },
    Stray,
    Data(Content),
}

/// How far the data after a prompt are.
#[derive(Debug, Clone)]
enum Content {
    Counted(u32),
    Text,
    Pdu(Box<SubmitScan>),
}

impl Content {
    /// Takes a byte; gives it back masked, and says whether it was the last, and then whether the data are sent.
    fn feed(&mut self, byte: u8) -> (u8, Option<bool>) {
        match (self, byte) {
            (Self::Counted(left), _) => {
                *left = left.saturating_sub(1);
                (FILLER, (*left == 0).then_some(true))
            }
            (_, SUBSTITUTE | ESCAPE) => (byte, Some(byte == SUBSTITUTE)),
            (Self::Text, b'\r' | b'\n') => (byte, None),
            (Self::Text, _) => (FILLER, None),
            (Self::Pdu(scan), _) => (scan.feed(byte), None),
        }
    }

    fn message(&self) -> Option<Message> {
        match self {
            Self::Pdu(scan) => scan.finish(),
            Self::Counted(_) | Self::Text => None,
        }
    }
}

impl Default for Dialogue {
    fn default() -> Self {
        Self::new()
    }
}

impl Dialogue {
    pub fn new() -> Self {
        Self {
            mode: Mode::Command,
            writer: Writer::Start,
            reader: Reader::new(),
            outstanding: 0,
            prompts: None,
            early_prompt: false,
            last: None,
            pluses: 0,
            numeric: None,
            text_mode: false,
            detection: Detection::default(),
        }
    }

    pub fn verdict(&self) -> AtVerdict {
        self.detection.verdict()
    }

    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Bytes that were written are missing.
    pub fn tear_written(&mut self) {
        if !matches!(self.writer, Writer::Data(_)) {
            self.writer = Writer::Stray;
        }
        self.pluses = 0;
    }

    /// Bytes that were read are missing.
    pub fn tear_read(&mut self) {
        self.reader.tear();
    }

    /// Takes a byte that the program wrote; gives it back as a recording may hold it.
    pub fn write(&mut self, byte: u8) -> (u8, Option<Written>) {
        match self.mode {
            Mode::Command => self.write_command(byte),
            Mode::Data { .. } => {
                self.pluses = if byte == b'+' { self.pluses.saturating_add(1) } else { 0 };
                (if byte == b'+' { byte } else { STRAY }, None)
            }
            Mode::Multiplexed => (STRAY, None),
        }
    }

    /// Takes a byte that the program read.
    pub fn read(&mut self, byte: u8) -> Heard {
        self.detection.read_byte();
        if self.mode == Mode::Multiplexed {
            return Heard { masked: STRAY, begins: false, trails: false, line: None };
        }
        let number = self.reader.in_digits();
        let headed = self.reader.headed();
        let context = Context { data: self.mode != Mode::Command, numeric: self.numeric };
        let mut heard = self.reader.feed(byte, context);
        if headed
            && matches!(heard.line, Some(Line::Code(_) | Line::Returned(..) | Line::Digit(_) | Line::Text))
            && self.numeric.is_none()
        {
            self.numeric = Some(false);
        }
        heard.line = heard.line.and_then(|line| self.hear(line, number));
        heard
    }

    fn write_command(&mut self, byte: u8) -> (u8, Option<Written>) {
        match &mut self.writer {
            Writer::Start => (self.begin(byte), None),
            Writer::Pluses(count) => match (byte, *count) {
                (b'+', _) => {
                    *count = count.saturating_add(1);
                    (byte, None)
                }
                (b'\r' | b'\n', _) | (_, 3) => (self.begin(byte), None),
                _ => (self.stray(byte), None),
            },
            Writer::Letter => match byte {
                b'T' | b't' => {
                    self.writer = Writer::Command { scan: CommandScan::new(), length: 2 };
                    (byte, None)
                }
                b'/' => {
                    self.writer = Writer::Start;
                    let repeated = self.last.clone().unwrap_or_else(|| {
                        let mut line = CommandScan::new().finish(true);
                        line.names = vec!["A/".to_owned()];
                        line
                    });
                    (byte, Some(self.command(repeated)))
                }
                _ => (self.stray(byte), None),
            },
            Writer::Command { scan, length } => {
                if matches!(byte, b'\r' | b'\n') {
                    let line = std::mem::replace(scan, CommandScan::new()).finish(byte == b'\r');
                    self.writer = Writer::Start;
                    return (byte, Some(self.command(line)));
                }
                *length += 1;
                if *length > LINE_LIMIT {
                    return (self.stray(STRAY), None);
                }
                (scan.feed(byte), None)
            }
            Writer::Stray => {
                if matches!(byte, b'\r' | b'\n') {
                    self.detection.stray_line();
                    self.writer = Writer::Start;
                    return (byte, None);
                }
                self.detection.stray_byte();
                (STRAY, None)
            }
            Writer::Data(content) => {
                let (masked, ended) = content.feed(byte);
                let written = ended.map(|sent| Written::Data { sent, message: content.message() });
                if written.is_some() {
                    self.writer = Writer::Start;
                    self.prompts = None;
                }
                (masked, written)
            }
        }
    }

    /// The first byte of a line. What programs send to get an answer out of a modem in any state is passed over.
    fn begin(&mut self, byte: u8) -> u8 {
        self.writer = match byte {
            b'\r' | b'\n' | b' ' | b'\t' | 0 | SUBSTITUTE | ESCAPE => Writer::Start,
            b'A' | b'a' => Writer::Letter,
            b'+' => Writer::Pluses(1),
            _ => return self.stray(byte),
        };
        byte
    }

    /// A byte that no command has here: data that did not wait for its prompt, or something else than AT.
    fn stray(&mut self, byte: u8) -> u8 {
        let ends = matches!(byte, b'\r' | b'\n');
        let open_ended = matches!(self.prompts, Some(Prompts::UntilSubstitute | Prompts::Message(_)));
        if open_ended && !matches!(self.writer, Writer::Command { .. }) {
            let mut content = self.content();
            let (masked, _) = content.feed(byte);
            self.writer = Writer::Data(content);
            return masked;
        }
        self.writer = Writer::Start;
        if ends {
            self.detection.stray_line();
            return byte;
        }
        self.writer = Writer::Stray;
        self.detection.stray_byte();
        STRAY
    }

    fn command(&mut self, line: CommandLine) -> Written {
        self.detection.command(line.carriage_return);
        self.outstanding = (self.outstanding + 1).min(OUTSTANDING_LIMIT);
        self.prompts = line.prompts;
        match line.settings.verbose {
            Some(Setting::Off) => self.numeric = Some(true),
            Some(Setting::On) => self.numeric = Some(false),
            Some(Setting::Unknown) => self.numeric = None,
            None => {}
        }
        match line.settings.text_mode {
            Some(Setting::Off) => self.text_mode = false,
            Some(Setting::On) => self.text_mode = true,
            // PDUs are the default (TS 27.005 §3.2.3); who is not sure takes all for text.
            Some(Setting::Unknown) | None => {}
        }
        if std::mem::take(&mut self.early_prompt) && line.prompts.is_some() {
            self.data_follows();
        }
        self.last = Some(line.clone());
        Written::Command(line)
    }

    fn data_follows(&mut self) {
        self.writer = Writer::Data(self.content());
    }

    /// What the last command asks for.
    fn content(&self) -> Content {
        match self.prompts {
            Some(Prompts::Counted(count)) => Content::Counted(count),
            Some(Prompts::Message(_)) if !self.text_mode => Content::Pdu(Box::default()),
            Some(Prompts::Message(_) | Prompts::UntilSubstitute) | None => Content::Text,
        }
    }

    /// What a line means for both directions; gives it back unless it is of no concern to a tracker.
    fn hear(&mut self, line: Line, number: bool) -> Option<Line> {
        if let Mode::Data { call } = self.mode {
            let Line::Final(result) = &line else { return None };
            let over = *result == AtResult::NoCarrier;
            if over || (*result != AtResult::Connect && (!call || self.pluses == 3)) {
                self.mode = Mode::Command;
                self.writer = Writer::Start;
                self.pluses = 0;
            }
            return over.then_some(line);
        }
        self.early_prompt = line == Line::Prompt && self.outstanding == 0;
        match &line {
            Line::Prompt if self.outstanding > 0 => {
                self.detection.answered();
                if matches!(self.writer, Writer::Start) {
                    self.data_follows();
                }
            }
            Line::Final(result) => {
                if self.outstanding > 0 {
                    self.detection.answered();
                }
                self.ended(result, number);
            }
            _ => {}
        }
        Some(line)
    }

    fn ended(&mut self, result: &AtResult, number: bool) {
        self.numeric = Some(number);
        self.prompts = None;
        if matches!(self.writer, Writer::Data(_)) {
            self.writer = Writer::Start;
        }
        let line = self.last.as_ref().filter(|_| self.outstanding > 0);
        self.outstanding = self.outstanding.saturating_sub(1);
        match result {
            AtResult::Connect => {
                let calls = |name: &String| matches!(name.as_str(), "ATD" | "ATA" | "ATO" | "AT+CGDATA");
                self.mode = Mode::Data { call: line.is_none_or(|line| line.names.iter().any(calls)) };
                self.pluses = 0;
            }
            AtResult::Ok if line.is_some_and(|line| line.multiplexes) => self.mode = Mode::Multiplexed,
            _ => {}
        }
    }
}
