//! How far a handshake has come, and whose turn it is.

use crate::protocol::tls::HandshakeType;

/// An end of the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    Client,
    Server,
}

impl Sender {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// The last message that was seen whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) sender: Sender,
    pub(super) name: &'static str,
}

impl Step {
    /// `ServerHello`, but `client Finished`: of those that both sides send, whose it was.
    pub(super) fn text(self) -> String {
        match self.name {
            FINISHED | CHANGE_CIPHER_SPEC | "Certificate" | ENCRYPTED | "Alert" => {
                format!("{} {}", self.sender.as_str(), self.name)
            }
            name => name.to_owned(),
        }
    }
}

pub(super) const FINISHED: &str = "Finished";
pub(super) const CHANGE_CIPHER_SPEC: &str = "ChangeCipherSpec";
/// A handshake message of TLS 1.3 under keys.
pub(super) const ENCRYPTED: &str = "encrypted message";

/// What has been seen, or follows from what has been seen.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one message of the protocol, seen or not")]
pub(super) struct Progress {
    pub(super) client_hello: bool,
    /// A `HelloRetryRequest` stands unanswered.
    pub(super) retry: bool,
    pub(super) server_hello: bool,
    /// The server's first flight is complete (TLS 1.2: `ServerHelloDone`).
    pub(super) server_done: bool,
    pub(super) client_ccs: bool,
    pub(super) server_ccs: bool,
    pub(super) client_finished: bool,
    /// In TLS 1.3: a record that is long enough to be it.
    pub(super) server_finished: bool,
    /// The server changed keys before the client, without a `ServerHelloDone` (RFC 5246 §7.3, figure 2).
    abbreviated: bool,
    pub(super) tls13: bool,
    /// Bytes of the server were lost: what is not seen may have been there.
    pub(super) server_gap: bool,
    /// Anything of a handshake was seen: a message, or a handshake record under keys.
    pub(super) any: bool,
}

impl Progress {
    pub(super) const fn message(&mut self, kind: HandshakeType) {
        self.any = true;
        match kind {
            HandshakeType::CLIENT_HELLO => {
                self.client_hello = true;
                self.retry = false;
            }
            HandshakeType::SERVER_HELLO
            | HandshakeType::SERVER_KEY_EXCHANGE
            | HandshakeType::CERTIFICATE_REQUEST
            | HandshakeType::CERTIFICATE_STATUS => {
                self.client_hello = true;
                self.server_hello = true;
            }
            HandshakeType::SERVER_HELLO_DONE | HandshakeType::CLIENT_KEY_EXCHANGE => {
                self.client_hello = true;
                self.server_hello = true;
                self.server_done = true;
            }
            _ => {}
        }
    }

    /// A `HelloRetryRequest`, which travels as a `ServerHello`.
    pub(super) const fn hello_retry(&mut self) {
        self.any = true;
        self.client_hello = true;
        self.server_hello = false;
        self.retry = true;
    }

    pub(super) const fn change_cipher_spec(&mut self, sender: Sender) {
        match sender {
            Sender::Client => self.client_ccs = true,
            Sender::Server => {
                self.server_ccs = true;
                self.abbreviated = self.server_hello && !self.server_done && !self.client_ccs;
            }
        }
    }

    /// The Finished of `sender`; its `ChangeCipherSpec` must have been before it. When messages may have gone by
    /// unseen, who of the two was first has to follow from others: `false` if nothing says it.
    pub(super) const fn finished(&mut self, sender: Sender, lacks_something: bool) -> bool {
        self.any = true;
        match sender {
            Sender::Client => {
                self.client_ccs = true;
                self.client_finished = true;
                self.tls13 || self.server_finished || self.server_done || !lacks_something
            }
            Sender::Server => {
                self.server_ccs = true;
                self.server_finished = true;
                if self.is_abbreviated() && !self.server_gap {
                    return true;
                }
                if lacks_something && !self.client_finished {
                    // With a ServerHelloDone the client goes first (RFC 5246 §7.3, figure 1).
                    self.client_finished = self.server_done;
                    self.abbreviated = false;
                }
                self.client_finished || !lacks_something
            }
        }
    }

    /// TLS 1.3 was chosen: `ChangeCipherSpecs`, earlier ones too, mean nothing (RFC 8446 §D.4).
    pub(super) const fn is_tls13(&mut self) {
        self.tls13 = true;
        self.client_ccs = false;
        self.server_ccs = false;
        self.abbreviated = false;
    }

    /// Up to TLS 1.2: the keys are those of an earlier session.
    pub(super) const fn is_abbreviated(&self) -> bool {
        self.abbreviated && !self.server_done
    }

    pub(super) const fn is_complete(&self) -> bool {
        self.client_finished && (self.server_finished || self.tls13)
    }

    /// A message that only TLS 1.2 and its forerunners send was seen.
    pub(super) const fn is_legacy(&self) -> bool {
        !self.tls13 && (self.server_done || self.client_finished || self.server_finished)
    }

    /// Who has to send the next message.
    pub(super) const fn turn(&self) -> Sender {
        if self.tls13 {
            return if self.retry || self.server_finished { Sender::Client } else { Sender::Server };
        }
        if self.retry {
            return Sender::Client;
        }
        if self.is_abbreviated() {
            return if self.server_finished { Sender::Client } else { Sender::Server };
        }
        if self.client_finished {
            return Sender::Server;
        }
        if self.server_done || !self.client_hello { Sender::Client } else { Sender::Server }
    }
}
