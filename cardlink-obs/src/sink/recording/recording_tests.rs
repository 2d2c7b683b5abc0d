use super::{Header, Recorder, Recording, RecordingError, VERSION};
use crate::{
    event::{Data, Endpoint, Event, Holder, Origin, ProcessOrigin, RawCall, Rest, StreamId},
    sink::names::Names,
};
use std::{
    borrow::Cow,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    time::{Duration, Instant},
};

const TTY: StreamId = StreamId { identity: 0xFFFF_8880_0000_0000, generation: 1, tty: true };
const HOLDER: Holder = Holder { tgid: 10, fd: 3 };

fn header() -> Header {
    Header {
        version: VERSION,
        agent: String::from("test"),
        host: String::from("host"),
        kernel: String::from("6.1"),
        boot_id: String::from("a boot"),
        boot: String::from("1700000000000000000"),
        part: 1,
        ciphertext: false,
    }
}

fn recorder(path: &Path, limit: u64) -> Recorder {
    Recorder::create(path, header(), limit, Names::with_new_key(false).expect("random bytes")).expect("a file")
}

fn written(offset: u64, bytes: &'static [u8]) -> Event<'static> {
    Event::Data(Data {
        holder: HOLDER,
        stream: TTY,
        call: RawCall { enter: 1, exit: 2, tid: 10, polled: 0 },
        write: true,
        offset,
        total: bytes.len() as u64,
        rest: Rest::Whole,
        skipped: 0,
        record_start: false,
        bytes: Cow::Borrowed(bytes),
    })
}

fn opened() -> Event<'static> {
    let endpoint = Endpoint::Tty { path: String::from("/dev/ttyUSB0") };
    Event::Opened { at: 1, holder: HOLDER, stream: TTY, endpoint, origin: Origin::Existing }
}

fn seen() -> Event<'static> {
    let (comm, target) = (Cow::Borrowed("modem-tool"), Cow::Borrowed("modem-tool"));
    Event::ProcessSeen { at: 1, pid: 10, comm, target, origin: ProcessOrigin::Found }
}

fn record(recorder: &mut Recorder, events: &[Event<'_>]) {
    for event in events {
        recorder.take(event);
    }
}

fn all(path: &Path) -> Result<Vec<Event<'static>>, RecordingError> {
    let mut recording = Recording::open(path)?;
    let mut events = Vec::new();
    while let Some(event) = recording.next_event()? {
        let bytes = postcard::to_allocvec(&event).expect("it was read");
        events.push(postcard::from_bytes(bytes.leak()).expect("it was written"));
    }
    Ok(events)
}

#[test]
fn what_was_written_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.rec");
    let events = [seen(), opened(), written(0, b"AT+CSQ\r"), Event::Tick { now: 5 }];
    let mut recorder = recorder(&path, 0);
    record(&mut recorder, &events);
    recorder.finish().expect("written");
    assert_eq!(all(&path).expect("read"), events);
    assert_eq!(fs::metadata(&path).expect("the file").permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_pin_does_not_get_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.rec");
    let mut recorder = recorder(&path, 0);
    record(&mut recorder, &[seen(), opened(), written(0, b"AT+CPIN=\"73"), written(11, b"91\"\r")]);
    recorder.finish().expect("written");
    let bytes = fs::read(&path).expect("the file");
    assert!(bytes.windows(7).any(|window| window == b"AT+CPIN"));
    assert!(!bytes.windows(2).any(|window| window == b"73" || window == b"91"));
}

#[test]
fn a_file_that_was_cut_off_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.rec");
    let mut recorder = recorder(&path, 0);
    record(&mut recorder, &[seen(), opened()]);
    recorder.finish().expect("written");
    let bytes = fs::read(&path).expect("the file");
    for len in 0..bytes.len() {
        fs::write(&path, &bytes[..len]).expect("written");
        match all(&path) {
            Err(RecordingError::Empty(_)) if len == 0 => {}
            Err(RecordingError::Headless(_)) if len > 0 => {}
            Err(RecordingError::Truncated { .. }) if len > 16 => {}
            other => panic!("{len} of {} bytes: {other:?}", bytes.len()),
        }
    }
}

#[test]
fn a_foreign_file_and_a_newer_one_are_told_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.rec");
    fs::write(&path, b"#!/bin/sh\necho this is not a recording\n").expect("written");
    assert!(matches!(all(&path), Err(RecordingError::Foreign(_))));
    let newer = Header { version: VERSION + 1, ..header() };
    let names = Names::with_new_key(false).expect("random bytes");
    Recorder::create(&path, newer, 0, names).expect("a file").finish().expect("written");
    assert!(matches!(all(&path), Err(RecordingError::Version { found, .. }) if found == VERSION + 1));
    assert!(matches!(all(&folder.path().join("none")), Err(RecordingError::Io(..))));
}

#[test]
fn a_damaged_file_is_an_error_and_not_a_panic() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.rec");
    let mut recorder = recorder(&path, 0);
    record(&mut recorder, &[seen(), opened(), written(0, b"AT\r")]);
    recorder.finish().expect("written");
    let bytes = fs::read(&path).expect("the file");
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0xFF;
        fs::write(&path, &damaged).expect("written");
        let _ = all(&path);
    }
}

#[test]
fn a_new_part_begins_with_what_is_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.rec");
    let mut recorder = recorder(&path, 300);
    record(&mut recorder, &[seen(), opened()]);
    for offset in 0..20 {
        recorder.take(&written(offset * 7, b"AT+CSQ\r"));
    }
    recorder.finish().expect("written");
    let events = all(&path).expect("read");
    assert_eq!(events[..2], [seen(), opened()]);
    assert!(Recording::open(&path).expect("open").header.part > 1);
    assert!(all(&folder.path().join("a.rec.1")).is_ok());
}

#[test]
fn the_header_is_there_at_once_and_events_a_second_later() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.rec");
    let mut recorder = recorder(&path, 0);
    assert_eq!(Recording::open(&path).expect("a header").header.host, "host");
    record(&mut recorder, &[seen(), opened()]);
    let now = Instant::now();
    recorder.flush_when_due(now);
    assert!(matches!(all(&path), Err(RecordingError::Truncated { events: 0, .. })), "too soon");
    recorder.flush_when_due(now + Duration::from_secs(2));
    // As after a kill: nobody has finished it.
    assert!(matches!(all(&path), Err(RecordingError::Truncated { events: 2, .. })));
    assert_eq!(recorder.progress().counts().written, 2);
}

#[test]
fn a_full_disk_is_told_with_what_is_lost() {
    // The device takes nothing, not even the header.
    let full = Path::new("/dev/full");
    let names = || Names::with_new_key(false).expect("random bytes");
    assert!(matches!(Recorder::create(full, header(), 0, names()), Err(RecordingError::Io(..))));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.rec");
    let mut recorder = recorder(&path, 300);
    record(&mut recorder, &[seen(), opened()]);
    // A rotation that cannot rename ends it as a full disk does.
    drop(folder);
    for offset in 0..20 {
        recorder.take(&written(offset * 7, b"AT+CSQ\r"));
    }
    let progress = recorder.progress();
    assert!(progress.failure().is_some_and(|why| why.contains("No such file")), "{:?}", progress.failure());
    let counts = progress.counts();
    assert!(counts.lost > 0 && counts.written + counts.lost == 22, "{counts:?}");
    match recorder.finish() {
        Err(RecordingError::Lost { lost, .. }) => assert_eq!(lost, counts.lost),
        other => panic!("{other:?}"),
    }
}
