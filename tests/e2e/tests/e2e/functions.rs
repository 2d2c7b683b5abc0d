//! Functions of targets become spans: every call, when it was, and within which other.

use anyhow::{Context as _, ensure};
use cardlink_e2e::{
    Result,
    agent::{Agent, Tracer},
    collector::{Collector, Span, count},
    echo,
    peers::{self, Server},
    place::Place,
    program::Program,
};
use serde_json::Value;
use std::{collections::BTreeMap, process::Command};

/// A call as the program itself told it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Lived {
    start: u64,
    end: u64,
    name: String,
}

/// Calls of each thread, by their beginnings.
type Calls = BTreeMap<u64, Vec<Lived>>;

/// What the program printed.
fn lived(lines: &[String]) -> Result<Calls> {
    let mut calls = Calls::new();
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        let [name, thread, start, end] = *words else { continue };
        let call = Lived { start: start.parse()?, end: end.parse()?, name: name.to_owned() };
        calls.entry(thread.parse()?).or_default().push(call);
    }
    for calls in calls.values_mut() {
        calls.sort();
    }
    Ok(calls)
}

fn nanos(time: &Value) -> Result<i128> {
    let time: jiff::Timestamp = time.as_str().context("no time")?.parse()?;
    Ok(time.as_nanosecond())
}

/// Nanoseconds of the epoch at boot.
fn boot() -> Result<i128> {
    use nix::time::{ClockId, clock_gettime};
    let nanos =
        |clock| -> Result<i128> { Ok(i128::try_from(std::time::Duration::from(clock_gettime(clock)?).as_nanos())?) };
    Ok(nanos(ClockId::CLOCK_REALTIME)? - nanos(ClockId::CLOCK_BOOTTIME)?)
}

/// The program, waiting at its beginning.
fn start(place: &Place, rounds: u32) -> Result<Program> {
    let program = echo::compiled(place, "calls", &[])?;
    let mut calls = Program::start(Command::new(program).arg(rounds.to_string()))?;
    calls.line("that it is ready", |line| (line == "ready").then_some(()))?;
    Ok(calls)
}

fn let_run(calls: &mut Program) -> Result {
    calls.tell("go")?;
    calls.line("that it is done", |line| (line == "done").then_some(()))
}

#[test]
fn every_call_is_told_with_those_within_it() -> Result {
    const ROUNDS: u32 = 60;
    /// The times of a trace are printed to the microsecond.
    const PRINTED: i128 = 1_000;
    /// The program looks at the clock after its function has begun, and before it ends; it may be put aside in between.
    const ASIDE: i128 = 100_000_000;
    let place = Place::new()?;
    let mut calls = start(&place, ROUNDS)?;
    let words = format!("--pid {} --function serve --function script --function query", calls.pid());
    let mut tracer = Tracer::start(&place, &words)?;
    let boot = boot()?;
    let_run(&mut calls)?;
    let told = tracer.until("function", 2 * ROUNDS as usize)?;
    tracer.stop()?;
    let lived = lived(&calls.out())?;
    calls.tell("end")?;
    calls.success()?;
    assert_eq!(lived.len(), 2, "two threads");

    let mut threads: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
    for tree in told {
        assert_eq!(tree["calls"][0]["name"], "serve", "nothing is around it");
        assert_eq!(tree["calls_left_out"], 0);
        let (mut open, inner) = (Vec::new(), tree["calls"].as_array().context("no calls")?);
        for (place, call) in inner.iter().enumerate() {
            let above = match call["name"].as_str() {
                Some("serve") => None,
                Some("script") => Some("serve"),
                // One that asks again is within the one before.
                _ => Some(if inner[place - 1]["name"] == "query" { "query" } else { "script" }),
            };
            let within = call["within"].as_u64().map(|at| inner[at as usize]["name"].as_str().unwrap_or_default());
            assert_eq!(within, above, "call {place} of {tree}");
            open.push(call.clone());
        }
        threads.entry(tree["thread"].as_u64().context("no thread")?).or_default().extend(open);
    }
    for (thread, lived) in lived {
        let told = threads.remove(&thread).with_context(|| format!("nothing of thread {thread}"))?;
        assert_eq!(told.len(), lived.len(), "calls of thread {thread}");
        for (told, lived) in told.iter().zip(&lived) {
            assert_eq!(told["name"], lived.name);
            let start = nanos(&told["start"])?;
            let end = start + (told["duration"].as_f64().context("no duration")? * 1e9) as i128;
            let (lived_start, lived_end) = (boot + i128::from(lived.start), boot + i128::from(lived.end));
            let early = lived_start + PRINTED - start;
            let late = end - (lived_end - PRINTED);
            // The wall clock is put right now and then.
            ensure!(
                (-ASIDE..ASIDE).contains(&early) && (-ASIDE..ASIDE).contains(&late),
                "{told}: begins {early} ns before, ends {late} ns after what was lived"
            );
            let (took, lived_took) = (end - start, lived_end - lived_start);
            ensure!(took + 2 * PRINTED >= lived_took, "{told} took less than {lived_took} ns");
        }
    }
    assert!(threads.is_empty(), "threads that made no call: {:?}", threads.keys());
    Ok(())
}

#[test]
fn calls_lie_under_the_session_that_their_thread_serves() -> Result {
    const SESSIONS: usize = 3;
    const TAKE: &str = "cardlink_lab::server::talk::take_responses";
    let place = Place::new()?;
    let mut collector = Collector::start()?;
    let mut server = Server::lab(&place, "")?;
    let words = format!(
        "--pid {} {} --function {TAKE} --otlp-endpoint http://127.0.0.1:{}",
        server.pid(),
        place.with_keys(),
        collector.grpc
    );
    let mut agent = Agent::run(&place, &words)?;
    peers::card(&place, server.port, &format!("--sessions {SESSIONS}"))?;
    let spans = collector.until("all sessions", |spans| count(spans, "session") == SESSIONS)?;
    agent.stop()?;
    server.stop()?;
    let asked: u32 = peers::connections(&place, "server")?.iter().map(|truth| truth.session.exchanges).sum();
    let takes: Vec<&Span> = spans.iter().filter(|span| span.name == TAKE).collect();
    assert_eq!(takes.len(), asked as usize, "calls of {TAKE}");
    for take in takes {
        let above = spans.iter().find(|span| span.id == take.parent && span.trace == take.trace);
        let above = above.context("a call under nothing")?;
        assert_eq!(above.name, "session");
        assert!(above.start <= take.start && take.end <= above.end);
    }
    Ok(())
}

#[test]
fn a_function_that_is_not_there_is_said_and_the_others_are_told() -> Result {
    let place = Place::new()?;
    let mut calls = start(&place, 1)?;
    let words = format!("--pid {} --function no_such_thing --function serve", calls.pid());
    let mut tracer = Tracer::start(&place, &words)?;
    let_run(&mut calls)?;
    assert_eq!(tracer.until("function", 2)?.len(), 2);
    let said = tracer.program.err().join("\n");
    assert!(said.contains("calls of process") && said.contains("no function no_such_thing"), "{said}");
    tracer.stop()?;
    calls.tell("end")?;
    calls.success()
}
