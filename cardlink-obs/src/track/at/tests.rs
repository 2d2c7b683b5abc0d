//! Dialogues as programs and modems hold them.

mod carried;
mod property;
mod scripts;

use super::*;
use crate::observation::Process;
use crate::stream::Call;
use std::fmt::Write;

/// A tracker, a clock in microseconds, and what came out, one line each.
struct Bench {
    tracker: AtTracker,
    now: u64,
    tid: u32,
    told: Vec<String>,
}

impl Bench {
    fn new() -> Self {
        Self { tracker: AtTracker::new(tty(), AtSettings::default()), now: 1_000_000, tid: 7, told: Vec::new() }
    }

    fn item(&mut self, item: &Item<'_>) {
        let mut out = Vec::new();
        self.tracker.on(item, &mut out);
        self.told.extend(out.iter().map(show));
    }

    /// A call that begins now and takes so many microseconds.
    fn call(&mut self, micros: u64) -> Call {
        let enter = at(self.now);
        self.now += micros;
        Call { enter, exit: at(self.now), polled: Duration::ZERO, tid: self.tid }
    }

    fn write(&mut self, bytes: &[u8]) -> &mut Self {
        let call = self.call(10);
        self.item(&Item::Data(Chunk { direction: Direction::Write, call, offset: 0, bytes }));
        self
    }

    /// The modem's bytes, so many microseconds after the last thing, read at once.
    fn read(&mut self, after: u64, bytes: &[u8]) -> &mut Self {
        self.now += after;
        let call = self.call(0);
        self.item(&Item::Data(Chunk { direction: Direction::Read, call, offset: 0, bytes }));
        self
    }

    fn poll(&mut self, micros: u64) -> &mut Self {
        let call = self.call(micros);
        self.item(&Item::Polled(call));
        self
    }

    fn empty_read(&mut self) -> &mut Self {
        let call = self.call(1);
        self.item(&Item::Eof(call));
        self
    }

    fn sleep(&mut self, micros: u64) -> &mut Self {
        self.now += micros;
        self
    }

    fn tick(&mut self) -> &mut Self {
        let now = at(self.now);
        self.item(&Item::Tick { now });
        self
    }

    fn close(&mut self) -> &mut Self {
        let now = at(self.now);
        self.item(&Item::Closed { at: now });
        self
    }

    #[track_caller]
    fn told(&mut self, expected: &[&str]) -> &mut Self {
        assert_eq!(self.told, expected);
        self.told.clear();
        self
    }
}

fn tty() -> Arc<Tty> {
    let process = Arc::new(Process { pid: 1, comm: "modem-tool".into(), target: "modem-tool".into() });
    Arc::new(Tty::new(process, "/dev/ttyUSB2"))
}

fn at(micros: u64) -> Stamp {
    Stamp::from_nanos(micros * 1000)
}

/// An observation in a line; times in microseconds.
fn show(observation: &Observation) -> String {
    match observation {
        Observation::AtCommand(command) => {
            let mut text = format!("{} {} {}", command.name, command.result, command.duration().as_micros());
            if let Some(first) = command.first_byte {
                let _ = write!(text, " first={}", first.since(command.start).as_micros());
            }
            if command.information_lines > 0 {
                let _ = write!(text, " lines={}", command.information_lines);
            }
            if let Some(prompt) = command.prompt {
                let _ = write!(text, " prompt={}", prompt.as_micros());
            }
            if !command.unattended.is_zero() {
                let _ = write!(text, " unattended={}", command.unattended.as_micros());
            }
            if command.line.len() > 1 {
                let _ = write!(text, " [{}]", command.line.join(" "));
            }
            if command.incomplete {
                text += " incomplete";
            }
            text
        }
        Observation::AtUnsolicited(unsolicited) => format!("unsolicited {}", unsolicited.code),
        Observation::ProgramWait(wait) => format!("{} program waited {}", wait.command, wait.wait.as_micros()),
        Observation::Incomplete(incomplete) => format!("incomplete {}", incomplete.bytes),
        Observation::DeviceApdu(one) => {
            let mut text = format!("apdu {} {}", one.apdu.name, one.duration().as_micros());
            match (one.apdu.status_word, one.error) {
                (Some(sw), None) => _ = write!(text, " {sw:04X}"),
                (_, error) => _ = write!(text, " {}", error.unwrap_or("neither")),
            }
            let _ = write!(text, " {}/{}", one.apdu.command_bytes, one.apdu.response_bytes);
            if one.apdu.channel > 0 {
                let _ = write!(text, " channel={}", one.apdu.channel);
            }
            if let Some(session) = one.carrier.as_ref().and_then(|carrier| carrier.session.as_ref()) {
                let _ = write!(text, " session={}:{}", session.id, session.application.as_deref().unwrap_or("?"));
            }
            if let Some(of) = one.continues {
                let _ = write!(text, " of={}:{}", of.command, of.position);
            }
            if let Some(program) = one.program {
                let _ = write!(text, " program={}", program.as_micros());
            }
            text
        }
        Observation::Trigger(trigger) => {
            let [a, b, c] = trigger.tar.unwrap_or([0xEE; 3]);
            let took = trigger.end.since(trigger.sent).as_micros();
            let ciphered = if trigger.ciphered { " ciphered" } else { "" };
            let kind = trigger.kind.as_str();
            format!("trigger {kind} {a:02X}{b:02X}{c:02X} {} {took} by {}{ciphered}", trigger.result, trigger.command)
        }
        Observation::DeviceOperation(one) => format!("{} failed {}", one.operation, one.error.unwrap_or("not")),
        Observation::Blind(blind) => format!("blind {}", blind.way.as_str()),
        other => format!("{other:?}"),
    }
}
