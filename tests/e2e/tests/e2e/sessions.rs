//! What is inside the sessions, against the card's own truth: every APDU, exchange and end, connection by connection.

use anyhow::Context as _;
use cardlink_e2e::{
    Result,
    admin::{AdminOptions, AdminServer, Suite},
    agent::{Agent, Tracer},
    conversation::{self, Conversations},
    page::Page,
    peers::{self, Server},
    place::Place,
    trace,
};
use cardlink_lab::truth::ConnectionRecord;
use std::fmt::Write as _;

pub const SESSIONS: usize = 40;
pub const AT_ONCE: usize = 20;

/// C-APDUs of every case, short and long.
fn script() -> Vec<String> {
    let load = format!("80E80000C3{}", "5A".repeat(195));
    ["80F24002024F0000", "80CA006600", "80E40000054F03A00000", &load, "00A4040C07A0000000871002", "00B0000000"]
        .map(str::to_owned)
        .to_vec()
}

/// Another status word than 9000, and more bytes than a length of one byte can tell.
pub fn answers() -> String {
    format!("--answer 80E4=6A88 --answer 00B0={}9000", "A5".repeat(240))
}

/// What the card says of its sessions since this was last asked.
pub fn cards(place: &Place, port: u16, words: &str) -> Result<Vec<ConnectionRecord>> {
    peers::card(place, port, words)?;
    let truth = peers::connections(place, "card")?;
    std::fs::remove_file(place.path("card"))?;
    Ok(truth)
}

/// Waits until the tracer has told of so many closes, and ends it.
pub fn finish(tracer: &mut Tracer, connections: usize) -> Result<Conversations> {
    tracer.until("connection_closed", connections)?;
    tracer.stop()?;
    let told = tracer.told()?;
    assert_eq!(trace::of(&told, "connection_closed").count(), connections);
    assert_eq!(trace::of(&told, "incomplete").count(), 0);
    Ok(conversation::told(&told))
}

/// Every suite that the server offers and that is no sealed book: forty sessions of two scripts, twenty at a time, with
/// the key file, and without it beside.
fn told_as_lived(server: AdminServer, shape: &AdminOptions, card: &str) -> Result {
    let place = Place::new()?;
    let suites: Vec<Suite> = server.suites().iter().copied().filter(|suite| way(*suite).is_some()).collect();
    let start = |&suite: &Suite| server.start(&place, &AdminOptions { suite, exchanges: 2, ..shape.clone() });
    let servers = suites.iter().map(start).collect::<Result<Vec<_>>>()?;
    let pids = servers.iter().fold(String::new(), |mut words, server| {
        let _ = write!(words, " --pid {}", server.pid());
        words
    });
    let mut tracer = Tracer::start(&place, &format!("{} {pids}", place.with_keys()))?;
    let mut keyless = Tracer::start(&place, &pids)?;
    let (mut lived, mut lived_keyless) = (Conversations::new(), Conversations::new());
    for (server, &suite) in servers.iter().zip(&suites) {
        let words = format!("--sessions {SESSIONS} --parallel {AT_ONCE} {} {card}", suite.card());
        let truth = cards(&place, server.port, &words)?;
        assert_eq!(truth.len(), SESSIONS, "{suite:?}");
        let way = way(suite).unwrap_or_default();
        lived.extend(conversation::lived(&truth, way)?);
        lived_keyless.extend(match way {
            "null_suite" => conversation::lived(&truth, way)?,
            _ => conversation::sealed(&truth, "no_key_file"),
        });
    }
    let connections = SESSIONS * suites.len();
    assert_eq!(lived.len(), connections);
    conversation::same(&lived, &finish(&mut tracer, connections)?)?;
    conversation::same(&lived_keyless, &finish(&mut keyless, connections)?)
}

/// How its plaintext is had with a key file.
const fn way(suite: Suite) -> Option<&'static str> {
    match suite {
        Suite::Cbc | Suite::Gcm => Some("key_file"),
        Suite::Null | Suite::EcdheNull => Some("null_suite"),
        Suite::EcdheCbc | Suite::Tls13 => None,
    }
}

pub fn own_script() -> AdminOptions {
    AdminOptions { script: script(), ..AdminOptions::default() }
}

#[test]
fn sslpsk() -> Result {
    told_as_lived(AdminServer::Sslpsk, &own_script(), &answers())
}

#[test]
fn asyncio() -> Result {
    told_as_lived(AdminServer::Asyncio, &own_script(), &answers())
}

#[test]
fn gnutls() -> Result {
    told_as_lived(AdminServer::Gnutls, &own_script(), &answers())
}

#[test]
fn mbedtls() -> Result {
    told_as_lived(AdminServer::Mbedtls, &own_script(), &answers())
}

#[test]
fn wolfssl() -> Result {
    told_as_lived(AdminServer::Wolfssl, &own_script(), &answers())
}

#[test]
fn node() -> Result {
    told_as_lived(AdminServer::Node, &own_script(), &answers())
}

/// A child for each connection, and bodies in chunks.
#[test]
fn forked_and_chunked() -> Result {
    let shape = AdminOptions { fork: true, chunked: true, ..own_script() };
    let card = format!("{} --framing chunked", answers());
    told_as_lived(AdminServer::Gnutls, &shape, &card)?;
    told_as_lived(AdminServer::Mbedtls, &shape, &card)?;
    told_as_lived(AdminServer::Wolfssl, &shape, &card)
}

/// One server of the lab, what its cards do, and how their connections can be read.
struct Habit {
    server: &'static str,
    card: &'static str,
    way: &'static str,
}

const fn habit(server: &'static str, card: &'static str) -> Habit {
    Habit { server, card, way: "key_file" }
}

/// Every way to move the same session over the wire.
fn habits(habits: &[Habit], sessions: usize) -> Result {
    let place = Place::new()?;
    let script = script().join(",");
    let start = |habit: &Habit| Server::lab(&place, &format!("--exchanges 2 --script {script} {}", habit.server));
    let servers = habits.iter().map(start).collect::<Result<Vec<_>>>()?;
    let pids = servers.iter().fold(String::new(), |words, server| format!("{words} --pid {}", server.pid()));
    let mut tracer = Tracer::start(&place, &format!("{} {pids}", place.with_keys()))?;
    let mut lived = Vec::new();
    for (habit, server) in habits.iter().zip(&servers) {
        let words = format!("--sessions {sessions} --parallel 4 {} {}", answers(), habit.card);
        let truth = cards(&place, server.port, &words)?;
        assert_eq!(truth.len(), sessions);
        if habit.card.contains("--resume") {
            let resumed = truth.iter().filter_map(|one| one.handshake.as_ref()).filter(|one| one.resumed).count();
            assert!(resumed >= sessions - 4, "only {resumed} of {sessions} sessions were resumed: {}", habit.server);
        }
        lived.push(conversation::lived(&truth, habit.way)?);
    }
    let mut told = finish(&mut tracer, sessions * habits.len())?;
    for ((lived, habit), server) in lived.iter().zip(habits).zip(&servers) {
        let address = format!("127.0.0.1:{}", server.port);
        let of_server = told.extract_if(.., |(_, server), _| *server == address).collect();
        conversation::same(lived, &of_server).with_context(|| format!("{:?}, {:?}", habit.server, habit.card))?;
    }
    assert!(told.is_empty(), "{told:?}");
    Ok(())
}

#[test]
fn servers_of_every_habit() -> Result {
    habits(
        &[
            habit("--model fork", ""),
            habit("--model inline", ""),
            habit("--calls recv --read-mode ahead --wait poll", ""),
            habit("--calls vec --read-mode ahead", "--calls vec"),
            habit("--calls msg --wait poll", "--calls msg"),
            habit("--read-mode one", ""),
            habit("--tear 1", "--tear 1"),
            habit("--read-mode ahead --tear 7 --tear-delay 50", "--tear 3 --tear-delay 50"),
            habit("--framing chunked", "--framing chunked"),
            habit("--framing chunked --tear 5 --read-mode one", "--framing chunked --tear 5"),
        ],
        8,
    )
}

/// What the two ends agree on within TLS 1.2.
#[test]
fn handshakes_of_every_kind() -> Result {
    habits(
        &[
            habit("", "--ciphers PSK-AES128-CBC-SHA"),
            habit("", "--ciphers PSK-AES256-CBC-SHA"),
            habit("", "--ciphers PSK-AES128-CBC-SHA256"),
            habit("", "--ciphers PSK-AES256-CBC-SHA384"),
            habit("", "--ciphers PSK-AES128-GCM-SHA256"),
            habit("", "--ciphers PSK-AES256-GCM-SHA384"),
            habit("", "--no-encrypt-then-mac"),
            habit("--no-extended-master-secret", ""),
            habit("--no-encrypt-then-mac", "--no-extended-master-secret --ciphers PSK-AES256-CBC-SHA384"),
            habit("--identity-hint hint", ""),
            habit("", "--max-fragment 512"),
            habit("--framing chunked", "--max-fragment 512 --ciphers PSK-AES128-GCM-SHA256"),
            Habit {
                server: "--ciphers PSK-NULL-SHA256:@SECLEVEL=0",
                card: "--ciphers PSK-NULL-SHA256:@SECLEVEL=0 --max-fragment 512",
                way: "null_suite",
            },
        ],
        8,
    )
}

/// By ticket and by session id: the resumed handshake shows no identity, and its keys are of the full one.
#[test]
fn resumed_handshakes() -> Result {
    habits(
        &[
            habit("", "--resume"),
            habit("--no-tickets", "--resume"),
            habit("", "--resume --fault coalesce"),
            habit("--no-tickets", "--resume --fault coalesce --ciphers PSK-AES128-GCM-SHA256"),
            habit("--no-extended-master-secret", "--resume --no-encrypt-then-mac"),
            habit("--no-tickets --read-mode ahead", "--resume --tear 1 --max-fragment 512"),
            Habit {
                server: "--ciphers PSK-NULL-SHA256:@SECLEVEL=0",
                card: "--ciphers PSK-NULL-SHA256:@SECLEVEL=0 --resume",
                way: "null_suite",
            },
        ],
        16,
    )
}

/// A SELECT whose answer is fetched, and a READ BINARY that is repeated with the right length, are one APDU each.
#[test]
fn chains_are_one_apdu() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "--script 00A40004023F00,00C0000010,00B0000000,00B0000004,80E40000024F00")?;
    let mut tracer = Tracer::start(&place, &format!("{} --pid {}", place.with_keys(), server.pid()))?;
    let fetched = "A5".repeat(16);
    let words = format!(
        "--answer 00A40004=6110 --answer 00C0={fetched}9000 --answer 00B0000000=6C04 --answer 00B0000004=010203049000"
    );
    let truth = cards(&place, server.port, &words)?;
    let mut told = finish(&mut tracer, 1)?;
    let told = told.pop_first().unwrap_or_default().1;
    // The card answered five.
    assert_eq!(truth.first().map(|one| one.session.apdus.len()), Some(5));
    assert_eq!(
        told.apdus,
        [
            "SELECT 00A40004 12 9000 20 in 2 commands",
            "READ_BINARY 00B00000 10 9000 8 in 2 commands",
            "DELETE 80E40000 7 9000 3",
        ]
    );
    Ok(())
}

/// The sums of the truth, and what the page says.
pub fn counted(place: &Place, server: &Server, agent: &mut Agent, card: &str, way: &str) -> Result {
    const MANY: u64 = 500;
    // An agent that is not optimized takes milliseconds for the keys of a session.
    let words = format!("--sessions {MANY} --parallel {AT_ONCE} --rate 100 --timeout 60000 {} {card}", answers());
    let truth = cards(place, server.port, &words)?;
    assert_eq!(truth.iter().filter(|one| one.session.end == "complete").count() as u64, MANY);
    let over = |page: &Page| page.count("cardlink_sessions_total", &[]) >= MANY && page.active() == 0;
    agent.until("five hundred sessions", over)?;
    let page = agent.settled(MANY)?;
    let count = |name: &str, labels: &[(&str, &str)]| page.count(name, labels);
    assert_eq!(count("cardlink_sessions_total", &[("status", "completed")]), MANY);
    assert_eq!(count("cardlink_sessions_total", &[]), MANY);
    assert_eq!(count("cardlink_sessions_active", &[]), 0);
    let apdus = || truth.iter().flat_map(|one| &one.session.apdus);
    let by_name = page.counted("cardlink_apdu_commands_total", &["command_type"]);
    assert_eq!(by_name, conversation::commands(&truth)?);
    let bytes = |direction| count("cardlink_apdu_bytes_total", &[("direction", direction)]);
    let sent: usize = apdus().map(|apdu| apdu.command_bytes).sum();
    let received: usize = apdus().map(|apdu| apdu.response_bytes).sum();
    assert_eq!((bytes("sent"), bytes("received")), (sent as u64, received as u64));
    let mut words = std::collections::BTreeMap::new();
    for apdu in apdus() {
        *words.entry(apdu.status_word.clone()).or_insert(0_u64) += 1;
    }
    assert_eq!(page.counted("cardlink_apdu_responses_total", &["status_word"]), words);
    let exchanges: u64 = truth.iter().map(|one| u64::from(one.session.exchanges) + 1).sum();
    assert_eq!(count("cardlink_scp81_exchange_duration_seconds_count", &[("party", "server")]), exchanges);
    assert_eq!(count("cardlink_session_duration_seconds_count", &[("status", "completed")]), MANY);
    assert_eq!(count("cardlink_findings_total", &[]), 0);
    assert_eq!(page.counted("cardlink_tls_plaintext_total", &["way"]), [(way.to_owned(), MANY)].into());
    agent.balanced().map(|_| ())
}

#[test]
fn five_hundred_sessions_of_the_lab() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, &format!("--workers {AT_ONCE} --exchanges 2 --script {}", script().join(",")))?;
    let mut agent = Agent::run(&place, &format!("{} --ring-kib 16384 --pid {}", place.with_keys(), server.pid()))?;
    counted(&place, &server, &mut agent, "", "key_file")
}

#[test]
fn five_hundred_sessions_of_gnutls() -> Result {
    let place = Place::new()?;
    let server =
        AdminServer::Gnutls.start(&place, &AdminOptions { suite: Suite::Gcm, exchanges: 2, ..own_script() })?;
    let mut agent = Agent::run(&place, &format!("{} --ring-kib 16384 --pid {}", place.with_keys(), server.pid()))?;
    counted(&place, &server, &mut agent, &Suite::Gcm.card(), "key_file")
}

#[test]
fn five_hundred_sessions_of_children() -> Result {
    let place = Place::new()?;
    let shape = AdminOptions { fork: true, exchanges: 2, ..own_script() };
    let server = AdminServer::Mbedtls.start(&place, &shape)?;
    let mut agent = Agent::run(&place, &format!("{} --ring-kib 16384 --pid {}", place.with_keys(), server.pid()))?;
    counted(&place, &server, &mut agent, &Suite::Cbc.card(), "key_file")
}
