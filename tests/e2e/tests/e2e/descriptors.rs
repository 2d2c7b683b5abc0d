//! What programs do with descriptors: no connection is split or merged by it.

use cardlink_e2e::{
    Result,
    agent::Agent,
    peers::{self, Server},
    place::{self, Place},
};
use std::{collections::BTreeMap, process::Command};

fn counted_once(way: &str, sessions: u64, parallel: u64) -> Result {
    let place = Place::new()?;
    let script = place.path("descriptors.py");
    std::fs::write(&script, include_str!("../../peers/descriptors.py"))?;
    let port = peers::free_port()?;
    let mut command = Command::new(place::python()?);
    let server = Server::on(command.arg(script).arg(port.to_string()).arg(way), port)?;
    let mut agent = Agent::run(&place, &format!("--pid {}", server.pid()))?;
    peers::card(&place, port, &format!("--handshake-only --sessions {sessions} --parallel {parallel}"))?;
    let page = agent.settled(sessions)?;
    assert_eq!(page.connections(), BTreeMap::from([("handshake".to_owned(), sessions)]), "{way}: connections");
    let success = "success TLS_PSK_WITH_AES_128_CBC_SHA256".to_owned();
    assert_eq!(page.handshakes(), BTreeMap::from([(success, sessions)]), "{way}: handshakes");
    assert_eq!(page.active(), 0);
    agent.balanced().map(|_| ())
}

#[test]
fn duplicated_after_accept() -> Result {
    counted_once("dup", 20, 1)
}

#[test]
fn duplicated_and_used_late() -> Result {
    counted_once("late", 2, 1)
}

#[test]
fn duplicated_onto_a_number_in_use() -> Result {
    counted_once("dup2", 20, 1)
}

#[test]
fn closed_as_a_range_in_a_child() -> Result {
    counted_once("range", 20, 4)
}

#[test]
fn inherited_by_a_child() -> Result {
    counted_once("fork", 50, 8)
}

#[test]
fn inherited_by_another_program() -> Result {
    counted_once("exec", 8, 2)
}

#[test]
fn used_again_at_once_by_eight_threads() -> Result {
    counted_once("threads", 300, 16)
}

#[test]
fn passed_to_another_process() -> Result {
    counted_once("passed", 20, 4)
}
