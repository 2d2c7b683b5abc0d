//! Pairs request with response; owns time-outs, sessions and verdicts.
//!
//! Deterministic: items of a stream in, observations out. Time-outs come from the timestamps of later items and from ticks.

pub mod at;
pub mod connection;
mod handshake;

pub use at::{AtSettings, AtTracker, fuzz as fuzz_at};
pub use connection::{ConnectionTracker, Settings as ConnectionSettings, fuzz_connection};
