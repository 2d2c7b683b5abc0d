//! The loop: takes lines in, sends answers out when they are due, and unsolicited codes in between.

use super::answer::{Answer, Final};
use super::line::{self, Command};
use super::options::{Delay, Echo, Fault, Options};
use super::pty::{Input, Pty};
use super::table::{self, State};
use crate::clock::boot_ns;
use crate::stop;
use crate::truth::{ModemRecord, Truth};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

const CTRL_Z: u8 = 0x1A;
const ESCAPE: u8 = 0x1B;
/// Between two looks at the stop flag, when nothing is due.
const TICK: Duration = Duration::from_millis(200);

pub(super) struct Modem {
    options: Options,
    answers: HashMap<String, Answer>,
    truth: Truth,
    pty: Pty,
    state: State,
    /// Bytes that wait, and when they came.
    input: VecDeque<(u8, u64)>,
    urcs_due: Vec<u64>,
    number: u64,
    /// Answers that are under way, one line at a time.
    answering: Option<Answering>,
    hung_up: bool,
    mode: Mode,
}

/// What the line carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Command,
    /// After `CONNECT`: nothing is echoed, and `+++` alone leads back (V.250 §5.6).
    Data,
    /// After `AT+CMUX`: frames, and none is answered (TS 27.010).
    Multiplexed,
}

struct Answering {
    record: ModemRecord,
    steps: VecDeque<Step>,
}

struct Step {
    due_ns: u64,
    what: What,
}

enum What {
    Information(Vec<u8>),
    /// The bytes, and how the code reads with `ATV1`.
    Final(Vec<u8>, String),
    Prompt,
    /// After the prompt.
    Data,
    HangUp,
}

impl Modem {
    pub(super) fn new(options: Options, answers: HashMap<String, Answer>, truth: Truth, pty: Pty) -> Self {
        let now = boot_ns();
        Self {
            state: State::new(options.echo == Echo::On),
            urcs_due: options.urcs.iter().map(|urc| now + nanos(urc.every)).collect(),
            options,
            answers,
            truth,
            pty,
            input: VecDeque::new(),
            number: 0,
            answering: None,
            hung_up: false,
            mode: Mode::Command,
        }
    }

    pub(super) fn serve(mut self) -> anyhow::Result<()> {
        let end_ns = self.options.max_seconds.map(|seconds| boot_ns() + seconds * 1_000_000_000);
        while !stop::requested() && !self.hung_up {
            let now = boot_ns();
            if end_ns.is_some_and(|end| now >= end) {
                break;
            }
            self.send_urcs(now)?;
            self.advance(now)?;
            if self.answering.is_none() && self.take_line()? {
                continue;
            }
            let limit = self.time_left(end_ns);
            if let Input::Bytes(bytes, at) = self.pty.wait(limit)? {
                self.take_in(&bytes, at)?;
            }
        }
        Ok(())
    }

    fn time_left(&self, end_ns: Option<u64>) -> Duration {
        let answer = self.answering.as_ref().and_then(|answering| answering.steps.front());
        let answer = answer.filter(|step| !matches!(step.what, What::Data)).map(|step| step.due_ns);
        let next = self.urcs_due.iter().copied().chain(answer).chain(end_ns).min();
        next.map_or(TICK, |next| Duration::from_nanos(next.saturating_sub(boot_ns())).min(TICK))
    }

    fn write(&self, bytes: &[u8]) -> anyhow::Result<(u64, u64)> {
        self.pty.write(bytes, self.options.tear, Duration::from_micros(self.options.tear_delay))
    }

    fn send_urcs(&mut self, now: u64) -> anyhow::Result<()> {
        for (urc, due) in self.options.urcs.iter().zip(&mut self.urcs_due) {
            if *due > now {
                continue;
            }
            *due = now + nanos(urc.every);
            if !self.pty.in_use() {
                continue;
            }
            let bytes = format!("\r\n{}\r\n", urc.text).into_bytes();
            let tear_delay = Duration::from_micros(self.options.tear_delay);
            let (first, last) = self.pty.write(&bytes, self.options.tear, tear_delay)?;
            self.number += 1;
            self.truth.tell(&ModemRecord {
                kind: "urc".to_owned(),
                first_byte_written_ns: Some(first),
                final_written_ns: Some(last),
                bytes: bytes.len() as u64,
                ..record(self.number, &urc.text, now)
            });
        }
        Ok(())
    }

    fn take_in(&mut self, bytes: &[u8], at: u64) -> anyhow::Result<()> {
        match self.mode {
            Mode::Command => {}
            Mode::Multiplexed => return Ok(()),
            Mode::Data => {
                if bytes == b"+++" {
                    self.mode = Mode::Command;
                    self.write(b"\r\nOK\r\n")?;
                }
                return Ok(());
            }
        }
        let echo_later = self.options.faults.iter().any(|on| on.fault == Fault::WrongEcho);
        if self.state.echo && !echo_later {
            self.write(bytes)?;
        }
        self.input.extend(bytes.iter().map(|byte| (*byte, at)));
        self.take_data(at)
    }

    /// The data after a prompt, when it is complete.
    fn take_data(&mut self, at: u64) -> anyhow::Result<()> {
        let waits = self.answering.as_ref().and_then(|answering| answering.steps.front());
        if !waits.is_some_and(|step| matches!(step.what, What::Data)) {
            return Ok(());
        }
        let Some(end) = self.input.iter().position(|(byte, _)| matches!(*byte, CTRL_Z | ESCAPE)) else {
            return Ok(());
        };
        let data: Vec<(u8, u64)> = self.input.drain(..=end).collect();
        let sent = data.last().is_some_and(|(byte, _)| *byte == CTRL_Z);
        let Some(mut answering) = self.answering.take() else { return Ok(()) };
        let stores = answering.record.line.to_ascii_uppercase().starts_with("AT+CMGW");
        let answer = match self.options.refuse_messages {
            _ if !sent => Answer::ok(),
            Some(number) if !stores => Answer::result(Final::Cms(number)),
            _ if stores => self.state.stored(),
            _ => self.state.sent("+CMGS"),
        };
        answering.record.data = self.options.tell_data.then(|| text_of(&data));
        answering.record.data_received_ns = data.last().map(|(_, at)| *at);
        answering.steps.clear();
        let commands = line::parse(&answering.record.line).unwrap_or_default();
        self.plan(&mut answering.steps, &commands, at, &answer.lines, Some(&answer.result));
        self.answering = Some(answering);
        self.advance(boot_ns())
    }

    /// Takes a line from the input and prepares its answer. Says whether there was one.
    fn take_line(&mut self) -> anyhow::Result<bool> {
        let Some(end) = self.input.iter().position(|(byte, _)| *byte == b'\r') else { return Ok(false) };
        let received_ns = self.input.get(end).map_or(0, |(_, at)| *at);
        let bytes: Vec<u8> = self.input.drain(..=end).map(|(byte, _)| byte).collect();
        if self.input.front().is_some_and(|(byte, _)| *byte == b'\n') {
            self.input.pop_front();
        }
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim();
        let Some(commands) = line::parse(text) else { return Ok(true) };
        self.number += 1;
        let fault = self.fault(&commands);
        self.answering = Some(Answering {
            record: ModemRecord {
                fault: fault.map_or_else(|| "none".to_owned(), |fault| fault.to_string()),
                ..record(self.number, text, received_ns)
            },
            steps: VecDeque::new(),
        });
        self.echo_late(&bytes, fault)?;
        let steps = self.answer(&commands, fault, received_ns);
        if let Some(answering) = &mut self.answering {
            answering.steps = steps;
        }
        self.advance(boot_ns())?;
        Ok(true)
    }

    /// Where one command's echo is wrong, the echo waits for the whole line.
    fn echo_late(&self, line: &[u8], fault: Option<Fault>) -> anyhow::Result<()> {
        let echo_later = self.options.faults.iter().any(|on| on.fault == Fault::WrongEcho);
        if !self.state.echo || !echo_later {
            return Ok(());
        }
        if fault == Some(Fault::WrongEcho) {
            let wrong: Vec<u8> = line.iter().map(|byte| if *byte == b'+' { b'*' } else { *byte }).collect();
            self.write(wrong.strip_prefix(b"A").unwrap_or(&wrong))?;
        } else {
            self.write(line)?;
        }
        Ok(())
    }

    fn fault(&self, commands: &[Command]) -> Option<Fault> {
        let on = self.options.faults.iter().find(|on| commands.iter().any(|command| matches(&on.command, command)));
        on.map(|on| on.fault)
    }

    fn answer(&mut self, commands: &[Command], fault: Option<Fault>, received_ns: u64) -> VecDeque<Step> {
        let mut steps = VecDeque::new();
        let given = match fault {
            Some(Fault::Silent) => return steps,
            Some(Fault::Hangup) => {
                steps.push_back(Step { due_ns: received_ns, what: What::HangUp });
                return steps;
            }
            Some(Fault::Error) => Some(Final::Error),
            Some(Fault::Cme(number)) => Some(Final::Cme(number)),
            Some(Fault::Cms(number)) => Some(Final::Cms(number)),
            _ => None,
        };
        let (mut lines, mut result) = (Vec::new(), given.clone().unwrap_or(Final::Ok));
        for command in commands.iter().filter(|_| given.is_none()) {
            let own = self.answers.get(&command.with_form()).or_else(|| self.answers.get(&command.name)).cloned();
            let answer = own.unwrap_or_else(|| table::answer(&mut self.state, command));
            if answer.prompt {
                let due_ns = received_ns + nanos(delay(&self.options.delays, commands));
                steps.push_back(Step { due_ns, what: What::Prompt });
                steps.push_back(Step { due_ns, what: What::Data });
                return steps;
            }
            lines.extend(answer.lines);
            if answer.result != Final::Ok {
                result = answer.result;
                break;
            }
        }
        let late = if let Some(Fault::Late(time)) = fault { nanos(time) } else { 0 };
        let result = Some(&result).filter(|_| fault != Some(Fault::NoFinal));
        if let Some(answering) = self.answering.as_mut().filter(|_| self.options.tell_data) {
            answering.record.answer.clone_from(&lines);
        }
        self.plan(&mut steps, commands, received_ns + late, &lines, result);
        steps
    }

    /// What is to be written when.
    fn plan(
        &self,
        steps: &mut VecDeque<Step>,
        commands: &[Command],
        from_ns: u64,
        lines: &[String],
        result: Option<&Final>,
    ) {
        let due_ns = from_ns + nanos(delay(&self.options.delays, commands));
        let verbose = self.state.verbose;
        let mut information = String::new();
        for line in lines {
            information.push_str(if verbose { "\r\n" } else { "" });
            information.push_str(line);
            information.push_str("\r\n");
        }
        let code = result.map(|result| {
            let text = result.text(self.state.cmee);
            match result.digit() {
                Some(digit) if !verbose => (format!("{digit}\r"), text),
                _ => (format!("\r\n{text}\r\n"), text),
            }
        });
        let pause = delay(&self.options.final_delays, commands);
        let Some((code, text)) = code else {
            steps.push_back(Step { due_ns, what: What::Information(information.into_bytes()) });
            return;
        };
        if pause.is_zero() || information.is_empty() {
            // In one go: the final result code ends where the write does.
            information.push_str(&code);
            let due_ns = due_ns + nanos(pause);
            steps.push_back(Step { due_ns, what: What::Final(information.into_bytes(), text) });
        } else {
            steps.push_back(Step { due_ns, what: What::Information(information.into_bytes()) });
            let due_ns = due_ns + nanos(pause);
            steps.push_back(Step { due_ns, what: What::Final(code.into_bytes(), text) });
        }
    }

    /// Takes the steps that are due.
    fn advance(&mut self, now: u64) -> anyhow::Result<()> {
        let Some(mut answering) = self.answering.take() else { return Ok(()) };
        while let Some(step) = answering.steps.pop_front() {
            if step.due_ns > now || matches!(step.what, What::Data) {
                answering.steps.push_front(step);
                self.answering = Some(answering);
                return Ok(());
            }
            self.take_step(step.what, &mut answering.record)?;
        }
        self.truth.tell(&answering.record);
        Ok(())
    }

    fn take_step(&mut self, what: What, record: &mut ModemRecord) -> anyhow::Result<()> {
        let (bytes, result) = match what {
            What::Information(bytes) => (bytes, None),
            What::Final(bytes, text) => (bytes, Some(text)),
            What::Prompt => {
                let bytes = b"\r\n> ".to_vec();
                let (first, last) = self.write(&bytes)?;
                record.first_byte_written_ns.get_or_insert(first);
                record.prompt_written_ns = Some(last);
                record.bytes += bytes.len() as u64;
                return Ok(());
            }
            What::Data => return Ok(()),
            What::HangUp => {
                self.hung_up = true;
                return Ok(());
            }
        };
        if bytes.is_empty() {
            return Ok(());
        }
        let (first, last) = self.write(&bytes)?;
        record.first_byte_written_ns.get_or_insert(first);
        record.bytes += bytes.len() as u64;
        if let Some(result) = result {
            if result.starts_with("CONNECT") {
                self.mode = Mode::Data;
            } else if result == "OK" && record.line.to_ascii_uppercase().starts_with("AT+CMUX=") {
                self.mode = Mode::Multiplexed;
            }
            record.final_written_ns = Some(last);
            record.result = result;
        }
        Ok(())
    }
}

fn text_of(data: &[(u8, u64)]) -> String {
    let bytes: Vec<u8> = data.iter().map(|(byte, _)| *byte).filter(|byte| !matches!(*byte, CTRL_Z | ESCAPE)).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn record(number: u64, line: &str, received_ns: u64) -> ModemRecord {
    ModemRecord {
        program: "modem".to_owned(),
        kind: "command".to_owned(),
        number,
        line: line.to_owned(),
        fault: "none".to_owned(),
        received_ns,
        first_byte_written_ns: None,
        final_written_ns: None,
        result: "none".to_owned(),
        bytes: 0,
        prompt_written_ns: None,
        data_received_ns: None,
        data: None,
        answer: Vec::new(),
    }
}

fn matches(wanted: &str, command: &Command) -> bool {
    wanted == command.name || wanted == command.with_form()
}

/// The first delay that names one of the commands, else the one for all.
fn delay(delays: &[Delay], commands: &[Command]) -> Duration {
    let named = |delay: &&Delay| {
        delay.command.as_ref().is_some_and(|wanted| commands.iter().any(|command| matches(wanted, command)))
    };
    let general = || delays.iter().rev().find(|delay| delay.command.is_none());
    delays.iter().find(named).or_else(general).map_or(Duration::ZERO, |delay| delay.time)
}

const fn nanos(time: Duration) -> u64 {
    time.as_nanos() as u64
}
