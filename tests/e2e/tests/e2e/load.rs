//! A thousand handshakes, fifty at a time: each is counted once, and every event has a fate.

use cardlink_e2e::{
    Result,
    agent::Agent,
    peers::{self, Server},
    place::Place,
};

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

#[test]
fn gnutls() -> Result {
    let place = Place::new()?;
    let server = Server::gnutls(&place, "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+PSK")?;
    a_thousand(&place, &server, "--handshake-only")
}
