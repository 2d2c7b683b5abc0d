//! TLS 1.0 to 1.3 as it stands on the wire.
