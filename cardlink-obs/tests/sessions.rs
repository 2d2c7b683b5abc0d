//! Sessions with their errors and findings, as people and programs get to see them.

use cardlink_obs::{
    event::{Endpoint, Event, Holder, Origin, Plain, PlainSource, ProcessOrigin, RawCall, StreamId},
    observation::Observation,
    pipeline::{Pipeline, PipelineSettings},
    sink::{
        Sink,
        json::Json,
        names::Names,
        text::{Filter, Text},
        wall::WallClock,
    },
};
use std::{borrow::Cow, collections::BTreeMap};

const PROTOCOL: &str = "X-Admin-Protocol: globalplatform-remote-admin/1.0\r\n";
const FROM: &str = "X-Admin-From: //se-id/eid/89001012\r\n";
const RAM: &str = "Content-Type: application/vnd.globalplatform.card-content-mgt;version=1.0\r\n";
const RAM_ANSWER: &str = "Content-Type: application/vnd.globalplatform.card-content-mgt-response;version=1.0\r\n";
const NEXT: &str = "X-Admin-Next-URI: /server/8944501234567890123?n=2\r\n";
const PID: u32 = 7;

/// A server, its connections, and what was observed.
struct Server {
    pipeline: Pipeline,
    now: u64,
    out: Vec<Observation>,
}

impl Server {
    fn new() -> Self {
        let mut server = Self { pipeline: Pipeline::new(PipelineSettings::default()), now: 0, out: Vec::new() };
        let (comm, target) = (Cow::Borrowed("ota-server"), Cow::Borrowed("ota-server"));
        server.event(&Event::ProcessSeen { at: 0, pid: PID, comm, target, origin: ProcessOrigin::Found });
        server
    }

    fn event(&mut self, event: &Event<'_>) {
        self.pipeline.handle(event, &mut self.out);
    }

    fn wait(&mut self, millis: u64) -> &mut Self {
        self.now += millis * 1_000_000;
        self.event(&Event::Tick { now: self.now });
        self
    }

    fn accept(&mut self, number: u16) -> &mut Self {
        let endpoint =
            Endpoint::Tcp { local: ([10, 0, 0, 1], 8443).into(), peer: ([10, 0, 0, 2], 40_000 + number).into() };
        let (holder, stream) = names(number);
        self.event(&Event::Opened { at: self.now, holder, stream, endpoint, origin: Origin::Accepted });
        self
    }

    fn plain(&mut self, number: u16, write: bool, bytes: &[u8]) -> &mut Self {
        self.now += 20_000_000;
        let (holder, stream) = names(number);
        self.event(&Event::Plain(Plain {
            holder,
            stream,
            session: 1,
            call: RawCall { enter: self.now, exit: self.now, tid: PID, polled: 0 },
            write,
            source: PlainSource::OpenSsl,
            offset: 0,
            total: bytes.len() as u64,
            bytes: Cow::Borrowed(bytes),
        }));
        self
    }

    /// A request of the card.
    fn asked(&mut self, number: u16, headers: &str, body: &str) -> &mut Self {
        self.plain(number, false, &message("POST /server/8944501234567890123?n=1 HTTP/1.1", headers, body))
    }

    /// A response of the server.
    fn answered(&mut self, number: u16, status: &str, headers: &str, body: &str) -> &mut Self {
        self.plain(number, true, &message(&format!("HTTP/1.1 {status}"), headers, body))
    }

    fn close(&mut self, number: u16, by_card: bool) -> &mut Self {
        let (holder, stream) = names(number);
        let call = RawCall { enter: self.now, exit: self.now, tid: PID, polled: 0 };
        if by_card {
            self.event(&Event::Eof { holder, stream, call });
        }
        self.event(&Event::Transport { at: self.now, stream, round_trip: 8_000_000, retransmits: 0 });
        let (bytes_read, bytes_written) = (0, 0);
        self.event(&Event::Closed { at: self.now, holder, stream, last: true, bytes_read, bytes_written });
        self
    }
}

fn names(number: u16) -> (Holder, StreamId) {
    let stream = StreamId { identity: u64::from(number), generation: 1, tty: false };
    (Holder { tgid: PID, fd: i32::from(number) }, stream)
}

fn message(start: &str, headers: &str, body: &str) -> Vec<u8> {
    let digits: String = body.split_whitespace().collect();
    let body: Vec<u8> =
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex")).collect();
    let length = if start.contains(" 204") { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    [format!("{start}\r\n{headers}{length}\r\n").as_bytes(), &body].concat()
}

/// Four cards: one whose link drops in the middle of a script, one that refuses a script, one that the server turns away,
/// and one that is silent.
fn night() -> Vec<Observation> {
    let mut server = Server::new();
    let first = format!("{PROTOCOL}{FROM}");
    let script = format!("{PROTOCOL}{NEXT}{RAM}X-Admin-Targeted-Application: //aid/A000000559/1010\r\n");
    let answer = format!("{PROTOCOL}{RAM_ANSWER}X-Admin-Script-Status: ok\r\n");

    server.accept(1).asked(1, &first, "").answered(
        1,
        "200 OK",
        &script,
        "AE80 22 07 00A40400023F00 22 05 00C0000010 22 05 80CA006600 22 04 80E60200 0000",
    );
    server.wait(3_000).close(1, true).wait(4_000).accept(2);
    server.asked(2, &format!("{FROM}X-Admin-Resume: true\r\n{answer}"), "AF80 23 02 6110 23 03 019000 23 02 6A88 0000");
    server.answered(2, "204 No Content", PROTOCOL, "").wait(200).close(2, true);

    let other = format!("{PROTOCOL}X-Admin-From: //se-id/eid/89001099\r\n");
    server.wait(1_000).accept(3).asked(3, &other, "");
    server.answered(3, "200 OK", &format!("{PROTOCOL}{NEXT}"), "AE80 22 05 80F2400000 0000");
    server.asked(3, &format!("{PROTOCOL}X-Admin-Script-Status: not-a-security-domain\r\n"), "");
    server.answered(3, "204 No Content", PROTOCOL, "").close(3, false);

    server.wait(1_000).accept(4).asked(4, &other, "").answered(4, "503 Service Unavailable", "", "").close(4, false);

    server.wait(1_000).accept(5).asked(5, &other, "");
    server.answered(5, "200 OK", &format!("{PROTOCOL}{NEXT}{RAM}"), "AE80 22 05 80F2400000 0000");
    server.wait(400_000).wait(2_000).close(5, false);
    server.pipeline.finish(server.now, &mut server.out);
    server.out
}

fn names_in_clear() -> Names {
    Names::with_new_key(true).expect("random bytes")
}

fn text(filter: Filter) -> String {
    let mut view = Vec::new();
    let mut sink = Text::new(&mut view, WallClock::recorded(0), names_in_clear(), filter);
    for observation in &night() {
        sink.take(observation);
    }
    anstream::adapter::strip_str(&String::from_utf8(view).expect("UTF-8")).to_string()
}

#[test]
fn the_view_for_people() {
    insta::assert_snapshot!(text(Filter::default()));
}

#[test]
fn the_view_with_all_that_happened() {
    insta::assert_snapshot!(text(Filter { all: true, ..Filter::default() }));
}

#[test]
fn what_failed_alone() {
    let failed = text(Filter { failed: true, ..Filter::default() });
    assert!(failed.contains("session 3 failed") && failed.contains("session 4 timeout"), "{failed}");
    assert!(!failed.contains("session 2 completed"), "{failed}");
}

#[test]
fn json_has_what_the_view_has() {
    let mut lines = Vec::new();
    let mut sink = Json::new(&mut lines, WallClock::recorded(0), names_in_clear(), Filter::default());
    for observation in &night() {
        sink.take(observation);
    }
    let mut kinds = BTreeMap::new();
    let mut sessions = Vec::new();
    for line in String::from_utf8(lines).expect("UTF-8").lines() {
        let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let kind = value["type"].as_str().expect("a type").to_owned();
        if kind == "session" {
            let times = &value["times"];
            let sum: f64 = ["handshake", "server", "bearer_estimate", "card_estimate"]
                .iter()
                .map(|part| times[part].as_f64().unwrap_or_default())
                .sum();
            assert!((sum - value["duration"].as_f64().expect("a duration")).abs() < 1e-9, "{value}");
            sessions.push(format!(
                "{} {} {} {} {}",
                value["session"], value["status"], value["reason"], value["connections"], value["unanswered"]
            ));
        }
        *kinds.entry(kind).or_insert(0) += 1;
    }
    assert_eq!(
        sessions,
        [
            r#"1 "completed" "nothing_more" 2 1"#,
            r#"2 "completed" "nothing_more" 1 1"#,
            r#"3 "failed" "http_error" 1 0"#,
            r#"4 "timeout" "card_silent" 1 1"#
        ]
    );
    assert_eq!((kinds["session_opened"], kinds["exchange"], kinds["script"]), (4, 6, 3));
}
