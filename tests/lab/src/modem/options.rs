//! The modem's command line.

use super::answer::{Answer, Final};
use crate::cli::millis;
use anyhow::{Context, bail};
use clap::{Parser, ValueEnum};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// A modem on a pty that says what really happened.
///
/// A COMMAND is `AT+CSQ`, `+CSQ` or `CSQ` for all its forms, or one form of it: `AT+COPS=?`.
#[derive(Debug, Clone, Parser)]
#[command(name = "lab-modem")]
pub struct Options {
    /// Also make a link to the slave here.
    #[arg(long)]
    pub link: Option<PathBuf>,
    /// Be the modem of a port that is there, such as a USB gadget's, instead of a pty's.
    #[arg(long, conflicts_with = "link")]
    pub port: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t = Echo::On)]
    pub echo: Echo,
    /// Time before an answer, of all commands or of one.
    #[arg(long = "delay", value_name = "[COMMAND=]MS")]
    pub delays: Vec<Delay>,
    /// Time between the information and the final result code.
    #[arg(long = "final-delay", value_name = "[COMMAND=]MS")]
    pub final_delays: Vec<Delay>,
    /// Write in pieces of this many bytes.
    #[arg(long, value_name = "BYTES")]
    pub tear: Option<usize>,
    /// Time between the pieces, in microseconds.
    #[arg(long, value_name = "US", default_value_t = 0)]
    pub tear_delay: u64,
    /// An unsolicited result code, and how often it comes.
    #[arg(long = "urc", value_name = "TEXT:MS")]
    pub urcs: Vec<Urc>,
    /// What to do wrong: silent, late:MS, cme:N, cms:N, error, no-final, wrong-echo, hangup.
    #[arg(long = "fault", value_name = "COMMAND=FAULT")]
    pub faults: Vec<FaultOn>,
    /// Refuse every message that is to be sent, with this `+CMS ERROR`.
    #[arg(long, value_name = "N")]
    pub refuse_messages: Option<u16>,
    /// What stood after a prompt goes into the truth.
    #[arg(long)]
    pub tell_data: bool,
    /// More answers, a line each: `COMMAND => line\nline`; without a final result code at its end, OK follows.
    #[arg(long)]
    pub answers: Option<PathBuf>,
    /// End after this time.
    #[arg(long)]
    pub max_seconds: Option<u64>,
    /// Append the truth to this file.
    #[arg(long)]
    pub truth: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Echo {
    On,
    Off,
}

/// `None` stands for every command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delay {
    pub command: Option<String>,
    pub time: Duration,
}

impl FromStr for Delay {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (command, time) = match text.rsplit_once('=') {
            Some((command, time)) => (Some(plain_name(command)), time),
            None => (None, text),
        };
        Ok(Self { command, time: millis(time)? })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Urc {
    pub text: String,
    pub every: Duration,
}

impl FromStr for Urc {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (text, every) = text.rsplit_once(':').context("not TEXT:MS")?;
        let every = millis(every)?;
        if every.is_zero() {
            bail!("an unsolicited result code needs some time in between");
        }
        Ok(Self { text: text.to_owned(), every })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultOn {
    pub command: String,
    pub fault: Fault,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No answer at all.
    Silent,
    Late(Duration),
    Cme(u16),
    Cms(u16),
    Error,
    /// The information, but no final result code.
    NoFinal,
    /// The echo is not what was sent.
    WrongEcho,
    /// The port goes away.
    Hangup,
}

impl FromStr for FaultOn {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (command, fault) = text.rsplit_once('=').context("not COMMAND=FAULT")?;
        let fault = match fault.split_once(':').unwrap_or((fault, "")) {
            ("silent", "") => Fault::Silent,
            ("late", time) => Fault::Late(millis(time)?),
            ("cme", number) => Fault::Cme(number.parse()?),
            ("cms", number) => Fault::Cms(number.parse()?),
            ("error", "") => Fault::Error,
            ("no-final", "") => Fault::NoFinal,
            ("wrong-echo", "") => Fault::WrongEcho,
            ("hangup", "") => Fault::Hangup,
            _ => bail!("no such fault: {fault}"),
        };
        Ok(Self { command: plain_name(command), fault })
    }
}

/// How it stands in the truth.
impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Silent => f.write_str("silent"),
            Self::Late(time) => write!(f, "late:{}", time.as_millis()),
            Self::Cme(number) => write!(f, "cme:{number}"),
            Self::Cms(number) => write!(f, "cms:{number}"),
            Self::Error => f.write_str("error"),
            Self::NoFinal => f.write_str("no-final"),
            Self::WrongEcho => f.write_str("wrong-echo"),
            Self::Hangup => f.write_str("hangup"),
        }
    }
}

/// Without `AT`, in capitals; a `CSQ` is taken for a `+CSQ`.
fn plain_name(text: &str) -> String {
    let text = text.trim().to_ascii_uppercase();
    let name = text.strip_prefix("AT").unwrap_or(&text);
    let bare_word = name.len() > 2 && name.bytes().all(|byte| byte.is_ascii_uppercase());
    if bare_word { format!("+{name}") } else { name.to_owned() }
}

/// Answers by command, as [`Options::answers`] describes them.
pub fn read_answers(path: Option<&Path>) -> anyhow::Result<HashMap<String, Answer>> {
    let Some(path) = path else { return Ok(HashMap::new()) };
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    text.lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with("# "))
        .map(|line| {
            let (command, answer) = line.split_once("=>").with_context(|| format!("no => in: {line}"))?;
            let mut lines: Vec<String> =
                answer.trim().split("\\n").filter(|line| !line.is_empty()).map(str::to_owned).collect();
            let result = lines.last().and_then(|last| Final::parse(last));
            if result.is_some() {
                lines.pop();
            }
            Ok((plain_name(command), Answer { lines, result: result.unwrap_or(Final::Ok), prompt: false }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Delay, Fault, FaultOn, Urc, plain_name};
    use std::time::Duration;

    #[test]
    fn options_are_read() {
        assert_eq!("20".parse::<Delay>().expect("a delay").command, None);
        let delay: Delay = "AT+COPS=?=300".parse().expect("a delay");
        assert_eq!((delay.command.as_deref(), delay.time), (Some("+COPS=?"), Duration::from_millis(300)));
        let urc: Urc = "+CREG: 1:500".parse().expect("a URC");
        assert_eq!((urc.text.as_str(), urc.every), ("+CREG: 1", Duration::from_millis(500)));
        let fault: FaultOn = "CSQ=late:50".parse().expect("a fault");
        assert_eq!(fault, FaultOn { command: "+CSQ".to_owned(), fault: Fault::Late(Duration::from_millis(50)) });
        assert!("CSQ=sideways".parse::<FaultOn>().is_err());
        assert_eq!(["at", "ATZ", "E0", "csq"].map(plain_name), ["", "Z", "E0", "+CSQ"]);
    }
}
