//! A thousand handshakes, fifty at a time: each is counted once, and every event has a fate.

use cardlink_e2e::{
    IDENTITY, KEY, Result,
    agent::Agent,
    peers::{self, Server},
    place::{self, Place},
    program::Program,
};
use std::process::Command;

const SESSIONS: u64 = 1000;

fn a_thousand(place: &Place, server: &Server, versions: &str) -> Result {
    let mut agent = Agent::run(place, &format!("--pid {}", server.pid()))?;
    peers::card(place, server.port, &format!("--sessions {SESSIONS} --parallel 50 --timeout 60000 {versions}"))?;
    let card = peers::connections(place, "card")?;
    let good = card.iter().filter(|one| one.handshake.as_ref().is_some_and(|shake| shake.result == "ok")).count();
    assert_eq!(good as u64, SESSIONS, "the card itself has been refused");
    let page = agent.settled(SESSIONS)?;
    assert_eq!(page.successes(), SESSIONS, "{:?}", page.handshakes());
    assert_eq!(page.failures(), 0, "{:?}", page.handshakes());
    assert_eq!(page.closed(), SESSIONS, "{:?}", page.connections());
    assert_eq!(page.active(), 0);
    assert_eq!(page.count("cardlink_tls_handshake_duration_seconds_count", &[]), SESSIONS);
    assert_eq!(page.count("cardlink_obs_incomplete_total", &[]), 0);
    agent.balanced().map(|_| ())
}

#[test]
fn lab_server_with_threads() -> Result {
    let place = Place::new()?;
    a_thousand(&place, &Server::lab(&place, "--model threads --workers 8")?, "")
}

#[test]
fn lab_server_with_a_process_for_each_connection() -> Result {
    let place = Place::new()?;
    a_thousand(&place, &Server::lab(&place, "--model fork")?, "")
}

#[test]
fn lab_server_with_one_thread() -> Result {
    let place = Place::new()?;
    a_thousand(&place, &Server::lab(&place, "--model inline")?, "")
}

#[test]
fn lab_server_tls_1_3() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "--model threads --workers 8 --min-version 1.3 --max-version 1.3")?;
    a_thousand(&place, &server, "--min-version 1.3 --max-version 1.3")
}

/// Server and card are both watched: a handshake is one, and counted at the serving end.
#[test]
fn both_ends() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "--model threads --workers 4")?;
    let card = place.path(&format!("card-{}", std::process::id()));
    std::os::unix::fs::symlink(place::program("lab-card")?, &card)?;
    let cmdline = format!("--cmdline ^{}|{}", card.display(), place.path("psk").display());
    let mut agent = Agent::run(&place, &cmdline)?;
    let mut command = Command::new(&card);
    command.args(["--connect", &format!("127.0.0.1:{}", server.port), "--identity", IDENTITY, "--key", KEY]);
    command.args(["--sessions", "100", "--parallel", "4", "--fault", "none,wrong-key"]);
    Program::start(&mut command)?.success()?;
    let page = agent.settled(100)?;
    assert_eq!((page.successes(), page.failures()), (50, 50), "{:?}", page.handshakes());
    assert_eq!(page.count("cardlink_tls_handshakes_total", &[("target", "lab-server")]), 100);
    assert_eq!(page.closed(), 100, "{:?}", page.connections());
    agent.balanced().map(|_| ())
}

#[test]
fn gnutls() -> Result {
    let place = Place::new()?;
    let server = Server::gnutls(&place, "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+PSK")?;
    a_thousand(&place, &server, "--handshake-only")
}
