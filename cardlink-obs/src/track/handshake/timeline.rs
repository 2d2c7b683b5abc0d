//! Where the time of a handshake goes.
//!
//! The time between two items belongs to whoever was awaited. Before a *read* that was the peer: the time inside the read
//! and in polls is `peer_wait`, the rest `not_ready`, or `local_compute` when it was our turn after all (a program that
//! computes, then finds the connection closed). Before a *write* it was us: all of it, the call included, is
//! `local_compute`. When the program gives up on a peer whose turn it is, how it waited is not told: all of that is
//! `peer_wait`. The parts add up to the duration exactly.

use crate::observation::{Flight, Phases, Side, Stamp};
use crate::stream::Call;
use std::time::Duration;

/// Flights kept; what a handshake has beyond that is counted into the last one.
const MAX_FLIGHTS: usize = 32;
/// Names kept per flight.
const MAX_MESSAGES: usize = 64;

#[derive(Debug, Clone)]
pub(super) struct Timeline {
    start: Stamp,
    /// Up to here the time is accounted for.
    cursor: Stamp,
    phases: Phases,
    flights: Vec<Flight>,
}

impl Timeline {
    /// Starts at a read's exit (then the bytes were there) or a write's entry (from then on the peer may have them).
    pub(super) const fn new(start: Stamp) -> Self {
        let phases = Phases { local_compute: Duration::ZERO, peer_wait: Duration::ZERO, not_ready: Duration::ZERO };
        Self { start, cursor: start, phases, flights: Vec::new() }
    }

    pub(super) const fn start(&self) -> Stamp {
        self.start
    }

    pub(super) const fn end(&self) -> Stamp {
        self.cursor
    }

    pub(super) const fn phases(&self) -> Phases {
        self.phases
    }

    pub(super) fn into_flights(self) -> Vec<Flight> {
        self.flights
    }

    /// Moves the start back, when the first write's exit came after the exit of the read that it caused.
    pub(super) fn start_no_later_than(&mut self, start: Stamp) {
        self.phases.local_compute += self.start.since(start);
        self.start = self.start.min(start);
    }

    /// The peer's bytes, end or reset came.
    pub(super) fn read(&mut self, call: Call, our_turn: bool) -> Phases {
        let interval = call.exit.since(self.cursor);
        let inside = call.exit.since(call.enter.max(self.cursor)).min(interval);
        let polled = call.polled.min(interval.saturating_sub(inside));
        let peer_wait = inside + polled;
        let rest = interval.saturating_sub(peer_wait);
        let (local_compute, not_ready) = if our_turn { (rest, Duration::ZERO) } else { (Duration::ZERO, rest) };
        self.advance(call.exit, Phases { local_compute, peer_wait, not_ready })
    }

    /// We wrote. `gave_up`: it was the peer's turn, and this says that we will not wait any longer.
    pub(super) fn write(&mut self, call: Call, gave_up: bool) -> Phases {
        let enter = call.enter.min(call.exit);
        let before = self.pass(enter, gave_up);
        self.pass(call.exit, false);
        before
    }

    /// We closed, or time passed.
    pub(super) fn pass(&mut self, at: Stamp, awaiting_peer: bool) -> Phases {
        let interval = at.since(self.cursor);
        let split = if awaiting_peer {
            Phases { peer_wait: interval, ..Phases::default() }
        } else {
            Phases { local_compute: interval, ..Phases::default() }
        };
        self.advance(at, split)
    }

    fn advance(&mut self, to: Stamp, split: Phases) -> Phases {
        self.cursor = self.cursor.max(to);
        self.phases.local_compute += split.local_compute;
        self.phases.peer_wait += split.peer_wait;
        self.phases.not_ready += split.not_ready;
        split
    }

    /// Bytes of `sender` moved in `call`, after the time `before`, which is accounted for already.
    pub(super) fn bytes(&mut self, sender: Side, call: Call, before: Phases) {
        // Exits may be out of order, but no flight lies outside of the handshake.
        let within = |stamp: Stamp| stamp.clamp(self.start, self.cursor);
        let end = within(call.exit);
        let full = self.flights.len() >= MAX_FLIGHTS;
        match self.flights.last_mut() {
            Some(flight) if flight.sender == sender || full => flight.end = flight.end.max(end),
            _ => {
                let start = match sender {
                    Side::Peer => end,
                    Side::Local => within(call.enter).min(end),
                };
                self.flights.push(Flight { sender, start, end, before, messages: Vec::new() });
            }
        }
    }

    /// A message of the latest flight is complete.
    pub(super) fn message(&mut self, name: &'static str) {
        if let Some(flight) = self.flights.last_mut()
            && flight.messages.len() < MAX_MESSAGES
        {
            flight.messages.push(name);
        }
    }
}
