//! Sessions that no key opens, read from the program's TLS library: equal to the card's own truth.

use crate::sessions::{AT_ONCE, SESSIONS, answers, cards, counted, finish, own_script};
use cardlink_e2e::{
    Result,
    admin::{AdminOptions, AdminServer, Suite},
    agent::{Agent, Tracer},
    conversation::{self, Conversations},
    place::Place,
};

/// The suites with forward secrecy: twenty sessions at a time.
fn told_as_lived(server: AdminServer, way: &str) -> Result {
    let place = Place::new()?;
    for suite in [Suite::EcdheCbc, Suite::Tls13] {
        if !server.suites().contains(&suite) {
            continue;
        }
        let server = server.start(&place, &AdminOptions { suite, exchanges: 2, ..own_script() })?;
        let mut tracer = Tracer::start(&place, &format!("--library-probes on --pid {}", server.pid()))?;
        let words =
            format!("--sessions {SESSIONS} --parallel {AT_ONCE} --timeout 60000 {} {}", suite.card(), answers());
        let truth = cards(&place, server.port, &words)?;
        let lived: Conversations = conversation::lived(&truth, way)?;
        assert_eq!(lived.len(), SESSIONS, "{suite:?}");
        conversation::same(&lived, &finish(&mut tracer, SESSIONS)?)?;
    }
    Ok(())
}

#[test]
fn sslpsk() -> Result {
    told_as_lived(AdminServer::Sslpsk, "openssl")
}

/// Memory BIOs: a session's connection is known by the lengths of its records and their order.
#[test]
fn asyncio() -> Result {
    told_as_lived(AdminServer::Asyncio, "openssl")
}

/// The same, with the library within the program.
#[test]
fn node() -> Result {
    told_as_lived(AdminServer::Node, "openssl")
}

#[test]
fn gnutls() -> Result {
    told_as_lived(AdminServer::Gnutls, "gnutls")
}

#[test]
fn mbedtls() -> Result {
    told_as_lived(AdminServer::Mbedtls, "mbedtls")
}

#[test]
fn wolfssl() -> Result {
    told_as_lived(AdminServer::Wolfssl, "wolfssl")
}

fn five_hundred(server: AdminServer, way: &str) -> Result {
    let place = Place::new()?;
    let suite = Suite::EcdheCbc;
    let server = server.start(&place, &AdminOptions { suite, exchanges: 2, ..own_script() })?;
    let mut agent = Agent::run(&place, &format!("--library-probes on --ring-kib 16384 --pid {}", server.pid()))?;
    counted(&place, &server, &mut agent, &suite.card(), way)
}

#[test]
fn five_hundred_of_openssl() -> Result {
    five_hundred(AdminServer::Sslpsk, "openssl")
}

#[test]
fn five_hundred_of_memory_bios() -> Result {
    five_hundred(AdminServer::Asyncio, "openssl")
}

#[test]
fn five_hundred_of_gnutls() -> Result {
    five_hundred(AdminServer::Gnutls, "gnutls")
}
