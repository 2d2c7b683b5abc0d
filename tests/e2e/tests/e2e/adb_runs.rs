//! Runs of Debian's adb: what each was for and how it ended, with and without a server that answers.

use cardlink_e2e::{
    Result,
    adb::{self, Bridge, NAME},
    agent::{self, Agent, Tracer, replayed},
    page::Page,
    peers,
    place::Place,
    program::Program,
    trace::{self, seconds, text},
    wait,
};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::{process::Command, time::Instant};

/// adb under the name that is watched, without a server.
fn alone(place: &Place) -> Result<Command> {
    let mut command = Command::new(adb::program(place, NAME)?);
    command.env("HOME", place.path(""));
    Ok(command)
}

fn operations(page: &Page) -> cardlink_e2e::page::Counts {
    page.counted("cardlink_adb_operations_total", &["operation", "result"])
}

fn runs(told: &[Value]) -> Vec<&Value> {
    trace::of(told, "adb_command").collect()
}

#[test]
fn what_fails_before_it_reaches_a_server() -> Result {
    let place = Place::new()?;
    let mut agent = Agent::recording(&place, &format!("--comm {NAME}"))?;
    // What is said to standard error is seen once the probes are in, which the first run brings about.
    wait::until("a run that is seen", wait::PATIENCE, || {
        alone(&place)?.arg("help").output()?;
        Ok((agent.page()?.count("cardlink_adb_operations_total", &[("operation", "help")]) > 0).then_some(()))
    })?;
    // A server elsewhere is never started by the client.
    let nowhere = ["-H", "127.0.0.1", "-P", &peers::free_port()?.to_string()].map(str::to_owned);
    for (words, exit) in [
        (&["-s", "LABSERIAL48151623", "shell", "input text hunter2"][..], 1),
        (&["devices"], 1),
        (&["push", "/tmp/hunter2"], 1),
        (&["hunter2"], 1),
        (&["version"], 0),
    ] {
        let output = alone(&place)?.args(&nowhere).args(words).output()?;
        assert_eq!(output.status.code(), Some(exit), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let expected = ["devices no_server", "other usage", "push usage", "shell no_server", "version ok"];
    let page = agent.until("five runs", |page| {
        let all = operations(page);
        let told = all.iter().filter(|(what, count)| **count > 0 && !what.starts_with("help"));
        told.map(|(what, count)| (what.as_str(), *count)).eq(expected.map(|what| (what, 1)))
    });
    let page = page.map_err(|error| error.context(format!("{:?}", agent.page().map(|page| operations(&page)))))?;
    let help = page.count("cardlink_adb_operations_total", &[("operation", "help")]);
    assert_eq!(page.count("cardlink_adb_operation_duration_seconds_count", &[]), 5 + help);
    assert_eq!(page.count("cardlink_device_errors_total", &[("error_type", "no_server")]), 2);
    let of_a_phone = |page: &Page, operation: &str| {
        let labels = [("operation", operation), ("result", "no_server")];
        page.series("cardlink_adb_operations_total", &labels).any(|one| one.label("device").starts_with("phone ("))
    };
    assert!(of_a_phone(&page, "shell"), "the phone that was named");
    // The environment names one; on a busy machine it may be gone before it is read.
    wait::until("a run whose environment names a phone", wait::PATIENCE, || {
        let output =
            alone(&place)?.args(&nowhere).arg("get-state").env("ANDROID_SERIAL", "LABSERIAL62342108").output()?;
        assert_eq!(output.status.code(), Some(1));
        Ok(of_a_phone(&agent.page()?, "get_state").then_some(()))
    })?;
    let page = agent.text()?;
    agent.stop()?;
    let recording = std::fs::read(place.path("recording"))?;
    for secret in ["hunter2", "48151623", "62342108"] {
        assert!(!page.contains(secret));
        assert!(!recording.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret} is recorded");
    }
    let told = replayed(&place, &place.path("recording"))?;
    let again = runs(&told).into_iter().filter(|one| !matches!(text(one, "operation"), "help" | "get_state"));
    let again: Vec<String> = again.map(|one| format!("{} {}", text(one, "operation"), text(one, "result"))).collect();
    assert_eq!(again, ["shell no_server", "devices no_server", "push usage", "other usage", "version ok"]);
    Ok(())
}

#[test]
fn what_is_seen_both_ways_counts_once() -> Result {
    let place = Place::new()?;
    let mut tracer = Tracer::waiting(&place, &format!("--comm {NAME}"))?;
    let bridge = Bridge::start(&place)?;
    bridge.until_told(&tracer)?;
    bridge.connect()?;
    let before = wait::until("all runs so far", wait::PATIENCE, || {
        let told = tracer.told()?;
        let connected = runs(&told).iter().any(|one| text(one, "operation") == "connect");
        Ok(connected.then(|| runs(&told).len()))
    })?;
    let mut took = Vec::new();
    for (words, exit) in [
        (&["shell", "exit 3"][..], 3),
        (&["shell", "sleep 300"], 0),
        (&["-s", "nosuch", "shell", "true"], 1),
        (&["devices"], 0),
        (&["pull", "/data/none", "/dev/null"], 1),
    ] {
        let began = Instant::now();
        let output = bridge.adb(words)?;
        took.push(began.elapsed().as_secs_f64());
        assert_eq!(output.status.code(), Some(exit), "adb {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let told = wait::until("five runs more", wait::PATIENCE, || {
        let told = tracer.told()?;
        Ok((runs(&told).len() >= before + 5).then_some(told))
    })?;
    let runs: Vec<&Value> = runs(&told).split_off(before);
    let said =
        |one: &&Value| (text(one, "operation").to_owned(), text(one, "result").to_owned(), one["exit_code"].as_u64());
    let expected = [
        ("shell", "exit_code", 3),
        ("shell", "ok", 0),
        ("shell", "device_not_found", 1),
        ("devices", "ok", 0),
        ("pull", "no_such_file", 1),
    ];
    let expected = expected.map(|(name, result, code)| (name.to_owned(), result.to_owned(), Some(code)));
    assert_eq!(runs.iter().map(said).collect::<Vec<_>>(), expected);
    for (run, took) in runs.iter().zip(took) {
        // That the file is not there is the client's verdict: the server was asked about it, and answered.
        assert_eq!(run["counted_elsewhere"], text(run, "operation") != "pull", "{run}");
        let seen = seconds(run, "duration");
        // The wall clock of who started it has the waiting for its end and its output on top.
        assert!(
            seen <= took && took < seen + wait::scaled(std::time::Duration::from_millis(20)).as_secs_f64(),
            "{took} s, told {run}"
        );
    }
    let shells = trace::of(&told, "adb_operation").filter(|one| text(one, "operation") == "shell");
    assert_eq!(shells.filter(|one| one["counted_elsewhere"] == false).count(), 2, "each shell counts at the server");
    tracer.stop().map(|_| ())
}

#[test]
fn the_time_to_start_it_is_a_part_of_the_run() -> Result {
    let place = Place::new()?;
    let adb = alone(&place)?.get_program().to_owned();
    let mut command = agent::command(&place)?;
    command.args(["trace", "--json", "--all", "--", "sh", "-c", "\"$0\" help >/dev/null; \"$0\" version >/dev/null"]);
    let output = command.arg(adb).output()?;
    let lines: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    let told = trace::parse(&lines)?;
    let runs = runs(&told);
    assert_eq!(runs.iter().map(|one| text(one, "operation")).collect::<Vec<_>>(), ["help", "version"], "{lines:?}");
    for run in runs {
        let (spawn, all) = (seconds(run, "spawn"), seconds(run, "duration"));
        assert!(spawn > 0.0 && spawn < all, "{run}");
    }
    Ok(())
}

/// Nothing is watched when the first run begins: the probes of its socket may come too late.
#[test]
fn the_first_run_counts_once_too() -> Result {
    let place = Place::new()?;
    let bridge = Bridge::start(&place)?;
    bridge.connect()?;
    let other = adb::program(&place, "adb-other")?;
    let mut agent = Agent::run(&place, "--comm adb-other")?;
    let mut command = Command::new(other);
    command.args(["-P", &bridge.server.port.to_string(), "shell", "exit 7"]).env("HOME", place.path(""));
    assert_eq!(command.output()?.status.code(), Some(7));
    let shell = |page: &Page| page.count("cardlink_adb_operations_total", &[("operation", "shell")]);
    let page = agent.until("the shell", |page| shell(page) > 0)?;
    assert_eq!((shell(&page), operations(&page).get("shell exit_code")), (1, Some(&1)), "{:?}", operations(&page));
    assert_eq!(adb::services(&place, "phone")?.len(), 1);
    Ok(())
}

#[test]
fn a_run_that_is_ended_by_a_signal() -> Result {
    let place = Place::new()?;
    let mut tracer = Tracer::waiting(&place, &format!("--comm {NAME}"))?;
    let bridge = Bridge::start(&place)?;
    bridge.connect()?;
    let mut client = Program::start(&mut bridge.client(&["shell", "sleep 60000"]))?;
    wait::until("the shell on the phone", wait::PATIENCE, || {
        Ok(tracer.told()?.iter().any(|one| text(one, "comm") == NAME && one["pid"] == client.pid()).then_some(()))
    })?;
    client.stop(Signal::SIGTERM)?;
    let told = wait::until("its end", wait::PATIENCE, || {
        let told = tracer.told()?;
        let run = runs(&told).into_iter().find(|one| one["pid"] == client.pid()).cloned();
        Ok(run)
    })?;
    assert_eq!((text(&told, "operation"), text(&told, "result")), ("shell", "aborted"), "{told}");
    assert_eq!((told["signal"].as_i64(), &told["exit_code"]), (Some(15), &Value::Null));
    tracer.stop().map(|_| ())
}
