//! The built-in commands (ITU-T V.250, 3GPP TS 27.007, TS 27.005).

use super::answer::{Answer, Final};
use super::line::{Command, Form};
use super::sim;
use super::uicc::{ICCID, IMSI, Uicc};

pub const IMEI: &str = "490154203237518";

/// What commands change.
#[derive(Debug)]
pub struct State {
    pub echo: bool,
    pub verbose: bool,
    pub cmee: u8,
    pub uicc: Uicc,
    /// `AT+CMGF`: 1 for text mode.
    text_mode: bool,
    creg: u8,
    cfun: u8,
    charset: String,
    message_reference: u8,
    /// Messages in the store: places count from 1.
    stored: u32,
}

impl State {
    pub fn new(echo: bool) -> Self {
        Self {
            echo,
            verbose: true,
            cmee: 0,
            uicc: Uicc::default(),
            text_mode: false,
            creg: 0,
            cfun: 1,
            charset: "GSM".to_owned(),
            message_reference: 0,
            stored: 0,
        }
    }

    /// A message is on its way.
    pub fn sent(&mut self, name: &str) -> Answer {
        self.message_reference = self.message_reference.wrapping_add(1);
        Answer::line(format!("{name}: {}", self.message_reference))
    }

    /// `AT+CMGW` has its data.
    pub fn stored(&mut self) -> Answer {
        self.stored += 1;
        Answer::line(format!("+CMGW: {}", self.stored))
    }

    /// Without `AT+CMEE=1` an error has no number.
    fn cme(&self, number: u16) -> Answer {
        Answer::result(if self.cmee == 0 { Final::Error } else { Final::Cme(number) })
    }
}

const NOT_SUPPORTED: u16 = 4;
const WRONG_PARAMETERS: u16 = 50;

pub fn answer(state: &mut State, command: &Command) -> Answer {
    match (command.name.as_str(), &command.form) {
        ("" | "&F" | "&C" | "&D" | "&W" | "X" | "L" | "M" | "Q" | "H" | "B" | "P" | "T", _)
        | ("+CMUX", Form::Set(_)) => Answer::ok(),
        ("Z", _) => {
            let uicc = std::mem::take(&mut state.uicc);
            *state = State { uicc, ..State::new(true) };
            Answer::ok()
        }
        ("E", form) => switch(&mut state.echo, form),
        ("V", form) => switch(&mut state.verbose, form),
        ("I", _) => Answer::lines(
            ["Cardlink", "Lab Modem", "Revision: 1.0", &format!("IMEI: {IMEI}")].map(String::from).to_vec(),
        ),
        // A data call; all others end at once.
        ("D", Form::Set(number)) if number.starts_with("*99") => {
            Answer::result(Final::Text("CONNECT 150000000".to_owned()))
        }
        ("D", _) => Answer::result(Final::Text("NO CARRIER".to_owned())),
        (name, Form::Read) if name.starts_with('S') => Answer::line("000"),
        (name, _) if name.starts_with('S') => Answer::ok(),
        ("+CMEE", Form::Set(level)) => match level.trim().parse() {
            Ok(level @ 0..=2) => {
                state.cmee = level;
                Answer::ok()
            }
            _ => state.cme(WRONG_PARAMETERS),
        },
        ("+CMEE", Form::Read) => Answer::line(format!("+CMEE: {}", state.cmee)),
        ("+CMEE", Form::Test) => Answer::line("+CMEE: (0-2)"),
        (name, form) => identity(name, form)
            .or_else(|| network(state, name, form))
            .or_else(|| messages(state, name, form))
            .or_else(|| sim::answer(&mut state.uicc, name, form))
            .unwrap_or_else(|| state.cme(NOT_SUPPORTED)),
    }
}

fn switch(what: &mut bool, form: &Form) -> Answer {
    match form {
        Form::Plain => *what = false,
        Form::Set(value) if matches!(value.as_str(), "0" | "1") => *what = value == "1",
        _ => return Answer::result(Final::Error),
    }
    Answer::ok()
}

fn identity(name: &str, form: &Form) -> Option<Answer> {
    let text = match name {
        "+CGMI" | "+GMI" => "Cardlink",
        "+CGMM" | "+GMM" => "Lab Modem",
        "+CGMR" | "+GMR" => "1.0",
        "+CGSN" | "+GSN" => IMEI,
        "+CIMI" => IMSI,
        "+CCID" | "+ICCID" => {
            return Some(if *form == Form::Test { Answer::ok() } else { Answer::line(format!("{name}: {ICCID}")) });
        }
        _ => return None,
    };
    Some(if *form == Form::Plain { Answer::line(text) } else { Answer::ok() })
}

fn network(state: &mut State, name: &str, form: &Form) -> Option<Answer> {
    Some(match (name, form) {
        ("+CSQ", Form::Plain) => Answer::line("+CSQ: 21,99"),
        ("+CREG" | "+CGREG" | "+CEREG", Form::Read) if state.creg == 2 => {
            Answer::line(format!(r#"{name}: 2,1,"00C3","0000A1B2",7"#))
        }
        ("+CREG" | "+CGREG" | "+CEREG", Form::Read) => Answer::line(format!("{name}: {},1", state.creg)),
        ("+CREG" | "+CGREG" | "+CEREG", Form::Set(level)) => match level.trim().parse() {
            Ok(level @ 0..=2) => {
                state.creg = level;
                Answer::ok()
            }
            _ => state.cme(WRONG_PARAMETERS),
        },
        ("+CREG" | "+CGREG" | "+CEREG", Form::Test) => Answer::line(format!("{name}: (0-2)")),
        ("+COPS", Form::Read) => Answer::line(r#"+COPS: 0,0,"Lab Net",7"#),
        ("+COPS", Form::Test) => {
            Answer::line(r#"+COPS: (2,"Lab Net","Lab","26201",7),(1,"Other Net","Other","26202",2),,(0-4),(0-2)"#)
        }
        ("+CGATT", Form::Read) => Answer::line("+CGATT: 1"),
        ("+CFUN", Form::Read) => Answer::line(format!("+CFUN: {}", state.cfun)),
        ("+CFUN", Form::Set(level)) => match level.split(',').next().unwrap_or_default().trim().parse() {
            Ok(level @ (0 | 1 | 4)) => {
                state.cfun = level;
                Answer::ok()
            }
            _ => state.cme(WRONG_PARAMETERS),
        },
        ("+CBC", _) => Answer::line("+CBC: 0,100"),
        ("+CCLK", Form::Read) => Answer::line(r#"+CCLK: "24/01/01,12:00:00+00""#),
        ("+CPAS", _) => Answer::line("+CPAS: 0"),
        ("+CLCK", Form::Set(_)) => Answer::line("+CLCK: 0"),
        ("+CNUM", Form::Plain) => Answer::line(r#"+CNUM: "","+491701234567",145"#),
        ("+CSCS", Form::Test) => Answer::line(r#"+CSCS: ("GSM","IRA","UCS2")"#),
        ("+CSCS", Form::Read) => Answer::line(format!("+CSCS: \"{}\"", state.charset)),
        ("+CSCS", Form::Set(name)) => {
            name.trim_matches('"').clone_into(&mut state.charset);
            Answer::ok()
        }
        ("+CPIN", Form::Read) => Answer::line("+CPIN: READY"),
        ("+CPIN", Form::Set(pin)) if pin.trim_matches('"') == "1234" => Answer::ok(),
        ("+CPIN", Form::Set(_)) => state.cme(16),
        ("+CPBS", Form::Read) => Answer::line(r#"+CPBS: "SM",0,100"#),
        ("+CPBS", Form::Test) => Answer::line(r#"+CPBS: ("SM")"#),
        ("+CPBR", Form::Test) => Answer::line("+CPBR: (1-100),40,16"),
        (
            "+COPS" | "+CPBR" | "+CGATT" | "+CCLK" | "+CPBS" | "+CLIP" | "+CRC" | "+CMER" | "+CUSD" | "+CSSN" | "+CCWA"
            | "+CLIR" | "+CMUT" | "+CTZR" | "+CTZU",
            Form::Set(_),
        ) => Answer::ok(),
        ("+GCAP", _) => Answer::line("+GCAP: +CGSM"),
        ("+WS46", Form::Read) => Answer::line("+WS46: 25"),
        _ => return None,
    })
}

/// A message for those who list them: SMS-DELIVER from +4917012345 (TS 23.040 §9.2.2.1).
const MESSAGE: &str = "0791947106004034040A9194711032540000420110010000000BCCB018D42ECFE7E17319";
/// Without the service centre's address.
const MESSAGE_BYTES: usize = 28;

fn messages(state: &mut State, name: &str, form: &Form) -> Option<Answer> {
    Some(match (name, form) {
        ("+CMGF", Form::Read) => Answer::line(format!("+CMGF: {}", u8::from(state.text_mode))),
        ("+CMGF", Form::Test) => Answer::line("+CMGF: (0,1)"),
        ("+CMGF", Form::Set(value)) => {
            state.text_mode = value.trim() == "1";
            Answer::ok()
        }
        ("+CMGS" | "+CMGW", Form::Set(value)) if !state.text_mode => {
            match value.split(',').next().map(str::parse::<u8>) {
                Some(Ok(_)) => Answer::prompt(),
                // Invalid PDU mode parameter.
                _ => Answer::result(Final::Cms(304)),
            }
        }
        ("+CMGS" | "+CMGW", _) => Answer::prompt(),
        ("+CMSS", Form::Set(value)) => match value.split(',').next().map(str::parse::<u32>) {
            Some(Ok(place)) if (1..=state.stored).contains(&place) => state.sent("+CMSS"),
            // Invalid memory index.
            _ => Answer::result(Final::Cms(321)),
        },
        ("+CMGL", Form::Test) if state.text_mode => {
            Answer::line(r#"+CMGL: ("REC UNREAD","REC READ","STO UNSENT","STO SENT","ALL")"#)
        }
        ("+CMGL", Form::Test) => Answer::line("+CMGL: (0-4)"),
        ("+CMGL" | "+CMGR", _) => {
            let index = if name == "+CMGL" { "1," } else { "" };
            Answer::lines(if state.text_mode {
                let header = format!(r#"{name}: {index}"REC READ","+4917012345",,"24/10/01,10:00:00+00""#);
                vec![header, "Lab message".to_owned()]
            } else {
                vec![format!("{name}: {index}1,,{MESSAGE_BYTES}"), MESSAGE.to_owned()]
            })
        }
        ("+CPMS", Form::Test) => Answer::line(r#"+CPMS: ("SM","ME"),("SM","ME"),("SM","ME")"#),
        ("+CPMS", Form::Read) => Answer::line(r#"+CPMS: "SM",1,10,"SM",1,10,"SM",1,10"#),
        ("+CPMS", Form::Set(_)) => Answer::line("+CPMS: 1,10,1,10,1,10"),
        ("+CSCA", Form::Read) => Answer::line(r#"+CSCA: "+491760000443",145"#),
        ("+CNMI", Form::Read) => Answer::line("+CNMI: 0,0,0,0,0"),
        ("+CNMI", Form::Test) => Answer::line("+CNMI: (0-2),(0-3),(0-3),(0-2),(0,1)"),
        ("+CSMS", Form::Test) => Answer::line("+CSMS: (0,1)"),
        ("+CSMS", _) => Answer::line("+CSMS: 1,1,1"),
        ("+CMGD", Form::Test) => Answer::line("+CMGD: (1),(0-4)"),
        ("+CSCA" | "+CNMI" | "+CMGD" | "+CSMP" | "+CNMA" | "+CSDH" | "+CMMS", _) => Answer::ok(),
        _ => return None,
    })
}
