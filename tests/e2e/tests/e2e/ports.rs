//! Two programs at one port: gammu or pyserial, and `cat`.

use crate::at::client;
use cardlink_e2e::{
    Result,
    agent::{Agent, Tracer, command},
    page::Page,
    peers,
    place::{self, Place},
    program::Program,
    trace::{self, text},
};
use serde_json::Value;
use std::process::Command;

/// Has the port open for writing, and writes what it is told to.
fn cat(place: &Place, name: &str) -> Result<Program> {
    let cat = place.path(name);
    std::os::unix::fs::symlink(place::peer("cat", "coreutils")?, &cat)?;
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" >\"$1\""]).arg(cat).arg(place.path("tty"));
    Program::start(&mut command)
}

fn shared(page: &Page) -> u64 {
    page.count("cardlink_findings_total", &[("finding", "port_shared")])
}

fn findings(told: &[Value]) -> Vec<&Value> {
    trace::of(told, "finding").filter(|one| text(one, "finding") == "port_shared").collect()
}

#[test]
fn a_program_that_is_no_target_is_named() -> Result {
    let place = Place::new()?;
    let _modem = peers::modem(&place, "")?;
    let steps = ["AT", "GO", "AT+CSQ"];
    let mut run = command(&place)?;
    run.args(["run", "--listen", "127.0.0.1:0", "--record"]).arg(place.path("recording"));
    run.arg("--").args(client(&place, &steps)?);
    let mut agent = Agent::started(&mut run)?;
    let page = agent.until("a command", |page| page.count("cardlink_at_commands_total", &[]) == 1)?;
    assert_eq!(shared(&page), 0, "it has the port for itself");
    let other = cat(&place, "cat-outside")?;
    agent.until("the finding", |page| shared(page) == 1)?;
    agent.program.tell("go")?;
    agent.until("two commands", |page| page.count("cardlink_at_commands_total", &[]) == 2)?;
    assert_eq!(shared(&agent.page()?), 1, "it is told once");
    agent.program.line("that it is done", |line| (line == "done").then_some(()))?;
    agent.program.tell("go")?;
    agent.program.success()?;
    let told = cardlink_e2e::agent::replayed(&place, &place.path("recording"))?;
    let found = findings(&told);
    let [finding] = found.as_slice() else { panic!("{told:?}") };
    let detail = text(finding, "detail");
    let port = std::fs::canonicalize(place.path("tty"))?.display().to_string();
    assert!(detail.contains(&format!("cat-outside({})", other.pid())), "{detail}");
    assert!(detail.contains("python") && detail.ends_with(&format!(" have {port} open")), "{detail}");
    assert_eq!((text(finding, "device_type"), text(finding, "device")), ("modem", port.as_str()));
    Ok(())
}

#[test]
fn two_targets_are_both_named() -> Result {
    let place = Place::new()?;
    let _modem = peers::modem(&place, "")?;
    let rc = place.path("gammurc");
    std::fs::write(&rc, format!("[gammu]\ndevice = {}\nconnection = at115200\n", place.path("tty").display()))?;
    let gammu = place.path("gammu-port");
    std::os::unix::fs::symlink(place::peer("gammu", "gammu")?, &gammu)?;
    let mut tracer = Tracer::waiting(&place, "--comm gammu-port --comm cat-port")?;
    let mut other = cat(&place, "cat-port")?;
    other.tell("\r")?;
    let mut tool = Program::start(Command::new(gammu).arg("-c").arg(rc).arg("identify"))?;
    let pid = tool.pid();
    tool.success()?;
    tracer.until("finding", 1)?;
    let told = tracer.told()?;
    let found = findings(&told);
    let [finding] = found.as_slice() else { panic!("{told:?}") };
    let detail = text(finding, "detail");
    assert!(detail.contains(&format!("cat-port({})", other.pid())), "{detail}");
    assert!(detail.contains(&format!("gammu-port({pid})")), "{detail}");
    tracer.stop()?;
    Ok(())
}
