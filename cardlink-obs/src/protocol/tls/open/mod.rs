//! The plaintext of TLS-PSK connections, from the bytes on the wire and a key file.
//!
//! With a plain PSK suite the premaster secret is made of nothing but the PSK (RFC 4279 §2), and all that the master secret
//! and the keys need besides (RFC 5246 §8.1 and §6.3) stands in the clear in the handshake. So whoever has the PSK and saw
//! the handshake reads the connection. An [`Opener`] does that for one connection; a [`Vault`] holds the keys, and the
//! sessions that a later handshake may resume by session id or by ticket (RFC 5077).
//!
//! - Suites: plain PSK with AES-CBC, 3DES-CBC (RFC 4279, RFC 5487 §3), AES-GCM (RFC 5288, RFC 5487 §2) and NULL (RFC 4785,
//!   RFC 5487 §3); TLS 1.0 to 1.2. Suites of any key exchange that do not encrypt (`…_WITH_NULL_…`) need no key at all.
//! - extended_master_secret (RFC 7627), encrypt_then_mac (RFC 7366), max_fragment_length (RFC 6066 §4).
//! - A key is believed only when the first protected record authenticates under it and the Finished in it is right. Wrong
//!   keys give [`Sealed::WrongKeyInFile`], never garbage, and [`Opener::suspects`] says what the client took for its key.
//! - What cannot be read says why: [`Sealed`].
//!
//! No I/O, no clock; a connection that does nothing takes less than a kibibyte.

mod cipher;
mod client;
mod decide;
mod detective;
mod fuzz;
mod hash;
mod hello;
mod keyfile;
mod keyring;
mod lane;
mod opener;
mod peer;
mod prf;
mod record;
mod resume;
mod schedule;
mod seal;
mod sealed;
mod skim;
mod suite;
#[cfg(test)]
mod tests;
mod transcript;

pub use client::{ClientFault, ClientStep, PskClient};
pub use detective::{Finding, Fit};
pub use fuzz::{fuzz_keyring, fuzz_opener};
pub use keyring::{Fault, Format, Keyring, KeyringError, Place, Psk};
pub use opener::{Opened, Opener, Progress, Sender, Way};
pub use resume::Vault;
pub use sealed::Sealed;
