use super::Runs;
use crate::observation::{
    AdbCommand, AdbOperation, AdbResult, AdbRun, Cause, Connection, Process, Role, RunStatus, SerialNumber, Stamp,
};
use std::{sync::Arc, time::Duration};

const PID: u32 = 7;

fn process() -> Arc<Process> {
    Arc::new(Process { pid: PID, comm: "adb".into(), target: "adb".into() })
}

fn at(millis: u64) -> Stamp {
    Stamp::from_nanos(millis * 1_000_000)
}

/// What was asked of the server.
fn operation(operation: &'static str, result: AdbResult) -> AdbOperation {
    let connection = Connection {
        number: 1,
        process: process(),
        local: None,
        peer: None,
        role: Some(Role::Client),
        opened: None,
        first_seen: at(0),
    };
    AdbOperation {
        connection: Arc::new(connection),
        device: None,
        chosen: None,
        operation,
        program: None,
        at: Vec::new(),
        result,
        start: at(0),
        first_byte: None,
        end: at(1),
        timed: true,
        incomplete: false,
        counted_elsewhere: false,
        cause: Cause::default(),
        run: None,
    }
}

/// A run from its fork on, with what it asked the server and what it said.
fn run(words: &str, asked: &[(&'static str, AdbResult)], errors: &str, status: u32) -> Option<AdbCommand> {
    let mut runs = Runs::default();
    runs.forked(PID, at(10));
    runs.executed(PID);
    let arguments: Vec<u8> = words.split(' ').flat_map(|word| word.bytes().chain([0])).collect();
    runs.began(process(), &arguments, at(12));
    for (name, result) in asked {
        let told = runs.asked(PID, &operation(name, *result));
        assert_eq!(told, Some(AdbRun { pid: PID, began: at(12) }));
    }
    for piece in errors.as_bytes().chunks(3) {
        runs.said(PID, piece);
    }
    runs.ending(PID, status);
    let mut told = runs.ended(PID, at(40))?;
    runs.complete(&mut told);
    assert!(runs.running.is_empty() && runs.forked.is_empty());
    Some(told)
}

fn result(words: &str, asked: &[(&'static str, AdbResult)], errors: &str, status: u32) -> (AdbResult, bool) {
    let told = run(words, asked, errors, status).expect("it is a run");
    (told.result, told.counted_elsewhere)
}

const EXIT_1: u32 = 1 << 8;

#[test]
fn a_run_lasts_from_its_fork_to_its_end() {
    let told = run("adb -s ABC shell false", &[], "", EXIT_1).expect("it is a run");
    assert_eq!((told.operation, told.status), ("shell", RunStatus::Exit(1)));
    assert_eq!((told.duration(), told.began.since(told.start)), (Duration::from_millis(30), Duration::from_millis(2)));
    let device = told.device.expect("it was named");
    assert_eq!(device.serial.as_ref().map(SerialNumber::expose), Some(b"ABC".as_slice()));
}

#[test]
fn what_a_process_did_before_is_no_part_of_the_run() {
    let mut runs = Runs::default();
    runs.forked(PID, at(10));
    runs.executed(PID);
    runs.began(process(), b"adb\0devices\0", at(5000));
    runs.ending(PID, 0);
    let told = runs.ended(PID, at(5010)).expect("it is a run");
    assert_eq!(told.duration(), Duration::from_millis(10));
}

#[test]
fn what_was_seen_at_the_server_counts_there() {
    use AdbResult::{Exit, Failed, Ok};
    let seen = [("version", Ok), ("features", Ok), ("shell", Exit(3))];
    assert_eq!(result("adb shell false", &seen, "", 3 << 8), (Exit(3), true));
    assert_eq!(result("adb shell false", &seen[..2], "", 3 << 8), (Exit(3), false), "only preliminaries were seen");
    let refused = [("version", Ok), ("features", Failed("device_not_found"))];
    assert_eq!(result("adb -s x shell", &refused, "", EXIT_1), (Failed("device_not_found"), true));
    // A file that is not there is looked for before it is sent.
    let sent = [("version", Ok), ("features", Ok), ("sync_stat", Failed("no_such_file")), ("sync_send", Ok)];
    assert_eq!(result("adb push a b", &sent, "", 0), (Ok, true));
    assert_eq!(
        result("adb connect far", &[("version", Ok), ("connect", Failed("connect_failed"))], "", 0),
        (Failed("connect_failed"), true)
    );
    // Its own error, and none of the server's.
    let nothing_wrong = [("version", Ok), ("features", Ok), ("sync_stat", Ok)];
    assert_eq!(
        result("adb pull a b", &nothing_wrong, "adb: error: failed to stat 'a': No such file or directory\n", EXIT_1),
        (Failed("no_such_file"), false)
    );
    assert_eq!(result("adb shell false", &[("shell", Ok)], "", EXIT_1), (Exit(1), true));
    assert_eq!(result("adb features", &[("version", Ok), ("features", Ok)], "", 0), (Ok, true));
}

#[test]
fn what_never_reached_a_server() {
    use AdbResult::{Aborted, Exit, Failed, Ok};
    let of = |words: &str, errors: &str, status: u32| result(words, &[], errors, status);
    assert_eq!(of("adb devices", "* x\nerror: cannot connect to daemon\n", EXIT_1), (Failed("no_server"), false));
    assert_eq!(of("adb push", "adb: push requires an argument\n", EXIT_1), (Failed("usage"), false));
    assert_eq!(of("adb shell ls", "ls: No such file or directory\n", EXIT_1), (Exit(1), false));
    assert_eq!(of("adb start-server", "* daemon not running; starting now\n", 0), (Ok, false));
    assert_eq!(of("adb logcat", "", 2), (Aborted, false));
    assert_eq!(of("adb install x", "", EXIT_1), (Exit(1), false));
}

#[test]
fn what_is_no_run() {
    assert_eq!(run("adb fork-server server", &[], "", 0), None);
    let mut runs = Runs::default();
    runs.began(process(), b"adb\0devices\0", at(1));
    assert_eq!(runs.ended(PID, at(2)), None, "its status was not seen");
    assert_eq!(runs.asked(PID, &operation("devices", AdbResult::Ok)), None);
    runs.began(process(), b"adb\0devices\0", at(1));
    runs.executed(PID);
    runs.ending(PID, 0);
    assert_eq!(runs.ended(PID, at(2)), None, "it runs another program by now");
}
