//! The functions of TLS libraries that move plaintext or end sessions.

use cardlink_obs_common::{call, library};
use std::fmt;

/// A TLS library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Library {
    OpenSsl,
    GnuTls,
    MbedTls,
    WolfSsl,
}

impl Library {
    pub const ALL: [Self; 4] = [Self::OpenSsl, Self::GnuTls, Self::MbedTls, Self::WolfSsl];

    /// What crosses the ring.
    pub const fn number(self) -> u32 {
        match self {
            Self::OpenSsl => library::OPENSSL,
            Self::GnuTls => library::GNUTLS,
            Self::MbedTls => library::MBEDTLS,
            Self::WolfSsl => library::WOLFSSL,
        }
    }

    /// How the names of its files begin.
    pub const fn file(self) -> &'static str {
        match self {
            Self::OpenSsl => "libssl",
            Self::GnuTls => "libgnutls",
            Self::MbedTls => "libmbedtls",
            Self::WolfSsl => "libwolfssl",
        }
    }
}

impl fmt::Display for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OpenSsl => "OpenSSL",
            Self::GnuTls => "GnuTLS",
            Self::MbedTls => "mbedTLS",
            Self::WolfSsl => "wolfSSL",
        })
    }
}

/// A function.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    pub library: Library,
    pub name: &'static str,
    /// One of [`call`]'s bits and where the number of bytes is.
    pub what: u64,
}

impl Function {
    pub const fn returns(&self) -> bool {
        self.what & call::END == 0
    }

    /// Arguments that the probes look at.
    pub const fn arguments(&self) -> u8 {
        if self.what & (call::END | call::HANDSHAKE) != 0 {
            return 1;
        }
        match self.what & call::RESULT {
            call::RESULT_AT_FOURTH => 4,
            call::RESULT_AT_FIFTH => 5,
            _ => 3,
        }
    }
}

const fn function(library: Library, name: &'static str, what: u64) -> Function {
    Function { library, name, what }
}

/// All of them. A function that others hand on to stands before these.
///
/// Peeks are not here: their bytes come again.
pub const FUNCTIONS: &[Function] = &[
    // int SSL_read_ex(SSL *, void *, size_t, size_t *); int SSL_read(SSL *, void *, int).
    function(Library::OpenSsl, "SSL_read_ex", call::RESULT_AT_FOURTH),
    function(Library::OpenSsl, "SSL_read", call::RESULT_INT),
    // From OpenSSL 3.3 on, with flags before the size_t *.
    function(Library::OpenSsl, "SSL_write_ex2", call::WRITE | call::RESULT_AT_FIFTH),
    function(Library::OpenSsl, "SSL_write_ex", call::WRITE | call::RESULT_AT_FOURTH),
    function(Library::OpenSsl, "SSL_write", call::WRITE | call::RESULT_INT),
    // SSL_accept and SSL_connect end in it.
    function(Library::OpenSsl, "SSL_do_handshake", call::HANDSHAKE),
    function(Library::OpenSsl, "SSL_free", call::END),
    function(Library::OpenSsl, "SSL_clear", call::END),
    // ssize_t gnutls_record_recv(session, void *, size_t), and the same with a sequence number behind.
    function(Library::GnuTls, "gnutls_record_recv", call::RESULT_LONG),
    function(Library::GnuTls, "gnutls_record_recv_seq", call::RESULT_LONG),
    function(Library::GnuTls, "gnutls_record_send2", call::WRITE | call::RESULT_LONG),
    function(Library::GnuTls, "gnutls_record_send", call::WRITE | call::RESULT_LONG),
    function(Library::GnuTls, "gnutls_handshake", call::HANDSHAKE),
    function(Library::GnuTls, "gnutls_deinit", call::END),
    // int mbedtls_ssl_read(mbedtls_ssl_context *, unsigned char *, size_t).
    function(Library::MbedTls, "mbedtls_ssl_read", call::RESULT_INT),
    function(Library::MbedTls, "mbedtls_ssl_write", call::WRITE | call::RESULT_INT),
    function(Library::MbedTls, "mbedtls_ssl_handshake", call::HANDSHAKE),
    function(Library::MbedTls, "mbedtls_ssl_free", call::END),
    function(Library::MbedTls, "mbedtls_ssl_session_reset", call::END),
    // int wolfSSL_read(WOLFSSL *, void *, int), and the same with flags behind.
    function(Library::WolfSsl, "wolfSSL_read", call::RESULT_INT),
    function(Library::WolfSsl, "wolfSSL_write", call::WRITE | call::RESULT_INT),
    function(Library::WolfSsl, "wolfSSL_accept", call::HANDSHAKE),
    function(Library::WolfSsl, "wolfSSL_connect", call::HANDSHAKE),
    function(Library::WolfSsl, "wolfSSL_negotiate", call::HANDSHAKE),
    function(Library::WolfSsl, "wolfSSL_free", call::END),
    function(Library::WolfSsl, "wolfSSL_clear", call::END),
];

/// Their names.
pub fn names() -> Vec<&'static str> {
    FUNCTIONS.iter().map(|function| function.name).collect()
}
