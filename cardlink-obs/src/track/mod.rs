//! Pairs request with response; owns time-outs, sessions and verdicts.
//!
//! Deterministic: items of a stream in, observations out. Time-outs come from the timestamps of later items and from ticks.

pub mod adb;
pub mod admin;
pub mod at;
pub mod ccid;
pub mod chain;
pub mod connection;
pub mod connects;
mod content;
pub mod devices;
pub mod dialogue;
mod errno;
pub mod functions;
mod handshake;
pub mod pcsc;
pub mod runs;
pub mod sessions;
mod sql;
mod sqlite;
mod triggers;

pub use adb::{Phones, Runs as AdbRuns, fuzz as fuzz_adb};
pub use admin::{SentScript, Settings as AdminSettings};
pub use at::{AtSettings, AtTracker, fuzz as fuzz_at};
pub use ccid::{Ccid, Transfer as UsbTransfer, fuzz as fuzz_ccid};
pub use chain::Chains;
pub use connection::{ConnectionTracker, Settings as ConnectionSettings, fuzz_connection};
pub use connects::Connects;
pub use content::{Kept, Settings as ContentSettings, Tap, Tapped};
pub use devices::{Devices, held};
pub use dialogue::{Dialogues, Settings as DialogueSettings};
pub use functions::{Functions, Returned};
pub use runs::TestRuns;
pub use sessions::{Resumed, Sessions};
pub use sql::{Places, fuzz_mysql, fuzz_postgres};
pub use sqlite::Sqlite;
