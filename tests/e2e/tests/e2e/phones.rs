//! Debian's adb, client and server, and other clients of its server, with the lab's phone behind it.

use crate::recordings::{replayed_page, series_of};
use cardlink_e2e::{
    Result,
    adb::{self, Bridge, NAME},
    agent::{self, Agent, Tracer},
    page::{Counts, Page},
    place::{self, Place},
    program::Program,
    trace::{self, seconds, text},
    wait,
};
use cardlink_lab::truth::PhoneRecord;
use serde_json::Value;
use std::process::Stdio;

/// Operations that reach the phone: its own truth has them, too.
const ON_THE_PHONE: [&str; 9] =
    ["shell", "shell_at", "exec", "sync_stat", "sync_list", "sync_send", "sync_recv", "jdwp", "reboot"];

/// What the agent is to call what the phone lived.
fn real(record: &PhoneRecord) -> Option<(&'static str, &'static str)> {
    let operation = match record.name.split([':', ',']).next()? {
        "shell" if record.name.contains("AT+") => "shell_at",
        "shell" => "shell",
        "exec" => "exec",
        "STAT" | "STA2" | "LST2" => "sync_stat",
        "LIST" | "LIS2" => "sync_list",
        "SEND" => "sync_send",
        "RECV" => "sync_recv",
        "jdwp" => "jdwp",
        "reboot" => "reboot",
        _ => return None,
    };
    let result = match (record.result.as_str(), record.exit) {
        ("ok", None | Some(0)) => "ok",
        ("ok", Some(_)) => "exit_code",
        ("refused", _) => "closed",
        ("No such file or directory", _) => "no_such_file",
        ("couldn't create file: Permission denied", _) => "permission_denied",
        _ => return None,
    };
    Some((operation, result))
}

fn real_counts(records: &[PhoneRecord]) -> Counts {
    let mut counts = Counts::new();
    for (operation, result) in records.iter().filter_map(real) {
        *counts.entry(format!("{operation} {result}")).or_default() += 1;
    }
    counts
}

/// What a page has of these operations.
fn counted(page: &Page) -> Counts {
    let mut all = page.counted("cardlink_adb_operations_total", &["operation", "result"]);
    all.retain(|what, _| ON_THE_PHONE.contains(&what.split(' ').next().unwrap_or("")));
    all
}

/// The probes go in when the first program of the name is seen: uses adb until the agent sees what it does.
fn awake(agent: &mut Agent, bridge: &Bridge) -> Result<Page> {
    wait::until("an operation that is seen", wait::PATIENCE, || {
        bridge.adb(&["host-features"])?;
        let page = agent.page()?;
        Ok((page.count("cardlink_adb_operations_total", &[("operation", "host_features")]) > 0).then_some(()))
    })?;
    let mut last = agent.page()?;
    wait::until("a quiet agent", wait::PATIENCE, || {
        std::thread::sleep(std::time::Duration::from_millis(700));
        let page = agent.page()?;
        let count = |page: &Page| page.count("cardlink_adb_operations_total", &[]);
        let same = count(&page) == count(&last);
        last = page.clone();
        Ok(same.then_some(page))
    })
}

/// All that adb is used for, and what must go wrong.
fn use_the_phone(place: &Place, bridge: &Bridge) -> Result {
    let file = place.path("file");
    // More than the first bytes of a connection.
    std::fs::write(&file, vec![b'z'; 300_000])?;
    let (file, back) = (file.display().to_string(), place.path("back").display().to_string());
    for (words, exit) in [
        (&["shell", "echo one"][..], 0),
        (&["shell", "sleep 150; exit 7"], 7),
        (&["shell", "fill 50000; nosuch"], 127),
        (&["shell", "echo -e \"AT+CPIN=48151623\\r\" > /dev/smd7"], 0),
        (&["exec-out", "fill 3000"], 0),
        (&["push", &file, "/data/one"], 0),
        (&["push", &file, "/denied/one"], 1),
        (&["pull", "/data/one", &back], 0),
        (&["ls", "/data"], 0),
        (&["pull", "/data/none", &back], 1),
        (&["jdwp"], 1),
    ] {
        let output = bridge.adb(words)?;
        assert_eq!(output.status.code(), Some(exit), "adb {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(std::fs::read(back)?, std::fs::read(file)?, "it is what was pushed");
    Ok(())
}

#[test]
fn every_operation_is_counted_once_though_both_ends_are_watched() -> Result {
    let place = Place::new()?;
    let mut agent = Agent::recording(&place, &format!("--comm {NAME}"))?;
    let bridge = Bridge::start(&place)?;
    let before = awake(&mut agent, &bridge)?;
    bridge.connect()?;
    bridge.adb(&["devices", "-l"])?;
    use_the_phone(&place, &bridge)?;
    let expected = real_counts(&adb::services(&place, "phone")?);
    assert!(expected.values().sum::<u64>() >= 12, "{expected:?}");
    let page = agent.until("every operation", |page| counted(page) == expected);
    let page = page.map_err(|error| {
        let seen = agent.page().map(|page| counted(&page));
        error.context(format!("wanted {expected:?}, counted {seen:?}"))
    })?;
    let all = page.counted("cardlink_adb_operations_total", &["operation", "result"]);
    assert_eq!((all.get("connect ok"), all.get("devices ok")), (Some(&1), Some(&1)), "{all:?}");
    // Each run of adb asks for the version first; now and then one asks again.
    let asked = |page: &Page| page.count("cardlink_adb_operations_total", &[("operation", "version")]);
    assert!((13..=16).contains(&(asked(&page) - asked(&before))), "{all:?}");
    let measured = page.count("cardlink_adb_operation_duration_seconds_count", &[]);
    assert_eq!(measured, all.values().sum::<u64>(), "each has its time");
    let errors = page.counted("cardlink_device_errors_total", &["device_type", "error_type"]);
    assert_eq!(errors.get("phone permission_denied"), Some(&1), "{errors:?}");
    assert_eq!(page.count("cardlink_devices_connected", &[("device_type", "phone")]), 1);
    let device = page
        .series("cardlink_adb_operations_total", &[("operation", "shell")])
        .next()
        .map(|one| one.label("device").to_owned());
    assert!(device.is_some_and(|device| device.starts_with("phone (")), "a hash and no serial number");
    // Neither the serial number nor what was typed.
    let text = agent.text()?;
    assert!(!text.contains(&bridge.serial()) && !text.contains("48151623"), "{text}");
    agent.stop()?;
    let recording = std::fs::read(place.path("recording"))?;
    for secret in ["48151623", &bridge.serial(), "nosuch", "/data/one", "zzzzzzzz"] {
        assert!(!recording.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret} is recorded");
    }
    let operations = |page: &Page| series_of(page, &["cardlink_adb_"]);
    assert_eq!(operations(&replayed_page(&place, &place.path("recording"), "")?), operations(&page));
    Ok(())
}

/// The shells that the trace has of one end, in order.
fn shells(told: &[Value], elsewhere: bool) -> Vec<&Value> {
    let wanted = |one: &&Value| text(one, "operation") == "shell" && one["counted_elsewhere"] == elsewhere;
    trace::of(told, "adb_operation").filter(wanted).collect()
}

#[test]
fn times_are_those_of_the_phone() -> Result {
    let place = Place::new()?;
    let mut tracer = Tracer::waiting(&place, &format!("--comm {NAME}"))?;
    let bridge = Bridge::start(&place)?;
    bridge.until_told(&tracer)?;
    bridge.connect()?;
    for time in [0, 50, 200, 400] {
        bridge.adb(&["shell", &format!("sleep {time}; exit {}", time / 50)])?;
    }
    let told = wait::until("the shells of both ends", wait::PATIENCE, || {
        let told = tracer.told()?;
        Ok((shells(&told, false).len() == 4 && shells(&told, true).len() == 4).then_some(told))
    })?;
    let real: Vec<PhoneRecord> =
        adb::services(&place, "phone")?.into_iter().filter(|one| one.name.starts_with("shell")).collect();
    assert_eq!(real.len(), 4);
    for elsewhere in [false, true] {
        for (record, one) in real.iter().zip(shells(&told, elsewhere)) {
            let phone = (record.ended_ns - record.opened_ns) as f64 / 1e9;
            let seen = seconds(one, "duration");
            // The phone's own time lies within; the way there and back is what the server adds.
            assert!(
                phone - 0.002 < seen && seen < phone + 0.1,
                "{}: {phone} s on the phone, told {seen} s",
                record.name
            );
            match record.exit {
                Some(0) => assert_eq!(text(one, "result"), "ok"),
                code => {
                    assert_eq!((text(one, "result"), one["exit_code"].as_i64()), ("exit_code", code.map(i64::from)));
                }
            }
        }
    }
    tracer.stop().map(|_| ())
}

#[test]
fn what_the_server_refuses() -> Result {
    let place = Place::new()?;
    let mut agent = Agent::run(&place, &format!("--comm {NAME}"))?;
    let bridge = Bridge::start(&place)?;
    awake(&mut agent, &bridge)?;
    bridge.adb(&["shell", "echo"])?;
    bridge.adb(&["-s", "nosuchphone", "get-state"])?;
    bridge.adb(&["connect", "127.0.0.1:1"])?;
    let expected = ["connect_failed", "device_not_found", "no_device"];
    let page = agent.until("three errors", |page| {
        page.counted("cardlink_device_errors_total", &["error_type"]).keys().collect::<Vec<_>>() == expected
    })?;
    assert_eq!(page.count("cardlink_device_errors_total", &[("device_type", "phone")]), 3);
    Ok(())
}

#[test]
fn phones_come_and_go() -> Result {
    let place = Place::new()?;
    let mut agent = Agent::run(&place, &format!("--comm {NAME}"))?;
    let bridge = Bridge::start(&place)?;
    awake(&mut agent, &bridge)?;
    let second = adb::phone(&place, "second")?;
    let mut tracking = Program::start(bridge.client(&["track-devices"]).stdin(Stdio::piped()))?;
    let there = |page: &Page| page.count("cardlink_devices_connected", &[("device_type", "phone")]);
    bridge.connect()?;
    agent.until("one phone", |page| there(page) == 1)?;
    bridge.adb(&["connect", &format!("127.0.0.1:{}", second.port)])?;
    agent.until("two phones", |page| there(page) == 2)?;
    assert_eq!(agent.page()?.count("cardlink_adb_phones", &[("state", "device")]), 2);
    // One goes away. The server says so when it is asked, not by itself.
    drop(second);
    wait::until("one phone less", wait::PATIENCE, || {
        bridge.adb(&["devices"])?;
        Ok((there(&agent.page()?) == 1).then_some(()))
    })?;
    assert_eq!(agent.page()?.count("cardlink_adb_phones", &[("state", "offline")]), 1);
    bridge.adb(&["disconnect"])?;
    agent.until("no phone", |page| there(page) == 0)?;
    bridge.adb(&["kill-server"])?;
    tracking.wait()?;
    let all = agent.until("the end of the server", |page| {
        page.count("cardlink_adb_operations_total", &[("operation", "kill"), ("result", "ok")]) == 1
    })?;
    assert_eq!(all.count("cardlink_adb_operations_total", &[("operation", "track_devices")]), 1);
    Ok(())
}

/// Another client, in another language, and only it is watched.
#[test]
fn a_client_in_python() -> Result {
    let place = Place::new()?;
    let bridge = Bridge::start(&place)?;
    bridge.connect()?;
    let script = place.path("phones.py");
    std::fs::write(&script, include_str!("../../peers/phones.py"))?;
    let mut run = agent::command(&place)?;
    run.args(["run", "--listen", "127.0.0.1:0", "--"]).arg(place::python()?).arg(script);
    run.args([&bridge.server.port.to_string(), &bridge.serial()]).arg(place.path("pulled"));
    let mut agent = Agent::started(&mut run)?;
    agent.program.line("that it is done", |line| (line == "done").then_some(()))?;
    let expected = real_counts(&adb::services(&place, "phone")?);
    assert!(expected.contains_key("shell_at ok") && expected.contains_key("sync_recv ok"), "{expected:?}");
    let page = agent.until("every operation", |page| counted(page) == expected)?;
    let all = page.counted("cardlink_adb_operations_total", &["operation", "result"]);
    assert_eq!((all.get("version ok"), all.get("devices ok")), (Some(&1), Some(&2)), "{all:?}");
    assert_eq!(all.get("transport device_not_found"), Some(&1), "{all:?}");
    agent.program.tell("go")?;
    agent.program.success()
}
