//! The lab: a PSK-TLS server, a card that talks to it, a modem on a pty, a phone for an adb server, and a card in a virtual reader.
//!
//! They produce real traffic, misbehave on request, and tell what really happened in a truth file, without any of the
//! decoders that they are there to check. `README.md` describes the programs and the format.

pub mod bench;
pub mod card;
pub mod cli;
pub mod clock;
pub mod modem;
pub mod phone;
pub mod psk;
pub mod reader;
pub mod scp81;
pub mod server;
pub mod stop;
pub mod tls;
pub mod truth;
pub mod wire;
