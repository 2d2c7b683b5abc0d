//! The agent under a service manager: what it tells, and a log file that others move away.

use anyhow::{Context as _, ensure};
use cardlink_e2e::{
    Result,
    agent::{self, Agent},
    http::get,
    peers::free_port,
    place::Place,
    program::Program,
    wait::{self, PATIENCE},
};
use nix::sys::signal::Signal;
use std::{
    fs,
    net::SocketAddr,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            fs::PermissionsExt as _,
            net::{SocketAddr as UnixAddress, UnixDatagram},
        },
    },
    time::Duration,
};

const NOBODY: [&str; 2] = ["--comm", "nobody-of-this-name"];

/// Waits for a message of this kind; signs of life before it are passed over.
fn told(socket: &UnixDatagram, kind: &str) -> Result<String> {
    let mut bytes = [0; 1024];
    let text = wait::until(&format!("{kind} told"), PATIENCE, || {
        let len = socket.recv(&mut bytes).context("nothing is told")?;
        let text = String::from_utf8_lossy(&bytes[..len]).into_owned();
        ensure!(text.starts_with(kind) || text == "WATCHDOG=1", "{text}");
        Ok(text.starts_with(kind).then_some(text))
    })?;
    Ok(text)
}

#[test]
fn a_service_manager_is_told() -> Result {
    let place = Place::new()?;
    let path = place.path("notify");
    let name = format!("cardlink-e2e-{}", std::process::id());
    let sockets = [
        (path.display().to_string(), UnixDatagram::bind(&path)?),
        (format!("@{name}"), UnixDatagram::bind_addr(&UnixAddress::from_abstract_name(&name)?)?),
    ];
    for (name, socket) in sockets {
        socket.set_read_timeout(Some(wait::scaled(PATIENCE)))?;
        let mut command = agent::command(&place)?;
        command.env("NOTIFY_SOCKET", &name).env("WATCHDOG_USEC", "900000");
        let mut agent = Agent::started(command.args(["run", "--listen", "127.0.0.1:0"]).args(NOBODY))?;
        let ready = told(&socket, "READY=1")?;
        ensure!(ready.contains(&format!("STATUS=watching; metrics at http://{}", agent.address())), "{ready}");
        told(&socket, "WATCHDOG=1")?;
        told(&socket, "WATCHDOG=1")?;
        agent.program.signal(Signal::SIGHUP)?;
        let reloading = told(&socket, "RELOADING=1")?;
        ensure!(reloading.contains("\nMONOTONIC_USEC="), "{reloading}");
        told(&socket, "READY=1")?;
        agent.stop()?;
        told(&socket, "STOPPING=1")?;
    }
    Ok(())
}

/// It would take the agent's place with the service manager.
#[test]
fn a_command_is_not_the_service() -> Result {
    let place = Place::new()?;
    let path = place.path("notify");
    let socket = UnixDatagram::bind(&path)?;
    let mut command = agent::command(&place)?;
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "900000");
    command.args(["run", "--listen", "127.0.0.1:0", "--", "sh", "-c", "env > \"$0\""]).arg(place.path("env"));
    let mut program = Program::start(&mut command)?;
    program.success()?;
    socket.set_read_timeout(Some(wait::scaled(Duration::from_secs(10))))?;
    told(&socket, "READY=1")?;
    let environment = fs::read_to_string(place.path("env"))?;
    ensure!(environment.contains("PATH="), "{environment}");
    ensure!(!environment.contains("NOTIFY_SOCKET") && !environment.contains("WATCHDOG"), "{environment}");
    Ok(())
}

#[test]
fn a_log_file() -> Result {
    let place = Place::new()?;
    let log = place.path("agent.log");
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let mut command = agent::command(&place)?;
    command.args(["run", "--log-format", "json", "--listen", &address.to_string(), "--log-file"]).arg(&log);
    let mut program = Program::start(command.args(NOBODY))?;
    wait::until("the page", PATIENCE, || {
        ensure!(program.ended()?.is_none(), "the agent ended:{}", program.said());
        Ok(get(address, "/metrics", "").is_ok_and(|answer| answer.status == 200).then_some(()))
    })?;
    // The last that it has to say for now.
    let text = wait::until("what the health checks say", PATIENCE, || {
        let text = fs::read_to_string(&log)?;
        Ok(text.contains("no target has come yet").then_some(text))
    })?;
    ensure!(text.contains(&format!("metrics at http://{address}")), "{text}");
    for line in text.lines() {
        serde_json::from_str::<serde_json::Value>(line).with_context(|| line.to_owned())?;
    }
    ensure!(program.err().is_empty(), "nothing on standard error: {:?}", program.err());
    ensure!(fs::metadata(&log)?.permissions().mode() & 0o777 == 0o600);
    // As logrotate does it.
    let moved = place.path("agent.log.old");
    fs::rename(&log, &moved)?;
    program.signal(Signal::SIGHUP)?;
    wait::until("a new file", PATIENCE, || {
        Ok(fs::read_to_string(&log).is_ok_and(|text| text.contains("reloaded")).then_some(()))
    })?;
    let old = fs::read_to_string(&moved)?;
    ensure!(old == text, "more came into the old one: {}", old.strip_prefix(&text).unwrap_or(&old));
    program.stop(Signal::SIGTERM)?;
    Ok(())
}

#[test]
fn a_log_file_that_cannot_be() -> Result {
    let place = Place::without_agent()?;
    let output = agent::output(&place, &format!("run --comm nobody --log-file {}", place.path("no/log").display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(74) && said.trim().lines().count() == 1, "{:?} {said}", output.status);
    ensure!(said.contains("the log file") && said.contains("No such file"), "{said}");
    Ok(())
}
