//! The tracker against sessions as cards and servers hold them, seen from either end.

mod endings;
mod findings;
mod losses;
mod property;
mod sessions;
mod times;

use super::*;
use crate::observation::{Process, PskIdentity, Role, Script, Session, SessionTime};

const PROTOCOL: &str = "X-Admin-Protocol: globalplatform-remote-admin/1.0\r\n";
const RAM: &str = "Content-Type: application/vnd.globalplatform.card-content-mgt;version=1.0\r\n";
const RAM_ANSWER: &str = "Content-Type: application/vnd.globalplatform.card-content-mgt-response;version=1.0\r\n";
const NEXT: &str = "X-Admin-Next-URI: /next\r\n";

/// GET STATUS of applications, and a SELECT.
const GET_STATUS: &[u8] = &[0x80, 0xF2, 0x40, 0x00, 0x02, 0x4F, 0x00];
const SELECT: &[u8] = &[0x00, 0xA4, 0x04, 0x00, 0x02, 0x3F, 0x00];
const OK: &[u8] = &[0x90, 0x00];
const NOT_FOUND: &[u8] = &[0x6A, 0x88];

/// The first request of a card.
fn first() -> Vec<u8> {
    request(&format!("{PROTOCOL}X-Admin-From: //se-id/eid/89\r\n"), b"")
}

/// The first request of a card that comes back, with the answer that it still owed.
fn resume(answers: &[&[u8]]) -> Vec<u8> {
    let headers = format!("{PROTOCOL}X-Admin-From: //se-id/eid/89\r\nX-Admin-Resume: true\r\n{RAM_ANSWER}");
    request(&format!("{headers}X-Admin-Script-Status: ok\r\n"), &responses(answers))
}

/// A request with the answers to a script.
fn answer(answers: &[&[u8]]) -> Vec<u8> {
    request(&format!("{PROTOCOL}{RAM_ANSWER}X-Admin-Script-Status: ok\r\n"), &responses(answers))
}

/// A response with a script.
fn script(commands: &[&[u8]]) -> Vec<u8> {
    response("200 OK", &format!("{PROTOCOL}{NEXT}{RAM}"), &expanded(0xAE, 0x22, commands))
}

/// A response that says that there is nothing more.
fn nothing() -> Vec<u8> {
    response("204 No Content", PROTOCOL, b"")
}

fn request(headers: &str, body: &[u8]) -> Vec<u8> {
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    [format!("POST /agent HTTP/1.1\r\nHost: server\r\n{headers}{length}\r\n").as_bytes(), body].concat()
}

fn response(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = if status.starts_with("204") { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    [format!("HTTP/1.1 {status}\r\n{headers}{length}\r\n").as_bytes(), body].concat()
}

fn responses(answers: &[&[u8]]) -> Vec<u8> {
    let mut body = expanded(0xAF, 0x23, answers);
    body.splice(2..2, [0x80, 0x01, answers.len() as u8]);
    body
}

/// A template of indefinite length.
fn expanded(template: u8, tag: u8, apdus: &[&[u8]]) -> Vec<u8> {
    let mut body = vec![template, 0x80];
    for apdu in apdus {
        body.extend([tag, apdu.len() as u8]);
        body.extend(*apdu);
    }
    body.extend([0, 0]);
    body
}

const fn ms(millis: u64) -> Stamp {
    Stamp::from_nanos(millis * 1_000_000)
}

/// A tracker, a clock in milliseconds, and what came out.
struct Bench {
    tracker: AdminTracker,
    role: Role,
    now: u64,
    out: Vec<Observation>,
}

impl Bench {
    fn new(role: Role) -> Self {
        let identity = Some(PskIdentity::new(b"card".to_vec()));
        Self::with(
            role,
            PlaintextWay::KeyFile,
            Some(HandshakeFacts { start: ms(100), duration: Duration::from_millis(40), identity }),
        )
    }

    fn with(role: Role, way: PlaintextWay, handshake: Option<HandshakeFacts>) -> Self {
        let process = Arc::new(Process { pid: 7, comm: "server".into(), target: "lab".into() });
        let connection = Arc::new(Connection {
            number: 1,
            process,
            local: None,
            peer: None,
            role: Some(role),
            opened: Some(ms(90)),
            first_seen: ms(90),
        });
        let client = if role == Role::Server { Direction::Read } else { Direction::Write };
        let tracker = AdminTracker::new(connection, client, way, handshake, Settings::default());
        Self { tracker, role, now: 200, out: Vec::new() }
    }

    fn call(&self) -> Call {
        Call { enter: ms(self.now), exit: ms(self.now), polled: Duration::ZERO, tid: 7 }
    }

    const fn direction(&self, of_card: bool) -> Direction {
        match (of_card, self.role) {
            (true, Role::Server) | (false, Role::Client) => Direction::Read,
            _ => Direction::Write,
        }
    }

    /// Bytes of the card, 10 ms after what came before.
    fn card(&mut self, bytes: &[u8]) -> &mut Self {
        self.plain(true, bytes)
    }

    /// Bytes of the server, 10 ms after what came before.
    fn server(&mut self, bytes: &[u8]) -> &mut Self {
        self.plain(false, bytes)
    }

    fn plain(&mut self, of_card: bool, bytes: &[u8]) -> &mut Self {
        self.now += 10;
        let (direction, call) = (self.direction(of_card), self.call());
        self.tracker.plain(direction, call, bytes, &mut self.out);
        self
    }

    fn gap(&mut self, of_card: bool, len: u64) -> &mut Self {
        let (direction, call) = (self.direction(of_card), self.call());
        self.tracker.gap(direction, call, len, &mut self.out);
        self
    }

    fn wait(&mut self, millis: u64) -> &mut Self {
        self.now += millis;
        self
    }

    fn tick(&mut self) -> &mut Self {
        self.tracker.tick(ms(self.now), &mut self.out);
        self
    }

    /// One side closes: the other learns it, or it is the watched one.
    fn closes(&mut self, card: bool) -> &mut Self {
        if card == (self.role == Role::Server) {
            self.fin();
        }
        self.close()
    }

    fn fin(&mut self) -> &mut Self {
        self.tracker.ends(Direction::Read, self.call(), &mut self.out);
        self.tracker.peer_ended(PeerEnd::Closed);
        self
    }

    fn peer(&mut self, how: PeerEnd) -> &mut Self {
        self.tracker.peer_ended(how);
        self
    }

    fn close(&mut self) -> &mut Self {
        self.tracker.closed(ms(self.now), &mut self.out);
        self
    }

    fn finish(&mut self) -> &mut Self {
        self.tracker.finish(ms(self.now), &mut self.out);
        self
    }

    /// All that was told since this was last asked, but no times: one line each.
    fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.out).iter().map(line).collect()
    }

    fn session(&self) -> &Session {
        let told = self.out.iter().find_map(|observation| match observation {
            Observation::Session(session) => Some(&**session),
            _ => None,
        });
        told.expect("a session was told")
    }
}

/// The same from both ends.
#[track_caller]
fn both(story: impl Fn(&mut Bench)) -> Vec<String> {
    let [server, client] = [Role::Server, Role::Client].map(|role| {
        let mut bench = Bench::new(role);
        story(&mut bench);
        bench.told()
    });
    assert_eq!(server, client, "the two ends differ");
    server
}

#[track_caller]
fn is(told: &[String], wanted: &[&str]) {
    assert_eq!(told, wanted, "\n{}", told.join("\n"));
}

fn line(observation: &Observation) -> String {
    match observation {
        Observation::SessionOpened(opened) => {
            let resumes = if opened.resumes { " again" } else { "" };
            let agent = opened.agent.as_ref().map_or("nobody".into(), |agent| String::from_utf8_lossy(agent.expose()));
            format!("opened{resumes} by {agent}")
        }
        Observation::Exchange(exchange) => {
            let outside = if exchange.session.is_none() { "outside, " } else { "" };
            let status = exchange.status.map_or_else(|| String::from("nothing"), |status| status.to_string());
            let fault = exchange.fault.map(|(word, _)| format!(" {word}")).unwrap_or_default();
            format!(
                "{outside}{} {} {}, {status} {}{fault}",
                exchange.method, exchange.target, exchange.request_body, exchange.response_body
            )
        }
        Observation::Script(script) => script_line(script),
        Observation::Session(session) => session_line(session),
        Observation::Finding(finding) => {
            let colon = if finding.detail.is_empty() { "" } else { ": " };
            format!("finding {}{colon}{}", finding.kind.as_str(), finding.detail)
        }
        other => format!("{other:?}"),
    }
}

fn script_line(script: &Script) -> String {
    let mut words = vec![format!("script {} {}", script.kind.as_str(), script.dialect)];
    words.extend(script.targeted_application.as_ref().map(|aid| format!("for {aid}")));
    for apdu in &script.apdus {
        let sw = apdu.status_word.map_or_else(|| String::from("none"), |sw| format!("{sw:04X}"));
        words.push(format!("{}={sw}", apdu.name));
    }
    words.extend(script.script_status.clone());
    if script.answered.is_none() {
        words.push(String::from("unanswered"));
    }
    words.join(" ")
}

fn session_line(session: &Session) -> String {
    let time = session.time;
    let sum = time.handshake + time.server + time.bearer.unwrap_or_default() + time.card;
    assert_eq!(sum, session.duration(), "the times of a session are its duration");
    let mut words = vec![format!(
        "session {} {}: {} exchanges, {} scripts, {} APDUs",
        session.status().as_str(),
        session.reason.as_str(),
        session.exchanges,
        session.scripts,
        session.apdus
    )];
    for (count, word) in
        [(session.apdu_errors, "errors"), (session.unanswered, "unanswered"), (session.findings, "findings")]
    {
        if count > 0 {
            words.push(format!("{count} {word}"));
        }
    }
    if session.incomplete {
        words.push(String::from("incomplete"));
    }
    words.join(", ")
}
