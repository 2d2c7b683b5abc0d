//! Time passes, and connections end: who owed what?

use super::{PeerEnd, exchange::told, talk::Talk};
use crate::observation::{FindingKind, Observation, SessionReason, Stamp};

impl Talk {
    /// Time passes: who owes something for too long?
    pub fn tick(&mut self, now: Stamp, out: &mut Vec<Observation>) {
        if self.part.is_due(now, self.settings.card_timeout) {
            self.unanswered(out);
            self.part.tell(out);
        }
        // After a loss, whoever seems to be silent may have spoken.
        if !self.part.is_open() || self.blind {
            return;
        }
        let server = self.settings.server_timeout;
        let card = self.settings.card_timeout;
        if let Some(since) = self.waiting.front().and_then(|waiting| waiting.end) {
            if now.since(since) >= server {
                self.owed(since + server);
                self.part.end(since + server, SessionReason::ServerSilent);
            }
        } else if let Some(since) = self.last_response.or_else(|| self.request.as_ref().map(|r| r.waiting.start)) {
            self.idle(now, out);
            if now.since(since) >= card {
                self.part.end(since + card, SessionReason::CardSilent);
            }
        }
    }

    /// The card has been silent until `now`.
    pub fn idle(&mut self, now: Stamp, out: &mut Vec<Observation>) {
        let Some(since) = self.last_response else { return };
        if now.since(since) >= self.settings.card_idle && !self.idle_told {
            self.idle_told = true;
            let detail = format!("{} s and more", self.settings.card_idle.as_secs());
            self.find(FindingKind::CardIdle, now, detail, out);
        }
    }

    pub fn closed(&mut self, at: Stamp, out: &mut Vec<Observation>) {
        self.end(at, out);
    }

    /// The card goes on elsewhere: the link of this connection is lost, though nobody here has noticed.
    pub fn superseded(&mut self, at: Stamp, out: &mut Vec<Observation>) {
        if self.part.is_open() {
            self.end(at, out);
        }
    }

    pub fn finish(&mut self, at: Stamp, out: &mut Vec<Observation>) {
        self.resumed(None, out);
        self.owed(at);
        self.part.end(at, SessionReason::Unfinished);
        self.over(at, out);
    }

    fn end(&mut self, at: Stamp, out: &mut Vec<Observation>) {
        self.resumed(None, out);
        if self.part.is_open() {
            let reason = self.why();
            self.owed(at);
            self.part.end(at, reason);
            if reason.may_be_resumed() {
                self.left = self.sent.take().map(Box::new);
            }
        }
        self.over(at, out);
    }

    /// Until `at` the server had a request before it, if one waits: that time is not the card's.
    fn owed(&mut self, at: Stamp) {
        let asked = self.waiting.front().filter(|waiting| waiting.in_session).and_then(|waiting| waiting.end);
        if let Some(asked) = asked.filter(|_| !self.blind) {
            self.part.owed(at.since(asked.max(self.last_response.unwrap_or_default())));
        }
    }

    /// Why a session is at its end that nobody ended.
    fn why(&self) -> SessionReason {
        let server_owes = self.cut || !self.waiting.is_empty();
        // The first to close is told by the other's end; when that does not know, it was this one.
        let of_card = match self.part.peer_end() {
            Some(PeerEnd::Alert) => return SessionReason::TlsAlert,
            Some(PeerEnd::Reset) => return SessionReason::LinkReset,
            _ if self.blind => return SessionReason::Lost,
            Some(PeerEnd::Closed) => self.serves,
            None => !self.serves,
        };
        match (of_card, server_owes) {
            (true, false) => SessionReason::CardGone,
            (true, true) => SessionReason::CardLeft,
            (false, true) => SessionReason::ServerGone,
            (false, false) => SessionReason::ServerLeft,
        }
    }

    fn over(&mut self, at: Stamp, out: &mut Vec<Observation>) {
        while let Some(waiting) = self.waiting.pop_front() {
            let exchange = told(&self.connection, waiting, None, 0, at, None);
            out.push(Observation::Exchange(Box::new(exchange)));
        }
        self.unanswered(out);
        self.part.tell(out);
    }
}
