//! Which bytes of an argument list are secret.
//!
//! A mask sees one byte at a time and never needs a later one. What it does next depends on a secret byte only
//! through the filler that stands for it: masking what is masked changes nothing (`redact.rs` says why that matters).

/// What stands for a secret byte in an argument.
pub(super) const FILLER: u8 = b'0';

/// A run of hexadecimal digits of this length is no identifier yet: a channel, a length, a network code.
const HARMLESS_RUN: u32 = 6;
/// CLA INS P1 P2 Lc, in hexadecimal digits.
const APDU_HEADER: u32 = 10;
/// SW1 SW2, in hexadecimal digits.
const STATUS_WORD: u32 = 4;

/// How the arguments of one code are masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    /// Nothing secret: an application identifier (`+CCHO`).
    Clear,
    /// Codes that are not in a table: text in quotes, and runs of digits past an identifier's first six.
    Usual,
    /// The first arguments as usual, the others wholly.
    First(u8),
    /// Everything between quotes and commas.
    All,
    /// A length of at most three digits, or a telephone number.
    LengthOrNumber,
    /// Digits and letters of a dial string (V.250 §6.3.1).
    Dial,
    /// The C-APDU in this argument keeps its header (TS 27.007 §8.17, §8.43).
    CommandApdu(u8),
    /// The R-APDU in the second argument keeps its status word; the first argument tells its length.
    ResponseApdu,
}

/// The policy of a command's arguments, by its name without `AT`.
pub(super) fn of_command(name: &str) -> Policy {
    match name {
        "+CSIM" => Policy::CommandApdu(1),
        "+CGLA" => Policy::CommandApdu(2),
        "+CRSM" => Policy::First(5),
        "+CMSS" => Policy::First(1),
        "+CCHO" => Policy::Clear,
        "+CMGS" | "+CMGW" | "+CMGC" | "+CNMA" => Policy::LengthOrNumber,
        "+CPIN" | "+CPIN2" | "+CPWD" | "+CLCK" | "^CPIN" | "^CPIN2" | "^CLCK" | "+CPINR" | "+CUSD" | "+CGAUTH"
        | "^AUTHDATA" | "$QCPDPP" | "+CSCA" | "+CPBW" | "+CPBF" | "+CEER" | "+EGMR" | "+CCFC" | "#PASSW" | "+VTS"
        | "*CPIN" | "+QICSGP" => Policy::All,
        _ => Policy::Usual,
    }
}

/// The policy of an answer's or an unsolicited code's values.
pub(super) fn of_answer(code: &str) -> Policy {
    match code {
        "+CSIM" | "+CGLA" => Policy::ResponseApdu,
        "+CRSM" => Policy::First(2),
        "+CIMI" | "+CGSN" | "+GSN" | "+CCID" | "+ICCID" | "+QCCID" | "+CICCID" | "^ICCID" | "#CCID" | "$QCCID"
        | "+CNUM" | "+CLIP" | "+CLCC" | "+CPBR" | "+CPBF" | "+CSCA" | "+CMT" | "+CMGR" | "+CMGL" | "+CDS" | "+CBM"
        | "+CUSD" | "+CCWA" | "+COLP" | "+CDIP" | "+CCFC" | "+CGAUTH" | "^AUTHDATA" | "+CGPSINFO" | "+QGPSLOC"
        | "+CLCK" | "^CLCC" | "+CRSL" | "+CNAP" | "+CSSU" => Policy::All,
        _ => Policy::Usual,
    }
}

/// Masks an argument list.
#[derive(Debug, Clone)]
pub(super) struct Mask {
    policy: Policy,
    quoted: bool,
    argument: u8,
    /// Bytes of this argument that are not quotes.
    position: u32,
    /// The first argument is a number of at most three digits, without quotes.
    length: bool,
    /// Hexadecimal digits in a row.
    run: u32,
    /// The decimal value of the current argument, and of the first.
    value: u32,
    first: u32,
}

impl Mask {
    pub(super) const fn new(policy: Policy) -> Self {
        Self { policy, quoted: false, argument: 0, position: 0, length: true, run: 0, value: 0, first: 0 }
    }

    pub(super) const fn quoted(&self) -> bool {
        self.quoted
    }

    /// Whether there is more than one argument.
    pub(super) const fn several(&self) -> bool {
        self.argument > 0
    }

    /// Which argument comes next, counted from 0.
    pub(super) const fn argument(&self) -> u8 {
        self.argument
    }

    /// The first argument, when it can be a length: at most three digits, without quotes.
    pub(super) fn length(&self) -> Option<u32> {
        (self.length && self.first > 0).then_some(self.first)
    }

    /// The decimal value of the last argument.
    pub(super) const fn value(&self) -> u32 {
        self.value
    }

    pub(super) fn feed(&mut self, byte: u8) -> u8 {
        match byte {
            b'"' => {
                self.quoted = !self.quoted;
                self.run = 0;
                return byte;
            }
            b',' if !self.quoted => {
                self.argument = self.argument.saturating_add(1);
                (self.position, self.run, self.value) = (0, 0, 0);
                return byte;
            }
            _ => {}
        }
        self.run = if byte.is_ascii_hexdigit() { self.run.saturating_add(1) } else { 0 };
        let byte = if self.keeps(byte) { byte } else { FILLER };
        if self.argument == 0 && (self.quoted || self.position >= 3 || !byte.is_ascii_digit()) && byte != b' ' {
            self.length = false;
        }
        self.position = self.position.saturating_add(1);
        if byte.is_ascii_digit() {
            self.value = self.value.saturating_mul(10).saturating_add(u32::from(byte - b'0'));
            if self.argument == 0 {
                self.first = self.value;
            }
        }
        byte
    }

    fn keeps(&self, byte: u8) -> bool {
        let usual = !self.quoted && self.run <= HARMLESS_RUN;
        match self.policy {
            Policy::Clear => true,
            Policy::First(count) => usual && self.argument < count,
            Policy::All => !self.quoted && byte == b' ',
            Policy::LengthOrNumber => !self.quoted && self.argument == 0 && (self.position < 3 || byte == b' '),
            Policy::Dial => matches!(byte, b'*' | b'#' | b'+' | b',' | b'>' | b' '),
            Policy::CommandApdu(argument) if self.argument == argument => {
                byte.is_ascii_hexdigit() && self.position < APDU_HEADER
            }
            Policy::ResponseApdu if self.argument == 1 => {
                let from_the_end = self.first.saturating_sub(self.position);
                byte.is_ascii_hexdigit() && (1..=STATUS_WORD).contains(&from_the_end)
            }
            Policy::Usual | Policy::CommandApdu(_) | Policy::ResponseApdu => usual,
        }
    }
}
