//! Who is watched: each selector, before and after the target starts, and the sentences for what cannot be.

use anyhow::{Context as _, ensure};
use cardlink_e2e::{
    IDENTITY, KEY, Result,
    agent::{self, Agent},
    peers::{self, Server},
    place::{self, Place},
    program::Program,
    wait::{self, PATIENCE},
};
use std::{net::TcpListener, path::PathBuf, process::Command};

/// `lab-server` under a name of its own: other tests' servers are none of this test's business.
fn renamed(place: &Place, program: &str) -> Result<(String, PathBuf)> {
    let name = format!("{}-{}", program.get(4..).unwrap_or("lab"), std::process::id());
    let path = place.path(&name);
    std::fs::copy(place::program(program)?, &path)?;
    Ok((name, path))
}

fn server(place: &Place, program: &PathBuf, port: u16) -> Result<Server> {
    let mut command = Command::new(program);
    command.arg("--psk-file").arg(place.path("psk")).args(["--listen", &format!("127.0.0.1:{port}")]);
    Server::on(&mut command, port)
}

/// Three sessions, all of which the agent counts.
fn is_watched(place: &Place, agent: &mut Agent, port: u16) -> Result {
    let before = agent.page()?.successes();
    peers::card(place, port, "--sessions 3")?;
    agent.until("three more handshakes", |page| page.successes() == before + 3).map(|_| ())
}

#[test]
fn by_everything_that_a_running_program_has() -> Result {
    let place = Place::new()?;
    let (name, program) = renamed(&place, "lab-server")?;
    let port = peers::free_port()?;
    let server = server(&place, &program, port)?;
    let pid = server.pid();
    let cgroups = std::fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    let group = cgroups.lines().filter_map(|line| line.rsplit(':').next()).find(|group| group.len() > 1);
    let mut selectors = vec![
        format!("--pid {pid}"),
        format!("--port {port}"),
        format!("--comm {name}"),
        format!("--exe {}", program.display()),
        format!("--exe {name}"),
        format!("--cmdline {name}.*--listen"),
        format!("--comm {name} --port {port}"),
        format!("--comm nobody-of-this-name --comm {name}"),
    ];
    selectors.extend(group.map(|group| format!("--cgroup {group} --comm {name}")));
    for selector in selectors {
        let mut agent = Agent::run(&place, &selector)?;
        is_watched(&place, &mut agent, port).map_err(|error| error.context(selector))?;
        agent.stop()?;
    }
    // *And* across kinds.
    let mut agent = Agent::run(&place, &format!("--comm {name} --port {}", peers::free_port()?))?;
    peers::card(&place, port, "")?;
    assert_eq!(agent.settled(0)?.closed(), 0, "it does not listen on the port that was asked for");
    Ok(())
}

/// A control group of the name that systemd gives a unit's, for one process.
struct Unit(PathBuf);

impl Unit {
    fn of(name: &str, pid: u32) -> Result<Self> {
        // Version 2 alone, version 2 beside version 1, and systemd's own hierarchy of version 1.
        let roots = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup"];
        let root = roots.iter().map(std::path::Path::new).find(|root| root.join("cgroup.procs").exists());
        let group = root.context("there are no control groups")?.join(format!("{name}.service"));
        std::fs::create_dir_all(&group)?;
        let unit = Self(group);
        std::fs::write(unit.0.join("cgroup.procs"), pid.to_string())?;
        Ok(unit)
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        // Only an empty group goes; its process has ended by then.
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[test]
fn by_unit() -> Result {
    let place = Place::new()?;
    let (_, program) = renamed(&place, "lab-server")?;
    let port = peers::free_port()?;
    let mut server = server(&place, &program, port)?;
    let name = format!("cardlink-test-{}", std::process::id());
    let unit = Unit::of(&name, server.pid())?;
    for selector in [format!("--unit {name}"), format!("--unit {name}.service")] {
        let mut agent = Agent::run(&place, &selector)?;
        is_watched(&place, &mut agent, port).map_err(|error| error.context(selector))?;
        let text = agent.text()?;
        ensure!(text.contains(&format!("target=\"{name}\"")), "the unit's name is the target's: {text}");
        agent.stop()?;
    }
    let mut agent = Agent::run(&place, &format!("--unit {name}-other"))?;
    peers::card(&place, port, "")?;
    assert_eq!(agent.settled(0)?.closed(), 0, "it is not of that unit");
    server.stop()?;
    drop(unit);
    Ok(())
}

/// Needed for probes in TLS libraries.
const SYS_ADMIN: u64 = 1 << 21;
/// Bits of `/proc/PID/status`: `CAP_DAC_READ_SEARCH`, `CAP_SYS_PTRACE`, `CAP_PERFMON`, `CAP_BPF`, `CAP_CHECKPOINT_RESTORE`.
const KEPT: u64 = 1 << 2 | 1 << 19 | 1 << 38 | 1 << 39 | 1 << 40;

#[test]
fn privileges_that_are_not_needed_are_dropped() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "")?;
    let pid = server.pid();
    let agent = Agent::run(&place, &format!("--pid {pid}"))?;
    has_only(&agent, KEPT)?;
    drop(agent);
    has_only(&Agent::run(&place, &format!("--pid {pid} --library-probes auto"))?, KEPT | SYS_ADMIN)
}

/// All threads of the agent have these capabilities, and no others.
fn has_only(agent: &Agent, wanted: u64) -> Result {
    let process = PathBuf::from(format!("/proc/{}/task", agent.program.pid()));
    let mut threads = 0;
    for thread in std::fs::read_dir(process)? {
        let status = std::fs::read_to_string(thread?.path().join("status"))?;
        for set in ["CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb"] {
            let line = status.lines().find_map(|line| line.strip_prefix(set)).context(set)?;
            let bits = u64::from_str_radix(line.trim_start_matches(':').trim(), 16)?;
            ensure!(bits & !wanted == 0, "{set} has {bits:x}");
            ensure!(!matches!(set, "CapPrm" | "CapEff") || bits == wanted, "{set} has {bits:x}");
        }
        threads += 1;
    }
    ensure!(threads > 1, "the agent has more than one thread");
    Ok(())
}

#[test]
fn started_later_and_started_again() -> Result {
    let place = Place::new()?;
    let (name, program) = renamed(&place, "lab-server")?;
    for selector in ["--comm", "--exe", "--cmdline"] {
        let mut agent = Agent::run(&place, &format!("{selector} {name}"))?;
        for _ in 0..2 {
            let port = peers::free_port()?;
            let mut server = server(&place, &program, port)?;
            is_watched(&place, &mut agent, port).map_err(|error| error.context(selector))?;
            server.stop()?;
        }
        agent.stop()?;
    }
    Ok(())
}

/// A port is looked for once a second.
#[test]
fn a_port_that_is_taken_later() -> Result {
    let place = Place::new()?;
    let port = peers::free_port()?;
    let mut agent = Agent::run(&place, &format!("--port {port}"))?;
    for _ in 0..2 {
        let mut server = server(&place, &place::program("lab-server")?, port)?;
        agent.until("the target", |page| page.count("cardlink_target_processes", &[]) == 1)?;
        is_watched(&place, &mut agent, port)?;
        server.stop()?;
        agent.until("the end of the target", |page| page.count("cardlink_target_processes", &[]) == 0)?;
    }
    Ok(())
}

#[test]
fn a_command_and_its_children_from_their_first_instruction() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "")?;
    let card = place::program("lab-card")?;
    let one = format!(
        "{} --connect 127.0.0.1:{} --identity {IDENTITY} --key {KEY} --truth {}",
        card.display(),
        server.port,
        place.path("card").display()
    );
    // A shell, its child, a child in the background, and a shell of its own in between.
    let script = format!("{one}; {one} & sh -c '{one}; true'; wait; exec {one} --sessions 2");
    let mut command = agent::command(&place)?;
    command.args(["run", "--listen", "127.0.0.1:0", "--record"]).arg(place.path("recording"));
    let mut agent = Program::start(command.args(["--", "sh", "-c", &script]))?;
    agent.success()?;
    let told = agent::replayed(&place, &place.path("recording"))?;
    let handshakes = cardlink_e2e::trace::of(&told, "handshake").filter(|one| one["role"] == "client").count();
    assert_eq!(handshakes, 5, "{}", agent.said());
    Ok(())
}

#[test]
fn exit_codes() -> Result {
    let place = Place::new()?;
    let code = |words: &[&str]| -> Result<(Option<i32>, String)> {
        let mut program = Program::start(agent::command(&place)?.args(words))?;
        program.close_input();
        let status = program.wait()?;
        Ok((status.code(), program.err().join("\n")))
    };
    let listen = ["run", "--listen", "127.0.0.1:0"];
    let run = |words: &[&str]| code(&[&listen, words].concat());
    // The command's own.
    assert_eq!(run(&["--", "sh", "-c", "exit 7"])?.0, Some(7));
    assert_eq!(run(&["--", "true"])?.0, Some(0));
    assert_eq!(run(&["--", "sh", "-c", "kill -9 $$"])?.0, Some(128 + 9));
    let (status, text) = run(&["--", "/no/such/program"])?;
    assert_eq!(status, Some(127), "{text}");
    assert!(text.contains("/no/such/program"), "{text}");
    // The agent's.
    let (status, text) = run(&["--pid", "999999999"])?;
    assert_eq!(status, Some(3), "{text}");
    assert!(text.contains("there is no process 999999999"), "{text}");
    let (status, text) = run(&[])?;
    assert_eq!(status, Some(2), "{text}");
    assert!(text.contains("--comm"), "{text}");
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let own = std::process::id().to_string();
    let (status, text) = code(&["run", "--listen", &address, "--pid", &own])?;
    assert_eq!(status, Some(4), "{text}");
    assert!(text.contains(&format!("(pid {own})")), "the holder is named: {text}");
    Ok(())
}

/// The connection, and its handshake, were under way before the agent came.
#[test]
fn in_the_middle_of_a_handshake() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "--workers 2 --handshake-timeout 30000")?;
    let mut card = peers::start_card(&place, server.port, "--think 6000 --timeout 30000")?;
    wait::until("the connection", PATIENCE, || {
        let connected = std::fs::read_to_string("/proc/net/tcp")?;
        let port = format!(":{:04X}", server.port);
        let mut lines =
            connected.lines().filter_map(|line| line.split_whitespace().nth(1).zip(line.split_whitespace().nth(3)));
        Ok(lines.any(|(local, state)| local.ends_with(&port) && state == "01").then_some(()))
    })?;
    let mut agent = Agent::recording(&place, &format!("--pid {}", server.pid()))?;
    assert!(card.ended()?.is_none(), "the card is still thinking");
    card.success()?;
    agent.until("the handshake that was under way", |page| page.successes() == 1)?;
    is_watched(&place, &mut agent, server.port)?;
    let page = agent.settled(4)?;
    assert_eq!(page.failures(), 0, "{:?}", page.handshakes());
    assert_eq!((page.closed(), page.successes()), (4, 4), "{:?} {:?}", page.connections(), page.handshakes());
    agent.stop()?;
    let told = agent::replayed(&place, &place.path("recording"))?;
    let partial: Vec<_> = cardlink_e2e::trace::of(&told, "handshake").map(|one| one["partial"] == true).collect();
    assert_eq!(partial, [true, false, false, false], "what was seen in part says so");
    Ok(())
}
