//! Ctrl-C and SIGTERM: the agent ends within a second, and what was under way is told or left.

use cardlink_e2e::{
    Result,
    agent::{self, Agent, Tracer},
    peers::{self, Server},
    place::Place,
    program::Program,
    wait,
};
use nix::sys::signal::Signal;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn within_a_second() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "")?;
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut agent = Agent::run(&place, &format!("--pid {}", server.pid()))?;
        peers::card(&place, server.port, "--sessions 20 --parallel 4")?;
        let began = Instant::now();
        let status = agent.program.stop(signal)?;
        let took = began.elapsed();
        println!("run: {signal} took {took:?}");
        assert_eq!(status.code(), Some(0), "{}", agent.program.said());
        assert!(took < wait::scaled(SECOND), "{signal}: it took {took:?}");
        let mut tracer = Tracer::start(&place, &format!("--pid {}", server.pid()))?;
        let began = Instant::now();
        tracer.program.stop(signal)?;
        let took = began.elapsed();
        println!("trace: {signal} took {took:?}");
        assert!(took < wait::scaled(SECOND), "{signal}: trace took {took:?}");
    }
    Ok(())
}

/// What happened just before the end is told.
#[test]
fn nothing_that_happened_is_left_in_the_ring() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "")?;
    let mut tracer = Tracer::start(&place, &format!("--pid {}", server.pid()))?;
    peers::card(&place, server.port, "--sessions 50 --parallel 4")?;
    tracer.stop()?;
    let handshakes = cardlink_e2e::trace::of(&tracer.told()?, "handshake").count();
    assert_eq!(handshakes, 50);
    Ok(())
}

/// A SIGTERM reaches the command; its exit code is passed on.
#[test]
fn with_a_command() -> Result {
    let place = Place::new()?;
    let script = "trap 'exit 9' TERM; echo started; while :; do sleep 0.05; done";
    let mut command = agent::command(&place)?;
    let mut program = Program::start(command.args(["trace", "--", "sh", "-c", script]))?;
    program.line("that the command runs", |line| (line == "started").then_some(()))?;
    let began = Instant::now();
    let status = program.stop(Signal::SIGTERM)?;
    let took = began.elapsed();
    println!("trace -- COMMAND: SIGTERM took {took:?}");
    assert_eq!(status.code(), Some(9));
    assert!(took < wait::scaled(SECOND), "it took {took:?}");
    Ok(())
}

/// It has its signals as without the agent, and the time that it takes to end.
#[test]
fn a_command_has_its_signals() -> Result {
    let place = Place::new()?;
    let script = "trap 'sleep 2; exit 6' TERM; grep SigBlk /proc/self/status; while :; do sleep 0.1; done";
    for words in ["trace", "run --listen 127.0.0.1:0"] {
        let mut command = agent::command(&place)?;
        command.args(words.split_whitespace()).args(["--", "sh", "-c", script]);
        let mut program = Program::start(&mut command)?;
        let blocked =
            program.line("what is blocked", |line| line.strip_prefix("SigBlk:").map(|mask| mask.trim().to_owned()))?;
        assert_eq!(u64::from_str_radix(&blocked, 16)?, 0, "{words}");
        assert_eq!(program.stop(Signal::SIGTERM)?.code(), Some(6), "{words}");
    }
    let mut command = agent::command(&place)?;
    command.args(["trace", "--", "sh", "-c", "trap '' TERM; echo ready; exec sleep 5"]);
    let mut program = Program::start(&mut command)?;
    program.line("that it is deaf", |line| (line == "ready").then_some(()))?;
    program.signal(Signal::SIGTERM)?;
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(program.stop(Signal::SIGTERM)?.code(), Some(128 + Signal::SIGTERM as i32), "the same once more");
    Ok(())
}

/// What cannot be written is told, and a command is not started for nothing.
#[test]
fn an_output_that_fails() -> Result {
    let place = Place::new()?;
    let mark = place.path("ran");
    let run = format!("touch {}", mark.display());
    let mut command = agent::command(&place)?;
    command.args(["trace", "--output"]).arg(place.path("no/such")).args(["--", "sh", "-c", &run]);
    assert_eq!(Program::start(&mut command)?.wait()?.code(), Some(74));
    assert!(!mark.exists(), "the command ran");
    for words in ["--json", "--all"] {
        let mut command = agent::command(&place)?;
        command.args(["trace", words, "--output", "/dev/full", "--", "sh", "-c", "true"]);
        let mut program = Program::start(&mut command)?;
        assert_eq!(program.wait()?.code(), Some(74), "{words}");
        assert!(program.err().iter().any(|line| line.contains("No space left")), "{words}: {}", program.said());
    }
    Ok(())
}
