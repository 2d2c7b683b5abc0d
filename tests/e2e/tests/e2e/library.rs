//! Plaintext from TLS libraries: what was sent and received, byte for byte, on the right connection.

use anyhow::Context as _;
use cardlink_e2e::{
    Result,
    agent::{self, Agent},
    echo::{self, Dialogue, TLS13},
    peers::Server,
    place::Place,
    plain::{Session, Watch},
    program::Program,
    wait::{self, PATIENCE},
};
use cardlink_obs::{
    capture::{
        library::{LibraryVerdict, Tryout},
        loader::KernelSettings,
    },
    event::PlainSource,
};
use nix::sys::signal::Signal;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

const ECDHE: &str = "ECDHE-PSK-AES128-CBC-SHA256";

/// From nothing much to more than one event, and more than one record.
const SIZES: &[usize] = &[1, 2, 100, 1023, 5000, 16_385, 70_001];

/// Each dialogue has exactly one session, bound to its connection, with its bytes.
fn compare(sessions: &[Session], dialogues: &[Dialogue]) {
    assert_eq!(sessions.len(), dialogues.len(), "{:?}", shown(sessions));
    for dialogue in dialogues {
        let bound: Vec<_> = sessions.iter().filter(|session| session.peer == Some(dialogue.port)).collect();
        let [session] = bound[..] else { panic!("port {}: {:?}", dialogue.port, shown(sessions)) };
        same(session, dialogue);
    }
}

fn same(session: &Session, dialogue: &Dialogue) {
    assert!(session.read.bytes == dialogue.sent, "read {} of {}", session.read.bytes.len(), dialogue.sent.len());
    assert!(
        session.written.bytes == dialogue.received,
        "written {} of {}",
        session.written.bytes.len(),
        dialogue.received.len()
    );
}

fn shown(sessions: &[Session]) -> Vec<(Option<u16>, u64, usize, usize)> {
    sessions
        .iter()
        .map(|session| (session.peer, session.session, session.read.bytes.len(), session.written.bytes.len()))
        .collect()
}

/// A server with this suite and model, and a crowd that talks to it.
fn bound(suite: &str, words: &str) -> Result {
    let place = Place::new()?;
    let server = Server::echo(&place, suite, words)?;
    let mut watch = Watch::start(server.pid())?;
    for _ in 0..2 {
        watch.forget();
        let crowd = echo::crowd(server.port, suite, 12, SIZES);
        let dialogues = watch.until_done(crowd)?;
        let sessions = watch.sessions();
        compare(&sessions, &dialogues);
        assert!(sessions.iter().all(|session| session.source == PlainSource::OpenSsl));
    }
    assert_eq!(watch.lost, 0);
    Ok(())
}

#[test]
fn ecdhe_psk() -> Result {
    bound(ECDHE, "threads")
}

#[test]
fn tls_1_3() -> Result {
    bound(TLS13, "threads")
}

/// Bytes that the library has accepted are told once, however often the program has to ask.
#[test]
fn writes_that_would_block() -> Result {
    bound(ECDHE, "partial")?;
    bound(TLS13, "retry")
}

/// Bytes that are only peeked at come again.
#[test]
fn peeks() -> Result {
    bound(ECDHE, "peek")
}

/// A program that moves the records itself: the plaintext is there, and nobody guesses whose it is.
#[test]
fn memory_bios_are_not_bound() -> Result {
    let place = Place::new()?;
    let server = Server::echo(&place, TLS13, "memory")?;
    let mut watch = Watch::start(server.pid())?;
    let dialogues = watch.until_done(echo::crowd(server.port, TLS13, 6, SIZES))?;
    let sessions = watch.sessions();
    assert_eq!(sessions.len(), dialogues.len(), "{:?}", shown(&sessions));
    for dialogue in &dialogues {
        let its: Vec<_> = sessions.iter().filter(|session| session.read.bytes == dialogue.sent).collect();
        let [session] = its[..] else { panic!("port {}: {:?}", dialogue.port, shown(&sessions)) };
        assert_eq!(session.peer, None);
        same(session, dialogue);
    }
    Ok(())
}

/// Each child needs its own probes; who waits a moment before it begins is seen whole.
#[test]
fn a_child_for_each_connection() -> Result {
    let place = Place::new()?;
    let server = Server::echo(&place, ECDHE, "fork")?;
    let mut watch = Watch::start(server.pid())?;
    let dialogues = watch.until_done(echo::crowd(server.port, ECDHE, 6, SIZES))?;
    let sessions = watch.sessions();
    compare(&sessions, &dialogues);
    assert!(sessions.iter().all(|session| session.tgid != server.pid()));
    wait::until("the end of the children", PATIENCE, || {
        watch.drain()?;
        Ok((watch.capture.library_probes().all(|report| report.pid == server.pid())).then_some(()))
    })
}

/// Kernels whose return probes get through a seccomp filter.
const LET_THROUGH: [&str; 3] = ["6.1.", "6.12.", "6.18."];

/// A filter that ends the process at every call that it does not know.
#[test]
fn behind_a_seccomp_filter() -> Result {
    let place = Place::new()?;
    let mut server = Server::echo(&place, TLS13, "threads seccomp")?;
    let mut watch = Watch::start(server.pid())?;
    let verdicts: Vec<_> = watch.capture.library_probes().map(|report| report.verdict.clone()).collect();
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    println!("{}: {verdicts:?}", release.trim());
    let known = LET_THROUGH.iter().any(|kernel| release.starts_with(kernel));
    assert!(!known || verdicts.iter().all(|verdict| *verdict == LibraryVerdict::Ok), "{release}: {verdicts:?}");
    let dialogues = watch.until_done(echo::crowd(server.port, TLS13, 4, SIZES))?;
    assert_eq!(server.program.ended()?, None, "the server lives");
    if verdicts.iter().all(|verdict| *verdict == LibraryVerdict::Ok) {
        compare(&watch.sessions(), &dialogues);
    } else {
        // This kernel does not let them through: then nothing is probed.
        assert!(verdicts.iter().all(|verdict| matches!(verdict, LibraryVerdict::Unsupported(_))), "{verdicts:?}");
        assert!(watch.sessions().is_empty());
    }
    Ok(())
}

/// A kernel on which the trial fails: nothing is probed, the agent says why, and the rest works.
#[test]
fn no_return_probe_where_the_trial_fails() -> Result {
    let place = Place::new()?;
    let server = Server::echo(&place, TLS13, "threads")?;
    let mut command = agent::command(&place)?;
    command.env("CARDLINK_OBS_RETURN_PROBE_TRIAL", "fail");
    command.args(["trace", "--json", "--all", "--library-probes", "on", "--pid", &server.pid().to_string()]);
    let mut program = Program::start(&mut command)?;
    program.line("why there is no plaintext", |line| line.contains("the trial was told to fail").then_some(()))?;
    echo::talk(server.port, TLS13, &echo::messages(0, &[10]))?;
    program.line("the handshake", |line| line.contains("\"type\":\"handshake\"").then_some(()))?;
    Ok(())
}

/// The verdict stands among those of the other probes.
#[test]
fn the_verdict_is_a_metric() -> Result {
    let place = Place::new()?;
    let server = Server::echo(&place, ECDHE, "threads")?;
    let mut agent = Agent::run(&place, &format!("--library-probes on --pid {}", server.pid()))?;
    for probe in ["library_enter", "library_return"] {
        let labels = [("probe", probe), ("status", "ok")];
        agent.until("the verdict", |page| page.count("cardlink_obs_probe_status", &labels) == 1)?;
    }
    agent.stop()?;
    Ok(())
}

#[test]
fn gnutls() -> Result {
    let place = Place::new()?;
    // GnuTLS 3.7 has none of the SHA-256 suites among its usual ones.
    let suite = "ECDHE-PSK-AES128-CBC-SHA";
    let server = Server::gnutls(&place, "NORMAL:-KX-ALL:+ECDHE-PSK")?;
    let mut watch = Watch::start(server.pid())?;
    let crowd = (0..8)
        .map(|client| {
            let lines: Vec<Vec<u8>> =
                (0..5).map(|line| format!("client {client} says line {line}\n").into_bytes()).collect();
            thread::spawn(move || echo::exchange(server.port, suite, &lines, <[u8]>::to_vec))
        })
        .collect();
    let dialogues = watch.until_done(crowd)?;
    let sessions = watch.sessions();
    compare(&sessions, &dialogues);
    assert!(sessions.iter().all(|session| session.source == PlainSource::GnuTls));
    Ok(())
}

/// One object serves one connection after the other.
#[test]
fn mbedtls() -> Result {
    one_by_one("echo_mbedtls", &["mbedtls", "mbedx509", "mbedcrypto"], PlainSource::MbedTls)
}

#[test]
fn wolfssl() -> Result {
    one_by_one("echo_wolfssl", &["wolfssl"], PlainSource::WolfSsl)
}

fn one_by_one(name: &str, libraries: &[&str], source: PlainSource) -> Result {
    let place = Place::new()?;
    let server = Server::other_echo(&place, name, libraries)?;
    let mut watch = Watch::start(server.pid())?;
    let mut dialogues = Vec::new();
    for client in 0..4 {
        let messages = echo::messages(client, SIZES);
        let thread = thread::spawn(move || echo::talk(server.port, ECDHE, &messages));
        dialogues.extend(watch.until_done(vec![thread])?);
    }
    let sessions = watch.sessions();
    compare(&sessions, &dialogues);
    assert!(sessions.iter().all(|session| session.source == source));
    Ok(())
}

/// `openssl s_server`, which turns each line round.
#[test]
fn openssl_s_server() -> Result {
    let place = Place::new()?;
    for (suite, words) in [(ECDHE, "-tls1_2 -cipher ECDHE-PSK-AES128-CBC-SHA256"), (TLS13, "-tls1_3")] {
        let server = Server::openssl(&format!("-rev {words}"))?;
        let mut watch = Watch::start(server.pid())?;
        for client in 0..3 {
            watch.forget();
            let lines: Vec<Vec<u8>> =
                (0..5).map(|line| format!("client {client} says line {line}\n").into_bytes()).collect();
            let turned = |line: &[u8]| {
                let mut turned: Vec<u8> = line.iter().rev().skip(1).copied().collect();
                turned.push(b'\n');
                turned
            };
            let talk = thread::spawn(move || echo::exchange(server.port, suite, &lines, turned));
            let dialogues = watch.until_done(vec![talk])?;
            compare(&watch.sessions(), &dialogues);
        }
    }
    drop(place);
    Ok(())
}

/// The lab's server and cards: HTTP of the administration protocol, both ways.
#[test]
fn the_lab() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, &format!("--model threads --workers 4 --ciphers {ECDHE}"))?;
    let mut watch = Watch::start(server.pid())?;
    let mut card =
        cardlink_e2e::peers::start_card(&place, server.port, &format!("--sessions 40 --parallel 4 --ciphers {ECDHE}"))?;
    card.success()?;
    thread::sleep(Duration::from_millis(100));
    watch.drain()?;
    let sessions = watch.sessions();
    assert_eq!(sessions.len(), 40);
    for session in &sessions {
        assert!(session.peer.is_some());
        assert!(session.read.bytes.starts_with(b"POST "), "{:?}", String::from_utf8_lossy(&session.read.bytes));
        assert!(session.written.bytes.starts_with(b"HTTP/1.1 200"));
        assert!(session.written.bytes.windows(12).any(|part| part == b"HTTP/1.1 204"));
    }
    Ok(())
}

/// Clients that come and go without a pause, until they are told to stop; how many there were.
struct Load {
    stop: Arc<AtomicBool>,
    good: Arc<AtomicU64>,
    threads: Vec<thread::JoinHandle<Result>>,
}

impl Load {
    fn start(port: u16, suite: &'static str, clients: usize) -> Self {
        let (stop, good) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let one = |client| {
            let (stop, good) = (Arc::clone(&stop), Arc::clone(&good));
            thread::spawn(move || {
                let messages = echo::messages(client, &[10, 5000]);
                while !stop.load(Ordering::Relaxed) {
                    echo::talk(port, suite, &messages)?;
                    good.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            })
        };
        let threads = (0..clients).map(one).collect();
        Self { stop, good, threads }
    }

    /// An error when any of them failed.
    fn end(self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap_or_else(|_| anyhow::bail!("a thread panicked"))?;
        }
        Ok(self.good.load(Ordering::Relaxed))
    }
}

/// Probes that come and go under load harm nobody.
#[test]
fn attached_and_detached_a_hundred_times() -> Result {
    let place = Place::new()?;
    let mut server = Server::echo(&place, ECDHE, "threads")?;
    let load = Load::start(server.port, ECDHE, 4);
    let mut tryout = Tryout::new(&KernelSettings::default())?;
    for round in 0..100 {
        let findings = tryout.on(server.pid());
        assert!(!findings.is_empty(), "round {round}");
        assert!(findings.iter().all(|probe| probe.verdict == LibraryVerdict::Ok), "round {round}: {findings:?}");
        thread::sleep(Duration::from_millis(10));
    }
    let good = load.end()?;
    println!("{good} connections");
    assert!(good > 0);
    assert_eq!(server.program.ended()?, None);
    drop(place);
    Ok(())
}

/// An agent that is killed leaves its target as it was.
#[test]
fn the_agent_is_killed() -> Result {
    let place = Place::new()?;
    let mut server = Server::echo(&place, TLS13, "threads seccomp")?;
    let load = Load::start(server.port, TLS13, 4);
    for _ in 0..5 {
        let words = format!("--library-probes on --pid {}", server.pid());
        let mut agent = Agent::run(&place, &words)?;
        let labels = [("probe", "library_return"), ("status", "ok")];
        let attached = agent.until("the verdict", |page| page.count("cardlink_obs_probe_status", &labels) == 1);
        attached.with_context(|| agent.program.said())?;
        thread::sleep(Duration::from_millis(100));
        agent.program.stop(Signal::SIGKILL)?;
    }
    thread::sleep(Duration::from_millis(300));
    println!("{} connections", load.end()?);
    assert_eq!(server.program.ended()?, None);
    echo::talk(server.port, TLS13, &echo::messages(0, SIZES))?;
    Ok(())
}
