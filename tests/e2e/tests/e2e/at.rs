//! AT programs against the lab's modem.

use cardlink_e2e::{
    Result,
    agent::{self, Agent},
    page::{Counts, Page},
    peers,
    place::{self, Place},
    program::Program,
    trace::{self, seconds, text},
};
use cardlink_lab::truth::ModemRecord;
use serde_json::Value;
use std::process::Command;

/// The name of a command line: without arguments and without `?`, `=` and `=?`.
pub fn name(line: &str) -> String {
    let rest = line.get(2..).unwrap_or_default();
    let extended = rest.starts_with(['+', '$', '^', '%', '#', '*']);
    let basic = usize::from(rest.starts_with('&')) + 1;
    let len = if extended { rest.find(['?', '=', ';']).unwrap_or(rest.len()) } else { basic.min(rest.len()) };
    format!("AT{}", rest.get(..len).unwrap_or_default().to_uppercase())
}

/// A final result code as the metrics name it.
pub fn result(code: &str) -> String {
    let text = code.to_lowercase().replace("+cme error: ", "cme_").replace("+cms error: ", "cms_");
    text.replace(' ', "_")
}

pub fn counts(truth: &[ModemRecord]) -> Counts {
    let mut counts = Counts::new();
    for record in truth {
        *counts.entry(format!("{} {}", name(&record.line), result(&record.result))).or_default() += 1;
    }
    counts
}

/// The pyserial client as a command to start.
pub fn client(place: &Place, steps: &[&str]) -> Result<Vec<String>> {
    let script = place.path("at_client.py");
    std::fs::write(&script, include_str!("../../peers/at_client.py"))?;
    let mut words = [place::python()?, script, place.path("tty")].map(|path| path.display().to_string()).to_vec();
    words.extend(steps.iter().map(|step| (*step).to_owned()));
    Ok(words)
}

/// `run --record … -- client`, until the client has done all its steps and so many commands are counted.
pub fn followed(place: &Place, options: &str, steps: &[&str], commands: u64) -> Result<(Agent, Page)> {
    let mut command = agent::command(place)?;
    command.args(["run", "--listen", "127.0.0.1:0", "--record"]).arg(place.path("recording"));
    command.args(options.split_whitespace()).arg("--").args(client(place, steps)?);
    let mut agent = Agent::started(&mut command)?;
    agent.program.line("that it is done", |line| (line == "done").then_some(()))?;
    let counted = |page: &Page| page.count("cardlink_at_commands_total", &[]) >= commands;
    let page = agent.until(&format!("{commands} commands"), counted)?;
    Ok((agent, page))
}

/// Lets the client go; its exit code is the agent's.
pub fn ended(place: &Place, mut agent: Agent) -> Result<Vec<Value>> {
    agent.program.tell("go")?;
    agent.program.success()?;
    agent::replayed(place, &place.path("recording"))
}

/// Every command of the truth, in order, with its name, result and time. `looked`: the program looks at once.
pub fn compare(truth: &[ModemRecord], told: &[Value]) {
    let told: Vec<&Value> = trace::of(told, "at_command").collect();
    let lines = |text: &[String]| text.join("\n    ");
    let real: Vec<String> = truth.iter().map(|one| format!("{} {}", name(&one.line), result(&one.result))).collect();
    let seen: Vec<String> =
        told.iter().map(|one| format!("{} {}", text(one, "command"), text(one, "result"))).collect();
    assert!(real == seen, "told:\n    {}\ninstead of:\n    {}", lines(&seen), lines(&real));
    for (record, value) in truth.iter().zip(told) {
        let Some(written) = record.final_written_ns else { continue };
        let real = written.saturating_sub(record.received_ns) as f64 / 1e9;
        let until_read = seconds(value, "duration");
        // A program that does something else before it looks reads the answer later: that is told, too.
        let until_there = until_read - seconds(value, "unattended");
        assert!(
            until_there - 0.005 < real && real < until_read + 0.005,
            "{}: {real} s, told: {until_there} to {until_read} s",
            record.line
        );
    }
}

#[test]
fn gammu_identifies_the_modem() -> Result {
    let place = Place::new()?;
    let _modem = peers::modem(&place, "--delay 20")?;
    let rc = place.path("gammurc");
    std::fs::write(&rc, format!("[gammu]\ndevice = {}\nconnection = at115200\n", place.path("tty").display()))?;
    // A name of its own: other programs of that name are none of this test's business.
    let gammu = place.path("gammu-e2e");
    std::os::unix::fs::symlink(place::peer("gammu", "gammu")?, &gammu)?;
    let mut agent = Agent::recording(&place, "--comm gammu-e2e")?;
    Program::start(Command::new(gammu).arg("-c").arg(rc).arg("identify"))?.success()?;
    let truth = peers::commands(&place)?;
    assert!(truth.len() > 20, "gammu asks for a lot");
    let expected = counts(&truth);
    agent.until("every command", |page| page.commands() == expected)?;
    agent.stop()?;
    compare(&truth, &agent::replayed(&place, &place.path("recording"))?);
    Ok(())
}

#[test]
fn pyserial_in_every_form() -> Result {
    let place = Place::new()?;
    let _modem =
        peers::modem(&place, "--delay 5 --delay AT+COPS=?=300 --final-delay AT+CREG=40 --tear 3 --urc +CREG:1:70")?;
    let steps = [
        "AT",
        "ATE1",
        "AT+CSQ",
        "AT+COPS=?",
        "AT+CREG?",
        "AT+CGMI",
        "AT+CMEE=1",
        "AT+CFUN=1;+CSQ",
        "ATE0",
        "AT+CSQ",
        "AT+NOSUCH",
        "AT+CIMI",
        "AT+CMGF=1",
        "SMS=hello",
        "LISTEN=0.3",
        "AT+CSIM=14,\"00A40004023F00\"",
        "at+csq",
    ];
    let (agent, _) = followed(&place, "", &steps, 16)?;
    let told = ended(&place, agent)?;
    let truth = peers::commands(&place)?;
    assert_eq!(truth.len(), 16);
    compare(&truth, &told);
    let sms = trace::of(&told, "at_command").find(|one| text(one, "command") == "AT+CMGS");
    assert!(sms.is_some_and(|sms| sms["prompt"].is_number()), "the time of the prompt is told: {sms:?}");
    let two = trace::of(&told, "at_command").find(|one| text(one, "command") == "AT+CFUN");
    assert!(two.is_some_and(|line| line["line"] == serde_json::json!(["AT+CFUN", "AT+CSQ"])), "{two:?}");
    assert!(trace::of(&told, "at_unsolicited").any(|urc| text(urc, "code") == "+CREG"), "unsolicited codes are told");
    Ok(())
}

#[test]
fn a_program_that_does_not_notice_its_answer() -> Result {
    let place = Place::new()?;
    let _modem = peers::modem(&place, "--delay 20")?;
    let (agent, page) = followed(&place, "", &["AT", "DEAF=3", "AT"], 3)?;
    assert_eq!(page.commands(), Counts::from([("AT ok".to_owned(), 2), ("AT+CSQ ok".to_owned(), 1)]));
    let waited = page.sum("cardlink_program_wait_seconds_sum", &[("interface", "at")]);
    assert!((2.5..3.3).contains(&waited), "it waited {waited} s");
    let csq = page.sum("cardlink_at_command_duration_seconds_sum", &[("command", "AT+CSQ")]);
    assert!((0.015..0.1).contains(&csq), "the modem answered in {csq} s");
    let told = ended(&place, agent)?;
    let wait = trace::of(&told, "program_wait").find(|wait| text(wait, "command") == "AT+CSQ");
    assert!(wait.is_some_and(|wait| (2.5..3.3).contains(&seconds(wait, "wait"))), "{wait:?}");
    Ok(())
}

#[test]
fn modems_that_misbehave() -> Result {
    let place = Place::new()?;
    let faults = "--fault AT+COPS=silent --fault AT+CREG=cme:10 --fault AT+CGMI=error --fault AT+CMGF=cms:500 \
                  --fault AT+CGMM=late:300 --fault AT+CGSN=no-final --fault ATI=hangup";
    let _modem = peers::modem(&place, faults)?;
    let steps = ["AT+CREG?", "AT+CGMI", "AT+CMGF=1", "AT+CGMM", "AT+COPS?", "AT", "AT+CGSN", "AT", "ATI"];
    let (agent, page) = followed(&place, "--at-timeout 2s", &steps, 9)?;
    let expected = [
        ("AT ok", 2),
        ("AT+CGMI error", 1),
        ("AT+CGMM ok", 1),
        ("AT+CGSN timeout", 1),
        ("AT+CMGF cms_500", 1),
        ("AT+COPS timeout", 1),
        ("AT+CREG cme_10", 1),
        ("ATI hangup", 1),
    ];
    assert_eq!(page.commands(), expected.map(|(what, count)| (what.to_owned(), count)).into());
    ended(&place, agent).map(|_| ())
}

/// The port was open, and a dialogue under way, before the agent came.
#[test]
fn a_port_that_was_open_before() -> Result {
    let place = Place::new()?;
    let _modem = peers::modem(&place, "--delay 10")?;
    let words = client(&place, &["AT", "AT+CSQ", "GO", "AT+CGMI", "AT+CSQ", "AT+CSQ"])?;
    let (program, arguments) = words.split_first().expect("a program");
    let mut client = Program::start(Command::new(program).args(arguments))?;
    cardlink_e2e::wait::until("two commands", cardlink_e2e::wait::PATIENCE, || {
        Ok((peers::commands(&place).unwrap_or_default().len() == 2).then_some(()))
    })?;
    let mut agent = Agent::run(&place, &format!("--pid {}", client.pid()))?;
    client.tell("go")?;
    let expected = Counts::from([("AT+CGMI ok".to_owned(), 1), ("AT+CSQ ok".to_owned(), 2)]);
    agent.until("three commands", |page| page.commands() == expected)?;
    Ok(())
}
