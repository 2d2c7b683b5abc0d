//! Health: the checks that run by themselves, those that are asked for, and how little they disturb.

use anyhow::ensure;
use cardlink_e2e::{
    IDENTITY, Result,
    agent::{self, Agent},
    http::get,
    peers::{self, Server},
    place::Place,
    program::Program,
    wait::{self, PATIENCE},
};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    time::{Duration, Instant},
};

/// Checks that run by themselves come round quickly.
const QUICK: &str = "[health.checks.process]\ninterval = \"200ms\"\n[health.checks.server]\ninterval = \"200ms\"\n\
                     window = \"3s\"\nleast = 3\n[health.checks.disk]\npath = \"/proc\"\ndegraded_free = 0\n\
                     unhealthy_free = 0\n[health.checks.memory]\ndegraded_available = 0\nunhealthy_available = 0\n";

fn configure(place: &Place, watch: &str, checks: &str) -> Result {
    let text = format!("[watch]\n{watch}\n[metrics]\nlisten = \"127.0.0.1:0\"\n{checks}");
    Ok(fs::write(place.path("config.toml"), text)?)
}

fn started(place: &Place, watch: &str, checks: &str) -> Result<Agent> {
    configure(place, watch, checks)?;
    Agent::started(agent::command(place)?.args(["run", "--config"]).arg(place.path("config.toml")))
}

fn health(agent: &Agent) -> Result<(u16, Value)> {
    let answer = get(agent.address(), "/health", "")?;
    Ok((answer.status, answer.json()?))
}

/// Waits until a check is so; its message.
fn until(agent: &mut Agent, check: &str, status: &str) -> Result<String> {
    let mut last = Value::Null;
    let found = wait::until(&format!("{check} {status}"), PATIENCE, || {
        last = health(agent)?.1;
        let row = &last["checks"][check];
        let known = row["checked_at"].is_string();
        Ok((known && row["status"] == status).then(|| row["message"].as_str().unwrap_or_default().to_owned()))
    });
    found.map_err(|error| error.context(format!("{last:#}\n{}", agent.program.said())))
}

fn command(place: &Place, agent: &Agent, words: &[&str]) -> Result<(Option<i32>, String)> {
    let url = format!("http://{}", agent.address());
    let mut program = Program::start(agent::command(place)?.arg("health").args(words).args(["--url", &url]))?;
    program.close_input();
    let status = program.wait()?;
    Ok((status.code(), program.out().join("\n")))
}

#[test]
fn of_a_server_and_its_agent() -> Result {
    let place = Place::new()?;
    let mut server = Server::lab(&place, "--ciphers PSK-AES128-CBC-SHA256")?;
    let mut agent = started(&place, &format!("port = [{}]", server.port), QUICK)?;
    for check in ["process", "server", "metrics", "probes", "ledger", "disk", "memory"] {
        until(&mut agent, check, "healthy")?;
    }
    let (code, json) = health(&agent)?;
    ensure!(code == 200 && json["status"] == "healthy", "{json:#}");
    ensure!(get(agent.address(), "/health/ready", "")?.status == 200);
    let (code, out) = command(&place, &agent, &[])?;
    ensure!(code == Some(0) && out.trim() == "✓ healthy", "{out}");
    let (code, out) = command(&place, &agent, &["--verbose"])?;
    ensure!(code == Some(0) && out.matches('✓').count() == 8, "{out}");
    // Handshakes fail.
    peers::card(&place, server.port, "--sessions 8 --fault wrong-key")?;
    let message = until(&mut agent, "server", "unhealthy")?;
    ensure!(message.contains("handshakes failed"), "{message}");
    let (code, json) = health(&agent)?;
    ensure!(code == 503 && json["status"] == "unhealthy", "{json:#}");
    let (code, out) = command(&place, &agent, &[])?;
    ensure!(code == Some(1) && out.contains("✗ unhealthy") && out.contains("✗ server"), "{out}");
    ensure!(get(agent.address(), "/health/ready", "")?.status == 200, "the agent itself is well");
    // They are forgotten; then the server goes.
    until(&mut agent, "server", "healthy")?;
    server.stop()?;
    until(&mut agent, "process", "unhealthy")?;
    ensure!(get(agent.address(), "/health/live", "")?.status == 200);
    agent.until("the same on the page", |page| {
        page.series("cardlink_obs_health_status", &[("check", "process")]).any(|one| one.value < 0.1)
    })?;
    agent.stop()?;
    Ok(())
}

/// The listeners never answer, and the command never ends.
#[test]
fn a_hung_check_holds_up_nobody() -> Result {
    let place = Place::new()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let at = listener.local_addr()?;
    let checks = format!(
        "[health.checks.web]\nkind = \"http\"\nurl = \"http://{at}/\"\ntimeout = \"5s\"\n\
         [health.checks.db]\nkind = \"database\"\nengine = \"mysql\"\naddress = \"{at}\"\ntimeout = \"1s\"\n\
         [health.checks.plugin]\nkind = \"command\"\ncommand = [\"sleep\", \"600\"]\ntimeout = \"1s\"\n\
         [health.checks.fine]\nkind = \"tcp\"\naddress = \"{at}\"\n"
    );
    let mut agent = started(&place, "comm = [\"nobody-of-this-name\"]", &checks)?;
    let began = Instant::now();
    let (_, first) = health(&agent)?;
    ensure!(began.elapsed() < wait::scaled(Duration::from_secs(1)), "who asks does not wait");
    ensure!(first["checks"]["web"]["message"] == "not looked at yet", "{first:#}");
    until(&mut agent, "fine", "healthy")?;
    until(&mut agent, "memory", "healthy")?;
    until(&mut agent, "db", "unhealthy")?;
    until(&mut agent, "plugin", "unhealthy")?;
    let message = until(&mut agent, "web", "unhealthy")?;
    ensure!(message.contains("5s") || message.contains("in time"), "{message}");
    ensure!(began.elapsed() < wait::scaled(Duration::from_secs(8)), "{:?}", began.elapsed());
    agent.stop()?;
    Ok(())
}

/// Every second ten times: none of it is counted, and the card's own session is.
#[test]
fn active_checks_are_kept_out_of_the_metrics() -> Result {
    let place = Place::new()?;
    let keys = place.path("psk");
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600))?;
    let server = Server::lab(&place, "--ciphers PSK-AES128-CBC-SHA256 --workers 4")?;
    let at = format!("127.0.0.1:{}", server.port);
    let every = "interval = \"100ms\"\n";
    let checks = format!(
        "[health.checks.shake]\nkind = \"tls-psk\"\naddress = \"{at}\"\nidentity = \"{IDENTITY}\"\npsk_file = \"{}\"\n{every}\
         [health.checks.port]\nkind = \"tcp\"\naddress = \"localhost:{}\"\n{every}\
         [health.checks.web]\nkind = \"http\"\nurl = \"http://{at}/\"\n{every}",
        keys.display(),
        server.port
    );
    let mut agent = started(&place, &format!("pid = [{}]", server.pid()), &checks)?;
    let message = until(&mut agent, "shake", "healthy")?;
    ensure!(message.contains("speaks TLS_PSK_WITH_AES_128_CBC_SHA256"), "{message}");
    until(&mut agent, "port", "healthy")?;
    until(&mut agent, "web", "unhealthy")?;
    peers::card(&place, server.port, "--sessions 2")?;
    std::thread::sleep(wait::scaled(Duration::from_secs(2)));
    let page = agent.settled(2)?;
    ensure!(
        page.closed() == 2 && page.successes() == 2 && page.failures() == 0,
        "{:?} {:?}",
        page.connections(),
        page.handshakes()
    );
    ensure!(page.count("cardlink_tls_plaintext_total", &[]) <= 2, "{:?}", page.connections());
    agent.stop()?;
    Ok(())
}

/// Servers that others wrote complete a handshake with the check, and say when the key is another.
#[test]
fn tls_psk_with_servers_that_others_wrote() -> Result {
    let place = Place::new()?;
    let file = |name: &str, key: &str| -> Result<String> {
        let path = place.path(name);
        fs::write(&path, format!("{IDENTITY}:{key}\n"))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok(path.display().to_string())
    };
    let (good, bad) = (file("good", cardlink_e2e::KEY)?, file("bad", "00000000000000000000000000000000")?);
    let openssl = Server::openssl("-tls1_2 -cipher PSK-AES128-GCM-SHA256")?;
    let legacy = Server::openssl("-tls1_2 -cipher PSK-AES256-CBC-SHA:@SECLEVEL=0")?;
    let gnutls = Server::gnutls(&place, "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+PSK:-CIPHER-ALL:+AES-128-CBC")?;
    let tls13 = Server::openssl("-tls1_3")?;
    let check = |name: &str, port: u16, file: &str| {
        format!(
            "[health.checks.{name}]\nkind = \"tls-psk\"\naddress = \"127.0.0.1:{port}\"\nidentity = \"{IDENTITY}\"\n\
             psk_file = \"{file}\"\ninterval = \"1s\"\n"
        )
    };
    let checks = check("openssl", openssl.port, &good)
        + &check("legacy", legacy.port, &good)
        + &check("gnutls", gnutls.port, &good)
        + &check("wrong", openssl.port, &bad)
        + &check("newer", tls13.port, &good);
    let mut agent = started(&place, "comm = [\"nobody-of-this-name\"]", &checks)?;
    let speaks = |message: &str, suite: &str| -> Result {
        ensure!(message.contains(&format!("speaks TLS_PSK_WITH_{suite} ")), "{message}");
        Ok(())
    };
    speaks(&until(&mut agent, "openssl", "healthy")?, "AES_128_GCM_SHA256")?;
    speaks(&until(&mut agent, "legacy", "healthy")?, "AES_256_CBC_SHA")?;
    let message = until(&mut agent, "gnutls", "healthy")?;
    ensure!(message.contains("speaks TLS_PSK_WITH_AES_128_CBC_SHA"), "{message}");
    let message = until(&mut agent, "wrong", "unhealthy")?;
    ensure!(message.contains("alert") || message.contains("another key"), "{message}");
    until(&mut agent, "newer", "unhealthy")?;
    agent.stop()?;
    Ok(())
}

#[test]
fn checks_come_and_go_with_a_reload() -> Result {
    let place = Place::new()?;
    let watch = "comm = [\"nobody-of-this-name\"]";
    let mut agent = started(&place, watch, "")?;
    until(&mut agent, "process", "degraded")?;
    let database = place.path("db");
    fs::write(&database, "no database")?;
    let check = format!(
        "[health.checks.db]\nkind = \"database\"\nengine = \"sqlite\"\naddress = \"{}\"\n[health.checks.memory]\nenabled = false\n",
        database.display()
    );
    configure(&place, watch, &check)?;
    agent.program.signal(Signal::SIGHUP)?;
    until(&mut agent, "db", "unhealthy")?;
    ensure!(health(&agent)?.1["checks"].get("memory").is_none());
    agent.program.line("what has changed", |line| {
        (line.contains("health.checks.db") && line.contains("health.checks.memory")).then_some(())
    })?;
    configure(&place, watch, "[health]\nenabled = false\n")?;
    agent.program.signal(Signal::SIGHUP)?;
    wait::until("no health", PATIENCE, || {
        let (code, json) = health(&agent)?;
        Ok((code == 503 && json["status"] == "disabled").then_some(()))
    })?;
    let (code, out) = command(&place, &agent, &[])?;
    ensure!(code == Some(1) && out.contains("disabled"), "{code:?} {out}");
    agent.stop()?;
    Ok(())
}

#[test]
fn on_a_port_of_its_own() -> Result {
    let place = Place::new()?;
    let port = peers::free_port()?;
    let checks = format!("[health]\nlisten = \"127.0.0.1:{port}\"\n");
    let mut agent = started(&place, "comm = [\"nobody-of-this-name\"]", &checks)?;
    let at = format!("127.0.0.1:{port}").parse()?;
    ensure!(get(at, "/health/live", "")?.status == 200);
    ensure!(get(at, "/health", "")?.json()?["checks"].is_object());
    ensure!(get(at, "/metrics", "")?.status == 404, "metrics are not there");
    ensure!(get(agent.address(), "/health", "")?.json()?["checks"].is_object(), "and they stay where they were");
    agent.stop()?;
    Ok(())
}
