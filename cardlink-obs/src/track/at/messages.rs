//! Triggers among the messages that a program sends: by `AT+CMGS`, or by `AT+CMSS` from where `AT+CMGW` has put them.

use super::pending::{Answer, Pending};
use crate::observation::{AtResult, Cause, Observation, Stamp, Trigger, TriggerType, Tty};
use crate::protocol::at::{Carried, Returned};
use crate::protocol::sms::{Content, Message};
use std::collections::VecDeque;
use std::sync::Arc;

/// Messages in the modem's store that are kept in mind.
const STORED_LIMIT: usize = 64;

/// What is in the message store of one modem.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// By place; the oldest first.
    stored: VecDeque<(u32, Message)>,
}

impl Messages {
    /// A command was answered, or given up: tells the triggers that it sent.
    pub(super) fn answered(
        &mut self,
        tty: &Arc<Tty>,
        pending: &Pending,
        (result, end): (&AtResult, Stamp),
        answer: &Answer,
        out: &mut Vec<Observation>,
    ) {
        for carried in &pending.line.carried {
            if let Carried::Stored { place } = carried
                && let Some(&(_, message)) = self.stored.iter().find(|(stored, _)| stored == place)
            {
                out.extend(trigger(tty, pending, message, pending.start, (result, end)));
            }
        }
        let Some(message) = pending.message else { return };
        if pending.line.names.last().is_none_or(|name| name != "AT+CMGW") {
            out.extend(trigger(tty, pending, message, pending.data_written.unwrap_or(pending.start), (result, end)));
            return;
        }
        let place = pending.partial.returned.iter().chain(&answer.returned).find_map(|(returned, _)| match returned {
            Returned::Number(place) => Some(*place),
            Returned::Apdu(_) => None,
        });
        if let Some(place) = place {
            self.stored.retain(|(stored, _)| *stored != place);
            self.stored.push_back((place, message));
            if self.stored.len() > STORED_LIMIT {
                self.stored.pop_front();
            }
        }
    }
}

/// The trigger that a message is, if it is one. Of a message in parts the first part is.
fn trigger(
    tty: &Arc<Tty>,
    pending: &Pending,
    message: Message,
    sent: Stamp,
    (result, end): (&AtResult, Stamp),
) -> Option<Observation> {
    if !message.download || message.part.is_some_and(|part| part.number > 1) {
        return None;
    }
    let (kind, ciphered, may_open_session) = match message.packet.map(|packet| packet.content) {
        Some(Content::Session(_)) => (TriggerType::Scp81, false, true),
        Some(Content::OpenBip) => (TriggerType::Bip, false, true),
        Some(Content::OpenCatTp) => (TriggerType::CatTp, false, false),
        Some(Content::Sealed) => (TriggerType::SmsPp, true, true),
        Some(Content::Other) => (TriggerType::SmsPp, false, false),
        // Of a form of its own: the card's application may do anything.
        None => (TriggerType::SmsPp, false, true),
    };
    Some(Observation::Trigger(Arc::new(Trigger {
        tty: Arc::clone(tty),
        number: 0,
        kind,
        tar: message.packet.map(|packet| packet.tar),
        ciphered,
        may_open_session,
        parts: message.part.map_or(1, |part| part.total),
        command: pending.name().to_owned(),
        start: pending.start,
        sent: sent.max(pending.start),
        end: end.max(sent),
        result: result.clone(),
        cause: Cause::default(),
    })))
}
