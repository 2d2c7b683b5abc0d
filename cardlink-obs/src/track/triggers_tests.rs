use super::*;
use crate::observation::{
    AtResult, Cause, Connection, DeviceType, Process, Role, SessionReason, SessionTime, TriggerType, Tty,
};

const fn seconds(seconds: u64) -> Stamp {
    Stamp::from_nanos(seconds * 1_000_000_000)
}

fn process() -> Arc<Process> {
    Arc::new(Process { pid: 7, comm: "tool".into(), target: "tool".into() })
}

fn tty() -> Arc<Tty> {
    Arc::new(Tty::new(process(), "/dev/ttyUSB0"))
}

fn trigger(sent: u64, result: AtResult) -> Trigger {
    Trigger {
        tty: tty(),
        number: 0,
        kind: TriggerType::Scp81,
        tar: Some([0, 0, 1]),
        ciphered: false,
        may_open_session: true,
        parts: 1,
        command: "AT+CMGS".to_owned(),
        start: seconds(sent),
        sent: seconds(sent),
        end: seconds(sent + 3),
        result,
        cause: Cause::default(),
    }
}

fn command(name: &str, start: u64) -> AtCommand {
    AtCommand {
        tty: tty(),
        name: name.to_owned(),
        line: vec![name.to_owned()],
        result: AtResult::Ok,
        start: seconds(start),
        first_byte: None,
        end: seconds(start + 1),
        prompt: None,
        unattended: Duration::ZERO,
        information_lines: 0,
        incomplete: false,
        cause: Cause::default(),
    }
}

fn session(start: u64, trigger: Option<Arc<Trigger>>) -> Session {
    Session {
        number: 1,
        connection: Arc::new(Connection {
            number: 1,
            process: process(),
            local: None,
            peer: None,
            role: Some(Role::Server),
            opened: None,
            first_seen: seconds(start),
        }),
        connections: 1,
        device: DeviceType::Uicc,
        kind: SessionType::Unknown,
        trigger,
        start: seconds(start),
        end: seconds(start + 5),
        reason: SessionReason::NothingMore,
        identity: None,
        agent: None,
        exchanges: 1,
        scripts: 0,
        apdus: 0,
        apdu_errors: 0,
        unanswered: 0,
        findings: 0,
        time: SessionTime::default(),
        round_trip: None,
        bytes_from_card: 0,
        bytes_to_card: 0,
        incomplete: false,
        counted_elsewhere: false,
    }
}

/// Which trigger a session that begins then is started by, and what it is called.
fn outcome(triggers: &mut Triggers, start: u64) -> (Option<u64>, SessionType) {
    let claimed = triggers.claim(seconds(start));
    let number = claimed.as_ref().map(|trigger| trigger.number);
    (number, triggers.kind(&session(start, claimed)))
}

fn triggers(of: &[Trigger]) -> Triggers {
    let mut triggers = Triggers::new(Duration::from_mins(1));
    for one in of {
        triggers.trigger(&mut Arc::new(one.clone()));
    }
    triggers
}

#[test]
fn a_trigger_starts_one_session_within_its_window() {
    let mut two = triggers(&[trigger(100, AtResult::Ok), trigger(110, AtResult::Ok)]);
    assert_eq!(outcome(&mut two, 99).0, None);
    assert_eq!(outcome(&mut two, 105), (Some(1), SessionType::Triggered));
    assert_eq!(outcome(&mut two, 130), (Some(2), SessionType::Triggered));
    // It was sent, but another session was first: who knows.
    assert_eq!(outcome(&mut two, 140), (None, SessionType::Unknown));
    let mut late = triggers(&[trigger(100, AtResult::Ok)]);
    assert_eq!(outcome(&mut late, 160), (None, SessionType::Polled));
}

#[test]
fn what_was_refused_or_is_something_else_starts_nothing() {
    let other = Trigger { may_open_session: false, ..trigger(100, AtResult::Ok) };
    let mut none = triggers(&[trigger(20, AtResult::Ok), trigger(100, AtResult::Cms(38)), other]);
    assert_eq!(outcome(&mut none, 110), (None, SessionType::Polled));
    let mut unanswered = triggers(&[trigger(100, AtResult::Timeout)]);
    assert_eq!(outcome(&mut unanswered, 110), (Some(1), SessionType::Triggered));
}

#[test]
fn polled_is_said_only_where_messages_are_watched() {
    let mut nothing = triggers(&[]);
    assert_eq!(outcome(&mut nothing, 500), (None, SessionType::Unknown));
    // A modem that is asked for its signal says nothing about messages.
    nothing.command(&command("AT+CSQ", 10));
    assert_eq!(outcome(&mut nothing, 500), (None, SessionType::Unknown));
    nothing.command(&command("AT+CMGS", 480));
    assert_eq!(outcome(&mut nothing, 500), (None, SessionType::Polled));
    // Before all of the window was watched a trigger may have gone out.
    assert_eq!(outcome(&mut nothing, 60), (None, SessionType::Unknown));
    nothing.set_window(Duration::ZERO);
    assert_eq!(outcome(&mut nothing, 500), (None, SessionType::Unknown));
}

#[test]
fn few_are_kept() {
    let many: Vec<_> = (0..MOST as u64 + 10).map(|at| trigger(at, AtResult::Ok)).collect();
    let mut many = triggers(&many);
    assert_eq!(outcome(&mut many, 30), (Some(11), SessionType::Triggered));
    assert_eq!(many.sent.len(), MOST);
}
