//! The tracker against recorded and made-up handshakes.

mod partial;
mod recorded;
mod split;
mod timing;
mod verdicts;

use crate::observation::{Connection, ConnectionClosed, Handshake, Observation, Process, Role, Stamp};
use crate::stream::{Call, Chunk, Direction, Item};
use crate::track::connection::{ConnectionTracker, Settings};
use crate::track::{ContentSettings, Kept};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A line of a `.flow` file (see `tests/fixtures/tls/README.md`).
#[derive(Debug, Clone, PartialEq)]
enum Line {
    Bytes(Role, Vec<u8>),
    Fin(Role),
    Rst(Role),
}

fn fixtures() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "fixtures", "tls"].iter().collect()
}

fn load(name: &str) -> Vec<Line> {
    let path = fixtures().join(format!("{name}.flow"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().filter(|line| !line.starts_with('#')).map(parse).collect()
}

fn parse(line: &str) -> Line {
    let (who, what) = line.split_once(' ').expect("a direction and what it carries");
    let role = if who == ">" { Role::Client } else { Role::Server };
    match what {
        "fin" => Line::Fin(role),
        "rst" => Line::Rst(role),
        hex => Line::Bytes(role, bytes(hex)),
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

fn connection(role: Option<Role>, opened: bool) -> Arc<Connection> {
    let process = Arc::new(Process { pid: 7, comm: "server".into(), target: "lab".into() });
    Arc::new(Connection {
        number: 1,
        process,
        local: None,
        peer: None,
        role,
        opened: opened.then_some(ms(0)),
        first_seen: ms(0),
    })
}

const fn ms(millis: u64) -> Stamp {
    Stamp::from_nanos(millis * 1_000_000)
}

/// A call that waited since `enter`.
const fn call(enter: u64, exit: u64) -> Call {
    Call { enter: ms(enter), exit: ms(exit), polled: Duration::ZERO, tid: 7 }
}

/// Feeds a tracker and keeps what it tells. Everything takes 1 ms after everything else.
struct Player {
    role: Role,
    tracker: ConnectionTracker,
    now: u64,
    out: Vec<Observation>,
}

impl Player {
    fn new(role: Role) -> Self {
        Self::on(role, connection(Some(role), true))
    }

    fn on(role: Role, connection: Arc<Connection>) -> Self {
        Self { role, tracker: ConnectionTracker::new(connection, wire_only()), now: 1, out: Vec::new() }
    }

    fn item(&mut self, item: &Item<'_>) -> &mut Self {
        self.tracker.on(item, &mut self.out);
        self
    }

    fn step(&mut self) -> Call {
        self.now += 1;
        call(self.now - 1, self.now)
    }

    fn direction(&self, sender: Role) -> Direction {
        if sender == self.role { Direction::Write } else { Direction::Read }
    }

    fn bytes(&mut self, sender: Role, bytes: &[u8]) -> &mut Self {
        let call = self.step();
        let direction = self.direction(sender);
        self.item(&Item::Data(Chunk { direction, call, offset: 0, bytes }))
    }

    /// The end of a direction: our own end is a close.
    fn line(&mut self, line: &Line) -> &mut Self {
        match line {
            Line::Bytes(sender, bytes) => return self.bytes(*sender, bytes),
            Line::Fin(sender) | Line::Rst(sender) if *sender == self.role => return self.close(),
            Line::Fin(_) => {
                let call = self.step();
                self.item(&Item::Eof(call));
            }
            Line::Rst(_) => {
                let call = self.step();
                self.item(&Item::Error { direction: Direction::Read, call, errno: 104 });
            }
        }
        self
    }

    fn lines(&mut self, lines: &[Line]) -> &mut Self {
        for line in lines {
            self.line(line);
        }
        self
    }

    fn eof(&mut self) -> &mut Self {
        let call = self.step();
        self.item(&Item::Eof(call))
    }

    fn error(&mut self, direction: Direction, errno: i32) -> &mut Self {
        let call = self.step();
        self.item(&Item::Error { direction, call, errno })
    }

    fn close(&mut self) -> &mut Self {
        let at = self.step().exit;
        self.item(&Item::Closed { at })
    }

    fn told(&self) -> String {
        told(&self.out)
    }

    fn handshake(&self) -> &Handshake {
        handshakes(&self.out).next().expect("a handshake was told")
    }

    fn closed(&self) -> &ConnectionClosed {
        self.out
            .iter()
            .find_map(|observation| match observation {
                Observation::ConnectionClosed(closed) => Some(&**closed),
                _ => None,
            })
            .expect("the connection was closed")
    }
}

fn handshakes(out: &[Observation]) -> impl Iterator<Item = &Handshake> {
    out.iter().filter_map(|observation| match observation {
        Observation::Handshake(handshake) => Some(&**handshake),
        _ => None,
    })
}

/// All that was told, but no times: one line each.
fn told(out: &[Observation]) -> String {
    let lines: Vec<String> = out.iter().map(line).collect();
    lines.join("\n")
}

fn line(observation: &Observation) -> String {
    match observation {
        Observation::Handshake(handshake) => {
            super::fuzz::assert_adds_up(handshake);
            handshake_line(handshake)
        }
        Observation::ConnectionClosed(closed) => {
            let spoke = closed.spoke.map(|spoke| format!(" {spoke}")).unwrap_or_default();
            let incomplete = if closed.incomplete { " incomplete" } else { "" };
            format!("closed {}{spoke}{incomplete}", closed.outcome.as_str())
        }
        Observation::Incomplete(incomplete) => format!("lost {} {}", incomplete.bytes, incomplete.source),
        other => format!("{other:?}"),
    }
}

fn handshake_line(handshake: &Handshake) -> String {
    let mut words = vec![handshake.role.as_str().to_owned()];
    words.push(match &handshake.failure {
        None => "ok".to_owned(),
        Some(failure) => format!("{} {} | {} |", failure.reason, failure.side.as_str(), failure.saw),
    });
    words.push(handshake.version.map_or("no version".to_owned(), |version| version.to_string()));
    words.push(handshake.chosen.map_or(format!("{} offered", handshake.offered.len()), |suite| suite.to_string()));
    if let Some(identity) = &handshake.identity {
        words.push(format!("identity {}", String::from_utf8_lossy(identity.expose())));
    }
    if let Some(hint) = &handshake.identity_hint {
        words.push(format!("hint {}", String::from_utf8_lossy(hint.expose())));
    }
    for (set, word) in [
        (handshake.resumed, "resumed"),
        (handshake.partial, "partial"),
        (handshake.incomplete, "incomplete"),
        (handshake.granted.extended_master_secret, "ems"),
        (handshake.granted.encrypt_then_mac, "etm"),
        (handshake.granted.session_ticket, "ticket"),
    ] {
        if set {
            words.push(word.to_owned());
        }
    }
    if let Some(limit) = handshake.granted.max_fragment_length {
        words.push(format!("mfl {limit}"));
    }
    words.join(" ")
}

/// What the connection carries is not looked at: these tests are about its handshake.
fn wire_only() -> Settings {
    Settings { content: ContentSettings { recorded: Kept::All, ..ContentSettings::default() }, ..Settings::default() }
}
