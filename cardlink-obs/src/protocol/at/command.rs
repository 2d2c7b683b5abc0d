//! Command lines (V.250 §5.2).
//!
//! A line is `AT`, then commands: basic ones (`E0`, `S0=1`, `&F`, `D…`) one after the other, extended ones (`+NAME`,
//! and `^ # $ % * ! @` of the vendors) parted by semicolons. The scanner takes one byte at a time, keeps names and
//! drops arguments; it gives back each byte as a recording may hold it.

use super::carried::{Carried, CarriedScan};
use super::mask::{self, FILLER, Mask, Policy};

/// The label of a command whose name is none: too long, or with characters that no name has.
pub const UNNAMEABLE: &str = "AT?";
/// The longest name, `AT` included.
pub(super) const NAME_LIMIT: usize = 24;
/// The most commands of a line that are told by name.
const NAMES_LIMIT: usize = 32;
/// The most commands of a line of which is told what they carry.
const CARRIED_LIMIT: usize = 16;
/// The longest run of digits in basic commands, and the most digits in a name (`+W46`, `+DS44`): more is a number.
const DIGITS_LIMIT: u32 = 6;
const NAME_DIGITS_LIMIT: usize = 3;
/// What stands for bytes that are in no grammar; it is in none itself.
const JUNK: u8 = b'~';

/// A command line, complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// The names of its commands in order; never empty.
    pub names: Vec<String>,
    /// What those of its commands carry that carry something, in order.
    pub carried: Vec<Carried>,
    /// Tells lines apart without keeping them: computed over the masked bytes.
    pub print: Fingerprint,
    /// It asks for data after a `> ` prompt.
    pub prompts: Option<Prompts>,
    /// It asks for multiplexed mode (`AT+CMUX=…`, TS 27.010).
    pub multiplexes: bool,
    /// It asks for information: an `OK` alone is an unlikely answer.
    pub inquires: bool,
    /// What it changes in the form of answers, once it is carried out.
    pub settings: Settings,
    /// It ended with a carriage return (S3), not with a line feed alone.
    pub carriage_return: bool,
}

/// What identifies a command line and its echo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// FNV-1a.
    const START: Self = Self(0xcbf2_9ce4_8422_2325);

    const fn with(self, byte: u8) -> Self {
        Self((self.0 ^ byte as u64).wrapping_mul(0x0100_0000_01b3))
    }
}

/// How data after a prompt ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompts {
    /// A PDU of so many bytes, the service centre's address not counted, in hex; by 0x1A or ESC (TS 27.005 §4.3). In text
    /// mode the argument is a short telephone number.
    Message(u32),
    /// By 0x1A or ESC (TS 27.005 §3.5.1, §4.3).
    UntilSubstitute,
    /// After so many bytes.
    Counted(u32),
}

/// What a line asks for in `E`, `V`, `Z` and `&F` (V.250 §6.1, §6.2). The last one of a kind counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settings {
    pub echo: Option<Setting>,
    pub verbose: Option<Setting>,
    /// Of messages: `AT+CMGF` (TS 27.005 §3.2.3).
    pub text_mode: Option<Setting>,
}

impl Settings {
    const UNKNOWN: Self =
        Self { echo: Some(Setting::Unknown), verbose: Some(Setting::Unknown), text_mode: Some(Setting::Unknown) };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    Off,
    On,
    /// A stored profile: it may be either.
    Unknown,
}

/// Reads a command line after its `AT`.
#[derive(Debug, Clone)]
pub(super) struct CommandScan {
    state: State,
    names: Vec<String>,
    name: String,
    carried: Vec<Carried>,
    /// Of the command under way.
    carries: Option<CarriedScan>,
    print: Fingerprint,
    prompts: Option<Prompts>,
    multiplexes: bool,
    inquires: bool,
    settings: Settings,
}

#[derive(Debug, Clone)]
enum State {
    /// A command may begin here.
    Start,
    /// After `&` or `\`.
    Prefixed(u8),
    /// Within the value of a basic command.
    Basic {
        letter: u8,
        digits: u32,
        value: u8,
    },
    Name,
    /// After `=`.
    Equals,
    Arguments(Mask),
    /// After `?`.
    Asked,
    Dial(Mask),
    Junk,
}

impl CommandScan {
    pub(super) fn new() -> Self {
        Self {
            state: State::Start,
            names: Vec::new(),
            name: String::new(),
            carried: Vec::new(),
            carries: None,
            print: Fingerprint::START,
            prompts: None,
            multiplexes: false,
            inquires: false,
            settings: Settings::default(),
        }
    }

    /// Takes a byte of the line, its end excepted; gives it back masked.
    pub(super) fn feed(&mut self, byte: u8) -> u8 {
        let masked = self.step(byte);
        self.print = self.print.with(masked.to_ascii_uppercase());
        masked
    }

    /// The line ends.
    pub(super) fn finish(mut self, carriage_return: bool) -> CommandLine {
        self.close();
        if self.names.is_empty() {
            self.names.push("AT".to_owned());
        }
        CommandLine {
            names: self.names,
            carried: self.carried,
            print: self.print,
            prompts: self.prompts,
            multiplexes: self.multiplexes,
            inquires: self.inquires,
            settings: self.settings,
            carriage_return,
        }
    }

    pub(super) const fn print(&self) -> Fingerprint {
        self.print
    }

    fn step(&mut self, byte: u8) -> u8 {
        match &mut self.state {
            State::Start => self.begin(byte),
            State::Prefixed(prefix) => {
                let prefix = *prefix;
                if !byte.is_ascii_alphabetic() {
                    return self.junk();
                }
                let letter = byte.to_ascii_uppercase();
                self.tell(&format!("AT{}{}", char::from(prefix), char::from(letter)));
                if (prefix, letter) == (b'&', b'F') {
                    self.settings = Settings::UNKNOWN;
                }
                self.state = State::Basic { letter: 0, digits: 0, value: 0 };
                byte
            }
            State::Basic { digits, value, .. } => match byte {
                b'0'..=b'9' => {
                    *digits = digits.saturating_add(1);
                    *value = if *digits == 1 { byte - b'0' } else { u8::MAX };
                    if *digits > DIGITS_LIMIT { FILLER } else { byte }
                }
                b'=' | b'?' | b' ' => byte,
                _ => {
                    self.close();
                    self.begin(byte)
                }
            },
            State::Name => self.name(byte),
            State::Equals if byte == b'?' => {
                self.prompts = None;
                self.state = State::Asked;
                byte
            }
            State::Equals => {
                self.carries = CarriedScan::of(self.bare_name());
                self.state = State::Arguments(Mask::new(mask::of_command(self.bare_name())));
                self.step(byte)
            }
            State::Arguments(mask) | State::Dial(mask) => {
                if byte == b';' && !mask.quoted() {
                    self.close();
                    return byte;
                }
                let argument = mask.argument();
                let masked = mask.feed(byte);
                if let Some(carries) = &mut self.carries {
                    carries.feed(argument, masked);
                }
                masked
            }
            State::Asked => match byte {
                b';' => {
                    self.close();
                    byte
                }
                b' ' => byte,
                _ => self.junk(),
            },
            State::Junk => JUNK,
        }
    }

    fn begin(&mut self, byte: u8) -> u8 {
        self.state = match byte {
            b' ' | b';' => State::Start,
            b'D' | b'd' => {
                self.carries = None;
                self.tell("ATD");
                State::Dial(Mask::new(Policy::Dial))
            }
            b'&' | b'\\' => State::Prefixed(byte),
            b'+' | b'^' | b'#' | b'$' | b'%' | b'*' | b'!' | b'@' => {
                self.name.clear();
                self.name.push_str("AT");
                self.name.push(char::from(byte));
                State::Name
            }
            _ if byte.is_ascii_alphabetic() => {
                let letter = byte.to_ascii_uppercase();
                self.tell(&format!("AT{}", char::from(letter)));
                State::Basic { letter, digits: 0, value: 0 }
            }
            _ => return self.junk(),
        };
        byte
    }

    fn name(&mut self, byte: u8) -> u8 {
        let first = self.name.len() == "AT+".len();
        let digits = self.name.bytes().filter(u8::is_ascii_digit).count();
        match byte {
            b' ' => {}
            b'=' | b'?' if !first => {
                self.prompts = prompts_without_value(self.bare_name());
                self.state = if byte == b'=' { State::Equals } else { State::Asked };
                if byte == b'?' {
                    self.prompts = None;
                }
            }
            b';' if !first => self.close(),
            _ if self.name.len() >= NAME_LIMIT => return self.junk(),
            b'0'..=b'9' if !first && digits < NAME_DIGITS_LIMIT => self.name.push(char::from(byte)),
            b'_' | b'-' | b'.' | b'/' if !first => self.name.push(char::from(byte)),
            _ if byte.is_ascii_alphabetic() => self.name.push(char::from(byte.to_ascii_uppercase())),
            _ => return self.junk(),
        }
        byte
    }

    /// The rest of the line is in no grammar.
    fn junk(&mut self) -> u8 {
        match self.state {
            State::Asked | State::Basic { .. } => self.close(),
            _ => self.tell(UNNAMEABLE),
        }
        self.name.clear();
        self.state = State::Junk;
        JUNK
    }

    /// The current command ends.
    fn close(&mut self) {
        let name = std::mem::take(&mut self.name);
        match std::mem::replace(&mut self.state, State::Start) {
            State::Name if name.len() <= "AT+".len() => self.tell(UNNAMEABLE),
            State::Name => {
                let bare = name.get(2..).unwrap_or_default();
                self.prompts = prompts_without_value(bare);
                self.inquires |= always_informs(bare);
                self.tell(&name);
            }
            State::Prefixed(_) => self.tell(UNNAMEABLE),
            State::Equals => self.tell(&name),
            State::Asked => {
                self.inquires = true;
                self.tell(&name);
            }
            State::Arguments(mask) => {
                self.prompts = prompts_with_value(name.get(2..).unwrap_or_default(), &mask);
                self.multiplexes |= name == "AT+CMUX";
                if name == "AT+CMGF" {
                    self.settings.text_mode = Some(if mask.value() == 0 { Setting::Off } else { Setting::On });
                }
                let carried = self.carries.take().and_then(CarriedScan::finish);
                self.carried.extend(carried.filter(|_| self.carried.len() < CARRIED_LIMIT));
                self.tell(&name);
            }
            State::Basic { letter, value, .. } => {
                self.inquires |= letter == b'I';
                self.settings.take(letter, value);
            }
            State::Start | State::Dial(_) | State::Junk => {}
        }
    }

    fn tell(&mut self, name: &str) {
        if self.names.len() < NAMES_LIMIT {
            self.names.push(name.to_owned());
        }
    }

    fn bare_name(&self) -> &str {
        self.name.get(2..).unwrap_or_default()
    }
}

impl Settings {
    fn take(&mut self, letter: u8, value: u8) {
        let setting = match value {
            0 => Setting::Off,
            1 => Setting::On,
            _ => Setting::Unknown,
        };
        match letter {
            b'E' => self.echo = Some(setting),
            b'V' => self.verbose = Some(setting),
            b'Z' => *self = Self::UNKNOWN,
            _ => {}
        }
    }
}

/// Commands that are questions without a question mark (V.250 §6.1; TS 27.007 §5, §8.5), but those whose answer may
/// be an empty list.
fn always_informs(name: &str) -> bool {
    matches!(
        name,
        "+CSQ"
            | "+CIMI"
            | "+CGMI"
            | "+CGMM"
            | "+CGMR"
            | "+CGSN"
            | "+GMI"
            | "+GMM"
            | "+GMR"
            | "+GSN"
            | "+GCAP"
            | "+CPAS"
            | "+CCID"
            | "+QCCID"
            | "+CESQ"
            | "+CLAC"
    )
}

/// `AT+CMGW` may ask for data without an argument (TS 27.005 §3.5.3).
fn prompts_without_value(name: &str) -> Option<Prompts> {
    matches!(name, "+CMGW" | "+CMGS" | "+CMGC").then_some(Prompts::UntilSubstitute)
}

fn prompts_with_value(name: &str, mask: &Mask) -> Option<Prompts> {
    match name {
        // `AT+CNMA=n[,length]`: data follows a length only (TS 27.005 §3.4.4).
        "+CNMA" => mask.several().then_some(Prompts::UntilSubstitute),
        "+CIPSEND" | "+QISEND" if mask.value() > 0 => Some(Prompts::Counted(mask.value())),
        "+CMGS" | "+CMGW" => Some(mask.length().map_or(Prompts::UntilSubstitute, Prompts::Message)),
        "+CMGC" | "+CIPSEND" | "+QISEND" => Some(Prompts::UntilSubstitute),
        _ => None,
    }
}
