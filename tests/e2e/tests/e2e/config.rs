//! The configuration: where values come from, what is refused, what a reload changes and what it leaves.

use anyhow::{Context as _, ensure};
use cardlink_e2e::{
    KEY, Result,
    agent::{self, Agent},
    peers::{self, Server},
    place::Place,
    program::Program,
    wait::{self, PATIENCE},
};
use nix::sys::signal::Signal;
use std::{fs, path::Path, process::Command};

/// The agent with these words, to its end: its code and all that it said.
fn ended(command: &mut Command, words: &[&str]) -> Result<(Option<i32>, String)> {
    let mut program = Program::start(command.args(words))?;
    program.close_input();
    let status = program.wait()?;
    Ok((status.code(), [program.out(), program.err()].concat().join("\n")))
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path in UTF-8")
}

/// `run` with a file, on a free port.
fn with_file(place: &Place, content: &str, words: &[&str]) -> Result<Agent> {
    fs::write(place.path("config.toml"), format!("[metrics]\nlisten = \"127.0.0.1:0\"\n{content}"))?;
    let mut command = agent::command(place)?;
    Agent::started(command.args(["run", "--config"]).arg(place.path("config.toml")).args(words))
}

#[test]
fn a_run_takes_its_values_from_file_variables_and_flags() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "")?;
    let watch = format!("[watch]\nport = [{}]\n[log]\nformat = \"json\"\n", server.port);
    let mut agent = with_file(&place, &watch, &[])?;
    peers::card(&place, server.port, "")?;
    agent.until("the handshake of the port in the file", |page| page.successes() == 1)?;
    ensure!(agent.program.err().iter().any(|line| line.starts_with('{')), "the log is JSON: {}", agent.program.said());
    agent.stop()?;
    // A selector on the command line takes the place of the file's: with both, nobody would be watched.
    let mut agent =
        with_file(&place, "[watch]\ncomm = [\"nobody-of-this-name\"]\n", &["--pid", &server.pid().to_string()])?;
    peers::card(&place, server.port, "")?;
    agent.until("the handshake of the flag's process", |page| page.successes() == 1)?;
    agent.stop()?;
    // Show says the same, with the sources.
    let file = place.path("config.toml");
    fs::write(&file, "[log]\nlevel = \"debug\"\n\n[limits]\nat_timeout = \"9s\"\n")?;
    let mut command = agent::command(&place)?;
    command.env("CARDLINK_OBS_LOG_LEVEL", "warn");
    let (code, said) = ended(&mut command, &["config", "show", "--changed", "--config", text(&file)?])?;
    ensure!(code == Some(0), "{said}");
    let line = |key: &str| said.lines().find(|line| line.starts_with(key)).unwrap_or_default().to_owned();
    ensure!(
        line("log.level").ends_with("# CARDLINK_OBS_LOG_LEVEL") && line("log.level").contains("\"warn\""),
        "{said}"
    );
    ensure!(line("limits.at_timeout").ends_with(&format!("# {}:5", file.display())), "{said}");
    Ok(())
}

#[test]
fn mistakes_are_refused_with_file_and_line() -> Result {
    let place = Place::without_agent()?;
    let file = place.path("config.toml");
    fs::write(&file, "# mine\n[metrics]\nlistn = \"127.0.0.1:1\"\n[kernel]\nring_kib = 5\n")?;
    let file = text(&file)?;
    for words in [&["run", "--config", file][..], &["config", "check", "--config", file]] {
        let (code, said) = ended(&mut agent::command(&place)?, words)?;
        ensure!(code == Some(78), "{words:?}: {code:?} {said}");
        let wanted =
            format!("cardlink-obs: {file}:3: there is no setting `metrics.listn`: did you mean `metrics.listen`?");
        ensure!(said.contains(&wanted), "{said}");
        ensure!(said.contains(&format!("{file}:5: `kernel.ring_kib`: must be a power of two")), "{said}");
    }
    let (code, said) = ended(&mut agent::command(&place)?, &["run", "--config", "/no/such/file"])?;
    ensure!(code == Some(78) && said.contains("/no/such/file cannot be read: No such file"), "{code:?} {said}");
    let (code, said) = ended(&mut agent::command(&place)?, &["run", "--pid", "1", "--record-ciphertext"])?;
    ensure!(code == Some(2) && said.contains("needs a `record.file`"), "{code:?} {said}");
    let (code, said) = ended(agent::command(&place)?.env("CARDLINK_OBS_KERNEL_RING_KIB", "x"), &["config", "check"])?;
    ensure!(
        code == Some(78) && said.contains("CARDLINK_OBS_KERNEL_RING_KIB: must be a whole number"),
        "{code:?} {said}"
    );
    Ok(())
}

#[test]
fn the_default_file_is_written_and_changed_with_its_comments() -> Result {
    let place = Place::without_agent()?;
    let file = place.path("etc/config.toml");
    let file_text = text(&file)?;
    let run = |words: &[&str]| ended(&mut agent::command(&place)?, words);
    ensure!(run(&["config", "init", file_text])?.0 == Some(0));
    ensure!(run(&["config", "init", file_text])?.0 == Some(2), "it is not replaced unasked");
    let before = fs::read_to_string(&file)?;
    let pairs = ["log.level", "debug", "watch.port", "8443,8444"];
    let (code, said) = run(&[&["config", "--config", file_text, "set"][..], &pairs].concat())?;
    ensure!(code == Some(0), "{said}");
    let after = fs::read_to_string(&file)?;
    let comments =
        |text: &str| text.lines().filter(|line| line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
    ensure!(comments(&before) == comments(&after), "comments survive");
    ensure!(after.contains("level = \"debug\"") && after.contains("port = [8443, 8444]"), "{after}");
    let (code, said) = run(&["config", "--config", file_text, "set", "kernel.ring_kib", "5"])?;
    ensure!(code == Some(78) && said.contains("power of two"), "{code:?} {said}");
    ensure!(fs::read_to_string(&file)? == after, "what was refused changed nothing");
    ensure!(run(&["config", "check", "--config", file_text])?.0 == Some(0));
    Ok(())
}

#[test]
fn a_reload_changes_what_it_can_and_refuses_what_is_wrong() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "--ciphers PSK-AES128-CBC-SHA256")?;
    let psk = place.path("keys");
    let write_keys = |key: &str| -> Result {
        fs::write(&psk, format!("{}:{key}\n", cardlink_e2e::IDENTITY))?;
        Ok(fs::set_permissions(&psk, std::os::unix::fs::PermissionsExt::from_mode(0o600))?)
    };
    write_keys("00000000000000000000000000000000")?;
    let base = format!("[watch]\npid = [{}]\n[sessions]\npsk_file = \"{}\"\n", server.pid(), psk.display());
    let mut agent = with_file(&place, &base, &[])?;
    let readable = [("way", "key_file")];
    peers::card(&place, server.port, "")?;
    let page = agent.settled(1)?;
    ensure!(page.count("cardlink_tls_plaintext_total", &readable) == 0, "the key is wrong");
    // The content of the key file, and the level of the log.
    write_keys(KEY)?;
    let file = place.path("config.toml");
    let config = |more: &str| fs::write(&file, format!("[metrics]\nlisten = \"127.0.0.1:0\"\n{base}{more}"));
    config("[log]\nlevel = \"debug\"\n[kernel]\nring_kib = 1024\n")?;
    agent.program.signal(Signal::SIGHUP)?;
    agent.program.line("what has changed", |line| line.contains("reloaded: log.level changed").then_some(()))?;
    agent.program.line("what needs a restart", |line| {
        line.contains("these changes need a restart: kernel.ring_kib").then_some(())
    })?;
    peers::card(&place, server.port, "")?;
    agent.until("a connection that is read", |page| page.count("cardlink_tls_plaintext_total", &readable) == 1)?;
    agent.program.line("a handshake in the log", |line| line.contains("handshake succeeded").then_some(()))?;
    // It still does after another reload.
    agent.program.signal(Signal::SIGHUP)?;
    wait::until("the same line again", PATIENCE, || {
        let told = agent.program.err().iter().filter(|line| line.contains("need a restart: kernel.ring_kib")).count();
        Ok((told == 2).then_some(()))
    })?;
    // An invalid file changes nothing.
    config("[log]\nlevle = \"error\"\n")?;
    agent.program.signal(Signal::SIGHUP)?;
    agent.program.line("why it is refused", |line| {
        (line.contains("not reloaded, the old configuration stays") && line.contains("did you mean `log.level`?"))
            .then_some(())
    })?;
    let told = |agent: &Agent| agent.program.err().iter().filter(|line| line.contains("handshake succeeded")).count();
    let before = told(&agent);
    peers::card(&place, server.port, "")?;
    wait::until("a handshake in the log", PATIENCE, || Ok((told(&agent) > before).then_some(())))?;
    // Unreadable keys: the old ones stay.
    fs::remove_file(&psk)?;
    config("")?;
    agent.program.signal(Signal::SIGHUP)?;
    agent.program.line("what cannot be read", |line| {
        (line.contains("not reloaded") && line.contains("the key file")).then_some(())
    })?;
    peers::card(&place, server.port, "")?;
    agent.until("another that is read", |page| page.count("cardlink_tls_plaintext_total", &readable) == 3)?;
    agent.stop()?;
    Ok(())
}

/// Aliases by identity and by hash: in the log, after a reload, and nowhere the identity.
#[test]
fn aliases_that_change_while_it_runs() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "")?;
    let base = format!("[watch]\npid = [{}]\n[log]\nformat = \"json\"\n", server.pid());
    let file = place.path("config.toml");
    let config = |names: &str| fs::write(&file, format!("[metrics]\nlisten = \"127.0.0.1:0\"\n{base}[names]\n{names}"));
    let identity = cardlink_e2e::IDENTITY;
    let mut agent = with_file(&place, &format!("{base}[names]\n\"{identity}\" = \"Rack 7\"\n"), &[])?;
    let failure = |agent: &mut Agent, alias: &'static str| {
        agent.program.line("a failure under its alias", move |line| {
            (line.contains("wrong_key") && line.contains(alias)).then_some(())
        })
    };
    peers::card(&place, server.port, "--fault wrong-key")?;
    failure(&mut agent, "\"Rack 7\"")?;
    let (code, said) = ended(&mut agent::command(&place)?, &["id", "--json", identity])?;
    ensure!(code == Some(0), "{said}");
    let hash = said.split('"').find(|word| word.starts_with("psk-")).map(str::to_owned);
    let hash = hash.ok_or_else(|| anyhow::anyhow!("no hash: {said}"))?;
    config(&format!("\"{hash}\" = \"Rack 8\"\n"))?;
    agent.program.signal(Signal::SIGHUP)?;
    agent.program.line("what has changed", |line| line.contains("reloaded: names changed").then_some(()))?;
    peers::card(&place, server.port, "--fault wrong-key")?;
    failure(&mut agent, "\"Rack 8\"")?;
    config("")?;
    agent.program.signal(Signal::SIGHUP)?;
    wait::until("another reload", PATIENCE, || {
        let told = agent.program.err().iter().filter(|line| line.contains("reloaded: names changed")).count();
        Ok((told == 2).then_some(()))
    })?;
    peers::card(&place, server.port, "--fault wrong-key")?;
    agent.program.line("a failure under the hash", move |line| {
        (line.contains("wrong_key") && line.contains(&hash)).then_some(())
    })?;
    ensure!(!agent.program.said().contains(&format!("\"{identity}\"")), "{}", agent.program.said());
    // How many there are is shown, and not what is named.
    config(&format!("\"{identity}\" = \"Rack 7\"\n"))?;
    let path = file.display().to_string();
    let (_, said) = ended(&mut agent::command(&place)?, &["config", "show", "--config", &path, "names"])?;
    ensure!(said.contains("1 aliases") && !said.contains(identity), "{said}");
    agent.stop()?;
    Ok(())
}
