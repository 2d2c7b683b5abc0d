//! A recording of the lab, read again: the same words, the same metrics, on every version from here on.
//!
//! `tests/recordings/first-light.rec` holds eight connections to a PSK-TLS server (one good, seven with a fault each) and
//! five commands to a modem, one of them answered long before the program noticed.

use cardlink_obs::{pipeline::fuzz, sink::recording::Recording};
use std::{
    path::Path,
    process::{Command, Output},
};

const RECORDING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recordings/first-light.rec");

fn replay(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cardlink-obs"))
        .arg("replay")
        .args(arguments)
        .env("TZ", "UTC")
        .env("CARDLINK_OBS_HASH_KEY", tempfile::tempdir().expect("a folder").path().join("key"))
        .output()
        .expect("the agent runs")
}

fn text(arguments: &[&str]) -> String {
    let output = replay(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn the_view_for_people() {
    insta::assert_snapshot!(text(&[RECORDING]));
}

#[test]
fn the_view_with_all_that_happened() {
    insta::assert_snapshot!(text(&["--all", RECORDING]));
}

#[test]
fn the_metrics() {
    let page = text(&["--metrics", RECORDING]);
    let told: Vec<&str> = page
        .lines()
        .filter(|line| !line.starts_with('#') && !line.contains("_bucket{") && !line.ends_with(" 0"))
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn json_has_one_object_a_line() {
    let lines = text(&["--json", RECORDING]);
    let mut kinds = std::collections::BTreeMap::new();
    for line in lines.lines() {
        let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
        *kinds.entry(value["type"].as_str().expect("a type").to_owned()).or_insert(0) += 1;
    }
    assert_eq!(kinds["handshake"], 6);
    assert_eq!(kinds["connection_closed"], 8);
    assert_eq!(kinds["at_command"], 5);
    assert_eq!(kinds["program_wait"], 1);
}

#[test]
fn filters_leave_the_rest_out() {
    assert_eq!(text(&["--failed", RECORDING]).matches("FAILED").count(), 5);
    assert!(!text(&["--failed", RECORDING]).contains(" ok "));
    assert_eq!(text(&["--conn", "4", RECORDING]).matches('#').count(), 1);
    let slow = text(&["--slower", "500ms", RECORDING]);
    assert!(slow.contains("FAILED timeout") && slow.contains("program +1.20 s") && !slow.contains("wrong_key"));
    assert!(text(&["--peer", "10.0.0.1", RECORDING]).is_empty());
}

#[test]
fn a_recording_that_was_cut_off_is_shown_as_far_as_it_goes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cut.rec");
    let bytes = std::fs::read(RECORDING).expect("the recording");
    std::fs::write(&path, &bytes[..bytes.len() / 2]).expect("written");
    let output = replay(&[path.to_str().expect("a path")]);
    assert_eq!(output.status.code(), Some(65));
    assert!(String::from_utf8_lossy(&output.stdout).contains("AT+CSQ"));
    assert!(String::from_utf8_lossy(&output.stderr).contains("ends in the middle"));
}

/// A pipe whose reader has gone before the first byte.
fn unread(arguments: &[&str]) -> Output {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    Command::new(env!("CARGO_BIN_EXE_cardlink-obs"))
        .args(arguments)
        .env("CARDLINK_OBS_HASH_KEY", tempfile::tempdir().expect("a folder").path().join("key"))
        .stdout(writer)
        .stderr(std::process::Stdio::piped())
        .output()
        .expect("the agent runs")
}

#[test]
fn a_reader_that_goes_away_ends_a_command_quietly() {
    let commands: [&[&str]; 9] = [
        &["replay", RECORDING],
        &["replay", "--json", RECORDING],
        &["replay", "--metrics", RECORDING],
        &["compare", "--json", RECORDING, RECORDING],
        &["compare", "--all", RECORDING, RECORDING],
        &["completions", "bash"],
        &["config", "init", "-"],
        &["config", "show"],
        &["alerts", "export", "-"],
    ];
    for arguments in commands {
        let output = unread(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(0) && said.is_empty(), "{arguments:?}: {:?} {said}", output.status);
    }
}

#[test]
fn files_without_an_event_have_a_sentence_each() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.rec");
    let bytes = std::fs::read(RECORDING).expect("the recording");
    for (len, words) in [(0, "is empty"), (5, "cut off before its first event"), (40, "cut off before its first event")]
    {
        std::fs::write(&path, &bytes[..len]).expect("written");
        let output = replay(&[path.to_str().expect("a path")]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(65) && said.contains(words), "{len} bytes: {said}");
    }
}

/// The seed of the fuzz target: a real recording in its input format.
fn seed() -> Vec<u8> {
    let mut recording = Recording::open(Path::new(RECORDING)).expect("the recording");
    let mut seed = Vec::new();
    while let Some(event) = recording.next_event().expect("an event") {
        let bytes = postcard::to_allocvec(&event).expect("it was read");
        seed.extend(u16::try_from(bytes.len()).expect("events of a lab are small").to_le_bytes());
        seed.extend(bytes);
    }
    seed
}

#[test]
fn a_recording_may_lose_and_repeat_any_of_its_events() {
    let seed = seed();
    fuzz(&seed);
    let mut records = Vec::new();
    let mut rest = seed.as_slice();
    while let Some((len, _)) = rest.split_first_chunk::<2>() {
        let (record, after) = rest.split_at(2 + usize::from(u16::from_le_bytes(*len)));
        records.push(record);
        rest = after;
    }
    for step in 2..9 {
        let some: Vec<u8> =
            records.iter().enumerate().filter(|(at, _)| at % step != 0).flat_map(|(_, r)| r.to_vec()).collect();
        fuzz(&some);
        let twice: Vec<u8> = records.iter().flat_map(|record| record.repeat(2)).collect();
        fuzz(&twice);
        let backwards: Vec<u8> = records.iter().rev().step_by(step).flat_map(|record| record.to_vec()).collect();
        fuzz(&backwards);
    }
    if let Some(path) = std::env::var_os("CARDLINK_OBS_WRITE_SEED") {
        std::fs::write(path, &seed).expect("written");
    }
}
