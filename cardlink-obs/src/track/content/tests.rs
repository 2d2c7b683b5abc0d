//! Connections through their tracker, from the bytes on the wire to the session.

use super::*;
use crate::{
    observation::Process,
    protocol::tls::open::{Keyring, Psk},
    stream::{Chunk, Hole, Item},
    track::connection::{ConnectionTracker, Settings as ConnectionSettings},
};
use std::{path::Path, time::Duration};

/// One connection of a file in `tests/fixtures/tls_open`: who sent what.
fn recorded(file: &str, section: &str) -> Vec<(Role, Vec<u8>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls_open").join(file);
    let text = std::fs::read_to_string(path).expect("the recording");
    let lines = text.lines().skip_while(|line| !line.starts_with(&format!("= {section} "))).skip(1);
    let wire = |line: &str| match line.split_once(' ') {
        Some((">", hex)) => Some((Role::Client, bytes(hex))),
        Some(("<", hex)) => Some((Role::Server, bytes(hex))),
        _ => None,
    };
    let all: Vec<(Role, Vec<u8>)> = lines.take_while(|line| !line.starts_with('=')).filter_map(wire).collect();
    assert!(!all.is_empty(), "{file} has no {section}");
    all
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

const AES: &str = "openssl_tls1_2_PSK-AES128-CBC-SHA256.flow";
const NULL: &str = "openssl_tls1_2_PSK-NULL-SHA256.flow";
const KEY: &str = "0123456789abcdef0123456789abcdef";

fn keys() -> Arc<Vault> {
    let mut keyring = Keyring::default();
    keyring.insert(b"card-01".to_vec(), Psk::new(bytes(KEY)).expect("a key"), None);
    Arc::new(Vault::new(Some(keyring)))
}

const FIRST: &[u8] =
    b"POST /a HTTP/1.1\r\nX-Admin-Protocol: globalplatform-remote-admin/1.0\r\nX-Admin-From: card\r\n\r\n";
const NOTHING: &[u8] = b"HTTP/1.1 204 No Content\r\nX-Admin-Protocol: globalplatform-remote-admin/1.0\r\n\r\n";
const GO_ON: &[u8] =
    b"HTTP/1.1 204 No Content\r\nX-Admin-Protocol: globalplatform-remote-admin/1.0\r\nX-Admin-Next-URI: /b\r\n\r\n";

struct Bench {
    tracker: ConnectionTracker,
    role: Role,
    now: u64,
    out: Vec<Observation>,
    /// What came on the wire, each with what was tapped then.
    log: Vec<(Role, Vec<u8>, Vec<Tapped>)>,
}

impl Bench {
    fn new(role: Role, content: Settings) -> Self {
        let process = Arc::new(Process { pid: 7, comm: "server".into(), target: "lab".into() });
        let connection = Arc::new(Connection {
            number: 1,
            process,
            local: None,
            peer: None,
            role: Some(role),
            opened: Some(Stamp::from_nanos(1)),
            first_seen: Stamp::from_nanos(1),
        });
        let settings = ConnectionSettings { content, ..ConnectionSettings::default() };
        Self {
            tracker: ConnectionTracker::new(connection, settings),
            role,
            now: 1_000,
            out: Vec::new(),
            log: Vec::new(),
        }
    }

    fn call(&mut self) -> Call {
        self.now += 1_000_000;
        let now = Stamp::from_nanos(self.now);
        Call { enter: now, exit: now, polled: Duration::ZERO, tid: 7 }
    }

    fn direction(&self, sender: Role) -> Direction {
        if sender == self.role { Direction::Write } else { Direction::Read }
    }

    fn item(&mut self, item: &Item<'_>) -> &mut Self {
        self.tracker.on(item, &mut self.out);
        self
    }

    fn wire(&mut self, sender: Role, bytes: &[u8]) -> &mut Self {
        let (direction, call) = (self.direction(sender), self.call());
        self.item(&Item::Data(Chunk { direction, call, offset: 0, bytes }));
        self.log.push((sender, bytes.to_vec(), self.tracker.take_tapped()));
        self
    }

    fn all(&mut self, wire: &[(Role, Vec<u8>)]) -> &mut Self {
        for (sender, bytes) in wire {
            self.wire(*sender, bytes);
        }
        self
    }

    fn library(&mut self, sender: Role, bytes: &[u8]) -> &mut Self {
        let (direction, call) = (self.direction(sender), self.call());
        self.tracker.plain(PlainSource::OpenSsl, direction, call, bytes, 0, &mut self.out);
        self
    }

    fn hole(&mut self, sender: Role, len: u64) -> &mut Self {
        let (direction, call) = (self.direction(sender), self.call());
        self.item(&Item::Hole(Hole { direction, call, offset: 0, len, lost: true, resync: true }))
    }

    fn close(&mut self) -> &mut Self {
        let at = self.call().exit;
        self.item(&Item::Closed { at })
    }

    fn told(&self) -> Vec<String> {
        self.out.iter().filter_map(line).collect()
    }
}

/// What is told of the content: the handshake and the end of the connection are others' business.
fn line(observation: &Observation) -> Option<String> {
    let who = |identity: &Option<PskIdentity>| {
        identity.as_ref().map_or_else(|| String::from("nobody"), |id| String::from_utf8_lossy(id.expose()).into_owned())
    };
    Some(match observation {
        Observation::Plaintext(plaintext) => match &plaintext.way {
            Ok(way) => format!("by {}", way.as_str()),
            Err(sealed) => format!("sealed: {}", sealed.reason),
        },
        Observation::SessionOpened(opened) => format!("opened by {}", who(&opened.identity)),
        Observation::Exchange(exchange) => {
            format!("{} {:?} {}", exchange.target, exchange.status, exchange.fault.map_or("", |(word, _)| word))
        }
        Observation::Session(session) => {
            let lost = if session.incomplete { ", incomplete" } else { "" };
            format!("{} of {}{lost}", session.reason.as_str(), who(&session.identity))
        }
        Observation::Finding(finding) => finding.kind.as_str().to_owned(),
        _ => return None,
    })
}

/// A record of application data under a NULL suite, as one who has no key reads it: the check does not matter.
fn null_record(plaintext: &[u8]) -> Vec<u8> {
    let len = u16::try_from(plaintext.len() + 32).expect("a short text");
    [[23, 3, 3].as_slice(), &len.to_be_bytes(), plaintext, &[0xA5; 32]].concat()
}

/// The handshake of a recorded connection, without what came after it.
fn handshake(file: &str, section: &str) -> Vec<(Role, Vec<u8>)> {
    recorded(file, section).into_iter().take_while(|(_, bytes)| bytes.first() != Some(&23)).collect()
}

#[test]
fn a_connection_under_a_key_of_the_file_is_read_and_so_is_one_that_resumes_it() {
    for role in [Role::Server, Role::Client] {
        let vault = keys();
        for section in ["full-ticket-ems-etm", "resumed-ticket-ems-etm", "full-id", "resumed-id"] {
            let settings = Settings { vault: Arc::clone(&vault), ..Settings::default() };
            let mut bench = Bench::new(role, settings);
            bench.all(&recorded(AES, section)).close();
            let told = bench.told();
            assert_eq!(told[..2], ["by key_file", "opened by card-01"], "{section}: {told:?}");
            assert!(told.last().is_some_and(|line| line.ends_with("of card-01")), "{told:?}");
            assert!(!bench.tracker.is_unwanted());
            let handshakes = bench.out.iter().filter(|told| matches!(told, Observation::Handshake(_))).count();
            assert_eq!(handshakes, 1);
        }
    }
}

#[test]
fn a_session_under_a_null_suite_needs_no_key() {
    for role in [Role::Server, Role::Client] {
        let mut bench = Bench::new(role, Settings::default());
        bench.all(&handshake(NULL, "full-ticket-ems-etm"));
        bench.wire(Role::Client, &null_record(FIRST)).wire(Role::Server, &null_record(NOTHING)).close();
        assert_eq!(
            bench.told(),
            ["by null_suite", "opened by card-01", "null_suite", "/a Some(204) ", "nothing_more of card-01"]
        );
        let session = bench.out.iter().find_map(|told| match told {
            Observation::Session(session) => Some(session),
            _ => None,
        });
        assert!(session.is_some_and(|session| session.time.handshake > Duration::ZERO));
    }
}

#[test]
fn a_lost_record_is_a_gap_of_which_nobody_knows_the_length() {
    let mut bench = Bench::new(Role::Server, Settings::default());
    bench.all(&handshake(NULL, "full-ticket-ems-etm"));
    let body = "POST /a HTTP/1.1\r\nX-Admin-From: card\r\nContent-Length: 99\r\n\r\n";
    bench.wire(Role::Client, &null_record(body.as_bytes()));
    let lost = null_record(&[b'x'; 60]).len() as u64;
    bench
        .hole(Role::Client, lost)
        .wire(Role::Client, &null_record(&[b'x'; 39]))
        .wire(Role::Client, &null_record(FIRST));
    bench.item(&Item::Tick { now: Stamp::from_nanos(1 << 60) }).item(&Item::Tick { now: Stamp::from_nanos(1 << 61) });
    bench.close();
    assert!(
        bench.told().ends_with(&["/a None lost".to_owned(), "lost of card-01, incomplete".to_owned()]),
        "{:?}",
        bench.told()
    );
}

#[test]
fn what_is_recorded_as_ciphertext_is_wanted_if_a_key_may_open_it_one_day() {
    for (tap, section, wanted) in
        [(Kept::Clear, "full-id", true), (Kept::All, "full-id", false), (Kept::Clear, "resumed-id", true)]
    {
        let settings = Settings { tap, ..Settings::default() };
        let mut bench = Bench::new(Role::Server, settings);
        bench.all(&handshake(AES, section));
        assert_eq!(!bench.tracker.is_unwanted(), wanted, "{tap:?} {section}");
    }
}

#[test]
fn what_cannot_be_read_is_not_wanted_and_a_library_may_still_say_it() {
    for role in [Role::Server, Role::Client] {
        let mut bench = Bench::new(role, Settings::default());
        bench.all(&handshake(AES, "full-id"));
        assert!(bench.tracker.is_unwanted());
        bench.library(Role::Client, FIRST).all(&recorded(AES, "full-id")[3..]).library(Role::Server, NOTHING).close();
        assert_eq!(bench.told(), ["by openssl", "opened by card-01", "/a Some(204) ", "nothing_more of card-01"]);
    }
}

#[test]
fn what_two_sources_say_is_told_once() {
    // The library is first, then the wire can be read.
    let settings = || Settings { vault: keys(), ..Settings::default() };
    // Without the alerts at its end.
    let wire: Vec<(Role, Vec<u8>)> =
        recorded(AES, "full-id").into_iter().filter(|(_, bytes)| bytes.first() != Some(&21)).collect();
    let handshake = handshake(AES, "full-id").len();
    let mut bench = Bench::new(Role::Server, settings());
    bench.all(&wire[..2]).library(Role::Client, FIRST).all(&wire[2..]).library(Role::Server, NOTHING).close();
    assert_eq!(bench.told(), ["by openssl", "opened by nobody", "/a Some(204) ", "nothing_more of card-01"]);
    // The wire is first.
    let mut alone = Bench::new(Role::Server, settings());
    alone.all(&wire).close();
    let mut bench = Bench::new(Role::Server, settings());
    bench.all(&wire[..handshake]).library(Role::Client, FIRST).all(&wire[handshake..]).library(Role::Server, NOTHING);
    bench.close();
    assert_eq!(bench.told(), alone.told());
}

#[test]
fn http_without_tls_however_it_begins() {
    for cut in 0..FIRST.len() {
        let mut bench = Bench::new(Role::Server, Settings::default());
        for piece in [b"\r\n".as_slice(), &FIRST[..cut], &FIRST[cut..]] {
            if !piece.is_empty() {
                bench.wire(Role::Client, piece);
            }
        }
        assert!(!bench.tracker.is_unwanted());
        bench.wire(Role::Server, NOTHING).close();
        let told = bench.told();
        assert_eq!(told, ["by clear", "opened by nobody", "/a Some(204) ", "nothing_more of nobody"], "cut at {cut}");
    }
    // Not remote administration, or not HTTP.
    let mut bench = Bench::new(Role::Server, Settings::default());
    bench.wire(Role::Client, b"GET / HT");
    assert!(!bench.tracker.is_unwanted(), "it may become one");
    bench.wire(Role::Client, b"TP/1.1\r\n\r\n");
    assert!(!bench.tracker.is_unwanted(), "its response is to come");
    bench.wire(Role::Server, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert!(bench.tracker.is_unwanted());
    // What still comes until the kernel side knows is not told by half.
    bench.wire(Role::Client, b"GET /more HTTP/1.1\r\n\r\n").close();
    assert_eq!(bench.told(), ["by clear", "/ Some(200) "]);
    // A long response is not looked at to its end.
    let mut bench = Bench::new(Role::Server, Settings::default());
    bench.wire(Role::Client, b"GET / HTTP/1.1\r\n\r\n");
    bench.wire(Role::Server, b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n");
    for _ in 0..20 {
        bench.wire(Role::Server, &[b'x'; 16_384]);
    }
    assert!(bench.tracker.is_unwanted());
    bench.close();
    assert_eq!(bench.told(), ["by clear", "/ Some(200) not_followed"]);
    let mut bench = Bench::new(Role::Server, Settings::default());
    bench.wire(Role::Client, &[b'\n'; 500]).wire(Role::Client, FIRST);
    assert_eq!(bench.told().first().map(String::as_str), Some("by clear"));
    let mut bench = Bench::new(Role::Server, Settings::default());
    bench.wire(Role::Client, b"SSH-2.0-x\r\n").close();
    assert!(bench.told().is_empty());
}

#[test]
fn what_was_tapped_gives_the_same_when_it_is_read_again() {
    let live = |file: &str, section: &str, more: &[(Role, Vec<u8>)]| {
        let mut bench = Bench::new(Role::Server, Settings { vault: keys(), tap: Kept::All, ..Settings::default() });
        bench.all(&recorded(file, section)).all(more).hole(Role::Client, 5).wire(Role::Client, &null_record(FIRST));
        bench.close();
        bench
    };
    let renegotiation = [(Role::Server, vec![20, 3, 3, 0, 1, 1])];
    for (file, section, more) in
        [(AES, "full-id", [].as_slice()), (NULL, "full-ticket-ems-etm", &[]), (AES, "full-id", &renegotiation)]
    {
        let mut live = live(file, section, more);
        let log = std::mem::take(&mut live.log);
        assert!(log.iter().flat_map(|(_, _, tapped)| tapped).any(|tapped| matches!(tapped.what, Tap::Plain { .. })));
        let mut again = Bench::new(Role::Server, Settings { recorded: Kept::All, ..Settings::default() });
        for (sender, bytes, tapped) in log {
            again.wire(sender, &bytes);
            for Tapped { call, what } in tapped {
                match what {
                    Tap::Note(note) => again.tracker.recorded(&note, call, &mut again.out),
                    Tap::Plain { source, direction, bytes } => {
                        again.tracker.plain(source, direction, call, &bytes, 0, &mut again.out);
                    }
                }
            }
        }
        again.close();
        assert_eq!(live.told(), again.told());
    }
}

#[test]
fn what_cannot_be_read_any_more_leaves_nobody_silent() {
    let sealed = ContentNote::Sealed { reason: "renegotiation".into(), advice: "none".into() };
    let mut bench = Bench::new(Role::Server, Settings { recorded: Kept::All, ..Settings::default() });
    let call = bench.call();
    bench.tracker.recorded(&ContentNote::Readable(PlainSource::KeyFile), call, &mut bench.out);
    for (direction, bytes) in [(Direction::Read, FIRST), (Direction::Write, GO_ON)] {
        bench.tracker.plain(PlainSource::KeyFile, direction, call, bytes, 0, &mut bench.out);
    }
    bench.tracker.recorded(&sealed, call, &mut bench.out);
    bench.item(&Item::Tick { now: Stamp::from_nanos(1 << 60) }).item(&Item::Tick { now: Stamp::from_nanos(1 << 61) });
    assert_eq!(bench.told(), ["by key_file", "opened by nobody", "/a Some(204) ", "sealed: renegotiation"]);
    bench.close();
    assert_eq!(bench.told().last().map(String::as_str), Some("lost of nobody, incomplete"));
    // What a library left out is a gap as well.
    let mut bench = Bench::new(Role::Server, Settings::default());
    let call = bench.call();
    bench.tracker.plain(PlainSource::OpenSsl, Direction::Read, call, FIRST, 7, &mut bench.out);
    bench.close();
    assert_eq!(bench.told().last().map(String::as_str), Some("lost of nobody, incomplete"));
}

#[test]
fn alerts_and_ends_under_keys() {
    for (note, wanted) in [
        (ContentNote::End { write: false, alert: None }, "card_gone of nobody"),
        (ContentNote::End { write: true, alert: None }, "server_left of nobody"),
        (ContentNote::End { write: false, alert: Some(80) }, "tls_alert of nobody"),
        (ContentNote::End { write: true, alert: Some(80) }, "tls_alert of nobody"),
    ] {
        let mut bench = Bench::new(Role::Server, Settings { recorded: Kept::All, ..Settings::default() });
        let call = bench.call();
        for (direction, bytes) in [(Direction::Read, FIRST), (Direction::Write, GO_ON)] {
            bench.tracker.plain(PlainSource::KeyFile, direction, call, bytes, 0, &mut bench.out);
        }
        bench.tracker.recorded(&note, call, &mut bench.out);
        bench.close();
        assert_eq!(bench.told().last().map(String::as_str), Some(wanted), "{note:?}");
    }
}

#[test]
fn errors_and_fins_of_the_socket_tell_who_left() {
    for (errno, wanted) in [(104, "link_reset"), (32, "link_reset"), (110, "link_reset"), (11, "server_left")] {
        let mut bench = Bench::new(Role::Server, Settings::default());
        bench.wire(Role::Client, FIRST).wire(Role::Server, GO_ON);
        let call = bench.call();
        bench.item(&Item::Error { direction: Direction::Read, call, errno }).close();
        assert_eq!(bench.told().last(), Some(&format!("{wanted} of nobody")), "{errno}");
    }
    let mut bench = Bench::new(Role::Server, Settings::default());
    let call = bench.call();
    bench.wire(Role::Client, FIRST).wire(Role::Server, GO_ON).item(&Item::Eof(call)).close();
    assert_eq!(bench.told().last().map(String::as_str), Some("card_gone of nobody"));
}
