//! The administration servers are good peers before anybody watches them: what the card says of each, without an agent.

use cardlink_e2e::{
    Result,
    admin::{AdminOptions, AdminServer, Suite},
    peers,
    place::Place,
};
use cardlink_lab::truth::ConnectionRecord;

const SESSIONS: usize = 40;
/// `lab-server`'s script, which is the servers' own, and what the card answers to it.
const ONE_SCRIPT: [(&str, &str); 3] = [("80F24002", "9000"), ("80CA0066", "9000"), ("00A4040C", "9000")];

/// What is wrong with a session that should have been complete.
fn wrong(session: &ConnectionRecord, suite: Suite, apdus: &[(&str, &str)], exchanges: u32) -> Option<String> {
    let told = session.session.apdus.iter().map(|apdu| (apdu.header.as_str(), apdu.status_word.as_str()));
    let negotiated = session.handshake.as_ref().and_then(|handshake| handshake.suite.as_deref());
    let good = session.session.end == "complete"
        && session.session.exchanges == exchanges
        && negotiated == Some(suite.name())
        && told.eq(apdus.iter().copied());
    (!good).then(|| format!("session {}: {:?} {:?}", session.conn, session.handshake, session.session))
}

/// Forty sessions, twenty at a time.
fn serves(server: AdminServer, options: &AdminOptions, card: &str, script: &[(&str, &str)]) -> Result {
    let place = Place::without_agent()?;
    let running = server.start(&place, options)?;
    let suite = options.suite;
    peers::card(&place, running.port, &format!("--sessions {SESSIONS} --parallel 20 {} {card}", suite.card()))?;
    let sessions = peers::connections(&place, "card")?;
    assert_eq!(sessions.len(), SESSIONS, "{server:?} {suite:?}:{}", running.program.said());
    let apdus = script.repeat(options.exchanges as usize);
    let wrong: Vec<_> =
        sessions.iter().filter_map(|session| wrong(session, suite, &apdus, options.exchanges)).collect();
    assert!(wrong.is_empty(), "{server:?} {suite:?}: {}\n{}", running.program.said(), wrong.join("\n"));
    Ok(())
}

/// One script, in the first suite that it offers.
fn plain(server: AdminServer) -> AdminOptions {
    AdminOptions { suite: server.suites().first().copied().unwrap_or_default(), ..AdminOptions::default() }
}

/// Every family that it offers, every shape of a body, and a script of the test's own.
fn serves_all(server: AdminServer) -> Result {
    for &suite in server.suites() {
        serves(server, &AdminOptions { suite, exchanges: 2, ..AdminOptions::default() }, "", &ONE_SCRIPT)?;
    }
    let plain = plain(server);
    let chunked = AdminOptions { chunked: true, ..plain.clone() };
    serves(server, &chunked, "--framing chunked", &ONE_SCRIPT)?;
    // C-APDUs of 10 and of 200 bytes: a length of one and of two bytes in the script.
    let long = format!("80E80000C3{}", "5A".repeat(195));
    let script = vec!["80E40000054F03A00000".to_owned(), long];
    let own = AdminOptions { script, ..plain };
    serves(server, &own, "--answer 80E4=6A88", &[("80E40000", "6A88"), ("80E80000", "9000")])
}

/// Links that drop after the response to the first of two scripts: the second connection brings it again, and the rest.
#[test]
fn a_dropped_session_goes_on() -> Result {
    let place = Place::without_agent()?;
    for server in AdminServer::ALL {
        let options = AdminOptions { exchanges: 2, ..plain(server) };
        let running = server.start(&place, &options)?;
        let suite = options.suite.card();
        let words = format!("--sessions {SESSIONS} --parallel 20 --fault drop-mid-script {suite}");
        peers::card(&place, running.port, &words)?;
        let connections = peers::connections(&place, "card")?;
        let ends = |end: &str| connections.iter().filter(|one| one.session.end == end).count();
        let counts = (connections.len(), ends("dropped after its response"), ends("complete"));
        assert_eq!(counts, (2 * SESSIONS, SESSIONS, SESSIONS), "{server:?}:{}", running.program.said());
        for one in connections.iter().filter(|one| one.session.resume) {
            let dropped = connections.iter().find(|other| Some(other.conn) == one.session.resumes);
            let apdus = dropped.map(|other| other.session.apdus.len());
            assert_eq!((apdus, one.session.apdus.len(), one.session.exchanges), (Some(3), 3, 2), "{server:?}");
        }
        std::fs::remove_file(place.path("card"))?;
    }
    Ok(())
}

#[test]
fn sslpsk() -> Result {
    serves_all(AdminServer::Sslpsk)
}

#[test]
fn asyncio() -> Result {
    serves_all(AdminServer::Asyncio)
}

#[test]
fn gnutls() -> Result {
    serves_all(AdminServer::Gnutls)
}

#[test]
fn mbedtls() -> Result {
    serves_all(AdminServer::Mbedtls)
}

#[test]
fn wolfssl() -> Result {
    serves_all(AdminServer::Wolfssl)
}

#[test]
fn node() -> Result {
    serves_all(AdminServer::Node)
}

#[test]
fn a_child_for_each_connection() -> Result {
    for server in [AdminServer::Gnutls, AdminServer::Mbedtls, AdminServer::Wolfssl] {
        serves(server, &AdminOptions { fork: true, ..plain(server) }, "", &ONE_SCRIPT)?;
    }
    Ok(())
}
