//! Secrets that go over watched connections, in nothing that leaves the agent.

use cardlink_e2e::{
    IDENTITY, Result,
    agent::{self, Agent, Tracer},
    conversation,
    peers::{self, Server},
    place::{self, Place},
    program::Program,
    trace::{self, text},
    wait::{self, PATIENCE},
};
use cardlink_lab::psk::{parse_hex, to_hex};
use nix::sys::signal::Signal;
use std::{
    fmt::Write as _,
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    path::Path,
    process::Command,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

const PSK: &str = "c0ffee5ec7e7c0deba5eba11decade01";
const PIN: &str = "73917391";
/// A key that PUT KEY loads.
const LOADED: &str = "4b5e11d05ecae74b5e22d05ecae7f00d";
const ICCID: &str = "8949020000918273645";
const IMSI: &str = "262019876543217";
/// Of the lab's card, in its agent id.
const EID: &str = "89001012012341234012345678901224";
const NULL: &str = "PSK-NULL-SHA256:@SECLEVEL=0";

/// Two digits a byte, the first in the low half (TS 102 221 §13.2, TS 31.102 §4.2.2).
fn swapped(digits: &str) -> String {
    let mut digits = digits.to_owned();
    if !digits.len().is_multiple_of(2) {
        digits.push('F');
    }
    let pairs =
        digits.as_bytes().chunks(2).map(|pair| pair.iter().rev().map(|byte| char::from(*byte)).collect::<String>());
    pairs.collect()
}

/// Every form in which a secret could show: what is compared without regard to case, and what is not.
struct Needle {
    name: String,
    bytes: Vec<u8>,
    text: bool,
}

fn needles() -> Result<Vec<Needle>> {
    let mut needles = Vec::new();
    let mut add = |name: &str, form: &str, bytes: Vec<u8>, text: bool| {
        needles.push(Needle { name: format!("{name} {form}"), bytes, text });
    };
    for (name, hex) in [("the PSK", PSK), ("the loaded key", LOADED)] {
        add(name, "in hex", hex.into(), true);
        add(name, "as bytes", parse_hex(hex)?, false);
        add(name, "in hex of its hex", to_hex(hex.as_bytes()).into(), true);
    }
    for (name, digits) in [("the PIN", PIN), ("the ICCID", ICCID), ("the IMSI", IMSI), ("the EID", EID)] {
        add(name, "as digits", digits.into(), true);
        add(name, "in hex of its digits", to_hex(digits.as_bytes()).into(), true);
        // Whole bytes of the number alone: what stands beside it differs.
        let even = digits.get(digits.len() % 2..).unwrap_or_default();
        let whole = digits.get(..digits.len() / 2 * 2).unwrap_or_default();
        for digits in [even, whole] {
            add(name, "as BCD", parse_hex(digits)?, false);
            add(name, "as BCD, swapped", parse_hex(&swapped(digits))?, false);
            add(name, "in hex of BCD, swapped", swapped(digits).into(), true);
        }
    }
    Ok(needles)
}

/// The names of the secrets that are in these bytes.
fn found(bytes: &[u8]) -> Result<Vec<String>> {
    let lower = bytes.to_ascii_lowercase();
    let mut found = Vec::new();
    for needle in needles()? {
        let is_in = |hay: &[u8], needle: &[u8]| hay.windows(needle.len()).any(|window| window == needle);
        let there =
            if needle.text { is_in(&lower, &needle.bytes.to_ascii_lowercase()) } else { is_in(bytes, &needle.bytes) };
        if there {
            found.push(needle.name);
        }
    }
    Ok(found)
}

/// VERIFY, PUT KEY, and READ BINARY of EF_ICCID and EF_IMSI.
fn script() -> Result<String> {
    let pin = to_hex(PIN.as_bytes());
    let put_key = format!("018810{LOADED}03AABBCC");
    let length = parse_hex(&put_key)?.len();
    Ok(format!("0020000108{pin},80D80181{length:02X}{put_key},00B000000A,00B0000009"))
}

/// The card, through `port`.
fn card(port: u16, ciphers: &str) -> Result {
    let mut card = Command::new(place::program("lab-card")?);
    card.args(["--connect", &format!("127.0.0.1:{port}"), "--identity", IDENTITY, "--key", PSK, "--sessions", "3"]);
    card.args(["--ciphers", ciphers, "--answer", "0020=9000", "--answer", "80D8=9000"]);
    card.args(["--answer", &format!("00B000000A={}9000", swapped(ICCID))]);
    // The parity of the number of digits stands before the first (TS 31.102 §4.2.2).
    card.args(["--answer", &format!("00B0000009=08{}9000", swapped(&format!("9{IMSI}")))]);
    Program::start(&mut card)?.success()
}

/// A port that goes on to `port`, and all that went over it, both ways.
fn tapped(port: u16) -> Result<(u16, Arc<Mutex<Vec<u8>>>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let own = listener.local_addr()?.port();
    let tape: Arc<Mutex<Vec<u8>>> = Arc::default();
    let kept = Arc::clone(&tape);
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let Ok(far) = TcpStream::connect(("127.0.0.1", port)) else { return };
            for (from, to) in [(&near, &far), (&far, &near)] {
                if let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) {
                    let tape = Arc::clone(&tape);
                    thread::spawn(move || carry(from, to, &tape));
                }
            }
        }
    });
    Ok((own, kept))
}

fn carry(mut from: TcpStream, mut to: TcpStream, tape: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(read) = from.read(&mut buffer) {
        let bytes = buffer.get(..read).unwrap_or_default();
        tape.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        if read == 0 || to.write_all(bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// All that a program said.
fn said(program: &Program) -> Vec<u8> {
    [program.out(), program.err()].concat().join("\n").into_bytes()
}

fn output(place: &Place, words: &str) -> Result<Vec<u8>> {
    let output = agent::output(place, words)?;
    assert_eq!(output.status.code(), Some(0), "{words}: {}", String::from_utf8_lossy(&output.stderr));
    Ok([output.stdout, output.stderr].concat())
}

/// An agent that logs all it can, in this form, and records in this way.
fn run(place: &Place, words: &str, recording: &Path) -> Result<Agent> {
    let mut command = agent::command(place)?;
    command.args(["run", "--listen", "127.0.0.1:0", "--log-level", "trace", "--record"]).arg(recording);
    // What is asked for with --verbose goes to standard output, what is logged to standard error.
    Agent::started(command.args(words.split_whitespace()))
}

/// Every output there is, of sessions under these suites, and none of the secrets in any of them.
fn nowhere(ciphers: &str, way: &str, findings: &[&str]) -> Result {
    let place = Place::new()?;
    place.keys("psk", &format!("{IDENTITY}:{PSK}\n"))?;
    let server = Server::lab(&place, &format!("--script {} --ciphers {ciphers}", script()?))?;
    let keys = place.with_keys();
    let watch = format!("{keys} --pid {}", server.pid());
    let (masked, ciphertext) = (place.path("masked.rec"), place.path("ciphertext.rec"));
    let mut logs = [
        run(&place, &format!("{watch} --log-format text"), &masked)?,
        run(&place, &format!("{watch} --log-format json --record-ciphertext"), &ciphertext)?,
        run(&place, &format!("{watch} --verbose"), &place.path("verbose.rec"))?,
    ];
    let mut people = Program::start(agent::command(&place)?.args(["trace", "--all"]).args(watch.split_whitespace()))?;
    people.line("its target", |line| line.contains("watching").then_some(()))?;
    let mut tracer = Tracer::hashed(&place, &watch)?;
    card(server.port, ciphers)?;
    let mut outputs = Vec::new();
    for (number, agent) in logs.iter_mut().enumerate() {
        let over = |page: &cardlink_e2e::page::Page| page.count("cardlink_sessions_total", &[]) == 3;
        agent.until("three sessions", over)?;
        outputs.push((format!("the metrics of run {number}"), agent.text()?.into_bytes()));
        agent.stop()?;
        outputs.push((format!("the log of run {number}"), said(&agent.program)));
    }
    tracer.until("connection_closed", 3)?;
    tracer.stop()?;
    people.stop(Signal::SIGINT)?;
    let json = said(&tracer.program);
    // The session was read: there was something to hide.
    let told = tracer.told()?;
    let read = conversation::told(&told);
    assert_eq!(read.len(), 3);
    for one in read.values() {
        let names: Vec<&str> = one.apdus.iter().filter_map(|apdu| apdu.split(' ').next()).collect();
        assert_eq!(names, ["VERIFY_PIN", "PUT_KEY", "READ_BINARY", "READ_BINARY"]);
        assert_eq!(
            (one.ways.as_slice(), one.findings.as_slice()),
            (&[way.to_owned()][..], &findings.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>()[..])
        );
    }
    assert!(told.iter().any(|value| text(value, "agent").starts_with("agent-")), "{told:?}");
    outputs.push(("the trace in JSON".to_owned(), json));
    outputs.push(("the trace for people".to_owned(), said(&people)));
    let pid = server.pid();
    outputs.push(("doctor".to_owned(), output(&place, &format!("doctor --pid {pid}"))?));
    outputs.push(("doctor in JSON".to_owned(), output(&place, &format!("doctor --json --pid {pid}"))?));
    for (recording, keys) in [(&masked, ""), (&ciphertext, keys.as_str())] {
        let file = recording.display();
        outputs.push((format!("{file}"), std::fs::read(recording)?));
        for form in ["--json --all", "--all", "--metrics"] {
            let replayed = output(&place, &format!("replay {form} {keys} {file}"))?;
            let apdus = String::from_utf8_lossy(&replayed).matches("VERIFY_PIN").count();
            assert!(apdus > 0, "replay {form} {file} shows no session");
            outputs.push((format!("replay {form} of {file}"), replayed));
        }
    }
    let mut leaks = String::new();
    for (name, bytes) in &outputs {
        for secret in found(bytes)? {
            writeln!(leaks, "{secret} is in {name}")?;
        }
        assert!(!bytes.is_empty(), "{name} is empty");
    }
    assert!(leaks.is_empty(), "{leaks}");
    Ok(())
}

/// The name that `trace` has for a card is the one that `id` says.
#[test]
fn names_are_known_beforehand() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "")?;
    let mut tracer = Tracer::hashed(&place, &format!("--pid {}", server.pid()))?;
    peers::card(&place, server.port, "")?;
    let told = tracer.until("handshake", 1)?;
    let name = told.first().map(|handshake| text(handshake, "identity")).unwrap_or_default().to_owned();
    assert!(name.starts_with("psk-"), "{told:?}");
    tracer.stop()?;
    let mut program = Program::start(agent::command(&place)?.args(["id", "--json", "-"]))?;
    program.tell(IDENTITY)?;
    program.close_input();
    program.success()?;
    let said = trace::parse(&program.out())?;
    assert_eq!(text(&said[0], "psk_identity"), name);
    // Without a key there are no names: none is made.
    let mut program = Program::start(
        agent::command(&place)?.env("CARDLINK_OBS_HASH_KEY", place.path("no-key")).args(["id", "card-1"]),
    )?;
    assert_eq!(program.wait()?.code(), Some(74), "{}", program.said());
    assert!(program.said().contains("the hashing key") && !place.path("no-key").exists());
    Ok(())
}

#[test]
fn with_a_key_file() -> Result {
    nowhere("PSK-AES128-CBC-SHA256", "key_file", &[])
}

/// They are on the wire for all to see, and the agent says so; it does not hand them on.
#[test]
fn under_a_null_suite() -> Result {
    nowhere(NULL, "null_suite", &["null_suite", "secret_in_clear", "secret_in_clear"])
}

/// The search finds them where they are: on the wire of a NULL suite, in the key file, and in every form.
#[test]
fn the_search_finds_what_is_there() -> Result {
    let place = Place::without_agent()?;
    let file = place.keys("psk", &format!("{IDENTITY}:{PSK}\n"))?;
    let server = Server::lab(&place, &format!("--script {} --ciphers {NULL}", script()?))?;
    let (port, tape) = tapped(server.port)?;
    card(port, NULL)?;
    let wire = wait::until("what went over the wire", PATIENCE, || {
        let tape = tape.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok((!found(&tape)?.is_empty()).then_some(tape))
    })?;
    let on_the_wire = found(&wire)?.join(", ");
    for secret in [
        "the loaded key as bytes",
        "the PIN as digits",
        "the ICCID as BCD, swapped",
        "the IMSI as BCD, swapped",
        "the EID as digits",
    ] {
        assert!(on_the_wire.contains(secret), "{secret} is not in: {on_the_wire}");
    }
    assert!(!on_the_wire.contains("PSK"), "{on_the_wire}");
    assert_eq!(found(&std::fs::read(file)?)?, ["the PSK in hex"]);
    // Under a suite that encrypts there is nothing to be found.
    let server = Server::lab(&place, &format!("--script {}", script()?))?;
    let (port, tape) = tapped(server.port)?;
    card(port, "PSK-AES128-CBC-SHA256")?;
    let tape = tape.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert!(tape.len() > 1000);
    assert_eq!(found(&tape)?, Vec::<String>::new());
    // Each form by itself, within other bytes.
    for needle in needles()? {
        let hay = [b"before ".as_slice(), &needle.bytes, b" after"].concat();
        assert!(found(&hay)?.contains(&needle.name), "{}", needle.name);
        let upper = [b"before ".as_slice(), &needle.bytes.to_ascii_uppercase(), b" after"].concat();
        assert!(!needle.text || found(&upper)?.contains(&needle.name), "{} in capitals", needle.name);
    }
    Ok(())
}
