//! What programs do with descriptors: no connection is split or merged by it.

use cardlink_e2e::{
    Result,
    agent::Agent,
    echo::compiled,
    peers::{self, Server},
    place::{self, Place},
    program::Program,
};
use std::{collections::BTreeMap, io::Read as _, net::TcpListener, process::Command};

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

/// Their numbers mean something else: a read would close the connection.
#[test]
fn called_by_the_gate_of_32_bit_programs() -> Result {
    let place = Place::new()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let program = compiled(&place, "compat", &[])?;
    let mut peer = Program::start(Command::new(program).arg(listener.local_addr()?.port().to_string()))?;
    let mut agent = Agent::run(&place, &format!("--pid {}", peer.pid()))?;
    peer.tell("go")?;
    let mut came = String::new();
    listener.accept()?.0.read_to_string(&mut came)?;
    peer.success()?;
    assert_eq!(came, "hello\n".repeat(3));
    let page = agent.settled(1)?;
    assert_eq!(page.connections(), BTreeMap::from([("not_tls".to_owned(), 1)]));
    agent.balanced().map(|_| ())
}
