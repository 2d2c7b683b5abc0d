//! The PSK parts of `ServerKeyExchange` and `ClientKeyExchange` (RFC 4279 §2 to §4, RFC 5489 §2).
//!
//! In every PSK key exchange (plain, DHE, ECDHE, RSA) both messages begin with the same vector; what follows it differs.

use super::bytes::Bytes;
use crate::observation::PskIdentity;

/// `psk_identity_hint` of a `ServerKeyExchange`; `None` when it is empty or cut.
pub fn identity_hint(body: &[u8]) -> Option<PskIdentity> {
    leading_vector(body).filter(|hint| !hint.expose().is_empty())
}

/// `psk_identity` of a `ClientKeyExchange`. An empty one is an identity, too.
pub fn identity(body: &[u8]) -> Option<PskIdentity> {
    leading_vector(body)
}

fn leading_vector(body: &[u8]) -> Option<PskIdentity> {
    Some(PskIdentity::new(Bytes::new(body).vec16()?.to_vec()))
}
