//! The control socket: a running agent is looked at without root, without probes, and without harm to it.

use anyhow::{Context as _, ensure};
use cardlink_e2e::{
    Result,
    agent::{self, Agent},
    peers::{self, Server},
    place::Place,
    program::Program,
    trace,
    visitor::{self, NOBODY},
    wait::{self, PATIENCE},
};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _},
        net::UnixStream,
        process::CommandExt as _,
    },
    path::PathBuf,
    time::Duration,
};

/// A group that is nobody's here.
const GROUP: u32 = 61_234;

fn socket(place: &Place) -> PathBuf {
    place.path("control")
}

/// An agent with a control socket for [`GROUP`] (or `cardlink-obs`, where that is there).
fn started(place: &Place, words: &str) -> Result<Agent> {
    let mut command = agent::command(place)?;
    command.gid(GROUP).args(["run", "--listen", "127.0.0.1:0", "--control"]).arg(socket(place));
    Agent::started(command.args(words.split_whitespace()))
}

fn group(place: &Place) -> Result<u32> {
    Ok(fs::metadata(socket(place))?.gid())
}

/// A client without any rights but to be in this group.
fn visitor(place: &Place, group: u32, words: &str) -> Result<Program> {
    let mut command = visitor::command(place, NOBODY, group)?;
    let socket = socket(place).display().to_string();
    Program::start(command.args(words.split_whitespace().map(|word| if word == "SOCKET" { &socket } else { word })))
}

/// The same to its end: its code, what it said on standard output, and on standard error.
fn ended(place: &Place, group: u32, words: &str) -> Result<(Option<i32>, String, String)> {
    let mut program = visitor(place, group, words)?;
    program.close_input();
    let status = program.wait()?;
    Ok((status.code(), program.out().join("\n"), program.err().join("\n")))
}

/// One that follows, from when nothing is missed any more.
fn following(place: &Place, words: &str) -> Result<Program> {
    let mut program = visitor(place, group(place)?, &format!("trace --attach SOCKET {words}"))?;
    program.line("that it follows", |line| line.contains("following the agent").then_some(()))?;
    Ok(program)
}

fn told(program: &Program, kind: &str) -> Result<Vec<Value>> {
    Ok(trace::of(&trace::parse(&program.out())?, kind).cloned().collect())
}

#[test]
fn a_member_of_the_group_sees_what_the_agent_sees() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "")?;
    let mut agent = started(&place, &format!("--verbose --port {} {}", server.port, place.with_keys()))?;
    let mode = fs::metadata(socket(&place))?.permissions().mode();
    ensure!(mode & 0o7777 == 0o660, "{mode:o}");
    // The probes are those of the agent before and after.
    let probes = visitor::probes(agent.program.pid())?;
    ensure!(probes > 10, "the agent holds {probes} probes");
    let mut json = following(&place, "--json --all")?;
    let mut text = following(&place, "")?;
    let mut failed = following(&place, "--json --failed")?;
    peers::card(&place, server.port, "--sessions 6 --fault none,wrong-key")?;
    let page = agent.settled(6)?;
    let now = visitor::probes(agent.program.pid())?;
    ensure!(now == probes, "{now} probes, and {probes} before");
    for client in [&json, &text, &failed] {
        ensure!(visitor::probes(client.pid())? == 0, "a client has probes of its own");
    }
    ensure!((page.successes(), page.failures()) == (3, 3), "{:?}", page.handshakes());
    let met = wait::until("the end of six connections", PATIENCE, || {
        let closed = told(&json, "connection_closed")?;
        Ok((closed.len() >= 6).then_some(closed.len()))
    })?;
    ensure!(met == 6, "{met} connections");
    // Against what the cards know of it.
    let cards = peers::connections(&place, "card")?;
    let good = cards.iter().filter(|one| one.handshake.as_ref().is_some_and(|shake| shake.result == "ok")).count();
    let handshakes = told(&json, "handshake")?;
    let bad = handshakes.iter().filter(|one| !one["failure"].is_null()).count();
    ensure!((handshakes.len(), bad) == (cards.len(), cards.len() - good), "{handshakes:#?}");
    let sessions = told(&json, "session")?.len() as u64;
    ensure!(sessions == page.count("cardlink_sessions_total", &[]) && sessions == 3, "{sessions} sessions");
    // What it is shown as text is what the agent itself prints.
    wait::until("the same lines", PATIENCE, || {
        let (all, seen) = (agent.program.out(), text.out());
        Ok((!seen.is_empty() && all.ends_with(&seen) && seen.iter().filter(|line| line.contains("TLS ")).count() >= 6)
            .then_some(()))
    })
    .with_context(|| format!("{:#?}\nis not the end of\n{:#?}", text.out(), agent.program.out()))?;
    ensure!(told(&failed, "handshake")?.len() == 3, "{:#?}", failed.out());

    let (code, out, err) = ended(&place, group(&place)?, "status --json --control SOCKET")?;
    ensure!(code == Some(0), "{code:?} {err}");
    let status: Value = serde_json::from_str(&out)?;
    let shakes = &status["targets"]["lab-server"]["handshakes"];
    ensure!(shakes["succeeded"] == 3.0 && shakes["failed"]["wrong_key"] == 3.0, "{status:#}");
    ensure!(status["agent"]["socket"] == socket(&place).display().to_string(), "{status:#}");
    let (code, out, err) = ended(&place, group(&place)?, "health --control SOCKET")?;
    ensure!(code == Some(0) && out.contains("healthy") || out.contains("degraded"), "{code:?} {out} {err}");

    // Whose reader goes away ends; whom Ctrl-C ends, too.
    ensure!(failed.stop(Signal::SIGINT)?.code() == Some(0), "{}", failed.said());
    // All others are told when the agent stops, and the socket is gone then.
    agent.stop()?;
    for program in [&mut json, &mut text] {
        ensure!(program.wait()?.code() == Some(0) && program.said().contains("the agent stops"), "{}", program.said());
    }
    ensure!(!socket(&place).exists());
    Ok(())
}

#[test]
fn who_may_not_attach_probes_follows_the_agent_that_may() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "")?;
    let mut agent = started(&place, &format!("--port {}", server.port))?;
    let group = group(&place)?;
    for (selectors, said) in [("", "following the agent"), ("--comm lab-server", "whom you selected does not count")] {
        let mut command = visitor::command(&place, NOBODY, group)?;
        command.env("CARDLINK_OBS_CONTROL_SOCKET", socket(&place)).args(["trace", "--json"]);
        let mut program = Program::start(command.args(selectors.split_whitespace()))?;
        program.line(said, |line| line.contains(said).then_some(()))?;
        peers::card(&place, server.port, "--sessions 1 --handshake-only")?;
        wait::until("a handshake", PATIENCE, || Ok((!told(&program, "handshake")?.is_empty()).then_some(())))
            .with_context(|| program.said())?;
        program.stop(Signal::SIGTERM)?;
    }
    // Root without selectors follows, too, and with them attaches what it needs.
    for (selectors, said) in [("", "following the agent"), ("--comm lab-server", "attached to lab-server")] {
        let mut command = agent::command(&place)?;
        command.env("CARDLINK_OBS_CONTROL_SOCKET", socket(&place)).arg("trace");
        let mut program = Program::start(command.args(selectors.split_whitespace()))?;
        program.line(said, |line| line.contains(said).then_some(()))?;
        program.stop(Signal::SIGTERM)?;
    }
    let (code, _, err) = ended(&place, group, "trace --attach SOCKET --comm lab-server")?;
    ensure!(code == Some(2) && err.contains("--comm is for a trace with probes of its own"), "{code:?} {err}");
    agent.stop()?;
    Ok(())
}

#[test]
fn others_are_refused() -> Result {
    let place = Place::new()?;
    let mut agent = started(&place, "--comm nobody-of-this-name")?;
    for words in ["trace --attach SOCKET", "log level --control SOCKET", "status --control SOCKET"] {
        let (code, out, err) = ended(&place, NOBODY, words)?;
        ensure!(code == Some(77) && out.is_empty() && err.lines().count() == 1, "{words}: {code:?} {out} {err}");
        ensure!(err.contains("is for root and the group") && err.contains("become a member"), "{err}");
    }
    // The page is for all.
    let url = format!("http://{}", agent.address());
    let (code, out, err) = ended(&place, NOBODY, &format!("status --url {url}"))?;
    ensure!(code == Some(0) && out.contains(&url), "{code:?} {out} {err}");
    agent.stop()?;
    let (code, _, err) = ended(&place, NOBODY, "log level --control SOCKET")?;
    ensure!(code == Some(5) && err.contains("no agent has the control socket"), "{code:?} {err}");
    Ok(())
}

#[test]
fn the_level_of_the_log() -> Result {
    let place = Place::new()?;
    let mut agent = started(&place, "--comm nobody-of-this-name")?;
    let group = group(&place)?;
    let level = |words: &str| -> Result<String> {
        let (code, out, err) = ended(&place, group, &format!("log level --control SOCKET {words}"))?;
        ensure!(code == Some(0) && err.is_empty(), "{words}: {code:?} {err}");
        Ok(out)
    };
    let visits =
        |agent: &Agent| agent.program.err().iter().filter(|line| line.contains("is at the control socket")).count();
    ensure!(level("")? == "info" && visits(&agent) == 0);
    ensure!(level("control=debug")? == "info → info,cardlink_obs::control=debug");
    let who = format!("log.level was info and is info,cardlink_obs::control=debug by the wish of user {NOBODY}");
    agent.program.line("who changed it", |line| line.contains(&who).then_some(()))?;
    // From now on clients are told of, and of nothing else more is.
    level("")?;
    let visit = format!("user {NOBODY} (group {group}, pid ");
    agent.program.line("who looked", |line| {
        (line.contains(&visit) && line.contains("is at the control socket")).then_some(())
    })?;
    ensure!(level("warn --json")?.contains(r#""new":"warn,cardlink_obs::control=debug""#));
    ensure!(level("control=warn")? == "warn,cardlink_obs::control=debug → warn,cardlink_obs::control=warn");
    // The visits from the first change to the last one were told of, and this one is not.
    wait::until("three visits", PATIENCE, || Ok((visits(&agent) == 3).then_some(())))?;
    ensure!(level("")? == "warn,cardlink_obs::control=warn");
    // A reload brings back what the configuration says.
    agent.program.signal(Signal::SIGHUP)?;
    wait::until("the configured level", PATIENCE, || Ok((level("")? == "info").then_some(())))?;
    let (code, _, err) = ended(&place, group, "log level --control SOCKET loud")?;
    ensure!(code == Some(2) && err.contains("`loud` is none"), "{code:?} {err}");
    agent.stop()?;
    ensure!(visits(&agent) == 3, "{}", agent.program.said());
    Ok(())
}

/// What one process has in memory, KiB.
fn memory(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

#[test]
fn a_client_that_does_not_read_harms_nobody() -> Result {
    const SESSIONS: u64 = 800;
    let place = Place::new()?;
    let server = Server::lab(&place, "--model threads --workers 8")?;
    let mut agent = started(&place, &format!("--sample-every 0 --pid {}", server.pid()))?;
    let reading = following(&place, "--json")?;
    let stopped = following(&place, "--json")?;
    stopped.signal(Signal::SIGSTOP)?;
    let before = memory(agent.program.pid())?;
    let words = format!("--sessions {SESSIONS} --parallel 20 --rate 100 --timeout 60000");
    peers::card(&place, server.port, &words)?;
    let page = agent.settled(SESSIONS)?;
    ensure!(page.successes() == SESSIONS, "{:?}", page.handshakes());
    ensure!(page.fates().get("ring_full").copied().unwrap_or_default() == 0, "{:?}", page.fates());
    let grown = memory(agent.program.pid())?.saturating_sub(before);
    // Who reads has all of it.
    wait::until("all of it", PATIENCE, || {
        Ok((told(&reading, "connection_closed")?.len() as u64 >= SESSIONS).then_some(()))
    })
    .with_context(|| {
        let (lines, left_out) = (reading.out().len(), told(&reading, "left_out"));
        format!("{lines} lines: {:?}, left out: {left_out:?}", reading.out().last())
    })?;
    ensure!(told(&reading, "left_out")?.is_empty(), "the other one has missed something");
    // Who did not has what there was room for, and how much is missing.
    stopped.signal(Signal::SIGCONT)?;
    let all = reading.out().len() as u64;
    let mut missing = 0;
    wait::until("what there was room for, and what was left out", PATIENCE, || {
        let notices = told(&stopped, "left_out")?;
        missing = notices.iter().filter_map(|notice| notice["observations"].as_u64()).sum();
        let lines = (stopped.out().len() - notices.len()) as u64;
        ensure!(lines + missing <= all, "{lines} lines and {missing} left out, of {all}");
        Ok((lines + missing == all).then_some(()))
    })
    .with_context(|| format!("{} lines and {missing} left out, of {all}", stopped.out().len()))?;
    println!("{missing} of {all} observations were left out; the agent grew by {grown} KiB");
    ensure!(missing > all / 4, "only {missing} of {all} were left out: this was no test");
    ensure!(grown < 32 << 10, "the agent grew by {grown} KiB");
    agent.stop()?;
    Ok(())
}

/// Speaks by itself what the documentation says.
struct Raw(BufReader<UnixStream>);

impl Raw {
    fn connect(place: &Place) -> Result<Self> {
        let stream = UnixStream::connect(socket(place))?;
        stream.set_read_timeout(Some(wait::scaled(Duration::from_secs(10))))?;
        Ok(Self(BufReader::new(stream)))
    }

    fn say(&mut self, text: &[u8]) -> Result {
        Ok(self.0.get_mut().write_all(text)?)
    }

    fn line(&mut self) -> Result<Value> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("{line:?}"))
    }
}

#[test]
fn what_is_no_request_gets_an_error() -> Result {
    let place = Place::new()?;
    let mut agent = started(&place, "--comm nobody-of-this-name")?;
    let mut raw = Raw::connect(&place)?;
    let greeting = raw.line()?;
    ensure!(greeting["protocol"] == 1 && greeting["pid"] == agent.program.pid(), "{greeting}");
    for wrong in [
        &b"status\n"[..],
        b"\n",
        b"\xff\xfe\0\n",
        b"{\"request\":\"stop\"}\n",
        b"{\"request\":\"trace\",\"slower\":-1}\n",
        b"{\"request\":\"trace\",\"conn\":1}\n",
        b"{\"request\":\"log_level\",\"set\":\"loud\"}\n",
    ] {
        raw.say(wrong)?;
        let answer = raw.line()?;
        ensure!(answer["error"].as_str().is_some_and(|error| !error.is_empty()), "{wrong:?}: {answer}");
    }
    // After all of that it still answers; two requests in one piece get two answers.
    raw.say(b"{\"request\":\"health\"}\n{\"request\":\"log_level\"}\n")?;
    ensure!(raw.line()?["ok"]["status"].is_string());
    ensure!(raw.line()?["ok"]["level"] == "info");
    raw.say(&vec![b'x'; 20_000])?;
    ensure!(raw.line()?["error"].as_str().is_some_and(|error| error.contains("16 KiB")));
    let mut rest = Vec::new();
    ensure!(raw.0.read_to_end(&mut rest).unwrap_or(0) == 0, "it hangs up");

    // No more clients than there is room for, and room again when one goes.
    let mut inside = (0..16).map(|_| Raw::connect(&place)).collect::<Result<Vec<_>>>()?;
    for raw in &mut inside {
        ensure!(raw.line()?["protocol"] == 1);
    }
    ensure!(Raw::connect(&place)?.line()?["error"].as_str().is_some_and(|error| error.contains("16 others")));
    inside.pop();
    wait::until("room", PATIENCE, || Ok((Raw::connect(&place)?.line()?["protocol"] == 1).then_some(())))?;
    agent.stop()?;
    Ok(())
}

/// As systemd starts it, and as a user's session has it.
#[test]
fn the_usual_place() -> Result {
    let place = Place::new()?;
    let folder = place.path("run/cardlink-obs");
    fs::create_dir_all(&folder)?;
    let usual = folder.join("control.sock");
    let agent = || -> Result<Agent> {
        let mut command = agent::command(&place)?;
        command.env("CARDLINK_OBS_CONTROL_SOCKET", "auto").env("RUNTIME_DIRECTORY", &folder).gid(GROUP);
        Agent::started(command.args(["run", "--listen", "127.0.0.1:0", "--comm", "nobody-of-this-name"]))
    };
    let mut first = agent()?;
    let group = fs::metadata(&usual)?.gid();
    let ask = |words: &str, listen: &str| -> Result<(Option<i32>, String)> {
        let mut command = visitor::command(&place, NOBODY, group)?;
        command.env("CARDLINK_OBS_CONTROL_SOCKET", "auto").env("XDG_RUNTIME_DIR", place.path("run"));
        if !listen.is_empty() {
            command.env("CARDLINK_OBS_METRICS_LISTEN", listen);
        }
        let mut program = Program::start(command.args(words.split_whitespace()))?;
        let status = program.wait()?;
        Ok((status.code(), program.said()))
    };
    let (code, said) = ask("status", "")?;
    ensure!(code == Some(0) && said.contains(&format!(" at {}", usual.display())), "{code:?} {said}");
    let (code, said) = ask("status", &first.address().to_string())?;
    ensure!(code == Some(0) && said.contains(&format!(" at {}", usual.display())), "{code:?} {said}");
    // A configuration that speaks of another agent means that one.
    let (code, said) = ask("status", "127.0.0.1:1")?;
    ensure!(code == Some(5) && said.contains("no agent answers at http://127.0.0.1:1/metrics"), "{code:?} {said}");

    let mut second = agent()?;
    let holder = format!("is that of cardlink-obs (pid {})", first.program.pid());
    ensure!(second.program.said().contains(&holder), "{}", second.program.said());
    ensure!(ask("status", &second.address().to_string())?.1.contains(" at http://"), "it is asked by HTTP");
    second.stop()?;
    ensure!(ask("log level", "")?.0 == Some(0), "the socket of the first has stayed");
    first.stop()?;
    ensure!(!usual.exists());
    Ok(())
}

#[test]
fn one_socket_has_one_agent() -> Result {
    let place = Place::new()?;
    let mut first = started(&place, "--comm nobody-of-this-name")?;
    let words = format!("run --listen 127.0.0.1:0 --comm nobody-of-this-name --control {}", socket(&place).display());
    let second = agent::output(&place, &words)?;
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    ensure!(second.status.code() == Some(4) && said.trim().lines().count() == 1, "{:?} {said}", second.status);
    ensure!(said.contains(&format!("(pid {})", first.program.pid())) && said.contains("--control"), "{said}");
    // One that was killed leaves its socket behind: the next one takes it over.
    first.program.stop(Signal::SIGKILL)?;
    ensure!(socket(&place).exists());
    let mut third = started(&place, "--comm nobody-of-this-name")?;
    ensure!(ended(&place, group(&place)?, "log level --control SOCKET")?.1 == "info");
    third.stop()?;
    ensure!(!socket(&place).exists());
    // What is no socket is nobody's to take away.
    fs::write(socket(&place), "text")?;
    let fourth = agent::output(&place, &words)?;
    let said = String::from_utf8_lossy(&fourth.stderr).into_owned();
    ensure!(fourth.status.code() == Some(4) && said.contains("is no socket"), "{:?} {said}", fourth.status);
    ensure!(fs::read_to_string(socket(&place))? == "text");
    Ok(())
}
