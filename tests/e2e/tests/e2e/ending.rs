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
