//! An agent that has nothing to do sleeps; what happens then is told at once all the same.

use cardlink_e2e::{
    Result,
    agent::Tracer,
    peers::{self, Server},
    place::Place,
    wait,
};
use std::{
    thread,
    time::{Duration, Instant},
};

/// After so long without an event the agent sleeps for a second at a time.
const SILENCE: Duration = Duration::from_millis(11_500);
/// Sleeping through four events, each within this time by chance, is one run of forty.
const AT_ONCE: Duration = Duration::from_millis(400);

#[test]
fn the_first_event_after_a_silence_is_told_at_once() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "")?;
    let mut tracer = Tracer::start(&place, &format!("--pid {}", server.pid()))?;
    for round in 1..=4 {
        thread::sleep(SILENCE);
        peers::card(&place, server.port, "--fault wrong-key")?;
        let began = Instant::now();
        tracer.until("handshake", round)?;
        let took = began.elapsed();
        assert!(took < wait::scaled(AT_ONCE), "handshake {round} was told after {took:?}");
    }
    tracer.stop()?;
    Ok(())
}
