//! Logical APDUs: a command with the GET RESPONSEs and repeats that bring its answer.

use super::{CommandApdu, ResponseApdu, StatusWord};

/// A command as its application meant it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logical {
    /// The first command of the chain.
    pub command: CommandApdu,
    /// The last status word; `None` when the last command was not answered.
    pub sw: Option<StatusWord>,
    /// Bytes of all commands, and of all responses.
    pub sent: u64,
    pub received: u64,
    /// Commands that were sent, the first among them.
    pub exchanges: u32,
}

impl Logical {
    /// Bytes both ways.
    pub const fn bytes(&self) -> u64 {
        self.sent.saturating_add(self.received)
    }

    fn of(command: CommandApdu, response: Option<ResponseApdu>) -> Self {
        let mut logical = Self { command, sw: None, sent: 0, received: 0, exchanges: 0 };
        logical.add(command, response);
        logical
    }

    fn add(&mut self, command: CommandApdu, response: Option<ResponseApdu>) {
        self.sw = response.map(|response| response.sw);
        self.sent = self.sent.saturating_add(command.len as u64);
        self.received = self.received.saturating_add(response.map_or(0, |response| response.len() as u64));
        self.exchanges = self.exchanges.saturating_add(1);
    }

    /// Whether `next` goes on with this command (ISO/IEC 7816-3 §12.2, TS 102 221 §7.3.1.1).
    fn goes_on_with(&self, next: &CommandApdu) -> bool {
        let Some(sw) = self.sw else { return false };
        let first = &self.command;
        let get_response = next.name().as_str() == "GET_RESPONSE" && next.channel() == first.channel();
        if sw.has_more() {
            return get_response;
        }
        let same = (next.cla, next.ins, next.p1, next.p2) == (first.cla, first.ins, first.p1, first.p2);
        // A GET RESPONSE within the chain may have had the wrong Le.
        sw.wants_le() && (same || (get_response && self.exchanges > 1))
    }

    fn is_open(&self) -> bool {
        self.sw.is_some_and(|sw| sw.has_more() || sw.wants_le())
    }
}

/// Folds exchanges, in order, into logical APDUs. One chain follows one card, or one logical channel.
#[derive(Debug, Clone, Default)]
pub struct Chain {
    open: Option<Logical>,
}

impl Chain {
    /// Takes a command with its response, if any. At most two logical APDUs are complete with it: one that was waited
    /// for in vain, and this.
    pub fn push(&mut self, command: CommandApdu, response: Option<ResponseApdu>, out: &mut impl FnMut(Logical)) {
        let logical = match self.open.take() {
            Some(mut open) if open.goes_on_with(&command) => {
                open.add(command, response);
                open
            }
            other => {
                other.into_iter().for_each(&mut *out);
                Logical::of(command, response)
            }
        };
        if logical.is_open() {
            self.open = Some(logical);
        } else {
            out(logical);
        }
    }

    /// No more exchanges come: what is open is told as it is.
    pub fn finish(&mut self, out: &mut impl FnMut(Logical)) {
        self.open.take().into_iter().for_each(out);
    }
}
