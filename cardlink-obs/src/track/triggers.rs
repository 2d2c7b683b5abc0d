//! What started a session: a message to the card, or the card itself.
//!
//! A trigger may start one session: the first that begins after the message was with the modem, within the window, and that no
//! other trigger has started. Which card a message is for cannot be told by its session (the number that it goes to and
//! the identity that comes back have nothing in common on the wire), so that with many cards at a time the oldest trigger
//! that is still open gets the next session. Of a session without one it is said that the card came by itself (`polled`) when
//! messages of watched programs are seen here, they were watched for all of the window, and none of them was a trigger that
//! could have started it.

use crate::observation::{AtCommand, Session, SessionType, Stamp, Trigger};
use std::{collections::VecDeque, sync::Arc, time::Duration};

/// Triggers that are kept in mind.
const MOST: usize = 256;

#[derive(Debug)]
pub struct Triggers {
    window: Duration,
    told: u64,
    /// In order, each with whether it has started a session.
    sent: VecDeque<(Arc<Trigger>, bool)>,
    /// When the first AT command of a watched program was seen.
    watched_since: Option<Stamp>,
    /// A watched program has sent a message.
    sends: bool,
}

impl Triggers {
    pub const fn new(window: Duration) -> Self {
        Self { window, told: 0, sent: VecDeque::new(), watched_since: None, sends: false }
    }

    /// Another time for sessions to begin in; zero for none.
    pub fn set_window(&mut self, window: Duration) {
        self.window = window;
    }

    /// A command was answered, or given up.
    pub fn command(&mut self, command: &AtCommand) {
        self.watched_since.get_or_insert(command.start);
        self.sends |= matches!(command.name.as_str(), "AT+CMGS" | "AT+CMSS" | "AT+CMGC");
    }

    /// Gives a trigger its number.
    pub fn trigger(&mut self, trigger: &mut Arc<Trigger>) {
        self.told += 1;
        Arc::make_mut(trigger).number = self.told;
        self.watched_since.get_or_insert(trigger.sent);
        self.sends = true;
        self.sent.push_back((Arc::clone(trigger), false));
        if self.sent.len() > MOST {
            self.sent.pop_front();
        }
    }

    /// The trigger of a session that began at this time.
    pub fn claim(&mut self, began: Stamp) -> Option<Arc<Trigger>> {
        let window = self.window;
        let mut able = self.sent.iter_mut().filter(|(trigger, claimed)| !claimed && fits(trigger, began, window));
        let (trigger, claimed) = able.next()?;
        *claimed = true;
        Some(Arc::clone(trigger))
    }

    /// What started a session, by the trigger that it has claimed.
    pub fn kind(&self, session: &Session) -> SessionType {
        if session.trigger.is_some() {
            return SessionType::Triggered;
        }
        let watched = self.watched_since.is_some_and(|since| session.start.since(since) >= self.window);
        let none = !self.sent.iter().any(|(trigger, _)| fits(trigger, session.start, self.window));
        if self.sends && watched && none && !self.window.is_zero() { SessionType::Polled } else { SessionType::Unknown }
    }
}

fn fits(trigger: &Trigger, began: Stamp, window: Duration) -> bool {
    let after = trigger.sent <= began && began.since(trigger.sent) < window;
    after && trigger.may_open_session && trigger.may_have_been_sent()
}

#[cfg(test)]
#[path = "triggers_tests.rs"]
mod tests;
