//! What is recorded replays to the same, and secrets are in nothing that leaves the agent.

use cardlink_e2e::{
    Result,
    agent::{self, Agent, Tracer},
    page::Page,
    peers::{self, Server},
    place::{self, Place},
    program::Program,
};
use std::{path::Path, process::Command};

/// Looks like an ICCID.
const ICCID: &str = "89490200001234567890";
const PIN: &str = "7391";

pub fn replayed_page(place: &Place, file: &Path, words: &str) -> Result<Page> {
    let output = agent::output(place, &format!("replay --metrics {words} {}", file.display()))?;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    Page::parse(&String::from_utf8_lossy(&output.stdout))
}

/// The groups of series that a recording decides.
const GROUPS: [&str; 8] = [
    "cardlink_tls_",
    "cardlink_at_",
    "cardlink_program_wait",
    "cardlink_session_",
    "cardlink_sessions_",
    "cardlink_scp81_",
    "cardlink_apdu_",
    "cardlink_findings_",
];

/// Every series of these groups.
pub fn series_of(page: &Page, groups: &[&str]) -> Vec<String> {
    let mut lines: Vec<String> = page
        .samples
        .iter()
        .filter(|sample| groups.iter().any(|group| sample.name.starts_with(group)))
        .map(|sample| format!("{} {:?} {}", sample.name, sample.labels, sample.value))
        .collect();
    lines.sort();
    lines
}

pub fn same(live: &Page, replayed: &Page) {
    let (live, replayed) = (series_of(live, &GROUPS), series_of(replayed, &GROUPS));
    assert!(live.len() > 10);
    let only = |one: &[String], other: &[String]| {
        one.iter().filter(|line| !other.contains(line)).cloned().collect::<Vec<_>>().join("\n    ")
    };
    assert!(
        live == replayed,
        "only live:\n    {}\nonly replayed:\n    {}",
        only(&live, &replayed),
        only(&replayed, &live)
    );
}

#[test]
fn handshakes_replay_to_the_same_metrics() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "--workers 8")?;
    let mut agent = Agent::recording(&place, &format!("--pid {}", server.pid()))?;
    let faults = "none,wrong-key,unknown-identity,no-shared-cipher,close-unread,http,old-version,close-after-connect";
    peers::card(&place, server.port, &format!("--sessions 160 --parallel 8 --fault {faults}"))?;
    let live = agent.settled(160)?;
    agent.stop()?;
    same(&live, &replayed_page(&place, &place.path("recording"), "")?);
    Ok(())
}

#[test]
fn commands_replay_to_the_same_metrics() -> Result {
    let place = Place::new()?;
    let _modem = peers::modem(&place, "--delay 3 --urc RING:50")?;
    let mut agent = at_agent(&place, &["AT", "AT+CSQ", "AT+COPS?", "DEAF=1", "AT+NOSUCH", "AT+CGMI"])?;
    let live = agent.until("six commands", |page| page.count("cardlink_at_commands_total", &[]) == 6)?;
    agent.program.tell("go")?;
    agent.program.success()?;
    same(&live, &replayed_page(&place, &place.path("recording"), "")?);
    Ok(())
}

/// The pyserial client under the agent, done with its steps.
fn at_agent(place: &Place, steps: &[&str]) -> Result<Agent> {
    let script = place.path("at_client.py");
    std::fs::write(&script, include_str!("../../peers/at_client.py"))?;
    let mut command = agent::command(place)?;
    command.args(["run", "--verbose", "--listen", "127.0.0.1:0", "--record"]).arg(place.path("recording")).arg("--");
    command.arg(place::python()?).arg(script).arg(place.path("tty")).args(steps);
    let mut agent = Agent::started(&mut command)?;
    agent.program.line("that it is done", |line| (line == "done").then_some(()))?;
    Ok(agent)
}

#[test]
fn files_that_are_no_recordings() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "")?;
    let mut agent = Agent::recording(&place, &format!("--pid {}", server.pid()))?;
    peers::card(&place, server.port, "--sessions 20")?;
    agent.settled(20)?;
    agent.stop()?;
    let whole = std::fs::read(place.path("recording"))?;
    let refused = |name: &str, bytes: &[u8], words: &str| -> Result {
        let file = place.path(name);
        std::fs::write(&file, bytes)?;
        let output = agent::output(&place, &format!("replay --json {}", file.display()))?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(65), "{name}: {text}");
        assert!(text.contains(name) && text.contains(words), "{name}: {text}");
        Ok(())
    };
    for part in [2, 3, 10] {
        refused("cut", whole.get(..whole.len() - whole.len() / part).unwrap_or_default(), "cut off")?;
    }
    refused("without-its-end", whole.get(..whole.len() - 1).unwrap_or_default(), "cut off")?;
    refused("foreign", &std::fs::read("/proc/self/exe")?, "not a recording")?;
    refused("text", b"hello\n", "not a recording")?;
    refused("empty", b"", "is empty")?;
    refused("headless", whole.get(..20).unwrap_or_default(), "cut off before its first event")?;
    let output = agent::output(&place, "replay /no/such/file")?;
    assert_eq!(output.status.code(), Some(74), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// What cannot be shown is not lost in silence.
#[test]
fn an_output_that_is_full_is_an_error() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "")?;
    let mut agent = Agent::recording(&place, &format!("--pid {}", server.pid()))?;
    peers::card(&place, server.port, "--sessions 2")?;
    agent.settled(2)?;
    agent.stop()?;
    for words in ["replay", "replay --json", "replay --metrics"] {
        let full = std::fs::File::options().write(true).open("/dev/full")?;
        let mut command = agent::command(&place)?;
        command.args(words.split_whitespace()).arg(place.path("recording")).stdout(full);
        let output = command.output()?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(74), "{words}: {text}");
        assert!(text.contains("standard output: No space left on device"), "{words}: {text}");
    }
    Ok(())
}

/// Says where a secret is, if it is anywhere.
fn nowhere(secret: &str, places: &[(&str, Vec<u8>)]) {
    let hex = cardlink_lab::psk::to_hex(secret.as_bytes());
    for (name, bytes) in places {
        for needle in [secret, &hex] {
            let found = bytes.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle.as_bytes()));
            assert!(!found, "{needle} is in {name}");
        }
    }
}

#[test]
fn an_identity_is_told_nowhere() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "--max-version 1.3 --identity-hint 89490200001234567890")?;
    let mut agent = Agent::recording(&place, &format!("--pid {} --verbose", server.pid()))?;
    let mut tracer = Program::start(
        agent::command(&place)?.args(["trace", "--json", "--all", "--pid"]).arg(server.pid().to_string()),
    )?;
    tracer.line("its target", |line| line.contains("\"type\":\"target\"").then_some(()))?;
    let mut clients = 0;
    for (versions, habit) in [("-tls1_2", "1.2"), ("-tls1_3", "1.3")] {
        for identity in [ICCID.to_owned(), format!("unknown-{ICCID}")] {
            peers::openssl_client(server.port, &format!("{versions} -psk_identity {identity} -psk ab"))?;
            clients += 1;
        }
        // Torn into single bytes.
        let mut card = Command::new(place::program("lab-card")?);
        card.args(["--connect", &format!("127.0.0.1:{}", server.port), "--identity", ICCID, "--key", "ab"]);
        card.args(["--tear", "1", "--timeout", "3000", "--min-version", habit, "--max-version", habit]);
        Program::start(&mut card)?.wait()?;
        clients += 1;
    }
    let page = agent.settled(clients)?;
    assert_eq!(page.failures(), clients, "{:?}", page.handshakes());
    let metrics = agent.text()?;
    agent.stop()?;
    tracer.stop(nix::sys::signal::Signal::SIGTERM)?;
    let recording = place.path("recording");
    let replay = |words: &str| -> Result<Vec<u8>> {
        let output = agent::output(&place, &format!("replay {words} {}", recording.display()))?;
        Ok([output.stdout, output.stderr].concat())
    };
    nowhere(
        ICCID,
        &[
            ("the metrics", metrics.into_bytes()),
            ("the agent's output", [agent.program.out(), agent.program.err()].concat().join("\n").into_bytes()),
            ("the trace", [tracer.out(), tracer.err()].concat().join("\n").into_bytes()),
            ("the recording", std::fs::read(&recording)?),
            ("the replay", replay("--json --all")?),
            ("the replay for people", replay("--all")?),
            ("the replayed metrics", replay("--metrics")?),
        ],
    );
    Ok(())
}

/// Asked for, the live view has it.
#[test]
fn an_identity_that_is_asked_for_is_told() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "")?;
    let mut tracer = Tracer::start(&place, &format!("--pid {}", server.pid()))?;
    peers::openssl_client(server.port, &format!("-tls1_2 -psk_identity {ICCID} -psk ab"))?;
    let handshakes = tracer.until("handshake", 1)?;
    assert_eq!(handshakes.first().map(|one| one["identity"].clone()), Some(ICCID.into()));
    Ok(())
}

#[test]
fn a_pin_is_told_nowhere() -> Result {
    let place = Place::new()?;
    let _modem = peers::modem(&place, "")?;
    let pin = format!("AT+CPIN=\"{PIN}\"");
    let verify = format!("AT+CSIM=26,\"0020000108{}FFFFFFFF\"", "37333931");
    let number = format!("ATD{ICCID};");
    let steps = ["AT", &pin, &verify, "AT+CPIN?", "AT+CMGF=1", "SMS=text-of-7391", &number];
    let mut agent = at_agent(&place, &steps)?;
    let page = agent.until("seven commands", |page| page.count("cardlink_at_commands_total", &[]) >= 7)?;
    assert!(page.commands().keys().any(|command| command.starts_with("AT+CPIN")), "{:?}", page.commands());
    let metrics = agent.text()?;
    agent.program.tell("go")?;
    agent.program.success()?;
    let recording = place.path("recording");
    let json = agent::output(&place, &format!("replay --json --all {}", recording.display()))?;
    let text = agent::output(&place, &format!("replay --all {}", recording.display()))?;
    for secret in [PIN, "37333931", ICCID, "text-of"] {
        nowhere(
            secret,
            &[
                ("the metrics", without_figures(&metrics)),
                ("the recording", std::fs::read(&recording)?),
                ("the replay", without_figures(&String::from_utf8_lossy(&json.stdout))),
                ("the replay for people", text.stdout.clone()),
            ],
        );
    }
    Ok(())
}

/// Times may have any digits in them.
fn without_figures(text: &str) -> Vec<u8> {
    let numbers = |word: &&str| word.parse::<f64>().is_err() && !word.contains("T2");
    text.split([' ', ',', ':', '}', '\n']).filter(numbers).collect::<Vec<_>>().join(" ").into_bytes()
}
