//! What the two hellos and the key exchange say.

use crate::observation::{CipherSuite, Extensions, PskIdentity, TlsVersion};
use crate::protocol::tls::{self, ClientHello, OfferedIdentity, ServerHello};

#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub(super) offered: Vec<CipherSuite>,
    pub(super) asked: Extensions,
    pub(super) granted: Extensions,
    /// The client's highest.
    pub(super) highest: Option<TlsVersion>,
    /// The server's choice.
    pub(super) version: Option<TlsVersion>,
    pub(super) chosen: Option<CipherSuite>,
    pub(super) identity: Option<PskIdentity>,
    pub(super) identity_hint: Option<PskIdentity>,
    offered_identities: Vec<OfferedIdentity>,
    selected_identity: Option<u16>,
    pub(super) early_data: bool,
    tls13_offered: bool,
    /// A `ServerHello` came that is not a `HelloRetryRequest`.
    answered: bool,
}

impl Facts {
    /// The second `ClientHello`, after a `HelloRetryRequest`, replaces the first.
    pub(super) fn client_hello(&mut self, body: &[u8]) {
        let hello = ClientHello::parse(body);
        self.highest = hello.highest_version();
        self.tls13_offered = hello.offers_tls13();
        self.offered = hello.suites.iter().map(|id| tls::cipher_suite(*id)).collect();
        self.asked = hello.extensions;
        self.early_data = hello.early_data;
        self.offered_identities = hello.identities;
    }

    /// `true` when it was a `HelloRetryRequest`.
    pub(super) fn server_hello(&mut self, body: &[u8]) -> bool {
        let hello = ServerHello::parse(body);
        self.version = hello.version;
        self.chosen = hello.suite.map(tls::cipher_suite);
        if hello.is_retry {
            return true;
        }
        self.answered = true;
        self.granted = hello.extensions;
        self.selected_identity = hello.selected_identity;
        false
    }

    pub(super) fn server_key_exchange(&mut self, body: &[u8]) {
        if self.chosen.is_some_and(tls::is_psk) {
            self.identity_hint = tls::identity_hint(body);
        }
    }

    pub(super) fn client_key_exchange(&mut self, body: &[u8]) {
        if self.chosen.is_some_and(tls::is_psk) {
            self.identity = tls::identity(body);
        }
    }

    /// The identity; when the server chose none, the only one that the client offered.
    pub(super) fn take_identity(&mut self) -> Option<PskIdentity> {
        if let Some(selected) = self.selected() {
            return (!selected.is_ticket()).then(|| selected.identity.clone());
        }
        self.identity.take().or_else(|| {
            let mut external = self.offered_identities.iter().filter(|offered| !offered.is_ticket());
            match (external.next(), external.next()) {
                (Some(only), None) if !self.answered => Some(only.identity.clone()),
                _ => None,
            }
        })
    }

    /// The server took a ticket (TLS 1.3).
    pub(super) fn took_ticket(&self) -> bool {
        self.selected().is_some_and(OfferedIdentity::is_ticket)
    }

    /// Looked up late: the `ServerHello` may be seen before the `ClientHello` that it answers.
    fn selected(&self) -> Option<&OfferedIdentity> {
        self.offered_identities.get(usize::from(self.selected_identity?))
    }

    /// The client offered a pre-shared key for TLS 1.3 that is not a ticket.
    pub(super) fn offered_external_psk(&self) -> bool {
        self.tls13_offered && self.offered_identities.iter().any(|offered| !offered.is_ticket())
    }

    /// The client may go on with TLS 1.3, for all that is known.
    pub(super) fn may_be_tls13(&self) -> bool {
        self.version.map_or(self.tls13_offered, |version| version >= TlsVersion::TLS_1_3)
    }

    /// Records after `ChangeCipherSpec` can still be read.
    pub(super) fn is_null(&self) -> bool {
        self.chosen.is_some_and(tls::is_null)
    }
}
