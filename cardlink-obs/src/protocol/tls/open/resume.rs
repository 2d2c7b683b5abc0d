//! What all connections share: the keys, and the sessions that a later connection may resume by id (RFC 5246 §7.3) or by
//! ticket (RFC 5077).

use super::hash::Hash;
use super::keyring::Keyring;
use super::schedule::Master;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// Sessions that are remembered; past that the oldest is forgotten.
const MAX_SESSIONS: usize = 4096;

/// Names a session: a hash of its id or ticket, so that a long ticket takes no more room than a short one.
pub(super) type SessionName = [u8; 32];

/// The name of a session id; `None` for the empty one.
pub(super) fn by_id(id: &[u8]) -> Option<SessionName> {
    name(b"id", id)
}

/// The name of a ticket; `None` for the empty one.
pub(super) fn by_ticket(ticket: &[u8]) -> Option<SessionName> {
    name(b"ticket", ticket)
}

fn name(kind: &[u8], bytes: &[u8]) -> Option<SessionName> {
    if bytes.is_empty() {
        return None;
    }
    Hash::Sha256.digest(&[kind, bytes]).as_slice().try_into().ok()
}

/// What a resumed handshake takes over.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) master: Master,
    pub(super) suite: u16,
    /// It holds for the resumed connections, too (RFC 6066 §4).
    pub(super) max_fragment: Option<u16>,
    /// A resumed handshake does not show it.
    pub(super) identity: Option<Arc<[u8]>>,
}

/// The keys and the sessions, shared by the [`Opener`](super::Opener)s of all connections.
#[derive(Debug, Default)]
pub struct Vault {
    keyring: Mutex<Option<Arc<Keyring>>>,
    sessions: Mutex<Sessions>,
}

#[derive(Debug, Default)]
struct Sessions {
    by_name: HashMap<SessionName, Session>,
    oldest_first: VecDeque<SessionName>,
}

impl Vault {
    /// `None`: there is no key file, so that nothing but the NULL suites can be read.
    pub fn new(keyring: Option<Keyring>) -> Self {
        Self { keyring: Mutex::new(keyring.map(Arc::new)), sessions: Mutex::default() }
    }

    /// The keys as they are now.
    pub fn keyring(&self) -> Option<Arc<Keyring>> {
        self.keyring.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Handshakes from now on are opened with other keys, after the key file has changed. Sessions are kept.
    pub fn replace(&self, keyring: Option<Keyring>) {
        *self.keyring.lock().unwrap_or_else(PoisonError::into_inner) = keyring.map(Arc::new);
    }

    /// Number of sessions that could be resumed.
    pub fn sessions(&self) -> usize {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).by_name.len()
    }

    pub(super) fn has_keys(&self) -> bool {
        self.keyring.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    pub(super) fn remember(&self, name: SessionName, session: Session) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.by_name.insert(name, session).is_some() {
            return;
        }
        sessions.oldest_first.push_back(name);
        if sessions.oldest_first.len() > MAX_SESSIONS
            && let Some(oldest) = sessions.oldest_first.pop_front()
        {
            sessions.by_name.remove(&oldest);
        }
    }

    pub(super) fn session(&self, name: &SessionName) -> Option<Session> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).by_name.get(name).cloned()
    }
}

const _: () = {
    const fn is_shared<T: Send + Sync>() {}
    is_shared::<Vault>();
};
